//! Values that satisfy a schema: an ordinary one, and such that differ from it in one thing, which is at a border.

use serde_json::{Map, Value, json};

use super::flat::{Flat, Words, types};
use super::number::numbers;
use super::text::{ordinary, texts};
use super::{BYTES_MOST, MADE_MOST, Room, Sample, below, weight, within};
use crate::tds::keywords::list;
use crate::types::Random;

/// Levels at which every border is tried; what lies deeper is ordinary.
const VARIED_DEPTH: usize = 4;

/// Levels at which what may be left out is there; a schema that goes into itself would have no end.
const FULL_DEPTH: usize = 5;

/// Levels at the most, of what must be there.
const DEPTH_MOST: usize = 24;

/// Items of the longest list, whatever the schema allows, and of a long one if it names no bound.
const ITEMS_MOST: usize = 1_000;
const ITEMS_MANY: usize = 100;

/// Levels of a value that may be anything: as deep as messages are.
const NESTED: usize = 32;

/// Every type there is, for a schema that names none.
const KINDS: [&str; 6] = ["string", "integer", "boolean", "null", "array", "object"];

/// A key that no schema names.
pub(super) const STRANGE: &str = "nobody-knows-this";

pub(super) struct Maker<'s> {
    flat: Flat<'s>,
    random: &'s dyn Random,
    room: Room,
}

impl<'s> Maker<'s> {
    pub(super) fn new(root: &'s Value, random: &'s dyn Random) -> Maker<'s> {
        Maker { flat: Flat::new(root), random, room: Room(BYTES_MOST) }
    }

    /// Values at the borders of a schema, of which the first is ordinary.
    pub(super) fn borders(&mut self, schema: &Value) -> Vec<Sample> {
        self.variants(schema, 0)
    }

    /// So many values whose parts are each at a border by chance.
    pub(super) fn mixed(&mut self, schema: &Value, most: usize) -> Vec<Sample> {
        let ways = self.flat.alternatives(schema);
        let Some(words) = ways.get(below(self.random, ways.len())) else { return Vec::new() };
        let Some(Value::Object(full)) = self.object(words, 0, true) else { return Vec::new() };
        let required: Vec<&str> = list(words, "required").iter().filter_map(Value::as_str).collect();
        let parts: Vec<(&String, Vec<Sample>)> =
            properties(words).map(|(key, schema)| (key, self.variants(schema, 1))).collect();
        let mut found = Vec::new();
        for _ in 0..most {
            let mut map = full.clone();
            for (key, variants) in &parts {
                // A quarter of what may be left out is.
                let left_out = !required.contains(&key.as_str()) && below(self.random, 4) == 0;
                match variants.get(below(self.random, variants.len())) {
                    Some(one) if !left_out => drop(map.insert((*key).clone(), one.value.clone())),
                    _ => drop(map.remove(*key)),
                }
            }
            let value = Value::Object(map);
            if !self.room.takes(weight(&value)) {
                break;
            }
            found.push(Sample::new("several borders at once", value));
        }
        found
    }

    /// A value, and such that differ from it in one key.
    pub(super) fn around(&mut self, schema: &Value, value: &Value) -> Vec<Sample> {
        let mut found = vec![Sample::new("", value.clone())];
        let Some(map) = value.as_object() else { return found };
        for words in self.flat.alternatives(schema) {
            self.one_key(&words, map, 0, &mut found);
        }
        found
    }

    fn variants(&mut self, schema: &Value, depth: usize) -> Vec<Sample> {
        if self.room.is_empty() {
            return Vec::new();
        }
        let ordinary = self.ordinary(schema, depth);
        let mut found: Vec<Sample> = ordinary.into_iter().map(|value| Sample::new("", value)).collect();
        if depth >= VARIED_DEPTH {
            return found;
        }
        for words in self.flat.alternatives(schema) {
            if let Some(value) = words.get("const") {
                found.push(Sample::new("", value.clone()));
            } else if words.contains_key("enum") {
                found.extend(list(&words, "enum").iter().map(|choice| Sample::new("a choice", choice.clone())));
            } else {
                for kind in kinds(&words) {
                    self.of_kind(kind, &words, depth, &mut found);
                }
            }
        }
        found
    }

    fn of_kind(&mut self, kind: &str, words: &Words, depth: usize, found: &mut Vec<Sample>) {
        let sample = |(about, value): (&str, Value)| Sample::new(about, value);
        match kind {
            "string" => {
                let mut texts = texts(words, self.random);
                texts.retain(|(_, text)| self.room.takes(text.len()));
                found.extend(texts.into_iter().map(|(about, text)| Sample::new(about, json!(text))));
            }
            "integer" | "number" => found.extend(numbers(words, kind == "integer").into_iter().map(sample)),
            "boolean" => found.extend([("true", json!(true)), ("false", json!(false))].map(sample)),
            "null" => found.push(Sample::new("null", Value::Null)),
            "array" => self.lists(words, depth, found),
            _ => self.objects(words, depth, found),
        }
    }

    fn objects(&mut self, words: &Words, depth: usize, found: &mut Vec<Sample>) {
        let least = self.object(words, depth, false);
        let Some(Value::Object(full)) = self.object(words, depth, true) else {
            found.extend(least.map(|value| Sample::new("only what it needs", value)));
            return;
        };
        found.push(Sample::new("", Value::Object(full.clone())));
        found.extend(least.map(|value| Sample::new("only what it needs", value)));
        self.one_key(words, &full, depth, found);
    }

    /// Objects that differ from this one in one key.
    fn one_key(&mut self, words: &Words, full: &Map<String, Value>, depth: usize, found: &mut Vec<Sample>) {
        let whole = full.values().map(weight).sum::<usize>();
        let with = |key: &str, value: Value| {
            let mut map = full.clone();
            map.insert(key.to_owned(), value);
            Value::Object(map)
        };
        for (key, schema) in properties(words) {
            for one in self.variants(schema, depth + 1) {
                if found.len() >= MADE_MOST || !self.room.takes(whole + weight(&one.value)) {
                    return;
                }
                found.push(Sample::new(within(key, &one.about), with(key, one.value)));
            }
            let mut without = full.clone();
            if without.remove(key).is_some() && self.room.takes(whole) {
                found.push(Sample::new(format!("without {key}"), Value::Object(without)));
            }
        }
        let other = match words.get("additionalProperties") {
            Some(Value::Bool(false)) => Vec::new(),
            Some(schema @ Value::Object(_)) => self.variants(schema, depth + 1),
            _ => vec![Sample::new("", json!("text"))],
        };
        for one in other {
            if self.room.takes(whole + weight(&one.value)) {
                let about = within("a key that nobody named", &one.about);
                found.push(Sample::new(about, with(STRANGE, one.value)));
            }
        }
        if depth == 0 && properties(words).next().is_none() {
            let deep = (0..NESTED).fold(json!(0), |value, _| json!([value]));
            found.push(Sample::new("deep", with(STRANGE, deep)));
        }
    }

    fn lists(&mut self, words: &Words, depth: usize, found: &mut Vec<Sample>) {
        let (least, most) = counts(words, "minItems", "maxItems");
        let many = if most == usize::MAX { ITEMS_MANY.max(least) } else { most.min(ITEMS_MOST) };
        let lengths = [("as few as may be", least), ("one", 1), ("as many as may be", many)];
        for (about, length) in lengths.into_iter().filter(|(_, length)| (least..=most).contains(length)) {
            found.extend(self.list(words, depth, length).map(|value| Sample::new(about, value)));
        }
        let fixed = list(words, "prefixItems");
        let each = words.get("items").cloned().unwrap_or(json!(true));
        let places = fixed.iter().cloned().chain([each]).enumerate();
        for (at, schema) in places.filter(|(at, _)| *at < most) {
            let Some(Value::Array(items)) = self.list(words, depth, least.max(at + 1)) else { continue };
            let whole = items.iter().map(weight).sum::<usize>();
            for one in self.variants(&schema, depth + 1) {
                if found.len() >= MADE_MOST || !self.room.takes(whole + weight(&one.value)) {
                    return;
                }
                let mut items = items.clone();
                items[at] = one.value;
                found.push(Sample::new(within(&format!("[{at}]"), &one.about), Value::Array(items)));
            }
        }
    }

    /// An ordinary value.
    fn ordinary(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        let ways = self.flat.alternatives(schema);
        ways.iter().find_map(|words| self.ordinary_of(words, depth))
    }

    fn ordinary_of(&mut self, words: &Words, depth: usize) -> Option<Value> {
        if depth > DEPTH_MOST || self.room.is_empty() {
            return None;
        }
        if let Some(value) = words.get("const") {
            return Some(value.clone());
        }
        if words.contains_key("enum") {
            return list(words, "enum").first().cloned();
        }
        kinds(words).into_iter().find_map(|kind| match kind {
            "string" => ordinary(words, self.random).filter(|text| self.room.takes(text.len())).map(Value::String),
            "integer" | "number" => numbers(words, kind == "integer").into_iter().next().map(|(_, number)| number),
            "boolean" => Some(json!(true)),
            "null" => Some(Value::Null),
            "array" => {
                let (least, most) = counts(words, "minItems", "maxItems");
                let some = if depth < FULL_DEPTH { 1 } else { 0 };
                self.list(words, depth, least.max(some).min(most)).or_else(|| self.list(words, depth, least))
            }
            _ => self.object(words, depth, depth < FULL_DEPTH).or_else(|| self.object(words, depth, false)),
        })
    }

    /// A list of so many ordinary items; if each may be there only once, of such as differ.
    fn list(&mut self, words: &Words, depth: usize, length: usize) -> Option<Value> {
        if length > ITEMS_MOST {
            return None;
        }
        let fixed = list(words, "prefixItems");
        let mut items = Vec::new();
        for schema in fixed.iter().take(length) {
            items.push(self.ordinary(schema, depth + 1)?);
        }
        if items.len() < length {
            let each = words.get("items").cloned().unwrap_or(json!(true));
            if words.get("uniqueItems") == Some(&json!(true)) && length > items.len() + 1 {
                let different = self.variants(&each, depth + 1).into_iter().map(|one| one.value);
                for value in different {
                    if !items.contains(&value) {
                        items.push(value);
                    }
                }
                items.truncate(length);
            } else {
                let item = self.ordinary(&each, depth + 1)?;
                if !self.room.takes(weight(&item) * length) {
                    return None;
                }
                items.resize(length, item);
            }
        }
        (items.len() == length).then_some(Value::Array(items))
    }

    /// An object with all that its schema names, or with what must be there.
    fn object(&mut self, words: &Words, depth: usize, full: bool) -> Option<Value> {
        let required: Vec<&str> = list(words, "required").iter().filter_map(Value::as_str).collect();
        let mut map = Map::new();
        for (key, schema) in properties(words) {
            let needed = required.contains(&key.as_str());
            if !needed && !full {
                continue;
            }
            match self.ordinary(schema, depth + 1) {
                Some(value) => drop(map.insert(key.clone(), value)),
                None if needed => return None,
                None => {}
            }
        }
        let other = words.get("additionalProperties").cloned().unwrap_or(json!(true));
        let (least, most) = counts(words, "minProperties", "maxProperties");
        let unnamed = required.iter().map(|key| (*key).to_owned());
        let spare = (0..least.min(ITEMS_MOST)).map(|number| format!("key{number}"));
        for (at, key) in unnamed.chain(spare).enumerate() {
            if map.contains_key(&key) || (at >= required.len() && map.len() >= least) {
                continue;
            }
            let value = self.ordinary(&other, depth + 1)?;
            map.insert(key, value);
        }
        if map.len() > most {
            let spare: Vec<String> = map.keys().filter(|key| !required.contains(&key.as_str())).cloned().collect();
            spare.iter().take(map.len() - most).for_each(|key| drop(map.remove(key)));
        }
        Some(Value::Object(map))
    }
}

pub(super) fn properties(words: &Words) -> impl Iterator<Item = (&String, &Value)> {
    words.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// The least and the most of something that is counted.
fn counts(words: &Words, least: &str, most: &str) -> (usize, usize) {
    let count = |word: &str| words.get(word).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    (count(least).unwrap_or(0), count(most).unwrap_or(usize::MAX))
}

/// The types a value may have: those that are named, else those that the other words are about.
fn kinds(words: &Words) -> Vec<&str> {
    if let Some(word) = words.get("type") {
        return types(word);
    }
    let about = |keys: &[&str]| keys.iter().any(|key| words.contains_key(*key));
    let guessed = [
        ("object", about(&["properties", "required", "additionalProperties", "minProperties", "maxProperties"])),
        ("array", about(&["items", "prefixItems", "minItems", "maxItems", "uniqueItems"])),
        ("string", about(&["minLength", "maxLength", "pattern", "format"])),
        ("number", about(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"])),
    ];
    let guessed: Vec<&str> = guessed.into_iter().filter(|(_, about)| *about).map(|(kind, _)| kind).collect();
    if guessed.is_empty() { KINDS.to_vec() } else { guessed }
}
