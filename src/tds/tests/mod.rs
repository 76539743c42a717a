//! Tests of the whole module: good files, and one bad file for everything that can be wrong.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod good;
