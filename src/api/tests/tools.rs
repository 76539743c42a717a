//! Tools over HTTP: which are shown to whom, and which are found.

use serde_json::json;

use super::support::{TestHost, Wanted};

#[tokio::test]
async fn a_tool_is_shown_only_to_who_may_call_it() {
    let host = TestHost::start(Wanted::default()).await;
    let shown = host.get("/tools/sum").await;
    assert_eq!((shown.status, &shown.json()["tool"]["id"]), (200, &json!("sum")));
    let list = host.get("/tools").await.json();
    let ids: Vec<&str> = list["tools"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["count", "sum", "time"]);
    assert!(list.get("by").is_none(), "{list}");
    for path in ["/tools/locked.away", "/tools/locked.away?version=%5E9"] {
        let hidden = host.get(path).await;
        assert_eq!((hidden.status, hidden.code().as_str()), (404, "not_found"), "{path}");
        assert!(hidden.body.contains("there are count, sum, time"), "{}", hidden.body);
    }
    let near = host.get("/tools/locked.awa").await;
    assert!(!near.body.contains("locked.away"), "{}", near.body);
    host.stop().await;
}

#[tokio::test]
async fn tools_are_found_by_what_they_are_to_do_the_best_first() {
    let host = TestHost::start(Wanted::default()).await;
    let found = async |query: &str| {
        let answer = host.get(&format!("/tools?{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = answer.json();
        assert_eq!(body["by"], "lexical-512");
        let rows = body["tools"].as_array().unwrap().clone();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("like=add%20numbers%20up%20to%20a%20sum").await[0], "sum");
    assert_eq!(found("like=what%20time%20is%20it&q=time").await, ["time"]);
    let long = host.get(&format!("/tools?like={}", "a".repeat(2_001))).await;
    assert_eq!(long.status, 422, "{}", long.body);
    host.stop().await;
}
