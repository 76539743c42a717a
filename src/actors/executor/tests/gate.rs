//! The part of the gate that no author wrote: inputs made of a schema, and what a tool may do with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::*;
use super::publishing::{Stage, answers, package, stage_with};
use super::{SECOND, cx, read};
use crate::actors::tests::{soon, start, world};
use crate::lap::{Fuzz, Package, PackedFile};
use crate::sandbox::Script;
use crate::store::Disk;
use crate::tds::Format;

const FUZZ: Fuzz = Fuzz { inputs: 24, within_s: 20 };

async fn stage(script: Script, fuzz: Fuzz) -> (Stage, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (stage_with(&Disk::default(), folder.path(), script, fuzz).await, folder)
}

fn good() -> Script {
    answers(&json!({ "n": 7 }))
}

/// What a tool is told of these inputs, made of its schema.
fn inputs(stage: &Stage) -> Vec<Value> {
    stage.jail.calls().into_iter().map(|(_, read)| read["input"].clone()).collect()
}

fn is_empty(read: &Value) -> bool {
    read["input"]["text"] == json!("")
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_breaks_on_an_empty_text_is_not_published() {
    let (stage, _folder) = stage(good().when(is_empty, Script::default().exits(1)), FUZZ).await;
    let refused = stage.publish(package("1.0.0", |_| {})).await.unwrap_err().to_string();
    let told = "text.count@1.0.0: the input {\"text\":\"\"} (text: empty), which fits its schema: internal: could not believe \
                the tool: it gave no result, and ended with exit code 1";
    assert!(refused.ends_with(told), "{refused}");
    assert!(stage.library.versions("text.count").is_empty());
    let tested = soon(stage.handle.test(&stage.cx(), package("1.0.0", |_| {}))).await.unwrap_err().to_string();
    assert!(tested.contains("the input {\"text\":\"\"}"), "{tested}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_never_reaches_the_tool_and_what_fits_does() {
    let (stage, _folder) = stage(good(), FUZZ).await;
    let publication = stage.publish(package("1.0.0", |_| {})).await.unwrap();
    let given = inputs(&stage);
    let entry = &stage.library.versions("text.count")[0];
    assert!(given.len() > 8, "{given:?}");
    for input in &given {
        assert!(entry.ready.unfit(input).is_none(), "{input}");
    }
    assert!(given.contains(&json!({ "text": "" })), "{given:?}");
    assert!(given.iter().any(|input| input["text"].as_str().is_some_and(|text| text.contains('😀'))));
    // One of the calls is a contract test.
    let told = format!("; {} inputs that fit were answered or declined", given.len() - 1);
    assert!(publication.tried.ends_with(&told), "{} {told}", publication.tried);
    assert!(publication.tried.contains("inputs made of its schema that do not fit it were refused"));
    // The same tool is tried with the same.
    soon(stage.handle.test(&stage.cx(), package("1.0.0", |_| {}))).await.unwrap();
    assert_eq!(inputs(&stage)[given.len()..], given);
}

#[tokio::test(start_paused = true)]
async fn a_tool_may_decline_in_its_own_words_and_do_nothing_else_without_an_answer() {
    let says = |line: Value| Script::default().prints(line.to_string());
    let error = |class: &str| says(json!({ "type": "error", "class": class, "message": "no text" })).exits(1);
    let rows: [(Script, Option<&str>); 8] = [
        (error("invalid"), None),
        (error("not_found"), None),
        (error("internal"), Some("internal: no text")),
        (error("odd"), Some("internal: no text")),
        (answers(&json!({ "n": "seven" })), Some("its answer is not what it promises: /n: found the text \"seven\"")),
        (Script::default().prints("{\"type\":\"result\",\"val"), Some("it gave no result")),
        (answers(&json!({ "n": 7 })).exits(3), Some("it gave a result and then ended with exit code 3")),
        (Script::default().hangs(), Some("timeout: could not finish the tool: it reached its limit of wall time")),
    ];
    for (script, fault) in rows {
        let told = format!("{script:?}");
        let (stage, _folder) = stage(good().when(is_empty, script), FUZZ).await;
        let quick = package("1.0.0", |value| value["limits"] = json!({ "timeout_ms": 1_000 }));
        let came = stage.publish(quick).await.map_err(|error| error.to_string());
        match fault {
            None => assert!(came.is_ok(), "{told}: {came:?}"),
            Some(fault) => {
                let refused = came.unwrap_err();
                assert!(refused.contains(fault) && refused.contains("the input {\"text\":\"\"}"), "{told}: {refused}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_input_that_failed_is_told_as_small_as_it_could_be_made() {
    fn has_quote(read: &Value) -> bool {
        read["input"].to_string().contains("\\\"")
    }
    let (stage, _folder) = stage(good().when(has_quote, Script::default().exits(1)), FUZZ).await;
    let more = |value: &mut Value| {
        value["interface"]["input"]["properties"]["more"] = json!({ "type": "array", "items": { "type": "string" } });
    };
    let refused = stage.publish(package("1.0.0", more)).await.unwrap_err().to_string();
    let small = ["{\"more\":[\"\\\"\"],\"text\":\"\"}", "{\"text\":\"\\\"\"}"];
    let told = |small: &str| refused.contains(&format!("the input {small}, which fits its schema"));
    assert!(small.into_iter().any(told), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_or_reaches_somebody_is_not_run_with_what_nobody_chose() {
    let idempotent = |value: &mut Value| {
        (value["side_effects"], value["capabilities"]) = (json!("idempotent"), json!(["action"]));
    };
    let reaches = |value: &mut Value| value["egress"] = json!([{ "host": "docs.example.com" }]);
    let (stage, _folder) = stage(good(), FUZZ).await;
    let one = package("1.0.0", idempotent);
    let passed = soon(stage.handle.test(&stage.cx(), one)).await.unwrap();
    assert!(passed[2].contains("that fit were answered"), "{passed:?}");
    let before = inputs(&stage).len();
    // None of its own inputs is one of them, nor does its contract test run it.
    let agreed = |value: &mut Value| value["policy"] = json!({ "approval": "always" });
    type Change = fn(&mut Value);
    let rows: [(Change, &str); 2] =
        [(reaches, "its calls reach others"), (agreed, "a person has to agree to each of its calls")];
    for (change, reason) in rows {
        let changed = package("1.0.0", |value| {
            change(value);
            value["tests"]["contract"] = json!([{ "name": "none", "input": {}, "expect": { "error": "invalid" } }]);
        });
        let passed = soon(stage.handle.test(&stage.cx(), changed)).await.unwrap();
        assert!(passed[1].ends_with(&format!("it was run with none, since {reason}")), "{passed:?}");
    }
    assert_eq!(inputs(&stage).len(), before);
    let (stage, _folder) = self::stage(good(), Fuzz::default()).await;
    let passed = soon(stage.handle.test(&stage.cx(), package("1.0.0", |_| {}))).await.unwrap();
    assert_eq!(
        (passed[2].as_str(), inputs(&stage).len()),
        ("no input was made of its schema: [tools.fuzz] says so", 1)
    );
}

#[tokio::test(start_paused = true)]
async fn no_input_is_begun_when_the_time_for_them_is_over() {
    let (stage, _folder) = stage(good().waits(SECOND), Fuzz { inputs: 24, within_s: 3 }).await;
    let passed = soon(stage.handle.test(&stage.cx(), package("1.0.0", |_| {}))).await.unwrap();
    assert!(passed[2].contains("; 3 inputs that fit were answered or declined of "), "{passed:?}");
    assert!(passed[2].ends_with(", in the 3 s there are"), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_function_of_the_host_that_panics_fails_like_a_program_that_breaks() {
    let world = world();
    let says = |_, envelope: Value| async move {
        let text = envelope["input"]["text"].as_str().unwrap_or_default().to_owned();
        Ok::<_, String>(json!({ "n": text.chars().next().map(u32::from).unwrap() }))
    };
    let words = |id: &str, tests: Value| {
        json!({
            "tds": 1, "id": id, "name": "First", "version": "1.0.0",
            "description": "Says which sign a text begins with, and thinks that each has one.",
            "capabilities": ["query"], "side_effects": "none", "isolation": "native",
            "interface": {
                "input": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] },
                "output": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] },
            },
            "run": { "native": { "function": "text.first" } }, "tests": tests,
        })
    };
    let own = Tool::described(read(words("text.first", json!({}))), says);
    let (journal, library) = (super::journal(), Arc::new(Library::of(vec![own]).unwrap()));
    let folder = tempfile::tempdir().unwrap();
    let mut ports = Ports::bare(journal);
    (ports.fuzz, ports.shelf) = (FUZZ, Some(folder.path().to_owned()));
    let config = read(json!({
        "concurrency": 4, "waiting": 4, "call_within_s": 10, "result_bytes_max": 1_000, "cache_bytes_max": 0, "approval_s": 3_600, "approval_wait_s": 0,
    }));
    let (handle, child) = Handle::launch("tools", library, ports, config, &world);
    let (_root, _) = start(vec![child], &world).await;
    let tests = json!({ "contract": [{ "name": "one", "input": { "text": "a" } }] });
    let text = words("text.begin", tests).to_string();
    let package = Package { format: Format::Json, text, files: BTreeMap::<String, PackedFile>::new() };
    let refused = soon(handle.test(&cx(&world, 30 * SECOND), package)).await.unwrap_err().to_string();
    assert!(
        refused.contains("the input {\"text\":\"\"} (text: empty), which fits its schema: internal: it panicked"),
        "{refused}"
    );
}
