//! Grants of calls, as a host issues and checks them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::{Value, json};

use super::super::{Audience, Errand, Error, Issuer, Refusal};
use super::{END, NOW};
use crate::lap::Caller;
use crate::tds::{self, Format, Tool};
use crate::types::{Class, PrivacyClass, Timestamp};

fn tool(change: impl FnOnce(&mut Value)) -> Tool {
    let mut value = json!({
        "tds": 1, "id": "git.log", "name": "Log", "version": "1.2.0",
        "description": "Says what was committed lately to a repository.",
        "capabilities": ["query"], "side_effects": "none", "isolation": "docker",
        "interface": { "input": { "type": "object" }, "output": { "type": "object" } },
        "run": { "image": { "image": format!("tool@sha256:{}", "0".repeat(64)) } },
        "auth": { "scopes": ["git.read"] },
        "secrets": [{ "path": "git/key", "deliver": { "file": { "name": "key" } } }],
    });
    change(&mut value);
    tds::read(Format::Json, &value.to_string()).unwrap_or_else(|report| unreachable!("{report}")).tool
}

/// An issuer whose keys count up.
fn issuer(first: u8) -> Issuer {
    let next = AtomicU8::new(first);
    Issuer::new(Arc::new(move || Some([next.fetch_add(1, Ordering::Relaxed); 32]))).unwrap()
}

fn caller() -> Caller {
    let agent = Some("marvin".to_owned());
    Caller { tenant: "acme".to_owned(), principal: "acme/anna".to_owned(), agent, scopes: Vec::new() }
}

// GR4.
#[test]
fn a_grant_of_a_call_is_good_for_that_call_until_it_ends_and_for_nothing_else() {
    let (issuer, git, anna) = (issuer(1), tool(|_| {}), caller());
    let arguments = json!({ "path": "src", "count": 3 });
    let call = Errand { tool: &git, arguments: &arguments, caller: &anna, class: PrivacyClass::Internal };
    let token = issuer.issue(&call, END).unwrap();
    let check = |errand: &Errand<'_>| issuer.check(&token, errand, Audience::Secrets, NOW).map(drop);
    assert_eq!(check(&call), Ok(()));
    // The same arguments in another order are the same arguments.
    let turned = json!({ "count": 3, "path": "src" });
    assert_eq!(check(&Errand { arguments: &turned, ..call }), Ok(()));

    assert_eq!(check(&Errand { arguments: &json!({ "path": "src", "count": 4 }), ..call }), Err(Refusal::Arguments));
    let push = tool(|value| value["id"] = json!("git.push"));
    assert_eq!(check(&Errand { tool: &push, ..call }), Err(Refusal::Tool { tool: "git.push".to_owned() }));
    let newer = tool(|value| value["version"] = json!("1.2.1"));
    assert_eq!(check(&Errand { tool: &newer, ..call }), Err(Refusal::Version { version: "1.2.1".to_owned() }));
    let wider = tool(|value| value["auth"] = json!({ "scopes": ["git.read", "git.write"] }));
    let lacking = vec!["git.write".to_owned()];
    assert_eq!(check(&Errand { tool: &wider, ..call }), Err(Refusal::Scopes { lacking }));
    let other = Caller { tenant: "globex".to_owned(), ..caller() };
    assert_eq!(check(&Errand { caller: &other, ..call }), Err(Refusal::Tenant));
    let (granted, asked) = (PrivacyClass::Internal, PrivacyClass::Restricted);
    assert_eq!(check(&Errand { class: asked, ..call }), Err(Refusal::Privacy { granted, asked }));
    // The description names no way out, so the token is good for none.
    let out = issuer.check(&token, &call, Audience::Egress, NOW).map(drop);
    assert_eq!(out, Err(Refusal::Audience { audience: "egress".to_owned() }));
    let late = issuer.check(&token, &call, Audience::Secrets, END).map(drop);
    assert_eq!(late, Err(Refusal::Expired { until: END }));
    let early = issuer.check(&token, &call, Audience::Secrets, Timestamp(END.0 - 1)).map(drop);
    assert_eq!(early, Ok(()));
}

// GR2.
#[test]
fn a_grant_of_another_host_is_none_and_one_that_was_issued_is_not_narrowed_any_more() {
    let (own, other, git, anna) = (issuer(1), issuer(101), tool(|_| {}), caller());
    let arguments = json!({});
    let call = Errand { tool: &git, arguments: &arguments, caller: &anna, class: PrivacyClass::Public };
    let foreign = other.issue(&call, END).unwrap();
    assert_eq!(own.check(&foreign, &call, Audience::Secrets, NOW).map(drop), Err(Refusal::Tampered));
    assert_eq!(own.issue(&call, END).unwrap().narrow(&super::Bounds::default(), &[9; 32]), Err(Error::Sealed));
    assert_eq!(format!("{own:?}"), "Issuer(..)");
}

#[test]
fn names_that_cannot_stand_in_a_token_stand_there_by_their_hash() {
    let (issuer, git) = (issuer(1), tool(|_| {}));
    let strange = Caller { tenant: "a \"b\"; allow".to_owned(), agent: None, ..caller() };
    let arguments = json!({});
    let call = Errand { tool: &git, arguments: &arguments, caller: &strange, class: PrivacyClass::Public };
    let token = issuer.issue(&call, END).unwrap();
    assert!(issuer.check(&token, &call, Audience::Secrets, NOW).is_ok());
    let other = Caller { tenant: "a \"c\"; allow".to_owned(), ..strange.clone() };
    let refused = issuer.check(&token, &Errand { caller: &other, ..call }, Audience::Secrets, NOW).map(drop);
    assert_eq!(refused, Err(Refusal::Tenant));
}

#[test]
fn a_tool_needs_of_the_host_what_its_description_names() {
    assert_eq!(Audience::of(&tool(|_| {})), BTreeSet::from([Audience::Secrets]));
    let out = tool(|value| value["egress"] = json!([{ "host": "api.example.com" }]));
    assert_eq!(Audience::of(&out), BTreeSet::from([Audience::Secrets, Audience::Egress]));
    assert_eq!(Audience::of(&tool(|value| value["secrets"] = json!([]))), BTreeSet::new());
}

#[test]
fn without_chance_no_grant_is_issued() {
    let none = Issuer::new(Arc::new(|| None)).map(drop).unwrap_err();
    assert_eq!((none.clone(), none.class()), (Error::Chance, Class::Unavailable));
}
