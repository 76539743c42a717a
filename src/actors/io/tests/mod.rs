//! Tests of IO: its pure state, its projection, and its promises with every actor to its right around it.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod accepting;
mod ladder;
mod projection;
mod shell;
mod state;
mod support;
