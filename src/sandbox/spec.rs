//! What the control plane hands down: which program, on what, within which bounds.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::types::Hash;

/// How much stands between a tool and the host, weakest first. The order is the order of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// A function of the host itself: nothing stands between, so only trusted code is one.
    Native,
    /// A process in namespaces of its own, with landlock, seccomp and limits; the host's kernel.
    Jail,
    /// A container of an engine: the same kernel, an image of its own, control groups.
    Docker,
    /// A component in an interpreter of the host: no system call at all.
    Wasm,
    /// A container on a kernel in user space.
    Gvisor,
    /// A machine of its own.
    Microvm,
}

impl Tier {
    /// Every tier, weakest first.
    pub const ALL: [Tier; 6] = [Tier::Native, Tier::Jail, Tier::Docker, Tier::Wasm, Tier::Gvisor, Tier::Microvm];

    /// The word of configuration and records.
    pub fn word(self) -> &'static str {
        match self {
            Tier::Native => "native",
            Tier::Jail => "jail",
            Tier::Docker => "docker",
            Tier::Wasm => "wasm",
            Tier::Gvisor => "gvisor",
            Tier::Microvm => "microvm",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A program and its arguments. Never a line for a shell: who wants one names the shell.
    Command(Vec<String>),
    /// A function of the host, by name.
    Native(String),
    /// A program in an image.
    Image {
        /// The image, by digest.
        reference: String,
        /// The program and its arguments; the image's own if empty.
        command: Vec<String>,
    },
    /// A WebAssembly component, by the hash of its bytes.
    Component(Hash),
}

impl Program {
    /// Which kind of program it is, without the program.
    pub fn kind(&self) -> ProgramKind {
        match self {
            Program::Command(_) => ProgramKind::Command,
            Program::Native(_) => ProgramKind::Native,
            Program::Image { .. } => ProgramKind::Image,
            Program::Component(_) => ProgramKind::Component,
        }
    }
}

/// The kinds of [`Program`], as a tier lists those it can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramKind {
    /// A program and its arguments.
    Command,
    /// A function of the host.
    Native,
    /// A program in an image.
    Image,
    /// A WebAssembly component.
    Component,
}

/// How a program talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speech {
    /// One JSON value in, JSON lines out; see [`protocol`](super::protocol).
    #[default]
    Lines,
    /// A program that knows nothing of us: what it prints is the result, as `{"stdout", "exit"}`.
    Plain,
}

/// A file that the program finds as `/inputs/NAME`, and which cannot be another than it was when the tool was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its name: a plain word, or such words joined by slashes for a file in a folder.
    pub name: String,
    /// The hash of its bytes.
    pub hash: Hash,
    /// Where the host has it.
    pub source: PathBuf,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
}

/// What may be done to a granted tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Looking.
    ReadOnly,
    /// Everything.
    ReadWrite,
}

/// A directory of the host that the program finds as `/granted/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its name: a plain word, no path.
    pub name: String,
    /// Where the host has it.
    pub source: PathBuf,
    /// What may be done to it.
    pub access: Access,
    /// Bytes by which a writable tree may grow. Without it only the length of a single file is bounded, by `disk`.
    #[serde(default)]
    pub growth: Option<u64>,
}

/// Where a program may connect to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    /// Nowhere.
    #[default]
    None,
    /// To this one unix socket of the host, which is the proxy's of this invocation. The program finds its path in
    /// `SYZYGY_EGRESS`.
    Socket(PathBuf),
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Time on the clock.
    Wall,
    /// Time on processors, of all processes together.
    Cpu,
    /// Bytes of memory, of all processes together.
    Memory,
    /// Processes and threads at a time.
    Processes,
    /// Bytes it may write to its own directories.
    Disk,
    /// Files it may have open, each process.
    OpenFiles,
    /// Bytes that go in.
    Stdin,
    /// Bytes it may print.
    Stdout,
    /// Bytes it may print on the side.
    Stderr,
    /// Lines it may print.
    Lines,
    /// Bytes by which a granted tree may grow.
    Growth,
}

impl Resource {
    /// The word of records and messages.
    pub fn word(self) -> &'static str {
        match self {
            Resource::Wall => "wall time",
            Resource::Cpu => "processor time",
            Resource::Memory => "memory",
            Resource::Processes => "processes",
            Resource::Disk => "disk",
            Resource::OpenFiles => "open files",
            Resource::Stdin => "stdin",
            Resource::Stdout => "stdout",
            Resource::Stderr => "stderr",
            Resource::Lines => "lines",
            Resource::Growth => "growth of a granted tree",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The bounds of one invocation. What is `None` was not asked for; a tier puts its own ceiling there if it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time on the clock; the caller's deadline may be earlier.
    pub wall: Duration,
    /// Time on processors.
    pub cpu: Option<Duration>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes and threads at a time.
    pub processes: Option<u32>,
    /// Bytes in its own directories.
    pub disk: Option<u64>,
    /// Open files of a process.
    pub open_files: Option<u32>,
    /// Bytes that go in.
    pub stdin: u64,
    /// Bytes it may print.
    pub stdout: u64,
    /// Bytes it may print on the side.
    pub stderr: u64,
}

impl Limits {
    /// Bounds on time and on what goes in and out, and nothing else.
    pub fn talking(wall: Duration, bytes: u64) -> Limits {
        Limits {
            wall,
            cpu: None,
            memory: None,
            processes: None,
            disk: None,
            open_files: None,
            stdin: bytes,
            stdout: bytes,
            stderr: bytes,
        }
    }

    /// The resources that were asked to be bounded and that not every tier can bound.
    pub fn asked(&self) -> Vec<Resource> {
        let asked = [
            (Resource::Cpu, self.cpu.is_some()),
            (Resource::Memory, self.memory.is_some()),
            (Resource::Processes, self.processes.is_some()),
            (Resource::Disk, self.disk.is_some()),
            (Resource::OpenFiles, self.open_files.is_some()),
        ];
        asked.into_iter().filter_map(|(resource, asked)| asked.then_some(resource)).collect()
    }
}

/// Everything a tier must know to run a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Which tool this is, for records: `git@1.2.0`.
    pub tool: String,
    /// What is run.
    pub program: Program,
    /// How it talks.
    #[serde(default)]
    pub speech: Speech,
    /// Files it needs.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// Directories it may use.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Where it starts: `/work` if nothing is said.
    #[serde(default)]
    pub directory: Option<String>,
    /// Its bounds.
    pub limits: Limits,
    /// Where it may connect to.
    #[serde(default)]
    pub egress: Egress,
    /// Its environment, on top of the few variables every program needs. Nothing of the host's own is in it.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

impl Spec {
    /// A tool that is a program, with nothing granted.
    pub fn command(tool: &str, command: &[&str], limits: Limits) -> Spec {
        Spec::of(tool, Program::Command(command.iter().map(ToString::to_string).collect()), limits)
    }

    /// A tool that is a function of the host.
    pub fn native(function: &str, limits: Limits) -> Spec {
        Spec::of(function, Program::Native(function.to_owned()), limits)
    }

    fn of(tool: &str, program: Program, limits: Limits) -> Spec {
        Spec {
            tool: tool.to_owned(),
            program,
            speech: Speech::default(),
            inputs: Vec::new(),
            grants: Vec::new(),
            directory: None,
            limits,
            egress: Egress::None,
            environment: BTreeMap::new(),
        }
    }

    /// What is wrong with it, whatever the tier.
    pub(super) fn fault(&self) -> Option<String> {
        if matches!(&self.program, Program::Command(command) if command.first().is_none_or(String::is_empty)) {
            return Some("it names no program".to_owned());
        }
        let inputs = self.inputs.iter().map(|input| &input.name).filter(|name| !name.split('/').all(is_word));
        let grants = self.grants.iter().map(|grant| &grant.name).filter(|name| !is_word(name));
        if let Some(name) = inputs.chain(grants).next() {
            return Some(format!(
                "`{name}` is no plain name: letters, digits, `.`, `_` and `-`, no dot at its beginning"
            ));
        }
        let twice = |names: Vec<&String>| {
            (1..names.len()).find(|at| names[..*at].contains(&names[*at])).map(|at| names[at].clone())
        };
        let double = twice(self.inputs.iter().map(|input| &input.name).collect())
            .or_else(|| twice(self.grants.iter().map(|grant| &grant.name).collect()));
        if let Some(name) = double {
            return Some(format!("`{name}` is named twice"));
        }
        let texts =
            |(name, value): (&String, &String)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
        if self.environment.iter().any(texts) {
            return Some("its environment has a name or a value that no environment can hold".to_owned());
        }
        None
    }
}

/// Whether a name can be a name of a file and cannot lead anywhere else.
fn is_word(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // 100 characters are short enough for every file system.
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(plain)
}
