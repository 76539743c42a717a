//! How good a version was lately, and how often a tenant may still call it. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::tds::tool::{Quota, Slo};
use crate::types::Class;

/// Calls that are looked at, at the most: the share and the time of the slowest twentieth are known well enough by then.
const CALLS_MOST: usize = 256;

/// A minute.
const MINUTE: Duration = Duration::from_secs(60);

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    good: bool,
    took: Duration,
}

/// The last calls of one version.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    seen: VecDeque<Seen>,
}

/// What is known of a version's last calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ToolHealth)]
pub struct Pulse {
    /// Calls that count, the last ones.
    pub calls: usize,
    /// How many of a hundred of them succeeded.
    pub success_percent: u64,
    /// Milliseconds that 95 of a hundred took at most.
    pub p95_ms: u64,
}

/// Whether a tool is to blame for a failure of this class. What the caller did wrong, or ended, says nothing of the tool.
pub(super) fn blamed(class: Class) -> bool {
    !matches!(class, Class::Invalid | Class::Denied | Class::NotFound | Class::Conflict | Class::Cancelled)
}

impl Health {
    /// Counts a call.
    pub(super) fn saw(&mut self, at: Instant, good: bool, took: Duration) {
        if self.seen.len() == CALLS_MOST {
            self.seen.pop_front();
        }
        self.seen.push_back(Seen { at, good, took });
    }

    /// What is known of the calls since a moment.
    pub(super) fn pulse(&self, since: Option<Instant>) -> Pulse {
        let recent: Vec<&Seen> = self.seen.iter().filter(|seen| since.is_none_or(|since| seen.at >= since)).collect();
        if recent.is_empty() {
            return Pulse::default();
        }
        let good = recent.iter().filter(|seen| seen.good).count();
        let mut times: Vec<Duration> = recent.iter().map(|seen| seen.took).collect();
        times.sort_unstable();
        let slow = times[(times.len() * 95).div_ceil(100).saturating_sub(1)];
        Pulse {
            calls: recent.len(),
            success_percent: (good * 100 / recent.len()) as u64,
            p95_ms: u64::try_from(slow.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// What a version does not keep of what it promises, in words; nothing if it does, or if too little is known.
    pub(super) fn broken(&self, slo: &Slo, now: Instant) -> Option<String> {
        let pulse = self.pulse(now.checked_sub(Duration::from_secs(slo.window_s)));
        if (pulse.calls as u64) < slo.calls_least {
            return None;
        }
        let Pulse { calls, success_percent, p95_ms } = pulse;
        if success_percent < slo.success_percent {
            let wanted = slo.success_percent;
            return Some(format!(
                "{success_percent} of 100 calls succeeded, and {wanted} should (the last {calls} calls)"
            ));
        }
        let most = slo.p95_ms.filter(|most| p95_ms > *most)?;
        Some(format!("95 of 100 calls took up to {p95_ms} ms, and {most} ms is the most (the last {calls} calls)"))
    }

    /// Begins anew, as after a verdict.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }
}

/// Room for calls under a quota, by the generic cell rate algorithm (ITU-T I.371): each call moves the time at which the
/// next one would come if they came evenly, and may come a minute's worth before it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowance {
    next: Option<Instant>,
}

impl Allowance {
    /// Takes a place, or says how long it takes until there is one.
    pub(super) fn take(&mut self, quota: &Quota, now: Instant) -> Result<(), Duration> {
        let each = MINUTE / u32::try_from(quota.calls_per_minute).unwrap_or(u32::MAX).max(1);
        let next = self.next.map_or(now, |next| next.max(now));
        let ahead = next.saturating_duration_since(now);
        let most = MINUTE.saturating_sub(each);
        if ahead > most {
            return Err(ahead - most);
        }
        self.next = Some(next + each);
        Ok(())
    }

    /// Whether it says nothing any more.
    pub(super) fn is_empty(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }
}
