//! YAML 1.2 with its core schema, out of the events of saphyr-parser.
//!
//! A tool says the same in every format, so what JSON cannot say is refused: several documents, tags that are not of the
//! core schema, keys that are no text, numbers that are not finite. Aliases are copies, and count as what they repeat.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::super::pointer;
use super::super::problem::Problem;
use super::tree::{TOO_GREAT, Tree, fraction, twice, whole};
use super::{Document, Spot};

pub(super) fn read(text: &str) -> Result<Document, Vec<Problem>> {
    let mut reader = Reader { parser: Parser::new_from_str(text), tree: Tree::default(), anchors: BTreeMap::new() };
    let value = reader.document().map_err(|problem| vec![problem])?;
    Ok(reader.tree.finish(value))
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    tree: Tree,
    /// What each anchor stands for, once it is read: its value and how many values are in it.
    anchors: BTreeMap<usize, (Value, usize)>,
}

fn spot(marker: Marker) -> Spot {
    Spot { line: marker.line().max(1), column: marker.col() + 1 }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                Err(Problem::unreadable(spot(*error.marker()), format!("not YAML: {}", error.info()), ""))
            }
            None => Err(Problem::unreadable(Spot::START, "not YAML: the text ends", "a mapping")),
        }
    }

    fn document(&mut self) -> Result<Value, Problem> {
        let mut value = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if value.is_some() => {
                    return Err(Problem::unreadable(spot(span.start), "a second document", "one tool in one file"));
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    value = Some(self.value(event, span, "", 0, None)?);
                }
                _ => {}
            }
        }
        value.ok_or_else(|| Problem::unreadable(Spot::START, "an empty document", "a mapping"))
    }

    fn value(
        &mut self,
        event: Event<'t>,
        span: Span,
        at: &str,
        depth: usize,
        key: Option<Spot>,
    ) -> Result<Value, Problem> {
        let own = spot(span.start);
        self.tree.node(at, depth, key, own)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref(), at, own)?, anchor),
            Event::SequenceStart(anchor, tag) => {
                core(tag.as_deref(), "seq", own)?;
                (self.sequence(at, depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                core(tag.as_deref(), "map", own)?;
                (self.mapping(at, depth)?, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, own),
            other => return Err(Problem::unreadable(own, format!("not YAML: {other:?}"), "a value")),
        };
        if anchor > 0 {
            let nodes = size(&value);
            // What an anchor keeps is a copy too, so that a thousand nested anchors cost no more than they say.
            self.tree.more(nodes, own)?;
            self.anchors.insert(anchor, (value.clone(), nodes));
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize, own: Spot) -> Result<Value, Problem> {
        let Some((value, nodes)) = self.anchors.get(&anchor) else {
            return Err(Problem::unreadable(own, "an alias within what it stands for", "a value that ends"));
        };
        self.tree.more(*nodes, own)?;
        Ok(value.clone())
    }

    fn sequence(&mut self, at: &str, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::Array(items));
            }
            let value = self.value(event, span, &pointer::item(at, items.len()), depth + 1, None)?;
            items.push(value);
        }
    }

    fn mapping(&mut self, at: &str, depth: usize) -> Result<Value, Problem> {
        let (mut map, mut keys) = (Map::new(), BTreeMap::new());
        loop {
            let (event, span) = self.next()?;
            let own = spot(span.start);
            let (name, style) = match event {
                Event::MappingEnd => return Ok(Value::Object(map)),
                Event::Scalar(text, style, 0, None) => (text.into_owned(), style),
                _ => return Err(Problem::unreadable(own, "a key that is no plain text", "a key as in JSON")),
            };
            if name == "<<" && style == ScalarStyle::Plain {
                return Err(Problem::unreadable(own, "a merge key", "the keys themselves: YAML 1.2 has no merging"));
            }
            if let Some(first) = keys.insert(name.clone(), own) {
                return Err(twice(&name, first, own));
            }
            let (event, span) = self.next()?;
            let value = self.value(event, span, &pointer::join(at, &name), depth + 1, Some(own))?;
            map.insert(name, value);
        }
    }
}

/// Refuses a tag that is not the one of the core schema that the value has anyway.
fn core(tag: Option<&Tag>, kind: &str, own: Spot) -> Result<(), Problem> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == kind) => {
            let found = format!("the tag {}{}", tag.handle, tag.suffix);
            Err(Problem::unreadable(own, found, "a value without a tag: a tool says the same in JSON"))
        }
        _ => Ok(()),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: &str, own: Spot) -> Result<Value, Problem> {
    if tag.is_some() {
        core(tag, "str", own)?;
        return Ok(Value::String(text.to_owned()));
    }
    if style != ScalarStyle::Plain {
        return Ok(Value::String(text.to_owned()));
    }
    let wrong = |expected: &str| Problem {
        pointer: at.to_owned(),
        ..Problem::unreadable(own, format!("the number {text}"), expected)
    };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Ok(Value::Null),
        "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
        _ => match number(text) {
            None => Ok(Value::String(text.to_owned())),
            Some(read) => read.map_err(wrong),
        },
    }
}

/// The number a plain scalar is by the core schema, if it is one.
fn number(text: &str) -> Option<Result<Value, &'static str>> {
    let digits = |text: &str, radix: u32| !text.is_empty() && text.chars().all(|sign| sign.is_digit(radix));
    let based = |rest: &str, radix| i64::from_str_radix(rest, radix).map_err(|_| TOO_GREAT).and_then(whole);
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(rest) = text.strip_prefix(prefix).filter(|rest| digits(rest, radix)) {
            return Some(based(rest, radix));
        }
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits(unsigned, 10) {
        return Some(text.parse().map_err(|_| TOO_GREAT).and_then(whole));
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Err("a number that is finite, since JSON has no others"));
    }
    let shape = |sign: char| sign.is_ascii_digit() || matches!(sign, '.' | 'e' | 'E' | '+' | '-');
    let begins = unsigned.starts_with(|sign: char| sign.is_ascii_digit())
        || unsigned.strip_prefix('.').is_some_and(|rest| rest.starts_with(|sign: char| sign.is_ascii_digit()));
    if !begins || !unsigned.chars().all(shape) {
        return None;
    }
    text.parse::<f64>().ok().map(fraction)
}
