//! Tests of the runtime actor: its pure state, its promises on a clock that stands still, and a real process.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod process;
mod shell;
mod state;
