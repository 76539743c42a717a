//! Budgets at the edge: how they stand, what a refusal is as HTTP, and what metrics say.

use serde_json::json;

use super::support::{TestHost, Wanted};
use crate::ziggy::budget::{Limit, Window};

fn requests(scope: &str, window: Window, most: u64) -> Limit {
    Limit { scope: scope.to_owned(), window, money: None, tokens: None, requests: Some(most) }
}

fn limited(budgets: Vec<Limit>) -> Wanted {
    Wanted { budgets, ..Wanted::default() }
}

#[tokio::test]
async fn budgets_are_shown_as_they_stand() {
    let money = Limit { money: Some(5_000_000), requests: Some(9), ..requests("tenant:*", Window::Month, 9) };
    let host = TestHost::start(limited(vec![money, requests("agent:near", Window::Day, 3)])).await;
    assert_eq!(host.post("/route", json!({ "prompt": "What is six times seven?" })).await.status, 200);
    let all = host.get("/budgets").await.json();
    let rows: Vec<(String, String, String, u64, u64)> = all["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let word = |key: &str| row[key].as_str().unwrap().to_owned();
            let number = |key: &str| row[key].as_u64().unwrap();
            (word("scope"), word("window"), word("unit"), number("spent"), number("left"))
        })
        .collect();
    let row = |scope: &str, window: &str, unit: &str, spent, left| {
        (scope.to_owned(), window.to_owned(), unit.to_owned(), spent, left)
    };
    let expected = [
        row("agent:near", "day", "requests", 1, 2),
        row("tenant:operator", "month", "money", 0, 5_000_000),
        row("tenant:operator", "month", "requests", 1, 8),
    ];
    assert_eq!(rows, expected);
    assert_eq!(host.get("/budgets?scope=tenant:").await.json()["budgets"].as_array().unwrap().len(), 2);
    assert_eq!(host.get("/budgets?who=me").await.code(), "invalid_request");
    let page = host.get("/metrics").await.body;
    for line in [
        "syzygy_budget_limit{scope=\"tenant:operator\",window=\"month\",unit=\"money\"} 5.0",
        "syzygy_budget_spent{scope=\"agent:near\",window=\"day\",unit=\"requests\"} 1.0",
        "syzygy_budget_burn_rate{scope=\"agent:near\",window=\"day\",unit=\"requests\",over=\"fast_long\"}",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_budget_that_ends_asks_to_come_back_and_one_that_does_not_asks_for_payment() {
    let rows = [(Window::Minute, 429, "budget_exhausted"), (Window::Total, 402, "budget_spent")];
    for (window, status, code) in rows {
        let host = TestHost::start(limited(vec![requests("principal:operator", window, 1)])).await;
        let ask = || host.post("/route", json!({ "prompt": "What is six times seven?" }));
        assert_eq!(ask().await.status, 200);
        let refused = ask().await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("principal:operator has 0 requests left of 1 request"), "{detail}");
        let after = refused.headers.get("retry-after").map(|after| after.parse::<u64>().unwrap());
        assert_eq!(after.is_some(), status == 429);
        assert!(after.is_none_or(|after| (1..=61).contains(&after)), "{after:?}");
        host.stop().await;
    }
}
