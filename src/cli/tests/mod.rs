//! The command line from its arguments to what is printed, against a small whole host.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod flags;
mod governing;
mod parse;
mod policies;
mod render;
mod restated;
mod routing;
mod support;
mod verbs;
