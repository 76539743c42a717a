//! Tests of the inbox: its pure state, the shell with a journal in memory, and what the courier delivers.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod courier;
mod shell;
mod state;
mod support;
