//! Tests of CROWN: its pure state by tables, and its promises on a journal in memory.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod budgets;
mod shell;
mod state;

use super::Config;
use crate::types::Timestamp;
use crate::ziggy::{Action, Override};

const CONFIG: Config = Config { watch_every_s: 1, alerts_kept: 3, overrides_most: 2 };

fn disable(candidate: &str, expires: Timestamp) -> Override {
    let action = Action::Disable { candidate: candidate.to_owned() };
    Override { author: "ada".to_owned(), reason: "maintenance".to_owned(), expires, action }
}
