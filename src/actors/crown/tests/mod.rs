//! Tests of CROWN: its pure state by tables, and its promises on a journal in memory.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod book;
mod budgets;
mod governing;
mod shell;
mod standing;
mod state;

use super::Config;
use crate::actors::tests::read;
use crate::types::Timestamp;
use crate::ziggy::{Action, Override};

fn config() -> Config {
    read(serde_json::json!({ "watch_every_s": 1, "alerts_kept": 3, "overrides_most": 2 }))
}

fn disable(candidate: &str, expires: Timestamp) -> Override {
    let action = Action::Disable { candidate: candidate.to_owned() };
    Override { author: "ada".to_owned(), reason: "maintenance".to_owned(), expires, action }
}
