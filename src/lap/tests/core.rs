//! Texts that are cut for a model, and what an operator says of core tools.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Config, cut};

proptest! {
    #[test]
    fn a_text_is_cut_to_what_json_takes_of_it_and_never_within_a_sign(text in "[\\PC\u{1}\n\"]{0,60}", most in 0usize..80) {
        let written = |text: &str| serde_json::to_string(text).unwrap().len() - 2;
        let (short, missing) = cut(&text, most);
        if written(&text) <= most {
            prop_assert_eq!((short, missing), (text, 0));
        } else {
            let kept = &text[..text.len() - missing];
            prop_assert_eq!(short, format!("{kept}… [cut: {missing} bytes]"));
            prop_assert!(written(kept) <= most);
            let next = text[kept.len()..].chars().next().unwrap();
            prop_assert!(written(&format!("{kept}{next}")) > most, "as much as may be");
        }
    }
}

fn wrong(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut value = json!({
        "core": ["git", "http.get"], "flags": [], "accounts": [], "policy": { "own": ["admitted"], "files": [] },
        "grants": {}, "readable": {}, "writable": {},
        "hosts": { "docs.example.com": ["GET"], "*.example.com:8443/v1/*": ["POST"], "http://printer.example.com:631": ["GET"] },
        "fuzz": { "inputs": 8, "within_s": 5 }, "programs": ["wc", "g++"], "jira": { "host": "acme.atlassian.net", "secret": "jira/token" },
    });
    change(&mut value);
    let config: Config = serde_json::from_value(value).unwrap();
    config.impossible().into_iter().map(|(key, _)| key).collect()
}

#[test]
fn what_an_operator_says_of_core_tools_is_judged_before_a_host_starts() {
    assert_eq!(wrong(|_| {}), Vec::<String>::new());
    let rows: [(&str, Value, &str); 11] = [
        ("core", json!(["git", "svn"]), "core"),
        ("fuzz", json!({ "inputs": 1_001, "within_s": 5 }), "fuzz.inputs"),
        ("fuzz", json!({ "inputs": 1, "within_s": 0 }), "fuzz.within_s"),
        ("hosts", json!({ "docs.example.com": [] }), "hosts.docs.example.com"),
        ("hosts", json!({ "10.0.0.1": ["GET"] }), "hosts.10.0.0.1"),
        ("hosts", json!({ "a b": ["GET"] }), "hosts.a b"),
        ("hosts", json!({ "docs.example.com:http": ["GET"] }), "hosts.docs.example.com:http"),
        ("programs", json!(["/bin/cat"]), "programs"),
        ("programs", json!(["bash"]), "programs"),
        ("jira", json!({ "host": "https://acme.atlassian.net/", "secret": "jira/token" }), "jira.host"),
        ("jira", json!({ "host": "acme.atlassian.net", "secret": "" }), "jira.secret"),
    ];
    for (key, value, told) in rows {
        assert_eq!(wrong(|config| config[key] = value.clone()), [told], "{key} = {value}");
    }
}
