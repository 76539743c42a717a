//! What a tool sees as the file system: put together on a tmpfs, and read-only but for its own two directories and the
//! trees it may write.
//!
//! It is put together over `/sys`: every Linux has that directory, nothing that is shown lies in it, and nothing that is
//! needed on the way does either.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::super::plan::{File, Plan, Tree};
use super::keeper::INSIDE;
use super::{During, TMP};
use crate::sandbox::spec::Access;
use crate::types::Hash;

/// Where it is put together.
const BASE: &str = "/sys";

/// Files of `/etc` that programs need and that say nothing of the host: where libraries are, what names stand for
/// which program, whom to trust, what time it is.
pub(in crate::sandbox::jail) const SETTINGS: [&str; 6] =
    ["etc/ld.so.cache", "etc/alternatives", "etc/ssl/certs", "etc/ssl/openssl.cnf", "etc/localtime", "etc/mime.types"];

/// Devices that hold nothing.
pub(in crate::sandbox::jail) const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Links beside them. Shared memory by name is files; they count as the tool's own.
pub(in crate::sandbox::jail) const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("shm", "/tmp"),
];

/// Bytes of the tmpfs on top of the files in it: its directories and links.
const ROOM: u64 = 1 << 20;

/// Bytes for which the tool's own directories have one inode, as ext4 reckons it, and how many there are at least.
const BYTES_PER_INODE: u64 = 16 << 10;
const INODES_MIN: u64 = 1_024;

/// Puts it together in a mount namespace of our own. The tool's own directories belong to `owner`.
pub(super) fn build(plan: &Plan, owner: u32) -> Result<(), String> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .during(|| "keep mounts to ourselves".to_owned())?;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV;
    tmpfs(BASE, quiet, &format!("mode=0755,size={}", plan.files_bytes + ROOM))?;
    for folder in ["dev", "etc/ssl", "granted", "inputs", "proc", "run/syzygy", "scratch", "tmp", "work"] {
        fs::create_dir_all(inside(folder)).during(|| format!("make /{folder}"))?;
    }
    plan.system.iter().try_for_each(|folder| system(folder))?;
    settings()?;
    devices()?;
    scratch(plan.bounds.disk, owner)?;
    plan.files.iter().try_for_each(copy)?;
    plan.trees.iter().try_for_each(tree)?;
    if let Some(socket) = &plan.egress {
        show(socket, &inside("run/syzygy/egress.sock"), false)?;
    }
    close(&plan.trees)
}

/// Where a path of the tool is while it is put together.
fn inside(path: &str) -> PathBuf {
    Path::new(BASE).join(path.trim_start_matches('/'))
}

fn tmpfs(at: &str, flags: MountFlags, options: &str) -> Result<(), String> {
    let text = CString::new(options).during(|| "name the options of a tmpfs".to_owned())?;
    mount("tmpfs", at, "tmpfs", flags, text.as_c_str()).during(|| format!("mount a tmpfs at {at} ({options})"))
}

/// Shows a file or a directory of the host, with what is mounted in it.
fn show(source: &Path, target: &Path, folder: bool) -> Result<(), String> {
    let make = || if folder { fs::create_dir_all(target) } else { fs::write(target, "") };
    make().during(|| format!("make {}", target.display()))?;
    mount_bind_recursive(source, target).during(|| format!("show {}", source.display()))
}

/// A directory of the system, or the link that stands for it: `/bin` is one to `usr/bin` nowadays.
fn system(folder: &Path) -> Result<(), String> {
    let Ok(found) = fs::symlink_metadata(folder) else { return Ok(()) };
    let target = inside(&folder.to_string_lossy());
    if !found.is_symlink() {
        return show(folder, &target, true);
    }
    let link = || {
        fs::create_dir_all(target.parent().unwrap_or(&target))?;
        symlink(fs::read_link(folder)?, &target)
    };
    link().during(|| format!("link {}", folder.display()))
}

fn settings() -> Result<(), String> {
    for name in SETTINGS {
        // Followed, since what it stands for may not be shown itself.
        let Ok(source) = fs::canonicalize(Path::new("/").join(name)) else { continue };
        show(&source, &inside(name), source.is_dir())?;
    }
    let texts = [
        ("etc/passwd", format!("tool:x:{INSIDE}:{INSIDE}:tool:/work:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")),
        ("etc/group", format!("tool:x:{INSIDE}:\nnogroup:x:65534:\n")),
        ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n".to_owned()),
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_owned()),
    ];
    texts.iter().try_for_each(|(name, text)| fs::write(inside(name), text).during(|| format!("write /{name}")))
}

fn devices() -> Result<(), String> {
    for name in DEVICES {
        let (source, target) = (Path::new("/dev").join(name), inside("dev").join(name));
        fs::write(&target, "").during(|| format!("make /dev/{name}"))?;
        mount_bind(&source, &target).during(|| format!("show /dev/{name}"))?;
    }
    let link = |(name, to): &(&str, &str)| symlink(to, inside("dev").join(name)).during(|| format!("link /dev/{name}"));
    LINKS.iter().try_for_each(link)
}

/// Files that may be in so many bytes.
pub(super) fn inodes(bytes: u64) -> u64 {
    (bytes / BYTES_PER_INODE).max(INODES_MIN)
}

/// `/work` and `/tmp` share one tmpfs, so that one limit holds for both.
fn scratch(bytes: u64, owner: u32) -> Result<(), String> {
    let inodes = inodes(bytes);
    let at = inside("scratch");
    let quiet = MountFlags::NOSUID | MountFlags::NODEV;
    tmpfs(&at.to_string_lossy(), quiet, &format!("mode=0755,size={},nr_inodes={inodes}", bytes.max(4_096)))?;
    for (name, mode) in [("tmp", 0o1777), ("work", 0o755)] {
        let folder = at.join(name);
        let make = || {
            fs::create_dir(&folder)?;
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode))?;
            chown(&folder, Some(owner), Some(owner))
        };
        make().during(|| format!("make /{name}"))?;
        mount_bind(&folder, inside(name)).during(|| format!("show /{name}"))?;
    }
    unmount(&at, UnmountFlags::DETACH).during(|| "hide the tmpfs of both".to_owned())?;
    fs::remove_dir(&at).during(|| "hide the tmpfs of both".to_owned())
}

/// Copied and not shown, and looked at while it is copied: what is run is what was published.
fn copy(file: &File) -> Result<(), String> {
    let mut bytes = Vec::new();
    let read = fs::File::open(&file.source).and_then(|mut opened| opened.read_to_end(&mut bytes));
    read.during(|| format!("read the input {}", file.name))?;
    is_published(file, &bytes)?;
    let target = inside("inputs").join(&file.name);
    let mode = if file.executable { 0o555 } else { 0o444 };
    let write = || {
        target.parent().map(fs::create_dir_all).transpose()?;
        fs::write(&target, &bytes)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(mode))
    };
    write().during(|| format!("show the input {}", file.name))
}

fn is_published(file: &File, bytes: &[u8]) -> Result<(), String> {
    if Hash::of(bytes) == file.hash {
        return Ok(());
    }
    Err(format!("could not show the input {}: it is not the file that was published", file.name))
}

/// Looked at after it is shown: whoever put another directory in its place meanwhile has shown nothing.
fn tree(tree: &Tree) -> Result<(), String> {
    let target = inside("granted").join(&tree.name);
    show(&tree.source, &target, true)?;
    let found = fs::metadata(&target).during(|| format!("look at the tree {}", tree.name))?;
    is_the_one(tree, &found)
}

fn is_the_one(tree: &Tree, found: &fs::Metadata) -> Result<(), String> {
    if (found.dev(), found.ino()) == tree.place {
        return Ok(());
    }
    Err(format!("could not show the tree {}: it is not the directory that was granted", tree.name))
}

/// Looks at what somebody else has put together: whether it shows what the plan says.
pub(super) fn inspect(plan: &Plan) -> Result<(), String> {
    for file in &plan.files {
        let bytes = fs::read(Path::new("/inputs").join(&file.name)).during(|| format!("read {}", file.name))?;
        is_published(file, &bytes)?;
    }
    for tree in &plan.trees {
        let found = fs::metadata(Path::new("/granted").join(&tree.name)).during(|| format!("find {}", tree.name))?;
        is_the_one(tree, &found)?;
    }
    fs::create_dir(TMP).during(|| "make /tmp".to_owned())
}

/// One line of `/proc/self/mountinfo`.
struct Mounted {
    id: u32,
    parent: u32,
    at: PathBuf,
    flags: MountFlags,
}

fn mounted() -> io::Result<Vec<Mounted>> {
    let read = |line: &str| {
        let mut words = line.split(' ');
        let (id, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (at, options) = (unescape(words.nth(2)?), words.next()?);
        // What is locked may not be taken away, so what is there is asked for again.
        let flags = options.split(',').fold(MountFlags::empty(), |all, option| {
            all | match option {
                "ro" => MountFlags::RDONLY,
                "nosuid" => MountFlags::NOSUID,
                "nodev" => MountFlags::NODEV,
                "noexec" => MountFlags::NOEXEC,
                "noatime" => MountFlags::NOATIME,
                "nodiratime" => MountFlags::NODIRATIME,
                "relatime" => MountFlags::RELATIME,
                _ => MountFlags::empty(),
            }
        });
        Some(Mounted { id, parent, at, flags })
    };
    Ok(fs::read_to_string("/proc/self/mountinfo")?.lines().filter_map(read).collect())
}

/// A space is `\040` in there.
fn unescape(text: &str) -> PathBuf {
    let mut path = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        path.push_str(before);
        match after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => path.push(char::from(byte)),
            None => path.push('\\'),
        }
        rest = after.get(3..).unwrap_or_default();
    }
    PathBuf::from(path + rest)
}

/// Takes from every mount what the tool must not have, last from the one that holds them all.
fn close(trees: &[Tree]) -> Result<(), String> {
    let all = mounted().during(|| "list the mounts".to_owned())?;
    // What lay in the old `/sys` is still in the list.
    let base = all.iter().rev().find(|mount| mount.at == Path::new(BASE)).map(|mount| mount.id);
    let base = base.ok_or_else(|| "could not find the mount that was made".to_owned())?;
    let mut ours = vec![base];
    for mount in all.iter().filter(|mount| mount.id != base) {
        if ours.contains(&mount.parent) {
            ours.push(mount.id);
        }
    }
    let writable: Vec<PathBuf> = ["tmp", "work"]
        .into_iter()
        .map(inside)
        .chain(
            trees.iter().filter(|tree| tree.access == Access::ReadWrite).map(|tree| inside("granted").join(&tree.name)),
        )
        .collect();
    for mount in all.iter().filter(|mount| mount.id != base && ours.contains(&mount.id)) {
        let device = mount.at.starts_with(inside("dev"));
        let mut flags = mount.flags | MountFlags::BIND | MountFlags::NOSUID;
        flags |= if device { MountFlags::NOEXEC } else { MountFlags::NODEV };
        if !writable.iter().any(|path| mount.at.starts_with(path)) {
            flags |= MountFlags::RDONLY;
        }
        mount_remount(&mount.at, flags, "").during(|| format!("close {}", mount.at.display()))?;
    }
    let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
    mount_remount(BASE, flags, "").during(|| "close the root".to_owned())
}

/// Goes in, in the tool's own pid namespace, and lets the host's file system go.
pub(super) fn enter() -> Result<(), String> {
    // Where a kernel can, `/proc` shows processes and nothing of the machine.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", inside("proc"), "proc", flags, c"subset=pid")
        .or_else(|_| mount("proc", inside("proc"), "proc", flags, c""))
        .during(|| "mount /proc".to_owned())?;
    // A mount from a more privileged namespace is locked and cannot become the root; a copy of it can.
    let go_in = || {
        mount_bind_recursive(BASE, BASE)?;
        chdir(BASE)?;
        pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        chdir("/")
    };
    go_in().during(|| "enter the jail's root".to_owned())
}
