//! Tests of agents: the turn loop and the memory by themselves, then the actor with fakes around it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics, and so does code that is told to")]

mod children;
mod code;
mod notebook;
mod recollection;
mod shell;
mod support;
mod turns;
