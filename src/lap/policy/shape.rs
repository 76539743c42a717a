//! The arguments of a tool as Cedar sees them: the types that follow from its JSON Schema.
//!
//! | JSON Schema | Cedar |
//! |---|---|
//! | `boolean` | `Bool` |
//! | `integer` | `Long` |
//! | `number` | `decimal`: four digits after the point |
//! | `string`, in every format | `String` |
//! | `array` of one of these, or of objects | `Set`: without order, each element once |
//! | `object` | a record of its `properties`; others cannot be named |
//! | not in `required`, or also `null` | an optional attribute; `null` is as if it were absent |
//!
//! Everything else, such as a value of several types or a schema that contains itself, has no type there. It stays out of
//! the record with the reason why, and a policy that names it is refused with that.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::limits::{FIELDS_MAX, SHAPE_DEPTH_MAX};

/// What Cedar's decimals are counted in: ten-thousandths.
pub(super) const DECIMAL_DIGITS: usize = 4;

/// The type of an argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Flag,
    /// Within these, ends included, or one of the choices.
    Whole {
        least: i64,
        most: i64,
        choices: Option<Vec<i64>>,
    },
    /// In ten-thousandths, within these, ends included.
    Decimal {
        least: i64,
        most: i64,
    },
    Text {
        choices: Option<Vec<String>>,
    },
    Set {
        element: Box<Shape>,
        /// Elements at the least; a set has one if the list has any.
        least: u64,
        /// Elements at the most.
        most: u64,
    },
    Record(BTreeMap<String, Field>),
    /// It has no type, and why.
    Opaque(String),
}

/// An attribute of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) shape: Shape,
    pub(super) required: bool,
}

impl Shape {
    /// The record of arguments that a tool's input schema describes.
    pub(super) fn of_input(schema: &Value) -> Shape {
        let mut reader = Reader { root: schema, fields: 0 };
        match reader.read(schema, 0).0 {
            record @ Shape::Record(_) => record,
            _ => Shape::Record(BTreeMap::new()),
        }
    }

    /// The type in Cedar's JSON format for schemas; `None` if it has none.
    pub(super) fn cedar(&self) -> Option<Value> {
        Some(match self {
            Shape::Flag => json!({ "type": "Boolean" }),
            Shape::Whole { .. } => json!({ "type": "Long" }),
            Shape::Decimal { .. } => json!({ "type": "Extension", "name": "decimal" }),
            Shape::Text { .. } => json!({ "type": "String" }),
            Shape::Set { element, .. } => json!({ "type": "Set", "element": element.cedar()? }),
            Shape::Record(fields) => {
                let mut attributes = Map::new();
                for (name, field) in fields {
                    if let Some(Value::Object(mut kind)) = field.shape.cedar() {
                        kind.insert("required".to_owned(), Value::Bool(field.required));
                        attributes.insert(name.clone(), Value::Object(kind));
                    }
                }
                json!({ "type": "Record", "attributes": attributes })
            }
            Shape::Opaque(_) => return None,
        })
    }

    /// Why the argument at this path, or one on the way to it, has no type.
    pub(super) fn opaque_at<'a>(&self, path: &'a [String]) -> Option<(&'a [String], &str)> {
        let mut shape = self;
        for (depth, name) in path.iter().enumerate() {
            let Shape::Record(fields) = shape else { return None };
            shape = &fields.get(name)?.shape;
            if let Shape::Opaque(why) = shape {
                return Some((&path[..=depth], why));
            }
        }
        None
    }
}

/// A number of JSON as ten-thousandths, if it is that many exactly.
pub(super) fn decimal(number: &serde_json::Number) -> Option<i64> {
    let text = number.to_string();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let (sign, digits) = mantissa.strip_prefix('-').map_or((1, mantissa), |rest| (-1, rest));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let mut all: String = format!("{whole}{rest}");
    let mut shift = exponent.checked_add(i32::try_from(DECIMAL_DIGITS).ok()?)? - i32::try_from(rest.len()).ok()?;
    while shift < 0 && all.ends_with('0') {
        all.pop();
        shift += 1;
    }
    if all.is_empty() || all.bytes().all(|digit| digit == b'0') {
        return Some(0);
    }
    // i64 has 19 digits, so more zeros than that cannot fit anyway.
    if !(0..=19).contains(&shift) {
        return None;
    }
    all.extend(std::iter::repeat_n('0', usize::try_from(shift).ok()?));
    let magnitude: i128 = all.parse().ok()?;
    i64::try_from(sign * magnitude).ok()
}

/// A whole number of JSON, also one that is written as `2.0`.
pub(super) fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let scaled = decimal(number)?;
        (scaled % 10_000 == 0).then_some(scaled / 10_000)
    })
}

struct Reader<'a> {
    root: &'a Value,
    fields: usize,
}

impl Reader<'_> {
    /// The shape of a schema, and whether it may be `null` as well.
    fn read(&mut self, schema: &Value, depth: usize) -> (Shape, bool) {
        let opaque = |why: &str| (Shape::Opaque(why.to_owned()), false);
        if depth > SHAPE_DEPTH_MAX {
            return opaque("it is nested too deep, or its schema contains itself");
        }
        let Value::Object(schema) = schema else {
            return opaque("its schema does not say what type it has");
        };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)).cloned();
            return match target {
                Some(target) => self.read(&target, depth + 1),
                None => opaque("its schema refers to something outside"),
            };
        }
        if let Some(Value::Array(ways)) = schema.get("anyOf").or_else(|| schema.get("oneOf"))
            && !schema.contains_key("type")
        {
            return self.one_of(ways, depth);
        }
        let (kinds, nullable) = match kinds(schema) {
            Ok(found) => found,
            Err(why) => return opaque(why),
        };
        let shape = match kinds.as_slice() {
            ["boolean"] => Shape::Flag,
            ["integer"] => whole_shape(schema),
            ["number"] => decimal_shape(schema),
            ["integer", "number"] | ["number", "integer"] => decimal_shape(schema),
            ["string"] => Shape::Text { choices: choices(schema, |value| value.as_str().map(str::to_owned)) },
            ["array"] => self.list(schema, depth),
            ["object"] => self.record(schema, depth),
            [] => Shape::Opaque("it can only be null".to_owned()),
            several => Shape::Opaque(format!("it may be {}", several.join(" or "))),
        };
        (shape, nullable)
    }

    /// One type or `null`, as generators of schemas write what is optional. Several types have no common one.
    fn one_of(&mut self, ways: &[Value], depth: usize) -> (Shape, bool) {
        let null = |way: &&Value| way.get("type").and_then(Value::as_str) == Some("null");
        let mut rest = ways.iter().filter(|way| !null(way));
        match (rest.next(), rest.next()) {
            (Some(way), None) => {
                let (shape, nullable) = self.read(way, depth + 1);
                (shape, nullable || ways.iter().any(|way| null(&way)))
            }
            _ => (Shape::Opaque("it may be one of several things".to_owned()), false),
        }
    }

    fn list(&mut self, schema: &Map<String, Value>, depth: usize) -> Shape {
        if schema.contains_key("prefixItems") {
            return Shape::Opaque("its elements have types by their place".to_owned());
        }
        let Some(items) = schema.get("items") else {
            return Shape::Opaque("its schema does not say what its elements are".to_owned());
        };
        match self.read(items, depth + 1) {
            (Shape::Opaque(why), _) => Shape::Opaque(format!("of its elements: {why}")),
            (_, true) => Shape::Opaque("its elements may be null".to_owned()),
            (element, false) => Shape::Set {
                element: Box::new(element),
                least: schema.get("minItems").and_then(Value::as_u64).unwrap_or(0),
                most: schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX),
            },
        }
    }

    fn record(&mut self, schema: &Map<String, Value>, depth: usize) -> Shape {
        let Some(Value::Object(properties)) = schema.get("properties") else {
            return match depth {
                0 => Shape::Record(BTreeMap::new()),
                _ => Shape::Opaque("its schema does not say what is in it".to_owned()),
            };
        };
        let named = |name: &String| match schema.get("required") {
            Some(Value::Array(required)) => required.iter().any(|one| one.as_str() == Some(name)),
            _ => false,
        };
        let mut fields = BTreeMap::new();
        for (name, property) in properties {
            self.fields += 1;
            let (shape, nullable) = match self.fields > FIELDS_MAX {
                true => (Shape::Opaque("the tool has too many arguments".to_owned()), false),
                false => self.read(property, depth + 1),
            };
            fields.insert(name.clone(), Field { shape, required: named(name) && !nullable });
        }
        Shape::Record(fields)
    }
}

/// The types a schema names, without `null`, and whether `null` is among them.
fn kinds(schema: &Map<String, Value>) -> Result<(Vec<&str>, bool), &'static str> {
    let mut kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => {
            let values = match (schema.get("enum"), schema.get("const")) {
                (Some(Value::Array(values)), _) => values.as_slice(),
                (_, Some(value)) => std::slice::from_ref(value),
                _ => return Err("its schema does not say what type it has"),
            };
            let mut kinds: Vec<&str> = values.iter().map(kind).collect();
            kinds.sort_unstable();
            kinds.dedup();
            kinds
        }
    };
    let before = kinds.len();
    kinds.retain(|kind| *kind != "null");
    Ok((kinds.clone(), kinds.len() < before))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The values of an `enum` or `const`, those of another type left out.
fn choices<T>(schema: &Map<String, Value>, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(read(value).into_iter().collect()),
        (None, Some(Value::Array(values))) => Some(values.iter().filter_map(read).collect()),
        _ => None,
    }
}

fn whole_shape(schema: &Map<String, Value>) -> Shape {
    let limit = |key: &str| schema.get(key).and_then(Value::as_number).and_then(whole);
    let least = limit("minimum").into_iter().chain(limit("exclusiveMinimum").map(|at| at.saturating_add(1))).max();
    let most = limit("maximum").into_iter().chain(limit("exclusiveMaximum").map(|at| at.saturating_sub(1))).min();
    Shape::Whole {
        least: least.unwrap_or(i64::MIN),
        most: most.unwrap_or(i64::MAX),
        choices: choices(schema, |value| value.as_number().and_then(whole)),
    }
}

fn decimal_shape(schema: &Map<String, Value>) -> Shape {
    let limit = |key: &str| schema.get(key).and_then(Value::as_number).and_then(decimal);
    let least = limit("minimum").into_iter().chain(limit("exclusiveMinimum").map(|at| at.saturating_add(1))).max();
    let most = limit("maximum").into_iter().chain(limit("exclusiveMaximum").map(|at| at.saturating_sub(1))).min();
    Shape::Decimal { least: least.unwrap_or(i64::MIN), most: most.unwrap_or(i64::MAX) }
}
