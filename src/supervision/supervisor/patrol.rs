//! Looks at the handlers of the children now and then, and reports those that are over their limit.

use tokio::time::Instant;

use super::Live;
use crate::supervision::plan::{Input, Token};
use crate::supervision::watch::{Stuck, Watch};

/// The alarm of the patrol. The plan's own begin at one.
pub(super) const TOKEN: Token = Token(0);

impl Live {
    /// Sees to it that a child with this rule is looked at in time.
    pub(super) fn look_by(&mut self, watch: Option<Watch>) {
        let Some(watch) = watch else { return };
        let at = self.kernel.world.clock.now() + watch.every();
        if self.look_at.is_none_or(|planned| at < planned) {
            self.look_at = Some(at);
            self.alarms.set(at, TOKEN);
        }
    }

    /// Reports whoever is over its limit, if it is time to look, and says what the plan has to hear of it.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Input> {
        if self.look_at.is_none_or(|planned| now < planned) {
            return Vec::new();
        }
        let mut told = Vec::new();
        let mut strictest: Option<Watch> = None;
        for (key, slot) in &self.slots {
            let Some(watch) = slot.watch else { continue };
            if strictest.is_none_or(|other| watch.limit < other.limit) {
                strictest = Some(watch);
            }
            let Some(report) = slot.entry.find_stuck(watch, now) else { continue };
            tracing::error!(actor = slot.entry.path(), then = ?watch.then, "actor is stuck: it {report}");
            if watch.then == Stuck::Restart {
                slot.entry.note_failure(&report);
                told.push(Input::Stuck(*key));
            }
        }
        self.look_at = None;
        self.look_by(strictest);
        told
    }
}
