//! TOML, read by the `toml` crate, which keeps the place of every key and value.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::limits::DEPTH_MAX;
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
        return Err(errors.iter().map(|error| explained(text, &lines, error)).collect());
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

fn explained(text: &str, lines: &Lines<'_>, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let again = lines.spot(span.start);
    if error.message() == "duplicate key" {
        let written = text.get(span.clone()).unwrap_or_default();
        return match first_of(text, span) {
            Some((key, first)) => twice(&key, lines.spot(first), again),
            None => Problem::unreadable(again, format!("the key {written:?} for the second time"), "one of them"),
        };
    }
    Problem::unreadable(again, format!("not TOML: {}", error.message()), "")
}

/// A name for a key that no description has.
const FRESH: &str = "key-that-was-there-twice-7f1c";

/// The key that stands at `span` for the second time, and where it stood first. The second is given another name; then
/// the first is its sibling, whatever tables and dots lie between them.
fn first_of(text: &str, span: std::ops::Range<usize>) -> Option<(String, usize)> {
    let written = text.get(span.clone())?;
    let key = match DeTable::parse_recoverable(&format!("{written}=0")) {
        (table, errors) if errors.is_empty() => table.get_ref().keys().next()?.get_ref().to_string(),
        _ => return None,
    };
    let renamed = format!("{}{FRESH}{}", &text[..span.start], &text[span.end..]);
    let (table, _) = DeTable::parse_recoverable(&renamed);
    let first = sibling(table.get_ref(), &key, 0)?;
    (first < span.start).then_some((key, first))
}

fn sibling(table: &DeTable<'_>, key: &str, depth: usize) -> Option<usize> {
    if depth > DEPTH_MAX {
        return None;
    }
    if table.keys().any(|name| name.get_ref() == FRESH) {
        return table.keys().find(|name| name.get_ref() == key).map(|name| name.span().start);
    }
    table.values().find_map(|value| within(value.get_ref(), key, depth + 1))
}

fn within(value: &DeValue<'_>, key: &str, depth: usize) -> Option<usize> {
    match value {
        DeValue::Table(table) => sibling(table, key, depth),
        DeValue::Array(items) => items.iter().find_map(|item| within(item.get_ref(), key, depth)),
        _ => None,
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
