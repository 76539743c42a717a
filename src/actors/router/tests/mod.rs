//! Tests of the router: its pure state, and when a new table is there.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod shell;
mod state;

use serde_json::json;

use crate::actors::tests::{BEGIN, read};
use crate::types::{Price, PrivacyClass, TrustTier};
use crate::ziggy::route::{Candidate, Capability, Destination, Feedback, Fib, Health, Live, Origin};
use crate::ziggy::{Config, Millionths};

fn ziggy() -> Config {
    read(json!({
        "chunk": { "max_tokens": 64, "overlap_tokens": 0 },
        "score": {
            "equal_within": 0,
            "weights": { "latency": 25, "cost": 20, "truthfulness": 40, "reliability": 15 },
            "anchors": {
                "typical_input_tokens": 600, "typical_output_tokens": 200, "latency_good_ms": 2_000,
                "latency_bad_ms": 30_000, "cost_good": 0, "cost_bad": 5_000,
            },
        },
        "live": {
            "latency_half_life_s": 42, "memory": 20, "failure_penalty": 1_000, "penalty_half_life_s": 60,
            "suppress": 2_500, "reuse": 750, "ceiling": 24_000,
        },
    }))
}

/// An agent of this name on a runtime of this name, this good.
fn candidate(name: &str, quality: f64) -> Candidate {
    Candidate {
        id: name.to_owned(),
        agent: name.to_owned(),
        runtime: name.to_owned(),
        capabilities: vec![Capability::new(Capability::GENERAL)],
        tier: TrustTier::Local,
        price: Price::default(),
        context_tokens: 4_096,
        quality: Millionths::of(quality),
        live: Live::assumed(100_000, 10_000, BEGIN),
        origin: Origin::Config,
        weight: 100,
        cap: None,
        enabled: true,
        health: Health::Healthy,
        quarantined: None,
    }
}

fn observed(candidate: &str, ok: bool) -> Feedback {
    let seen = ok.then_some(100_000);
    Feedback {
        candidate: candidate.to_owned(),
        ok,
        first_token_us: seen,
        per_token_us: seen.map(|_| 10_000),
        tokens: 10,
        quality: None,
    }
}

/// Who serves general work on public data, best first.
fn ranked(fib: &Fib) -> Vec<&str> {
    let destination = Destination { capability: Capability::new(Capability::GENERAL), privacy: PrivacyClass::Public };
    fib.routes[&destination].ranked.iter().map(|one| one.candidate.as_str()).collect()
}
