//! Routes: from everything that could serve a task (RIB) to who serves it best (FIB) to the next hop of one request.
//!
//! What it is for: hard constraints first, then pins, policy and score; and the same answer from the same inputs later.
//! What it owns: the shapes of candidates, tables and decisions, and the arithmetic between them.
//! What it never does: relax a hard constraint, for any score, pin or shortage.
//!
//! The steps of a decision, in order:
//! - BP1: hard constraints: capability, modality, privacy class against trust tier, residency, switched off, quarantine,
//!   health, context, budget. Whoever breaks one is out.
//! - BP2: standing: what is known for sure, then what is stale, then what fails too often (RFC 2439).
//! - BP3: an operator's pin, the newest whose candidate may serve; then the caller's, for which nobody stands in.
//! - BP4: the preference of a policy, by tenant and destination.
//! - BP5: the score, on fixed anchors.
//! - BP6: who is in place stays, unless somebody is better by a margin.
//! - BP7: those within a margin of the first are equal. A session goes to the nearest by weighted rendezvous hashing, or
//!   to the next in its order if that one has too much to do beside the least loaded.
//! - BP8: without a session two of them are drawn by weight, and the one with less to do serves.
//! - BP9: the smaller id.
//!
//! Invariants:
//! - R1: whoever is ranked or chosen may see the request's privacy class.
//! - R2: ranked and excluded candidates together are all candidates, each once.
//! - R3: a score never falls when an attribute gets better and the others stay.
//! - R4: nothing depends on the order in which candidates were added.
//! - R5: adding or removing a candidate never changes the score or the relative order of the others.
//! - R6: scores are integers, and a FIB's version is the hash of its content: a decision can be replayed bit for bit.
//! - R7: a dampened candidate ranks behind everybody else, but it ranks: the last legal route is never suppressed.
//! - R8: whoever asks for an agent by name gets that agent or a refusal, never another.
//! - R9: a record of a decision is bounded, whatever the number of candidates; who was passed over, and why, follows from
//!   the table of its version and the request in it.
//! - R10: who is in place stays first as long as nobody beats it by more than the margin, and never against BP1 to BP4.
//! - R11: a table that was built from the one before it is the one that would have been built without, but for R10.
//! - R12: a clock that is set back never raises a penalty, never takes one off, and never ends a suppression.
//! - R13: a table follows from another one and the change between them, to the byte; so does what it was made from.

mod build;
mod candidate;
mod change;
mod consider;
mod constraint;
mod damp;
mod decide;
mod delta;
mod destination;
mod fib;
mod live;
mod policy;
mod proposed;
mod replay;
mod request;
mod score;
mod shared;
mod snapshot;
mod spread;
mod weights;

#[cfg(test)]
mod tests;

pub use build::build;
pub use candidate::{Candidate, Health, Origin, Rib, WEIGHT_MOST};
pub use change::{Change, changes};
pub use consider::{Considered, Verdict, consider, consider_one};
pub use constraint::{Constraint, Rule};
pub use damp::{Dampened, Damper};
pub use decide::{Counts, Decision, Load, Reason, decide, decide_under};
pub use delta::{BasisDelta, Digests, FibDelta, Placed, RouteDelta, RoutesDelta};
pub use destination::{Capability, Destination};
pub use fib::{Choice, Entry, Facts, Fib, Pin, Route, Routes, Row};
pub use live::{Fault, Feedback, Live, LiveConfig};
pub use policy::{Policy, Rules};
pub use proposed::{Company, Proposed, Walk};
pub use replay::{Basis, Compared, Difference, Outcome, Took, again, compare, difference, replay};
pub use request::Request;
pub use score::{Anchors, Latency, ScoreConfig, ScoreParts, ScoreWeights};
pub use snapshot::{Ranked, ShownRoute, Snapshot};
pub use weights::Weights;
