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
    /// Containers of an engine.
    pub docker: Containers,
    /// WebAssembly components.
    pub wasm: Components,
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

/// Where an engine of containers is, how they are made, and what bounds a tool whose spec does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// The engine's unix socket.
    pub socket: PathBuf,
    /// Whether images that the engine does not have are fetched.
    pub pull: bool,
    /// Seconds within which the engine must answer.
    pub answer_s: u64,
    /// Milliseconds between two looks at what a tool uses.
    pub watch_ms: u64,
    /// Who tools are if the host is root.
    pub user: u32,
    /// Processors at a time.
    pub processors: u32,
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

/// How components are run, and what bounds a tool whose spec does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Components {
    /// Invocations at a time.
    pub instances_max: u32,
    /// Threads for components that take longer than their first slice.
    pub threads: u32,
    /// Milliseconds between two looks at whether a component must give way.
    pub tick_ms: u64,
    /// Seconds on processors.
    pub processor_s: u64,
    /// Bytes of memory, which no spec can exceed.
    pub memory_bytes: u64,
    /// Bytes that may be written to `/work`.
    pub disk_bytes: u64,
    /// Open files and directories.
    pub open_files: u32,
    /// Bytes of a component.
    pub component_bytes_max: u64,
    /// Compiled components that are kept.
    pub compiled_max: u32,
    /// Files of granted trees that are looked at for what was written.
    pub tree_files_max: usize,
}

/// Open files that a jail needs itself, so that less cannot be bounded.
pub(super) const OPEN_FILES_MIN: u32 = 12;

/// Memories that find room in 47 bits of addresses, each with 4 GiB and what guards it, three times over.
const INSTANCES_MOST: u32 = 10_000;

/// More threads than processors of any machine.
const THREADS_MOST: u32 = 1_024;

/// A second: the longest that anybody should wait for a tool to end.
const TICK_MOST_MS: u64 = 1_000;

/// The unit in which a memory grows.
pub(super) const WASM_PAGE: u64 = 65_536;

/// Less than this engines refuse, or cannot begin a container in.
pub(super) const DOCKER_MEMORY_MIN: u64 = 8 << 20;

/// What 32 bits can address.
const WASM_MEMORY_MOST: u64 = 1 << 32;

/// What a component with `/work` and `/inputs` has open itself, and one file and one directory of its own.
pub(super) const WASM_OPEN_FILES_MIN: u32 = 4;

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let (jail, wasm, docker) = (&self.jail, &self.wasm, &self.docker);
        let rows = [
            ("docker.socket", !docker.socket.is_absolute(), "an absolute path"),
            ("docker.answer_s", docker.answer_s == 0, "at least 1"),
            ("docker.watch_ms", docker.watch_ms == 0, "at least 1"),
            ("docker.watch_ms", docker.watch_ms > TICK_MOST_MS, "at most 1000, or nothing ends in time"),
            ("docker.user", docker.user == 0, "a user that is not root"),
            ("docker.processors", docker.processors == 0, "at least 1"),
            ("docker.processor_s", docker.processor_s == 0, "at least 1"),
            (
                "docker.memory_bytes",
                docker.memory_bytes < DOCKER_MEMORY_MIN,
                "at least 8388608, which a container needs",
            ),
            ("docker.processes", docker.processes == 0, "at least 1"),
            ("docker.disk_bytes", docker.disk_bytes < 16_384, "at least four pages of 4096"),
            ("docker.open_files", docker.open_files < OPEN_FILES_MIN, "at least 12, which a container needs itself"),
            ("native.threads_max", self.native.threads_max == 0, "at least 1"),
            ("jail.user", jail.user == 0, "a user that is not root"),
            ("jail.processor_s", jail.processor_s == 0, "at least 1"),
            ("jail.memory_bytes", jail.memory_bytes < 1 << 20, "at least a megabyte"),
            ("jail.processes", jail.processes == 0, "at least 1"),
            ("jail.disk_bytes", jail.disk_bytes < 4_096, "at least a page of 4096"),
            ("jail.open_files", jail.open_files < OPEN_FILES_MIN, "at least 12, which a jail needs itself"),
            ("jail.system", jail.system.iter().any(|path| !path.is_absolute()), "absolute paths"),
            ("wasm.instances_max", wasm.instances_max == 0, "at least 1"),
            ("wasm.instances_max", wasm.instances_max > INSTANCES_MOST, "at most 10000, for which there are addresses"),
            ("wasm.threads", wasm.threads == 0, "at least 1"),
            ("wasm.threads", wasm.threads > THREADS_MOST, "at most 1024"),
            ("wasm.tick_ms", wasm.tick_ms == 0, "at least 1"),
            ("wasm.tick_ms", wasm.tick_ms > TICK_MOST_MS, "at most 1000, or nothing ends in time"),
            ("wasm.processor_s", wasm.processor_s == 0, "at least 1"),
            ("wasm.memory_bytes", wasm.memory_bytes < WASM_PAGE, "at least a page of 65536"),
            (
                "wasm.memory_bytes",
                wasm.memory_bytes > WASM_MEMORY_MOST,
                "at most 4294967296, which is all a memory can be",
            ),
            ("wasm.disk_bytes", wasm.disk_bytes < 4_096, "at least a page of 4096"),
            ("wasm.open_files", wasm.open_files < WASM_OPEN_FILES_MIN, "at least 4"),
            ("wasm.component_bytes_max", wasm.component_bytes_max < 4_096, "at least 4096, which the smallest need"),
            ("wasm.compiled_max", wasm.compiled_max == 0, "at least 1"),
            ("jail.private", jail.private.iter().any(|path| !path.is_absolute()), "absolute paths"),
        ];
        rows.into_iter().filter(|(_, wrong, _)| *wrong).map(|(key, _, expected)| (key, expected.to_owned())).collect()
    }
}
