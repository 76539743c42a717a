//! What of a call is written down, besides that it was begun and how it ended.

use std::time::Duration;

use super::call::Invocation;
use super::doubts;
use super::handle::Error;
use super::ledger::{Begun, Doubted, Row, Standing, kind};
use crate::store::{Durability, NewEvent};
use crate::types::{Cx, RunId};

/// Time to ask people what became of a call: a commit of the journal. Its caller waits for that.
const ASK_WITHIN: Duration = Duration::from_secs(5);

impl Invocation<'_> {
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
