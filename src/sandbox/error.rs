//! Why a tool cannot be run here.

use std::fmt;

use super::spec::{ProgramKind, Resource, Tier};
use crate::types::Class;

/// Something a spec asks for and a tier cannot give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It cannot run this kind of program.
    Program(ProgramKind),
    /// It cannot bound this.
    Limit(Resource),
    /// It cannot show files to the program.
    Inputs,
    /// It cannot show directories to the program.
    Grants,
    /// It cannot give the program a way out.
    Egress,
    /// It cannot give the program an environment.
    Environment,
    /// It cannot run programs that do not speak the protocol.
    Plain,
    /// Something else, in words.
    Other(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Program(ProgramKind::Command) => f.write_str("run a program"),
            Lack::Program(ProgramKind::Native) => f.write_str("run a function of the host"),
            Lack::Program(ProgramKind::Image) => f.write_str("run an image"),
            Lack::Program(ProgramKind::Component) => f.write_str("run a component"),
            Lack::Limit(resource) => write!(f, "bound {resource}"),
            Lack::Inputs => f.write_str("show files to the program"),
            Lack::Grants => f.write_str("show directories to the program"),
            Lack::Egress => f.write_str("give the program a way out"),
            Lack::Environment => f.write_str("give the program an environment"),
            Lack::Plain => f.write_str("run a program that does not speak the protocol"),
            Lack::Other(text) => f.write_str(text),
        }
    }
}

/// Why a tool cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tier cannot keep what the spec asks for, and does not keep less.
    #[error("could not prepare {tool}: the {tier} tier cannot {}", list(lacks))]
    Refused {
        /// Which tool.
        tool: String,
        /// Which tier.
        tier: Tier,
        /// Everything it cannot do.
        lacks: Vec<Lack>,
    },
    /// The spec makes no sense.
    #[error("could not prepare {tool}: {reason}")]
    Invalid {
        /// Which tool.
        tool: String,
        /// What is wrong.
        reason: String,
    },
    /// Something the spec names is not there.
    #[error("could not prepare {tool}: {reason}")]
    Missing {
        /// Which tool.
        tool: String,
        /// What is not there.
        reason: String,
    },
    /// A file is not the one that was published.
    #[error("could not prepare {tool}: `{name}` is not the file that was published")]
    Tampered {
        /// Which tool.
        tool: String,
        /// Which file.
        name: String,
    },
}

fn list(lacks: &[Lack]) -> String {
    lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Refused { .. } => Class::Denied,
            Error::Invalid { .. } => Class::Invalid,
            Error::Missing { .. } => Class::NotFound,
            Error::Tampered { .. } => Class::Corrupt,
        }
    }
}
