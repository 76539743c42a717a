//! What an operator may write, and what is found wrong with the rest.

use super::{config, limit};
use crate::ziggy::budget::{Limit, Window};

#[track_caller]
fn wrong(limits: Vec<Limit>) -> Vec<String> {
    config(limits).impossible().into_iter().map(|(key, expected)| format!("{key}: {expected}")).collect()
}

#[test]
fn rows_that_work_are_taken() {
    let rows = vec![
        Limit { money: Some(1), ..limit("tenant:*", Window::Day) },
        Limit { money: Some(30), tokens: Some(5), requests: Some(9), ..limit("tenant:*", Window::Month) },
        Limit { tokens: Some(5), ..limit("tenant:acme", Window::Day) },
        Limit { money: Some(5), ..limit("destination:summarise/internal", Window::Total) },
        Limit { tokens: Some(5), ..limit("model:a:b", Window::Request) },
    ];
    assert_eq!(wrong(rows), Vec::<String>::new());
}

#[test]
fn everything_that_is_wrong_with_the_rows_is_said_at_once() {
    let found = wrong(vec![
        Limit { money: Some(0), ..limit("tenant:a", Window::Day) },
        Limit { money: Some(-5), tokens: Some(u64::MAX), ..limit("tenant:b", Window::Day) },
        limit("tenant:c", Window::Day),
        Limit { tokens: Some(1), ..limit("team:d", Window::Day) },
        Limit { tokens: Some(1), ..limit("tenant:", Window::Day) },
        Limit { requests: Some(1), ..limit("tenant:e", Window::Request) },
        Limit { tokens: Some(1), ..limit("tenant:f", Window::Day) },
        Limit { money: Some(1), ..limit("tenant:f", Window::Day) },
        Limit { tokens: Some(9), ..limit("tenant:f", Window::Minute) },
    ]);
    let expected = [
        "limits.0.money: from 1",
        "limits.1.money: from 1",
        "limits.1.tokens: from 1",
        "limits.2: at least one of money, tokens and requests",
        "limits.3.scope: a scope such as `tenant:acme`",
        "limits.4.scope: a scope such as",
        "limits.5.requests: no such key, since a request is always one",
        "limits.7.scope: one row for each scope and window; budgets.limits.6 is of the same",
        "limits.8.tokens: not more tokens in a minute (9) than in a day (1)",
    ];
    for line in expected {
        assert!(found.iter().any(|text| text.contains(line)), "{line} is not among {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn thresholds_that_can_never_be_told_apart_are_refused() {
    let mut odd = config([]);
    (odd.accounts_most, odd.burn.slow, odd.burn.fast) = (0, 20_000, 14_400);
    let keys: Vec<String> = odd.impossible().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["accounts_most", "burn.fast"]);
}
