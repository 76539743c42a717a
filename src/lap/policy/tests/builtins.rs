//! The policies that come with the host.

use std::collections::BTreeSet;

use serde_json::json;

use crate::types::PrivacyClass;

use super::super::{Book, Circumstances, Kind, Source, ToolFacts, builtin};
use super::{caller, circumstances, said, tool, words};
use crate::tds::tool::SideEffects;

/// A tool that is as open as can be: it requires one scope.
fn open() -> ToolFacts {
    let mut tool = tool("any.tool", json!({ "type": "object" }));
    tool.scopes = words(&["any"]);
    tool.privacy = PrivacyClass::Restricted;
    tool
}

fn held() -> Circumstances {
    Circumstances { scopes: words(&["any"]), ..circumstances() }
}

/// Which policies decide, and whether the call is allowed.
#[track_caller]
fn decide(tool: &ToolFacts, kind: Kind, roles: &[&str], call: &Circumstances) -> (bool, String) {
    let slice = match Book::read(&strict()).and_then(|book| book.slice(tool)) {
        Ok(slice) => slice,
        Err(problems) => unreachable!("{}", said(&problems)),
    };
    let decision = slice.decide(&caller(kind, roles), call, &json!({}));
    assert_eq!(decision.faults, []);
    (decision.allowed, decision.determining.join(" "))
}

/// The policies of a host that permits nothing by itself.
pub(super) fn strict() -> Vec<Source> {
    builtin().into_iter().filter(|source| source.name != "admitted").collect()
}

fn refused(by: &str) -> (bool, String) {
    (false, by.to_owned())
}

fn allowed(by: &str) -> (bool, String) {
    (true, by.to_owned())
}

#[test]
fn every_file_of_the_directory_is_built_in() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/policy");
    let files: BTreeSet<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, builtin().into_iter().map(|source| format!("{}.cedar", source.name)).collect());
}

#[test]
fn a_tool_is_called_under_a_grant_that_holds_all_its_scopes() {
    let tool = ToolFacts { scopes: words(&["a", "b"]), ..open() };
    let with = |scopes: &[&str]| decide(&tool, Kind::Agent, &[], &Circumstances { scopes: words(scopes), ..held() });
    assert_eq!(with(&["a", "b", "c"]), allowed("scopes-held"));
    assert_eq!(with(&["a", "c"]), refused(""));
    assert_eq!(with(&[]), refused(""));
}

#[test]
fn a_tool_without_scopes_is_open_only_if_it_is_harmless() {
    let harmless = ToolFacts { scopes: BTreeSet::new(), ..open() };
    let with = |tool: &ToolFacts| decide(tool, Kind::Agent, &[], &circumstances());
    assert_eq!(with(&harmless), allowed("harmless"));
    assert_eq!(with(&ToolFacts { side_effects: SideEffects::Idempotent, ..harmless.clone() }), refused(""));
    assert_eq!(with(&ToolFacts { egress: words(&["example.com"]), ..harmless }), refused(""));
}

#[test]
fn what_changes_something_each_time_needs_somebody_who_answers_for_it() {
    for side_effects in [SideEffects::None, SideEffects::Idempotent, SideEffects::NonIdempotent] {
        for kind in Kind::ALL {
            for approved in [false, true] {
                let call = Circumstances { approved, ..held() };
                let found = decide(&ToolFacts { side_effects, ..open() }, kind, &[], &call);
                let good = side_effects != SideEffects::NonIdempotent || kind == Kind::ServiceAccount || approved;
                let expected = if good { allowed("scopes-held") } else { refused("effects-unattended") };
                assert_eq!(found, expected, "{side_effects:?} {kind:?} {approved}");
            }
        }
    }
}
