//! What is too much, too slow, or sent to the wrong place.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Answer, TestHost, Wanted, config, world};
use crate::api::Config;
use crate::api::listener::Told;
use crate::inference::Step;

fn with(change: impl FnOnce(&mut Config)) -> Wanted {
    let mut wanted = Wanted::default();
    change(&mut wanted.config);
    wanted
}

// API2.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let host = TestHost::start(Wanted::default()).await;
    let body = json!({ "prompt": "a".repeat(20_000) }).to_string();
    let announced = host.raw("POST", "/route", &host.headers(&[]), body.as_bytes()).await;
    assert_eq!((announced.status, announced.code().as_str()), (413, "too_large"));

    // One that does not say how long it is gets no further than the limit.
    let token = host.operator();
    let head = format!(
        "POST /route HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // The host may reset what it does not read to its end; the answer came before that.
    let _ = stream.read_to_end(&mut bytes).await;
    assert_eq!(Answer::parse(&bytes).code(), "too_large");

    let task = json!({ "prompt": "a", "documents": [{ "name": "d", "text": "b".repeat(9_000) }] });
    assert_eq!(host.post("/route", task).await.code(), "too_large", "the task's own limit");
    let prompt = host.post("/route", json!({ "prompt": "a".repeat(4_001) })).await;
    assert_eq!((prompt.status, prompt.code().as_str()), (413, "too_large"));
    assert!(prompt.body.contains("io.prompt_bytes_max"), "{}", prompt.body);
    host.stop().await;
}

#[tokio::test]
async fn a_client_that_sends_all_of_a_body_before_it_reads_still_hears_why_it_was_refused() {
    let host = TestHost::start(Wanted::default()).await;
    let body = vec![b' '; 9_000_000];
    let wrong = [("authorization", "Bearer wrong".to_owned()), ("content-type", "application/json".to_owned())];
    for (headers, code) in [(host.headers(&[]), "too_large"), (wrong.to_vec(), "unauthenticated")] {
        let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "POST /route HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{head}content-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(Answer::parse(&bytes).code(), code);
    }
    host.stop().await;
}

#[tokio::test]
async fn a_run_that_outlasts_the_stop_is_told_so_and_recorded_as_interrupted() {
    let mut wanted = Wanted::steps(vec![Step::text("Wait"), Step::Hang]);
    wanted.config.drain_s = 0;
    let host = TestHost::start(wanted).await;
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted" }).to_string();
    let mut answers = Vec::new();
    for accept in ["text/event-stream", "application/json"] {
        let mut news = host.journal.subscribe();
        answers.push(host.send("POST", "/route", &host.headers(&[("accept", accept)]), task.as_bytes()).await);
        while news.recv().await.unwrap().kind != "hop.admitted" {}
    }
    let runs = host.get("/runs").await.json();
    let run = |place: usize| runs["runs"][1 - place]["run_id"].as_str().unwrap().to_owned();
    let path = format!("/runs/{}/events", run(0));
    let headers = host.headers(&[("accept", "text/event-stream")]);
    let watching = host.send("GET", &path, &headers, b"").await;
    // Once it has begun to answer it is one of those who wait.
    watching.readable().await.unwrap();
    answers.push(watching);
    host.shutdown().await;
    for (place, mut stream) in answers.into_iter().enumerate() {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let answer = Answer::parse(&bytes);
        let problem = match answer.events().pop() {
            Some((name, problem)) => {
                assert_eq!(name, "error", "{answer:?}");
                problem
            }
            None => {
                assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
                answer.json()
            }
        };
        assert_eq!((&problem["code"], &problem["run_id"]), (&json!("unavailable"), &json!(run(place % 2))));
        assert!(problem["detail"].as_str().unwrap().contains("api.drain_s"), "{problem}");
    }
    let events = host.journal.read(1, 1_000).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == "run.interrupted").count(), 2);
    assert!(!events.iter().any(|event| event.kind == "run.cancelled"));
}

#[tokio::test]
async fn bodies_that_are_read_at_the_same_time_have_so_much_room_together() {
    let host = TestHost::start(with(|config| config.read_timeout_s = 30)).await;
    let head = |bytes: usize| {
        format!(
            "POST /route HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {bytes}\r\n\r\n",
            host.operator()
        )
    };
    // Each says that it brings 10,000 bytes, and then takes its time; there is room for 25,000.
    let mut slow = Vec::new();
    let (first, refused) = loop {
        let mut stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
        stream.write_all(head(10_000).as_bytes()).await.unwrap();
        let mut bytes = vec![0; 12];
        let told = tokio::time::timeout(std::time::Duration::from_secs(2), stream.read_exact(&mut bytes)).await;
        slow.push(stream);
        if told.is_ok() {
            break (slow.len(), String::from_utf8(bytes).unwrap());
        }
    };
    assert_eq!((first, refused.as_str()), (3, "HTTP/1.1 503"));
    let mut bytes = Vec::new();
    slow.pop().unwrap().read_to_end(&mut bytes).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("api.bodies_bytes_max"));
    // Those who leave give their room back.
    drop(slow);
    let body = r#"{"prompt":"Hello?"}"#;
    let asked = async {
        loop {
            let mut stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
            let text = format!("{}{body}{}", head(9_900), " ".repeat(9_900 - body.len()));
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            if Answer::parse(&bytes).status == 200 {
                break;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), asked).await.unwrap();
    host.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let host = TestHost::start(with(|config| config.read_timeout_s = 1)).await;
    let token = host.operator();
    let head = format!(
        "POST /route HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    let mut stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let answer = Answer::parse(&bytes);
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));

    // Headers that do not come end the connection without an answer.
    let mut stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(!String::from_utf8_lossy(&bytes).contains("200 OK"));
    host.stop().await;
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let host = TestHost::start(with(|config| config.headers_max = 8)).await;
    let headers: Vec<(&str, String)> =
        ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| (name, "1".to_owned())).to_vec();
    assert_eq!(host.raw("GET", "/healthz", &headers, b"").await.status, 431);
    host.stop().await;
}

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let mut wanted = Wanted::steps(vec![Step::text("Wait"), Step::Hang]);
    wanted.config.requests_max = 1;
    let host = TestHost::start(wanted).await;
    let headers = host.headers(&[("accept", "text/event-stream")]);
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted" }).to_string();
    let mut first = host.send("POST", "/route", &headers, task.as_bytes()).await;
    first.read_u8().await.unwrap();
    let second = host.get("/fib").await;
    assert_eq!((second.status, second.code().as_str()), (503, "overloaded"));
    assert_eq!(second.headers["retry-after"], "1");
    assert_eq!(host.get("/healthz").await.status, 200, "a full host lives");
    for path in ["/tree", "/runs", "/alerts", "/control/caps", "/metrics", "/hitl", "/budgets"] {
        assert_eq!(host.get(path).await.status, 200, "{path}: who steers has places of their own");
    }
    let mut news = host.journal.subscribe();
    drop(first);
    while news.recv().await.unwrap().kind != "run.cancelled" {}
    // The place is free when the connection is gone, which is a moment after the run is.
    while host.get("/fib").await.status != 200 {}
    host.stop().await;
}

#[tokio::test]
async fn who_watches_leaves_half_of_the_places_to_whoever_brings_work() {
    let mut wanted = Wanted::steps(vec![Step::text("Wait"), Step::Hang]);
    wanted.config.requests_max = 4;
    let host = TestHost::start(wanted).await;
    let headers = host.headers(&[("accept", "text/event-stream")]);
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted" }).to_string();
    let mut work = host.send("POST", "/route", &headers, task.as_bytes()).await;
    work.read_u8().await.unwrap();
    let runs: serde_json::Value = serde_json::from_str(&host.get("/runs").await.body).unwrap();
    let path = format!("/runs/{}/events", runs["runs"][0]["run_id"].as_str().unwrap());
    let mut watchers = Vec::new();
    for _ in 0..2 {
        let mut watcher = host.send("GET", &path, &headers, b"").await;
        watcher.read_u8().await.unwrap();
        watchers.push(watcher);
    }
    let third = host.get(&path).await;
    assert_eq!((third.status, third.code().as_str()), (503, "overloaded"));
    assert_eq!(host.get("/fib").await.status, 200, "there is a place for work");
    drop((watchers, work));
    host.stop().await;
}

#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let host = TestHost::start(Wanted::default()).await;
    let ask = async |name: &str| {
        let headers = [("host", name.to_owned()), ("authorization", format!("Bearer {}", host.operator()))];
        host.raw("GET", "/tree", &headers, b"").await
    };
    for name in ["evil.example", "evil.example:7171", "localhost.evil.example", "192.168.1.1", "", "[::2]:80"] {
        let answer = ask(name).await;
        assert_eq!((answer.status, answer.code().as_str()), (421, "wrong_host"), "{name}");
    }
    for name in ["localhost", "LOCALHOST:80", "127.0.0.1:7171", "[::1]:7171", "127.8.8.8"] {
        assert_eq!(ask(name).await.status, 200, "{name}");
    }
    host.stop().await;
}

#[tokio::test]
async fn an_address_that_others_reach_takes_permission() {
    let open = with(|config| config.listen = "0.0.0.0:0".parse().unwrap());
    let refused = TestHost::start_in(tempfile::tempdir().unwrap(), open).await;
    let error = refused.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("api.allow_plain = true"), "{error}");
    let allowed = with(|config| {
        config.listen = "0.0.0.0:0".parse().unwrap();
        config.allow_plain = true;
    });
    TestHost::start(allowed).await.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = TestHost::start_in(tempfile::tempdir().unwrap(), with(|config| config.listen = address)).await;
    let error = refused.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_deadline_of_the_caller_ends_the_run() {
    let host = TestHost::start(Wanted::steps(vec![Step::Hang])).await;
    let task = json!({ "prompt": "What is six times seven?", "privacy": "restricted", "timeout_s": 1 });
    let answer = host.post("/route", task).await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"), "{}", answer.body);
    let never = json!({ "prompt": "What is six times seven?", "timeout_s": 0 });
    assert_eq!(host.post("/route", never).await.code(), "invalid_request");
    host.stop().await;
}

#[test]
fn limits_that_cannot_work_are_named() {
    assert!(config().impossible().is_empty());
    let mut wrong = config();
    (wrong.requests_max, wrong.request_cost_max) = (0, -1);
    wrong.listen = "0.0.0.0:80".parse().unwrap();
    let keys: Vec<&str> = wrong.impossible().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["requests_max", "request_cost_max", "listen"]);
}

#[test]
fn connections_that_the_system_refuses_are_told_of_once_a_second() {
    let (begin, mut told) = (world().clock.now(), Told::default());
    let mut at = |ms: u64| told.again(begin + Duration::from_millis(ms));
    assert_eq!(at(0), Some(1));
    let within: Vec<_> = (1..20).map(|rest| at(rest * 50)).collect();
    assert_eq!(within, [None; 19]);
    assert_eq!((at(1_000), at(1_050), at(9_000)), (Some(20), None, Some(2)));
}
