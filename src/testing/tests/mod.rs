//! Tests of the simulation itself; those of the host in it stand in `tests/it/simulation.rs`.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod cassette;
mod planted;
