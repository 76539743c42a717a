//! What is shown in a list, and what is hidden.

use serde_json::json;

use super::super::{Book, Circumstances, Kind, Listed};
use super::{caller, circumstances, git_log, permit, slice, sources, tool, words};
use crate::tds::tool::SideEffects;

#[track_caller]
fn expect(text: &str, listed: Listed) {
    let found = slice(text).lists(&caller(Kind::Agent, &["dev"]), &circumstances());
    assert_eq!(found, listed, "{text}");
}

fn forbid(condition: &str) -> String {
    permit(condition).replace("permit", "forbid").replace("\"allow\"", "\"deny\"")
}

#[test]
fn a_tool_that_nothing_permits_is_hidden() {
    expect("", Listed::Hidden);
    expect(&permit("principal is User"), Listed::Hidden);
    expect(&permit("principal is Agent"), Listed::Shown);
}

#[test]
fn a_tool_is_shown_if_some_arguments_could_be_allowed() {
    for condition in [
        "context.args.path like \"src/*\"",
        "context.args.path like \"src/*\" && !(context.args.path like \"*.key\") && context.args.path != \"src/\"",
        "context.args.count > 999",
        "context.args has share && context.args.share.greaterThan(decimal(\"0.9999\"))",
        "context.args has labels && context.args.labels.containsAll([\"a\", \"b\"]) && !context.args.labels.contains(\"c\")",
        "context.args has labels && context.args.labels.isEmpty()",
        "!(context.args has labels)",
        "context.args has order && context.args.order == \"topology\"",
        "context.args has author.email && context.args.author.email == \"a\" && context.args.author.name != \"b\"",
        "context.args has author && !(context.args has author.email)",
        "context.args.path == principal.tenant",
        "principal.roles.contains(context.args.path)",
        "if context.args.count > 5 then context.args.path == \"a\" else context.args.path == \"b\"",
        "context.approved",
        "context.personal_data && context.args.count == 1",
    ] {
        expect(&permit(condition), Listed::Shown);
    }
}

#[test]
fn a_tool_is_hidden_if_no_arguments_could_be_allowed() {
    for condition in [
        "context.args.count > 1000",
        "context.args.count < 1",
        "context.args.count > 5 && context.args.count < 6",
        "context.args has share && context.args.share.greaterThan(decimal(\"1.0\"))",
        "context.args.path == \"a\" && context.args.path == \"b\"",
        "context.args.path == \"ab\" && context.args.path like \"b*\"",
        "context.args has labels && context.args.labels.isEmpty() && context.args.labels.contains(\"a\")",
        "context.args has order && context.args.order == \"size\"",
        "context.args.path == principal.tenant && context.args.path != \"acme\"",
        "context.args.count == 5 && principal is User",
        "if context.args.count > 5 then context.args.count < 3 else context.args.count > 7",
    ] {
        expect(&permit(condition), Listed::Hidden);
    }
}

#[test]
fn forbids_hide_what_permits_would_show() {
    expect(&(permit("context.args.path like \"src/*\"") + &forbid("context.args.path like \"*\"")), Listed::Hidden);
    expect(&(permit("context.args.path like \"src/*\"") + &forbid("context.args.path like \"src*\"")), Listed::Hidden);
    expect(&(permit("context.args.path like \"src*\"") + &forbid("context.args.path like \"src/*\"")), Listed::Shown);
    expect(&(permit("context.args.count <= 5") + &forbid("context.args.count >= 5")), Listed::Shown);
    expect(&(permit("context.args.count <= 5") + &forbid("context.args.count >= 1")), Listed::Hidden);
}

#[test]
fn what_cannot_be_told_is_taken_in_favour_of_the_call() {
    expect(&permit("context.args.count * 2 == 3"), Listed::Perhaps);
    expect(&(permit("true") + &forbid("context.args.count + 1 > 0")), Listed::Perhaps);
    // What can be told still hides.
    expect(&permit("context.args.count * 2 == 3 && principal is User"), Listed::Hidden);
    expect(&permit("context.args.count * 2 == 3 && context.args.count > 1000"), Listed::Hidden);
    expect(&(permit("context.args.count * 2 == 3") + &forbid("true")), Listed::Hidden);
}

#[test]
fn a_forbid_about_lists_hides_and_leaves_calls_alone() {
    let hide = forbid("principal in Role::\"dev\"").replace("invoke", "list");
    let slice = slice(&(permit("true") + &hide));
    let listed = |roles: &[&str]| slice.lists(&caller(Kind::Agent, roles), &circumstances());
    assert_eq!((listed(&["dev"]), listed(&["ops"])), (Listed::Hidden, Listed::Shown));
    assert!(super::decide(&slice, &json!({ "path": "a", "count": 1 })).allowed);
}

#[test]
fn a_forbid_about_lists_cannot_look_at_arguments() {
    let text = forbid("context.args.count > 5").replace("invoke", "list");
    let problems = Book::read(&sources(&text)).unwrap().slice(&tool("git.log", git_log())).unwrap_err();
    assert!(super::said(&problems).contains("args"), "{}", super::said(&problems));
}

#[test]
fn a_list_knows_the_circumstances() {
    let slice = slice(&permit("context.scopes.contains(\"git\") && context.args.count > 5"));
    let listed = |scopes: &[&str]| {
        let asked = Circumstances { scopes: words(scopes), ..circumstances() };
        slice.lists(&caller(Kind::User, &[]), &asked)
    };
    assert_eq!((listed(&["git"]), listed(&["jira"])), (Listed::Shown, Listed::Hidden));
}

#[test]
fn many_values_take_bounded_time_and_are_taken_in_favour_of_the_call() {
    let names = ["path", "count", "share", "merges", "labels"];
    let texts: Vec<String> = (0..20).map(|number| format!("context.args.path == \"p{number}\"")).collect();
    let counts: Vec<String> = (0..20).map(|number| format!("context.args.count == {}", number * 7)).collect();
    let shares: Vec<String> = (0..9)
        .map(|number| format!("(context.args has share && context.args.share == decimal(\"0.{number}\"))"))
        .collect();
    let both = |condition: &str, name: &str| permit(condition).replace("\"allow\"", &format!("\"{name}\""));
    let text = both(&texts.join(" || "), names[0])
        + &both(&counts.join(" || "), names[1])
        + &both(&shares.join(" || "), names[2]);
    expect(&text, Listed::Perhaps);
    let roles: Vec<String> = (0..200).map(|number| format!("a role with quite a long name {number}")).collect();
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let slice = slice(&permit("principal.roles.contains(context.args.path)"));
    assert_eq!(slice.lists(&caller(Kind::User, &roles), &circumstances()), Listed::Perhaps);
}

#[test]
fn a_tool_that_needs_an_agreement_is_shown_to_those_who_could_get_it() {
    let mut push = tool("git.push", json!({ "type": "object" }));
    push.side_effects = SideEffects::NonIdempotent;
    push.scopes = words(&["git:write"]);
    let slice = Book::read(&super::builtins::strict()).unwrap().slice(&push).unwrap();
    let listed = |scopes: &[&str]| {
        let asked = Circumstances { scopes: words(scopes), ..circumstances() };
        slice.lists(&caller(Kind::Agent, &[]), &asked)
    };
    assert_eq!((listed(&["git:write"]), listed(&[])), (Listed::Shown, Listed::Hidden));
}
