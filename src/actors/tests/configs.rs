//! Small limits and a plain candidate for tests of the actors and of what stands on them. What a test turns on it says
//! itself; the rest is here, once.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::read;
use crate::types::{Modality, Price, Timestamp, TrustTier};
use crate::ziggy::route::{Candidate, Capability, Health, Live, Origin};
use crate::ziggy::{self, Appetite, Millionths};
use crate::{memory, store};

/// Chunks of a few sentences, and scores without a margin.
pub(crate) fn ziggy() -> ziggy::Config {
    read(json!({
        "chunk": { "max_tokens": 64, "overlap_tokens": 0 },
        "score": {
            "equal_within": 0,
            "keep_within": 0, "latency": "mean", "step": 1, "equal_most": 8, "load_margin": 4, "ladder_most": 8,
            "weights": {
                "latency": 25, "cost": 20, "truthfulness": 40, "reliability": 15, "load": 0, "freshness": 0,
            },
            "anchors": {
                "typical_input_tokens": 600, "typical_output_tokens": 200, "typical_cached_percent": 0,
                "latency_good_ms": 2_000, "latency_bad_ms": 30_000, "cost_good": 0, "cost_bad": 5_000,
                "load_good": 0, "load_bad": 32, "fresh_good_s": 3_600, "fresh_bad_s": 86_400,
            },
        },
        "live": {
            "latency_half_life_s": 42, "memory": 20, "failure_penalty": 1_000, "penalty_half_life_s": 60,
            "limited_penalty": 250, "regime_penalty": 500, "regime_percent": 200, "regime_least_ms": 1_000,
            "suppress": 2_500, "reuse": 750, "ceiling": 24_000, "stale_s": 360,
        },
        "policies": [],
    }))
}

/// The whole ladder but cached answers, with a short line.
pub(crate) fn ladder() -> ziggy::ladder::Config {
    read(json!({
        "order": ["local", "private", "partner", "external", "retry", "wait", "smaller", "cached", "human", "refuse"],
        "off": ["cached"], "wait_most": 2, "wait_within_ms": 5_000, "smaller_below": 300_000, "cache_entries": 2,
        "cache_ttl_s": 60, "hedge": false, "destinations": {},
    }))
}

/// A journal that writes at once.
pub(crate) fn store() -> store::Config {
    read(json!({
        "group_commit_ms": 1, "group_commit_events": 128, "queue_events": 256, "read_connections": 2,
        "payload_bytes_max": 1_000_000, "event_bytes_max": 1_000_000, "subscribe_events": 1_024,
        "retention": { "days": 0, "events_most": 0, "segment_events": 10, "look_every_s": 1 },
    }))
}

/// A memory of a hundred facts.
pub(crate) fn memory() -> memory::Config {
    read(json!({
        "max_facts": 100, "max_dimensions": 2_048, "max_text_bytes": 500, "same_above": 0.92, "relevant_from": 0.45,
    }))
}

/// Two tools at a time. Common ground names no actor, so the caller says that it is the executor's.
pub(crate) fn executor<T: DeserializeOwned>() -> T {
    read(
        json!({ "concurrency": 2, "waiting": 8, "call_within_s": 5, "result_bytes_max": 1_000, "cache_bytes_max": 10_000, "approval_s": 3_600, "approval_wait_s": 0 }),
    )
}

/// Eight requests at a time, and health that is not looked at again while a test runs. The caller
/// says that it is the runtime's.
pub(crate) fn runtime<T: DeserializeOwned>() -> T {
    read(
        json!({ "waiting": 16, "concurrency": 8, "health_every_s": 600, "health_within_s": 5, "unreachable_every_s": 1, "repair_again_s": 0 }),
    )
}

/// A general candidate on this machine that is free and this good: agent, runtime and candidate of one name.
pub(crate) fn candidate(name: &str, quality: f64, at: Timestamp) -> Candidate {
    Candidate {
        id: name.to_owned(),
        agent: name.to_owned(),
        runtime: name.to_owned(),
        provider: String::new(),
        model: String::new(),
        same_as: String::new(),
        capabilities: vec![Capability::new(Capability::GENERAL)],
        modalities: vec![Modality::Text],
        tier: TrustTier::Local,
        region: None,
        price: Price::default(),
        context_tokens: 4_096,
        appetite: Appetite::default(),
        quality: Millionths::of(quality),
        qualities: BTreeMap::new(),
        live: Live::assumed(100_000, 10_000, at),
        origin: Origin::Config,
        since: at,
        expires: None,
        weight: 100,
        cap: None,
        enabled: true,
        health: Health::Healthy,
        quarantined: None,
    }
}

/// An inbox nobody has anything to do with. The caller says that it is the inbox's.
pub(crate) fn inbox<T: DeserializeOwned>() -> T {
    read(json!({
        "rules": [], "webhooks": [], "open_most": 8, "edit_bytes_max": 1_000,
        "delivery": { "attempts": 3, "within_s": 5, "first_wait_ms": 1_000, "longest_wait_ms": 10_000 },
    }))
}
