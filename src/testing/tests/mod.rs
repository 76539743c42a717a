//! Tests of the simulation itself; those of the host in it stand in `tests/it/simulation.rs`. And those that need a bug
//! planted in the host.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod cassette;
mod illegal;
mod planted;
mod sandboxed;
