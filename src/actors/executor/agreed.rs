//! Calls that a person has to agree to: who is asked, what counts as an agreement, and how long a caller waits for it.
//!
//! An agreement is for one call: this version of the tool, these very arguments, this caller. It is used up durably before the
//! call is made, so that it never serves two. A denial counts until the item's time would have been over, so that
//! nobody is asked the same again and again.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::call::{Checked, Invocation};
use super::handle::Error;
use super::people::{People, Question, Unheard};
use crate::lap::{self, Denial};
use crate::tds::canonical_value;
use crate::types::{Cx, Hash, RunId};
use crate::ziggy::review::{Condition, Item, ItemStatus, Kind, Need, OnExpiry, Reason, Stage};

/// By which rule people are asked, in reasons.
const RULE: &str = "policy.approval";

/// The name of something people are asked about.
pub(super) fn subject(of: &str) -> RunId {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = Hash::of(of.as_bytes()).0;
    let half = u64::from_be_bytes;
    RunId::from_pair(half([a, b, c, d, e, f, g, h]), half([i, j, k, l, m, n, o, p]))
}

impl Invocation<'_> {
    /// Goes on if nobody has to agree, or if a person has to this very call and nobody has used that yet; asks if nobody was
    /// asked.
    pub(super) async fn agreed(&self, checked: &Checked) -> Result<(), Error> {
        let Some(denial) = &checked.asks else { return Ok(()) };
        let Some(people) = &self.shared.ports.people else {
            return Err(Error::Denied { name: self.name(), denial: Denial::clone(denial) });
        };
        let (caller, arguments) = (&checked.caller, canonical_value(&checked.arguments));
        let (tool, version) = (&self.entry.ready.tool.id, self.entry.ready.hash);
        let named = json!([tool, version, caller.tenant, caller.principal, caller.agent, arguments]);
        let subject = subject(&named.to_string());
        let lock = self.shared.locks.of(&format!("people/{subject}"));
        let _held = self.until_over(lock.lock()).await?;
        let newest = people.newest(subject).await.map_err(|error| self.unheard(error))?;
        let now = self.shared.world.clock.wall();
        let number = match newest {
            Some(item) if item.status == ItemStatus::Open => return Err(self.waits(&item)),
            Some(item) if item.status == ItemStatus::Denied && now < item.deadline => return Err(self.denied(&item)),
            Some(item) if item.status == ItemStatus::Approved && !item.settled && now < item.deadline => {
                return people.settle(&item).await.map_err(|error| self.unheard(error));
            }
            Some(item) => number(&item) + 1,
            None => 1,
        };
        let item = people.ask(self.cx, self.question(checked, denial, subject, number)).await;
        Err(self.waits(&item.map_err(|error| self.unheard(error))?))
    }

    fn question(&self, checked: &Checked, denial: &Denial, subject: RunId, number: u32) -> Question {
        let (ready, caller) = (&self.entry.ready, &checked.caller);
        let who = caller
            .agent
            .as_ref()
            .map_or_else(|| caller.principal.clone(), |agent| format!("{agent} for {}", caller.principal));
        let policy = if let Denial::Policy(_) = denial { Some(denial.to_string()) } else { None };
        let asked = Condition::Agreement { tool: self.name(), who, policy };
        let need = Need {
            kind: Kind::ToolCall,
            stage: Stage::Before,
            deadline_s: self.shared.config.approval_s,
            quorum: 1,
            on_expiry: OnExpiry::Deny,
            delegate: None,
            reasons: vec![Reason { rule: RULE.to_owned(), conditions: vec![asked] }],
        };
        let payload = json!({ "call": {
            "tool": ready.tool.id,
            "version": ready.tool.version,
            "what_it_does": ready.tool.description,
            "side_effects": ready.tool.side_effects,
            "arguments": lap::shown(&ready.tool, "input", &checked.arguments),
            "tenant": caller.tenant,
            "principal": caller.principal,
            "agent": caller.agent,
            "privacy": self.cx.privacy(),
            "run": self.cx.run(),
        } });
        Question { subject, number, run: self.cx.run(), need, payload, editable: Vec::new() }
    }

    fn waits(&self, item: &Item) -> Error {
        Error::Waits { name: self.name(), item: item.id.clone(), until: item.deadline }
    }

    fn denied(&self, item: &Item) -> Error {
        let verdict = item.closer();
        let denial = Denial::Person {
            who: verdict.map_or_else(|| "somebody".to_owned(), |verdict| verdict.author.clone()),
            item: item.id.clone(),
            comment: verdict.and_then(|verdict| verdict.comment.clone()),
            until: item.deadline,
        };
        Error::Denied { name: self.name(), denial }
    }

    fn unheard(&self, error: Unheard) -> Error {
        let reason = format!("a person has to agree first, and nobody can be asked: {}", error.reason);
        Error::Failed { name: self.name(), class: error.class, reason }
    }
}

/// Which question about its subject an item is.
fn number(item: &Item) -> u32 {
    item.id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Waits until a person has decided on an item, within this time. The caller waits and not the executor, so that nobody's
/// thinking takes a place.
pub(super) async fn decided(
    people: &dyn People,
    cx: &Cx,
    item: &str,
    mut closings: watch::Receiver<u64>,
    within: Duration,
) -> bool {
    let looking = async {
        loop {
            closings.borrow_and_update();
            // What cannot be read now is for the call itself to say.
            if !people.is_open(item).await.unwrap_or(true) {
                return true;
            }
            if closings.changed().await.is_err() {
                return false;
            }
        }
    };
    tokio::select! {
        biased;
        () = cx.cancelled() => false,
        decided = tokio::time::timeout(within, looking) => decided.unwrap_or(false),
    }
}
