//! What of a call is written down, besides that it was begun and how it ended.

use super::call::Invocation;
use super::handle::Error;
use super::ledger::{Begun, Doubted, Refused, kind};
use crate::lap::policy::Explanation;
use crate::lap::{Caller, Denial};
use crate::store::{Durability, NewEvent};
use crate::types::RunId;

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

    pub(super) async fn doubt(&self, begun: Begun, run: Option<RunId>, reason: &str) -> Result<(), Error> {
        let doubted = Doubted { begun, reason: reason.to_owned() };
        self.record(kind::DOUBTED, run, &doubted, Durability::Durable).await
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
