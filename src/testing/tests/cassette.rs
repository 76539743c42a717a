//! Cassettes: what was recorded is replayed, and a miss says where it differs.

use tokio::sync::mpsc;

use crate::inference::{Completion, Delta, Error, Message, Pacing, Request, Role, Runtime, Scripted, Step, Usage};
use crate::testing::{Cassette, Simulation};
use crate::types::{Classified, Cx, ToolCall};

fn request(prompt: &str) -> Request {
    let messages = vec![Message::new(Role::System, "Be brief."), Message::new(Role::User, prompt)];
    Request { messages, tools: Vec::new(), max_tokens: 64, temperature: 0.0, seed: 1 }
}

async fn ask(cx: &Cx, runtime: &dyn Runtime, request: Request) -> (Result<Completion, Error>, Vec<Delta>) {
    let (sender, mut receiver) = mpsc::channel(16);
    let cleared = Classified::under(cx, request).clear(&runtime.capabilities().place()).unwrap();
    let result = runtime.generate(cx, cleared, sender).await;
    let mut news = Vec::new();
    while let Some(delta) = receiver.recv().await {
        news.push(delta);
    }
    (result, news)
}

/// Runs something in virtual time, with a context.
fn simulated(work: impl AsyncFnOnce(Cx, crate::types::World)) {
    let simulation = Simulation::new(1).unwrap().without_bundled_agents();
    let scenario = async |host: crate::testing::Simulated| {
        let world = host.world().clone();
        host.with(async |_, cx| work(cx, world).await).await
    };
    simulation.run(scenario).unwrap();
}

#[test]
fn what_was_recorded_is_replayed_at_its_pace_and_with_its_failures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greeting.jsonl");
    simulated(async |cx, world| {
        let pause = Step::Wait(std::time::Duration::from_millis(300));
        let fails = Step::Fail(Error::Unavailable { runtime: "model".to_owned(), reason: "it is gone".to_owned() });
        let lines = [vec![Step::text("Good "), pause, Step::text("day.")], vec![Step::text("Again?")], vec![fails]];
        let recorder = Cassette::record(&path, Scripted::list("model", lines), &world).unwrap();
        let mut recorded = Vec::new();
        for prompt in ["Hello.", "Hello.", "Bye."] {
            recorded.push(ask(&cx, &recorder, request(prompt)).await);
        }
        let player = Cassette::replay(&path).unwrap();
        assert_eq!(player.capabilities(), recorder.capabilities());
        let began = world.clock.now();
        for (prompt, (result, news)) in ["Hello.", "Hello."].into_iter().zip(&recorded) {
            let (replayed, heard) = ask(&cx, &player, request(prompt)).await;
            assert_eq!(replayed.unwrap(), *result.as_ref().unwrap());
            assert_eq!(heard, *news);
        }
        assert_eq!((world.clock.now() - began).as_millis(), 300);
        // Asked a third time, the last answer comes again.
        assert_eq!(ask(&cx, &player, request("Hello.")).await.0.unwrap().text, "Again?");
        let failed = ask(&cx, &player, request("Bye.")).await.0.unwrap_err().to_string();
        assert!(failed.contains("it is gone"), "{failed}");
    });
}

#[test]
fn a_failure_is_replayed_as_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("failures.jsonl");
    let runtime = || "model".to_owned();
    let usage = Usage::new(7, 3);
    let errors = [
        Error::RateLimited {
            runtime: runtime(),
            retry_after: Some(std::time::Duration::from_secs(30)),
            pacing: Pacing::default(),
        },
        Error::TooLong { prompt: 9, limit: 8 },
        Error::Refused { runtime: runtime(), status: 401, message: "no".to_owned() },
        Error::Prompt { model: "m".to_owned(), reason: "no".to_owned() },
        Error::Cut { runtime: runtime(), reason: "no".to_owned(), usage },
        Error::Protocol { runtime: runtime(), reason: "no".to_owned() },
        Error::Busy { runtime: runtime(), waiting: 4 },
        Error::Internal("no".to_owned()),
        Error::Unavailable { runtime: runtime(), reason: "no".to_owned() },
    ];
    simulated(async |cx, world| {
        let lines = errors.iter().map(|error| vec![Step::Fail(error.clone())]);
        let recorder = Cassette::record(&path, Scripted::list("model", lines), &world).unwrap();
        for error in &errors {
            assert_eq!(ask(&cx, &recorder, request("Hello.")).await.0.unwrap_err().to_string(), error.to_string());
        }
        let player = Cassette::replay(&path).unwrap();
        for error in &errors {
            let replayed = ask(&cx, &player, request("Hello.")).await.0.unwrap_err();
            assert_eq!(format!("{replayed:?}"), format!("{error:?}"));
        }
    });
}

#[test]
fn the_first_difference_of_a_long_conversation_is_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.jsonl");
    let long = |second: &str, tenth: &str| {
        let mut request = request("Hello.");
        for number in 2..12 {
            let said = if number == 2 {
                second
            } else if number == 10 {
                tenth
            } else {
                "Yes."
            };
            request.messages.push(Message::new(Role::User, said));
        }
        request
    };
    simulated(async |cx, world| {
        let recorder = Cassette::record(&path, Scripted::saying("model", "Yes."), &world).unwrap();
        ask(&cx, &recorder, long("One.", "Two.")).await.0.unwrap();
        let player = Cassette::replay(&path).unwrap();
        let missed = ask(&cx, &player, long("Three.", "Four.")).await.0.unwrap_err().to_string();
        assert!(missed.contains("differs first in messages[2].content, character 0"), "{missed}");
    });
}

#[test]
fn a_miss_shows_the_nearest_recording_and_the_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("misses.jsonl");
    simulated(async |cx, world| {
        let recorder = Cassette::record(&path, Scripted::saying("model", "Yes."), &world).unwrap();
        for prompt in ["What is the capital of France?", "How far is the moon?"] {
            ask(&cx, &recorder, request(prompt)).await.0.unwrap();
        }
        let player = Cassette::replay(&path).unwrap();
        let missed = ask(&cx, &player, request("How far is the sun?")).await.0.unwrap_err().to_string();
        insta::assert_snapshot!(missed.replace(&path.display().to_string(), "misses.jsonl"));
    });
}

#[test]
fn the_id_of_a_tool_call_is_not_part_of_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.jsonl");
    let after_tool = |id: &str| {
        let mut request = request("What time is it?");
        let call = ToolCall { id: id.to_owned(), name: "time".to_owned(), arguments: serde_json::json!({}) };
        request.messages.push(Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") });
        request.messages.push(Message { tool_call_id: Some(id.to_owned()), ..Message::new(Role::Tool, "noon") });
        request
    };
    simulated(async |cx, world| {
        let recorder = Cassette::record(&path, Scripted::saying("model", "Noon."), &world).unwrap();
        ask(&cx, &recorder, after_tool("call_83af")).await.0.unwrap();
        let player = Cassette::replay(&path).unwrap();
        assert_eq!(ask(&cx, &player, after_tool("call_0c1d")).await.0.unwrap().text, "Noon.");
    });
}

#[test]
fn a_cassette_that_was_changed_by_hand_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.jsonl");
    simulated(async |cx, world| {
        let recorder = Cassette::record(&path, Scripted::saying("model", "Yes."), &world).unwrap();
        ask(&cx, &recorder, request("Is it so?")).await.0.unwrap();
    });
    let changed = std::fs::read_to_string(&path).unwrap().replace("Is it so?", "Is it not so?");
    std::fs::write(&path, changed).unwrap();
    let error = Cassette::replay(&path).err().unwrap().to_string();
    assert!(error.contains("line 2") && error.contains("changed by hand"), "{error}");
}
