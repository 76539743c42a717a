//! Places and the line of those who wait for one. Pure; what runtimes and executors bound their work with.
//!
//! Invariants:
//! - LN1: never more than `places` are inside.
//! - LN2: nobody waits while a place is free, and who came first goes first.

use std::collections::VecDeque;

use crate::types::planted::{Bug, planted};

/// So many places, and a bounded line before them. `W` is what waits.
#[derive(Debug)]
pub(super) struct Line<W> {
    places: u32,
    inside: u32,
    most: usize,
    waiting: VecDeque<W>,
}

/// What happens to one who comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival<W> {
    /// A place was free and is now taken.
    Enters(W),
    /// It stands in line.
    Waits,
    /// The line is full.
    Refused(W),
}

impl<W> Line<W> {
    /// At least one place, and at most `most` waiting.
    pub(super) fn new(places: u32, most: usize) -> Line<W> {
        Line { places: places.max(1), inside: 0, most, waiting: VecDeque::new() }
    }

    /// Takes a place, or stands in line, or is refused.
    pub(super) fn arrive(&mut self, who: W) -> Arrival<W> {
        if self.inside < self.places {
            self.inside += 1;
            Arrival::Enters(who)
        } else if self.waiting.len() < self.most {
            self.waiting.push_back(who);
            Arrival::Waits
        } else {
            Arrival::Refused(who)
        }
    }

    /// Frees a place and gives it to the next in line, if there is one.
    pub(super) fn leave(&mut self) -> Option<W> {
        let next = if planted(Bug::LineStuck) { None } else { self.waiting.pop_front() };
        if next.is_none() {
            self.inside = self.inside.saturating_sub(1);
        }
        next
    }

    /// How many are inside.
    pub(super) fn inside(&self) -> u32 {
        self.inside
    }

    /// How many stand in line.
    pub(super) fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)
    }
}
