//! What an engine is told of an invocation, and the files that are made for it: pure but for those files.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Shared;
use super::engine::{Container, Shown};
use crate::sandbox::spec::{Access, Egress, Program, Spec};
use crate::sandbox::{Prepared, ground};

/// The label by which a host knows its own containers.
pub(super) const LABEL: &str = "syzygy.host";

/// The label by which an operator knows whose tool runs.
const TOOL: &str = "syzygy.tool";

/// What covers the machine: nothing of it is said to a tool. The first rows are those that engines cover themselves.
const COVERED: [&str; 19] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/diskstats",
    "/proc/kallsyms",
    "/proc/modules",
    "/proc/version",
    // No terminal and no queue is needed, and both could be made in them.
    "/dev/pts",
    "/dev/mqueue",
];

/// Parts of `/proc` that change the machine, as engines have it.
const FIXED: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Files of `/etc` that programs of the system need and that say nothing of the host.
const SETTINGS: [&str; 6] = ["ld.so.cache", "alternatives", "ssl/certs", "ssl/openssl.cnf", "localtime", "mime.types"];

/// Bytes for which a directory in memory has one inode, as ext4 reckons it, and how many there are at least.
const BYTES_PER_INODE: u64 = 16 << 10;
const INODES_MIN: u64 = 512;

/// Processes of the tool's user on the whole machine. It bounds nothing beside the container's own number, but a bound that
/// is not there can be raised.
const USER_PROCESSES: u64 = 1 << 16;

/// Bytes that the engine's own runtime may need on top while it is still in the place of the tool. The memory of all together
/// is bounded by the control group, exactly; this is for what has no bound otherwise.
const BEGINNING: u64 = 512 << 20;

/// What a tool's own processes may use, with what an operator decides where its description says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) processor: Duration,
    pub(super) memory: u64,
    pub(super) processes: u32,
    pub(super) disk: u64,
    pub(super) open_files: u32,
}

pub(super) fn bounds(shared: &Shared, spec: &Spec) -> Bounds {
    let (limits, own) = (&spec.limits, &shared.config.containers);
    Bounds {
        processor: limits.cpu.unwrap_or(Duration::from_secs(own.processor_s)),
        memory: limits.memory.unwrap_or(own.memory_bytes),
        processes: limits.processes.unwrap_or(own.processes),
        disk: limits.disk.unwrap_or(own.disk_bytes),
        open_files: limits.open_files.unwrap_or(own.open_files),
    }
}

/// The files of an invocation, gone with it.
#[derive(Debug)]
pub(super) struct Files(PathBuf);

impl Files {
    /// Copies what the tool is given: shown is what was published, and not what lies there when the engine looks.
    pub(super) fn make(folder: PathBuf, prepared: &Prepared) -> Result<Files, String> {
        let spec = &*prepared.spec;
        let files = Files(folder);
        let failed = |cause: io::Error| format!("could not make its files: {cause}");
        fs::create_dir_all(files.inputs()).and_then(|()| fs::create_dir_all(files.settings())).map_err(failed)?;
        for input in &spec.inputs {
            let bytes = ground::input(&spec.tool, input).map_err(|error| error.to_string())?;
            let mode = if input.executable { 0o555 } else { 0o444 };
            write(&files.inputs().join(&input.name), &bytes, mode).map_err(failed)?;
        }
        let user = prepared.user;
        let texts = [
            ("passwd", format!("tool:x:{user}:{user}:tool:/work:/bin/sh\nroot:x:0:0::/:/bin/false\n")),
            ("group", format!("tool:x:{user}:\nroot:x:0:\n")),
            ("hosts", "127.0.0.1 localhost\n::1 localhost\n".to_owned()),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_owned()),
            ("hostname", "container\n".to_owned()),
            // The engine would show whom the host asks for names.
            ("resolv.conf", String::new()),
        ];
        for (name, text) in texts {
            write(&files.settings().join(name), text.as_bytes(), 0o444).map_err(failed)?;
        }
        Ok(files)
    }

    fn inputs(&self) -> PathBuf {
        self.0.join("inputs")
    }

    fn settings(&self) -> PathBuf {
        self.0.join("etc")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left goes when the next host begins.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Whether the granted trees are still the directories that were granted.
pub(super) fn is_as_granted(prepared: &Prepared) -> Result<(), String> {
    for (grant, place) in prepared.spec.grants.iter().zip(prepared.places.iter()) {
        let found = fs::metadata(&grant.source).map(|found| (found.dev(), found.ino()));
        if !found.is_ok_and(|found| found == *place) {
            return Err(format!("could not show the tree {}: it is not the directory that was granted", grant.name));
        }
    }
    Ok(())
}

/// Puts everything together.
pub(super) fn container(shared: &Shared, prepared: &Prepared, name: &str, files: &Files) -> Container {
    let (spec, bounds) = (&*prepared.spec, bounds(shared, &prepared.spec));
    let (image, command, system) = match &spec.program {
        Program::Image { reference, command } => (reference.clone(), command.clone(), Vec::new()),
        Program::Command(command) => (shared.base.clone(), command.clone(), system(shared, files)),
        // Neither is prepared here.
        Program::Native(_) | Program::Component(_) => Default::default(),
    };
    let mut shown = system;
    shown.extend(
        ["hosts", "hostname", "resolv.conf"].map(|name| read_only(files.settings().join(name), format!("/etc/{name}"))),
    );
    if !spec.inputs.is_empty() || !matches!(spec.program, Program::Image { .. }) {
        shown.push(read_only(files.inputs(), "/inputs".to_owned()));
    }
    shown.extend(spec.grants.iter().map(|grant| Shown {
        source: grant.source.clone(),
        target: format!("/granted/{}", grant.name),
        writable: grant.access == Access::ReadWrite,
    }));
    if let Egress::Socket(path) = &spec.egress {
        shown.push(read_only(path.clone(), "/run/syzygy/egress.sock".to_owned()));
    }
    Container {
        name: name.to_owned(),
        labels: vec![(LABEL.to_owned(), shared.owner.clone()), (TOOL.to_owned(), spec.tool.clone())],
        image,
        command,
        environment: environment(spec),
        directory: spec.directory.clone().unwrap_or_else(|| "/work".to_owned()),
        user: prepared.user,
        shown,
        scratch: scratch(bounds.disk, prepared.user),
        covered: COVERED.map(str::to_owned).to_vec(),
        fixed: FIXED.map(str::to_owned).to_vec(),
        memory: bounds.memory,
        processes: bounds.processes,
        processors: shared.processors,
        bounds: each(&bounds),
        calls: shared.calls.clone(),
    }
}

fn read_only(source: PathBuf, target: String) -> Shown {
    Shown { source, target, writable: false }
}

/// The system's directories, for programs that bring none.
fn system(shared: &Shared, files: &Files) -> Vec<Shown> {
    let folders = shared.config.system.iter().filter(|folder| folder.is_dir());
    let folders = folders.map(|folder| read_only(folder.clone(), folder.to_string_lossy().into_owned()));
    // Followed, since what it stands for may not be shown itself.
    let setting = |name: &&str| Some((fs::canonicalize(Path::new("/etc").join(name)).ok()?, format!("/etc/{name}")));
    let settings = SETTINGS.iter().filter_map(setting).map(|(source, target)| read_only(source, target));
    let own =
        ["passwd", "group", "nsswitch.conf"].map(|name| read_only(files.settings().join(name), format!("/etc/{name}")));
    folders.chain(settings).chain(own).collect()
}

/// `/work` and `/tmp` cannot share one bound here, so each has its part and both together are within it.
pub(super) fn scratch(disk: u64, user: u32) -> Vec<(String, String)> {
    let parts = [("/tmp", disk / 4), ("/work", disk - disk / 4)];
    let options = |(at, bytes): (&str, u64)| {
        // Less than a page would be no bound at all. Where the image has such a directory, the runtime takes its mode, so
        // it has to be the tool's own.
        let (bytes, inodes) = (bytes.max(4_096), (bytes / BYTES_PER_INODE).max(INODES_MIN));
        (at.to_owned(), format!("rw,exec,nosuid,nodev,mode=1777,uid={user},gid={user},size={bytes},nr_inodes={inodes}"))
    };
    parts.map(options).to_vec()
}

/// The bounds of each process, beside those of all together. What has none could be raised, so all that can have one do.
fn each(bounds: &Bounds) -> Vec<(&'static str, u64)> {
    // The watcher is exact; this ends what it does not see any more.
    let seconds = bounds.processor.as_secs() + 2;
    vec![
        ("core", 0),
        ("cpu", seconds),
        ("data", bounds.memory.saturating_add(BEGINNING)),
        ("fsize", bounds.disk),
        ("memlock", bounds.memory.min(64 << 10)),
        ("msgqueue", 0),
        ("nofile", u64::from(bounds.open_files)),
        ("nproc", USER_PROCESSES),
    ]
}

/// Its environment. An image's own is beneath it.
pub(super) fn environment(spec: &Spec) -> Vec<String> {
    let brings = matches!(spec.program, Program::Image { .. });
    // An image knows best where its programs are.
    let usual = [
        ("HOME", "/work", true),
        ("LANG", "C.UTF-8", !brings),
        ("PATH", "/usr/local/bin:/usr/bin:/bin", !brings),
        ("TMPDIR", "/tmp", true),
        ("TZ", "UTC", !brings),
        ("USER", "tool", true),
    ];
    let unsaid = usual.iter().filter(|(name, _, given)| *given && !spec.environment.contains_key(*name));
    let mut all: Vec<String> = unsaid.map(|(name, value, _)| format!("{name}={value}")).collect();
    all.extend(spec.environment.iter().map(|(name, value)| format!("{name}={value}")));
    if spec.egress != Egress::None {
        all.push("SYZYGY_EGRESS=/run/syzygy/egress.sock".to_owned());
    }
    if !spec.environment.contains_key("HOSTNAME") {
        // The engine's own, taken away.
        all.push("HOSTNAME".to_owned());
    }
    all
}
