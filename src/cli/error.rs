//! Why a verb did not do what it was to do.

use std::path::PathBuf;

use crate::api::Problem;
use crate::types::Class;
use crate::{inference, rat, store};

/// Why a verb did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("no host answers at {url} ({reason}); start one with `syzygy up`")]
    NoHost {
        /// Where it was looked for.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// Somebody is there and closes the connection.
    #[error(
        "the host at {url} closed the connection ({reason}): it has as many connections from this machine as it takes \
         (api.connections_per_peer_max), or it is stopping; try again in a moment"
    )]
    Cut {
        /// Where it is.
        url: String,
        /// What was seen.
        reason: String,
    },
    /// No host has written down where it is.
    #[error(
        "no host runs on {data_dir}: it has no host.json; start one with `syzygy up`, or name another with --url or \
         --data-dir"
    )]
    NotRunning {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The host that has written down where it is was killed, or crashed.
    #[error(
        "the host on {data_dir} (pid {pid}) ended without stopping; start it again (`syzygy up`), and `syzygy why RUN` \
         tells what became of its runs"
    )]
    Died {
        /// The data directory.
        data_dir: PathBuf,
        /// The process it was.
        pid: u32,
    },
    /// The host said no.
    #[error("{}", told(.0))]
    Problem(Box<Problem>),
    /// The host's answer makes no sense, or broke off.
    #[error("could not read the answer of {url}: {reason}; is it a host of this version?")]
    Answer {
        /// Who answered.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host went away in the middle of an answer.
    #[error("could not wait for the answer: the host at {url} went away ({reason}){advice}")]
    Broke {
        /// Who answered until then.
        url: String,
        /// What happened to the connection.
        reason: String,
        /// How to find out what became of the run, if it is known.
        advice: String,
    },
    /// The arguments make no sense together.
    #[error("{0}")]
    Usage(String),
    /// There is no such run, or there are several.
    #[error("{0}")]
    NoRun(String),
    /// A file cannot be read.
    #[error("could not read {path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// What was to be printed cannot be.
    #[error("could not write the output: {0}")]
    Output(#[source] std::io::Error),
    /// The person at the terminal has stopped it.
    #[error("interrupted{}", .run.as_ref().map_or(String::new(), |run| format!("; run {run} was cancelled")))]
    Interrupted {
        /// The run that was stopped with it.
        run: Option<String>,
    },
    /// The person at the terminal waits no longer for a run that waits for people.
    #[error("run {run} goes on when people have decided; `syzygy why {run}` tells what became of it")]
    Left {
        /// The run.
        run: String,
    },
    /// Something on this machine does not work, of this class.
    #[error("{reason}")]
    Local {
        /// What kind of failure.
        class: Class,
        /// In words.
        reason: String,
    },
    /// Something on this machine does not work.
    #[error("{}", causes(.0))]
    Other(#[from] anyhow::Error),
}

/// An error with its causes; not those whose words it says itself.
fn causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text {
        text if text.contains(&cause) => text,
        text if text.is_empty() => cause,
        text => format!("{text}: {cause}"),
    })
}

/// A problem as a person reads it.
fn told(problem: &Problem) -> String {
    match &problem.run_id {
        Some(run) => format!("{}: {} (run {run}; `syzygy why {run}` tells more)", problem.title, problem.detail),
        None => format!("{}: {}", problem.title, problem.detail),
    }
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::NoHost { .. }
            | Error::Cut { .. }
            | Error::NotRunning { .. }
            | Error::Died { .. }
            | Error::Broke { .. } => Class::Unavailable,
            Error::Problem(problem) => problem.code.class(),
            Error::Answer { .. } | Error::Output(_) => Class::Internal,
            Error::Usage(_) => Class::Invalid,
            Error::File { cause, .. } if cause.kind() == std::io::ErrorKind::InvalidData => Class::Invalid,
            Error::NoRun(_) | Error::File { .. } => Class::NotFound,
            Error::Interrupted { .. } | Error::Left { .. } => Class::Cancelled,
            Error::Local { class, .. } => *class,
            Error::Other(error) => class_of(error),
        }
    }

    /// The stable word for programs: a problem's own code, else the class.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Error::Problem(problem) => problem.code.word(),
            other => other.class().word(),
        }
    }
}

/// The class of the first error of the chain that has one.
fn class_of(error: &anyhow::Error) -> Class {
    let known = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<Error>()
            .map(Error::class)
            .or_else(|| cause.downcast_ref::<store::Error>().map(store::Error::class))
            .or_else(|| cause.downcast_ref::<rat::Error>().map(rat::Error::class))
            .or_else(|| cause.downcast_ref::<inference::Error>().map(inference::Error::class))
            .or_else(|| cause.downcast_ref::<inference::models::Error>().map(inference::models::Error::class))
    };
    error.chain().find_map(known).unwrap_or(Class::Internal)
}
