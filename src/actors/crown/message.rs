//! What CROWN can be told.

use super::handle::Error;
use super::{Alert, Change, Severity};
use crate::supervision::Reply;
use crate::ziggy::Governance;

/// Where the version goes that a change has brought in force.
pub(super) type Changed = Reply<Result<u64, Error>>;

pub(super) enum Message {
    /// Change the governance. Answered with the new snapshot's version, once it is in force.
    Change { change: Change, author: String, reply: Changed },
    /// The journal has the change, or not.
    Stored { stored: Result<(), String> },
    /// Look at the tree.
    Watch,
    /// Note that a person has seen an alert.
    Acknowledge { alert: u64, author: String, reply: Reply<Result<(), Error>> },
    /// Another part has something an operator should know.
    Raise { severity: Severity, kind: String, subject: String, message: String },
    /// List the alerts, newest first.
    Alerts { reply: Reply<Vec<Alert>> },
}

/// A change that is on its way to the journal.
pub(super) struct Pending {
    pub(super) change: Change,
    pub(super) author: String,
    pub(super) reply: Changed,
    pub(super) next: Governance,
}
