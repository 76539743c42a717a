//! The book of leases that are out: who holds what until when, and what has to be revoked.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{Error, LEASES_MAX, Lease, Path};
use crate::types::Secret;

/// One line.
#[derive(Debug, Clone)]
struct Line {
    until: Instant,
    /// What the place calls the lease, if it made the secret for it. With this name others could renew it, so it is kept
    /// like one.
    name: Option<Secret>,
}

/// Pure: a backend keeps one behind a lock.
#[derive(Debug, Default)]
pub(super) struct Book {
    next: u64,
    lines: BTreeMap<u64, Line>,
    /// Those that somebody is revoking now.
    taken: BTreeSet<u64>,
}

/// A line that has to be revoked, or is only to be closed.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) ticket: u64,
    pub(super) name: Option<Secret>,
}

impl Book {
    /// Whether one more fits.
    pub(super) fn room(&self, path: &Path) -> Result<(), Error> {
        if self.lines.len() >= LEASES_MAX { Err(Error::TooMany { path: path.clone() }) } else { Ok(()) }
    }

    /// Writes a lease down.
    pub(super) fn open(
        &mut self,
        path: &Path,
        fields: BTreeMap<String, Secret>,
        until: Instant,
        name: Option<Secret>,
    ) -> Lease {
        self.next += 1;
        self.lines.insert(self.next, Line { until, name });
        Lease { path: path.clone(), fields, until, ticket: self.next }
    }

    /// Takes a line to be revoked. Nothing if somebody has it already, or it is closed.
    pub(super) fn take(&mut self, ticket: u64) -> Option<Due> {
        let line = self.lines.get(&ticket)?;
        self.taken.insert(ticket).then(|| Due { ticket, name: line.name.clone() })
    }

    /// Takes every line that is over by now, or simply every line.
    pub(super) fn due(&mut self, now: Instant, all: bool) -> Vec<Due> {
        let over = |(ticket, line): (&u64, &Line)| (all || line.until <= now).then_some(*ticket);
        let tickets: Vec<u64> = self.lines.iter().filter_map(over).collect();
        tickets.into_iter().filter_map(|ticket| self.take(ticket)).collect()
    }

    /// The lease is revoked.
    pub(super) fn close(&mut self, ticket: u64) {
        self.taken.remove(&ticket);
        self.lines.remove(&ticket);
    }

    /// It could not be revoked: the next sweep has it, whatever its deadline.
    pub(super) fn put_back(&mut self, ticket: u64, now: Instant) {
        self.taken.remove(&ticket);
        if let Some(line) = self.lines.get_mut(&ticket) {
            line.until = line.until.min(now);
        }
    }

    /// How many are out.
    pub(super) fn out(&self) -> usize {
        self.lines.len()
    }
}
