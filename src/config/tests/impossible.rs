//! Values that no host could work with, in every section.

use super::*;

/// Keys of which nothing is something.
const MAY_BE_ZERO: [&str; 61] = [
    "tools.fuzz.inputs",
    "executor.approval_wait_s",
    "executor.cache_bytes_max",
    "api.listen",
    "api.drain_s",
    "api.request_cost_max",
    "store.group_commit_ms",
    "telemetry.otlp_queue_spans",
    "inference.embedded.repeat_window",
    "inference.embedded.unload_after_s",
    "inference.runtimes.local.price.input",
    "inference.runtimes.local.price.output",
    "runtime.repair_again_s",
    "supervision.handle_limit_ms",
    "store.retention.days",
    "store.retention.events_most",
    "ziggy.chunk.overlap_tokens",
    "ziggy.score.equal_within",
    "ziggy.score.keep_within",
    "ziggy.score.load_margin",
    "ziggy.score.weights.load",
    "ziggy.score.weights.freshness",
    "ziggy.score.anchors.typical_cached_percent",
    "ziggy.score.anchors.load_good",
    "ziggy.score.anchors.fresh_good_s",
    "ziggy.live.limited_penalty",
    "ziggy.live.regime_penalty",
    "ziggy.live.regime_least_ms",
    "ziggy.live.stale_s",
    "ziggy.score.weights.latency",
    "ziggy.score.weights.cost",
    "ziggy.score.weights.truthfulness",
    "ziggy.score.weights.reliability",
    "ziggy.live.failure_penalty",
    "ziggy.score.anchors.cost_good",
    "ziggy.score.anchors.latency_good_ms",
    "ziggy.live.reuse",
    "ziggy.score.anchors.typical_input_tokens",
    "ziggy.score.anchors.typical_output_tokens",
    "sandbox.docker.tree_files_max",
    "sandbox.jail.tree_files_max",
    "sandbox.wasm.tree_files_max",
    "memory.same_above",
    "memory.relevant_from",
    "mcp.fresh_s",
    "limit.pause_ms",
    "limit.circuit.failures",
    "limit.circuit.open_ms",
    "limit.circuit.open_most_ms",
    "limit.circuit.forget_ms",
    "limit.throttle.requests_per_accept",
    "limit.throttle.least",
    "limit.retry.tokens",
    "limit.retry.token_per_answer",
    "limit.retry.first_ms",
    "limit.retry.most_ms",
    "ladder.wait_most",
    "ladder.wait_within_ms",
    "ladder.smaller_below",
    "ladder.cache_entries",
    "ladder.cache_ttl_s",
];

#[test]
fn a_zero_where_nothing_could_work_is_never_taken() {
    let inputs = Inputs { environment: pairs(&[("HOME", "/h")]), ..Inputs::default() };
    let at_once = |key: &str| {
        key.contains(".rules.") && [".for_s", ".cooldown_s", ".above", ".percent"].iter().any(|end| key.ends_with(end))
    };
    let numbers = load(&inputs).unwrap().explain().into_iter().filter(|one| one.value.parse::<f64>().is_ok());
    let numbers = numbers.filter(|one| !at_once(&one.key));
    let mut seen = 0;
    for key in numbers.map(|setting| setting.key).filter(|key| !MAY_BE_ZERO.contains(&key.as_str())) {
        let zero = Inputs { flags: vec![flag("--zero", &key, "0")], ..inputs.clone() };
        let Err(said) = load(&zero).map_err(|error| error.to_string()) else { panic!("{key} takes 0") };
        assert!(said.contains(&format!("--zero: {key}: found 0")), "{key}: {said}");
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn no_time_and_no_count_is_too_large_to_work_with() {
    let inputs = Inputs { environment: pairs(&[("HOME", "/h")]), ..Inputs::default() };
    let settings = load(&inputs).unwrap().explain();
    let numbers = settings.into_iter().filter(|one| one.value.parse::<u64>().is_ok() && !one.key.contains("bytes"));
    let mut seen = 0;
    for key in numbers.map(|setting| setting.key).filter(|key| !key.contains(".price.") && !key.contains(".anchors.")) {
        let huge = Inputs { flags: vec![flag("--huge", &key, &i64::MAX.to_string())], ..inputs.clone() };
        let said = load(&huge).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains(&format!("--huge: {key}: found {}", i64::MAX)), "{key}: {said}");
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn every_rule_and_webhook_that_cannot_work_is_told_at_once() {
    let text = r#"
[review]
edit_bytes_max = 1_000_000
[review.delivery]
attempts = 0
[[review.rules]]
name = "two words"
kind = "policy"
action = "before"
deadline_s = 0
quorum = 0
on_expiry = "deny"
[[review.rules]]
name = "twice"
kind = "no_candidate"
action = "after"
deadline_s = 60
quorum = 1
on_expiry = "approve"
nobody = true
[[review.rules]]
name = "twice"
kind = "publication"
action = "after"
deadline_s = 60
quorum = 1
on_expiry = "deny"
class = "public"
[[review.webhooks]]
name = "desk"
url = "nowhere"
events = []
"#;
    let (_folder, inputs) = with_file(text);
    let Err(Error::Problems(problems)) = load(&inputs) else { unreachable!() };
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let expected = [
        "review.edit_bytes_max",
        "review.delivery.attempts",
        "review.rules.0.name",
        "review.rules.0.deadline_s",
        "review.rules.0.quorum",
        "review.rules.0.class",
        "review.rules.1.nobody",
        "review.rules.1.on_expiry",
        "review.rules.2.name",
        "review.webhooks.0.url",
        "review.webhooks.0.events",
    ];
    for key in expected {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert_eq!(keys.len(), expected.len(), "{keys:?}");
    let quorum = problems.iter().find(|problem| problem.key == "review.rules.0.quorum").unwrap();
    assert_eq!((quorum.found.as_str(), quorum.expected.as_str()), ("0", "from 1 to 32"));
    assert!(problems.iter().all(|problem| problem.source.to_string().contains("mine.toml:")), "{problems:#?}");
}
