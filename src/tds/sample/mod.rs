//! Values made of a schema: some that satisfy it, at its borders, and some in which one thing is broken.
//!
//! What is made is a function of the schema and a seed. Whether a value fits is asked of the checker. What is broken is
//! wrong by construction: one word of the schema that holds for the value whatever the rest says, so that a checker which
//! takes it is wrong. Nothing here is complete: a schema whose parts contradict each other in ways that only trying shows
//! gets fewer values, down to none.

mod broken;
mod fitting;
mod flat;
mod number;
mod shrink;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::Checker;
use crate::types::{Random, Seeded};
use fitting::Maker;

pub use shrink::smaller;

/// A value, and what is special about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What is special about it, such as `text: empty`.
    pub about: String,
    /// The value.
    pub value: Value,
}

impl Sample {
    fn new(about: impl Into<String>, value: Value) -> Sample {
        Sample { about: about.into(), value }
    }

    fn bytes(&self) -> usize {
        self.value.to_string().len()
    }
}

/// Values made of a schema.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Those that satisfy it, the shortest first.
    pub fitting: Vec<Sample>,
    /// Those that do not, the shortest first.
    pub unfitting: Vec<Sample>,
}

/// At most so many values of each sort, made of a schema that has been guarded. `known` are values that may satisfy it, for
/// a schema of which none can be made; what is made is then made of these.
///
/// # Errors
/// Why the schema is none.
pub fn samples(schema: &Value, known: &[Value], seed: u64, most: usize) -> Result<Samples, String> {
    // The order in which an author wrote keys says nothing, so it changes nothing.
    let sorted: Value = serde_json::from_str(&super::canonical_value(schema)).map_err(|error| error.to_string())?;
    let schema = &sorted;
    let checker = Checker::compile(schema)?;
    let random = Seeded::new(seed);
    let mut maker = Maker::new(schema, &random);
    let mut fitting = maker.borders(schema);
    // A quarter of what is tried is put together by chance, since some mistakes need two borders at once.
    fitting.extend(maker.mixed(schema, most / 4));
    fitting.retain(|sample| checker.takes(&sample.value));
    let mut base = fitting.first().map(|sample| sample.value.clone());
    if base.is_none() {
        base = known.iter().find(|value| checker.takes(value)).cloned();
        fitting.extend(base.iter().flat_map(|value| maker.around(schema, value)));
        fitting.retain(|sample| checker.takes(&sample.value));
    }
    let unfitting = base.map(|base| broken::all(schema, &base)).unwrap_or_default();
    Ok(Samples { fitting: chosen(fitting, most, &random), unfitting: chosen(unfitting, most, &random) })
}

/// Bytes of all values that are made of one schema, of each sort: a schema of a page may ask for terabytes, and a call has a
/// megabyte mostly.
const BYTES_MOST: usize = 16 << 20;

/// Values that are made at the most before some are chosen, since each is checked.
const MADE_MOST: usize = 2_000;

/// What may still be made.
struct Room(usize);

impl Room {
    /// Whether there is room for this; then there is less. What finds no room ends it all, since more would find none either.
    fn takes(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }

    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// Bytes of a value in memory, about.
fn weight(value: &Value) -> usize {
    /// A value by itself, and a key in a map.
    const EACH: usize = 32;
    EACH + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + EACH + weight(value)).sum(),
        _ => 0,
    }
}

/// Each value once, and no more than so many: by chance, but for the first two, which are the most ordinary. The shortest
/// come first, so that what fails first is short.
fn chosen(samples: Vec<Sample>, most: usize, random: &dyn Random) -> Vec<Sample> {
    let mut seen = BTreeSet::new();
    let mut all: Vec<Sample> =
        samples.into_iter().filter(|sample| seen.insert(super::canonical_value(&sample.value))).collect();
    if all.len() > most {
        for at in 2..all.len() {
            let other = at + below(random, all.len() - at);
            all.swap(at, other);
        }
        all.truncate(most);
    }
    all.sort_by_cached_key(Sample::bytes);
    all
}

/// A number below this one, which is above 0.
fn below(random: &dyn Random, most: usize) -> usize {
    usize::try_from(random.next() % most.max(1) as u64).unwrap_or_default()
}

/// What is special about a part, as it is told of the whole.
fn within(key: &str, about: &str) -> String {
    if about.is_empty() { key.to_owned() } else { format!("{key}: {about}") }
}
