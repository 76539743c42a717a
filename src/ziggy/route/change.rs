//! What one table changed against the one before it: who left a route, who came back, who is held back for failing.

use serde::{Deserialize, Serialize};

use super::constraint::Constraint;
use super::damp::Dampened;
use super::fib::{Fib, Row};

/// What happened to a candidate between two tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It is there for the first time.
    Added {
        /// Who.
        candidate: String,
    },
    /// It is there no more.
    Removed {
        /// Who.
        candidate: String,
    },
    /// It left every route.
    Withdrawn {
        /// Who.
        candidate: String,
        /// The hardest rule it breaks.
        constraint: Constraint,
    },
    /// It is in its routes again.
    Returned {
        /// Who.
        candidate: String,
    },
    /// It ranks behind everybody else for failing.
    Dampened {
        /// Who.
        candidate: String,
        /// How badly, and until when.
        #[serde(flatten)]
        dampened: Dampened,
    },
    /// It ranks by its score again.
    Forgiven {
        /// Who.
        candidate: String,
    },
    /// What is known of it has expired.
    Stale {
        /// Who.
        candidate: String,
    },
}

impl Change {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Change::Added { candidate } => format!("{candidate} was added."),
            Change::Removed { candidate } => format!("{candidate} was removed."),
            Change::Withdrawn { candidate, constraint } => {
                format!("{candidate} left its routes: {}.", crate::ziggy::explain::broken(constraint))
            }
            Change::Returned { candidate } => format!("{candidate} is back in its routes."),
            Change::Dampened { candidate, dampened } => format!(
                "{candidate} ranks behind everybody else for its failures (penalty {}) until {}.",
                dampened.penalty,
                dampened.until.rfc3339()
            ),
            Change::Forgiven { candidate } => format!("{candidate} ranks by its score again."),
            Change::Stale { candidate } => {
                format!("What is known of {candidate} has expired; it ranks behind the rest.")
            }
        }
    }
}

/// What changed, by id, at most so many.
pub fn changes(before: &Fib, after: &Fib, most: usize) -> Vec<Change> {
    let (mut old, mut new) = (before.rows.iter().peekable(), after.rows.iter().peekable());
    let mut changes = Vec::new();
    let name = |row: &Row| row.facts.candidate.clone();
    while changes.len() < most {
        match (old.peek(), new.peek()) {
            (Some(one), Some(other)) if one.facts.candidate == other.facts.candidate => {
                changes.extend(between(one, other));
                old.next();
                new.next();
            }
            (Some(one), other) if other.is_none_or(|other| one.facts.candidate < other.facts.candidate) => {
                changes.push(Change::Removed { candidate: name(one) });
                old.next();
            }
            (_, Some(other)) => {
                changes.push(Change::Added { candidate: name(other) });
                new.next();
            }
            (_, None) => break,
        }
    }
    changes.truncate(most);
    changes
}

fn between(one: &Row, other: &Row) -> Vec<Change> {
    let candidate = || other.facts.candidate.clone();
    let mut changes = Vec::new();
    match (one.barred.first(), other.barred.first()) {
        (None, Some(constraint)) => {
            changes.push(Change::Withdrawn { candidate: candidate(), constraint: constraint.clone() });
        }
        (Some(_), None) => changes.push(Change::Returned { candidate: candidate() }),
        _ => {}
    }
    match (one.dampened, other.dampened) {
        (None, Some(dampened)) => changes.push(Change::Dampened { candidate: candidate(), dampened }),
        (Some(_), None) => changes.push(Change::Forgiven { candidate: candidate() }),
        _ => {}
    }
    if other.stale && !one.stale {
        changes.push(Change::Stale { candidate: candidate() });
    }
    changes
}
