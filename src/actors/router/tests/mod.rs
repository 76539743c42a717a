//! Tests of the router: its pure state, and when a new table is there.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod record;
mod shell;
mod state;

use crate::actors::tests::BEGIN;
use crate::actors::tests::configs::{self, ziggy};
use crate::types::PrivacyClass;
use crate::ziggy::route::{Candidate, Capability, Destination, Feedback, Fib};

/// An agent of this name on a runtime of this name, this good.
fn candidate(name: &str, quality: f64) -> Candidate {
    configs::candidate(name, quality, BEGIN)
}

fn observed(candidate: &str, ok: bool) -> Feedback {
    let seen = ok.then_some(100_000);
    Feedback {
        candidate: candidate.to_owned(),
        ok,
        first_token_us: seen,
        per_token_us: seen.map(|_| 10_000),
        tokens: 10,
        ..Feedback::default()
    }
}

/// Who serves general work on public data, best first.
fn ranked(fib: &Fib) -> Vec<&str> {
    let destination = Destination { capability: Capability::new(Capability::GENERAL), privacy: PrivacyClass::Public };
    fib.ranked(&destination)
}
