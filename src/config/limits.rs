//! What the values of the sections must be beyond their type, and what they must be to each other.
//!
//! A zero that makes a queue take nothing, or an order of two limits that leaves nothing between them, is found here
//! before anything is opened, instead of as a host that starts and does not work.

use super::Config;
use crate::inference::RuntimeConfig;
use crate::types::Modality;
use crate::ziggy::chunk::Policy;
use crate::ziggy::route::Rules;

/// Bytes that one byte of a text takes in JSON at the most: a control character becomes six.
const BYTES_IN_JSON: usize = 6;

/// Keys, dotted, with values that cannot work, and what would.
#[derive(Default)]
struct Found(Vec<(String, String)>);

impl Found {
    fn unless(&mut self, good: bool, key: impl Into<String>, expected: impl Into<String>) {
        if !good {
            self.0.push((key.into(), expected.into()));
        }
    }

    fn at_least_one(&mut self, section: &str, keys: &[(&str, u64)]) {
        for (key, value) in keys {
            self.unless(*value > 0, format!("{section}.{key}"), "at least 1");
        }
    }
}

/// A table of more is not written to a journal as a whole, and every agent is an actor besides.
const CANDIDATES_MOST: usize = 100_000;

/// Everything in the sections that cannot work, besides what a section finds itself.
pub(super) fn impossible(config: &Config) -> Vec<(String, String)> {
    let mut found = Found::default();
    queues(config, &mut found);
    runs(config, &mut found);
    runtimes(config, &mut found);
    scores(config, &mut found);
    ceilings(config, &mut found);
    reviews(config, &mut found);
    found.unless(
        config.api.drain_s < config.host.stop_timeout_s,
        "api.drain_s",
        format!("less than host.stop_timeout_s, which is {}", config.host.stop_timeout_s),
    );
    found.0
}

fn queues(config: &Config, found: &mut Found) {
    let (store, runtime, executor) = (&config.store, &config.runtime, &config.executor);
    let (payload, event) = (store.payload_bytes_max as u64, store.event_bytes_max as u64);
    found.at_least_one("store", &[("payload_bytes_max", payload), ("event_bytes_max", event)]);
    let rows = [
        ("waiting", runtime.waiting as u64),
        ("concurrency", u64::from(runtime.concurrency)),
        ("health_every_s", runtime.health_every_s),
        ("health_within_s", runtime.health_within_s),
        ("unreachable_every_s", runtime.unreachable_every_s),
    ];
    found.at_least_one("runtime", &rows);
    let rows = [
        ("concurrency", u64::from(executor.concurrency)),
        ("waiting", executor.waiting as u64),
        ("call_within_s", executor.call_within_s),
        ("result_bytes_max", executor.result_bytes_max as u64),
        ("approval_s", executor.approval_s),
    ];
    found.at_least_one("executor", &rows);
    let (rebuild, waiting) = (config.router.rebuild_every_ms, config.router.waiting as u64);
    let again = config.router.snapshot_every_s;
    let most = config.router.candidates_most;
    let rows = [
        ("rebuild_every_ms", rebuild),
        ("waiting", waiting),
        ("snapshot_every_s", again),
        ("candidates_most", most as u64),
        ("deltas_most", u64::from(config.router.deltas_most)),
    ];
    found.at_least_one("router", &rows);
    found.unless(most <= CANDIDATES_MOST, "router.candidates_most".to_owned(), "at most 100000");
    let (every, kept) = (config.crown.watch_every_s, config.crown.alerts_kept as u64);
    let overrides = config.crown.overrides_most as u64;
    found.at_least_one("crown", &[("watch_every_s", every), ("alerts_kept", kept), ("overrides_most", overrides)]);
}

fn runs(config: &Config, found: &mut Found) {
    let (io, memory) = (&config.io, &config.memory);
    let rows = [
        ("pool", io.pool as u64),
        ("runs_most", io.runs_most as u64),
        ("chunks_at_once", io.chunks_at_once as u64),
        ("task_bytes_max", io.task_bytes_max as u64),
        ("tasks_bytes_max", io.tasks_bytes_max as u64),
        ("prompt_bytes_max", io.prompt_bytes_max as u64),
        ("chunks_most", io.chunks_most as u64),
        ("run_within_s", io.run_within_s),
        ("answer_tokens", u64::from(io.answer_tokens)),
        ("answer_bytes_max", io.answer_bytes_max as u64),
    ];
    found.at_least_one("io", &rows);
    found.unless(
        io.prompt_bytes_max <= io.task_bytes_max,
        "io.prompt_bytes_max",
        format!("at most io.task_bytes_max, which is {}", io.task_bytes_max),
    );
    found.unless(
        io.task_bytes_max <= io.tasks_bytes_max,
        "io.tasks_bytes_max",
        format!("at least io.task_bytes_max, which is {}", io.task_bytes_max),
    );
    let fits = config.store.event_bytes_max / BYTES_IN_JSON;
    found.unless(
        io.answer_bytes_max <= fits,
        "io.answer_bytes_max",
        format!("at most a sixth of store.event_bytes_max, which is {fits}"),
    );
    found.unless(
        io.task_bytes_max <= config.store.payload_bytes_max,
        "io.task_bytes_max",
        format!("at most store.payload_bytes_max, which is {}", config.store.payload_bytes_max),
    );
    let rows = [
        ("max_facts", memory.max_facts as u64),
        ("max_dimensions", memory.max_dimensions as u64),
        ("max_text_bytes", memory.max_text_bytes as u64),
    ];
    found.at_least_one("memory", &rows);
    for (key, value) in [("memory.same_above", memory.same_above), ("memory.relevant_from", memory.relevant_from)] {
        found.unless((0.0..=1.0).contains(&value), key, "a number from 0 to 1");
    }
}

fn runtimes(config: &Config, found: &mut Found) {
    let (models, inference) = (&config.models, &config.inference);
    found.at_least_one("models", &[("pull_timeout_s", models.pull_timeout_s)]);
    let commands = !models.pip.is_empty() && models.pip.iter().all(|command| !command.is_empty());
    found.unless(commands, "models.pip", "at least one command, each with its program first");
    let (queue, piece) = (inference.embedded.queue as u64, inference.embedded.piece_tokens as u64);
    found.at_least_one("inference.embedded", &[("queue", queue), ("piece_tokens", piece)]);
    let penalty = inference.embedded.repeat_penalty;
    found.unless(penalty.is_finite() && penalty > 0.0, "inference.embedded.repeat_penalty", "a number above 0");
    let openai = &inference.openai;
    let waits = [
        ("connect_timeout_s", openai.connect_timeout_s),
        ("idle_timeout_s", openai.idle_timeout_s),
        ("head_timeout_s", openai.head_timeout_s),
    ];
    found.at_least_one("inference.openai", &waits);
    for (name, runtime) in &inference.runtimes {
        let section = format!("inference.runtimes.{name}");
        let (context, answer, price) = match runtime {
            RuntimeConfig::Embedded(runtime) => (runtime.context_tokens, runtime.max_tokens, runtime.price),
            RuntimeConfig::Openai(runtime) => {
                let url = "a URL such as `http://127.0.0.1:8080/v1`";
                found.unless(is_url(&runtime.base_url), format!("{section}.base_url"), url);
                if let Some(child) = &runtime.child {
                    found.unless(is_url(&child.ready_url), format!("{section}.child.ready_url"), url);
                    found.unless(!child.command.is_empty(), format!("{section}.child.command"), "a program");
                    found.at_least_one(&format!("{section}.child"), &[("ready_timeout_s", child.ready_timeout_s)]);
                }
                reads(&section, &runtime.modalities, found);
                (runtime.context_tokens, runtime.max_tokens, runtime.price)
            }
            RuntimeConfig::Scripted(runtime) => {
                reads(&section, &runtime.modalities, found);
                continue;
            }
        };
        found.at_least_one(&section, &[("context_tokens", context.into()), ("max_tokens", answer.into())]);
        let Some(price) = price else { continue };
        let dear = [price.input, price.output, price.cached()].iter().all(|each| *each >= 0);
        found.unless(dear, format!("{section}.price"), "prices of at least 0");
        let cheaper = price.cached_input.is_none_or(|cached| cached <= price.input);
        found.unless(cheaper, format!("{section}.price.cached_input"), "at most `input`");
    }
}

/// Every task is a text, whatever else comes with it.
fn reads(section: &str, modalities: &[Modality], found: &mut Found) {
    let wanted = "a list with \"text\" in it";
    found.unless(modalities.contains(&Modality::Text), format!("{section}.modalities"), wanted);
}

fn scores(config: &Config, found: &mut Found) {
    let (chunk, score, live) = (&config.ziggy.chunk, &config.ziggy.score, &config.ziggy.live);
    let least = Policy::LEAST_TOKENS;
    found.unless(chunk.max_tokens >= least, "ziggy.chunk.max_tokens", format!("at least {least}"));
    found.unless(
        chunk.overlap_tokens <= chunk.max_tokens / 2,
        "ziggy.chunk.overlap_tokens",
        format!("at most half of ziggy.chunk.max_tokens, which is {}", chunk.max_tokens),
    );
    let weights = &score.weights;
    found.unless(weights.sum() > 0, "ziggy.score.weights", "at least one that is not 0");
    let anchors = &score.anchors;
    found.unless(
        anchors.latency_good_ms < anchors.latency_bad_ms,
        "ziggy.score.anchors.latency_bad_ms",
        format!("more than latency_good_ms, which is {}", anchors.latency_good_ms),
    );
    found.unless(
        anchors.cost_good < anchors.cost_bad,
        "ziggy.score.anchors.cost_bad",
        format!("more than cost_good, which is {}", anchors.cost_good),
    );
    found.unless(
        anchors.load_good < anchors.load_bad,
        "ziggy.score.anchors.load_bad",
        format!("more than load_good, which is {}", anchors.load_good),
    );
    found.unless(
        anchors.fresh_good_s < anchors.fresh_bad_s,
        "ziggy.score.anchors.fresh_bad_s",
        format!("more than fresh_good_s, which is {}", anchors.fresh_good_s),
    );
    found.unless(
        anchors.typical_cached_percent <= 100,
        "ziggy.score.anchors.typical_cached_percent",
        "a percentage, at most 100",
    );
    let rows = [
        ("step", u64::from(score.step.0)),
        ("equal_most", u64::from(score.equal_most)),
        ("ladder_most", u64::from(score.ladder_most)),
    ];
    found.at_least_one("ziggy.score", &rows);
    for (key, expected) in Rules::impossible(&config.ziggy.policies) {
        found.unless(false, format!("ziggy.policies.{key}"), expected);
    }
    let rows = [
        ("latency_half_life_s", u64::from(live.latency_half_life_s)),
        ("memory", u64::from(live.memory)),
        ("penalty_half_life_s", u64::from(live.penalty_half_life_s)),
        ("regime_percent", u64::from(live.regime_percent)),
    ];
    found.at_least_one("ziggy.live", &rows);
    found.unless(
        live.reuse < live.suppress,
        "ziggy.live.reuse",
        format!("less than ziggy.live.suppress, which is {}", live.suppress),
    );
    found.unless(
        live.suppress <= live.ceiling,
        "ziggy.live.suppress",
        format!("at most ziggy.live.ceiling, which is {}", live.ceiling),
    );
}

fn reviews(config: &Config, found: &mut Found) {
    let (review, io) = (&config.review, &config.io);
    let most = io.prompt_bytes_max.min(io.answer_bytes_max);
    // What a person puts in place of a prompt or an answer is a prompt or an answer.
    found.unless(
        review.edit_bytes_max <= most,
        "review.edit_bytes_max",
        format!("at most io.prompt_bytes_max and io.answer_bytes_max, so {most}"),
    );
}

/// Whether this names a scheme we speak and a host.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(char::is_whitespace))
}

/// Ten years: longer than any process lives, and short enough to be added to any time.
const LONGEST_S: u64 = 10 * 365 * 24 * 3600;

/// A billion: more of anything than one machine holds.
const MOST: u64 = 1_000_000_000;

/// More connections than this read no faster; each has a thread and a cache.
const READERS_MOST: u32 = 1_024;

/// What is gathered for a second is lost with it in a crash; nobody gains by more.
const GATHERS_MOST_MS: u64 = 1_000;

/// Keys that have a lower ceiling of their own.
const LOWER: [&str; 2] = ["store.read_connections", "store.group_commit_ms"];

/// Every whole number has a ceiling, by what its key says it counts; a far greater one would overflow a time or take all
/// memory at the start.
fn ceilings(config: &Config, found: &mut Found) {
    let readers = config.store.read_connections.get();
    found.unless(readers <= READERS_MOST, "store.read_connections", format!("at most {READERS_MOST}"));
    let gathers = config.store.group_commit_ms;
    found.unless(gathers <= GATHERS_MOST_MS, "store.group_commit_ms", format!("at most {GATHERS_MOST_MS}"));
    // What cannot be written as JSON has no numbers to look at.
    let Ok(values) = serde_json::to_value(config) else { return };
    let mut left = vec![(String::new(), &values)];
    while let Some((key, value)) = left.pop() {
        if let Some(table) = value.as_object() {
            let under = |name: &String| if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            left.extend(table.iter().map(|(name, value)| (under(name), value)));
        } else if let Some(entries) = value.as_array() {
            left.extend(entries.iter().enumerate().map(|(place, value)| (format!("{key}.{place}"), value)));
        } else if let Some(number) = value.as_u64().filter(|_| !LOWER.contains(&key.as_str())) {
            let most = match key.rsplit('_').next() {
                Some("s") => LONGEST_S,
                Some("ms") => LONGEST_S * 1_000,
                _ if key.contains("bytes") || key.contains(".price.") || key.contains(".anchors.") => continue,
                _ => MOST,
            };
            found.unless(number <= most, key, format!("at most {most}"));
        }
    }
}
