//! Decisions on arguments, callers and circumstances.

use serde_json::{Value, json};

use crate::types::Timestamp;

use super::super::{Circumstances, Kind};
use super::{caller, circumstances, decide, permit, slice};

fn arguments() -> Value {
    json!({ "path": "src/lib.rs", "count": 10 })
}

fn with(name: &str, value: Value) -> Value {
    let mut arguments = arguments();
    arguments[name] = value;
    arguments
}

#[test]
fn nothing_is_allowed_by_default() {
    let decision = decide(&slice(""), &arguments());
    assert!(!decision.allowed);
    assert_eq!((decision.determining.len(), decision.faults.len()), (0, 0));
}

// L4.
#[test]
fn a_forbid_wins_over_any_number_of_permits() {
    let mut text = permit("true");
    for number in 0..20 {
        text.push_str(&permit("true").replace("\"allow\"", &format!("\"allow-{number}\"")));
    }
    let before = decide(&slice(&text), &arguments());
    assert!(before.allowed);
    let written: Vec<String> =
        std::iter::once("allow".to_owned()).chain((0..20).map(|number| format!("allow-{number}"))).collect();
    assert_eq!(before.determining.iter().map(ToString::to_string).collect::<Vec<_>>(), written, "as they were written");
    text.push_str(&permit("context.args.count > 5").replace("permit", "forbid").replace("\"allow\"", "\"few\""));
    let after = decide(&slice(&text), &arguments());
    assert!(!after.allowed);
    assert_eq!(after.determining.iter().map(|id| &**id).collect::<Vec<_>>(), ["few"]);
    assert!(decide(&slice(&text), &with("count", json!(5))).allowed);
}

#[test]
fn decisions_are_made_on_every_type_of_argument() {
    let table = [
        ("context.args.path like \"src/*\"", with("path", json!("src/a")), with("path", json!("etc/a"))),
        ("context.args.count <= 100", with("count", json!(100)), with("count", json!(101))),
        ("context.args.count <= 100", with("count", json!(100.0)), with("count", json!(1e3))),
        (
            "context.args has share && context.args.share.lessThan(decimal(\"0.5\"))",
            with("share", json!(0.4999)),
            with("share", json!(0.5)),
        ),
        ("context.args has share && context.args.share == decimal(\"1.0\")", with("share", json!(1)), arguments()),
        ("context.args has merges && context.args.merges", with("merges", json!(true)), with("merges", json!(false))),
        (
            "context.args has labels && context.args.labels.containsAll([\"a\", \"b\"])",
            with("labels", json!(["b", "a", "a"])),
            with("labels", json!(["a"])),
        ),
        ("context.args has order && context.args.order == \"date\"", with("order", json!("date")), arguments()),
        (
            "context.args has author && context.args.author.name == \"anna\"",
            with("author", json!({ "name": "anna" })),
            with("author", json!({ "name": "bob" })),
        ),
        (
            "context.args has author.email && context.args.author.email like \"*@example.com\"",
            with("author", json!({ "name": "anna", "email": "anna@example.com" })),
            with("author", json!({ "name": "anna", "email": null })),
        ),
    ];
    for (condition, good, bad) in table {
        let slice = slice(&permit(condition));
        let (allowed, refused) = (decide(&slice, &good), decide(&slice, &bad));
        assert!(allowed.allowed, "{condition}: {good} gave {allowed:?}");
        assert!(!refused.allowed && refused.faults.is_empty(), "{condition}: {bad} gave {refused:?}");
    }
}

#[test]
fn decisions_are_made_on_who_calls() {
    let table = [
        ("principal is ServiceAccount", Kind::ServiceAccount, Kind::User),
        ("principal is Agent", Kind::Agent, Kind::ServiceAccount),
        ("principal == User::\"anna\"", Kind::User, Kind::Agent),
    ];
    for (condition, good, bad) in table {
        let slice = slice(&permit(condition));
        let allowed = |kind| slice.decide(&caller(kind, &[]), &circumstances(), &arguments()).allowed;
        assert_eq!((allowed(good), allowed(bad)), (true, false), "{condition}");
    }
    for condition in ["principal in Role::\"dev\"", "principal.roles.contains(\"dev\")"] {
        let slice = slice(&permit(condition));
        let allowed = |roles: &[&str]| slice.decide(&caller(Kind::User, roles), &circumstances(), &arguments()).allowed;
        assert_eq!((allowed(&["ops", "dev"]), allowed(&["ops"])), (true, false), "{condition}");
    }
    for (tenant, allowed) in [("acme", true), ("globex", false)] {
        let slice = slice(&permit(&format!("principal in Tenant::\"{tenant}\" && principal.tenant == \"{tenant}\"")));
        assert_eq!(decide(&slice, &arguments()).allowed, allowed);
    }
}

#[test]
fn decisions_are_made_on_the_time_that_is_passed_in() {
    let slice = slice(&permit("context.now < 1764000000"));
    let at = |micros| {
        let call = Circumstances { now: Timestamp(micros), ..circumstances() };
        slice.decide(&caller(Kind::User, &[]), &call, &arguments()).allowed
    };
    assert_eq!((at(1_763_999_999_999_999), at(1_764_000_000_000_000)), (true, false));
}

#[test]
fn a_policy_that_cannot_be_evaluated_refuses_the_call_and_is_named() {
    let text = permit("true") + &permit("context.args.count * 9223372036854775807 > 0").replace("\"allow\"", "\"sum\"");
    let decision = decide(&slice(&text), &arguments());
    assert!(!decision.allowed);
    assert_eq!(decision.faults.len(), 1);
    assert_eq!(decision.faults[0].policy.as_deref(), Some("sum"));
    assert_eq!(decision.faults[0].says, "could not evaluate the policy: a sum or product is larger than 64 bits");
}

#[test]
fn an_argument_that_cannot_be_represented_refuses_the_call_if_a_policy_looks_at_it() {
    let looks = slice(&permit("context.args has share && context.args.share.lessThan(decimal(\"0.5\"))"));
    let fine = with("share", json!(0.123_456));
    let decision = decide(&looks, &fine);
    assert!(!decision.allowed);
    assert_eq!(
        decision.faults[0].says,
        "could not judge argument share: it has more than four digits after the point, or is too large"
    );
    assert!(decide(&slice(&permit("context.args.count == 10")), &fine).allowed, "nobody looks at it");
}

#[test]
fn arguments_that_do_not_fit_the_schema_are_refused_and_never_shown() {
    let slice = slice(&permit("context.args.path == \"x\" || context.args.count == 1"));
    let secret = "hunter2";
    for arguments in [
        json!({ "path": 5, "count": 1 }),
        json!({ "path": secret }),
        json!({ "count": secret, "path": "x" }),
        json!({ "path": secret, "count": null }),
        json!({ "path": "y".repeat(100_000), "count": 1 }),
        json!({ "path": secret, "count": 18_446_744_073_709_551_615_u64 }),
        json!([secret]),
        json!(secret),
        Value::Null,
    ] {
        let decision = decide(&slice, &arguments);
        assert!(!decision.allowed && decision.faults.len() == 1, "{arguments}");
        assert!(!decision.faults[0].says.contains(secret), "{}", decision.faults[0].says);
    }
}

#[test]
fn too_many_elements_are_refused() {
    let slice = slice(&permit("context.args has labels && context.args.labels.contains(\"a\")"));
    let many: Vec<String> = (0..1_001).map(|number| format!("a{number}")).collect();
    let decision = decide(&slice, &with("labels", json!(many)));
    assert_eq!(decision.faults[0].says, "could not judge argument labels: it has too many elements");
}
