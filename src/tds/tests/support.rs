//! Tools that tests begin with, and other spellings of them.

use serde_json::Value;

use super::super::{Checked, Document, Format, Report, read};

/// A small tool with everything it must have.
pub(in crate::tds) const SMALL: &str = include_str!("small.toml");

/// A tool with every key there is.
pub(in crate::tds) const FULL: &str = include_str!("full.toml");

pub(in crate::tds) fn good(text: &str) -> Checked {
    read(Format::Toml, text).unwrap_or_else(|report| panic!("{report}"))
}

/// A text with a part replaced, which must be there.
pub(in crate::tds) fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old:?} is not there");
    text.replacen(old, new, 1)
}

/// What is wrong with a text.
pub(in crate::tds) fn refused(text: &str) -> Report {
    match read(Format::Toml, text) {
        Ok(checked) => panic!("it was taken, with {}", checked.warnings),
        Err(report) => report,
    }
}

pub(in crate::tds) fn value(text: &str) -> Value {
    Document::read(Format::Toml, text).unwrap().value().clone()
}

/// The same value in YAML, in blocks, with every text in quotes.
pub(in crate::tds) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = " ".repeat(depth * 2);
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            for (key, value) in map {
                text.push_str(&format!("{indent}{}:", Value::String(key.clone())));
                block(value, depth + 1, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            for item in items {
                text.push_str(&format!("{indent}-"));
                block(item, depth + 1, text);
            }
        }
        plain => text.push_str(&format!(" {plain}\n")),
    }
}
