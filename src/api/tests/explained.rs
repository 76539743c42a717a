//! Why runs went as they did, in words.

use serde_json::json;

use super::support::{TestHost, Wanted};
use crate::actors::io::RunStatus;
use crate::api::Why;
use crate::inference::Step;

/// The sentences of a run, without what changes from one machine to the next.
fn told(why: &Why) -> String {
    let mut text = String::new();
    for step in &why.steps {
        text.push_str(&format!("{}\n", step.kind));
        for words in &step.words {
            text.push_str(&format!("  {}\n", steady(words)));
        }
    }
    text
}

/// Durations and versions are replaced; everything else follows from the task.
fn steady(words: &str) -> String {
    let mut steady = Vec::new();
    let all: Vec<&str> = words.split(' ').collect();
    for (place, word) in all.iter().enumerate() {
        let unit = all.get(place + 1).map(|next| next.trim_end_matches(['.', ':', ';', ',']));
        let before = place.checked_sub(1).map(|place| all[place]);
        if matches!(unit, Some("us" | "ms" | "s")) && word.parse::<f64>().is_ok() {
            steady.push("N");
        } else if before == Some("FIB") {
            steady.push("VERSION.");
        } else {
            steady.push(word);
        }
    }
    steady.join(" ").replace("N us", "N ms")
}

async fn explained(wanted: Wanted, task: serde_json::Value) -> Why {
    let host = TestHost::start(wanted).await;
    let answer = host.post("/route", task).await;
    let run = answer.headers["x-run-id"].clone();
    let why = serde_json::from_str(&host.get(&format!("/runs/{run}/why")).await.body).unwrap();
    host.stop().await;
    why
}

// XP1.
#[tokio::test]
async fn an_answer_is_explained_from_the_request_on() {
    let task = json!({ "prompt": "What is six times seven? My card is 4111 1111 1111 1111.", "privacy": "internal" });
    let why = explained(Wanted::default(), task).await;
    insta::assert_snapshot!(told(&why));
}

#[tokio::test]
async fn a_fallback_and_its_cause_are_explained() {
    let down = crate::inference::Error::Unavailable { runtime: "near".to_owned(), reason: "it is cold".to_owned() };
    let why = explained(Wanted::steps(vec![Step::Fail(down)]), json!({ "prompt": "What is six times seven?" })).await;
    let text = told(&why);
    assert!(text.contains("near@near failed (unavailable)") && text.contains("far@far answered"), "{text}");
    assert!(text.contains("If it fails, next in order: far@far."), "{text}");
    assert!(text.contains("far@far was tried next.") && !text.contains("Nobody was left"), "{text}");
}

#[tokio::test]
async fn that_nobody_was_left_to_try_is_said() {
    let down = crate::inference::Error::Unavailable { runtime: "near".to_owned(), reason: "it is cold".to_owned() };
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted" });
    let why = explained(Wanted::steps(vec![Step::Fail(down)]), task).await;
    let text = told(&why);
    assert!(text.contains("near@near failed (unavailable)") && text.contains("Nobody was left to try."), "{text}");
    assert!(!text.contains("next"), "{text}");
}

#[tokio::test]
async fn what_a_run_that_ended_first_left_untried_is_said() {
    let down = crate::inference::Error::Unavailable { runtime: "near".to_owned(), reason: "it is cold".to_owned() };
    let host = TestHost::start(Wanted::steps(vec![Step::Fail(down)])).await;
    let answer = host.post("/route", json!({ "prompt": "What is six times seven?" })).await;
    let run = answer.headers["x-run-id"].parse().unwrap();
    let events = host.journal.read_run(run, 100).await.unwrap();
    let failed = events.iter().position(|event| event.kind == "hop.failed").unwrap();
    let story = |status| told(&crate::api::why(run, status, &events[..=failed], &crate::api::Tables::new()));
    let (stopped, running) = (story(RunStatus::Cancelled), story(RunStatus::Running));
    assert!(stopped.contains("far@far would have been tried next, but the run had ended."), "{stopped}");
    assert!(running.contains("far@far is tried next."), "{running}");
    host.stop().await;
}

#[tokio::test]
async fn a_refusal_says_which_rule_and_what_would_satisfy_it() {
    let task = json!({ "prompt": "Translate this into French: good morning", "privacy": "restricted" });
    let why = explained(Wanted::default(), task).await;
    assert_eq!(json!(why.status), "failed");
    insta::assert_snapshot!(told(&why));
}

#[tokio::test]
async fn chunks_are_told_apart() {
    let text = "One sentence of a text that is a little long. ".repeat(20);
    let task = json!({
        "prompt": "What does it say?", "privacy": "restricted", "documents": [{ "name": "a.txt", "text": text }],
    });
    let why = explained(Wanted::default(), task).await;
    let text = told(&why);
    assert!(text.contains("Chunk 1 of") && text.contains("It was cut into"), "{text}");
    assert!(text.contains("With a.txt (920 bytes)."), "{text}");
}
