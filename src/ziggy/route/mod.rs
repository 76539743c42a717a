//! Routes: from everything that could serve a task (RIB) to who serves it best (FIB) to the next hop of one request.
//!
//! What it is for: hard constraints first (capability, privacy class against trust tier, health, context, budget), then
//! an operator's pin, then a score on fixed anchors, then the id.
//! What it owns: the shapes of candidates, routes and decisions, and the arithmetic between them.
//! What it never does: relax a hard constraint, for any score, pin or shortage.
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

mod candidate;
mod decide;
mod fib;

#[cfg(test)]
mod tests;

pub use candidate::{Candidate, Capability, Feedback, Health, Live, LiveConfig, Origin, Rib};
pub use decide::{Considered, Decision, Reason, Request, Verdict, decide};
pub use fib::{
    Anchors, Constraint, Destination, Excluded, Fib, Pin, Ranked, Route, ScoreConfig, ScoreParts, ScoreWeights, build,
};
