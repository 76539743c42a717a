//! What one actor counts, and what it notes of the message at hand.
//!
//! Only the actor itself writes the notes, with plain stores, so that they cost a message next to nothing; whoever reads
//! them sees whether they changed meanwhile.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::time::Duration;

use tokio::time::Instant;

use crate::types::{Cx, RunId, TraceId};

/// Counters of one actor; they go on across its lives.
#[derive(Debug)]
pub(super) struct Stats {
    pub(super) depth: AtomicU64,
    pub(super) handled: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) handler_nanos: AtomicU64,
    pub(super) longest_nanos: AtomicU64,
    /// What the times below are counted from.
    base: Instant,
    /// When the present message was begun, in nanoseconds since `base`, plus one; 0 at rest.
    busy_since: AtomicU64,
    /// The trace and the run of that message, in halves; a run of zeros is none.
    trace: [AtomicU64; 2],
    run: [AtomicU64; 2],
}

/// The message an actor is handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtHand {
    pub(super) since: Instant,
    pub(super) trace: TraceId,
    pub(super) run: Option<RunId>,
}

/// A message at hand. One whose handler fails, panics or is killed is dropped with it, and counted.
#[must_use = "a message that is not finished was dropped"]
pub(super) struct Begun<'a> {
    stats: &'a Stats,
    finished: bool,
}

impl Begun<'_> {
    pub(super) fn finish(mut self, began: Instant, done: Instant) {
        self.finished = true;
        self.stats.finish(began, done);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.stats.rest();
            self.stats.count_dropped(1);
        }
    }
}

impl Stats {
    pub(super) fn new(base: Instant) -> Stats {
        let zero = || AtomicU64::new(0);
        Stats {
            depth: zero(),
            handled: zero(),
            expired: zero(),
            dropped: zero(),
            refused: zero(),
            handler_nanos: zero(),
            longest_nanos: zero(),
            base,
            busy_since: zero(),
            trace: [zero(), zero()],
            run: [zero(), zero()],
        }
    }

    pub(super) fn set_depth(&self, depth: usize) {
        self.depth.store(depth as u64, Relaxed);
    }

    pub(super) fn depth(&self) -> usize {
        self.depth.load(Relaxed) as usize
    }

    pub(super) fn count_expired(&self) {
        self.expired.fetch_add(1, Relaxed);
    }

    pub(super) fn count_dropped(&self, messages: usize) {
        if messages > 0 {
            self.dropped.fetch_add(messages as u64, Relaxed);
        }
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// A message is begun. The order of the stores lets [`Stats::at_hand`] see whether it read the notes of one message.
    pub(super) fn begin(&self, now: Instant, cx: &Cx) -> Begun<'_> {
        let trace = cx.trace().0;
        let (high, low) = cx.run().map_or((0, 0), RunId::pair);
        fence(Release);
        self.trace[0].store((trace >> 64) as u64, Relaxed);
        self.trace[1].store(trace as u64, Relaxed);
        self.run[0].store(high, Relaxed);
        self.run[1].store(low, Relaxed);
        self.busy_since.store(nanos(now - self.base).saturating_add(1), Release);
        Begun { stats: self, finished: false }
    }

    /// No message is being handled any more.
    pub(super) fn rest(&self) {
        self.busy_since.store(0, Relaxed);
    }

    /// When the present message was begun.
    pub(super) fn busy_since(&self) -> Option<Instant> {
        let since = self.busy_since.load(Acquire).checked_sub(1)?;
        Some(self.base + Duration::from_nanos(since))
    }

    /// What is being handled, unless it changed while it was read.
    pub(super) fn at_hand(&self) -> Option<AtHand> {
        let since = self.busy_since()?;
        let [trace, run] = [&self.trace, &self.run].map(|[high, low]| (high.load(Relaxed), low.load(Relaxed)));
        fence(Acquire);
        let trace_id = TraceId(u128::from(trace.0) << 64 | u128::from(trace.1));
        let run = (run != (0, 0)).then(|| RunId::from_pair(run.0, run.1));
        (self.busy_since() == Some(since)).then_some(AtHand { since, trace: trace_id, run })
    }

    /// Only the actor itself writes these, so plain loads and stores are enough and cheaper than read-modify-write.
    fn finish(&self, began: Instant, done: Instant) {
        let nanos = nanos(done - began);
        self.handled.store(self.handled.load(Relaxed) + 1, Relaxed);
        self.handler_nanos.store(self.handler_nanos.load(Relaxed).saturating_add(nanos), Relaxed);
        self.longest_nanos.store(self.longest_nanos.load(Relaxed).max(nanos), Relaxed);
        self.rest();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
