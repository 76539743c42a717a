//! What was counted, in steps of time, so that a sum over any window costs the steps and not the events.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::types::Timestamp;

/// Different limits of latency that are watched at the most.
pub const SLOW_MOST: usize = 4;

/// Counts of one step, or of several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests that came, refused ones included.
    pub arrived: u64,
    /// Requests that were refused a place.
    pub refused: u64,
    /// Requests that were answered.
    pub served: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Of the answered, how many took longer than each watched limit.
    pub slow: [u64; SLOW_MOST],
    /// Runs that went round in circles.
    pub repeated: u64,
    /// Restarts.
    pub restarts: u64,
    /// Events of a kind.
    pub events: u64,
    /// Time the answers took, together, in microseconds.
    pub took_us: u64,
    /// Time that requests waited before they were worked on, together, in microseconds.
    pub waited_us: u64,
    /// Tokens of the prompts.
    pub tokens_in: u64,
    /// Tokens of the answers.
    pub tokens_out: u64,
    /// What the answers cost, in micro-dollars.
    pub cost: u64,
}

impl Counts {
    /// Adds another's.
    pub fn add(&mut self, other: &Counts) {
        let add = |one: &mut u64, more: u64| *one = one.saturating_add(more);
        add(&mut self.arrived, other.arrived);
        add(&mut self.refused, other.refused);
        add(&mut self.served, other.served);
        add(&mut self.failed, other.failed);
        self.slow.iter_mut().zip(other.slow).for_each(|(one, more)| add(one, more));
        add(&mut self.repeated, other.repeated);
        add(&mut self.restarts, other.restarts);
        add(&mut self.events, other.events);
        add(&mut self.took_us, other.took_us);
        add(&mut self.waited_us, other.waited_us);
        add(&mut self.tokens_in, other.tokens_in);
        add(&mut self.tokens_out, other.tokens_out);
        add(&mut self.cost, other.cost);
    }
}

/// Counts in steps, the oldest first. Steps in which nothing happened take no room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    steps: VecDeque<(i64, Counts)>,
    step_us: i64,
    most: usize,
}

impl Series {
    /// No counts yet, in steps of so many seconds, kept for so many.
    pub fn new(step_s: u64, for_s: u64) -> Series {
        let step_us = i64::try_from(step_s.max(1)).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let most = usize::try_from(for_s / step_s.max(1)).unwrap_or(usize::MAX).saturating_add(1);
        Series { steps: VecDeque::new(), step_us, most }
    }

    /// Counts these at this time. What comes late, or after the clock went back, counts in the newest step.
    pub fn count(&mut self, counts: &Counts, at: Timestamp) {
        let step = at.0.div_euclid(self.step_us);
        match self.steps.back_mut() {
            Some((newest, sum)) if step <= *newest => sum.add(counts),
            _ => {
                self.steps.push_back((step, *counts));
                if self.steps.len() > self.most {
                    self.steps.pop_front();
                }
            }
        }
    }

    /// All of the last so many seconds, up to a step more.
    pub fn over(&self, window_s: u64, now: Timestamp) -> Counts {
        let window = i64::try_from(window_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let from = now.0.saturating_sub(window).div_euclid(self.step_us);
        let mut sum = Counts::default();
        self.steps.iter().rev().take_while(|(step, _)| *step >= from).for_each(|(_, counts)| sum.add(counts));
        sum
    }
}

/// Everything that is counted. A subject beyond the limit is not counted: it would be one of very many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    /// By candidate.
    pub candidates: BTreeMap<String, Series>,
    /// By destination and candidate.
    pub routes: BTreeMap<(String, String), Series>,
    /// By path of an actor.
    pub actors: BTreeMap<String, Series>,
    /// By kind of event; only the kinds that somebody watches.
    pub kinds: BTreeMap<String, Series>,
    limits_ms: Vec<u64>,
    step_s: u64,
    for_s: u64,
    most: usize,
}

impl Samples {
    /// Nothing counted yet. The limits are those of latency that rules watch, at most [`SLOW_MOST`].
    pub fn new(step_s: u64, for_s: u64, most: usize, mut limits_ms: Vec<u64>) -> Samples {
        limits_ms.truncate(SLOW_MOST);
        Samples { limits_ms, step_s, for_s, most, ..Samples::default() }
    }

    /// Where answers over this limit are counted.
    pub fn place(&self, within_ms: u64) -> Option<usize> {
        self.limits_ms.iter().position(|limit| *limit == within_ms)
    }

    /// Which limits a time is over.
    pub fn slow(&self, took_us: u64) -> [u64; SLOW_MOST] {
        let mut slow = [0; SLOW_MOST];
        for (place, limit) in self.limits_ms.iter().enumerate() {
            slow[place] = u64::from(took_us > limit.saturating_mul(1_000));
        }
        slow
    }

    /// Counts what happened to a candidate, at a destination if it is known.
    pub fn candidate(&mut self, candidate: &str, destination: Option<&str>, counts: &Counts, at: Timestamp) {
        let (step, time, most) = (self.step_s, self.for_s, self.most);
        count(&mut self.candidates, candidate, counts, at, (step, time, most));
        if let Some(destination) = destination {
            let key = (destination.to_owned(), candidate.to_owned());
            if let Some(series) = self.routes.get_mut(&key) {
                series.count(counts, at);
            } else if self.routes.len() < most {
                let mut series = Series::new(step, time);
                series.count(counts, at);
                self.routes.insert(key, series);
            }
        }
    }

    /// Counts restarts of an actor.
    pub fn restarts(&mut self, path: &str, restarts: u64, at: Timestamp) {
        let counts = Counts { restarts, ..Counts::default() };
        count(&mut self.actors, path, &counts, at, (self.step_s, self.for_s, self.most));
    }

    /// Counts an event of a kind.
    pub fn event(&mut self, kind: &str, at: Timestamp) {
        let counts = Counts { events: 1, ..Counts::default() };
        count(&mut self.kinds, kind, &counts, at, (self.step_s, self.for_s, self.most));
    }
}

fn count(
    all: &mut BTreeMap<String, Series>,
    key: &str,
    counts: &Counts,
    at: Timestamp,
    (step_s, for_s, most): (u64, u64, usize),
) {
    if let Some(series) = all.get_mut(key) {
        series.count(counts, at);
    } else if all.len() < most {
        let mut series = Series::new(step_s, for_s);
        series.count(counts, at);
        all.insert(key.to_owned(), series);
    }
}
