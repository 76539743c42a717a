//! Tests of IO: its pure state, its projection, and its promises with every actor to its right around it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod accepting;
mod budgets;
mod doors;
mod ladder;
mod parking;
mod projection;
mod shell;
mod state;
mod support;
