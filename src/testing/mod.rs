//! Deterministic simulation: a whole host in virtual time, from a seed, and cassettes for model calls.
//!
//! What it is for: tests that reach what no clock on a wall reaches, ours and those of agent authors. A [`Simulation`]
//! runs a host on one thread with tokio's clock paused: an hour passes in milliseconds, and time, chance, the order in
//! which actors come to their turn, and every fault are drawn from the seed. The same seed writes the same journal,
//! byte for byte, so a failure that was seen once can be looked at again.
//! What it owns: the clock, the faults, and a disk that outlives the hosts that are simulated on it.
//! What it never does: real I/O. Its runtime has no driver for sockets or processes, its host has no data directory
//! and no HTTP, and runtimes are scripted or replayed. A paused clock jumps ahead whenever every task waits for it, so
//! a timeout around real I/O would be over before the first byte; that is why the two are kept apart.
//!
//! Invariants:
//! - TS1: the same seed, faults, agents and scenario give the same journal.
//! - TS2: after a crash, the disk holds what was acknowledged as durable, and nothing that was written later.
//! - TS3: a fault that was not asked for never happens.
//!
//! ```
//! use syzygy::inference::Scripted;
//! use syzygy::prelude::*;
//! use syzygy::testing::{Error, Simulation};
//!
//! fn main() -> Result<(), Error> {
//!     for seed in 0..3 {
//!         let simulation = Simulation::new(seed)?.runtime(Scripted::saying("local", "Good day!"));
//!         simulation.run(async |host| {
//!             let task = Task { prompt: "Hello.".to_owned(), ..Task::default() };
//!             let answer = host.ask(task.clone()).await?;
//!             assert_eq!(answer.answer, "Good day!");
//!             // As `kill -9` would; the next host stands on the same disk.
//!             host.crash().await;
//!             assert_eq!(host.ask(task).await?.answer, "Good day!");
//!             Ok(())
//!         })?;
//!     }
//!     Ok(())
//! }
//! ```

mod cassette;
mod clock;
mod effects;
mod errands;
mod error;
mod faults;
mod journal;
mod notices;
mod post;
mod promises;
mod runtime;
mod sandboxed;
mod simulated;
mod simulation;
mod soak;
mod tool;
mod weather;
mod workload;

#[cfg(test)]
mod tests;

pub use cassette::Cassette;
pub use error::Error;
pub use faults::Faults;
pub use promises::Violation;
pub use simulated::Simulated;
pub use simulation::Simulation;
pub use soak::{Report, Soak};
