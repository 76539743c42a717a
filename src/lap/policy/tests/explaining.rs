//! What an explanation says.

use serde_json::json;

use super::super::{Book, Circumstances, Explanation, Kind, Remedy, Slice};
use super::{caller, circumstances, permit, slice, sources, tool, words};
use crate::tds::tool::SideEffects;

fn explain(slice: &Slice, call: &Circumstances, arguments: serde_json::Value) -> Explanation {
    let agent = caller(Kind::Agent, &["dev"]);
    let decision = slice.decide(&agent, call, &arguments);
    slice.explain(&decision, &agent, call, &arguments)
}

#[test]
fn what_allowed_a_call_is_named_with_its_clauses() {
    let text = permit("context.args.count < 5 && context.args.path like \"src/*\"");
    let found = explain(&slice(&text), &circumstances(), json!({ "path": "src/a", "count": 1 }));
    assert!(found.allowed && found.unmet.is_empty() && found.remedies.is_empty());
    let said = &found.determining[0];
    assert_eq!((said.policy.as_str(), said.because.as_str(), said.at.as_str()), ("allow", "a test", "test.cedar:1:1"));
    assert_eq!(
        said.clauses,
        ["resource == Tool::\"git.log\"", "context.args.count < 5", "context.args.path like \"src/*\""]
    );
}

#[test]
fn a_permit_that_did_not_apply_is_named_with_the_clause_at_which_it_failed() {
    let text = "@id(\"a\") @because(\"b\") @remedy(\"ask ops\")
        permit (principal in Role::\"dev\", action == Action::\"invoke\", resource == Tool::\"git.log\")
        when { context.args has labels && context.args.labels.contains(\"x\") && context.args.count < 5 }
        unless { context.args.path like \"*.key\" || context.approved };";
    let failed = |arguments| {
        let found = explain(&slice(text), &circumstances(), arguments);
        assert!(!found.allowed && found.determining.is_empty() && found.faults.is_empty());
        assert_eq!(found.unmet[0].remedy.as_deref(), Some("ask ops"));
        found.unmet[0].clauses.join(" | ")
    };
    assert_eq!(failed(json!({ "path": "a", "count": 9 })), "context.args has labels");
    assert_eq!(failed(json!({ "path": "a", "count": 9, "labels": [] })), "context.args.labels.contains(\"x\")");
    assert_eq!(failed(json!({ "path": "a", "count": 9, "labels": ["x"] })), "context.args.count < 5");
    assert_eq!(
        failed(json!({ "path": "a.key", "count": 1, "labels": ["x"] })),
        "not: context.args.path like \"*.key\""
    );
    let other = text.replace("Role::\"dev\"", "Role::\"ops\"");
    let found = explain(&slice(&other), &circumstances(), json!({ "path": "a", "count": 1, "labels": ["x"] }));
    assert!(found.unmet[0].clauses[0].starts_with("principal in Role::\"ops\""), "{found}");
}

#[test]
fn a_forbid_that_applied_is_named_and_other_arguments_are_offered_if_they_would_do() {
    let text = permit("true")
        + &permit("context.args.path like \"etc/*\"").replace("permit", "forbid").replace("\"allow\"", "\"secrets\"");
    let found = explain(&slice(&text), &circumstances(), json!({ "path": "etc/shadow", "count": 1 }));
    assert_eq!(found.determining[0].policy, "secrets");
    let clause = "not all of context.args.path like \"etc/*\" [secrets]".to_owned();
    assert_eq!(found.remedies, [Remedy::Arguments(vec![clause])]);
    let never = text.replace("etc/*", "*");
    let found = explain(&slice(&never), &circumstances(), json!({ "path": "etc/shadow", "count": 1 }));
    assert_eq!(found.remedies, []);
}

#[test]
fn scopes_and_agreements_are_offered_if_they_would_do() {
    let mut push = tool("git.push", json!({ "type": "object" }));
    push.scopes = words(&["git:read", "git:write"]);
    push.side_effects = SideEffects::NonIdempotent;
    let slice = Book::read(&super::builtins::strict()).unwrap().slice(&push).unwrap();
    let held = |scopes: &[&str], approved| Circumstances { scopes: words(scopes), approved, ..circumstances() };
    let remedies = |scopes: &[&str], approved| explain(&slice, &held(scopes, approved), json!({})).remedies;
    let lacking = vec!["git:write".to_owned()];
    assert_eq!(remedies(&["git:read", "git:write"], true), []);
    assert_eq!(remedies(&["git:read", "git:write"], false), [Remedy::Approval]);
    assert_eq!(remedies(&["git:read"], true), [Remedy::Scopes(lacking.clone())]);
    assert_eq!(remedies(&["git:read"], false), [Remedy::ScopesAndApproval(lacking)]);
}

#[test]
fn what_nothing_would_help_is_offered_nothing() {
    let text = permit("principal is ServiceAccount && context.args.count > 3");
    let found = explain(&slice(&text), &circumstances(), json!({ "path": "a", "count": 1 }));
    assert_eq!(found.remedies, []);
    assert_eq!(found.unmet[0].clauses, ["principal is ServiceAccount"]);
}

// L3.
#[test]
fn an_explanation_is_read_by_people_and_by_programs() {
    let text = permit("context.args.path like \"src/*\"");
    let found = explain(&slice(&text), &circumstances(), json!({ "path": "hunter2", "count": 1 }));
    let expected = "calling git.log is refused: no policy allows it
  not met: allow (test.cedar:1:1): a test
    context.args.path like \"src/*\"
  would be allowed with other arguments: context.args.path like \"src/*\" [allow]";
    assert_eq!(found.to_string(), expected);
    let text = serde_json::to_string(&found).unwrap();
    assert!(!text.contains("hunter2"));
    assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), found);
}

#[test]
fn a_fault_is_said_and_the_permits_that_applied_are_not_taken_for_a_permission() {
    let text = permit("true") + &permit("context.args.count * 9223372036854775807 > 0").replace("\"allow\"", "\"sum\"");
    let found = explain(&slice(&text), &circumstances(), json!({ "path": "a", "count": 2 }));
    assert!(!found.allowed);
    assert_eq!(found.faults, ["policy sum: could not evaluate the policy: a sum or product is larger than 64 bits"]);
    assert!(found.to_string().contains("applied: allow"), "{found}");
}

#[test]
fn a_policy_may_be_formatted_in_any_way() {
    let text = "@id(\"a\")@because(\"b\")permit(principal,action==Action::\"invoke\",resource)when{context.args[\"count\"]<5};";
    let book = Book::read(&sources(text)).unwrap();
    let slice = book.slice(&tool("git.log", super::git_log())).unwrap();
    let found = explain(&slice, &circumstances(), json!({ "path": "a", "count": 7 }));
    assert_eq!(found.unmet[0].clauses, ["context.args.count < 5"]);
}
