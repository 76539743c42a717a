//! The tools of `tests/fixtures/mcp` that ask something before they answer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::behaviour::input;
use super::support::answer;
use crate::adapters::{Ability, Asks, Call, Caller, Question, Refusal, Reply, Said};

fn form(message: &str, properties: Value) -> Question {
    let required: Vec<&String> = properties.as_object().into_iter().flatten().map(|(key, _)| key).collect();
    let schema = json!({ "type": "object", "required": required, "properties": properties });
    Question::Form { message: message.to_owned(), schema }
}

/// A form without anything that must be filled in.
fn free(message: &str, properties: Value) -> Question {
    Question::Form { message: message.to_owned(), schema: json!({ "type": "object", "properties": properties }) }
}

fn write(prompt: &str, tokens_max: u32) -> Question {
    Question::Write { prompt: prompt.to_owned(), tokens_max }
}

fn asks(questions: &[(&str, Question)], state: Option<Value>) -> Option<Result<Reply, Refusal>> {
    let questions: BTreeMap<_, _> =
        questions.iter().map(|(key, question)| ((*key).to_owned(), question.clone())).collect();
    Some(Ok(Reply::Asks(Asks { questions, state })))
}

/// What was filled in under a key of a form.
fn filled<'c>(call: &'c Call, key: &str, field: &str) -> Option<&'c Value> {
    match call.told.answers.get(key)? {
        Said::Filled(form) => form.get(field),
        _ => None,
    }
}

fn name() -> Question {
    form("What is your name?", json!({ "name": { "type": "string" } }))
}

fn agreed() -> Question {
    form("Please confirm", json!({ "ok": { "type": "boolean" } }))
}

/// How a form came back, in words.
fn outcome(said: &Said) -> String {
    match said {
        Said::Filled(content) => format!("action=accept, content={content}"),
        Said::Declined => "action=decline".to_owned(),
        _ => "action=cancel".to_owned(),
    }
}

pub(super) fn perform(caller: &Caller, call: &Call) -> Option<Result<Reply, Refusal>> {
    let told = &call.told.answers;
    match call.name.as_str() {
        "test_sampling" | "test_missing_capability" => match told.get("write") {
            Some(Said::Written(text)) => Some(answer(json!(format!("LLM response: {text}")))),
            _ => asks(&[("write", write(input(call, "prompt"), 100))], None),
        },
        "test_elicitation" => once(call, "User response", || {
            form(
                input(call, "message"),
                json!({
                    "username": { "type": "string", "description": "User's response" },
                    "email": { "type": "string", "description": "User's email address" },
                }),
            )
        }),
        "test_streaming_elicitation" => once(call, "User response", name),
        "test_elicitation_sep1034_defaults" => once(call, "Elicitation completed", defaults),
        "test_elicitation_sep1330_enums" => once(call, "Elicitation completed", choices),
        "confirm_delete" => {
            once(call, "Deletion", || form("Really delete it?", json!({ "confirm": { "type": "boolean" } })))
        }
        "multi_input" if told.len() < 2 => asks(&[("one", name()), ("two", name())], None),
        "test_tool_with_task" => match filled(call, "user_name", "name").and_then(Value::as_str) {
            Some(name) => Some(answer(json!(format!("A task for {name}")))),
            None => asks(&[("user_name", name())], Some(json!("asked"))),
        },
        "test_input_required_result_prompt" => match filled(call, "user_context", "context") {
            Some(context) => Some(answer(json!(format!("In the context of {context}")))),
            None => {
                let question = form("What context should the prompt use?", json!({ "context": { "type": "string" } }));
                asks(&[("user_context", question)], None)
            }
        },
        _ => rounds(caller, call),
    }
}

/// A tool with one form.
fn once(call: &Call, before: &str, question: impl FnOnce() -> Question) -> Option<Result<Reply, Refusal>> {
    match call.told.answers.get("form") {
        Some(said) => Some(answer(json!(format!("{before}: {}", outcome(said))))),
        None => asks(&[("form", question())], None),
    }
}

/// Those of the suite that are called again with what was answered.
fn rounds(caller: &Caller, call: &Call) -> Option<Result<Reply, Refusal>> {
    let (told, state) = (&call.told.answers, &call.told.state);
    match call.name.strip_prefix("test_input_required_result_")? {
        "elicitation" => match filled(call, "user_name", "name").and_then(Value::as_str) {
            Some(name) => Some(answer(json!(format!("Hello, {name}!")))),
            None => asks(&[("user_name", name())], None),
        },
        "sampling" => match told.get("capital_question") {
            Some(Said::Written(text)) => Some(answer(json!(text))),
            _ => asks(&[("capital_question", write("What is the capital of France?", 100))], None),
        },
        "list_roots" => match told.get("client_roots") {
            Some(Said::Places(places)) => Some(answer(json!(format!("It works in {}", places.join(", "))))),
            _ => asks(&[("client_roots", Question::Places)], None),
        },
        "request_state" | "tampered_state" => match (state, filled(call, "confirm", "ok")) {
            (Some(_), Some(ok)) => Some(answer(json!(format!("state-ok: {ok}")))),
            _ => asks(&[("confirm", agreed())], Some(json!({ "asked": "once" }))),
        },
        "multiple_inputs" => {
            if state.is_some() && told.len() == 3 {
                return Some(answer(json!("Three answers came")));
            }
            let greeting = write("Generate a greeting", 50);
            let all = [("user_name", name()), ("greeting", greeting), ("client_roots", Question::Places)];
            asks(&all, Some(json!(3)))
        }
        "multi_round" => {
            let color = form("Step 2: What is your favorite color?", json!({ "color": { "type": "string" } }));
            match (state, filled(call, "step1", "name"), filled(call, "step2", "color")) {
                (Some(state), _, Some(color)) => Some(answer(json!(format!("{state} likes {color}")))),
                (Some(_), Some(name), None) => asks(&[("step2", color)], Some(json!({ "name": name }))),
                _ => {
                    let first = form("Step 1: What is your name?", json!({ "name": { "type": "string" } }));
                    asks(&[("step1", first)], Some(json!({ "step": 1 })))
                }
            }
        }
        "capabilities" => {
            let mut all = vec![("form", name(), Ability::Form), ("write", write("Say hello", 50), Ability::Write)];
            all.retain(|(_, _, needs)| caller.can.contains(needs));
            let can: Vec<(&str, Question)> = all.into_iter().map(|(key, question, _)| (key, question)).collect();
            asks(&can, None)
        }
        _ => None,
    }
}

fn defaults() -> Question {
    free(
        "Please provide values (all have defaults)",
        json!({
            "name": { "type": "string", "description": "User name", "default": "John Doe" },
            "age": { "type": "integer", "description": "User age", "default": 30 },
            "score": { "type": "number", "description": "User score", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "description": "Verification status", "default": true },
        }),
    )
}

fn choices() -> Question {
    let titled = |one: &str| {
        let choice =
            |number: usize, word: &str| json!({ "const": format!("value{number}"), "title": format!("{word} {one}") });
        json!([choice(1, "First"), choice(2, "Second"), choice(3, "Third")])
    };
    let plain = json!(["option1", "option2", "option3"]);
    free(
        "Test enum schema improvements",
        json!({
            "untitledSingle": { "type": "string", "enum": plain },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
        }),
    )
}
