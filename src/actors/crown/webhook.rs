//! Telling somebody by HTTP, at least once: letters lie in the journal's rows until they are delivered or given up.
//!
//! Invariants:
//! - W1: a letter is there from the commit that holds its alert, and gone only with an event that says what became of it.
//! - W2: letters of one webhook go in the order they were written; one that fails holds up those behind it until it is
//!   given up.
//! - W3: a letter that was delivered right before a crash may be delivered again, under the same number.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Webhook;
use super::projection::{DELIVERED, GAVE_UP, GovernanceProjection, letters};
use crate::field::{self, Error, Notice, Outbound};
use crate::store::{Durability, Journal, NewEvent, RowQuery};
use crate::types::planted::{Bug, planted};
use crate::types::{Cleared, Clock, Cx, Place, Secret, Timestamp};

/// Letters that are sent in one go; what is left waits for the next.
const AT_ONCE: usize = 32;

/// A letter as the rows have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    pub(super) alert: serde_json::Value,
}

/// What came of one go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// Letters delivered.
    pub(super) delivered: u64,
    /// The letter that could not be, and why.
    pub(super) failed: Option<(u64, String)>,
    /// Whether there are more.
    pub(super) more: bool,
}

/// Where one webhook stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// Whether a round is under way.
    pub(super) busy: bool,
    /// Whether there is something to deliver.
    pub(super) due: bool,
    /// Attempts made with the letter that is first.
    pub(super) attempts: u32,
    /// Until when nothing is tried.
    pub(super) rests_until: Option<tokio::time::Instant>,
}

/// What a round works with.
pub(super) struct Sender {
    pub(super) webhook: Webhook,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) outbound: Arc<dyn Outbound>,
    pub(super) key: Option<Secret>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) source: String,
}

impl Sender {
    /// Sends what lies there, in order, until one fails.
    pub(super) async fn round(self, cx: Cx) -> Result<Round, String> {
        let prefix = letters(&self.webhook.name);
        let query = RowQuery {
            projection: GovernanceProjection::NAME,
            prefix: &prefix,
            reverse: false,
            after: None,
            limit: AT_ONCE,
        };
        // What a life before this one had on its way may be about to be written.
        self.journal.flush().await.map_err(|error| error.to_string())?;
        let rows = self.journal.rows(query).await.map_err(|error| error.to_string())?;
        let mut round = Round { more: rows.len() == AT_ONCE, ..Round::default() };
        for (_, row) in rows {
            let Ok(row) = serde_json::from_value::<Row>(row) else { continue };
            match self.send(&cx, &row).await {
                Ok(()) => {
                    let body = serde_json::json!({ "webhook": self.webhook.name, "letter": row.seq });
                    self.note(DELIVERED, &body).await?;
                    round.delivered += 1;
                }
                Err(_) if planted(Bug::NoticeOvertaken) => round.more = true,
                Err(reason) => {
                    round.failed = Some((row.seq, reason));
                    return Ok(round);
                }
            }
        }
        // Rows of a later version that cannot be read stay, and would be found again at once and for ever.
        round.more &= round.delivered > 0;
        Ok(round)
    }

    async fn send(&self, cx: &Cx, row: &Row) -> Result<(), String> {
        let delivery = format!("{}-{}", self.webhook.name, row.seq);
        let body = serde_json::json!({
            "delivery": delivery, "event": row.kind, "seq": row.seq, "at": row.at, "alert": row.alert,
        });
        let notice = Notice {
            url: self.webhook.url.clone(),
            key: self.key.clone(),
            id: delivery,
            event: row.kind.clone(),
            at: self.clock.wall(),
            body: body.to_string(),
        };
        let place = Place { tier: self.webhook.tier, region: self.webhook.region.clone() };
        let notice = field::cleared(notice, &place).map_err(|error| error.to_string())?;
        let cx = cx.with_deadline(self.clock.now() + Duration::from_secs(self.webhook.within_s));
        tokio::select! {
            biased;
            () = cx.cancelled() => Err("the host stops".to_owned()),
            sent = self.outbound.deliver(&cx, &notice) => sent.map_err(|error| error.to_string()),
        }
    }

    async fn note(&self, kind: &str, body: &serde_json::Value) -> Result<(), String> {
        let event = NewEvent::new(kind, None, &self.source, body);
        // Durable, so that the rows of the next round do not have it any more.
        self.journal.append(vec![event], Durability::Durable).await.map(drop).map_err(|error| error.to_string())
    }
}

/// For a host that tells nobody, and so is never asked to.
pub(super) struct Nobody;

#[async_trait]
impl Outbound for Nobody {
    async fn deliver(&self, _cx: &Cx, _notice: &Cleared<Notice>) -> Result<(), Error> {
        Err(Error::Address("this host tells nobody".to_owned()))
    }
}

/// The event of a letter that is given up.
pub(super) fn gave_up(webhook: &str, letter: u64, attempts: u32, reason: &str, source: &str) -> NewEvent {
    let body = serde_json::json!({ "webhook": webhook, "letter": letter, "attempts": attempts, "reason": reason });
    NewEvent::new(GAVE_UP, None, source, &body)
}

/// How long to wait after so many attempts: anything up to twice as long as before, up to the most (full jitter, after M.
/// Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog 2015), but never nothing.
pub(super) fn pause(webhook: &Webhook, attempts: u32, chance: u64) -> Duration {
    let doubled = webhook.wait_s.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    let most_ms = doubled.min(webhook.wait_most_s).saturating_mul(1_000).max(1);
    Duration::from_millis(1 + chance % most_ms)
}
