//! What an executor can be told.

use std::collections::BTreeMap;

use serde_json::Value;

use super::handle::Error;
use super::health::Pulse;
use super::ledger::Row;
use super::library::Entry;
use super::likeness::Near;
use super::publishing::Publication;
use super::request::{Answer, Request};
use super::stage::Stage;
use crate::lap::Package;
use crate::supervision::Reply;
use crate::tds::tool::Version;
use crate::types::Cx;

/// One call, with where its answer goes.
pub(super) struct Work {
    pub(super) cx: Cx,
    pub(super) entry: Entry,
    pub(super) request: Request,
    pub(super) reply: Reply<Result<Answer, Error>>,
}

pub(super) enum Message {
    /// Make a call. Answered when it is done.
    Call(Box<Work>),
    /// A call is done, well or badly.
    Called { reply: Reply<Result<Answer, Error>>, result: Result<Box<Answer>, Error> },
    /// Publish a tool, if it passes.
    Publish { cx: Cx, package: Box<Package>, stage: Stage, reply: Reply<Result<Publication, Error>> },
    /// Run the tests of a package.
    Test { cx: Cx, package: Box<Package>, reply: Reply<Result<Vec<String>, Error>> },
    /// Take a version back.
    Retire { cx: Cx, id: String, version: Version, reply: Reply<Result<(), Error>> },
    /// Serve others by a version than before.
    Stage { cx: Cx, id: String, version: Version, stage: Stage, reply: Reply<Result<(), Error>> },
    /// Say how good the versions of a tool were lately.
    Pulses { id: String, reply: Reply<BTreeMap<String, Pulse>> },
    /// Say which calls are in doubt.
    Doubts { cx: Cx, reply: Reply<Result<Vec<Row>, Error>> },
    /// Write down what became of one.
    Settle { cx: Cx, invocation: String, done: Option<Value>, reply: Reply<Result<(), Error>> },
    /// Say how near tools are to a text.
    Near { cx: Cx, text: String, reply: Reply<Result<Near, Error>> },
    /// Vectors of tools were made, or not, and why not.
    Learned { failed: Option<String> },
    /// Make the vectors of tools that are missing.
    Learn,
    /// Something that took long and was not a call is done, and its answer is out.
    Done,
    /// Take back secrets whose calls are over and that nobody gave back, and see whether people are to be asked anything.
    Sweep,
    /// Let go of keys whose time is over.
    Forget,
    /// People may have said something of a call, or are to be asked about one.
    Hear,
    /// What they said was acted on.
    Heard,
}
