//! Numbers at the borders of a schema.

use serde_json::{Number, Value, json};

use super::flat::Words;
use crate::tds::limits::NUMBER_MAX;

/// Numbers that a schema allows, the most ordinary first.
pub(super) fn numbers(words: &Words, whole: bool) -> Vec<(&'static str, Value)> {
    let bound = |word: &str| words.get(word).and_then(Value::as_f64);
    let (least, most) = (bound("minimum"), bound("maximum"));
    let (above, under) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    let unit = step.unwrap_or(1.0);
    let mut all: Vec<(&'static str, f64)> = vec![("", 1.0), ("", unit), ("", 0.0)];
    // A bound itself, and the next one of the grid beside it if it is not to be had.
    let up = least.or(above).map(|from| (from / unit).ceil() * unit);
    let down = most.or(under).map(|to| (to / unit).floor() * unit);
    all.extend(least.into_iter().chain(up).map(|number| ("the least", number)));
    all.extend(above.map(|from| ("the least", (from / unit).floor().mul_add(unit, unit))));
    all.extend(most.into_iter().chain(down).map(|number| ("the most", number)));
    all.extend(under.map(|to| ("the most", (to / unit).ceil().mul_add(unit, -unit))));
    if let (Some(from), Some(to)) = (least.or(above), most.or(under)) {
        all.push(("in the middle", f64::midpoint(from, to)));
    }
    let great = NUMBER_MAX as f64;
    all.extend([("zero", 0.0), ("below zero", -1.0), ("very great", great), ("very small", -great)]);
    if !whole {
        all.extend([("a fraction", 0.5), ("beyond whole numbers", 1e300), ("next to nothing", 5e-324)]);
    }
    let may = |number: f64| {
        let within = least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
        let strictly = above.is_none_or(|above| number > above) && under.is_none_or(|under| number < under);
        let grid = step.is_none_or(|step| (number / step).fract() == 0.0);
        number.is_finite() && within && strictly && grid && (!whole || number.fract() == 0.0)
    };
    let mut found: Vec<(&'static str, Value)> = Vec::new();
    for (about, number) in all {
        if may(number) && !found.iter().any(|(_, value)| value.as_f64() == Some(number)) {
            found.push((about, written(number)));
        }
    }
    // The same number to a schema, and another one to many a parser.
    let pointed = found.first().and_then(|(_, value)| value.as_f64()).filter(|_| whole).and_then(Number::from_f64);
    found.extend(pointed.map(|number| ("whole, with a point", Value::Number(number))));
    // The most ordinary one has nothing to tell.
    if let Some((about, _)) = found.first_mut() {
        *about = "";
    }
    found
}

/// A number as people write it: whole ones without a point.
pub(super) fn written(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= NUMBER_MAX as f64 {
        return json!(number as i64);
    }
    json!(number)
}
