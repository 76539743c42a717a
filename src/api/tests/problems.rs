//! What a client is told when something does not fit.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::support::{TestHost, Wanted};
use crate::api::Code;
use crate::api::problem::Problem;
use crate::types::Class;

#[tokio::test]
async fn bad_json_is_refused_with_its_place_and_what_is_expected() {
    let host = TestHost::start(Wanted::default()).await;
    let cases = [
        ("{\n  \"prompt\": \"a\",\n  oops\n}", 400, "malformed_json", "key must be a string at line 3 column 3"),
        ("{\"prompt\": \"a\"", 400, "malformed_json", "EOF while parsing an object at line 1 column 14"),
        ("{\"prompt\": 7}", 422, "invalid_request", "invalid type: integer `7`, expected a string at line 1 column 12"),
        ("{}", 422, "invalid_request", "missing field `prompt` at line 1 column 2"),
        (
            "{\"prompt\": \"a\", \"privacy\": \"secret\"}",
            422,
            "invalid_request",
            "expected one of `public`, `internal`",
        ),
        (
            "{\"prompt\": \"a\", \"promt\": \"b\"}",
            422,
            "invalid_request",
            "unknown field `promt`, expected one of `prompt`",
        ),
        ("", 400, "malformed_json", "EOF while parsing a value at line 1 column 0"),
    ];
    for (body, status, code, detail) in cases {
        let answer = host.raw("POST", "/route", &host.headers(&[]), body.as_bytes()).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{body}: {}", answer.body);
    }
    let headers = [("authorization", format!("Bearer {}", host.operator()))];
    let untyped = host.raw("POST", "/route", &headers, b"{}").await;
    assert_eq!((untyped.status, untyped.code().as_str()), (415, "wrong_media_type"));
    host.stop().await;
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_problems_too() {
    let host = TestHost::start(Wanted::default()).await;
    let nowhere = host.get("/nowhere").await;
    assert_eq!((nowhere.status, nowhere.code().as_str()), (404, "unknown_path"));
    let wrong = host.get("/route").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(wrong.headers["allow"], "POST");
    let both = host.ask("DELETE", "/control/weights", None).await;
    assert_eq!(both.code(), "method_not_allowed");
    for path in ["/runs/xyz", &format!("/runs/{}", "0".repeat(32)), &format!("/runs/{}/why", "0".repeat(32))] {
        let answer = host.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_run"), "{path}");
    }
    host.stop().await;
}

// API3.
#[tokio::test]
async fn whatever_a_route_refuses_is_a_problem() {
    let host = TestHost::start(Wanted::default()).await;
    let mut looked = 0;
    for route in crate::api::routes::table() {
        let path = |part: &str| {
            let parts = route.path.split('/');
            parts.map(|own| if own.starts_with('{') { part } else { own }).collect::<Vec<_>>().join("/")
        };
        if route.path.contains('{') {
            let answer = host.raw(route.method, &path("%ff%fe"), &host.headers(&[]), b"{}").await;
            assert_eq!((answer.status, answer.code().as_str()), (422, "invalid_request"), "{}", route.path);
            assert!(answer.json()["detail"].as_str().unwrap().contains("UTF-8"), "{}", answer.body);
            looked += 1;
        }
        for query in ["?limit=%zz&nonsense", "?limit=-1", "?limit=1&limit=2", "?%ff=%ff"] {
            let answer = host.raw(route.method, &format!("{}{query}", path("x")), &host.headers(&[]), b"{").await;
            assert!(answer.status < 400 || !answer.code().is_empty(), "{} {query}: {answer:?}", route.path);
        }
        let untyped = [("authorization", format!("Bearer {}", host.operator())), ("content-type", "a/b".to_owned())];
        let answer = host.raw(route.method, &path("x"), &untyped, b"{}").await;
        assert!(answer.status < 400 || !answer.code().is_empty(), "{}: {answer:?}", route.path);
        if route.scope.is_some() {
            assert_eq!(host.ask_as(None, route.method, &path("%ff"), None).await.code(), "unauthenticated");
        }
        assert_eq!(host.ask("PATCH", &path("x"), None).await.code(), "method_not_allowed", "{}", route.path);
    }
    assert!(looked >= 5, "{looked}");
    host.stop().await;
}

#[tokio::test]
async fn a_task_nobody_may_see_says_what_would_help() {
    let host = TestHost::start(Wanted::default()).await;
    let task = json!({ "prompt": "Translate this into French: good morning", "privacy": "restricted" });
    let answer = host.post("/route", task).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "privacy_forbids"), "{}", answer.body);
    let problem = answer.json();
    assert!(problem["detail"].as_str().unwrap().contains("it runs at the local tier or closer"), "{}", answer.body);
    let run = problem["run_id"].as_str().unwrap();
    assert_eq!(answer.headers["x-run-id"], run);
    assert_eq!(host.get(&format!("/runs/{run}")).await.json()["status"], "failed");
    host.stop().await;
}

#[test]
fn every_code_has_a_paragraph_and_every_paragraph_a_code() {
    let text = include_str!("../../../docs/errors.md");
    let explained: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let sorted = |mut words: Vec<&'static str>| {
        words.sort_unstable();
        words
    };
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(sorted(explained), sorted(codes.clone()));
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    for code in Code::ALL {
        let section = text.split(&format!("### `{}`", code.word())).nth(1).unwrap();
        let said = format!("Status {}, class `{}`.", code.status(), code.class().word());
        assert!(section.trim_start().starts_with(&said), "{}: {said}", code.word());
        assert_eq!(json!(code), json!(code.word()));
        let home = text.split("\n## ").find(|part| part.contains(&format!("### `{}`", code.word()))).unwrap();
        assert!(home.starts_with(code.class().word()), "{} stands under its class", code.word());
    }
    for class in Class::ALL {
        assert_eq!(Code::of(class).class(), class);
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_a_problem_and_harms_nobody_else() {
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use hyper::service::Service;

    let panics = axum::Router::new().route("/panics", axum::routing::get(async || -> &'static str { panic!("ouch") }));
    let data = tempfile::tempdir().unwrap();
    let app = super::support::app(data.path());
    app.load_tokens().unwrap();
    let router = crate::api::routes::gated(&Arc::clone(&app), panics);
    let service = hyper_util::service::TowerToHyperService::new(router);
    let token = std::fs::read_to_string(data.path().join(crate::api::OPERATOR_FILE)).unwrap();
    for (path, status) in [("/panics", 500), ("/tree", 200)] {
        let request = Request::get(path).header("host", "localhost");
        let request = request.header("authorization", format!("Bearer {}", token.trim()));
        let response = service.call(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let body = to_bytes(response.into_body(), 100_000).await.unwrap();
        if status == 500 {
            let problem: Problem = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem.code, Code::Internal);
            assert!(!problem.detail.contains("ouch"));
        }
    }
}
