//! What runs in a tier: entered with a call, told to end by its id, left when nothing of it is left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::outcome::Ended;
use super::spec::Resource;
use super::{Killed, Prepared};
use crate::types::Cx;

/// Time a kill waits for the end of what it killed. Ten times what the slowest tier takes to kill.
const GONE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Default)]
struct Entry {
    /// Cancelled by whoever wants it to end.
    kill: CancellationToken,
    /// Cancelled when it has.
    gone: CancellationToken,
}

/// The invocations of a tier.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<String, Entry>>>);

/// One invocation, on the table as long as this lives.
pub(crate) struct Place {
    id: String,
    entry: Entry,
    table: Running,
}

impl Running {
    /// Enters an invocation; nothing if one of this id runs.
    pub(crate) fn enter(&self, id: &str) -> Option<Place> {
        let mut table = self.0.lock();
        if table.contains_key(id) {
            return None;
        }
        let entry = Entry::default();
        table.insert(id.to_owned(), entry.clone());
        Some(Place { id: id.to_owned(), entry, table: self.clone() })
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Tells an invocation to end and waits until it has.
    pub(crate) async fn kill(&self, id: &str) -> Killed {
        let Some(entry) = self.0.lock().get(id).cloned() else { return Killed::Unknown };
        entry.kill.cancel();
        match tokio::time::timeout(GONE_WITHIN, entry.gone.cancelled()).await {
            Ok(()) => Killed::Gone,
            Err(_) => Killed::Stuck,
        }
    }
}

impl Place {
    /// Returns when the invocation must end, and says why.
    pub(crate) async fn stop(&self, cx: &Cx, prepared: &Prepared, began: Instant) -> Ended {
        let wall = began + prepared.spec.limits.wall;
        let (until, over) =
            if wall <= cx.deadline() { (wall, Ended::Limit(Resource::Wall)) } else { (cx.deadline(), Ended::Deadline) };
        tokio::select! {
            biased;
            () = cx.cancelled() => Ended::Cancelled,
            () = self.entry.kill.cancelled() => Ended::Killed,
            () = tokio::time::sleep_until(until) => over,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.0.lock().remove(&self.id);
        self.entry.gone.cancel();
    }
}
