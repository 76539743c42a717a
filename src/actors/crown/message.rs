//! What CROWN can be told.

use super::book::{Alert, Silence};
use super::handle::Error;
use super::standing::Standing;
use super::webhook::Round;
use super::{Change, Severity, Standings};
use crate::store::NewEvent;
use crate::supervision::Reply;
use crate::ziggy::Governance;
use crate::ziggy::govern::Action;

/// Where the version goes that a change has brought in force.
pub(super) type Changed = Reply<Result<u64, Error>>;

pub(super) enum Message {
    /// Change the governance. Answered with the new snapshot's version, once it is in force.
    Change { change: Change, author: String, reply: Changed },
    /// The journal has the change, or not.
    Stored { stored: Result<(), String> },
    /// Look at the tree.
    Watch,
    /// Note that a person has seen an alert. Answered once that is on disk.
    Acknowledge { alert: u64, author: String, reply: Reply<Result<(), Error>> },
    /// Another part has something an operator should know.
    Raise { severity: Severity, kind: String, subject: String, message: String },
    /// List the alerts, newest first.
    Alerts { reply: Reply<Vec<Alert>> },
    /// Tell nobody of what this matches, for a while. Answered with the silence as it is kept, once it is on disk.
    Silence { silence: Box<Silence>, reply: Reply<Result<Silence, Error>> },
    /// Lift a silence. Answered once that is on disk.
    Unsilence { silence: u64, reply: Reply<Result<(), Error>> },
    /// List the silences in force.
    Silences { reply: Reply<Vec<Silence>> },
    /// List what rules have put in force and who is on the way back.
    Standings { reply: Reply<Standings> },
    /// A supervisor has restarted what a rule wanted restarted, or could not.
    Restarted { path: String, outcome: Result<(), String> },
    /// A webhook was told, or could not be.
    Told { webhook: usize, round: Result<Round, String> },
    /// What these webhooks are to be told is written down, in the order of the config, and this one may be told again.
    Due { told: Vec<bool>, freed: Option<usize> },
    /// It is time to try a webhook again.
    Again { webhook: usize },
    /// The ear has ended, which it does with the host.
    Deaf,
}

/// A change that is on its way to the journal.
pub(super) struct Pending {
    pub(super) changes: Vec<Change>,
    pub(super) author: String,
    pub(super) reply: Option<Changed>,
    pub(super) next: Governance,
    /// What goes with it, if CROWN itself wants it.
    pub(super) deed: Option<Deed>,
}

/// What a look has decided, to be done once the journal has it.
pub(super) struct Deed {
    pub(super) actions: Vec<Action>,
    pub(super) standing: Standing,
    pub(super) events: Vec<NewEvent>,
    /// Which webhooks have something to hear, in the order of the config.
    pub(super) told: Vec<bool>,
}
