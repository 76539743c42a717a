//! The router: keeps the RIB, builds the FIB, and publishes it for readers that never wait.
//!
//! What it is for: answering "who is the next hop" from an immutable table, and learning from what became of it.
//! What it owns: the RIB with all that was observed, and the FIB made from it.
//! What it never does: serve a lookup itself (readers load the snapshot), or rebuild in the hot path.
//!
//! Invariants:
//! - RO1: every published FIB is exactly what `ziggy::route::build` makes of the RIB and governance it names, and of the
//!   FIB before it.
//! - RO2: a change of health or governance, the end of an override, of a penalty and of what is known of a candidate
//!   included, is in the next FIB at once; what was only observed, within `rebuild_every_ms` or eight times as long as a
//!   build takes.
//! - RO3: every FIB that was published stands in the journal under its version, with what it was made from; once, and
//!   again after `snapshot_every_s`, so that what held it before can be let go.
//! - RO4: where a table stood that has left the journal is forgotten while others are written.
//! - RO5: whom a person has announced is in the RIB until they withdraw it or it is gone, also after a restart.
//! - RO6: where nobody answers, no runtime at that address has a route, whatever its model and key.
//! - RO7: a table that is written as a change stands behind the one it is a change of, and neither leaves without the
//!   other.

mod actor;
mod handle;
mod message;
mod offer;
pub mod record;
mod state;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use handle::{Error, Handle};
pub use offer::offer;
pub use record::TablesProjection;

/// How the router keeps its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Milliseconds that observations are gathered before the table is built again.
    pub rebuild_every_ms: u64,
    /// Observations that may wait; more are dropped, oldest first, since a newer one says more.
    pub waiting: usize,
    /// Seconds after which a table that is still in use is written to the journal once more.
    pub snapshot_every_s: u64,
    /// Agents that may be candidates; with more a host does not start. Announced ones come on top.
    pub candidates_most: usize,
    /// Tables that are written one after the other as what changed; the next is written whole.
    pub deltas_most: u32,
}

/// What the router shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Version of the FIB in force.
    pub fib: String,
    /// Candidates in the RIB.
    pub candidates: usize,
    /// Destinations with at least one legal candidate.
    pub routes: usize,
    /// Tables built since the start.
    pub built: u64,
    /// Observations taken in.
    pub observed: u64,
}
