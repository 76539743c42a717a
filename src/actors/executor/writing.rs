//! What of a call is written down, besides that it was begun and how it ended.

use std::time::Duration;

use super::call::{Checked, Invocation};
use super::doubts;
use super::handle::Error;
use super::ledger::{Begun, Doubted, Refused, Row, Standing, kind};
use crate::lap::policy::Explanation;
use crate::lap::{self, Caller, Denial, Key};
use crate::store::{Durability, NewEvent};
use crate::types::planted::{Bug, planted};
use crate::types::{Cx, RunId, Timestamp};

/// Time to ask people what became of a call: a commit of the journal. Its caller waits for that.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// Seconds for which a key is remembered whose tool does not say: a day, as TDS has it.
const KEEP_S: u64 = 86_400;

impl Invocation<'_> {
    /// Writes down that a call was denied, and by which policy (EX7). Whoever called hears the same.
    pub(super) async fn refused(&self, error: &Error) {
        let Error::Denied { denial, .. } = error else { return };
        let Caller { tenant, principal, agent, .. } = self.caller();
        let refused = Refused {
            invocation: self.id.clone(),
            tool: self.entry.ready.tool.id.to_string(),
            version: self.entry.ready.tool.version.to_string(),
            tenant,
            principal,
            agent,
            reason: denial.to_string(),
            explanation: if let Denial::Policy(why) = denial { Some(Explanation::clone(why)) } else { None },
        };
        // A refusal needs nothing of the journal, and stands if that is down.
        if let Err(error) = self.record(kind::REFUSED, self.cx.run(), &refused, Durability::Behind).await {
            tracing::warn!(%error, "a refusal is not on record");
        }
    }

    /// Writes down that the call is about to be made.
    pub(super) async fn begin(&self, key: Key, arguments: String, checked: &Checked) -> Result<Begun, Error> {
        let ready = &self.entry.ready;
        let keep = ready.tool.idempotency.as_ref().map_or(KEEP_S, |own| own.keep_s);
        let until =
            Timestamp(self.shared.world.clock.wall().0 + i64::try_from(keep * 1_000_000).unwrap_or(i64::MAX / 2));
        let journal = &self.shared.ports.journal;
        let hash = journal.put_payload(arguments.into_bytes()).await.map_err(|error| self.unrecorded(&error))?;
        let begun = Begun {
            invocation: self.id.clone(),
            key,
            version: ready.tool.version.to_string(),
            hash: ready.hash,
            arguments: hash,
            shown: lap::shown(&ready.tool, "input", &checked.arguments),
            principal: self.cx.principal().name.clone(),
            agent: self.request.agent.clone(),
            until,
        };
        let durability = if planted(Bug::BegunBehind) { Durability::Behind } else { Durability::Durable };
        self.record(kind::BEGUN, self.cx.run(), &begun, durability).await?;
        Ok(begun)
    }

    pub(super) async fn doubt(&self, begun: Begun, run: Option<RunId>, reason: &str) -> Result<(), Error> {
        let at = self.shared.world.clock.wall();
        let row = Row { begun: begun.clone(), run, at, standing: Standing::InDoubt { reason: reason.to_owned() } };
        let doubted = Doubted { begun, reason: reason.to_owned() };
        self.record(kind::DOUBTED, run, &doubted, Durability::Durable).await?;
        // The caller's own time is mostly over by now.
        let cx = Cx::housekeeping(self.shared.world.clock.now(), ASK_WITHIN);
        if let Err(error) = doubts::ask_about(self.shared, &cx, &row).await {
            tracing::warn!(call = self.id, %error, "nobody could be asked what became of a call, and will be again");
        }
        Ok(())
    }

    pub(super) async fn record(
        &self,
        kind: &str,
        run: Option<RunId>,
        body: &impl serde::Serialize,
        durability: Durability,
    ) -> Result<(), Error> {
        let event = NewEvent::new(kind, run, &self.shared.source, body);
        let written = self.shared.ports.journal.append(vec![event], durability).await;
        written.map(drop).map_err(|error| self.unrecorded(&error))
    }

    pub(super) fn unrecorded(&self, error: &crate::store::Error) -> Error {
        Error::Unrecorded { name: self.name(), class: error.class(), reason: error.to_string() }
    }
}
