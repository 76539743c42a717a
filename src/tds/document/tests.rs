//! The three readers: the same value, the same limits, and places.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::limits::{DEPTH_MAX, DOCUMENT_BYTES_MAX, NODES_MAX};
use super::super::tests::support::yaml;
use super::{Document, Format};

fn doc(format: Format, text: &str) -> Document {
    Document::read(format, text).unwrap_or_else(|report| panic!("{report}\n{text}"))
}

#[track_caller]
fn refused(format: Format, text: &str, said: &str) {
    let report = Document::read(format, text).map(|document| document.value).unwrap_err().to_string();
    assert!(report.contains(said), "expected {said:?} of {:?}\n{report}", text.chars().take(200).collect::<String>());
}

#[test]
fn places_are_those_of_the_text() {
    let at = |document: &Document, pointer: &str| format!("{} {}", document.key_spot(pointer), document.spot(pointer));
    let toml =
        doc(Format::Toml, "a = 1\n[b.c]\n  d = [10, \"é\", { e = true }]\n[[f]]\ng = 1\n[[f]]\ng = 2\nh.i = 3\n");
    assert_eq!(at(&toml, "/a"), "1:1 1:5");
    assert_eq!(at(&toml, "/b/c"), "2:4 2:4");
    assert_eq!(at(&toml, "/b/c/d/1"), "3:12 3:12");
    assert_eq!(at(&toml, "/b/c/d/2/e"), "3:19 3:23");
    assert_eq!(at(&toml, "/f/1/g"), "7:1 7:5");
    assert_eq!(at(&toml, "/f/1/h/i"), "8:3 8:7");
    assert_eq!(at(&toml, "/b/c/d/2/nothing/there"), "3:17 3:17", "the nearest around it");
    let json = doc(Format::Json, "{\n  \"a\": 1,\n  \"é\": [10, \"é\", {\"e\": true}]\n}");
    assert_eq!(at(&json, "/a"), "2:3 2:8");
    assert_eq!(at(&json, "/é/1"), "3:13 3:13");
    assert_eq!(at(&json, "/é/2/e"), "3:19 3:24");
    let yaml = doc(Format::Yaml, "a: 1\nb:\n  - 10\n  - é: x\n    c: {d: 5}\n");
    assert_eq!(at(&yaml, "/a"), "1:1 1:4");
    assert_eq!(at(&yaml, "/b/0"), "3:5 3:5");
    assert_eq!(at(&yaml, "/b/1/é"), "4:5 4:8");
    assert_eq!(at(&yaml, "/b/1/c/d"), "5:9 5:12");
}

#[test]
fn a_key_that_is_there_twice_is_refused_with_both_places() {
    for (text, said) in [
        ("a = 1\nb = 2\na = 3\n", "3:1: error: the key \"a\" for the second time; the first is at 1:1"),
        ("[a]\nx = 1\n[b]\ny = 1\n[a]\n", "5:2: error: the key \"a\" for the second time; the first is at 1:2"),
        (
            "n.name = 1\nm.name = 2\nn.name = 3\n",
            "3:3: error: the key \"name\" for the second time; the first is at 1:3",
        ),
        (
            "[a]\nname = 1\ninner = { name = 2 }\nname = 3\n",
            "4:1: error: the key \"name\" for the second time; the first is at 2:1",
        ),
        ("a = { b = 1, c = 2, \"b\" = 3 }\n", "1:21: error: the key \"b\" for the second time; the first is at 1:7"),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n'b' = 3\n", "5:1: error: the key \"b\" for the second time; the first is at 4:1"),
    ] {
        refused(Format::Toml, text, said);
    }
    // Several at once, and longer than what they are called meanwhile.
    let long = "k".repeat(60);
    let report =
        Document::read(Format::Toml, &format!("{long} = 1\nb = 1\n{long} = 2\n[c]\nb = 1\nb = 2\nb = 3\n[c]\n"));
    let report = report.unwrap_err().to_string();
    for said in [
        format!("3:1: error: the key {long:?} for the second time; the first is at 1:1"),
        "6:1: error: the key \"b\" for the second time; the first is at 5:1".to_owned(),
        "7:1: error: the key \"b\" for the second time; the first is at 5:1".to_owned(),
        "8:2: error: the key \"c\" for the second time; the first is at 4:2".to_owned(),
    ] {
        assert!(report.contains(&said), "{said}\n{report}");
    }
    refused(
        Format::Json,
        "{\"a\": 1,\n \"b\": {\"a\": 1, \"\\u0061\": 2}}",
        "2:16: error: the key \"a\" for the second time; the first is at 2:8",
    );
    refused(Format::Yaml, "a: 1\nb: 2\n'a': 3\n", "3:1: error: the key \"a\" for the second time; the first is at 1:1");
}

#[test]
fn several_mistakes_of_one_toml_are_told_together() {
    let report = Document::read(Format::Toml, "a = \nb = 1\nb = 2\nc = 01\n").unwrap_err();
    assert!(report.problems.len() >= 3, "{report}");
    assert!(report.to_string().contains("3:1: error: the key \"b\""), "{report}");
}

#[test]
fn what_is_no_text_of_its_format_is_refused_at_its_place() {
    refused(Format::Toml, "a = [1, 2", "not TOML");
    refused(Format::Json, "", "1:1: error: not JSON: the text ends; expected a value");
    refused(Format::Json, "{\"a\": 1,}", "1:9: error: not JSON: '}'; expected a key in double quotes");
    refused(Format::Json, "{\"a\" 1}", "1:6: error: not JSON: '1'; expected a colon");
    refused(Format::Json, "[1 2]", "1:4: error: not JSON: '2'; expected a comma");
    refused(Format::Json, "{} x", "1:4: error: not JSON: 'x'; expected the end");
    refused(Format::Json, "\"a\nb\"", "must be escaped");
    refused(Format::Json, "\"a\\", "a text without an end");
    refused(Format::Json, "[\"\\ud800\"]", "must be escaped");
    refused(Format::Json, "[01]", "the number 01");
    refused(Format::Json, "\u{feff}{}", "not JSON");
    refused(Format::Yaml, "a: [1", "not YAML");
    refused(Format::Yaml, "a: b: c", "not YAML");
    refused(Format::Yaml, "", "an empty document");
    refused(Format::Yaml, "a: 1\n---\nb: 2\n", "2:1: error: a second document");
    refused(Format::Yaml, "a: !!binary aGk=\n", "the tag");
    refused(Format::Yaml, "a: !mine {}\n", "the tag");
    refused(Format::Yaml, "? [1]\n: 2\n", "a key that is no plain text");
    refused(Format::Yaml, "a: &x {b: 1}\nc:\n  <<: *x\n", "3:3: error: a merge key");
}

#[test]
fn numbers_are_those_that_json_keeps() {
    for (toml, json, yaml, value) in [
        ("1.0", "1.0", "1.0", json!(1)),
        ("-0.0", "-0", "-0", json!(0)),
        ("0x1F", "31", "0x1F", json!(31)),
        ("0o17", "15", "0o17", json!(15)),
        ("1_000", "1e3", "1000", json!(1000)),
        ("9_007_199_254_740_991", "9007199254740991", "9007199254740991", json!(9_007_199_254_740_991_i64)),
        ("0.1", "1e-1", ".1", json!(0.1)),
    ] {
        assert_eq!(doc(Format::Toml, &format!("a = {toml}")).value["a"], value);
        assert_eq!(doc(Format::Json, &format!("{{\"a\": {json}}}")).value["a"], value);
        assert_eq!(doc(Format::Yaml, &format!("a: {yaml}")).value["a"], value);
    }
    for text in ["9007199254740992", "-9007199254740992", "99999999999999999999"] {
        refused(Format::Toml, &format!("a = {text}"), "2^53");
        refused(Format::Json, &format!("[{text}]"), "2^53");
        refused(Format::Yaml, &format!("- {text}"), "2^53");
    }
    // However a whole number is written, it is one.
    refused(Format::Toml, "a = 118446744073709551614.0", "2^53");
    refused(Format::Json, "[1e30]", "2^53");
    refused(Format::Yaml, "- -1e30", "2^53");
    refused(Format::Toml, "a = nan", "a number that is finite");
    refused(Format::Yaml, "a: -.inf", "a number that is finite");
    refused(Format::Json, "[1e400]", "the number 1e400");
    let words = doc(Format::Yaml, "[yes, no, on, 1.2.3, 2026-01-01, 12e, '1', \"true\", ~, 0x, +]").value;
    let words = words.as_array().unwrap();
    assert!(words.iter().filter(|word| word.is_string()).count() == words.len() - 1, "{words:?}");
    assert_eq!(doc(Format::Toml, "a = 2026-01-31").value["a"], json!("2026-01-31"));
}

#[test]
fn aliases_are_copies_and_bombs_are_refused() {
    let copied = doc(Format::Yaml, "a: &x {b: [1]}\nc: *x\n");
    assert_eq!(copied.value, json!({ "a": { "b": [1] }, "c": { "b": [1] } }));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", alias.trim_end_matches(", ")));
    }
    refused(Format::Yaml, &bomb, "more than 20000 values");
    refused(Format::Yaml, "a: &x [*x]\n", "an alias within what it stands for");
}

#[test]
fn size_depth_and_number_have_limits() {
    let long = format!("a = \"{}\"", "x".repeat(DOCUMENT_BYTES_MAX));
    refused(Format::Toml, &long, &format!("{DOCUMENT_BYTES_MAX} at the most"));
    for depth in [DEPTH_MAX + 2, 100_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        refused(Format::Json, &nested, "more than 64 levels");
        let report = Document::read(Format::Yaml, &nested).unwrap_err().to_string();
        assert!(report.contains("levels") || report.contains("recursion"), "{report}");
        let report = Document::read(Format::Toml, &format!("a = {nested}")).unwrap_err().to_string();
        assert!(report.contains("levels") || report.contains("recur"), "{report}");
    }
    refused(Format::Toml, &format!("{}a = 1", "a.".repeat(100_000)), "a key of more than 64 parts");
    refused(Format::Toml, &format!("[{}a]", "a . ".repeat(60_000)), "a key of more than 64 parts");
    refused(Format::Yaml, &"- ".repeat(100_000), "more than 64 levels");
    let prose = format!("a = \"\"\"{}\"\"\"\nb = [{}]", "One. Two, three. ".repeat(200), "1.5, ".repeat(200));
    doc(Format::Toml, &prose);
    let many = "1,".repeat(NODES_MAX);
    refused(Format::Json, &format!("[{many}1]"), "more than 20000 values");
    refused(Format::Toml, &format!("a = [{many}1]"), "more than 20000 values");
    refused(Format::Yaml, &format!("[{many}1]"), "more than 20000 values");
}

/// A value that all formats can write: no null, and a table at the top.
fn tables() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e9..1e9).prop_map(|number: f64| Value::from(number + 0.5)),
        "[ -~é漢\\n\\t]{0,12}".prop_map(Value::from),
    ];
    let any = leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[ -~é]{1,6}", inner, 0..5).prop_map(Value::from_iter),
        ]
    });
    proptest::collection::btree_map("[ -~é]{1,6}", any, 1..5).prop_map(Value::from_iter)
}

/// Whole numbers that were written with a fraction.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.fract() == 0.0 => json!(number as i64),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), normal(value))).collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_value_is_the_same_in_every_format(value in tables()) {
        let expected = normal(&value);
        prop_assert_eq!(&doc(Format::Json, &value.to_string()).value, &expected);
        prop_assert_eq!(&doc(Format::Json, &serde_json::to_string_pretty(&value).unwrap()).value, &expected);
        prop_assert_eq!(&doc(Format::Toml, &toml::to_string(&value).unwrap()).value, &expected);
        prop_assert_eq!(&doc(Format::Toml, &toml::to_string_pretty(&value).unwrap()).value, &expected);
        prop_assert_eq!(&doc(Format::Yaml, &yaml(&value)).value, &expected);
    }

    #[test]
    fn json_is_read_as_serde_json_reads_it(text in "[\\[\\]{}\",:0-9eE.+\\- \\\\utfanrlse]{0,24}") {
        let ours = Document::read(Format::Json, &text).map(|document| document.value);
        match serde_json::from_str::<Value>(&text) {
            Ok(theirs) => if let Ok(ours) = ours { prop_assert_eq!(ours, normal(&theirs)); },
            Err(_) => prop_assert!(ours.is_err(), "{}", text),
        }
    }
}
