//! Descriptions that are taken, in every format, and the published schema.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::super::tool::{Isolation, Risk, Run, SideEffects};
use super::super::{Format, Severity, assess, canonical, hash, published, read, spec, starter};
use super::support::{FULL, SMALL, good, value, with, yaml};

#[test]
fn a_small_tool_and_one_with_every_key_are_read_without_a_word() {
    for text in [SMALL, FULL] {
        let checked = good(text);
        assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    }
    let tool = good(FULL).tool;
    assert_eq!(tool.version.to_string(), "2.3.1");
    assert_eq!(tool.released_at.unwrap().to_string(), "2026-11-20");
    assert_eq!(tool.side_effects, SideEffects::NonIdempotent);
    assert_eq!(tool.limits.memory_bytes, 128 << 20);
    assert_eq!(tool.egress[0].paths.len(), 2);
    assert!(matches!(tool.run, Run::Image(_)));
}

#[test]
fn the_order_of_keys_makes_no_other_tool() {
    fn reversed(value: &Value) -> Value {
        match value {
            Value::Object(map) => map.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect(),
            Value::Array(items) => items.iter().map(reversed).collect(),
            plain => plain.clone(),
        }
    }
    for text in [SMALL, FULL] {
        let tool = good(text).tool;
        let turned = reversed(&value(text)).to_string();
        assert_ne!(turned, value(text).to_string());
        let other = read(Format::Json, &turned).unwrap().tool;
        assert_eq!(hash(&tool), hash(&other));
        // Models and clients are shown texts, and remember them.
        assert_eq!(serde_json::to_string(&tool).unwrap(), serde_json::to_string(&other).unwrap());
    }
}

#[test]
fn the_full_tool_has_every_key_of_the_schema() {
    let full = value(FULL);
    let mut lacking = BTreeSet::new();
    lack(published(), published(), &full, "", &mut lacking);
    // What only tools without side effects, in pieces, or of another kind have.
    let others = ["/cache", "/interface/chunk", "/run/component", "/run/native", "/run/program"];
    let others = others.into_iter().map(str::to_owned);
    let either = ["/secrets/deliver/file", "/tests/contract/expect/output", "/tests/contract/expect/error"];
    let expected: BTreeSet<String> = others.chain(either.into_iter().map(str::to_owned)).collect();
    let optional: BTreeSet<String> = lacking.difference(&expected).cloned().collect();
    assert!(optional.is_empty(), "full.toml lacks {optional:?}");
}

/// Collects keys that the schema has and the first value of each kind has not.
fn lack(root: &Value, schema: &Value, value: &Value, at: &str, lacking: &mut BTreeSet<String>) {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return lack(root, root.pointer(&target[1..]).unwrap(), value, at, lacking);
    }
    if let (Some(items), Some(first)) = (schema.get("items"), value.as_array().and_then(|items| items.first())) {
        return lack(root, items, first, at, lacking);
    }
    for (key, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        match value.get(key) {
            Some(value) => lack(root, schema, value, &format!("{at}/{key}"), lacking),
            None => drop(lacking.insert(format!("{at}/{key}"))),
        }
    }
}

#[test]
fn the_published_schema_is_the_file_in_docs() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tds.schema.json");
    let mut text = serde_json::to_string_pretty(published()).unwrap();
    text.push('\n');
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == text, "docs/tds.schema.json is old: write it with `syzygy tool schema`");
}

// TDS2.
#[test]
fn the_published_schema_is_a_schema_and_explains_every_key() {
    assert!(jsonschema::draft202012::meta::is_valid(published()));
    let mut silent = Vec::new();
    let mut open = vec![(String::new(), published())];
    while let Some((at, schema)) = open.pop() {
        for (key, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}/{key}");
            let kept = schema.get("$ref").is_some_and(|target| {
                let target = published().pointer(&target.as_str().unwrap()[1..]).unwrap();
                target.get("description").is_some()
            });
            if schema.get("description").is_none() && !kept {
                silent.push(at.clone());
            }
        }
        for (name, schema) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
            open.push((name.clone(), schema));
        }
    }
    assert!(silent.is_empty(), "no description: {silent:?}");
}

#[test]
fn the_three_formats_are_one() {
    for text in [SMALL, FULL] {
        let (tool, value) = (good(text).tool, value(text));
        let spelled = [
            (Format::Json, value.to_string()),
            (Format::Json, serde_json::to_string_pretty(&value).unwrap()),
            (Format::Yaml, yaml(&value)),
            (Format::Yaml, value.to_string()),
            (Format::Json, canonical(&tool)),
        ];
        for (format, text) in spelled {
            let other = read(format, &text).unwrap_or_else(|report| panic!("{report}\n{text}")).tool;
            assert_eq!(other, tool);
            assert_eq!(hash(&other), hash(&tool));
        }
    }
}

#[test]
fn what_is_written_only_to_repeat_a_default_changes_no_hash() {
    let tool = good(SMALL).tool;
    let said = format!(
        "{SMALL}\n[limits]\ntimeout_ms = 30_000\nconcurrency = 8\n[retry]\nattempts = 1\nbackoff = {{ factor = 2 }}\n\
         [policy]\nprivacy = \"internal\"\npii = {{ input = \"redact\" }}\n[observability]\nlog_level = \"info\"\n"
    );
    assert_eq!(hash(&good(&said).tool), hash(&tool));
    let other = with(&said, "concurrency = 8", "concurrency = 9");
    assert_ne!(hash(&good(&other).tool), hash(&tool));
    let ordered = with(&with(SMALL, "tds = 1\n", ""), "id = ", "tds = 1\nid = ");
    assert_eq!(hash(&good(&ordered).tool), hash(&tool), "the order of keys says nothing");
}

#[test]
fn a_model_is_told_the_input_and_nothing_the_host_adds() {
    let told = spec(&good(FULL).tool);
    assert_eq!(told.name, "tracker.create");
    let text = told.parameters.to_string();
    assert!(text.contains("request_id") && !text.contains("tenant"), "{text}");
}

#[test]
fn a_new_tool_is_taken_as_it_is() {
    let id = starter::id("my.new-tool").unwrap();
    let files = starter::files(&id);
    let checked = good(&files[0].text);
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    assert_eq!((checked.tool.id.as_str(), checked.tool.name.as_str()), ("my.new-tool", "my new tool"));
    super::super::fixture(&checked.tool, &files[2].text).unwrap_or_else(|report| panic!("{report}"));
    for wrong in ["", "Upper", "a..b", "a@1", "../x", "a b", &"a".repeat(65)] {
        assert!(starter::id(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn isolation_is_ordered_by_strength_and_risk_sets_the_least() {
    assert!(Isolation::ALL.is_sorted());
    let least = |text: &str| {
        let judged = assess(&good(text).tool);
        (judged.risk, judged.least)
    };
    assert_eq!(least(SMALL), (Risk::Low, Isolation::Jail));
    assert_eq!(least(FULL), (Risk::High, Isolation::Docker));
    let native = with(SMALL, "argv = [\"./count.py\"]\nfiles = [\"count.py\"]", "function = \"count\"");
    let native = with(&with(&native, "[run.program]", "[run.native]"), "\"jail\"", "\"native\"");
    assert_eq!(least(&native), (Risk::Low, Isolation::Native));
    let shell = with(SMALL, "argv = [\"./count.py\"]", "argv = [\"env\", \"/bin/sh\", \"-ec\", \"wc\"]");
    let shell = with(&shell, "isolation = \"jail\"", "isolation = \"gvisor\"");
    assert_eq!(least(&shell), (Risk::Critical, Isolation::Gvisor));
    let script = with(SMALL, "argv = [\"./count.py\"]", "argv = [\"sh\", \"count.sh\"]");
    assert_eq!(least(&script).0, Risk::Low, "a script is a program");
}

/// Drops what may be missing and changes what may be another, by a list of choices.
fn varied(value: &mut Value, choices: &mut impl Iterator<Item = u8>) {
    let keys = [
        "semver_range",
        "released_at",
        "tags",
        "risk",
        "retry",
        "quota",
        "slo",
        "auth",
        "policy",
        "cost",
        "compensation",
        "deprecation",
        "observability",
        "limits",
    ];
    let map = value.as_object_mut().unwrap();
    for key in keys {
        if choices.next().is_some_and(|choice| choice % 2 == 0) {
            map.remove(key);
        }
    }
    map["name"] = Value::String(choices.by_ref().take(12).map(sign).collect::<String>() + "x");
    map["description"] = Value::String(choices.by_ref().take(40).map(sign).collect::<String>() + ".");
}

/// Signs that formats write differently.
fn sign(choice: u8) -> char {
    const SIGNS: [char; 24] = [
        'a',
        'Z',
        '0',
        ' ',
        '"',
        '\'',
        '\\',
        '#',
        ':',
        '-',
        '=',
        '[',
        '{',
        '&',
        '*',
        '!',
        '|',
        '>',
        '%',
        '@',
        'é',
        '漢',
        '\u{1f600}',
        '~',
    ];
    SIGNS[usize::from(choice) % SIGNS.len()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // TDS1.
    #[test]
    fn a_tool_has_one_hash_however_it_is_written(choices in proptest::collection::vec(any::<u8>(), 80)) {
        let mut tree = value(FULL);
        varied(&mut tree, &mut choices.into_iter());
        let toml = toml::to_string(&tree).unwrap();
        let texts = [(Format::Toml, toml), (Format::Json, tree.to_string()), (Format::Yaml, yaml(&tree))];
        let hashes: BTreeSet<String> = texts
            .iter()
            .map(|(format, text)| {
                let checked = read(*format, text).unwrap_or_else(|report| panic!("{report}\n{text}"));
                assert!(checked.warnings.problems.iter().all(|problem| problem.severity == Severity::Warning));
                hash(&checked.tool).to_string()
            })
            .collect();
        prop_assert_eq!(hashes.len(), 1);
    }
}
