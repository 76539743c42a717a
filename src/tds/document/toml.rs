//! TOML, read by the `toml` crate, which keeps the place of every key and value.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::limits::{DEPTH_MAX, PROBLEMS_MAX};
use super::super::pointer;
use super::super::problem::Problem;
use super::tree::{Lines, TOO_GREAT, Tree, fraction, twice, whole};
use super::{Document, Spot};

pub(super) fn read(text: &str) -> Result<Document, Vec<Problem>> {
    let lines = Lines::new(text);
    if let Some(at) = too_dotted(text) {
        let found = format!("a key of more than {DEPTH_MAX} parts");
        return Err(vec![Problem::unreadable(lines.spot(at), found, "a flatter description")]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(explained(text, &lines, &errors));
    }
    let mut reader = Reader { lines, tree: Tree::default() };
    let value = reader.root(table.get_ref()).map_err(|problem| vec![problem])?;
    Ok(reader.tree.finish(value))
}

/// Where a dotted key has more parts than there may be levels. The parser nests them without a limit of its own, so it
/// must not see them. A run of dots with commas or signs between is a list of numbers or prose, and no key.
fn too_dotted(text: &str) -> Option<usize> {
    let mut dots = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'.' => dots += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b' ' | b'\t' | b'"' | b'\'' => {}
            _ => dots = 0,
        }
        if dots > DEPTH_MAX {
            return Some(at);
        }
    }
    None
}

fn explained(text: &str, lines: &Lines<'_>, errors: &[toml::de::Error]) -> Vec<Problem> {
    let errors = &errors[..errors.len().min(PROBLEMS_MAX)];
    let spans: Vec<Range<usize>> =
        errors.iter().filter(|error| is_twice(error)).filter_map(toml::de::Error::span).collect();
    let firsts = if spans.is_empty() { BTreeMap::new() } else { firsts(text, spans) };
    let explain = |error: &toml::de::Error| {
        let span = error.span().unwrap_or(0..0);
        let again = lines.spot(span.start);
        match firsts.get(&span.start) {
            Some((key, first)) => twice(key, lines.spot(*first), again),
            // The parser has a limit of its own, beyond ours.
            None if error.message().contains("recursion") => {
                Problem::unreadable(again, format!("more than {DEPTH_MAX} levels"), "a flatter description")
            }
            None => Problem::unreadable(again, format!("not TOML: {}", error.message()), ""),
        }
    };
    errors.iter().map(explain).collect()
}

fn is_twice(error: &toml::de::Error) -> bool {
    error.message() == "duplicate key"
}

/// Beginning of the name of a key that no description has.
const FRESH: &str = "key-that-was-there-twice-7f1c-";

/// By the places of keys that are there for the second time: what they are, and where they stood first. Each is given a
/// name of its own; then the first is its sibling, whatever tables and dots lie between them.
fn firsts(text: &str, mut spans: Vec<Range<usize>>) -> BTreeMap<usize, (String, usize)> {
    spans.sort_by_key(|span| span.start);
    let (mut renamed, mut keys, mut ends, mut done) = (String::new(), BTreeMap::new(), Vec::new(), 0);
    for span in spans {
        let Some(key) = text.get(span.clone()).filter(|_| span.start >= done).and_then(alone) else { continue };
        let fresh = format!("{FRESH}{}", span.start);
        renamed.push_str(&text[done..span.start]);
        renamed.push_str(&fresh);
        done = span.end;
        ends.push((renamed.len(), done));
        keys.insert(fresh, (key, span.start));
    }
    renamed.push_str(&text[done..]);
    let (table, _) = DeTable::parse_recoverable(&renamed);
    let mut found = BTreeMap::new();
    siblings(table.get_ref(), &keys, &mut found, 0);
    // Places in the renamed text are counted from the last renamed key before them.
    let back = |at: usize| match ends.partition_point(|(end, _)| *end <= at) {
        0 => at,
        passed => at - ends[passed - 1].0 + ends[passed - 1].1,
    };
    found.into_iter().map(|(again, (key, first))| (again, (key, back(first)))).collect()
}

/// The key that is written so.
fn alone(written: &str) -> Option<String> {
    let text = format!("{written}=0");
    let (table, errors) = DeTable::parse_recoverable(&text);
    let key = table.get_ref().keys().next().map(|key| key.get_ref().to_string());
    key.filter(|_| errors.is_empty())
}

/// Looks for renamed keys and for the sibling that each shared its name with.
fn siblings(
    table: &DeTable<'_>,
    keys: &BTreeMap<String, (String, usize)>,
    found: &mut BTreeMap<usize, (String, usize)>,
    depth: usize,
) {
    if depth > DEPTH_MAX {
        return;
    }
    for (name, value) in table {
        if let Some((key, again)) = keys.get(name.get_ref().as_ref())
            && let Some((first, _)) = table.get_key_value(key.as_str())
        {
            found.insert(*again, (key.clone(), first.span().start));
        }
        within(value.get_ref(), keys, found, depth + 1);
    }
}

fn within(
    value: &DeValue<'_>,
    keys: &BTreeMap<String, (String, usize)>,
    found: &mut BTreeMap<usize, (String, usize)>,
    depth: usize,
) {
    match value {
        DeValue::Table(table) => siblings(table, keys, found, depth),
        DeValue::Array(items) => items.iter().for_each(|item| within(item.get_ref(), keys, found, depth + 1)),
        _ => {}
    }
}

struct Reader<'t> {
    lines: Lines<'t>,
    tree: Tree,
}

impl Reader<'_> {
    fn root(&mut self, table: &DeTable<'_>) -> Result<Value, Problem> {
        self.tree.node("", 0, None, Spot::START)?;
        self.table(table, "", 0)
    }

    fn table(&mut self, table: &DeTable<'_>, at: &str, depth: usize) -> Result<Value, Problem> {
        let mut map = Map::new();
        for (key, value) in table {
            let spot = self.lines.spot(key.span().start);
            let name = key.get_ref().to_string();
            let below = pointer::join(at, &name);
            let value = self.value(value, &below, depth + 1, Some(spot))?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }

    fn value(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        at: &str,
        depth: usize,
        key: Option<Spot>,
    ) -> Result<Value, Problem> {
        let own = self.lines.spot(value.span().start);
        // A table without braces stands where its key does.
        let braces = self.lines.begins(value.span().start, "{");
        let spot = if value.get_ref().is_table() && !braces { key.unwrap_or(own) } else { own };
        self.tree.node(at, depth, key, spot)?;
        let wrong = |text: &str, expected: &str| Problem {
            pointer: at.to_owned(),
            ..Problem::unreadable(spot, format!("the number {text}"), expected)
        };
        match value.get_ref() {
            DeValue::String(text) => Ok(Value::String(text.to_string())),
            DeValue::Boolean(flag) => Ok(Value::Bool(*flag)),
            DeValue::Datetime(time) => Ok(Value::String(time.to_string())),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| TOO_GREAT)
                .and_then(whole)
                .map_err(|expected| wrong(number.as_str(), expected)),
            DeValue::Float(number) => {
                let parsed = number.as_str().parse::<f64>().map_err(|_| "a number");
                parsed.and_then(fraction).map_err(|expected| wrong(number.as_str(), expected))
            }
            DeValue::Array(items) => {
                let read = |(index, item)| self.value(item, &pointer::item(at, index), depth + 1, None);
                items.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            DeValue::Table(table) => self.table(table, at, depth),
        }
    }
}
