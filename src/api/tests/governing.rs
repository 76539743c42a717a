//! Alerts, silences and plans over HTTP.

use serde_json::json;

use super::support::{TestHost, Wanted};

#[tokio::test]
async fn silences_are_made_listed_and_lifted_and_wrong_ones_are_refused() {
    let host = TestHost::start(Wanted::default()).await;
    let wanted = json!({ "matcher": { "kind": "actor_*" }, "reason": "a move", "expires_in_s": 600 });
    let made = host.post("/alerts/silences", wanted).await.json();
    assert_eq!((&made["id"], &made["author"], &made["reason"]), (&json!(1), &json!("operator"), &json!("a move")));
    assert_eq!(host.get("/alerts/silences").await.json()["silences"], json!([made]));
    for wrong in [
        json!({ "matcher": {}, "reason": "r", "expires_in_s": 60 }),
        json!({ "matcher": { "kind": "" }, "reason": "r", "expires_in_s": 60 }),
        json!({ "matcher": { "kind": "x" }, "reason": " ", "expires_in_s": 60 }),
        json!({ "matcher": { "kind": "x" }, "reason": "r", "expires_in_s": 0 }),
        json!({ "matcher": { "kind": "x" }, "reason": "r", "expires_in_s": 2_592_001 }),
        json!({ "matcher": { "kind": "x".repeat(2_000) }, "reason": "r", "expires_in_s": 60 }),
    ] {
        assert_eq!(host.post("/alerts/silences", wrong.clone()).await.code(), "invalid_request", "{wrong}");
    }
    assert_eq!(host.ask("DELETE", "/alerts/silences/1", None).await.status, 204);
    for path in ["/alerts/silences/1", "/alerts/silences/one"] {
        let gone = host.ask("DELETE", path, None).await;
        assert_eq!((gone.status, gone.code().as_str()), (404, "not_found"), "{path}");
    }
    assert_eq!(host.get("/alerts/silences").await.json(), json!({ "silences": [] }));
    let none =
        host.get("/alerts?state=firing&least=critical&kind=x&subject=host&acknowledged=false&silenced=true").await;
    assert_eq!(none.json(), json!({ "alerts": [] }));
    for query in ["state=none", "least=5", "unknown=1", "acknowledged=perhaps"] {
        assert_eq!(host.get(&format!("/alerts?{query}")).await.code(), "invalid_request", "{query}");
    }
    assert_eq!(host.get("/control/standing").await.json(), json!({ "in_force": [], "on_the_way": {} }));
    host.stop().await;
}

#[tokio::test]
async fn a_plan_says_that_nothing_was_measured_and_then_what_was() {
    let host = TestHost::start(Wanted::default()).await;
    let quiet = host.get("/plan").await.json();
    assert_eq!((&quiet["measured"], &quiet["proposals"]), (&json!(false), &json!([])));
    assert!(quiet["words"][0].as_str().unwrap().starts_with("No load was measured"), "{quiet}");
    for _ in 0..3 {
        host.post("/route", json!({ "prompt": "What is six times seven?", "privacy": "restricted" })).await;
    }
    // The governor hears of it when the journal has it.
    let mut plan = host.get("/plan?window_s=60").await.json();
    while plan["carried"][0]["requests"] != 3 {
        plan = host.get("/plan?window_s=60").await.json();
    }
    let carried = &plan["carried"][0];
    assert_eq!(
        (&carried["candidate"], &carried["destinations"][0]["destination"]),
        (&json!("near@near"), &json!("general/restricted"))
    );
    assert!(plan["words"][0].as_str().unwrap().starts_with("near@near: "), "{plan}");
    assert_eq!(host.get("/plan?window_s=0").await.code(), "invalid_request");
    let page = host.get("/metrics").await.body;
    assert!(page.contains("syzygy_candidate_in_work{candidate=\"near@near\"}"), "{page}");
    assert!(page.contains("syzygy_alerts_firing{} 0.0") && page.contains("syzygy_quarantined{} 0.0"), "{page}");
    host.stop().await;
}
