//! The parser of events under every split, the answer put together, and the header that asks to wait.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::answer::Answer;
use super::pacing::{pacing, span, wait};
use super::refusal::retry_after;
use super::sse::{Error, Parser};
use crate::inference::{Completion, Finish, Left, Message, Request, Role};
use crate::types::Timestamp;

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: Timestamp = Timestamp(1_767_225_600_000_000);

fn parse(chunks: &[&[u8]]) -> Result<Vec<String>, Error> {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(parser.push(chunk)?);
    }
    events.extend(parser.finish()?);
    Ok(events)
}

#[test]
fn events_in_every_shape() {
    let cases: [(&str, &[&str]); 8] = [
        ("data: a\n\ndata: b\n\n", &["a", "b"]),
        ("data:a\r\n\r\ndata:  b\r\r", &["a", " b"]),
        (": a comment\n\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", &["a"]),
        ("data: one\ndata: two\n\n", &["one\ntwo"]),
        ("\u{feff}data: a\n\n", &["a"]),
        ("data: no end", &["no end"]),
        ("data\n\n", &[""]),
        ("\n\n\n", &[]),
    ];
    for (stream, events) in cases {
        assert_eq!(parse(&[stream.as_bytes()]).unwrap(), events, "{stream:?}");
    }
}

#[test]
fn refuses_what_is_no_stream_of_events() {
    assert_eq!(parse(&[b"data: \xff\xfe\n\n"]), Err(Error::NotUtf8));
    let endless = vec![b'x'; 2 * 1024 * 1024];
    assert_eq!(parse(&[b"data: ", &endless]), Err(Error::TooLarge));
    let many = "data: x\n".repeat(1024 * 1024);
    assert_eq!(parse(&[many.as_bytes()]), Err(Error::TooLarge));
}

proptest! {
    /// However the network cuts the bytes, inside characters and line ends too, the events are the same.
    #[test]
    fn splits_do_not_matter(
        lines in prop::collection::vec("(data: [a-z🌍é ]{0,8}|: c|event: x|)(\n|\r\n|\r)", 0..12),
        cuts in prop::collection::vec(0usize..200, 0..6),
    ) {
        let stream = lines.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.push(stream.len());
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts {
            chunks.push(&stream[from..cut]);
            from = cut;
        }
        prop_assert_eq!(parse(&chunks).unwrap(), parse(&[&stream]).unwrap());
    }
}

/// Puts an answer together from the deltas of a stream.
fn answer(deltas: &[serde_json::Value]) -> Result<Completion, String> {
    let request = Request {
        messages: vec![Message::new(Role::User, "x".repeat(400))],
        tools: Vec::new(),
        max_tokens: 1,
        temperature: 0.0,
        seed: 0,
    };
    let mut answer = Answer::new(&request, 64);
    for delta in deltas {
        answer.take(serde_json::from_value(delta.clone()).unwrap())?;
    }
    Ok(answer.complete())
}

fn delta(delta: serde_json::Value) -> serde_json::Value {
    json!({ "choices": [{ "delta": delta, "finish_reason": null }] })
}

#[test]
fn tool_calls_are_put_together() {
    let completion = answer(&[
        delta(json!({ "role": "assistant", "content": null, "tool_calls": [
            { "index": 0, "id": "a", "type": "function", "function": { "name": "time", "arguments": "" } } ] })),
        delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"zone\":" } }] })),
        delta(json!({ "tool_calls": [{ "index": 1, "id": "b", "function": { "name": "dice", "arguments": "not json" } }] })),
        delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "\"UTC\"}" } }] })),
        delta(json!({ "tool_calls": [{ "index": 2, "function": { "name": "now" } }] })),
        json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] }),
    ])
    .unwrap();
    assert_eq!(completion.finish, Finish::ToolCalls);
    let calls: Vec<_> = completion
        .tool_calls
        .iter()
        .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.clone()))
        .collect();
    assert_eq!(
        calls,
        [("a", "time", json!({ "zone": "UTC" })), ("b", "dice", json!("not json")), ("call_2", "now", json!({}))]
    );
    assert!(answer(&[delta(json!({ "tool_calls": [{ "index": 100_000 }] }))]).is_err());
}

#[test]
fn usage_is_counted_or_estimated() {
    let text = |text: &str| delta(json!({ "content": text }));
    let usage = answer(&[text("a"), text(""), text("b")]).unwrap().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (104, 2));
    let counted = json!({ "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 9 } });
    let usage = answer(&[text("a"), counted]).unwrap().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (7, 9));
    for (claimed, believed) in [(json!(5), 5), (json!(50), 7), (json!(null), 0)] {
        let details = json!({ "cached_tokens": claimed });
        let counts = json!({ "prompt_tokens": 7, "completion_tokens": 9, "prompt_tokens_details": details });
        let usage = answer(&[text("a"), json!({ "choices": [], "usage": counts })]).unwrap().usage;
        assert_eq!((usage.input_tokens, usage.cached_tokens), (7, believed));
    }
    let lied = |input: u64, output: u64| {
        let counted = json!({ "choices": [], "usage": { "prompt_tokens": input, "completion_tokens": output } });
        let usage = answer(&[text("a"), counted]).unwrap().usage;
        (usage.input_tokens, usage.output_tokens)
    };
    assert_eq!(lied(0, 0), (104, 1), "a count of nothing for something is no count");
    assert_eq!(lied(u64::MAX, u64::MAX), (528, 64), "400 bytes and a template, and as much as was asked for");
    let error = answer(&[json!({ "error": { "message": "out of memory" } })]).unwrap_err();
    assert_eq!(error, "out of memory");
}

#[test]
fn usage_is_not_less_than_any_tokenizer_makes_of_the_text() {
    let ordinary = "The quick brown fox jumps over the lazy dog. ";
    let usage = |prompt: String, said: String, counts: Option<(u64, u64)>| {
        let messages = vec![Message::new(Role::User, prompt)];
        let request = Request { messages, tools: Vec::new(), max_tokens: 64, temperature: 0.0, seed: 0 };
        let mut answer = Answer::new(&request, 64);
        let counts = counts.map(|(input, output)| json!({ "prompt_tokens": input, "completion_tokens": output }));
        let part = json!({ "choices": [{ "delta": { "content": said } }], "usage": counts });
        answer.take(serde_json::from_value(part).unwrap()).unwrap();
        let usage = answer.usage();
        (usage.input_tokens, usage.output_tokens)
    };
    // 4,500 characters and 1,350.
    let (prompt, said) = (ordinary.repeat(100), ordinary.repeat(30));
    let claimed = |input, output| usage(prompt.clone(), said.clone(), Some((input, output)));
    assert_eq!(claimed(1, 1), (281, 42));
    assert_eq!(claimed(281, 42), (281, 42));
    assert_eq!(claimed(1_100, 63), (1_100, 63), "an honest count is taken as it is");
    assert_eq!(usage(prompt.clone(), said.clone(), None).1, 42, "one piece is not one token");
    assert_eq!(usage(prompt.clone(), ordinary.repeat(1_000), Some((1, 1))).1, 64, "no more than was asked for");
    assert_eq!(usage(" ".repeat(4_500), "-".repeat(1_350), Some((60, 12))), (60, 12), "runs have tokens of their own");
    assert_eq!(usage("Hi".to_owned(), "Hello".to_owned(), Some((1, 1))), (1, 1), "a short text can be one token");
    assert_eq!(usage("नमस्ते दुनिया ".repeat(100), said, Some((100, 42))).0, 100, "characters are counted, not bytes");
}

#[test]
fn waits_are_seconds_or_dates() {
    let cases = [
        ("3", Some(3.0)),
        (" 0.5 ", Some(0.5)),
        ("Thu, 01 Jan 2026 00:01:00 GMT", Some(60.0)),
        ("Wed, 31 Dec 2025 23:00:00 GMT", Some(0.0)),
        ("99999999", Some(86_400.0)),
        ("-1", None),
        ("nan", None),
        ("soon", None),
    ];
    for (header, seconds) in cases {
        assert_eq!(retry_after(header, NEW_YEAR), seconds.map(Duration::from_secs_f64), "{header:?}");
    }
}

#[test]
fn what_is_left_is_read_as_providers_write_it() {
    let cases = [
        ("1s", Some(1_000)),
        ("6m0s", Some(360_000)),
        ("20ms", Some(20)),
        ("1.5", Some(1_500)),
        ("1h2m3s", Some(3_723_000)),
        ("2000d", Some(86_400_000)),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("1.2.3s", None),
        ("9e999s", None),
    ];
    for (text, millis) in cases {
        assert_eq!(span(text), millis.map(Duration::from_millis), "{text:?}");
    }
    let headers = |rows: &[(&'static str, &str)]| {
        let rows = rows.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        rows.collect::<reqwest::header::HeaderMap>()
    };
    let said = pacing(&headers(&[
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ]));
    assert_eq!(said.requests, Some(Left { remaining: 59, resets_after: Duration::from_secs(1) }));
    assert_eq!(said.tokens, Some(Left { remaining: 149_984, resets_after: Duration::from_secs(360) }));
    assert!(pacing(&headers(&[("x-ratelimit-remaining-requests", "59")])).is_silent(), "until when is not said");
    assert!(
        pacing(&headers(&[("x-ratelimit-remaining-tokens", "many"), ("x-ratelimit-reset-tokens", "1s")])).is_silent()
    );
    let both = headers(&[("retry-after-ms", "250"), ("retry-after", "1")]);
    assert_eq!(wait(&both, NEW_YEAR), Some(Duration::from_millis(250)));
    assert_eq!(wait(&headers(&[("retry-after", "1")]), NEW_YEAR), Some(Duration::from_secs(1)));
}

proptest! {
    #[test]
    fn no_span_makes_it_panic(text in "\\PC*", parts in prop::collection::vec((0_u64.., "(s|ms|us|m|h|d|)"), 0..4)) {
        let _ = span(&text);
        let written: String = parts.iter().map(|(number, unit)| format!("{number}{unit}")).collect();
        if let Some(span) = span(&written) {
            prop_assert!(span <= Duration::from_secs(86_400));
        }
    }
}
