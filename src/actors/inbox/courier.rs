//! The courier: delivers the notices that are due, for each webhook in order and beside the others.
//!
//! Which notices are due stands in the journal (IN5): a start takes up what the last life left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::handle::{News, Parts};
use super::projection::{ALL, DUE, Due, InboxProjection, NOTIFIED, Notified};
use super::{Config, Delivery, Hook};
use crate::actors::crown::Severity;
use crate::field::{self, Error, Notice};
use crate::store::{self, Durability, NewEvent, RowQuery};
use crate::supervision::{Actor, Context, Envelope, Fault};
use crate::types::planted::{Bug, planted};
use crate::types::{Cx, Place, World};
use crate::ziggy::review::Item;

pub(super) struct Courier {
    parts: Parts,
    config: Arc<Config>,
    news: Arc<News>,
    /// The webhooks that are being told something, and whether there was news meanwhile.
    busy: BTreeMap<String, bool>,
}

pub(super) enum Message {
    /// A notice may be due.
    Look,
    /// One webhook was told something, or there was nothing; or why neither.
    Told { hook: String, told: Result<bool, String> },
}

/// Rows that are read at a time.
const ROWS_AT_ONCE: usize = 256;

/// Time for what a delivery takes beside its attempts: reading, and writing down what became of it.
const BESIDE: Duration = Duration::from_secs(60);

/// Wait after the journal could not be read or written, which mends itself or ends the host.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

impl Courier {
    pub(super) fn new(parts: Parts, config: Arc<Config>, news: Arc<News>) -> Courier {
        Courier { parts, config, news, busy: BTreeMap::new() }
    }

    fn look(&mut self, context: &mut Context<Message>) {
        let names: Vec<String> = self.config.webhooks.iter().map(|hook| hook.name.clone()).collect();
        for name in names {
            match self.busy.get_mut(&name) {
                Some(again) => *again = true,
                None => self.tell(&name, context),
            }
        }
    }

    /// Begins with the first notice that is due for a webhook.
    fn tell(&mut self, name: &str, context: &mut Context<Message>) {
        let Some(hook) = self.config.webhooks.iter().find(|hook| hook.name == name).cloned() else { return };
        self.busy.insert(name.to_owned(), false);
        let (name, source) = (name.to_owned(), context.path().to_owned());
        let delivery = self.config.delivery;
        let errand = Errand { parts: self.parts.clone(), world: context.world().clone(), hook, delivery, source };
        let cx = Cx::housekeeping(context.now(), longest(&delivery));
        context.job(&cx, async move { errand.run().await }, |outcome| Message::Told {
            hook: name,
            told: match outcome {
                Ok(told) => told.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
        });
    }

    fn told(&mut self, hook: &str, told: Result<bool, String>, context: &mut Context<Message>) {
        let again = self.busy.remove(hook).unwrap_or(false);
        match told {
            Ok(true) => self.tell(hook, context),
            Ok(false) if again => self.tell(hook, context),
            Ok(false) => {}
            Err(reason) => {
                tracing::error!(hook, reason, "notices could not be delivered; they stay due");
                context.after(AFTER_TROUBLE, Message::Look);
            }
        }
    }
}

/// The time all attempts take at the most.
fn longest(delivery: &Delivery) -> Duration {
    let one = Duration::from_secs(delivery.within_s) + Duration::from_millis(delivery.longest_wait_ms);
    one.saturating_mul(delivery.attempts).saturating_add(BESIDE)
}

/// The wait before the attempt after so many: any time up to a limit that doubles ("full jitter",
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), so that senders who failed together do
/// not come back together.
pub(super) fn wait(delivery: &Delivery, attempts: u32, chance: u64) -> Duration {
    let doubled = 1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
    let most = delivery.first_wait_ms.saturating_mul(doubled).min(delivery.longest_wait_ms);
    Duration::from_millis(chance % most.saturating_add(1).max(1))
}

/// One way to one webhook.
struct Errand {
    parts: Parts,
    world: World,
    hook: Hook,
    delivery: Delivery,
    source: String,
}

impl Errand {
    /// Delivers the first notice that is due, or gives it up. False if none is due.
    async fn run(self) -> Result<bool, store::Error> {
        let Some(due) = self.first().await? else { return Ok(false) };
        let body = self.body(&due).await?;
        let (attempts, outcome) = self.deliver(&due, body).await;
        let reason = outcome.err().map(|error| error.to_string());
        let (seq, hook, arrived) = (due.seq, self.hook.name.clone(), reason.is_none());
        let said = Notified { seq, hook, arrived, attempts, reason };
        let event = NewEvent::new(NOTIFIED, None, &self.source, &said);
        self.parts.journal.append(vec![event], Durability::Durable).await?;
        if let Some(reason) = said.reason {
            let message =
                format!("gave up to tell it of {} (event {seq}) after {attempts} attempts: {reason}", due.kind);
            let cx = Cx::housekeeping(self.world.clock.now(), BESIDE);
            let subject = format!("webhook {}", self.hook.name);
            let raised = self.parts.crown.raise(&cx, Severity::Warning, "webhook_failed", &subject, &message);
            if let Err(error) = raised.await {
                tracing::error!(hook = self.hook.name, message, %error, "an alert could not be raised");
            }
        }
        Ok(true)
    }

    async fn first(&self) -> Result<Option<Due>, store::Error> {
        let mut after: Option<String> = None;
        loop {
            let (projection, limit) = (InboxProjection::NAME, ROWS_AT_ONCE);
            let query = RowQuery { projection, prefix: DUE, reverse: false, after: after.as_deref(), limit };
            let rows = self.parts.journal.rows(query).await?;
            let Some((last, _)) = rows.last() else { return Ok(None) };
            after = Some(last.clone());
            let mut due = rows.into_iter().filter_map(|(_, row)| serde_json::from_value::<Due>(row).ok());
            if let Some(first) = due.find(|due| due.hooks.contains(&self.hook.name)) {
                return Ok(Some(first));
            }
        }
    }

    /// What is sent: what happened and how the item stands, and nothing of what it is about (IN3).
    async fn body(&self, due: &Due) -> Result<String, store::Error> {
        let row = self.parts.journal.row(InboxProjection::NAME, &format!("{ALL}{}", due.item)).await?;
        let item = row.and_then(|row| serde_json::from_value::<Item>(row).ok());
        let mut body = json!({ "event": due.kind, "event_number": due.seq, "at": due.at, "item": due.item });
        if let Some(item) = item {
            let reasons: Vec<&str> = item.reasons.iter().map(|reason| reason.rule.as_str()).collect();
            body["run"] = json!(item.run);
            body["kind"] = json!(item.kind);
            body["stage"] = json!(item.stage);
            body["status"] = json!(item.status);
            body["goes_on"] = json!(item.goes_on);
            body["rules"] = json!(reasons);
            body["deadline"] = json!(item.deadline);
            body["quorum"] = json!(item.quorum);
            body["approvals"] = json!(item.approvals());
            body["delegate"] = json!(item.delegate);
        }
        Ok(body.to_string())
    }

    /// Sends it until it arrives, is refused for good, or all attempts were made. With how many were.
    async fn deliver(&self, due: &Due, body: String) -> (u32, Result<(), Error>) {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let notice = Notice {
                url: self.hook.url.clone(),
                key: self.parts.keys.get(&self.hook.name).cloned(),
                id: due.seq.to_string(),
                event: due.kind.clone(),
                at: self.world.clock.wall(),
                body: body.clone(),
            };
            let within = Duration::from_secs(self.delivery.within_s);
            let cx = Cx::housekeeping(self.world.clock.now(), within);
            let place = Place { tier: self.hook.tier, region: self.hook.region.clone() };
            let outcome = match field::cleared(notice, &place) {
                Ok(notice) => self.parts.outbound.deliver(&cx, &notice).await,
                Err(withheld) => Err(withheld),
            };
            match outcome {
                Err(_) if planted(Bug::NoticeForgotten) => return (attempts, Ok(())),
                Err(error) if error.passes() && attempts < self.delivery.attempts => {
                    tracing::warn!(hook = self.hook.name, attempts, %error, "a notice did not arrive");
                    tokio::time::sleep(wait(&self.delivery, attempts, self.world.random.next())).await;
                }
                outcome => return (attempts, outcome),
            }
        }
    }
}

/// Notices for webhooks that are configured no more are due to nobody: they are given up when the courier starts.
async fn forget(parts: Parts, known: BTreeSet<String>, source: String) -> Result<(), store::Error> {
    let (mut after, mut events): (Option<String>, Vec<NewEvent>) = (None, Vec::new());
    loop {
        let (projection, limit) = (InboxProjection::NAME, ROWS_AT_ONCE);
        let query = RowQuery { projection, prefix: DUE, reverse: false, after: after.as_deref(), limit };
        let rows = parts.journal.rows(query).await?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        for due in rows.into_iter().filter_map(|(_, row)| serde_json::from_value::<Due>(row).ok()) {
            let seq = due.seq;
            events.extend(due.hooks.into_iter().filter(|hook| !known.contains(hook)).map(|hook| {
                let reason = Some("it is configured no more".to_owned());
                let said = Notified { seq, hook, arrived: false, attempts: 0, reason };
                NewEvent::new(NOTIFIED, None, &source, &said)
            }));
        }
    }
    if !events.is_empty() {
        parts.journal.append(events, Durability::Behind).await?;
    }
    Ok(())
}

impl Actor for Courier {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        let known = self.config.webhooks.iter().map(|hook| hook.name.clone()).collect();
        let (parts, source) = (self.parts.clone(), context.path().to_owned());
        let cx = Cx::housekeeping(context.now(), BESIDE);
        context.jot(&cx, async move {
            if let Err(error) = forget(parts, known, source).await {
                tracing::error!(%error, "notices for webhooks that are gone stay due");
            }
        });
        context.follow(self.news.due.subscribe(), || Message::Look);
        if !planted(Bug::NoticeLeftBehind) {
            self.look(context);
        }
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Look => self.look(context),
            Message::Told { hook, told } => self.told(&hook, told, context),
        }
        Ok(())
    }
}
