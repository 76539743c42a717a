//! What a tool's JSON Schema may not be: a reason to fetch something, or a bomb.
//!
//! Runs before a schema is compiled. References stay within the schema; size, depth, choices and patterns have limits; and
//! the number of schemas that one path through a value passes is counted with every reference followed, so that fans of
//! references that double at each step are found without walking them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::keywords::{self, Applied, Part};
use super::limits::{
    ENUM_MAX, PATTERN_BYTES_MAX, SCHEMA_COST_MAX, SCHEMA_DEPTH_MAX, SCHEMA_NAMED_MAX, SCHEMA_NODES_MAX,
    SCHEMA_PATTERNS_MAX, SCHEMA_REFERENCES_MAX, UNFOLDED_DEPTH,
};
use super::pointer;
use super::problem::{Reporter, Severity};
use super::schema;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords that make a reference mean something else in another place. Nobody needs them in a schema of one file.
const REFUSED: [&str; 5] = ["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"];

/// Reports everything about the schema at `base` that it may not be, and whether it may be compiled.
pub(crate) fn guard(reporter: &mut Reporter<'_>, base: &str, schema: &Value) -> bool {
    let (nodes, index, counts) = (Vec::new(), BTreeMap::new(), Counts::default());
    let mut guard = Guard { reporter, base, root: schema, good: true, nodes, index, counts };
    if guard.size() {
        guard.walk();
        guard.counts();
    }
    if guard.good {
        guard.cost();
    }
    guard.good
}

/// A schema within the root, and those that apply where it does or below.
struct Node<'s> {
    pointer: String,
    schema: &'s Value,
    parts: Vec<(Applied<'s>, usize)>,
}

struct Guard<'g, 'd, 's> {
    reporter: &'g mut Reporter<'d>,
    base: &'g str,
    root: &'s Value,
    good: bool,
    nodes: Vec<Node<'s>>,
    /// Nodes by their address, which is how a reference finds them.
    index: BTreeMap<*const Value, usize>,
    counts: Counts,
}

/// Things of which there may not be many.
#[derive(Default)]
struct Counts {
    patterns: usize,
    references: usize,
    named: usize,
}

impl<'s> Guard<'_, '_, 's> {
    fn refuse(&mut self, at: &str, found: impl Into<String>, expected: impl Into<String>) {
        let at = format!("{}{at}", self.base);
        self.reporter.error(&at, found, expected);
        self.good = false;
    }

    /// Counts values and levels before anything looks closer.
    fn size(&mut self) -> bool {
        let mut count = 0;
        let mut open = vec![(self.root, 1)];
        while let Some((value, depth)) = open.pop() {
            count += 1;
            if count > SCHEMA_NODES_MAX || depth > SCHEMA_DEPTH_MAX {
                let found = if depth > SCHEMA_DEPTH_MAX {
                    format!("a schema of more than {SCHEMA_DEPTH_MAX} levels")
                } else {
                    format!("a schema of more than {SCHEMA_NODES_MAX} values")
                };
                self.refuse("", found, "a smaller schema");
                return false;
            }
            match value {
                Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
                Value::Object(map) => open.extend(map.values().map(|item| (item, depth + 1))),
                _ => {}
            }
        }
        true
    }

    /// Looks at every schema.
    fn walk(&mut self) {
        let mut open = vec![(String::new(), self.root)];
        while let Some((at, schema)) = open.pop() {
            self.index.insert(std::ptr::from_ref(schema), self.nodes.len());
            self.nodes.push(Node { pointer: at.clone(), schema, parts: Vec::new() });
            let Some(map) = schema.as_object() else { continue };
            self.keywords(&at, map);
            open.extend(keywords::parts(map).into_iter().map(|part| (format!("{at}{}", part.pointer), part.schema)));
        }
    }

    fn keywords(&mut self, at: &str, map: &Map<String, Value>) {
        let known = keywords::all();
        for (word, value) in map {
            let here = pointer::join(at, word);
            match word.as_str() {
                word if REFUSED.contains(&word) => {
                    self.refuse(&here, format!("the keyword {word}"), "`$ref` into this schema");
                }
                "$schema" if at.is_empty() && value.as_str() == Some(DRAFT) => {}
                "$schema" => self.refuse(&here, schema::described(value), format!("{DRAFT}, at the top only")),
                "$id" if !at.is_empty() => {
                    self.refuse(&here, "an `$id` within a schema", "`$anchor`: a tool's schema is one document");
                }
                "$ref" => self.reference(&here, value),
                "pattern" => self.pattern(&here, value.as_str().unwrap_or_default()),
                "patternProperties" => {
                    let patterns: Vec<&String> = value.as_object().into_iter().flatten().map(|(key, _)| key).collect();
                    for text in patterns {
                        self.pattern(&pointer::join(&here, text), text);
                    }
                }
                "enum" if value.as_array().is_some_and(|choices| choices.len() > ENUM_MAX) => {
                    self.refuse(&here, format!("more than {ENUM_MAX} choices"), "fewer: a model reads all of them");
                }
                word if !known.contains(&word) && !word.starts_with("x-") => {
                    self.reporter.unknown(Severity::Warning, &format!("{}{here}", self.base), &known);
                }
                _ => {}
            }
        }
    }

    /// Refuses more of a thing than is looked at; then joins the schemas.
    fn counts(&mut self) {
        let Counts { patterns, references, named } = self.counts;
        let counted = [
            (patterns, SCHEMA_PATTERNS_MAX, "patterns"),
            (references, SCHEMA_REFERENCES_MAX, "references"),
            (named, SCHEMA_NAMED_MAX, "references by an anchor's name"),
        ];
        for (count, most, what) in counted {
            if count > most {
                self.refuse("", format!("{count} {what}"), format!("at most {most}"));
            }
        }
        if references <= SCHEMA_REFERENCES_MAX && named <= SCHEMA_NAMED_MAX {
            (0..self.nodes.len()).for_each(|at| self.join(at));
        }
    }

    fn reference(&mut self, here: &str, value: &Value) {
        let Some(text) = value.as_str() else { return };
        self.counts.references += 1;
        self.counts.named += usize::from(text.starts_with('#') && !text.starts_with("#/") && text != "#");
        if !text.starts_with('#') {
            let found = format!("a reference to something else: {text:?}");
            self.refuse(here, found, "a reference into this schema, such as \"#/$defs/name\"; nothing is fetched");
        }
    }

    fn pattern(&mut self, here: &str, text: &str) {
        self.counts.patterns += 1;
        if self.counts.patterns > SCHEMA_PATTERNS_MAX {
            return;
        }
        if text.len() > PATTERN_BYTES_MAX {
            let found = format!("a pattern of {} bytes", text.len());
            self.refuse(here, found, format!("at most {PATTERN_BYTES_MAX}"));
        } else if !schema::pattern(text) {
            let expected = "a regular expression without look-around and back-references that stays small when it is \
                            compiled";
            self.refuse(here, format!("the pattern {text:?}"), expected);
        }
    }

    /// Notes which schemas apply together with this one.
    fn join(&mut self, at: usize) {
        let Some(map) = self.nodes[at].schema.as_object() else { return };
        let mut parts: Vec<(Applied<'s>, usize)> = Vec::new();
        for Part { applied, schema, .. } in keywords::parts(map) {
            let node = self.index.get(&std::ptr::from_ref(schema));
            parts.extend(node.filter(|_| applied != Applied::Definition).map(|node| (applied, *node)));
        }
        if let Some(reference) = map.get("$ref").and_then(Value::as_str).filter(|text| text.starts_with('#')) {
            let target = keywords::referred(self.root, reference);
            match target.and_then(|schema| self.index.get(&std::ptr::from_ref(schema))) {
                Some(node) => parts.push((Applied::Here, *node)),
                None => {
                    let here = pointer::join(&self.nodes[at].pointer.clone(), "$ref");
                    self.refuse(&here, format!("a reference to nothing: {reference:?}"), "a schema within this one");
                }
            }
        }
        self.nodes[at].parts = parts;
    }

    /// Nodes in an order in which those that apply to the same value come before; nothing if they go in a circle.
    fn order(&mut self) -> Option<Vec<usize>> {
        let mut waits: Vec<usize> = Vec::with_capacity(self.nodes.len());
        let mut wanted: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            let here = node.parts.iter().filter(|(applied, _)| *applied == Applied::Here);
            waits.push(here.clone().count());
            here.for_each(|(_, part)| wanted[*part].push(at));
        }
        let mut order: Vec<usize> = (0..waits.len()).filter(|at| waits[*at] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            for at in &wanted[order[next]] {
                waits[*at] -= 1;
                if waits[*at] == 0 {
                    order.push(*at);
                }
            }
            next += 1;
        }
        if order.len() == self.nodes.len() {
            return Some(order);
        }
        let refers = |at: &usize| waits[*at] > 0 && self.nodes[*at].schema.get("$ref").is_some();
        let at = (0..waits.len()).find(refers).map_or(String::new(), |at| format!("{}/$ref", self.nodes[at].pointer));
        self.refuse(&at, "a reference that comes back to itself", "one that goes into a property or an item first");
        None
    }

    /// Counts the schemas that one path through a value passes, for values of one level, two, and so on.
    fn cost(&mut self) {
        let Some(order) = self.order() else { return };
        let mut below = vec![0_u64; self.nodes.len()];
        for _ in 0..UNFOLDED_DEPTH {
            let mut here = vec![0_u64; self.nodes.len()];
            for at in &order {
                here[*at] = passed(&self.nodes[*at].parts, &here, &below);
            }
            below = here;
        }
        let cost = self.index.get(&std::ptr::from_ref(self.root)).map_or(0, |root| below[*root]);
        if cost > SCHEMA_COST_MAX {
            let found = "references that fan out: one path through a value would pass more than 100,000 schemas";
            self.refuse("", found, "fewer schemas for the same value");
        }
    }
}

/// The schemas that a value passes here, if the one below it that passes the most is followed.
fn passed(parts: &[(Applied<'_>, usize)], here: &[u64], below: &[u64]) -> u64 {
    let (mut own, mut key, mut keys, mut item, mut items) = (1_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    for (applied, part) in parts {
        match applied {
            Applied::Here => own = own.saturating_add(here[*part]),
            Applied::Property(_) => key = key.max(below[*part]),
            Applied::AnyProperty => keys = keys.saturating_add(below[*part]),
            Applied::Item(_) => item = item.max(below[*part]),
            Applied::AnyItem => items = items.saturating_add(below[*part]),
            Applied::Definition => {}
        }
    }
    own.saturating_add(key.saturating_add(keys).max(item.saturating_add(items)))
}
