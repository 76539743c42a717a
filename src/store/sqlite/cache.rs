//! Rows the writer has seen lately, so that a projection does not read back what was just written.

use super::super::fold::{Known, RowKey};

/// Rows kept in each of the two generations. Two times this many rows of a few KiB are some tens of MiB at the worst,
/// and a host's live runs are far fewer.
const GENERATION: usize = 4_096;

/// Two generations of rows: what is used moves to the young one, and what was not used while that one filled is gone.
/// That is nearly the order of last use, without a list to keep.
#[derive(Default)]
pub(super) struct Cache {
    young: Known,
    old: Known,
}

impl Cache {
    /// Takes a row out, to be changed and kept again.
    pub(super) fn take(&mut self, key: &RowKey) -> Option<(RowKey, Option<serde_json::Value>)> {
        self.young.remove_entry(key).or_else(|| self.old.remove_entry(key))
    }

    /// Keeps these rows as the youngest.
    pub(super) fn keep(&mut self, rows: Known) {
        self.young.extend(rows);
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
    }
}
