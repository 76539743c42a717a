//! What can be wrong with a configuration: everything at once, each with its place.

use std::fmt;
use std::path::Path;

use crate::types::{Class, PrivacyClass, sensitive};

/// Where a value came from, in the order in which problems are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The defaults in the binary.
    Default,
    /// A line of a user's file.
    File {
        /// The file as it was named.
        path: String,
        /// Line, from 1; 0 if it is the file or folder as a whole.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// An argument of the command.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line: 0 } => f.write_str(path),
            Source::File { path, line } => write!(f, "{path}:{line}"),
            Source::Environment(name) => f.write_str(name),
            Source::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was said.
    pub source: Source,
    /// The key, dotted; empty if a file is not TOML at all.
    pub key: String,
    /// What was found.
    pub found: String,
    /// What would be right.
    pub expected: String,
    /// The key that was probably meant.
    pub meant: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "found {}, expected {}", self.found, self.expected)?;
        self.meant.as_ref().map_or(Ok(()), |meant| write!(f, "; did you mean `{meant}`?"))
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file that was asked for cannot be read.
    #[error("could not read the configuration file {path}: {reason}")]
    Read {
        /// The file.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// The file is no TOML, keys are unknown, or values are wrong: all of them.
    #[error("could not use the configuration{}", list(.0))]
    Problems(Vec<Problem>),
    /// Nothing says where data belongs.
    #[error(
        "could not choose a data directory: neither XDG_DATA_HOME nor HOME is set; name one with --data-dir, \
         SYZYGY_HOST__DATA_DIR, or host.data_dir in a file given with --config"
    )]
    NoHome,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

impl Error {
    /// Everything that is wrong, in the order of the places where it was said.
    pub fn of(mut problems: Vec<Problem>) -> Error {
        problems.sort_by(|one, other| one.source.cmp(&other.source));
        Error::Problems(problems)
    }

    /// Everything that is wrong, one by one.
    pub(super) fn problems(self) -> Vec<Problem> {
        match self {
            Error::Problems(problems) => problems,
            Error::Read { path, reason } => vec![Problem::of_whole(Path::new(&path), reason, "a file".to_owned())],
            Error::NoHome => Vec::new(),
        }
    }

    /// The file that was asked for, if the operating system does not let it be read.
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
        Error::Read { path: path.display().to_string(), reason: advised(error) }
    }

    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Read { .. } => Class::NotFound,
            Error::Problems(_) | Error::NoHome => Class::Invalid,
        }
    }
}

impl Problem {
    /// A file or folder that the operating system does not let be read.
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
        Problem::of_whole(
            path,
            format!("what cannot be read: {}", advised(error)),
            "what this user can read".to_owned(),
        )
    }

    /// Whether it is a problem of what stands at this path, above or below it.
    pub(super) fn touches(&self, path: &[String]) -> bool {
        let mut both = self.key.split('.').zip(path);
        !self.key.is_empty() && both.all(|(own, other)| own == other)
    }

    /// What is wrong with a file or folder as a whole.
    pub(super) fn of_whole(path: &Path, found: String, expected: String) -> Problem {
        let source = Source::File { path: path.display().to_string(), line: 0 };
        Problem { source, key: String::new(), found, expected, meant: None }
    }

    /// A file that is no text, with the line of the first byte that cannot be in one.
    pub(super) fn no_text(path: &Path, bytes: &[u8], valid_up_to: usize) -> Problem {
        let line = bytes[..valid_up_to].iter().filter(|byte| **byte == b'\n').count() + 1;
        let source = Source::File { path: path.display().to_string(), line };
        let (found, expected) = ("bytes that are no UTF-8".to_owned(), "text in UTF-8".to_owned());
        Problem { source, key: String::new(), found, expected, meant: None }
    }
}

fn advised(error: &std::io::Error) -> String {
    let advice = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "; let this user read it and its directory",
        _ => "",
    };
    format!("{error}{advice}")
}

/// A value as it may be shown. Secrets do not belong into the configuration, so one that got there by mistake is not
/// repeated into a terminal or a log.
pub(super) fn shown(value: &toml::Value) -> String {
    let text = value.to_string();
    if sensitive::find(&text).iter().any(|finding| finding.kind.class() == PrivacyClass::Restricted) {
        return "a value that looks like a secret (not shown)".to_owned();
    }
    text
}
