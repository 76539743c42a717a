//! What policies decide, what is wrong with them, and what they hide.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod builtins;
mod deciding;
mod explaining;
mod laws;
mod lists;
mod publishing;
mod shapes;
mod texts;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::types::{PrivacyClass, Residency, Timestamp, TrustTier};

use super::{Book, Circumstances, Decision, Kind, Slice, Source, Subject, ToolFacts};
use crate::tds::tool::{PersonalData, SideEffects};

pub(super) fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(ToString::to_string).collect()
}

pub(super) fn sources(text: &str) -> Vec<Source> {
    vec![Source { name: "test.cedar".to_owned(), text: text.to_owned() }]
}

/// A tool that changes nothing and requires nothing.
pub(super) fn tool(id: &str, input: Value) -> ToolFacts {
    ToolFacts {
        id: id.to_owned(),
        version: "1.0.0".to_owned(),
        side_effects: SideEffects::None,
        scopes: BTreeSet::new(),
        tags: BTreeSet::new(),
        roles: BTreeSet::new(),
        regions: BTreeSet::new(),
        egress: BTreeSet::new(),
        privacy: PrivacyClass::Internal,
        tier: TrustTier::Local,
        pii_input: PersonalData::Redact,
        pii_output: PersonalData::Redact,
        approval: false,
        input,
    }
}

/// The input of `git.log` in these tests.
pub(super) fn git_log() -> Value {
    json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "count": { "type": "integer", "minimum": 1, "maximum": 1_000 },
            "share": { "type": "number", "minimum": 0, "maximum": 1 },
            "merges": { "type": "boolean" },
            "labels": { "type": "array", "items": { "type": "string" } },
            "order": { "enum": ["date", "topology"] },
            "author": {
                "type": "object",
                "properties": { "name": { "type": "string" }, "email": { "type": ["string", "null"] } },
                "required": ["name"],
            },
            "filter": { "type": ["string", "integer"] },
        },
        "required": ["path", "count"],
    })
}

pub(super) fn caller(kind: Kind, roles: &[&str]) -> Subject {
    Subject::new(kind, "anna", "acme", &words(roles)).unwrap()
}

pub(super) fn circumstances() -> Circumstances {
    Circumstances {
        scopes: BTreeSet::new(),
        privacy: PrivacyClass::Public,
        residency: Residency::ANYWHERE,
        personal_data: false,
        approved: false,
        now: Timestamp(1_764_000_000_000_000),
    }
}

#[track_caller]
pub(super) fn slice(text: &str) -> Slice {
    match Book::read(&sources(text)).and_then(|book| book.slice(&tool("git.log", git_log()))) {
        Ok(slice) => slice,
        Err(problems) => unreachable!("{}", said(&problems)),
    }
}

/// What is wrong, a line each.
pub(super) fn said(problems: &[super::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A permit for `git.log` under this condition.
pub(super) fn permit(condition: &str) -> String {
    format!(
        "@id(\"allow\") @because(\"a test\")\npermit (principal, action == Action::\"invoke\", resource == Tool::\"git.log\")\nwhen {{ {condition} }};\n"
    )
}

#[track_caller]
pub(super) fn decide(slice: &Slice, arguments: &Value) -> Decision {
    slice.decide(&caller(Kind::Agent, &["dev"]), &circumstances(), arguments)
}
