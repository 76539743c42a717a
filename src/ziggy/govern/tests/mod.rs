//! Rules by tables, and what they promise by chance.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod circles;
mod rules;
mod trials;

use crate::types::Timestamp;

/// So many seconds after the beginning.
fn at(seconds: i64) -> Timestamp {
    Timestamp(1_750_000_000_000_000 + seconds * 1_000_000)
}
