//! What the tools of `tests/fixtures/mcp` do, as far as they ask nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::asking;
use super::support::{Bench, answer};
use crate::adapters::{Call, Caller, Refusal, Reply};
use crate::sandbox::{Level, Line};
use crate::types::{Class, Cx};

/// A red pixel as PNG, in base64.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";

/// No sound at all as WAV, in base64.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

fn image() -> Value {
    json!({ "type": "image", "data": PIXEL, "mimeType": "image/png" })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn resource(uri: &str, mime_type: &str, text: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": uri, "mimeType": mime_type, "text": text } })
}

fn content(blocks: &[Value]) -> Result<Reply, Refusal> {
    answer(json!({ "content": blocks }))
}

/// An input that is a text.
pub(super) fn input<'c>(call: &'c Call, key: &str) -> &'c str {
    call.arguments.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) async fn perform(
    bench: &Bench,
    cx: &Cx,
    (caller, call): (&Caller, &Call),
    lines: Option<mpsc::Sender<Line>>,
) -> Result<Reply, Refusal> {
    match call.name.as_str() {
        "test_trigger_tool_change" => bench.toggle("test_dynamic_tool"),
        "test_trigger_prompt_change" => bench.toggle("test_dynamic_prompt"),
        _ => {}
    }
    if let Some(reply) = asking::perform(caller, call) {
        return reply;
    }
    if let Some(reply) = shown(call) {
        return reply;
    }
    match call.name.as_str() {
        "test_error_handling" => {
            Err(Refusal::new(Class::Unavailable, "This tool intentionally returns an error for testing"))
        }
        "test_tool_with_logging" | "test_logging_tool" => {
            for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                say(&lines, Line::Log { level: Level::Info, text: said.to_owned(), cut: 0 }).await;
            }
            answer(json!("Logging test completed"))
        }
        "test_tool_with_progress" => {
            for progress in [0, 50, 100] {
                let text = json!({ "progress": progress, "total": 100 }).to_string();
                say(&lines, Line::Chunk { text, cut: 0 }).await;
            }
            answer(json!("Progress test completed"))
        }
        "slow_compute" => {
            let seconds = call.arguments.get("seconds").and_then(Value::as_f64).unwrap_or_default();
            passed(cx, Duration::from_secs_f64(seconds)).await?;
            answer(json!(format!("computed for {seconds} s")))
        }
        "test_reconnection" => {
            passed(cx, Duration::from_millis(100)).await?;
            answer(json!("Reconnection test completed"))
        }
        "failing_job" => {
            passed(cx, Duration::from_millis(200)).await?;
            Err(Refusal::new(Class::Unavailable, "could not do the job: it always fails"))
        }
        "protocol_error_job" => Err(Refusal::new(Class::Internal, "could not do the job: it is broken")),
        "greet" => answer(json!(format!("Hello, {}!", input(call, "name")))),
        echo if echo.starts_with("echo") => answer(call.arguments.clone()),
        _ => answer(json!("done")),
    }
}

/// Time passes, unless the caller leaves.
async fn passed(cx: &Cx, time: Duration) -> Result<(), Refusal> {
    match tokio::time::timeout(time, cx.cancelled()).await {
        Ok(()) => Err(Refusal::new(Class::Cancelled, "could not finish: the caller left")),
        Err(_) => Ok(()),
    }
}

async fn say(lines: &Option<mpsc::Sender<Line>>, line: Line) {
    if let Some(lines) = lines {
        let _ = lines.send(line).await;
    }
}

/// What only shows something.
fn shown(call: &Call) -> Option<Result<Reply, Refusal>> {
    let message = |content: Value| json!({ "role": "user", "content": content });
    Some(match call.name.as_str() {
        "test_simple_text" => answer(json!("This is a simple text response for testing.")),
        "test_image_content" => content(&[image()]),
        "test_audio_content" => content(&[json!({ "type": "audio", "data": SILENCE, "mimeType": "audio/wav" })]),
        "test_embedded_resource" => {
            content(&[resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")])
        }
        "test_multiple_content_types" => content(&[
            text("Multiple content types test:"),
            image(),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ]),
        "static_text" => answer(json!("This is the content of the static text resource.")),
        "static_binary" => answer(json!({ "blob": PIXEL })),
        "template_data" => {
            let id = input(call, "id");
            answer(json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }))
        }
        "watched_resource" => answer(json!("Nothing has happened yet.")),
        "test_simple_prompt" => answer(json!("This is a simple prompt for testing.")),
        "test_prompt_with_arguments" => {
            let (one, other) = (input(call, "arg1"), input(call, "arg2"));
            answer(json!(format!("Prompt with arguments: arg1='{one}', arg2='{other}'")))
        }
        "test_prompt_with_embedded_resource" => {
            let uri = input(call, "resourceUri");
            let shown = resource(uri, "text/plain", "Embedded resource content for testing.");
            let asked = text("Please process the embedded resource above.");
            answer(json!({ "messages": [message(shown), message(asked)] }))
        }
        "test_prompt_with_image" => {
            let asked = text("Please analyze the image above.");
            answer(json!({ "messages": [message(image()), message(asked)] }))
        }
        _ => return None,
    })
}
