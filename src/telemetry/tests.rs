//! What leaves the process, read where it arrives: log lines in a buffer, spans at a receiver on the loopback.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "deadlines of a test are set from the real clock, which nothing waits for"
)]

use std::io::Write;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::dispatcher;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::types::{Budget, Cx, Money, Principal, RunId, Seeded, Timestamp, TraceId, World};

/// The number of a test card, and a key as a well-known service writes them.
const CARD: &str = "4111 1111 1111 1111";
const KEY: &str = "sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEf";

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000)
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

fn config(format: Format, endpoint: &str) -> Config {
    Config {
        log: "info".to_owned(),
        format,
        otlp_endpoint: endpoint.to_owned(),
        otlp_timeout_s: 5,
        otlp_queue_spans: 64,
        otlp_batch_spans: 64,
        otlp_delay_ms: 60_000,
    }
}

/// What is logged while `work` runs.
fn logged(format: Format, work: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let (dispatch, _guard) = build(&config(format, ""), Arc::new(Still), move || writer.clone()).unwrap();
    dispatcher::with_default(&dispatch, work);
    buffer.text()
}

fn call() -> (Cx, RunId) {
    let world = World { clock: Arc::new(Still), random: Arc::new(Seeded::new(7)) };
    let budget = Budget { money: Money::ZERO, tokens: 0 };
    let run = RunId::new(&world);
    let trace = TraceId(0x0102_0304_0506_0708_1112_1314_1516_1718);
    let deadline = world.clock.now() + Duration::from_secs(60);
    (Cx::new(trace, Principal::host(), deadline, budget).with_run(run), run)
}

#[test]
fn a_text_line_has_time_level_target_message_and_fields() {
    let line = logged(Format::Text, || tracing::warn!(actor = "io", count = 3, text = "two words", "mailbox is full"));
    assert_eq!(
        line,
        "2023-11-14T22:13:20.000000Z  WARN syzygy::telemetry::tests: mailbox is full actor=io count=3 text=\"two words\"\n"
    );
}

#[test]
fn a_json_line_is_json_and_names_the_call() {
    let (cx, run) = call();
    let line = logged(Format::Json, || {
        span_for(&cx, "router.place")
            .in_scope(|| tracing::info!(ok = true, ratio = 0.5, odd = f64::NAN, "say \"hi\"\n"));
    });
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["message"], "say \"hi\"\n");
    assert_eq!(value["level"], "INFO");
    assert_eq!(value["fields"], serde_json::json!({ "ok": true, "ratio": 0.5, "odd": "NaN" }));
    let span = &value["spans"][0];
    assert_eq!(span["hop"], "router.place");
    assert_eq!(span["run"], run.to_string());
    assert_eq!(span["trace"], "01020304050607081112131415161718");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn no_way_into_a_line_goes_round_the_gate() {
    for format in [Format::Text, Format::Json] {
        let out = logged(format, || {
            let error = std::io::Error::other(format!("refused {KEY}"));
            let span = tracing::info_span!("s", note = CARD, later = tracing::field::Empty);
            span.record("later", KEY);
            let _entered = span.enter();
            tracing::info!(card = CARD, "message with {CARD}");
            tracing::info!(debug = ?vec![CARD, KEY], error = &error as &dyn std::error::Error, "plain");
            tracing::info!(number = 4_111_111_111_111_111_u64, signed = 4_111_111_111_111_111_i64, "plain");
            tracing::info!(password = "hunter2", user.api_key = "hunter2", Authorization = "hunter2", "plain");
        });
        assert_eq!(out.lines().count(), 4, "{out}");
        for secret in [CARD, "4111111111111111", KEY, "hunter2"] {
            assert!(!out.contains(secret), "{secret} in {out}");
        }
        assert_eq!(out.matches(clean::HIDDEN).count(), 3, "{out}");
        if format == Format::Json {
            out.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).unwrap()));
        }
    }
}

#[test]
fn ordinary_values_are_left_alone() {
    let line = logged(Format::Text, || tracing::info!(tokens = 5, keys = "k", at = 1_700_000_000_000_000_u64, "plain"));
    assert!(line.ends_with("plain tokens=5 keys=k at=1700000000000000\n"), "{line}");
}

#[test]
fn a_message_cannot_forge_a_line() {
    let line = logged(Format::Text, || {
        tracing::info!(field = "a\nb", "one\n2023-11-14T22:13:20.000000Z ERROR two\x1b[2J");
    });
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(!line.contains('\x1b'));
}

#[test]
fn the_filter_is_obeyed_and_a_wrong_one_refused() {
    let quiet = Config { log: "warn,syzygy::telemetry=error".to_owned(), ..config(Format::Text, "") };
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let (dispatch, _guard) = build(&quiet, Arc::new(Still), move || writer.clone()).unwrap();
    dispatcher::with_default(&dispatch, || {
        tracing::warn!("no");
        tracing::error!("yes");
    });
    assert_eq!(buffer.text().lines().count(), 1);
    let wrong = Config { log: "a=b=c".to_owned(), ..config(Format::Text, "") };
    assert!(matches!(build(&wrong, Arc::new(Still), std::io::sink), Err(Error::Filter { .. })));
}

#[test]
fn values_that_cannot_work_are_named() {
    let good = Config { otlp_endpoint: "https://collector.example/v1/traces".to_owned(), ..config(Format::Text, "") };
    assert_eq!(good.impossible(), []);
    let bad = Config {
        log: "a=b=c".to_owned(),
        format: Format::Json,
        otlp_endpoint: "collector:4318".to_owned(),
        otlp_timeout_s: 0,
        otlp_queue_spans: 1,
        otlp_batch_spans: 2,
        otlp_delay_ms: 0,
    };
    let keys: Vec<&str> = bad.impossible().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["log", "otlp_endpoint", "otlp_timeout_s", "otlp_queue_spans", "otlp_delay_ms"]);
}

/// A receiver that takes spans, and what it got when the guard is closed.
async fn received(work: impl FnOnce()) -> Vec<u8> {
    let server = MockServer::start().await;
    let accepts =
        Mock::given(method("POST")).and(path("/v1/traces")).and(header("content-type", "application/x-protobuf"));
    accepts.respond_with(ResponseTemplate::new(200)).expect(1).mount(&server).await;
    let config = config(Format::Text, &format!("{}/v1/traces", server.uri()));
    let (dispatch, guard) = build(&config, Arc::new(Still), std::io::sink).unwrap();
    dispatcher::with_default(&dispatch, work);
    guard.close(Duration::from_secs(10)).await.unwrap();
    server.received_requests().await.unwrap().into_iter().flat_map(|request| request.body).collect()
}

fn count(haystack: &[u8], needle: impl AsRef<[u8]>) -> usize {
    let needle = needle.as_ref();
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}

// TE1.
#[tokio::test]
async fn spans_arrive_under_their_call_and_secrets_do_not() {
    let (cx, run) = call();
    let body = received(|| {
        let root = root_span_for(&cx, "io.accept");
        root.in_scope(|| {
            tracing::info!(card = CARD, "an event about {KEY}");
            drop(span_for(&cx, "inner.hop").entered());
        });
        // Another thread of execution, which knows the context and not the span.
        let far = span_for(&cx, "router.place");
        far.in_scope(|| {
            tracing::info_span!("turn", note = CARD, password = "hunter2", number = 4_111_111_111_111_111_i64)
        });
    })
    .await;
    for name in ["io.accept", "inner.hop", "router.place", "turn", "service.name"] {
        assert!(count(&body, name) > 0, "{name} did not arrive");
    }
    assert!(count(&body, run.to_string()) >= 3);
    for secret in [CARD, KEY, "hunter2"] {
        assert_eq!(count(&body, secret), 0, "{secret} arrived");
    }
    assert_eq!(count(&body, clean::HIDDEN), 1);

    // Protobuf fields 1, 2 and 4 of a span: its trace, itself, its parent, each behind a tag and a length.
    let trace = [&[0x0a, 16], &cx.trace().0.to_be_bytes()[..]].concat();
    let anchor = &cx.trace().0.to_be_bytes()[8..];
    assert_eq!(count(&body, trace), 4, "every span is in the trace of the call");
    assert_eq!(count(&body, [&[0x12, 8], anchor].concat()), 1, "the first hop is the anchor");
    assert_eq!(count(&body, [&[0x22, 8], anchor].concat()), 2, "both other hops stand under it");
}

// TE2.
#[tokio::test]
async fn a_receiver_that_is_away_is_reported_and_waited_for_no_longer_than_asked() {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(400)).mount(&server).await;
    let config = config(Format::Text, &server.uri());
    let (dispatch, guard) = build(&config, Arc::new(Still), move || writer.clone()).unwrap();
    let _default = dispatcher::set_default(&dispatch);
    drop(tracing::info_span!("lost").entered());
    let error = guard.close(Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(error.class(), crate::types::Class::Unavailable);
    assert!(buffer.text().contains("could not export spans"), "{}", buffer.text());
}

#[test]
fn metrics_are_counted_by_label_and_encoded_for_prometheus() {
    let metrics = Metrics::new();
    metrics.counter(&RUNS, &["ok"]).add(2);
    metrics.counter(&RUNS, &["ok"]).add(1);
    metrics.gauge(&MAILBOX_DEPTH, &["io"]).set(4.0);
    metrics.gauge(&MAILBOX_DEPTH, &["io"]).add(-1.0);
    metrics.histogram(&JOURNAL_COMMIT_SECONDS, &[]).observe(0.002);
    let page = metrics.encode();
    for line in [
        "# HELP syzygy_runs Runs that ended, by outcome.",
        "# TYPE syzygy_runs counter",
        "syzygy_runs_total{outcome=\"ok\"} 3",
        "syzygy_mailbox_depth{actor=\"io\"} 3.0",
        "syzygy_journal_commit_seconds_bucket{le=\"0.003\"} 1",
        "syzygy_journal_commit_seconds_bucket{le=\"0.001\"} 0",
        "# EOF",
    ] {
        assert!(page.lines().any(|known| known == line), "{line}\nis not in\n{page}");
    }
    assert!(!Metrics::new().encode().contains("outcome=\"ok\""), "metrics of another host");
}

#[test]
fn the_table_keeps_to_the_conventions() {
    let counters = table::COUNTERS.iter().map(|spec| (spec.name, spec.help, spec.labels));
    let gauges = table::GAUGES.iter().map(|spec| (spec.name, spec.help, spec.labels));
    let histograms = table::HISTOGRAMS.iter().map(|spec| (spec.name, spec.help, spec.labels));
    let mut names = std::collections::BTreeSet::new();
    for (name, help, labels) in counters.chain(gauges).chain(histograms) {
        assert!(names.insert(name), "{name} twice");
        assert!(name.starts_with("syzygy_") && !name.ends_with("_total"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}: the format ends the sentence");
        assert!(labels.iter().all(|label| !matches!(*label, "run" | "text" | "le")), "{name}");
    }
    assert!(table::HISTOGRAMS.iter().all(|spec| spec.name.ends_with("_seconds")));
    for buckets in [Buckets::Short, Buckets::Long] {
        assert!(buckets.bounds().windows(2).all(|pair| pair[0] < pair[1]), "{buckets:?}");
    }
}

#[test]
fn label_values_beyond_the_limit_are_counted_together() {
    let metrics = Metrics::new();
    for index in 0..metrics::SERIES_MAX + 10 {
        metrics.counter(&ACTOR_RESTARTS, &[&format!("actor-{index}")]).add(1);
    }
    metrics.counter(&ACTOR_RESTARTS, &["actor-0"]).add(1);
    assert_eq!(metrics.counter(&ACTOR_RESTARTS, &["actor-0"]).get(), 2);
    assert_eq!(metrics.counter(&ACTOR_RESTARTS, &["one more"]).get(), 10);
    assert!(metrics.encode().contains("syzygy_actor_restarts_total{actor=\"other\"} 10"));
}

#[test]
fn the_page_about_metrics_has_every_metric_as_it_is_and_no_other() {
    let row = |(name, labels, help): (&str, &[&str], &str), kind: &str| {
        let total = if kind == "counter" { "_total" } else { "" };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}{total}` | {kind} | {} | {help} |", labels.join(", "))
    };
    let counters = table::COUNTERS.iter().map(|spec| row((spec.name, spec.labels, spec.help), "counter"));
    let gauges = table::GAUGES.iter().map(|spec| row((spec.name, spec.labels, spec.help), "gauge"));
    let histograms = table::HISTOGRAMS.iter().map(|spec| row((spec.name, spec.labels, spec.help), "histogram"));
    let expected: Vec<String> = counters.chain(gauges).chain(histograms).collect();
    let page = include_str!("../../docs/metrics.md");
    let found: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(found, expected);
}
