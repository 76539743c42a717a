//! Arguments of a call as values of Cedar: those that the policies of the tool look at, and no others.

use cedar_policy::RestrictedExpression;
use serde_json::Value;

use super::limits::{ITEMS_MAX, TEXT_BYTES_MAX};
use super::shape::{Shape, decimal, whole};
use super::tree::Want;

/// Why an argument cannot be judged. It names the argument and never shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not judge argument {path}: {why}")]
pub(super) struct Unjudged {
    pub(super) path: String,
    pub(super) why: &'static str,
}

/// A decimal of Cedar from its ten-thousandths.
pub(super) fn decimal_expression(scaled: i64) -> RestrictedExpression {
    let (sign, magnitude) = (if scaled < 0 { "-" } else { "" }, scaled.unsigned_abs());
    RestrictedExpression::new_decimal(format!("{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000))
}

/// The value of this shape, as far as it is wanted.
pub(super) fn expression(
    shape: &Shape,
    value: &Value,
    want: &Want,
    path: &mut Vec<String>,
) -> Result<RestrictedExpression, Unjudged> {
    let unjudged = |path: &[String], why| Err(Unjudged { path: path.join("."), why });
    match (shape, value) {
        (Shape::Flag, Value::Bool(flag)) => Ok(RestrictedExpression::new_bool(*flag)),
        (Shape::Whole { .. }, Value::Number(number)) => match whole(number) {
            Some(number) => Ok(RestrictedExpression::new_long(number)),
            None => unjudged(path, "it is no whole number of 64 bits"),
        },
        (Shape::Decimal { .. }, Value::Number(number)) => match decimal(number) {
            Some(scaled) => Ok(decimal_expression(scaled)),
            None => unjudged(path, "it has more than four digits after the point, or is too large"),
        },
        (Shape::Text { .. }, Value::String(text)) if text.len() <= TEXT_BYTES_MAX => {
            Ok(RestrictedExpression::new_string(text.clone()))
        }
        (Shape::Text { .. }, Value::String(_)) => unjudged(path, "it is too long"),
        (Shape::Set { .. }, Value::Array(items)) if items.len() > ITEMS_MAX => {
            unjudged(path, "it has too many elements")
        }
        (Shape::Set { element, .. }, Value::Array(items)) => {
            let all = Want::whole();
            let items = items.iter().map(|item| expression(element, item, &all, path));
            Ok(RestrictedExpression::new_set(items.collect::<Result<Vec<_>, _>>()?))
        }
        (Shape::Record(fields), Value::Object(values)) => {
            let mut pairs = Vec::with_capacity(want.fields.len());
            for (name, field) in fields {
                let Some(want) = want.field(name) else { continue };
                if matches!(field.shape, Shape::Opaque(_)) {
                    continue;
                }
                path.push(name.clone());
                match values.get(name) {
                    None | Some(Value::Null) if !field.required => {}
                    None => return unjudged(path, "it is required and absent"),
                    Some(value) => pairs.push((name.clone(), expression(&field.shape, value, want, path)?)),
                }
                path.pop();
            }
            RestrictedExpression::new_record(pairs).or_else(|_| unjudged(path, "it has the same attribute twice"))
        }
        _ => unjudged(path, "it has another type than the tool's schema says"),
    }
}
