//! What the tests of routes share: candidates, tables and requests, plain ones and any ones.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod choice;
mod constraints;
mod dampening;
mod delta;
mod laws;
mod policies;
mod replayed;
mod table;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::types::{Budget, Modality, Money, Price, PrivacyClass, Timestamp, TrustTier};
use crate::ziggy::Appetite;
use crate::ziggy::admit::{Action, Governance, Override};
use crate::ziggy::fixed::Millionths;

const SECOND: i64 = 1_000_000;
const NOW: Timestamp = Timestamp(1_000 * SECOND);

const LIVE: LiveConfig = LiveConfig {
    latency_half_life_s: 42,
    memory: 20,
    failure_penalty: 1_000,
    limited_penalty: 250,
    regime_penalty: 500,
    regime_percent: 200,
    regime_least_ms: 1_000,
    penalty_half_life_s: 60,
    suppress: 2_500,
    reuse: 750,
    ceiling: 24_000,
    stale_s: 360,
};

const SCORE: ScoreConfig = ScoreConfig {
    weights: ScoreWeights { latency: 25, cost: 20, truthfulness: 40, reliability: 15, load: 0, freshness: 0 },
    anchors: Anchors {
        typical_input_tokens: 600,
        typical_output_tokens: 200,
        typical_cached_percent: 0,
        latency_good_ms: 2_000,
        latency_bad_ms: 30_000,
        cost_good: 0,
        cost_bad: 5_000,
        load_good: 0,
        load_bad: 32,
        fresh_good_s: 60,
        fresh_bad_s: 600,
    },
    latency: Latency::Mean,
    step: Millionths(1),
    equal_within: Millionths(0),
    keep_within: Millionths(0),
    equal_most: 8,
    load_margin: 4,
    ladder_most: 8,
};

fn rules() -> Rules {
    Rules { score: SCORE, live: LIVE, policies: Vec::new() }
}

fn scored(change: impl FnOnce(&mut ScoreConfig)) -> Rules {
    let mut rules = rules();
    change(&mut rules.score);
    rules
}

fn candidate(id: &str, tier: TrustTier, capabilities: &[&str]) -> Candidate {
    Candidate {
        id: id.to_owned(),
        agent: id.to_owned(),
        runtime: format!("{id}-runtime"),
        provider: String::new(),
        model: String::new(),
        same_as: String::new(),
        capabilities: capabilities.iter().map(|name| Capability::new(name)).collect(),
        modalities: vec![Modality::Text],
        tier,
        region: None,
        price: Price::new(100_000, 400_000),
        context_tokens: 4_096,
        appetite: Appetite::default(),
        quality: Millionths(700_000),
        qualities: BTreeMap::new(),
        live: Live::assumed(500_000, 20_000, Timestamp(0)),
        origin: Origin::Config,
        since: Timestamp(0),
        expires: None,
        weight: 100,
        cap: Some(4),
        enabled: true,
        health: Health::Healthy,
        quarantined: None,
    }
}

/// A general candidate on this machine, this good.
fn local(id: &str, quality: u32) -> Candidate {
    Candidate { quality: Millionths(quality), ..candidate(id, TrustTier::Local, &["general"]) }
}

fn rib(candidates: impl IntoIterator<Item = Candidate>) -> Rib {
    Rib::of(candidates).unwrap()
}

fn fib(rib: &Rib) -> Fib {
    under(rib, &rules())
}

fn under(rib: &Rib, rules: &Rules) -> Fib {
    build(rib, &Governance::default(), rules, None, NOW)
}

fn request(capability: &str, privacy: PrivacyClass) -> Request {
    Request {
        destination: Destination { capability: Capability::new(capability), privacy },
        tokens_in: 500,
        bytes_in: None,
        tokens_out_max: 200,
        budget: Budget { money: Money(10_000), tokens: 10_000 },
        session: None,
        pin: None,
        tenant: None,
        modalities: Vec::new(),
        residency: Vec::new(),
        seed: None,
        at: NOW,
    }
}

fn public() -> Request {
    request("general", PrivacyClass::Public)
}

/// The rules somebody breaks.
fn excluded(fib: &Fib, request: &Request, id: &str) -> Vec<Constraint> {
    match consider_one(fib, request, id).map(|one| one.verdict) {
        Some(Verdict::Excluded { constraints }) => constraints,
        _ => Vec::new(),
    }
}

fn failed(candidate: &str, fault: Fault) -> Feedback {
    Feedback { candidate: candidate.to_owned(), fault, ..Feedback::default() }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * SECOND)
}

const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];
const TIERS: [TrustTier; 4] = [TrustTier::External, TrustTier::Partner, TrustTier::Private, TrustTier::Local];
const REGIONS: [Option<&str>; 3] = [None, Some("eu"), Some("us")];

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (
        (0usize..4, 0usize..3, any::<bool>()),
        proptest::sample::subsequence(vec!["general", "code", "memory"], 0..=3),
        (0i64..2_000_000, 0i64..2_000_000),
        (0u64..20_000_000, 0u64..200_000),
        (0u32..=1_000_000, 0u32..=1_000_000),
        (prop_oneof![Just(0u32), Just(50), Just(100), Just(300)], any::<bool>(), any::<bool>(), 0u64..10_000),
        (500u32..3_000, 0u8..8, proptest::option::of(-500i64..500)),
    );
    proptest::collection::vec(one, 0..8).prop_map(|all| {
        let made = all.into_iter().enumerate().map(|(index, one)| {
            let ((tier, region, sees), capabilities, price, times, shares, levers, rest) = one;
            let base = candidate(&format!("c{index}"), TIERS[tier], &capabilities);
            let dampening = Damper { penalty: levers.3, suppressed: levers.2, updated: NOW };
            let live = Live { reliability: Millionths(shares.1), dampening, ..Live::assumed(times.0, times.1, NOW) };
            Candidate {
                price: Price::new(price.0, price.1),
                live,
                region: REGIONS[region].map(str::to_owned),
                modalities: if sees { vec![Modality::Text, Modality::Image] } else { vec![Modality::Text] },
                quality: Millionths(shares.0),
                weight: levers.0,
                enabled: levers.1 || rest.1 > 2,
                context_tokens: rest.0,
                appetite: if index % 2 == 0 { Appetite::default() } else { hungry(rest.0, rest.1) },
                expires: rest.2.map(at),
                health: if rest.1 == 0 { Health::Unhealthy { reason: "down".to_owned() } } else { Health::Healthy },
                quarantined: (rest.1 == 1).then(|| "trial".to_owned()),
                ..base
            }
        });
        made.collect()
    })
}

/// One that takes more than it is asked with, in one way or another.
fn hungry(some: u32, bits: u8) -> Appetite {
    Appetite {
        system_tokens: u64::from(some) / 10,
        system_bytes: u64::from(some) / 3,
        facts: 7,
        answer_most: some / 2,
        own_tokenizer: bits & 1 > 0,
        tools: bits & 2 > 0,
        again: bits & 2 > 0,
        turns: u32::from(bits),
        tokens_most: u64::from(some) * 2,
    }
}

fn any_request() -> impl Strategy<Value = Request> {
    let pin = proptest::option::of((0usize..9).prop_map(|index| format!("c{index}")));
    let session = proptest::option::of("[a-c]");
    let more = (pin, session, proptest::option::of(any::<u64>()), 0usize..8, any::<bool>());
    (0usize..4, 0usize..3, 0u64..2_000, 0u64..2_000, 0i64..3_000, more).prop_map(
        |(class, capability, tokens_in, tokens_out_max, money, (pin, session, seed, region, sees))| Request {
            tokens_in,
            bytes_in: sees.then_some(tokens_in * 3),
            tokens_out_max,
            budget: Budget { money: Money(money), tokens: 3_500 },
            pin,
            session,
            seed,
            // Most requests may go anywhere and are of words only.
            residency: if region == 0 { vec!["eu".to_owned()] } else { Vec::new() },
            modalities: if sees && region < 2 { vec![Modality::Image] } else { Vec::new() },
            ..request(["general", "code", "memory"][capability], CLASSES[class])
        },
    )
}
