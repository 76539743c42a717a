//! The policies that come with the host.

use std::collections::BTreeSet;

use serde_json::json;

use crate::types::{PrivacyClass, Residency, TrustTier};

use super::super::{Book, Circumstances, Kind, ToolFacts, builtin};
use crate::tds::tool::{PersonalData, SideEffects};
use super::{caller, circumstances, said, tool, words};

const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];
const TIERS: [TrustTier; 4] = [TrustTier::External, TrustTier::Partner, TrustTier::Private, TrustTier::Local];

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
    let slice = match Book::read(&builtin()).and_then(|book| book.slice(tool)) {
        Ok(slice) => slice,
        Err(problems) => unreachable!("{}", said(&problems)),
    };
    let decision = slice.decide(&caller(kind, roles), call, &json!({}));
    assert_eq!(decision.faults, []);
    (decision.allowed, decision.determining.join(" "))
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
    assert_eq!(files, builtin().into_iter().map(|source| source.name).collect());
}

#[test]
fn a_tool_is_called_under_a_grant_that_holds_all_its_scopes() {
    let tool = ToolFacts { scopes: words(&["a", "b"]), ..open() };
    let with = |scopes: &[&str]| decide(&tool, Kind::Agent, &[], &Circumstances { scopes: words(scopes), ..held() });
    assert_eq!(with(&["a", "b", "c"]), allowed("scopes-held"));
    assert_eq!(with(&["a", "c"]), refused("scopes-missing"));
    assert_eq!(with(&[]), refused("scopes-missing"));
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
fn a_tool_with_roles_is_for_those_who_have_one() {
    let tool = ToolFacts { roles: words(&["ops", "dev"]), ..open() };
    let with = |roles: &[&str]| decide(&tool, Kind::User, roles, &held());
    assert_eq!(with(&["dev", "other"]), allowed("scopes-held"));
    assert_eq!(with(&["other"]), refused("roles-missing"));
    assert_eq!(with(&[]), refused("roles-missing"));
}

#[test]
fn data_stays_in_its_regions() {
    let with = |regions: &[&str], residency| {
        let call = Circumstances { residency, ..held() };
        decide(&ToolFacts { regions: words(regions), ..open() }, Kind::User, &[], &call)
    };
    let within = |regions: &[&str]| Residency::within(&regions.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(with(&[], Residency::ANYWHERE), allowed("scopes-held"));
    assert_eq!(with(&["us"], Residency::ANYWHERE), allowed("scopes-held"));
    assert_eq!(with(&["eu"], within(&["eu", "ch"])), allowed("scopes-held"));
    assert_eq!(with(&["eu", "us"], within(&["eu", "ch"])), refused("residency"));
    assert_eq!(with(&[], within(&["eu"])), refused("residency"));
    let nowhere = within(&["eu"]).and(&within(&["us"]));
    assert_eq!(with(&["eu"], nowhere), refused("residency"));
}

#[test]
fn data_goes_no_further_than_its_class_allows() {
    for class in CLASSES {
        let call = Circumstances { privacy: class, ..held() };
        for tier in TIERS {
            let found = decide(&ToolFacts { tier, ..open() }, Kind::User, &[], &call);
            assert_eq!(found.0, class.may_go_to(tier), "{class:?} to {tier:?}: {}", found.1);
        }
        for most in CLASSES {
            let found = decide(&ToolFacts { privacy: most, ..open() }, Kind::User, &[], &call);
            assert_eq!(found.0, class <= most, "{class:?} to a tool for {most:?}: {}", found.1);
        }
    }
}

#[test]
fn personal_data_is_refused_by_tools_that_refuse_it() {
    for (pii_input, personal_data, good) in [
        (PersonalData::Refuse, true, false),
        (PersonalData::Refuse, false, true),
        (PersonalData::Redact, true, true),
        (PersonalData::Allow, true, true),
    ] {
        let call = Circumstances { personal_data, ..held() };
        assert_eq!(decide(&ToolFacts { pii_input, ..open() }, Kind::User, &[], &call).0, good);
    }
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

#[test]
fn a_tool_that_asks_for_approval_gets_it_each_time() {
    let tool = ToolFacts { approval: true, ..open() };
    let with = |kind, approved| decide(&tool, kind, &[], &Circumstances { approved, ..held() });
    assert_eq!(with(Kind::ServiceAccount, false), refused("approval-missing"));
    assert_eq!(with(Kind::ServiceAccount, true), allowed("scopes-held"));
}
