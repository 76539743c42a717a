//! Tests of the whole module: good descriptions, and one bad one for everything that can be wrong.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod bad;
mod bombs;
mod good;
pub(in crate::tds) mod support;
