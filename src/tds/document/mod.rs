//! A text in TOML, JSON or YAML as one tree whose every value knows its place.
//!
//! The three readers differ in syntax only: the same limits hold, a key that is there twice is refused with both places,
//! whole numbers are those that JSON keeps exactly, and `1.0` is `1`, as it is in JSON Schema.

mod json;
mod toml;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::limits::DOCUMENT_BYTES_MAX;
use super::pointer;
use super::problem::{Problem, Report};

/// How a description is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `tool.toml`, the usual one.
    Toml,
    /// `tool.json`, for programs that write tools.
    Json,
    /// `tool.yaml`, for who has everything in YAML.
    Yaml,
}

impl Format {
    /// The format a file's name ends in.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "toml" => Some(Format::Toml),
            "json" => Some(Format::Json),
            "yaml" | "yml" => Some(Format::Yaml),
            _ => None,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Format::Toml => "TOML",
            Format::Json => "JSON",
            Format::Yaml => "YAML",
        }
    }
}

/// A place in a text: line and column from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Spot {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Spot {
    /// The beginning of a text.
    pub const START: Spot = Spot { line: 1, column: 1 };
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where a value stands, and its key if it has one.
#[derive(Debug, Clone, Copy)]
struct Place {
    key: Option<Spot>,
    value: Spot,
}

/// A tree with places.
#[derive(Debug, Clone)]
pub struct Document {
    value: Value,
    places: BTreeMap<String, Place>,
}

impl Document {
    /// Reads a text.
    ///
    /// # Errors
    /// Everything that keeps it from being read, with its place.
    pub fn read(format: Format, text: &str) -> Result<Document, Report> {
        Document::limited(format, text, DOCUMENT_BYTES_MAX)
    }

    /// Reads a text of so many bytes at the most.
    pub(crate) fn limited(format: Format, text: &str, most: usize) -> Result<Document, Report> {
        if text.len() > most {
            // Whoever read it may have stopped where it was too long, so nobody knows how many there are.
            let expected = format!("{most} at the most");
            return Err(Report::of(vec![Problem::unreadable(Spot::START, "too many bytes", expected)]));
        }
        let read = match format {
            Format::Toml => toml::read(text),
            Format::Json => json::read(text),
            Format::Yaml => yaml::read(text),
        };
        let mut read = read.map_err(Report::of)?;
        // One description is one tree, whoever wrote it: what is said of it, printed or listed has the order of the names.
        read.value.sort_all_objects();
        Ok(read)
    }

    /// The tree.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Where the value stands that a pointer names; if there is none, the nearest one around it.
    pub fn spot(&self, pointer: &str) -> Spot {
        self.nearest(pointer).map_or(Spot::START, |place| place.value)
    }

    /// Where its key stands, or the value if it has none.
    pub fn key_spot(&self, pointer: &str) -> Spot {
        self.nearest(pointer).map_or(Spot::START, |place| place.key.unwrap_or(place.value))
    }

    fn nearest(&self, pointer: &str) -> Option<Place> {
        let mut at = Some(pointer);
        while let Some(pointer) = at {
            if let Some(place) = self.places.get(pointer) {
                return Some(*place);
            }
            at = pointer::parent(pointer);
        }
        None
    }
}
