//! What the three readers share: limits, places, numbers.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::super::limits::{DEPTH_MAX, NODES_MAX, NUMBER_MAX};
use super::super::problem::Problem;
use super::{Document, Place, Spot};

/// Grows a document and keeps it within its limits.
#[derive(Default)]
pub(super) struct Tree {
    places: BTreeMap<String, Place>,
    nodes: usize,
}

impl Tree {
    /// Takes note of a value before it is read.
    pub(super) fn node(&mut self, pointer: &str, depth: usize, key: Option<Spot>, value: Spot) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            let found = format!("more than {DEPTH_MAX} levels");
            return Err(Problem::unreadable(value, found, "a flatter description"));
        }
        self.more(1, value)?;
        self.places.insert(pointer.to_owned(), Place { key, value });
        Ok(())
    }

    /// Takes note of so many values that have no place of their own.
    pub(super) fn more(&mut self, nodes: usize, spot: Spot) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(Problem::unreadable(spot, format!("more than {NODES_MAX} values"), "a smaller description"));
        }
        Ok(())
    }

    pub(super) fn finish(self, value: Value) -> Document {
        Document { value, places: self.places }
    }
}

/// A key for the second time.
pub(super) fn twice(key: &str, first: Spot, again: Spot) -> Problem {
    Problem::unreadable(again, format!("the key {key:?} for the second time; the first is at {first}"), "one of them")
}

/// A whole number that every reader of JSON keeps exactly.
pub(super) fn whole(number: i64) -> Result<Value, &'static str> {
    if number.unsigned_abs() > NUMBER_MAX.unsigned_abs() { Err(TOO_GREAT) } else { Ok(Value::from(number)) }
}

/// What a number is that does not fit.
pub(super) const TOO_GREAT: &str = "a whole number from -(2^53 - 1) to 2^53 - 1, which is what JSON keeps exactly";

/// A number with a fraction; one without is a whole number, as in JSON Schema, and the canonical form writes it as one.
pub(super) fn fraction(number: f64) -> Result<Value, &'static str> {
    if number.is_finite() && number.abs() > NUMBER_MAX as f64 {
        return Err(TOO_GREAT);
    }
    #[expect(clippy::cast_possible_truncation, reason = "only numbers that fit are cast")]
    if number.fract() == 0.0 {
        return Ok(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number).ok_or("a number that is finite, since JSON has no others")
}

/// Finds line and column of byte offsets.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Lines<'t> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, starts }
    }

    /// Whether the text goes on like this there.
    pub(super) fn begins(&self, offset: usize, with: &str) -> bool {
        self.text.get(offset..).is_some_and(|rest| rest.starts_with(with))
    }

    pub(super) fn spot(&self, offset: usize) -> Spot {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let column = self.text[self.starts[line - 1]..offset].chars().count() + 1;
        Spot { line, column }
    }
}
