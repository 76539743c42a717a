//! How events become rows: the pure half of projections, shared by every backend.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::{Event, Projection};

/// Which row: place of its projection in the list, and its key.
pub(super) type RowKey = (usize, String);

/// Rows as they are known; `None` is a row known not to exist.
pub(super) type Known = HashMap<RowKey, Option<Value>>;

/// What a group of events will do to the rows: one entry for each event, projection and key, in the order of the fold.
pub(super) struct Touches {
    entries: Vec<(usize, RowKey)>,
}

impl Touches {
    /// What these events touch in these projections.
    pub(super) fn of<'a>(
        projections: impl Iterator<Item = (usize, &'a Arc<dyn Projection>)> + Clone,
        events: &[Arc<Event>],
    ) -> Touches {
        let mut entries = Vec::new();
        for (at, event) in events.iter().enumerate() {
            for (index, projection) in projections.clone() {
                entries.extend(projection.keys(event).into_iter().map(|key| (at, (index, key))));
            }
        }
        Touches { entries }
    }

    /// The rows that must be known before the fold.
    pub(super) fn keys(&self) -> BTreeSet<&RowKey> {
        self.entries.iter().map(|(_, key)| key).collect()
    }

    /// Of those, the ones that an event of this group begins.
    pub(super) fn begun(&self, projections: &[Arc<dyn Projection>], events: &[Arc<Event>]) -> BTreeSet<&RowKey> {
        let begins = |(at, key): &&(usize, RowKey)| projections[key.0].begins(&events[*at]);
        self.entries.iter().filter(begins).map(|(_, key)| key).collect()
    }

    /// Folds the events into the rows. A row that is not known counts as one that does not exist.
    pub(super) fn apply(self, projections: &[Arc<dyn Projection>], events: &[Arc<Event>], rows: &mut Known) {
        for (at, key) in self.entries {
            let before = rows.get_mut(&key).and_then(Option::take);
            let after = projections[key.0].fold(&key.1, before, &events[at]);
            rows.insert(key, after);
        }
    }
}

/// The least string greater than every string that starts with `prefix`; `None` if there is none.
pub(super) fn beyond(prefix: &str) -> Option<String> {
    let mut head: Vec<char> = prefix.chars().collect();
    while let Some(last) = head.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            head.push(next);
            return Some(head.into_iter().collect());
        }
    }
    None
}
