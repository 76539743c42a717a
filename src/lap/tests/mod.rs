//! Tests of what a call is made of: what goes in, under which key, in what.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod core;
mod redactor;
mod search;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::admit::{admit, may};
use super::*;
use crate::egress::Transport;
use crate::sandbox::{Egress, Program, Tier};
use crate::tds::{self, Format, Tool};
use crate::types::{Hash, Label, PrivacyClass, TraceId};

/// A tool that passes `syzygy tool check`, with these keys in the place of its own.
fn tool(change: impl FnOnce(&mut Value)) -> Tool {
    let mut value = json!({
        "tds": 1, "id": "note.add", "name": "Add a note", "version": "1.2.0",
        "description": "Adds a note to a book of notes. Use it when somebody wants something written down.",
        "capabilities": ["query"], "side_effects": "none", "isolation": "jail",
        "interface": {
            "input": { "type": "object", "properties": { "text": { "type": "string", "maxLength": 100 } },
                       "required": ["text"], "additionalProperties": false },
            "output": { "type": "object", "properties": { "id": { "type": "integer" } }, "required": ["id"] },
        },
        "run": { "program": { "argv": ["python3", "tool.py"], "files": ["tool.py", "lib/words.py"] } },
    });
    change(&mut value);
    tds::read(Format::Json, &value.to_string()).unwrap_or_else(|report| panic!("{report}")).tool
}

fn file(path: &str, text: &str) -> File {
    let (hash, source) = (Hash::of(text.as_bytes()), Path::new("/kept").join(path));
    File { path: path.to_owned(), hash, source, executable: false }
}

fn ready(tool: Tool) -> Ready {
    Ready::new(Arc::new(tool), vec![file("tool.py", "print()"), file("lib/words.py", "")]).unwrap()
}

fn caller(tenant: &str) -> Caller {
    let principal = format!("{tenant}/anna");
    Caller { tenant: tenant.to_owned(), principal, agent: Some("marvin".to_owned()), scopes: Vec::new() }
}

fn facts<'a>(caller: &'a Caller, label: &'a Label) -> Facts<'a> {
    Facts { caller, run: None, trace: TraceId(7), span: 9, left_ms: 500, label, key: Some("k"), workspace: None }
}

#[test]
fn what_the_host_adds_is_apart_from_what_the_model_fills_in() {
    let ready = ready(tool(|tool| {
        tool["interface"]["host"] = json!({
            "whose": { "from": "tenant" }, "who": { "from": "principal" }, "agent": { "from": "agent" },
            "trace": { "from": "trace" }, "left": { "from": "deadline_ms" }, "class": { "from": "privacy_class" },
        });
    }));
    let (caller, label) = (caller("acme"), Label::of(PrivacyClass::Internal));
    let input = json!({ "text": "milk" });
    assert_eq!(
        envelope(&ready, &input, &facts(&caller, &label)).unwrap(),
        json!({ "input": { "text": "milk" }, "host": {
            "whose": "acme", "who": "acme/anna", "agent": "marvin", "left": 500, "class": "internal",
            "trace": "00-00000000000000000000000000000007-0000000000000009-01",
        }})
    );
    // LAP2: a model that writes `host` fills in nothing.
    assert!(!ready.wrong_input(&json!({ "text": "milk", "host": { "whose": "other" } })).is_empty());
    let wrong = ready.wrong_input(&json!({ "text": 7 }));
    assert_eq!(wrong.len(), 1);
    assert!(Mismatches(wrong).to_string().starts_with("/text: the "));
}

#[test]
fn a_host_argument_without_a_value_refuses_the_call() {
    let ready = ready(tool(|tool| tool["interface"]["host"] = json!({ "folder": { "from": "workspace" } })));
    let (caller, label) = (caller("acme"), Label::default());
    let missing = envelope(&ready, &json!({ "text": "" }), &facts(&caller, &label)).unwrap_err();
    assert_eq!(
        missing,
        "note.add needs a folder that is granted with the call (`workspace`) for its host argument `folder`"
    );
}

#[test]
fn a_tool_runs_in_nothing_weaker_than_it_and_its_risk_ask_for() {
    // LAP1: the rows say what raises the risk, and which tier is then the weakest.
    let rows: [(&str, Value, &[Tier]); 4] = [
        ("jail", json!({}), &[Tier::Jail, Tier::Docker, Tier::Gvisor, Tier::Microvm]),
        ("docker", json!({}), &[Tier::Docker, Tier::Gvisor, Tier::Microvm]),
        (
            "docker",
            json!({ "side_effects": "non_idempotent", "capabilities": ["action"], "idempotency": { "key": "/input/text" } }),
            &[Tier::Docker, Tier::Gvisor, Tier::Microvm],
        ),
        (
            "jail",
            json!({ "egress": [{ "host": "api.example.com" }] }),
            &[Tier::Jail, Tier::Docker, Tier::Gvisor, Tier::Microvm],
        ),
    ];
    for (isolation, more, expected) in rows {
        let tool = tool(|tool| {
            tool["isolation"] = json!(isolation);
            more.as_object().unwrap().iter().for_each(|(key, value)| tool[key] = value.clone());
        });
        assert_eq!(tiers(&tool), expected, "{isolation} {more}");
    }
}

#[test]
fn a_sandbox_is_told_the_files_the_bounds_and_the_socket() {
    let ready = ready(tool(|tool| {
        tool["limits"] = json!({ "timeout_ms": 1_500, "memory_bytes": 33_554_432, "output_bytes": 4_096 });
        tool["egress"] = json!([{ "host": "api.example.com", "methods": ["GET", "HEAD"], "paths": ["/v1/*"] }]);
    }));
    let spec = spec(&ready, None, Vec::new(), Some(Path::new("/run/socket"))).unwrap();
    assert_eq!(spec.program, Program::Command(vec!["python3".to_owned(), "tool.py".to_owned()]));
    assert_eq!(spec.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>(), ["tool.py", "lib/words.py"]);
    assert_eq!(
        (spec.limits.wall.as_millis(), spec.limits.memory, spec.limits.stdout),
        (1_500, Some(33_554_432), 4_096)
    );
    assert_eq!(spec.egress, Egress::Socket("/run/socket".into()));
    let rules = rules(&ready.tool, &[]).unwrap();
    assert_eq!((rules.len(), rules[0].port, rules[0].transport), (1, 443, Transport::Tls));
    assert_eq!((rules[0].methods.len(), rules[0].paths.len()), (2, 1));
}

#[test]
fn calls_have_one_key_exactly_if_they_are_the_same_call() {
    let effect = |source: &str| {
        ready(tool(|tool| {
            tool["side_effects"] = json!("idempotent");
            tool["capabilities"] = json!(["action"]);
            tool["idempotency"] = json!({ "key": source });
            tool["interface"]["host"] = json!({ "once": { "from": "idempotency_key" } });
        }))
    };
    let (acme, other) = (caller("acme"), caller("other"));
    let input = json!({ "text": "milk" });
    let host = effect("host");
    let row = |caller: &Caller, said: Option<&str>, made: &str| {
        key(&host, caller, &input, said, made).unwrap().unwrap().row()
    };
    // LAP3
    assert_eq!(row(&acme, Some("a"), "x"), row(&acme, Some("a"), "y"));
    assert_ne!(row(&acme, Some("a"), "x"), row(&acme, Some("b"), "x"));
    assert_ne!(row(&acme, Some("a"), "x"), row(&other, Some("a"), "x"));
    assert_ne!(row(&acme, None, "x"), row(&acme, None, "y"));
    let own = effect("/input/text");
    assert_eq!(key(&own, &acme, &input, None, "x").unwrap().unwrap().text, "milk");
    assert!(key(&own, &acme, &input, Some("bread"), "x").unwrap_err().contains("names another one"));
    assert!(key(&host, &acme, &input, Some(""), "x").unwrap_err().contains("1 to 255 bytes"));
    // What changes nothing needs none.
    assert_eq!(key(&ready(tool(|_| {})), &acme, &input, Some("a"), "x").unwrap(), None);
}

#[test]
fn an_answer_is_used_again_only_for_the_same_question() {
    let cached = |version: &str| {
        ready(tool(|tool| {
            tool["cache"] = json!({ "keep_s": 60 });
            tool["version"] = json!(version);
            tool["interface"]["host"] = json!({ "left": { "from": "deadline_ms" }, "whose": { "from": "tenant" } });
        }))
    };
    let one = cached("1.2.0");
    let of = |ready: &Ready, text: &str, left: u64, tenant: &str, class: PrivacyClass| {
        let envelope = json!({ "input": { "text": text }, "host": { "left": left, "whose": tenant } });
        cache_key(ready, &envelope, class, &caller(tenant)).unwrap()
    };
    let first = of(&one, "milk", 5, "acme", PrivacyClass::Internal);
    assert_eq!(first, of(&one, "milk", 9, "acme", PrivacyClass::Internal), "time that is left changes no answer");
    for other in [
        of(&one, "bread", 5, "acme", PrivacyClass::Internal),
        of(&one, "milk", 5, "other", PrivacyClass::Internal),
        of(&one, "milk", 5, "acme", PrivacyClass::Public),
        of(&cached("1.2.1"), "milk", 5, "acme", PrivacyClass::Internal),
    ] {
        assert_ne!(first, other);
    }
    let envelope = json!({ "input": { "text": "" }, "host": {} });
    assert_eq!(cache_key(&ready(tool(|_| {})), &envelope, PrivacyClass::Public, &caller("acme")), None);
}

#[test]
fn what_is_to_be_hidden_is_not_shown() {
    let tool = tool(|tool| tool["observability"] = json!({ "redact": ["/input/text"] }));
    assert_eq!(shown(&tool, "input", &json!({ "text": "milk" })), json!({ "text": "[redacted]" }));
    assert_eq!(shown(&tool, "output", &json!({ "text": "milk" })), json!({ "text": "milk" }));
}

#[test]
fn a_call_is_admitted_only_with_what_the_operator_granted_and_with_data_it_may_see() {
    let careful = tool(|tool| {
        tool["auth"] = json!({ "scopes": ["repo.read"] });
        tool["policy"] = json!({ "roles": ["librarian", "clerk"], "privacy": "internal", "residency": ["eu"],
            "pii": { "input": "redact" } });
    });
    let grants = |names: &[(&str, &[&str])]| Rules {
        grants: names
            .iter()
            .map(|(name, all)| ((*name).to_owned(), all.iter().map(ToString::to_string).collect()))
            .collect(),
        flags: Vec::new(),
        accounts: Vec::new(),
        here: Some("eu".to_owned()),
    };
    let (acme, input) = (caller("acme"), json!({ "text": "write to anna@example.com" }));
    let label = Label::of(PrivacyClass::Internal);
    let good = grants(&[("agent:marvin", &["repo.*", "role:clerk"])]);
    let admitted = admit(&careful, &acme, &label, &good, &input).unwrap();
    assert!(!admitted.to_string().contains("anna@"), "{admitted}");
    // An agent has what it was given, not what whoever asks it may do besides.
    let elsewhere = grants(&[("principal:acme/anna", &["repo.read", "role:clerk"]), ("tenant:acme", &["repo.read"])]);
    let denied = |rules: &Rules, caller: &Caller, label: &Label| {
        admit(&careful, caller, label, rules, &input).unwrap_err().to_string()
    };
    assert!(denied(&elsewhere, &acme, &label).starts_with("marvin for acme/anna lacks the scope repo.read"));
    let person = Caller { agent: None, ..caller("acme") };
    assert!(admit(&careful, &person, &label, &elsewhere, &input).is_ok());
    assert!(
        denied(&grants(&[("agent:marvin", &["repo.read"])]), &acme, &label)
            .contains("none of the roles clerk, librarian")
    );
    // LAP4: what decides about a call decides who is shown the tool.
    assert!(may(&careful, &acme, &good).is_ok() && may(&careful, &acme, &elsewhere).is_err());
    let private = Label::of(PrivacyClass::Confidential);
    assert!(denied(&good, &acme, &private).contains("internal at the most, and these are confidential"));
    let swiss = Label { residency: crate::types::Residency::within(&["ch".to_owned()]), ..label.clone() };
    assert_eq!(denied(&good, &acme, &swiss), "it works in eu, and the data may only be in ch");
    let strict = tool(|tool| tool["policy"] = json!({ "pii": { "input": "refuse" } }));
    let refused = admit(&strict, &acme, &label, &good, &input).unwrap_err();
    assert!(matches!(refused, Denial::Personal { .. }), "{refused}");
}

#[test]
fn a_tool_that_may_be_anywhere_sees_no_data_that_must_stay_somewhere() {
    let (here, reaching) = (tool(|_| {}), tool(|tool| tool["egress"] = json!([{ "host": "api.example.com" }])));
    let label = Label { residency: crate::types::Residency::within(&["eu".to_owned()]), ..Label::default() };
    let (acme, input) = (caller("acme"), json!({ "text": "" }));
    let at = |region: Option<&str>| Rules { here: region.map(ToOwned::to_owned), ..Rules::default() };
    assert!(admit(&here, &acme, &label, &at(Some("eu")), &input).is_ok());
    assert!(admit(&here, &acme, &label, &at(Some("us")), &input).is_err());
    assert!(
        admit(&here, &acme, &label, &at(None), &input).unwrap_err().to_string().contains("nobody says where it is")
    );
    assert!(
        admit(&reaching, &acme, &label, &at(Some("eu")), &input).unwrap_err().to_string().contains("wherever it likes")
    );
}

#[test]
fn a_case_is_passed_by_what_says_the_same() {
    use crate::tds::tool::Expect;
    use crate::types::Class;
    let case = |expect: Option<Expect>| Case {
        kind: "contract",
        name: "adds".to_owned(),
        input: json!({}),
        host: std::collections::BTreeMap::new(),
        expect,
    };
    let found = Ok(json!({ "sum": 3.0, "of": [1, 2] }));
    let failed = Err((Class::Invalid, "no".to_owned()));
    for good in [json!({ "sum": 3, "of": [1, 2.0] }), json!({ "sum": 3.0, "of": [1, 2] })] {
        assert_eq!(case(Some(Expect::Output(good))).judge(&found), Ok(()));
    }
    assert_eq!(case(Some(Expect::Contains(json!({ "sum": 3 })))).judge(&found), Ok(()));
    assert_eq!(case(Some(Expect::Error(Class::Invalid))).judge(&failed), Ok(()));
    assert_eq!(case(None).judge(&found), Ok(()));
    let other = case(Some(Expect::Contains(json!({ "of": [1] })))).judge(&found).unwrap_err();
    assert_eq!(other, r#"expected an answer with {"of":[1]}, got {"of":[1,2],"sum":3.0}"#);
    assert_eq!(case(None).judge(&failed).unwrap_err(), "expected an answer, got invalid: no");
    assert!(case(Some(Expect::Error(Class::NotFound))).judge(&failed).is_err());
}
