//! What an invocation comes to: an answer, why it ended, what it did to the world, and what it used.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::Resource;
use crate::types::Class;

/// Something a tool said before its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// A part of an answer that comes in parts.
    Chunk {
        /// The part, cut if it was too long; then it ends with a mark.
        text: String,
        /// Bytes that were cut off.
        #[serde(default)]
        cut: u64,
    },
    /// Something for whoever looks after the tool.
    Log {
        /// How grave it is.
        level: Level,
        /// What it says, cut if it was too long; then it ends with a mark.
        text: String,
        /// Bytes that were cut off.
        #[serde(default)]
        cut: u64,
    },
    /// Something that should be remembered, if whoever called the tool may remember it.
    MemoryDelta {
        /// As the tool wrote it; nothing here knows what a memory is.
        delta: Value,
    },
    /// A line that is none of these: a stray print, half a JSON text, bytes that are no text.
    Noise {
        /// What it says as far as it is text, cut if it was too long; then it ends with a mark.
        text: String,
        /// Bytes that were cut off.
        #[serde(default)]
        cut: u64,
    },
}

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Of use when something is being looked for.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// Something is odd.
    Warn,
    /// Something went wrong.
    Error,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub class: Class,
    /// What could not be done.
    pub message: String,
}

impl Failure {
    /// A failure of this class.
    pub fn new(class: Class, message: impl Into<String>) -> Failure {
        Failure { class, message: message.into() }
    }
}

/// Why an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The tool ended by itself, well or badly.
    Finished,
    /// Its time was over.
    Deadline,
    /// Whoever called gave up.
    Cancelled,
    /// Somebody ended it by its id.
    Killed,
    /// It reached a bound.
    Limit(Resource),
    /// It was not begun, since the tier may not or cannot do what this call asks.
    Refused,
    /// The sandbox itself failed.
    Failed,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Finished => f.write_str("finished"),
            Ended::Deadline => f.write_str("its time was over"),
            Ended::Cancelled => f.write_str("its caller gave up"),
            Ended::Killed => f.write_str("it was ended by hand"),
            Ended::Limit(resource) => write!(f, "it reached its limit of {resource}"),
            Ended::Refused => f.write_str("refused"),
            Ended::Failed => f.write_str("the sandbox failed"),
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// By a trap: a component did what cannot be done, such as dividing by zero or reading what is not its own.
    Trap,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
            Exit::Trap => f.write_str("a trap"),
        }
    }
}

/// What became of a file in a granted tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Created,
    /// Its content, mode or owner is another.
    Changed,
    /// It is gone.
    Removed,
}

/// A file of a granted tree that an invocation touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Written {
    /// The grant's name and the path in it: `repo/src/main.rs`.
    pub path: String,
    /// What became of it.
    pub change: Change,
}

/// What an invocation did to the world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// Hosts that were connected to. Filled in by whoever owns the proxy; a tier cannot know.
    pub hosts: Vec<String>,
    /// Secrets that were used, by their path. Filled in by whoever owns the proxy; no tier ever sees one.
    pub secrets: Vec<String>,
    /// Files of granted trees that were touched, by path.
    pub written: Vec<Written>,
    /// Whether `written` is all of it: a tree of more files than are looked at is known in part.
    pub written_all: bool,
    /// How the program ended, if it was one and began.
    pub exit: Option<Exit>,
}

/// What an invocation used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From the call to the answer.
    pub wall: Duration,
    /// On processors, all processes together; zero where nobody counts.
    pub cpu: Duration,
    /// The most bytes of memory that were seen at a time; zero where nobody looks, and for what ends between two looks.
    pub memory_peak: u64,
    /// The most processes that were seen at a time.
    pub processes_peak: u32,
    /// Bytes that went in.
    pub stdin: u64,
    /// Bytes it printed.
    pub stdout: u64,
    /// Bytes it printed on the side.
    pub stderr: u64,
}

/// What an invocation came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The result, or why there is none.
    pub answer: Result<Value, Failure>,
    /// What the tool said before it, in order.
    pub lines: Vec<Line>,
    /// What it printed on the side, as far as it is text.
    pub stderr: String,
    /// Why it ended.
    pub ended: Ended,
    /// What it did.
    pub effects: Effects,
    /// What it used.
    pub usage: Usage,
}

impl Outcome {
    /// An invocation that came to nothing.
    pub fn nothing(ended: Ended, failure: Failure) -> Outcome {
        Outcome {
            answer: Err(failure),
            lines: Vec::new(),
            stderr: String::new(),
            ended,
            effects: Effects { written_all: true, ..Effects::default() },
            usage: Usage::default(),
        }
    }
}

/// The failure that stands for an end from outside; `None` if the tool ended by itself.
pub(crate) fn failure_of(ended: Ended) -> Option<Failure> {
    let class = match ended {
        Ended::Finished => return None,
        Ended::Deadline | Ended::Limit(Resource::Wall) => Class::Timeout,
        Ended::Cancelled | Ended::Killed => Class::Cancelled,
        Ended::Limit(_) => Class::Exhausted,
        Ended::Refused => Class::Denied,
        Ended::Failed => Class::Unavailable,
    };
    Some(Failure::new(class, format!("could not finish the tool: {ended}")))
}
