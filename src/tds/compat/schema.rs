//! Whether one schema takes less or more than another.
//!
//! The question has no answer in general, so schemas are compared keyword by keyword, and what cannot be compared counts as
//! changed. The answer errs on one side only: if nothing is reported as narrowed or changed, whatever satisfied the old
//! schema satisfies the new one (a property test checks that with the validator itself).
//!
//! What a schema says about properties it does not list depends on who reads it. A caller sends an input what is listed,
//! so a property that is added is news. A caller of an output reads what is listed and leaves the rest, so a property that
//! is added says more about something that could have been there before.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::keywords::{list, referred};
use super::super::limits::{COMPARED_DEPTH, COMPARED_MAX};
use super::super::pointer;
use super::said::{choices, constants, kinds, names, shape, sole, speaks};

/// What became of the values that a schema takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Turn {
    /// Fewer.
    Narrowed,
    /// More.
    Widened,
    /// Others, or nobody can say.
    Changed,
}

/// One place in which two schemas differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) pointer: String,
    pub(super) in_old: bool,
    pub(super) turn: Turn,
    pub(super) what: String,
}

/// Everything in which two schemas differ; `open` if a reader leaves aside what is not listed.
pub(super) fn compare(old: &Value, new: &Value, open: bool) -> Vec<Move> {
    if old == new {
        return Vec::new();
    }
    let mut comparison = Comparison {
        old_root: old,
        new_root: new,
        open,
        strict: false,
        seen: BTreeSet::new(),
        moves: Vec::new(),
        left: COMPARED_MAX,
        depth: 0,
    };
    comparison.schemas("", old, new);
    comparison.moves
}

static ANYTHING: Value = Value::Bool(true);
static NOTHING: Value = Value::Bool(false);

/// Least bounds: more is narrower. None is the same as the number beside it.
const LEAST: [(&str, f64); 5] = [
    ("minimum", f64::NEG_INFINITY),
    ("exclusiveMinimum", f64::NEG_INFINITY),
    ("minLength", 0.0),
    ("minItems", 0.0),
    ("minProperties", 0.0),
];

/// Greatest bounds: less is narrower.
const MOST: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];

/// Keywords that are compared as they are: there or not, the same or another.
const PLAIN: [&str; 4] = ["pattern", "format", "contentEncoding", "contentMediaType"];

struct Comparison<'s> {
    old_root: &'s Value,
    new_root: &'s Value,
    open: bool,
    /// Any difference counts, whichever way it goes: within `not`, `oneOf`, `if`.
    strict: bool,
    seen: BTreeSet<(*const Value, *const Value)>,
    moves: Vec<Move>,
    /// How many more pairs are looked at.
    left: usize,
    depth: usize,
}

impl<'s> Comparison<'s> {
    fn tell(&mut self, at: &str, in_old: bool, turn: Turn, what: impl Into<String>) {
        self.moves.push(Move { pointer: at.to_owned(), in_old, turn, what: what.into() });
    }

    /// A part that only one of them has, and that takes something away.
    fn part(&mut self, at: &str, old: bool, new: bool, name: &str) {
        match (old, new) {
            (false, true) => self.tell(at, false, Turn::Narrowed, format!("{name} was added")),
            (true, false) => self.tell(at, true, Turn::Widened, format!("{name} was removed")),
            _ => {}
        }
    }

    fn schemas(&mut self, at: &str, old: &'s Value, new: &'s Value) {
        let (old, new) = (sole(self.old_root, old), sole(self.new_root, new));
        if !self.seen.insert((std::ptr::from_ref(old), std::ptr::from_ref(new))) {
            return;
        }
        if self.left == 0 || self.depth >= COMPARED_DEPTH {
            self.tell(at, false, Turn::Changed, "too much or too deep to be compared");
            return;
        }
        self.left -= 1;
        self.depth += 1;
        self.values(at, old, new);
        self.depth -= 1;
    }

    fn values(&mut self, at: &str, old: &'s Value, new: &'s Value) {
        let empty = |value: &Value| value.as_object().is_some_and(|map| !speaks(map)) || *value == ANYTHING;
        match (old, new) {
            (Value::Bool(false), Value::Bool(false)) => {}
            (Value::Bool(false), _) => self.tell(at, false, Turn::Widened, "takes something where it took nothing"),
            (_, Value::Bool(false)) => self.tell(at, false, Turn::Narrowed, "takes nothing any more"),
            _ if empty(old) && empty(new) => self.default(at, old, new),
            _ if empty(old) => self.tell(at, false, Turn::Narrowed, "takes no longer everything"),
            _ if empty(new) => self.tell(at, false, Turn::Widened, "takes everything now"),
            (Value::Object(before), Value::Object(after)) => {
                self.default(at, old, new);
                self.objects(at, before, after);
            }
            _ => {}
        }
    }

    /// What an input is when nothing is said is something callers rely on.
    fn default(&mut self, at: &str, old: &Value, new: &Value) {
        if !self.open && old.get("default") != new.get("default") {
            self.tell(&format!("{at}/default"), new.get("default").is_none(), Turn::Changed, "another default");
        }
    }

    fn objects(&mut self, at: &str, old: &'s Map<String, Value>, new: &'s Map<String, Value>) {
        let left_over = |map: &Map<String, Value>| {
            map.contains_key("unevaluatedProperties") || map.contains_key("unevaluatedItems")
        };
        if self.strict && shape(old) != shape(new) {
            self.tell(at, false, Turn::Changed, "other keywords");
        }
        // What is left over depends on everything beside it.
        if !self.strict && (left_over(old) || left_over(new)) {
            if !self.same(|strict| strict.objects(at, old, new)) {
                self.tell(at, false, Turn::Changed, "a schema with unevaluated parts changed");
            }
            return;
        }
        self.reference(at, old, new);
        self.kinds(at, old, new);
        self.choices(at, old, new);
        self.bounds(at, old, new);
        self.multiples(at, old, new);
        for word in PLAIN {
            let here = format!("{at}/{word}");
            match (old.get(word), new.get(word)) {
                (Some(before), Some(after)) if before != after => {
                    self.tell(&here, false, Turn::Changed, format!("another {word}: {after} instead of {before}"));
                }
                (before, after) => self.part(&here, before.is_some(), after.is_some(), word),
            }
        }
        let unique = |map: &Map<String, Value>| map.get("uniqueItems") == Some(&ANYTHING);
        self.part(&format!("{at}/uniqueItems"), unique(old), unique(new), "uniqueItems");
        self.required(at, old, new);
        self.properties(at, old, new);
        self.items(at, old, new);
        self.contained(at, old, new);
        self.combined(at, old, new);
        self.conditions(at, old, new);
    }

    /// A reference beside other keywords is one more schema for the same value.
    fn reference(&mut self, at: &str, old: &'s Map<String, Value>, new: &'s Map<String, Value>) {
        let target = |root, map: &Map<String, Value>| referred(root, map.get("$ref")?.as_str()?);
        let here = format!("{at}/$ref");
        match (target(self.old_root, old), target(self.new_root, new)) {
            (Some(before), Some(after)) => self.schemas(&here, before, after),
            (before, after) => self.part(&here, before.is_some(), after.is_some(), "a reference"),
        }
    }

    fn kinds(&mut self, at: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let (before, after) = (kinds(old), kinds(new));
        let here = format!("{at}/type");
        let (come, gone) = (after & !before, before & !after);
        if gone != 0 {
            self.tell(&here, false, Turn::Narrowed, format!("is no longer {}", names(gone)));
        }
        if come != 0 {
            self.tell(&here, false, Turn::Widened, format!("may be {} too", names(come)));
        }
    }

    fn choices(&mut self, at: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let here = format!("{at}/enum");
        match (choices(old), choices(new)) {
            (Some(before), Some(after)) => {
                for choice in before.iter().filter(|choice| !after.contains(choice)) {
                    self.tell(&here, true, Turn::Narrowed, format!("the choice {choice} was removed"));
                }
                for choice in after.iter().filter(|choice| !before.contains(choice)) {
                    self.tell(&here, false, Turn::Widened, format!("the choice {choice} was added"));
                }
            }
            (before, after) => self.part(&here, before.is_some(), after.is_some(), "a list of choices"),
        }
    }

    fn bounds(&mut self, at: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let most = MOST.map(|word| (word, f64::INFINITY));
        for (index, (word, none)) in LEAST.into_iter().chain(most).enumerate() {
            let bound = |map: &Map<String, Value>| map.get(word).and_then(Value::as_f64).unwrap_or(none);
            let (before, after) = (bound(old), bound(new));
            let narrower = if index < LEAST.len() { after > before } else { after < before };
            let turn = if narrower { Turn::Narrowed } else { Turn::Widened };
            let said = |map: &Map<String, Value>| map.get(word).map_or("none".to_owned(), Value::to_string);
            #[expect(clippy::float_cmp, reason = "the same number is written, or it is another")]
            if before != after {
                let what = format!("{word} is {} instead of {}", said(new), said(old));
                self.tell(&format!("{at}/{word}"), !new.contains_key(word), turn, what);
            }
        }
    }

    fn multiples(&mut self, at: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let here = format!("{at}/multipleOf");
        let whole = |value: &Value| value.as_i64().filter(|number| *number > 0);
        match (old.get("multipleOf"), new.get("multipleOf")) {
            (Some(before), Some(after)) if before != after => {
                let turn = match (whole(before), whole(after)) {
                    (Some(before), Some(after)) if after % before == 0 => Turn::Narrowed,
                    (Some(before), Some(after)) if before % after == 0 => Turn::Widened,
                    _ => Turn::Changed,
                };
                self.tell(&here, false, turn, format!("multipleOf is {after} instead of {before}"));
            }
            (before, after) => self.part(&here, before.is_some(), after.is_some(), "multipleOf"),
        }
    }

    fn required(&mut self, at: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let names = |map| -> BTreeSet<String> {
            list(map, "required").iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
        };
        let (before, after) = (names(old), names(new));
        let here = format!("{at}/required");
        for name in after.difference(&before) {
            self.tell(&here, false, Turn::Narrowed, format!("the property {name:?} is required now"));
        }
        for name in before.difference(&after) {
            self.tell(&here, true, Turn::Widened, format!("the property {name:?} is not required any more"));
        }
        if old.get("dependentRequired") != new.get("dependentRequired") {
            let here = format!("{at}/dependentRequired");
            match (old.get("dependentRequired"), new.get("dependentRequired")) {
                (Some(_), Some(_)) => self.tell(&here, false, Turn::Changed, "another dependentRequired"),
                (before, after) => self.part(&here, before.is_some(), after.is_some(), "dependentRequired"),
            }
        }
    }

    /// The schema for properties that are not listed.
    fn unlisted(&self, map: &'s Map<String, Value>) -> &'s Value {
        // An object without a list of properties is a bag: whatever is put in was meant to be.
        let bag = !map.contains_key("properties");
        map.get("additionalProperties").unwrap_or(if self.open || bag { &ANYTHING } else { &NOTHING })
    }

    fn properties(&mut self, at: &str, old: &'s Map<String, Value>, new: &'s Map<String, Value>) {
        let listed = |map: &'s Map<String, Value>, word| map.get(word).and_then(Value::as_object);
        let (before, after) = (listed(old, "properties"), listed(new, "properties"));
        let names: BTreeSet<&String> = before.into_iter().chain(after).flatten().map(|(name, _)| name).collect();
        let patterns = |map| listed(map, "patternProperties").map(|map| map.keys().collect::<BTreeSet<_>>());
        let (old_patterns, new_patterns) = (patterns(old).unwrap_or_default(), patterns(new).unwrap_or_default());
        let patterned = !old_patterns.is_empty() || !new_patterns.is_empty();
        for name in names {
            let here = pointer::join(&format!("{at}/properties"), name);
            match (before.and_then(|map| map.get(name)), after.and_then(|map| map.get(name))) {
                (Some(before), Some(after)) => self.schemas(&here, before, after),
                (None, Some(_)) if patterned => {
                    self.tell(&here, false, Turn::Changed, format!("the property {name:?} is listed beside patterns"));
                }
                (Some(_), None) if patterned => {
                    self.tell(&here, true, Turn::Changed, format!("the property {name:?} was listed beside patterns"));
                }
                (None, Some(after)) => self.listed(&here, name, self.unlisted(old), after, false),
                (Some(before), None) => self.listed(&here, name, before, self.unlisted(new), true),
                (None, None) => {}
            }
        }
        let here = format!("{at}/patternProperties");
        if old_patterns != new_patterns {
            self.tell(&here, false, Turn::Changed, "properties are listed by other patterns");
        }
        for pattern in old_patterns.intersection(&new_patterns) {
            let schemas = (&old["patternProperties"][pattern.as_str()], &new["patternProperties"][pattern.as_str()]);
            self.schemas(&pointer::join(&here, pattern), schemas.0, schemas.1);
        }
        let (before, after) = (self.unlisted(old), self.unlisted(new));
        // A bag that got a list is told by what it takes no longer.
        self.schemas(&format!("{at}/additionalProperties"), before, after);
    }

    /// A property that only one of them lists; the other takes it, or not, as one of those it does not list.
    fn listed(&mut self, here: &str, name: &str, old: &'s Value, new: &'s Value, in_old: bool) {
        let word = if in_old { "no longer listed" } else { "new" };
        match (old, new) {
            (Value::Bool(false), Value::Bool(false)) | (Value::Bool(true), Value::Bool(true)) => {}
            (Value::Bool(false), _) | (_, Value::Bool(true)) => {
                self.tell(here, in_old, Turn::Widened, format!("the property {name:?} is {word}"));
            }
            (Value::Bool(true), _) | (_, Value::Bool(false)) => {
                self.tell(here, in_old, Turn::Narrowed, format!("the property {name:?} is {word}"));
            }
            _ => self.schemas(here, old, new),
        }
    }

    fn items(&mut self, at: &str, old: &'s Map<String, Value>, new: &'s Map<String, Value>) {
        let rest = |map: &'s Map<String, Value>| map.get("items").unwrap_or(&ANYTHING);
        let (before, after) = (list(old, "prefixItems"), list(new, "prefixItems"));
        for index in 0..before.len().max(after.len()) {
            let here = format!("{at}/prefixItems/{index}");
            let pair = (before.get(index).unwrap_or(rest(old)), after.get(index).unwrap_or(rest(new)));
            self.schemas(&here, pair.0, pair.1);
        }
        self.schemas(&format!("{at}/items"), rest(old), rest(new));
    }

    fn contained(&mut self, at: &str, old: &'s Map<String, Value>, new: &'s Map<String, Value>) {
        let here = format!("{at}/contains");
        match (old.get("contains"), new.get("contains")) {
            (Some(before), Some(after)) => {
                let counts =
                    |map: &Map<String, Value>| (map.get("minContains").cloned(), map.get("maxContains").cloned());
                if counts(old) != counts(new) || !self.same(|strict| strict.schemas(&here, before, after)) {
                    self.tell(&here, false, Turn::Changed, "other items must be there");
                }
            }
            (before, after) => self.part(&here, before.is_some(), after.is_some(), "an item that must be there"),
        }
    }

    fn combined(&mut self, at: &str, old: &'s Map<String, Value>, new: &'s Map<String, Value>) {
        for word in ["allOf", "anyOf"] {
            let (before, after) = (list(old, word), list(new, word));
            let here = format!("{at}/{word}");
            if word == "anyOf" && before.is_empty() != after.is_empty() {
                self.part(&here, !before.is_empty(), !after.is_empty(), "a list of alternatives");
                continue;
            }
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                self.schemas(&format!("{here}/{index}"), before, after);
            }
            let (come, gone) =
                if word == "anyOf" { (Turn::Widened, Turn::Narrowed) } else { (Turn::Narrowed, Turn::Widened) };
            for index in before.len()..after.len() {
                self.tell(&format!("{here}/{index}"), false, come, format!("one more schema in {word}"));
            }
            for index in after.len()..before.len() {
                self.tell(&format!("{here}/{index}"), true, gone, format!("one schema less in {word}"));
            }
        }
        // A choice written as `oneOf` was compared as a choice.
        let one = |map: &'s Map<String, Value>| if constants(map).is_some() { &[] } else { list(map, "oneOf") };
        let (before, after) = (one(old), one(new));
        let here = format!("{at}/oneOf");
        if before.is_empty() || after.is_empty() {
            self.part(&here, !before.is_empty(), !after.is_empty(), "a list of alternatives");
        } else {
            let pairs = |strict: &mut Comparison<'s>| {
                before.iter().zip(after).for_each(|(before, after)| strict.schemas(&here, before, after));
            };
            if before.len() != after.len() || !self.same(pairs) {
                self.tell(&here, false, Turn::Changed, "other alternatives in oneOf, of which exactly one must hold");
            }
        }
    }

    fn conditions(&mut self, at: &str, old: &'s Map<String, Value>, new: &'s Map<String, Value>) {
        for word in ["not", "if", "then", "else", "unevaluatedProperties", "unevaluatedItems"] {
            let here = format!("{at}/{word}");
            match (old.get(word), new.get(word)) {
                (Some(before), Some(after)) => {
                    if !self.same(|strict| strict.schemas(&here, before, after)) {
                        self.tell(&here, false, Turn::Changed, format!("another schema in {word}"));
                    }
                }
                (None, None) => {}
                (before, _) if word != "not" => {
                    self.tell(&here, before.is_some(), Turn::Changed, format!("{word} was added or removed"));
                }
                (before, after) => self.part(&here, before.is_some(), after.is_some(), "`not`"),
            }
        }
        let names = |map: &'s Map<String, Value>| map.get("propertyNames").unwrap_or(&ANYTHING);
        self.schemas(&format!("{at}/propertyNames"), names(old), names(new));
        let depends = |map: &'s Map<String, Value>| map.get("dependentSchemas").and_then(Value::as_object);
        let (before, after) = (depends(old), depends(new));
        let keys: BTreeSet<&String> = before.into_iter().chain(after).flatten().map(|(key, _)| key).collect();
        for key in keys {
            let here = pointer::join(&format!("{at}/dependentSchemas"), key);
            match (before.and_then(|map| map.get(key)), after.and_then(|map| map.get(key))) {
                (Some(before), Some(after)) => self.schemas(&here, before, after),
                (before, after) => {
                    self.part(&here, before.is_some(), after.is_some(), "a schema that depends on a key")
                }
            }
        }
    }

    /// Whether a comparison finds no difference of any kind.
    fn same(&mut self, compare: impl FnOnce(&mut Comparison<'s>)) -> bool {
        if self.strict {
            // Whoever began being strict sees every move.
            compare(self);
            return true;
        }
        let mut strict = Comparison {
            old_root: self.old_root,
            new_root: self.new_root,
            open: self.open,
            strict: true,
            seen: BTreeSet::new(),
            moves: Vec::new(),
            left: self.left,
            depth: self.depth,
        };
        compare(&mut strict);
        self.left = strict.left;
        strict.moves.is_empty()
    }
}
