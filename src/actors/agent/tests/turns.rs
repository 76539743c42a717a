//! The turn loop, pure: its limits, its memory of what was called, and what it tells the model.

use serde_json::{Value, json};

use crate::actors::agent::Error;
use crate::actors::agent::state::{Limits, Step, Turns};
use crate::inference::{Completion, Finish, Pacing, Request, Role, Usage};
use crate::types::{Class, ToolCall};

const LIMITS: Limits = Limits { turns: 8, answer_tokens: 100, tokens: 1_000, own_tokenizer: false, temperature: 0.5 };

fn turns(limits: Limits) -> Turns {
    Turns::new(limits, "Be brief.".to_owned(), "How many?".to_owned(), Vec::new())
}

fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments }
}

fn said(text: &str, calls: Vec<ToolCall>) -> Completion {
    let usage = Usage::new(20, 10);
    let (text, pacing) = (text.to_owned(), Pacing::default());
    Completion { text, tool_calls: calls, finish: Finish::Stop, usage, pacing }
}

#[track_caller]
fn request(step: Result<Step, Error>) -> Request {
    match step.unwrap() {
        Step::Ask(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_is_the_answer() {
    let mut turns = turns(LIMITS);
    let first = request(turns.begin());
    let seen: Vec<(Role, &str)> = first.messages.iter().map(|one| (one.role, one.content.as_str())).collect();
    assert_eq!(seen, [(Role::System, "Be brief."), (Role::User, "How many?")]);
    assert_eq!((first.max_tokens, first.temperature, first.seed), (100, 0.5, 1));
    assert_eq!(turns.answered(said("Three.", Vec::new())).unwrap(), Step::Finish);
    assert_eq!((turns.outcome.text.as_str(), turns.outcome.turns), ("Three.", 1));
    assert_eq!(turns.outcome.usage, Usage::new(20, 10));
}

#[test]
fn the_model_reads_what_it_called_and_what_came_of_it_in_order() {
    let mut turns = turns(LIMITS);
    turns.begin().unwrap();
    let calls = vec![call("c1", "count", json!({ "text": "a b" })), call("c2", "fly", json!({}))];
    assert_eq!(turns.answered(said("Let me see.", calls.clone())).unwrap(), Step::Call(calls.clone()));
    let results =
        vec![("c1".to_owned(), Ok(json!({ "words": 2 }))), ("c2".to_owned(), Err("there is no such tool".to_owned()))];
    let second = request(turns.called(results));
    let roles: Vec<Role> = second.messages.iter().map(|one| one.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::Tool]);
    assert_eq!((second.messages[2].content.as_str(), &second.messages[2].tool_calls), ("Let me see.", &calls));
    let told: Vec<_> = second.messages[3..].iter().map(|one| (one.tool_call_id.as_deref(), &*one.content)).collect();
    let expected = [(Some("c1"), r#"{"words":2}"#), (Some("c2"), r#"{"error":"there is no such tool"}"#)];
    assert_eq!(told, expected);
    assert_eq!(turns.outcome.tools, ["count", "fly"]);
    turns.answered(said("Two.", Vec::new())).unwrap();
    assert_eq!(turns.outcome.usage, Usage::new(40, 20));
}

#[test]
fn no_more_turns_than_allowed() {
    let mut turns = turns(Limits { turns: 2, ..LIMITS });
    turns.begin().unwrap();
    for number in 0..2 {
        turns.answered(said("", vec![call("c", "time", json!({ "n": number }))])).unwrap();
        let next = turns.called(vec![("c".to_owned(), Ok(json!(null)))]);
        assert_eq!(next.is_ok(), number == 0, "{next:?}");
        if let Err(error) = next {
            assert!(matches!(error, Error::Turns { limit: 2 }));
            assert_eq!(error.class(), Class::Exhausted);
        }
    }
    assert_eq!(turns.outcome.turns, 2);
}

// AG2.
#[test]
fn no_more_tokens_than_allowed_and_the_last_answer_gets_what_is_left() {
    let mut turns = turns(Limits { tokens: 110, ..LIMITS });
    let first = request(turns.begin());
    let read: u64 = first.messages.iter().map(|message| crate::ziggy::estimate_tokens(&message.content)).sum();
    assert_eq!(u64::from(first.max_tokens), 100.min(110 - read));
    let mut left = Vec::new();
    let error = loop {
        turns.answered(said("", vec![call("c", "time", json!({ "n": left.len() }))])).unwrap();
        match turns.called(Vec::new()) {
            Ok(Step::Ask(request)) => left.push(request.max_tokens),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    // Thirty tokens a turn, and each question is longer than the one before.
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(u64::from(left[0]) <= 110 - 30 - read && u64::from(left[1]) <= 110 - 60 - read, "{left:?}");
    assert!(matches!(error, Error::Tokens { spent: 90, limit: 110 }), "{error}");
    let nothing = Turns::new(Limits { tokens: 0, ..LIMITS }, String::new(), String::new(), Vec::new()).begin();
    assert!(matches!(nothing, Err(Error::Tokens { spent: 0, limit: 0 })));
}

#[test]
fn the_same_call_for_the_third_time_is_a_loop_whatever_its_id_and_the_order_of_its_arguments() {
    let mut turns = turns(LIMITS);
    turns.begin().unwrap();
    let texts = [r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, r#"{"a":1,"b":2}"#];
    for (number, text) in texts.into_iter().enumerate() {
        let arguments: Value = serde_json::from_str(text).unwrap();
        let asked = turns.answered(said("", vec![call(&number.to_string(), "time", arguments)]));
        match asked {
            Ok(_) => drop(turns.called(Vec::new()).unwrap()),
            Err(error) => {
                assert_eq!(number, 2);
                assert!(matches!(error, Error::Loop { repeats: 3, turns: 1, what } if what == "time"));
                return;
            }
        }
    }
    panic!("it went on");
}

#[test]
fn calls_that_differ_are_no_loop() {
    let mut turns = turns(LIMITS);
    turns.begin().unwrap();
    for number in 0..6 {
        let asked = turns.answered(said("", vec![call("c", "count", json!({ "text": number }))]));
        assert!(matches!(asked, Ok(Step::Call(_))), "{asked:?}");
        turns.called(Vec::new()).unwrap();
    }
}
