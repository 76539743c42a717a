//! Jails that bubblewrap makes, where it may and we may not: some distributions let `bwrap` have user namespaces and
//! nobody else (Ubuntu since 24.04 by AppArmor, older ones by its set-uid bit).
//!
//! Bubblewrap takes the keeper's place; the warden is the same. What is looser than in a jail of our own: how many files
//! `/work` has is watched instead of bounded, inputs are shown and not copied, and there is no user `tool` in
//! `/etc/passwd`. For a host that is root there is no such jail: its tools would be root outside.

use std::path::{Path, PathBuf};

use super::init::{DEVICES, LINKS, SETTINGS, WARDEN};
use super::plan::Plan;
use crate::sandbox::spec::Access;

/// Where it is looked for.
const PLACES: [&str; 2] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap"];

/// Where the warden finds itself.
const WARDEN_AT: &str = "/run/syzygy/warden";

/// What `/proc` tells of the machine and no tool needs to know.
const MASKED: [&str; 10] = [
    "cmdline",
    "config.gz",
    "interrupts",
    "kallsyms",
    "kcore",
    "keys",
    "modules",
    "sched_debug",
    "timer_list",
    "version",
];

/// Bubblewrap, if it is there and can be of use.
pub(super) fn find() -> Option<PathBuf> {
    let usable = !rustix::process::geteuid().is_root();
    PLACES.map(PathBuf::from).into_iter().find(|path| usable && path.is_file())
}

/// What bubblewrap is told to make of a plan, and to start in it.
pub(super) fn arguments(plan: &Plan, program: &Path) -> Vec<String> {
    let mut all = Arguments(Vec::new());
    for flag in ["--unshare-all", "--unshare-user", "--die-with-parent", "--as-pid-1", "--new-session", "--clearenv"] {
        all.add(&[flag]);
    }
    all.add(&["--cap-drop", "ALL", "--hostname", "jail", "--uid", "1000", "--gid", "1000"]);
    for folder in plan.system.iter().filter(|folder| folder.symlink_metadata().is_ok()) {
        match std::fs::read_link(folder) {
            Ok(target) => all.add(&["--symlink", &text(&target), &text(folder)]),
            Err(_) => all.add(&["--ro-bind", &text(folder), &text(folder)]),
        }
    }
    for name in SETTINGS {
        if let Ok(source) = std::fs::canonicalize(Path::new("/").join(name)) {
            all.add(&["--ro-bind", &text(&source), &format!("/{name}")]);
        }
    }
    all.add(&["--proc", "/proc"]);
    for name in MASKED {
        if Path::new("/proc").join(name).exists() {
            all.add(&["--ro-bind", "/dev/null", &format!("/proc/{name}")]);
        }
    }
    for name in DEVICES {
        all.add(&["--dev-bind", &format!("/dev/{name}"), &format!("/dev/{name}")]);
    }
    for (name, target) in LINKS {
        all.add(&["--symlink", target, &format!("/dev/{name}")]);
    }
    // One tmpfs for both, so that one limit holds for both; the warden makes the directory.
    all.add(&["--size", &plan.bounds.disk.to_string(), "--tmpfs", "/work", "--symlink", super::init::TMP, "/tmp"]);
    for file in &plan.files {
        all.add(&["--ro-bind", &text(&file.source), &format!("/inputs/{}", file.name)]);
    }
    for tree in &plan.trees {
        let bind = if tree.access == Access::ReadWrite { "--bind" } else { "--ro-bind" };
        all.add(&[bind, &text(&tree.source), &format!("/granted/{}", tree.name)]);
    }
    for folder in ["/inputs", "/granted"] {
        all.add(&["--dir", folder]);
    }
    if let Some(socket) = &plan.egress {
        all.add(&["--ro-bind", &text(socket), "/run/syzygy/egress.sock"]);
    }
    all.add(&["--ro-bind", &text(program), WARDEN_AT, "--remount-ro", "/", "--chdir", "/", "--", WARDEN_AT, WARDEN]);
    all.0
}

struct Arguments(Vec<String>);

impl Arguments {
    fn add(&mut self, more: &[&str]) {
        self.0.extend(more.iter().map(ToString::to_string));
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
