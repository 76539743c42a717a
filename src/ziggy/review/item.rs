//! An item of the inbox: what may happen to it, and what it is after that. Pure.
//!
//! The actor that keeps the items and the projection of the journal fold the same [`Happened`]s by the same
//! [`Item::after`], so what is in memory is what a restart finds.
//!
//! Invariants:
//! - IT1: an item is closed once. After that nothing happens to it but that its run is settled.
//! - IT2: its run goes on only if as many different people as its quorum approved the same revision, or if its deadline
//!   came and its rule says so. Nobody can bring that about by ending its time before: then its run ends.
//! - IT3: one denial closes it.
//! - IT4: an edit makes a new revision; what was approved before it counts no more.
//! - IT5: from its deadline on nothing but the expiry or a cancellation closes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Kind, Need, OnExpiry, Reason, Stage};
use crate::types::{Hash, RunId, Timestamp};

/// The kinds of events that say what happened to an item.
pub mod kind {
    /// It is there.
    pub const OPENED: &str = "hitl.opened";
    /// Somebody approved or denied.
    pub const VERDICT: &str = "hitl.verdict";
    /// Somebody asked somebody else.
    pub const DELEGATED: &str = "hitl.delegated";
    /// Nobody decided in time.
    pub const EXPIRED: &str = "hitl.expired";
    /// It is decided.
    pub const CLOSED: &str = "hitl.closed";
    /// Its run has heard of it.
    pub const SETTLED: &str = "hitl.settled";
}

/// Texts that people put in place of others: by JSON pointer (RFC 6901) into the payload.
pub type Edits = BTreeMap<String, String>;

/// How an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReviewStatus)]
pub enum ItemStatus {
    /// It waits for people.
    Open,
    /// Enough people approved.
    Approved,
    /// Somebody denied.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// Its run was cancelled.
    Cancelled,
}

impl ItemStatus {
    /// The word used in JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            ItemStatus::Open => "open",
            ItemStatus::Approved => "approved",
            ItemStatus::Denied => "denied",
            ItemStatus::Expired => "expired",
            ItemStatus::Cancelled => "cancelled",
        }
    }
}

/// What somebody thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReviewOpinion)]
pub enum Opinion {
    /// It may go on.
    Approve,
    /// It may not.
    Deny,
}

/// What somebody said of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ReviewVerdict)]
pub struct Verdict {
    /// Who: the name of their token.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// What they think.
    pub opinion: Opinion,
    /// In words.
    pub comment: Option<String>,
    /// Pointers to what they changed. The texts are with the payload.
    pub edited: Vec<String>,
    /// The revision it is about: that after their own edits.
    pub revision: u32,
}

/// Work that waits, or waited, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ReviewItem)]
pub struct Item {
    /// Its id: that of its run, a dash, and which item of the run it is, from 1.
    #[schema(pattern = "^[0-9a-f]{32}-[0-9]+$")]
    pub id: String,
    /// Its run.
    pub run: RunId,
    /// What it is about.
    pub kind: Kind,
    /// Where the work waits.
    pub stage: Stage,
    /// Why it needs people.
    pub reasons: Vec<Reason>,
    /// When it came in.
    pub opened_at: Timestamp,
    /// Until when people have time.
    pub deadline: Timestamp,
    /// How many people have to approve.
    pub quorum: u32,
    /// What happens if nobody decides.
    pub on_expiry: OnExpiry,
    /// Who is asked; anybody who may if nobody is named. It takes nobody's right away.
    pub delegate: Option<String>,
    /// Pointers to the texts of the payload that may be changed.
    pub editable: Vec<String>,
    /// Where the payload is in the journal.
    pub payload: Hash,
    /// Where all edits so far are, if there are any.
    pub edits: Option<Hash>,
    /// Grows with each edit.
    pub revision: u32,
    /// What people said, in order.
    pub verdicts: Vec<Verdict>,
    /// How it stands.
    pub status: ItemStatus,
    /// Whether its run goes on, once it is closed.
    pub goes_on: bool,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Who closed it without a verdict: by cancelling its run, or by ending its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// Whether its run has heard of it.
    pub settled: bool,
}

/// Something that happened to an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "snake_case")]
pub enum Happened {
    /// It is there.
    Opened {
        /// As it is.
        opened: Box<Item>,
    },
    /// Somebody said what they think.
    Judged {
        /// Who and what.
        verdict: Verdict,
        /// Where all edits so far are, if there are any.
        edits: Option<Hash>,
    },
    /// Somebody asked somebody else.
    Delegated {
        /// Who is asked now.
        to: String,
        /// Who asked.
        by: String,
        /// In words.
        comment: Option<String>,
    },
    /// Nobody decided in time.
    Expired {
        /// Who ended its time before its deadline, if somebody did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// It is decided.
    Closed {
        /// How it stands now.
        status: ItemStatus,
        /// Whether its run goes on.
        goes_on: bool,
        /// When.
        at: Timestamp,
        /// Who closed it without a verdict: whoever cancelled the run or ended its time.
        by: Option<String>,
    },
    /// Its run has heard of it.
    Settled,
}

impl Happened {
    /// The kind of its event.
    pub fn kind(&self) -> &'static str {
        match self {
            Happened::Opened { .. } => kind::OPENED,
            Happened::Judged { .. } => kind::VERDICT,
            Happened::Delegated { .. } => kind::DELEGATED,
            Happened::Expired { .. } => kind::EXPIRED,
            Happened::Closed { .. } => kind::CLOSED,
            Happened::Settled => kind::SETTLED,
        }
    }

    /// What it means, as sentences of `why`.
    pub fn words(&self) -> Vec<String> {
        match self {
            Happened::Opened { opened } => {
                let mut words = vec![opened.asks()];
                words.extend(opened.reasons.iter().map(Reason::words));
                words
            }
            Happened::Judged { verdict, .. } => {
                let Verdict { author, opinion, comment, edited, .. } = verdict;
                let did = if *opinion == Opinion::Approve { "approved it" } else { "denied it" };
                let changed =
                    if edited.is_empty() { String::new() } else { format!(" after changing {}", edited.join(", ")) };
                let mut words = vec![format!("{author} {did}{changed}.")];
                words.extend(comment.iter().map(|comment| format!("They said: {comment}")));
                words
            }
            Happened::Delegated { to, by, comment } => {
                let mut words = vec![format!("{by} asked {to} to decide.")];
                words.extend(comment.iter().map(|comment| format!("They said: {comment}")));
                words
            }
            Happened::Expired { by: Some(by) } => vec![format!("{by} ended its time before its deadline.")],
            Happened::Expired { by: None } => vec!["Nobody decided in time.".to_owned()],
            Happened::Closed { status, goes_on, by, .. } => {
                let goes = if *goes_on { "goes on" } else { "ends" };
                let by = by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
                vec![format!("That is {}{by}, so it {goes}.", status.word())]
            }
            Happened::Settled => vec!["The run has heard of it.".to_owned()],
        }
    }
}

/// Why something cannot happen to an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// It is closed.
    #[error("it is {} since {}{}", .status.word(), .at.rfc3339(), .by.as_ref().map_or(String::new(), |by| format!(", by {by}")))]
    Closed {
        /// How it stands.
        status: ItemStatus,
        /// Since when.
        at: Timestamp,
        /// Who closed it, if it was somebody.
        by: Option<String>,
    },
    /// Its time is over, and it is about to expire.
    #[error("its time was over at {}", .0.rfc3339())]
    Late(Timestamp),
    /// The same person has approved this revision already.
    #[error("{0} has approved it already; its quorum takes other people")]
    Twice(String),
    /// Somebody changed it meanwhile.
    #[error("it was changed meanwhile and is at revision {now} and not {seen}; look at it again")]
    Changed {
        /// The revision the verdict is about.
        seen: u32,
        /// The revision it is at.
        now: u32,
    },
    /// This part of the payload may not be changed.
    #[error("{pointer:?} may not be changed; what may is {}", .editable.join(", "))]
    NotEditable {
        /// What was to be changed.
        pointer: String,
        /// What may be changed.
        editable: Vec<String>,
    },
    /// What it was to be changed to is no text.
    #[error("{0:?} cannot be changed to nothing")]
    Empty(String),
}

impl Item {
    /// An item as it comes in.
    pub fn new(id: String, run: RunId, need: Need, payload: Hash, editable: Vec<String>, now: Timestamp) -> Item {
        let Need { kind, stage, deadline_s, quorum, on_expiry, delegate, reasons } = need;
        let given = i64::try_from(deadline_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Item {
            id,
            run,
            kind,
            stage,
            reasons,
            opened_at: now,
            deadline: Timestamp(now.0.saturating_add(given)),
            quorum,
            on_expiry,
            delegate,
            editable,
            payload,
            edits: None,
            revision: 0,
            verdicts: Vec::new(),
            status: ItemStatus::Open,
            goes_on: false,
            closed_at: None,
            closed_by: None,
            settled: false,
        }
    }

    /// Whom it waits for, and until when, as a sentence.
    pub fn asks(&self) -> String {
        let who = match (&self.delegate, self.quorum) {
            (Some(name), 1) => name.clone(),
            (None, 1) => "somebody with the scope `review`".to_owned(),
            (Some(name), quorum) => format!("{quorum} people, {name} among them"),
            (None, quorum) => format!("{quorum} people with the scope `review`"),
        };
        format!("It waits for {who} until {} (item {}).", self.deadline.rfc3339(), self.id)
    }

    /// The people who approved it as it is now.
    pub fn approvals(&self) -> BTreeSet<&str> {
        let now = |verdict: &&Verdict| verdict.opinion == Opinion::Approve && verdict.revision == self.revision;
        self.verdicts.iter().filter(now).map(|verdict| verdict.author.as_str()).collect()
    }

    /// What follows from how it was closed, as the end of a sentence.
    pub fn follows(&self) -> String {
        match (self.kind, self.status) {
            (Kind::ToolCall, ItemStatus::Approved) => {
                format!("the same call may be made once until {}", self.deadline.rfc3339())
            }
            (Kind::ToolCall, ItemStatus::Denied) => {
                format!("the same call is not made until {}", self.deadline.rfc3339())
            }
            (Kind::ToolCall, _) => "the call was not made, and may be asked for again".to_owned(),
            (Kind::ToolDoubt, ItemStatus::Approved) => "the call counts as done".to_owned(),
            (Kind::ToolDoubt, ItemStatus::Denied) => {
                "the call counts as not done; under its key it is made again".to_owned()
            }
            (Kind::ToolDoubt, ItemStatus::Cancelled) => "what became of the call is known from elsewhere".to_owned(),
            (Kind::ToolDoubt, _) => "the call stays in doubt (`syzygy tool doubts`)".to_owned(),
            _ if self.goes_on => format!("run {} goes on", self.run),
            _ => format!("run {} ends", self.run),
        }
    }

    /// The last to say what closed it, if somebody did.
    pub fn closer(&self) -> Option<&Verdict> {
        let decided = matches!(self.status, ItemStatus::Approved | ItemStatus::Denied);
        self.verdicts.last().filter(|_| decided)
    }

    /// Who closed it, if it was somebody.
    pub fn closed_by_whom(&self) -> Option<&str> {
        self.closer().map(|verdict| verdict.author.as_str()).or(self.closed_by.as_deref())
    }

    /// Refuses what comes too late (IT1, IT5).
    fn open_at(&self, now: Timestamp) -> Result<(), Objection> {
        match self.status {
            ItemStatus::Open if now < self.deadline => Ok(()),
            ItemStatus::Open => Err(Objection::Late(self.deadline)),
            status => {
                let by = self.closed_by_whom().map(str::to_owned);
                Err(Objection::Closed { status, at: self.closed_at.unwrap_or_default(), by })
            }
        }
    }

    /// Refuses edits of what may not be changed, or to nothing.
    pub fn may_change(&self, edits: &Edits) -> Result<(), Objection> {
        for (pointer, text) in edits {
            if !self.editable.contains(pointer) {
                return Err(Objection::NotEditable { pointer: pointer.clone(), editable: self.editable.clone() });
            }
            if text.trim().is_empty() {
                return Err(Objection::Empty(pointer.clone()));
            }
        }
        Ok(())
    }

    /// What a verdict does. Its revision is the one its author has seen; `edits` is where all edits are after it.
    pub fn judge(&self, verdict: Verdict, edits: Option<Hash>, now: Timestamp) -> Result<Vec<Happened>, Objection> {
        self.open_at(now)?;
        if verdict.revision != self.revision {
            return Err(Objection::Changed { seen: verdict.revision, now: self.revision });
        }
        let unchanged = verdict.edited.is_empty();
        if verdict.opinion == Opinion::Approve && unchanged && self.approvals().contains(verdict.author.as_str()) {
            return Err(Objection::Twice(verdict.author));
        }
        let opinion = verdict.opinion;
        let verdict = Verdict { at: now, revision: self.revision + u32::from(!unchanged), ..verdict };
        let judged = Happened::Judged { verdict, edits: if unchanged { self.edits } else { edits } };
        let after = self.clone().changed(&judged);
        let closed = |status, goes_on| Happened::Closed { status, goes_on, at: now, by: None };
        let enough = u32::try_from(after.approvals().len()).unwrap_or(u32::MAX) >= self.quorum;
        Ok(match opinion {
            Opinion::Deny => vec![judged, closed(ItemStatus::Denied, false)],
            Opinion::Approve if enough => vec![judged, closed(ItemStatus::Approved, true)],
            Opinion::Approve => vec![judged],
        })
    }

    /// What asking somebody else does.
    pub fn delegate(
        &self,
        to: String,
        by: String,
        comment: Option<String>,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Objection> {
        self.open_at(now)?;
        Ok(vec![Happened::Delegated { to, by, comment }])
    }

    /// What the end of its time does; nothing before that.
    pub fn expire(&self, now: Timestamp) -> Vec<Happened> {
        if self.status != ItemStatus::Open || now < self.deadline {
            return Vec::new();
        }
        self.expired(None, now)
    }

    /// What somebody does who ends its time before its deadline: it expires with their name on it, and its run ends,
    /// whatever its rule says for when nobody decides. One person would else do what takes a quorum.
    pub fn expire_by(&self, by: String, now: Timestamp) -> Result<Vec<Happened>, Objection> {
        self.open_at(now)?;
        Ok(self.expired(Some(by), now))
    }

    fn expired(&self, by: Option<String>, now: Timestamp) -> Vec<Happened> {
        let goes_on = by.is_none() && self.on_expiry == OnExpiry::Approve;
        let closed = Happened::Closed { status: ItemStatus::Expired, goes_on, at: now, by: by.clone() };
        vec![Happened::Expired { by }, closed]
    }

    /// What cancelling its run does; nothing if it is closed already.
    pub fn cancel(&self, by: &str, now: Timestamp) -> Vec<Happened> {
        if self.status != ItemStatus::Open {
            return Vec::new();
        }
        let by = Some(by.to_owned());
        vec![Happened::Closed { status: ItemStatus::Cancelled, goes_on: false, at: now, by }]
    }

    /// The item after something happened to it.
    fn changed(mut self, happened: &Happened) -> Item {
        match happened {
            Happened::Opened { opened } => return Item::clone(opened),
            Happened::Judged { verdict, edits } => {
                self.revision = verdict.revision;
                self.edits = *edits;
                self.verdicts.push(verdict.clone());
            }
            Happened::Delegated { to, .. } => self.delegate = Some(to.clone()),
            Happened::Expired { .. } => {}
            Happened::Closed { status, goes_on, at, by } => {
                (self.status, self.goes_on, self.closed_at) = (*status, *goes_on, Some(*at));
                self.closed_by.clone_from(by);
            }
            Happened::Settled => self.settled = true,
        }
        self
    }

    /// What something makes of an item, or of none. What does not fit its state changes nothing (IT1).
    pub fn after(before: Option<Item>, happened: &Happened) -> Option<Item> {
        match (before, happened) {
            (None, Happened::Opened { opened }) => Some(Item::clone(opened)),
            (None, _) => None,
            (Some(item), Happened::Opened { .. }) => Some(item),
            (Some(item), Happened::Settled) => Some(item.changed(happened)),
            (Some(item), _) if item.status != ItemStatus::Open => Some(item),
            (Some(item), _) => Some(item.changed(happened)),
        }
    }
}
