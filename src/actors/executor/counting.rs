//! What is counted of calls: how often a tenant makes them, and how good they are.

use super::call::Invocation;
use super::handle::Error;
use super::health::blamed;
use super::staging::burnt;
use crate::sandbox::Outcome;

/// Tenants under quotas from which on those are forgotten who have all their room.
const ROOMS_MANY: usize = 10_000;

impl Invocation<'_> {
    /// Takes a place under the tool's quota.
    pub(super) fn admit_often(&self, tenant: &str) -> Result<(), Error> {
        let Some(quota) = &self.entry.ready.tool.quota else { return Ok(()) };
        let now = self.shared.world.clock.now();
        let key = (self.entry.ready.tool.id.to_string(), tenant.to_owned());
        if self.shared.rooms.len() > ROOMS_MANY {
            self.shared.rooms.retain(|_, room| !room.is_empty(now));
        }
        let taken = self.shared.rooms.entry(key).or_default().take(quota, now);
        taken.map_err(|wait| Error::Quota {
            name: self.name(),
            most: quota.calls_per_minute,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1),
        })
    }

    /// Counts a call that was made, and looks whether the version is still as good as it has to be.
    pub(super) async fn counted(&self, outcome: &Outcome) {
        let good = match &outcome.answer {
            Ok(_) => true,
            Err(failure) if blamed(failure.class) => false,
            Err(_) => return,
        };
        let (ready, now) = (&self.entry.ready, self.shared.world.clock.now());
        let broken = {
            let mut health = self.shared.health.entry(ready.hash).or_default();
            health.saw(now, good, outcome.usage.wall);
            ready.tool.slo.as_ref().and_then(|slo| health.broken(slo, now))
        };
        if let Some(reason) = broken {
            burnt(self.shared, self.cx, self.entry, reason).await;
        }
    }
}
