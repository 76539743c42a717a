//! Levers, tables, the tree, metrics and the journal.

use serde_json::{Value, json};

use super::support::{TestHost, Wanted};

#[tokio::test]
async fn weights_and_caps_are_set_and_shown() {
    let host = TestHost::start(Wanted::default()).await;
    let changed = host.post("/control/weights", json!({ "candidate": "near@near", "percent": 0 })).await.json();
    assert_eq!(
        host.get("/control/weights").await.json(),
        json!({ "governance": changed["governance"], "weights": { "near@near": 0 } })
    );
    host.post("/rib/rebuild", json!({})).await;
    let next = host.get("/fib/next?capability=general").await.json();
    assert_eq!(next["decision"]["winner"], "far@far");
    assert!(next["words"].to_string().contains("near@near: excluded, because its weight is zero"), "{next}");
    host.post("/control/weights", json!({ "candidate": "near@near", "percent": null })).await;
    assert_eq!(host.get("/control/weights").await.json()["weights"], json!({}));
    let capped = host.post("/control/caps", json!({ "candidate": "far@far", "cap": 3 })).await;
    assert_eq!(capped.status, 200);
    let caps = host.get("/control/caps").await.json();
    assert_eq!((&caps["caps"], &caps["in_flight"]["near@near"]), (&json!({ "far@far": 3 }), &json!(0)));
    let nobody = host.post("/control/caps", json!({ "candidate": "for@far", "cap": 3 })).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (404, "unknown_candidate"));
    let much = host.post("/control/weights", json!({ "candidate": "far@far", "percent": 5_000 })).await;
    assert_eq!(much.code(), "invalid_request");
    host.stop().await;
}

#[tokio::test]
async fn an_override_decides_until_it_expires() {
    let host = TestHost::start(Wanted::default()).await;
    let pin = json!({ "action": "pin", "candidate": "far@far", "reason": "a trial", "expires_in_s": 3_600 });
    assert_eq!(host.post("/overrides", pin.clone()).await.status, 200);
    let mut nonsense = pin;
    nonsense["capability"] = json!("nonsense");
    let refused = host.post("/overrides", nonsense).await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "unknown_destination"), "{}", refused.body);
    assert!(refused.body.contains("general"), "it says what is offered: {}", refused.body);
    let shown = host.get("/overrides").await.json();
    assert_eq!(
        (&shown["overrides"][0]["author"], &shown["overrides"][0]["action"]),
        (&json!("operator"), &json!("pin"))
    );
    host.post("/rib/rebuild", json!({})).await;
    let next = host.post("/fib/next", json!({ "prompt": "What is six times seven?" })).await.json();
    assert_eq!(
        (&next["decision"]["winner"], &next["classification"]["intent"]),
        (&json!("far@far"), &json!("question"))
    );
    for wrong in [
        json!({ "action": "pin", "candidate": "far@far", "reason": "", "expires_in_s": 60 }),
        json!({ "action": "pin", "candidate": "far@far", "reason": "r", "expires_in_s": 0 }),
        json!({ "action": "disable", "candidate": "far@far", "capability": "x", "reason": "r", "expires_in_s": 60 }),
        json!({ "action": "destroy", "candidate": "far@far", "reason": "r", "expires_in_s": 60 }),
    ] {
        assert_eq!(host.post("/overrides", wrong.clone()).await.code(), "invalid_request", "{wrong}");
    }
    host.stop().await;
}

#[tokio::test]
async fn alerts_are_listed_and_an_unknown_one_is_told() {
    let host = TestHost::start(Wanted::default()).await;
    assert_eq!(host.get("/alerts").await.json(), json!({ "alerts": [] }));
    for path in ["/alerts/7/acknowledge", "/alerts/seven/acknowledge"] {
        let answer = host.ask("POST", path, None).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_alert"), "{path}");
    }
    host.stop().await;
}

#[tokio::test]
async fn tables_and_tree_are_shown() {
    let host = TestHost::start(Wanted::default()).await;
    let rib = host.get("/rib").await.json();
    assert_eq!(rib["candidates"].as_object().unwrap().keys().collect::<Vec<_>>(), ["far@far", "near@near"]);
    let fib = host.get("/fib").await.json();
    assert_eq!(fib["routes"]["translate/public"]["ranked"][0]["candidate"], "far@far");
    assert_eq!(host.post("/rib/rebuild", json!({})).await.json()["fib"], fib["version"]);
    let tree = host.get("/tree").await.json();
    let root = &tree["actors"][0];
    let ids: Vec<&str> =
        root["children"].as_array().unwrap().iter().map(|node: &Value| node["id"].as_str().unwrap()).collect();
    assert_eq!((root["id"].as_str().unwrap(), ids.last()), ("host", Some(&"api")), "{ids:?}");
    let api = root["children"].as_array().unwrap().last().unwrap();
    assert_eq!(api["view"]["address"], host.address.to_string());
    assert_eq!(host.ask_as(None, "GET", "/readyz", None).await.json(), json!({ "status": "ready" }));
    assert_eq!(host.ask_as(None, "GET", "/healthz", None).await.json(), json!({ "status": "ok" }));
    host.stop().await;
}

#[tokio::test]
async fn metrics_count_runs_requests_and_what_actors_show() {
    let host = TestHost::start(Wanted::default()).await;
    for privacy in ["internal", "internal", "restricted"] {
        host.post("/route", json!({ "prompt": "What is six times seven?", "privacy": privacy })).await;
    }
    let task = json!({ "prompt": "Translate this into French: good morning", "privacy": "restricted" });
    assert_eq!(host.post("/route", task).await.status, 403);
    // The last run's events have passed the meter when a later page has them; the flush is what a list of runs waits for.
    host.get("/runs").await;
    let mut page = host.get("/metrics").await;
    while !page.body.contains("syzygy_runs_total{outcome=\"denied\"} 1") {
        page = host.get("/metrics").await;
    }
    for line in [
        "syzygy_runs_total{outcome=\"ok\"} 3",
        "syzygy_runs_active{} 0.0",
        "syzygy_http_requests_total{route=\"/route\",status=\"200\"} 3",
        "syzygy_http_requests_total{route=\"/route\",status=\"403\"} 1",
        "syzygy_admissions_total{decision=\"admitted\"} 3",
        "syzygy_runtime_requests_total{runtime=\"near\",outcome=\"ok\"} 3",
        "syzygy_runtime_tokens_total{runtime=\"near\",direction=\"output\"} 3",
        "syzygy_actor_restarts_total{actor=\"host/router\"} 0",
        "syzygy_mailbox_depth{actor=\"host/router\"} 0.0",
        "# EOF",
    ] {
        assert!(page.body.lines().any(|known| known == line), "{line}\nis not in\n{}", page.body);
    }
    assert!(page.headers["content-type"].starts_with("application/openmetrics-text"));
    host.stop().await;
}

#[tokio::test]
async fn the_journal_is_verified_and_exported() {
    let host = TestHost::start(Wanted::default()).await;
    host.post("/route", json!({ "prompt": "What is six times seven?", "privacy": "internal" })).await;
    let found = host.get("/audit/verify").await.json();
    assert_eq!(found["first_bad"], Value::Null);
    let export = host.get("/audit/export").await;
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let checked = crate::rat::check_export(export.body.as_bytes()).unwrap();
    // The router writes its tables when it has learned, so there may be more events by now, but never fewer.
    let known = found["verified"].as_u64().unwrap();
    assert!(checked.first_bad.is_none() && known >= 7 && checked.verified >= known, "{checked:?}");
    let part = host.get("/audit/export?from=3").await;
    let part = crate::rat::check_export(part.body.as_bytes()).unwrap();
    assert!(part.first_bad.is_none() && part.verified >= checked.verified - 2, "{part:?}");
    host.stop().await;
}

#[tokio::test]
async fn a_candidate_is_announced_served_shown_and_withdrawn() {
    let host = TestHost::start(Wanted::default()).await;
    let path = "/rib/candidates/near@far";
    let put = async |path: &str, body: Value| host.ask("PUT", path, Some(&body)).await;
    let said = json!({ "reason": "a trial", "expires_in_s": 600, "weight": 120, "qualities": { "general": 0.75 } });
    let made = put(path, said.clone()).await;
    assert_eq!(made.status, 200, "{}", made.body);
    host.post("/rib/rebuild", json!({})).await;
    let found = host.get("/rib").await.json()["candidates"]["near@far"].clone();
    assert_eq!(
        (&found["origin"], &found["weight"], &found["agent"]),
        (&json!("operator"), &json!(120), &json!("near"))
    );
    assert_eq!(found["tier"], host.get("/rib").await.json()["candidates"]["far@far"]["tier"]);
    let shown = host.get("/overrides").await.json()["announced"]["near@far"].clone();
    assert_eq!((&shown["author"], &shown["reason"]), (&json!("operator"), &json!("a trial")));
    assert!(host.get("/fib").await.body.contains("near@far"));
    let with = |key: &str, value: Value| {
        let mut said = said.clone();
        said[key] = value;
        said
    };
    for (path, body, status, words) in [
        ("/rib/candidates/near@near", said.clone(), 409, "stands in the configuration"),
        ("/rib/candidates/near@moon", said.clone(), 404, "no runtime \\\"moon\\\""),
        ("/rib/candidates/nobody@far", said.clone(), 404, "no agent \\\"nobody\\\""),
        ("/rib/candidates/far", said.clone(), 404, "AGENT@RUNTIME"),
        (path, with("expires_in_s", json!(0)), 422, "expires_in_s is from 1"),
        (path, with("expires_in_s", json!(2_592_001)), 422, "expires_in_s is from 1"),
        (path, with("reason", json!(" ")), 422, "needs a reason"),
        (path, with("reason", json!("x".repeat(2_000))), 422, "at most 1024 bytes"),
        (path, with("weight", json!(1_001)), 422, "at most 1000 percent"),
        (path, with("quality", json!(1.5)), 422, "from 0 to 1"),
        (path, with("qualities", json!({ "juggle": 0.5 })), 422, "does not offer"),
        (path, json!({ "reason": "for ever" }), 422, "expires_in_s"),
    ] {
        let answer = put(path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(words), "{path}: {}", answer.body);
    }
    assert_eq!(host.ask("DELETE", path, None).await.status, 204);
    host.post("/rib/rebuild", json!({})).await;
    assert!(!host.get("/fib").await.body.contains("near@far"));
    for path in [path, "/rib/candidates/near@near"] {
        let again = host.ask("DELETE", path, None).await;
        assert_eq!((again.status, again.code().as_str()), (404, "unknown_candidate"), "{path}");
    }
    host.stop().await;
}
