//! What an operator decides about tiers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// All tiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Functions of the host.
    pub native: Threads,
    /// Programs in namespaces.
    pub jail: Jails,
}

/// How functions of the host are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threads {
    /// Threads at the most, with those of functions that were left behind.
    pub threads_max: usize,
}

/// How jails are made, and what bounds a tool whose spec does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jails {
    /// Directories of the system that tools see.
    pub system: Vec<PathBuf>,
    /// Directories of the host that are never granted, besides its own.
    pub private: Vec<PathBuf>,
    /// Who tools are outside if the host is root.
    pub user: u32,
    /// Seconds on processors.
    pub processor_s: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Processes and threads at a time.
    pub processes: u32,
    /// Bytes in `/work` and `/tmp` together.
    pub disk_bytes: u64,
    /// Open files of a process.
    pub open_files: u32,
    /// Files of granted trees that are looked at for what was written.
    pub tree_files_max: usize,
}

/// Open files that a jail needs itself, so that less cannot be bounded.
pub(super) const OPEN_FILES_MIN: u32 = 12;

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let jail = &self.jail;
        let rows = [
            ("native.threads_max", self.native.threads_max == 0, "at least 1"),
            ("jail.user", jail.user == 0, "a user that is not root"),
            ("jail.processor_s", jail.processor_s == 0, "at least 1"),
            ("jail.memory_bytes", jail.memory_bytes < 1 << 20, "at least a megabyte"),
            ("jail.processes", jail.processes == 0, "at least 1"),
            ("jail.disk_bytes", jail.disk_bytes < 4_096, "at least a page of 4096"),
            ("jail.open_files", jail.open_files < OPEN_FILES_MIN, "at least 12, which a jail needs itself"),
            ("jail.system", jail.system.iter().any(|path| !path.is_absolute()), "absolute paths"),
            ("jail.private", jail.private.iter().any(|path| !path.is_absolute()), "absolute paths"),
        ];
        rows.into_iter().filter(|(_, wrong, _)| *wrong).map(|(key, _, expected)| (key, expected.to_owned())).collect()
    }
}
