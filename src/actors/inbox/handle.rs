//! What others may ask of the inbox, and how it is put into the tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::Config;
use super::actor::Shell;
use super::courier::Courier;
use super::message::{Asker, Message};
use super::projection::{ALL, InboxProjection, UNSETTLED};
use super::state::{Ask, What};
use crate::actors::crown;
use crate::field::Outbound;
use crate::store::{self, Journal, NewEvent, RowQuery, Rows};
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow, Shutdown, Strategy, Tree};
use crate::types::{Class, Cx, RunId, Secret, Timestamp, World};
use crate::ziggy::review::{Edits, Item, ItemStatus, Need, Objection, Opinion, Rule, Verdict};

/// Why the inbox could not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The state of the item forbids it.
    #[error("could not do that to the item: {0}")]
    Objection(#[from] Objection),
    /// There is no such item.
    #[error("could not find the item {0}")]
    Unknown(String),
    /// It is not among the open ones; whether it ever was is not known yet.
    #[error("could not find {0} among the open items")]
    NotOpen(String),
    /// An item of this id is there already.
    #[error("could not take in the item: there is one of id {0} already")]
    Exists(String),
    /// Too many items are open.
    #[error("could not take in the item: {0} are open already (review.open_most)")]
    Full(usize),
    /// What was said makes no sense.
    #[error("could not do that to the item: {0}")]
    Invalid(String),
    /// The journal did not take it; nothing has changed.
    #[error("could not record it, so nothing was changed: {0}")]
    NotStored(String),
    /// What the item is about is not in the journal, or is not what was put there.
    #[error("could not read what item {0} is about")]
    Lost(String),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] store::Error),
    /// The actor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Objection(Objection::NotEditable { .. } | Objection::Empty(_)) | Error::Invalid(_) => Class::Invalid,
            Error::Objection(_) | Error::Exists(_) => Class::Conflict,
            Error::Unknown(_) | Error::NotOpen(_) => Class::NotFound,
            Error::Full(_) => Class::Exhausted,
            Error::NotStored(_) => Class::Unavailable,
            Error::Lost(_) => Class::Corrupt,
            Error::Journal(error) => error.class(),
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// What the inbox works with.
#[derive(Clone)]
pub struct Parts {
    /// Where everything is recorded.
    pub journal: Arc<dyn Journal>,
    /// Who is told when a notice is given up.
    pub crown: crown::Handle,
    /// How notices are sent.
    pub outbound: Arc<dyn Outbound>,
    /// What notices are signed with, by the name of their webhook.
    pub keys: BTreeMap<String, Secret>,
}

/// News for whoever follows: counters that grow, shared by every life of the actors.
#[derive(Default)]
pub(super) struct News {
    /// An item of a run was closed.
    pub(super) closed: watch::Sender<u64>,
    /// One of a call was: another piece of news, since several who wait for one are woken in no order.
    pub(super) calls: watch::Sender<u64>,
    /// A notice may be due.
    pub(super) due: watch::Sender<u64>,
}

/// Work that is to wait.
pub struct Opening {
    /// Its id: that of what it is about, a dash, and which item about it this is, from 1.
    pub id: String,
    /// The run whose story it belongs to.
    pub run: RunId,
    /// Why, and on what terms.
    pub need: Need,
    /// What people are shown, but for what stands under `resume`, which is for whoever goes on with the work. Documents
    /// under `documents` may name their `text` by its `payload` in the journal.
    pub payload: Value,
    /// Pointers to what they may change.
    pub editable: Vec<String>,
}

/// What somebody says of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// In words.
    pub comment: Option<String>,
    /// What is to stand in the payload instead; only with an approval.
    pub edits: Edits,
    /// The revision they have seen; the present one if they do not say.
    pub seen: Option<u32>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Items, newest run first.
    pub items: Vec<Item>,
    /// After which one the next page begins; none if there is none.
    pub next: Option<String>,
}

/// Reaches the inbox.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    journal: Arc<dyn Journal>,
    config: Arc<Config>,
    news: Arc<News>,
    world: World,
}

/// Requests that may wait. People are slow, and runs that are parked wait for a commit of milliseconds.
const WAITING: usize = 1_024;

/// Mail of the one who delivers notices: its own reports only.
const REPORTS: usize = 64;

/// A part that fails ten times in ten seconds is better stopped.
const RESTARTS: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);

/// The longest comment that is kept, in bytes: a page of text.
const COMMENT_BYTES_MAX: usize = 4_096;

/// Rows that are read at a time.
const ROWS_AT_ONCE: usize = 256;

/// Rows that are looked through for a status before a list is cut short: some ten milliseconds of reading.
const LOOK_THROUGH: usize = 5_000;

/// Longest name somebody may be asked by, in bytes: that of a token.
const NAME_BYTES_MAX: usize = 64;

impl Handle {
    /// The inbox as a row of the tree, and its handle. Items that are open are read from the journal when it starts.
    pub fn launch(parts: Parts, config: Config, world: &World) -> (Handle, Child) {
        let (config, news) = (Arc::new(config), Arc::new(News::default()));
        let address = Address::new(Mailbox::new(WAITING, Overflow::Refuse), world);
        let (journal, own, told) = (Arc::clone(&parts.journal), Arc::clone(&config), Arc::clone(&news));
        let handle =
            Handle { address: address.clone(), journal: Arc::clone(&journal), config, news, world: world.clone() };
        let times = world.clone();
        let desk = move || Shell::new(Arc::clone(&journal), Arc::clone(&own), Arc::clone(&told), &times);
        let desk = Child::actor("desk", &address, desk).shutdown(Shutdown::Drain(Duration::from_secs(5)));
        let mailbox = Address::new(Mailbox::new(REPORTS, Overflow::Refuse), world);
        let (own, told) = (Arc::clone(&handle.config), Arc::clone(&handle.news));
        let courier = move || Courier::new(parts.clone(), Arc::clone(&own), Arc::clone(&told));
        let courier = Child::actor("courier", &mailbox, courier).shutdown(Shutdown::After(Duration::from_secs(5)));
        let tree = Tree::new("inbox", Strategy::OneForOne).intensity(RESTARTS, PERIOD).child(desk).child(courier);
        (handle, Child::tree(tree))
    }

    /// When work needs a human.
    pub fn rules(&self) -> &[Rule] {
        &self.config.rules
    }

    /// Counts up when items of runs are closed. Follow it, and then look at [`Handle::unsettled`].
    pub fn closings(&self) -> watch::Receiver<u64> {
        self.news.closed.subscribe()
    }

    /// The same for items about calls of tools.
    pub fn call_closings(&self) -> watch::Receiver<u64> {
        self.news.calls.subscribe()
    }

    /// Takes work in, with the events of its run that say so, and returns the item once all of it is on disk (IN1).
    pub async fn open(
        &self,
        cx: &Cx,
        opening: Opening,
        with: impl FnOnce(&Item) -> Vec<NewEvent>,
    ) -> Result<Item, Error> {
        let Opening { id, run, need, payload, editable } = opening;
        let payload = self.journal.put_payload(payload.to_string().into_bytes()).await?;
        let item = Item::new(id.clone(), run, need, payload, editable, self.world.clock.wall());
        let with = with(&item);
        self.ask(cx, &id, What::Open { item: Box::new(item), with }).await
    }

    async fn ask(&self, cx: &Cx, id: &str, what: What) -> Result<Item, Error> {
        let id = id.to_owned();
        let ask = |reply: Asker| Message::Ask { id, ask: Box::new(Ask { what, reply: Some(reply) }) };
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }

    /// Asks for something to happen to an item that may be closed; then the error says what became of it.
    async fn ask_open(&self, cx: &Cx, id: &str, what: What) -> Result<Item, Error> {
        match self.ask(cx, id, what).await {
            Err(Error::NotOpen(_)) => {
                let item = self.item(id).await?;
                let by = item.closed_by_whom().map(str::to_owned);
                let at = item.closed_at.unwrap_or(item.opened_at);
                Err(Error::Objection(Objection::Closed { status: item.status, at, by }))
            }
            other => other,
        }
    }

    /// Approves an item in the name of the context's principal, and changes it first if edits say so.
    pub async fn approve(&self, cx: &Cx, id: &str, said: Said) -> Result<Item, Error> {
        let Said { comment, edits, seen } = said;
        let item = self.item(id).await?;
        let (revision, mut stored) = (seen.unwrap_or(item.revision), None);
        if !edits.is_empty() {
            item.may_change(&edits)?;
            let (bytes, most) = (edits.values().map(String::len).sum::<usize>(), self.config.edit_bytes_max);
            if bytes > most {
                let reason = format!("the edits have {bytes} bytes, at most {most} are taken (review.edit_bytes_max)");
                return Err(Error::Invalid(reason));
            }
            let mut all = self.edits(&item).await?;
            all.extend(edits.clone());
            stored = Some(self.journal.put_payload(serde_json::json!(all).to_string().into_bytes()).await?);
        }
        let edited = edits.into_keys().collect();
        self.judge(cx, id, Opinion::Approve, (comment, edited, revision), stored).await
    }

    /// Denies an item in the name of the context's principal.
    pub async fn deny(&self, cx: &Cx, id: &str, said: Said) -> Result<Item, Error> {
        if !said.edits.is_empty() {
            return Err(Error::Invalid("what is denied is not changed".to_owned()));
        }
        let revision = match said.seen {
            Some(seen) => seen,
            None => self.item(id).await?.revision,
        };
        self.judge(cx, id, Opinion::Deny, (said.comment, Vec::new(), revision), None).await
    }

    async fn judge(
        &self,
        cx: &Cx,
        id: &str,
        opinion: Opinion,
        (comment, edited, revision): (Option<String>, Vec<String>, u32),
        edits: Option<crate::types::Hash>,
    ) -> Result<Item, Error> {
        let comment = kept(comment)?;
        let author = cx.principal().name.clone();
        let verdict = Verdict { author, at: Timestamp::default(), opinion, comment, edited, revision };
        self.ask_open(cx, id, What::Judge { verdict, edits }).await
    }

    /// Asks somebody to decide on an item, in the name of the context's principal.
    pub async fn delegate(&self, cx: &Cx, id: &str, to: &str, comment: Option<String>) -> Result<Item, Error> {
        if to.trim().is_empty() || to.len() > NAME_BYTES_MAX {
            return Err(Error::Invalid(format!("a name has from 1 to {NAME_BYTES_MAX} bytes")));
        }
        let (to, by, comment) = (to.to_owned(), cx.principal().name.clone(), kept(comment)?);
        self.ask_open(cx, id, What::Delegate { to, by, comment }).await
    }

    /// Ends the time of an item in the name of the context's principal: its run ends, whatever its rule says for when
    /// nobody decides.
    pub async fn expire(&self, cx: &Cx, id: &str) -> Result<Item, Error> {
        let by = cx.principal().name.clone();
        self.ask_open(cx, id, What::End { by }).await
    }

    /// Closes an open item, since the context's principal has seen to it that nobody needs to decide any more.
    pub async fn withdraw(&self, cx: &Cx, id: &str) -> Result<Item, Error> {
        let by = cx.principal().name.clone();
        self.ask_open(cx, id, What::Cancel { by }).await
    }

    /// The last item about something, as of the last commit.
    pub async fn newest(&self, subject: RunId) -> Result<Option<Item>, Error> {
        let prefix = format!("{ALL}{subject}-");
        let (projection, prefix) = (InboxProjection::NAME, prefix.as_str());
        let rows = self.journal.rows(RowQuery { projection, prefix, reverse: true, after: None, limit: 1 }).await?;
        Ok(rows.into_iter().find_map(|(_, row)| serde_json::from_value(row).ok()))
    }

    /// Closes the open item of a run that is cancelled by the context's principal. An error if it has none.
    pub async fn cancel(&self, cx: &Cx, run: RunId) -> Result<Item, Error> {
        let by = cx.principal().name.clone();
        self.address.call(cx, |reply| Message::Cancel { run, by, reply }).await.map_err(Failure::from)?
    }

    /// An item, as of the last commit.
    pub async fn item(&self, id: &str) -> Result<Item, Error> {
        let row = self.journal.row(InboxProjection::NAME, &format!("{ALL}{id}")).await?;
        let item = row.and_then(|row| serde_json::from_value(row).ok());
        item.ok_or_else(|| Error::Unknown(id.to_owned()))
    }

    async fn edits(&self, item: &Item) -> Result<Edits, Error> {
        let Some(hash) = item.edits else { return Ok(Edits::new()) };
        let bytes = self.journal.get_payload(hash).await?;
        let edits = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        edits.ok_or_else(|| Error::Lost(item.id.clone()))
    }

    /// What an item is about, with everything that people have changed.
    pub async fn payload(&self, item: &Item) -> Result<Value, Error> {
        let bytes = self.journal.get_payload(item.payload).await?;
        let payload = bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let mut payload = payload.ok_or_else(|| Error::Lost(item.id.clone()))?;
        for (pointer, text) in self.edits(item).await? {
            if let Some(place) = payload.pointer_mut(&pointer) {
                *place = Value::String(text);
            }
        }
        Ok(payload)
    }

    /// What people are shown of an item.
    pub async fn shown(&self, item: &Item) -> Result<Value, Error> {
        let mut payload = self.payload(item).await?;
        if let Some(facts) = payload.as_object_mut() {
            facts.remove("resume");
        }
        let documents = payload.get_mut("documents").and_then(Value::as_array_mut);
        for document in documents.into_iter().flatten() {
            let Some(hash) = document["payload"].as_str().and_then(|hash| hash.parse().ok()) else { continue };
            let bytes = self.journal.get_payload(hash).await?.ok_or_else(|| Error::Lost(item.id.clone()))?;
            document["text"] = Value::String(String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(payload)
    }

    /// Items, newest run first: after this one, at most so many, only those that stand so.
    pub async fn list(&self, status: Option<ItemStatus>, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let prefix = if status == Some(ItemStatus::Open) { UNSETTLED } else { ALL };
        let mut after = after.map(|id| format!("{prefix}{id}"));
        let (mut items, mut looked): (Vec<Item>, usize) = (Vec::new(), 0);
        loop {
            let (projection, limit_rows) = (InboxProjection::NAME, ROWS_AT_ONCE);
            let query = RowQuery { projection, prefix, reverse: true, after: after.as_deref(), limit: limit_rows };
            let rows = self.journal.rows(query).await?;
            let last_page = rows.len() < ROWS_AT_ONCE;
            for (key, row) in rows {
                looked += 1;
                let Ok(item) = serde_json::from_value::<Item>(row) else { continue };
                if status.is_none_or(|wanted| wanted == item.status) {
                    if items.len() == limit {
                        return Ok(Page { next: items.last().map(|item| item.id.clone()), items });
                    }
                    items.push(item);
                }
                after = Some(key);
            }
            if last_page {
                return Ok(Page { items, next: None });
            }
            if looked >= LOOK_THROUGH {
                let next = after.and_then(|key| key.strip_prefix(prefix).map(str::to_owned));
                return Ok(Page { items, next });
            }
        }
    }

    /// The items that are closed and whose run has not heard of it (IN4).
    pub async fn unsettled(&self) -> Result<Vec<Item>, Error> {
        let mut items = unsettled(&*self.journal).await?;
        items.retain(|item| item.status != ItemStatus::Open);
        Ok(items)
    }
}

/// Every item that is open, or closed and not settled.
pub(super) async fn unsettled(journal: &dyn Journal) -> Result<Vec<Item>, store::Error> {
    let (mut items, mut rows) = (Vec::new(), Rows::under(journal, InboxProjection::NAME, UNSETTLED));
    while let Some(page) = rows.page().await? {
        items.extend(page.into_iter().filter_map(|(_, row)| serde_json::from_value(row).ok()));
    }
    Ok(items)
}

/// A comment as it is kept: none if nothing is said.
fn kept(comment: Option<String>) -> Result<Option<String>, Error> {
    match comment {
        Some(comment) if comment.len() > COMMENT_BYTES_MAX => {
            Err(Error::Invalid(format!("a comment has at most {COMMENT_BYTES_MAX} bytes")))
        }
        comment => Ok(comment.filter(|comment| !comment.trim().is_empty())),
    }
}
