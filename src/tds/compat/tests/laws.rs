//! Laws: what the comparison says holds for every value, and it says the opposite the other way round.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::super::schema::Checker;
use super::super::schema::{Turn, compare};
use super::super::{Level, diff, judge};
use super::{FULL, good};
use crate::tds::tests::support::value;
use crate::tds::{Format, read};

/// Values over few keys and small numbers, so that they meet what schemas ask for.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..7_i64).prop_map(Value::from),
        Just(json!(1.5)),
        prop_oneof![Just(""), Just("a"), Just("b"), Just("ab"), Just("abc")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

fn number() -> impl Strategy<Value = Value> {
    (0..5_i64).prop_map(Value::from)
}

fn names() -> impl Strategy<Value = Value> {
    proptest::collection::btree_set("[abc]", 0..3).prop_map(|names| names.into_iter().collect())
}

fn kinds() -> impl Strategy<Value = Value> {
    let words = ["null", "boolean", "object", "array", "string", "integer", "number"];
    proptest::sample::subsequence(words.to_vec(), 1..4).prop_map(Value::from)
}

fn choices() -> impl Strategy<Value = Value> {
    let all = vec![json!(1), json!(2), json!("a"), json!("b"), Value::Null, json!(1.5)];
    proptest::sample::subsequence(all, 1..4).prop_map(Value::from)
}

fn named(word: &'static str, value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<(String, Value)> {
    value.prop_map(move |value| (word.to_owned(), value)).boxed()
}

/// Keywords that hold no schema.
fn plain() -> BoxedStrategy<(String, Value)> {
    let bounds = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minContains",
        "maxContains",
    ];
    let bounds = bounds.into_iter().map(|word| named(word, number()));
    let mut all: Vec<_> = bounds.collect();
    all.push(named("type", kinds()));
    all.push(named("enum", choices()));
    all.push(named("const", prop_oneof![Just(json!(1)), Just(json!("a"))]));
    all.push(named("multipleOf", (1..5_i64).prop_map(Value::from)));
    all.push(named("pattern", prop_oneof![Just(json!("^a")), Just(json!("b$"))]));
    all.push(named("uniqueItems", any::<bool>().prop_map(Value::from)));
    all.push(named("required", names()));
    all.push(named("dependentRequired", names().prop_map(|names| json!({ "a": names }))));
    proptest::strategy::Union::new(all).boxed()
}

/// Keywords with schemas in them.
fn nested(inner: BoxedStrategy<Value>) -> BoxedStrategy<(String, Value)> {
    let one = [
        "additionalProperties",
        "items",
        "contains",
        "not",
        "if",
        "then",
        "else",
        "propertyNames",
        "unevaluatedProperties",
        "unevaluatedItems",
    ];
    let mut all: Vec<_> = one.into_iter().map(|word| named(word, inner.clone())).collect();
    let list = proptest::collection::vec(inner.clone(), 1..3).prop_map(Value::from);
    all.extend(["allOf", "anyOf", "oneOf", "prefixItems"].into_iter().map(|word| named(word, list.clone())));
    let map =
        |keys: &'static str| proptest::collection::btree_map(keys, inner.clone(), 0..3).prop_map(Value::from_iter);
    // Properties twice, since they are what schemas are made of.
    all.push(named("properties", map("[abc]")));
    all.push(named("properties", map("[abc]")));
    all.push(named("patternProperties", map("\\^[ab]")));
    all.push(named("dependentSchemas", map("[ab]")));
    all.push(named("$ref", prop_oneof![Just(json!("#/$defs/x")), Just(json!("#/$defs/y"))]));
    proptest::strategy::Union::new(all).boxed()
}

fn keywords(keywords: Vec<(String, Value)>) -> Value {
    Value::Object(keywords.into_iter().collect())
}

fn schemas() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(false)),
        proptest::collection::vec(plain(), 0..3).prop_map(keywords),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let keyword = prop_oneof![plain(), nested(inner.boxed())];
        proptest::collection::vec(keyword, 1..4).prop_map(keywords)
    })
    .boxed()
}

/// A schema and one that differs from it in a keyword or two, both with the definitions they may refer to.
fn pairs() -> impl Strategy<Value = (Value, Value)> {
    let keyword = prop_oneof![plain(), nested(schemas())];
    let definitions = (plain_schema(), plain_schema(), plain_schema());
    (schemas(), proptest::collection::vec(keyword, 0..3), any::<u8>(), definitions).prop_map(
        |(first, changes, dropped, (x, y, other))| {
            let mut old = match first {
                Value::Object(map) => map,
                _ => Map::new(),
            };
            let mut new = old.clone();
            let keys: Vec<String> = new.keys().cloned().collect();
            if let Some(key) = keys.get(usize::from(dropped) % 4) {
                new.remove(key);
            }
            new.extend(changes);
            let later = if dropped % 3 == 0 { other } else { x.clone() };
            old.insert("$defs".to_owned(), json!({ "x": x, "y": y }));
            new.insert("$defs".to_owned(), json!({ "x": later, "y": y }));
            (Value::Object(old), Value::Object(new))
        },
    )
}

fn plain_schema() -> impl Strategy<Value = Value> {
    proptest::collection::vec(plain(), 0..3).prop_map(keywords)
}

/// A schema in which what is not listed is not taken, which is how an input is read.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let mut map: Map<String, Value> = map
                .iter()
                .map(|(key, value)| {
                    let value = match (key.as_str(), value) {
                        ("properties" | "patternProperties" | "dependentSchemas" | "$defs", Value::Object(schemas)) => {
                            schemas.iter().map(|(key, value)| (key.clone(), closed(value))).collect()
                        }
                        (_, Value::Array(items)) => items.iter().map(closed).collect(),
                        ("enum" | "const" | "dependentRequired", other) => other.clone(),
                        (_, other) => closed(other),
                    };
                    (key.clone(), value)
                })
                .collect();
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            Value::Object(map)
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_not_said_to_be_narrowed_takes_all_it_took(
        (old, new) in pairs(),
        open in any::<bool>(),
        tried in proptest::collection::vec(values(), 24),
    ) {
        let moves = compare(&old, &new, open);
        let never = |turn| moves.iter().all(|one| one.turn != turn && one.turn != Turn::Changed);
        let (narrowed, widened) = (!never(Turn::Narrowed), !never(Turn::Widened));
        if narrowed && widened {
            return Ok(());
        }
        let (before, after) = if open { (old.clone(), new.clone()) } else { (closed(&old), closed(&new)) };
        let (Ok(before), Ok(after)) = (Checker::compile(&before), Checker::compile(&after)) else { return Ok(()) };
        for value in tried {
            let (took, takes) = (before.takes(&value), after.takes(&value));
            prop_assert!(narrowed || !took || takes, "{old} took {value}, and {new} does not; said: {moves:?}");
            prop_assert!(widened || !takes || took, "{new} takes {value}, and {old} did not; said: {moves:?}");
        }
    }

    #[test]
    fn the_way_back_is_the_opposite((old, new) in pairs(), open in any::<bool>()) {
        let said = |moves: Vec<super::super::schema::Move>| -> BTreeSet<(String, Turn)> {
            moves.into_iter().map(|one| (one.pointer, one.turn)).collect()
        };
        let flipped: BTreeSet<(String, Turn)> = said(compare(&new, &old, open)).into_iter().map(|(pointer, turn)| {
            let turn = match turn {
                Turn::Narrowed => Turn::Widened,
                Turn::Widened => Turn::Narrowed,
                Turn::Changed => Turn::Changed,
            };
            (pointer, turn)
        }).collect();
        prop_assert_eq!(said(compare(&old, &new, open)), flipped);
    }

    #[test]
    fn a_schema_does_not_differ_from_itself((schema, _) in pairs(), open in any::<bool>()) {
        prop_assert_eq!(compare(&schema, &schema.clone(), open), vec![]);
    }
}

/// Changes of the full tool's input after which it takes more.
fn widen(input: &mut Value, how: usize) {
    let properties = &mut input["properties"];
    match how % 7 {
        0 => properties[format!("extra{how}")] = json!({ "type": "integer" }),
        1 => properties["title"]["maxLength"] = json!(400 + how),
        2 => drop(properties["title"].as_object_mut().unwrap().remove("minLength")),
        3 => properties["priority"]["enum"] = json!(["low", "high", format!("p{how}")]),
        4 => properties["body"]["type"] = json!(["string", "null", "integer"]),
        5 => input["required"] = json!(["request_id"]),
        _ => input["$defs"]["label"]["maxLength"] = json!(50 + how),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn widening_an_input_breaks_nobody_and_the_way_back_does(steps in proptest::collection::vec(0..700_usize, 1..6)) {
        let old = good(FULL).tool;
        let mut tree = value(FULL);
        steps.iter().for_each(|how| widen(&mut tree["interface"]["input"], *how));
        tree["version"] = json!("2.4.0");
        let new = read(Format::Json, &tree.to_string()).unwrap_or_else(|report| panic!("{report}")).tool;
        let changes = diff(&old, &new);
        prop_assert!(!changes.is_empty() && changes.iter().all(|change| change.level <= Level::Minor), "{:?}", changes);
        prop_assert!(judge(&old, &new, &changes).is_ok());
        prop_assert!(diff(&new, &old).iter().any(|change| change.level == Level::Major));
    }
}
