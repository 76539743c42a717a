//! Permits: admission as one atomic count against an immutable snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dashmap::DashMap;

use crate::types::Timestamp;
use crate::types::planted::{Bug, planted};
use crate::ziggy::{Admission, Ask, Governance, Value, admit};

/// How many requests each candidate has in flight.
#[derive(Default)]
pub(super) struct Places {
    taken: DashMap<String, Arc<AtomicU32>>,
}

/// A place a candidate has given to one request. Dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    taken: Arc<AtomicU32>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !planted(Bug::PermitLeaks) {
            self.taken.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Places {
    /// C2: asks Ziggy with the count of this instant, and takes the place only if the count is still the same.
    pub(super) fn take(
        &self,
        governance: &Governance,
        candidate: &str,
        cap: Option<u32>,
        value: Value,
        now: Timestamp,
    ) -> (Admission, Option<Permit>) {
        let taken = self.of(candidate);
        let mut ask = Ask { candidate: candidate.to_owned(), cap, in_flight: taken.load(Ordering::Acquire), value };
        loop {
            let admission = admit(governance, &ask, now);
            if !admission.admitted() {
                return (admission, None);
            }
            let swap =
                taken.compare_exchange_weak(ask.in_flight, ask.in_flight + 1, Ordering::AcqRel, Ordering::Acquire);
            match swap {
                Ok(_) => return (admission, Some(Permit { taken })),
                Err(seen) => ask.in_flight = seen,
            }
        }
    }

    fn of(&self, candidate: &str) -> Arc<AtomicU32> {
        if let Some(taken) = self.taken.get(candidate) {
            return Arc::clone(&taken);
        }
        Arc::clone(&self.taken.entry(candidate.to_owned()).or_default())
    }

    pub(super) fn in_flight(&self, candidate: &str) -> u32 {
        self.taken.get(candidate).map_or(0, |taken| taken.load(Ordering::Acquire))
    }
}
