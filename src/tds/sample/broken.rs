//! Values in which one thing is wrong: a value that fits, and at one place of it one word of the schema broken. Only words
//! that hold whatever the rest of the schema says are broken, so what comes out never fits.

use serde_json::{Map, Value, json};

use super::fitting::STRANGE;
use super::flat::types;
use super::number::written;
use super::text::LONGEST;
use super::{BYTES_MOST, MADE_MOST, Room, Sample, weight, within};
use crate::tds::keywords::{list, referred};
use crate::tds::limits::NUMBER_MAX;
use crate::tds::pointer;
use crate::tds::schema::Checker;

/// Items of a list that is too long, at the most.
const ITEMS_MOST: u64 = 10_000;

/// Schemas that are passed on the way through one value; a fan of references ends here.
const STEPS_MOST: usize = 2_000;

/// A value of each type.
fn of_each_type() -> [(&'static str, Value); 7] {
    [
        ("null", Value::Null),
        ("boolean", json!(true)),
        ("integer", json!(7)),
        ("number", json!(0.5)),
        ("string", json!("text")),
        ("array", json!([])),
        ("object", json!({})),
    ]
}

struct Breaker<'s> {
    root: &'s Value,
    base: &'s Value,
    /// Bytes of the base, which each value that is made of it has.
    whole: usize,
    steps: usize,
    room: Room,
    found: Vec<Sample>,
}

/// Everything that can be made of a value that fits by breaking one thing in it.
pub(super) fn all(schema: &Value, base: &Value) -> Vec<Sample> {
    let (whole, room) = (weight(base), Room(BYTES_MOST));
    let mut breaker = Breaker { root: schema, base, whole, steps: 0, room, found: Vec::new() };
    breaker.walk(schema, base, "");
    breaker.found
}

impl<'s> Breaker<'s> {
    /// Breaks what a schema says of the value at this place, and of what is in it.
    fn walk(&mut self, schema: &'s Value, value: &Value, at: &str) {
        let Some(map) = schema.as_object().filter(|_| self.steps < STEPS_MOST) else { return };
        self.steps += 1;
        self.kind(map, at);
        match value {
            Value::String(_) => self.text(map, at),
            Value::Number(_) => self.number(map, at),
            Value::Array(items) => self.items(map, items, at),
            Value::Object(own) => self.keys(map, own, at),
            Value::Null | Value::Bool(_) => {}
        }
        let reference = map.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|reference| referred(self.root, reference));
        for part in target.into_iter().chain(list(map, "allOf")) {
            self.walk(part, value, at);
        }
        for (key, part) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(inner) = value.get(key) {
                self.walk(part, inner, &pointer::join(at, key));
            }
        }
        let fixed = list(map, "prefixItems");
        for (index, part) in fixed.iter().chain(map.get("items")).enumerate() {
            if let Some(inner) = value.as_array().and_then(|items| items.get(index)) {
                self.walk(part, inner, &pointer::item(at, index));
            }
        }
    }

    /// Notes the value with another one at this place.
    fn put(&mut self, at: &str, about: &str, value: Value) {
        if self.found.len() >= MADE_MOST || !self.room.takes(self.whole + weight(&value)) {
            return;
        }
        let mut whole = self.base.clone();
        let Some(place) = whole.pointer_mut(at) else { return };
        *place = value;
        let place = crate::tds::dotted(at);
        let about = if place.is_empty() { about.to_owned() } else { within(&place, about) };
        self.found.push(Sample::new(about, whole));
    }

    fn kind(&mut self, map: &Map<String, Value>, at: &str) {
        if let Some(word) = map.get("type") {
            let may = types(word);
            let fits = |kind: &str| may.contains(&kind) || (kind == "integer" && may.contains(&"number"));
            for (kind, value) in of_each_type().into_iter().filter(|(kind, _)| !fits(kind)) {
                self.put(at, &format!("of another type: {kind}"), value);
            }
        }
        let choices = list(map, "enum").iter().chain(map.get("const"));
        let choices: Vec<&Value> = choices.collect();
        if !choices.is_empty() {
            let longest = choices.iter().map(|choice| choice.as_str().map_or(0, str::len)).max().unwrap_or(0);
            self.put(at, "none of the choices", json!("x".repeat(longest + 1)));
        }
    }

    fn text(&mut self, map: &Map<String, Value>, at: &str) {
        let bound = |word: &str| map.get(word).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        if let Some(least) = bound("minLength").filter(|least| (1..=LONGEST).contains(least)) {
            self.put(at, "too short", json!("a".repeat(least - 1)));
        }
        if let Some(most) = bound("maxLength").filter(|most| *most <= LONGEST) {
            self.put(at, "too long", json!("a".repeat(most + 1)));
        }
        let pattern = map.get("pattern").map(|pattern| json!({ "pattern": pattern }));
        if let Some(checker) = pattern.and_then(|schema| Checker::compile(&schema).ok()) {
            let odd = ["", "a", "\u{1}", "~ ~"].into_iter().find(|text| !checker.takes(&json!(text)));
            if let Some(text) = odd {
                self.put(at, "not of its pattern", json!(text));
            }
        }
    }

    fn number(&mut self, map: &Map<String, Value>, at: &str) {
        // A number beside another is told from it only below 2^53.
        let bound = |word: &str| map.get(word).and_then(Value::as_f64).filter(|bound| bound.abs() < NUMBER_MAX as f64);
        let broken = [
            ("too small", bound("minimum").map(|least| least - 1.0)),
            ("too small", bound("exclusiveMinimum")),
            ("too great", bound("maximum").map(|most| most + 1.0)),
            ("too great", bound("exclusiveMaximum")),
            (
                "no multiple",
                bound("multipleOf").filter(|step| *step > 1.0 && step.fract() == 0.0).map(|step| step + 1.0),
            ),
        ];
        for (about, number) in broken {
            if let Some(number) = number {
                self.put(at, about, written(number));
            }
        }
    }

    fn items(&mut self, map: &Map<String, Value>, items: &[Value], at: &str) {
        let bound = |word: &str| map.get(word).and_then(Value::as_u64);
        if let Some(least) = bound("minItems").filter(|least| *least > 0) {
            let short = items.iter().take(usize::try_from(least - 1).unwrap_or_default()).cloned();
            self.put(at, "too few items", short.collect());
        }
        let Some(last) = items.last() else { return };
        if let Some(most) = bound("maxItems").filter(|most| *most < ITEMS_MOST) {
            let mut long = items.to_vec();
            let length = usize::try_from(most + 1).unwrap_or_default();
            if self.room.takes(weight(last) * length) {
                long.resize(length, last.clone());
                self.put(at, "too many items", Value::Array(long));
            }
        }
        if map.get("uniqueItems") == Some(&json!(true)) {
            let twice: Vec<Value> = items.iter().chain([last]).cloned().collect();
            self.put(at, "an item twice", Value::Array(twice));
        }
    }

    fn keys(&mut self, map: &Map<String, Value>, own: &Map<String, Value>, at: &str) {
        for key in list(map, "required").iter().filter_map(Value::as_str) {
            let mut less = own.clone();
            if less.remove(key).is_some() {
                self.put(at, &format!("without {key}"), Value::Object(less));
            }
        }
        let more = |key: &str| {
            let mut more = own.clone();
            more.insert(key.to_owned(), json!(1));
            Value::Object(more)
        };
        let known = |key: &str| map.get("properties").is_some_and(|named| named.get(key).is_some());
        let open = map.get("patternProperties").is_some() || known(STRANGE);
        if map.get("additionalProperties") == Some(&json!(false)) && !open {
            self.put(at, "an unknown key", more(STRANGE));
        }
        for (key, schema) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if *schema == json!(false) {
                self.put(at, &format!("with {key}, which must not be there"), more(key));
            }
        }
        let count = |word: &str| map.get(word).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        if count("minProperties").is_some_and(|least| least > 0) {
            self.put(at, "empty", json!({}));
        }
        if let Some(most) = count("maxProperties").filter(|most| (*most as u64) < ITEMS_MOST) {
            let mut many = own.clone();
            let spare = (0..=most).map(|number| format!("key{number}"));
            spare.for_each(|key| drop(many.insert(key, json!(1))));
            self.put(at, "too many keys", Value::Object(many));
        }
    }
}
