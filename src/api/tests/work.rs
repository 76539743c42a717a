//! Tasks: answered, streamed, detached, cancelled.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::support::{TestHost, Wanted};
use crate::inference::Step;

#[tokio::test]
async fn a_task_is_answered() {
    let host = TestHost::start(Wanted::default()).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = host.headers(&[("traceparent", trace)]);
    let body = json!({ "prompt": "What is six times seven?", "privacy": "internal" }).to_string();
    let answer = host.raw("POST", "/route", &headers, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said = answer.json();
    assert_eq!(
        (&said["answer"], &said["served_by"], &said["privacy"]),
        (&json!("Forty-two."), &json!(["near@near"]), &json!("internal"))
    );
    assert_eq!(answer.headers["x-run-id"], said["run_id"].as_str().unwrap());
    assert!(answer.headers["traceparent"].starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");

    // What was just answered can be looked up at once.
    let run = said["run_id"].as_str().unwrap();
    let row = host.get(&format!("/runs/{run}")).await.json();
    assert_eq!((&row["status"], &row["principal"]), (&json!("completed"), &json!("operator")));
    assert_eq!(row["answer"]["answer"], "Forty-two.");
    host.stop().await;
}

#[tokio::test]
async fn a_stream_tells_everything_in_order_and_ends_with_the_answer() {
    let steps = vec![Step::Reading { tokens: 5, total: 9 }, Step::text("Forty"), Step::text("-two.")];
    let host = TestHost::start(Wanted::steps(steps)).await;
    let headers = host.headers(&[("accept", "text/event-stream")]);
    let task = json!({ "prompt": "What is six times seven?", "privacy": "internal" });
    let answer = host.raw("POST", "/route", &headers, task.to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/event-stream"));
    let events = answer.events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..4], ["accepted", "classified", "hop", "reading"], "{names:?}");
    assert_eq!((names[4], *names.last().unwrap()), ("text", "answer"), "{names:?}");
    let text: String =
        events.iter().filter(|(name, _)| name == "text").map(|(_, data)| data["text"].as_str().unwrap()).collect();
    assert_eq!(text, "Forty-two.");
    let last = &events.last().unwrap().1;
    assert_eq!((&last["answer"], &last["run_id"]), (&json!("Forty-two."), &events[0].1["run_id"]));
    assert_eq!(answer.headers["x-run-id"], last["run_id"].as_str().unwrap());
    host.stop().await;
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_a_problem_and_one_that_cannot_begin_has_its_status() {
    let broken = crate::inference::Error::Internal("the wires are crossed".to_owned());
    let host = TestHost::start(Wanted::steps(vec![Step::Fail(broken)])).await;
    let headers = host.headers(&[("accept", "text/event-stream")]);
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted" });
    let answer = host.raw("POST", "/route", &headers, task.to_string().as_bytes()).await;
    let events = answer.events();
    let (name, problem) = events.last().unwrap();
    assert_eq!((name.as_str(), &problem["code"]), ("error", &json!("internal")), "{events:?}");
    assert_eq!(problem["run_id"], events[0].1["run_id"]);
    assert!(!problem.to_string().contains("wires"), "what is inside stays inside: {problem}");

    let empty = json!({ "prompt": " " });
    let refused = host.raw("POST", "/route", &headers, empty.to_string().as_bytes()).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_request"));
    host.stop().await;
}

#[tokio::test]
async fn a_detached_task_goes_on_alone() {
    let host = TestHost::start(Wanted::default()).await;
    let task = json!({ "prompt": "What is six times seven?", "privacy": "internal" });
    let headers = host.headers(&[("prefer", "respond-async")]);
    let accepted = host.raw("POST", "/route", &headers, task.to_string().as_bytes()).await;
    assert_eq!((accepted.status, accepted.headers["preference-applied"].as_str()), (202, "respond-async"));
    let place = accepted.headers["location"].clone();
    assert_eq!(place, format!("/runs/{}", accepted.json()["run_id"].as_str().unwrap()));

    // The stream of a run's events ends with the run, so it is how one waits for it.
    let follow = host.headers(&[("accept", "text/event-stream")]);
    let events = host.raw("GET", &format!("{place}/events"), &follow, b"").await.events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names[0], *names.last().unwrap()), ("run.accepted", "run.completed"));
    let row = host.get(&place).await.json();
    assert_eq!((&row["status"], &row["answer"]["answer"]), (&json!("completed"), &json!("Forty-two.")));
    let stored = host.get(&format!("{place}/events?limit=2")).await.json();
    assert_eq!((stored["events"].as_array().unwrap().len(), &stored["more"]), (2, &json!(true)));

    let asked = host.post("/route", json!({ "prompt": "And seven times six?", "detach": true })).await;
    assert_eq!(asked.status, 202);
    assert_eq!(asked.headers["x-run-id"], asked.json()["run_id"].as_str().unwrap());
    host.stop().await;
}

// API4.
#[tokio::test]
async fn a_client_that_leaves_takes_its_run_with_it() {
    let host = TestHost::start(Wanted::steps(vec![Step::text("One moment"), Step::Hang])).await;
    let headers = host.headers(&[("accept", "text/event-stream")]);
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted" });
    let mut news = host.journal.subscribe();
    let stream = host.send("POST", "/route", &headers, task.to_string().as_bytes()).await;
    let mut lines = BufReader::new(stream).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("One moment") {}
    drop(lines);
    let cancelled = async {
        loop {
            if news.recv().await.unwrap().kind == "run.cancelled" {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), cancelled).await.unwrap();
    host.stop().await;
}

#[tokio::test]
async fn a_run_is_stopped_by_whoever_may() {
    let data = super::support::data_with(&[
        ("other", "syz_other", &[crate::api::Scope::Route, crate::api::Scope::Read], None),
        ("chief", "syz_chief", &[crate::api::Scope::Route, crate::api::Scope::Control], None),
    ]);
    let host = TestHost::start_in(data, Wanted::steps(vec![Step::Hang])).await.unwrap();
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted", "detach": true });
    let run = host.post("/route", task).await.json()["run_id"].as_str().unwrap().to_owned();
    let path = format!("/runs/{run}/cancel");
    let refused = host.ask_as(Some("syz_other"), "POST", &path, None).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "insufficient_scope"));
    let mut news = host.journal.subscribe();
    assert_eq!(host.ask_as(Some("syz_chief"), "POST", &path, None).await.status, 202);
    while news.recv().await.unwrap().kind != "run.cancelled" {}
    assert_eq!(host.get(&format!("/runs/{run}")).await.json()["status"], "cancelled");
    let late = host.ask("POST", &path, None).await;
    assert_eq!((late.status, late.code().as_str()), (409, "conflict"));
    host.stop().await;
}

// API6.
#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish_and_takes_no_new_ones() {
    let steps = vec![Step::text("Just"), Step::Wait(std::time::Duration::from_millis(300)), Step::text(" in time.")];
    let host = TestHost::start(Wanted::steps(steps)).await;
    let headers = host.headers(&[("accept", "text/event-stream")]);
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted" });
    let stream = host.send("POST", "/route", &headers, task.to_string().as_bytes()).await;
    let mut reader = BufReader::new(stream);
    let mut seen = String::new();
    while !seen.contains("Just") {
        assert!(reader.read_line(&mut seen).await.unwrap() > 0, "{seen}");
    }
    let rest = async {
        reader.read_to_string(&mut seen).await.unwrap();
        seen
    };
    let ((), seen) = tokio::join!(host.shutdown(), rest);
    assert!(seen.contains("event: answer") && seen.contains("Just in time."), "{seen}");
    assert!(tokio::net::TcpStream::connect(host.address).await.is_err(), "nobody listens any more");
    assert!(!host.data.path().join(crate::api::HOST_FILE).exists());
}

#[tokio::test]
async fn texts_are_classified_cut_and_put_together() {
    let host = TestHost::start(Wanted::default()).await;
    let class = host.post("/classify", json!({ "prompt": "Translate this into French: good morning" })).await;
    assert_eq!(class.json()["intent"], "translate", "{}", class.body);
    let text = "One sentence of a text that is a little long. ".repeat(40);
    let cut = host.post("/chunk", json!({ "text": text })).await.json();
    let chunks = cut["chunks"].as_array().unwrap();
    assert!(chunks.len() > 1);
    assert_eq!(chunks.last().unwrap()["end"], text.len());
    let parts = json!({ "parts": [{ "chunk": 1, "text": "Second." }, { "chunk": 0, "text": "First." }] });
    assert_eq!(host.post("/assemble", parts).await.json()["text"], "First.\n\nSecond.");
    host.stop().await;
}

#[tokio::test]
async fn a_judgement_moves_the_quality_of_who_answered() {
    let host = TestHost::start(Wanted::default()).await;
    let quality = async || host.get("/rib").await.json()["candidates"]["near@near"]["quality"].as_u64().unwrap();
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted" });
    let run = host.post("/route", task).await.json()["run_id"].clone();
    let given = host.post("/feedback", json!({ "run_id": run, "quality": 1.0, "comment": "right" })).await;
    assert_eq!((given.status, &given.json()["candidates"]), (200, &json!(["near@near"])));
    host.post("/rib/rebuild", json!({})).await;
    assert!(quality().await > 500_000);
    let events = host.get(&format!("/runs/{}/events", run.as_str().unwrap())).await;
    assert!(events.body.contains("feedback.given"), "{}", events.body);
    let wrong = host.post("/feedback", json!({ "run_id": run, "quality": 1.5 })).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (422, "invalid_request"));
    let nobody = host.post("/feedback", json!({ "run_id": "0".repeat(32), "quality": 1.0 })).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (404, "unknown_run"));
    host.stop().await;
}

#[tokio::test]
async fn runs_are_listed_newest_first_by_page_status_and_prefix() {
    let host = TestHost::start(Wanted::default()).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let task = json!({ "prompt": format!("What is {number} times seven?"), "privacy": "restricted" });
        ids.insert(0, host.post("/route", task).await.json()["run_id"].as_str().unwrap().to_owned());
    }
    let listed = async |query: &str| {
        let page = host.get(&format!("/runs?{query}")).await.json();
        let runs: Vec<String> =
            page["runs"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect();
        (runs, page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(listed("limit=2").await, (ids[..2].to_vec(), Some(ids[1].clone())));
    assert_eq!(listed(&format!("limit=2&after={}", ids[1])).await, (ids[2..4].to_vec(), Some(ids[3].clone())));
    assert_eq!(listed(&format!("limit=2&after={}", ids[3])).await, (ids[4..].to_vec(), None));
    assert_eq!(listed("status=completed").await.0, ids);
    assert_eq!(listed("status=failed").await, (Vec::new(), None));
    assert_eq!(listed(&format!("prefix={}", &ids[2][..20])).await.0, [ids[2].clone()]);
    assert_eq!(host.get("/runs?limit=0").await.code(), "invalid_request");
    assert_eq!(host.get("/runs?limits=1").await.code(), "invalid_request");
    host.stop().await;
}
