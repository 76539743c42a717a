//! Conditions about what a list does not know: which argument one is about, and which values tell its outcomes apart.
//!
//! Unknown to a list are the arguments, whether a person agreed, and whether personal data was found. A condition has a
//! supported shape if it compares one of these with something that is known: a constant, or an attribute of the caller,
//! of the tool, or of the circumstances.

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp, Var};

use super::guess::Guess;
use super::shape::{Shape, decimal};
use super::texts::{Pattern, constant};
use super::tree::{parts, path};

/// What of the context is unknown to a list.
pub(super) const UNKNOWN: [&str; 3] = ["args", "approved", "personal_data"];

/// An attribute that is known when a list is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Holder {
    Caller,
    Tool,
    Circumstances,
}

/// What an unknown is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Value(Guess),
    Pattern(Pattern),
    Attribute(Holder, String),
}

/// A supported condition: the unknown it is about, by its path in the context, and what that is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Atom {
    pub(super) path: Vec<String>,
    pub(super) operands: Vec<Operand>,
    /// Whether more than its presence matters.
    pub(super) value: bool,
}

/// Whether an expression looks at anything unknown.
pub(super) fn is_unknown(expression: &Expr) -> bool {
    match path(expression) {
        Some((Var::Context, path)) => path.first().is_none_or(|first| UNKNOWN.contains(&first.as_str())),
        Some(_) => false,
        None => match expression {
            Expr::HasAttr { expr, attrs } if matches!(path(expr), Some((Var::Context, path)) if path.is_empty()) => {
                UNKNOWN.contains(&attrs.first().as_str())
            }
            _ => parts(expression).into_iter().any(|part| is_unknown(part)),
        },
    }
}

/// The unknown that this expression is, by its path.
fn unknown(expression: &Expr) -> Option<Vec<String>> {
    let (Var::Context, path) = path(expression)? else { return None };
    path.first().is_some_and(|first| UNKNOWN.contains(&first.as_str())).then_some(path)
}

/// The known value that this expression is. A set literal is its elements.
fn operands(expression: &Expr) -> Option<Vec<Operand>> {
    match expression {
        Expr::Set(items) => items.iter().map(|item| scalar(item).map(Operand::Value)).collect(),
        _ => match scalar(expression) {
            Some(value) => Some(vec![Operand::Value(value)]),
            None => attribute(expression).map(|attribute| vec![attribute]),
        },
    }
}

fn attribute(expression: &Expr) -> Option<Operand> {
    let (variable, path) = path(expression)?;
    let [name] = path.as_slice() else { return None };
    let holder = match variable {
        Var::Principal => Holder::Caller,
        Var::Resource => Holder::Tool,
        Var::Context if !UNKNOWN.contains(&name.as_str()) => Holder::Circumstances,
        _ => return None,
    };
    Some(Operand::Attribute(holder, name.clone()))
}

fn scalar(expression: &Expr) -> Option<Guess> {
    match expression {
        Expr::Literal(Literal::Bool(flag)) => Some(Guess::Flag(*flag)),
        Expr::Literal(Literal::Long(number)) => Some(Guess::Whole(*number)),
        Expr::Literal(Literal::String(text)) => Some(Guess::Text(text.to_string())),
        Expr::UnaryOp { op: UnaryOp::Neg, expr } => match scalar(expr)? {
            Guess::Whole(number) => number.checked_neg().map(Guess::Whole),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOp::Decimal, expr } => match scalar(expr)? {
            // Read as a number of JSON, which a decimal of Cedar always is, save for zeros in front.
            Guess::Text(text) => {
                let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
                let digits = digits.trim_start_matches('0');
                let zero = if digits.starts_with('.') { "0" } else { "" };
                format!("{sign}{zero}{digits}").parse().ok().as_ref().and_then(decimal).map(Guess::Decimal)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The shape at a path, if all that is above it are records.
pub(super) fn shape_at<'a>(shape: &'a Shape, path: &[String]) -> Option<&'a Shape> {
    match (path, shape) {
        ([], shape) => Some(shape),
        ([name, rest @ ..], Shape::Record(fields)) => shape_at(&fields.get(name)?.shape, rest),
        _ => None,
    }
}

/// The supported condition that this expression is; the shape is that of all unknowns.
pub(super) fn atom(expression: &Expr, shape: &Shape) -> Option<Atom> {
    let found = read(expression)?;
    let leaf = shape_at(shape, &found.path)?;
    let fits = match leaf {
        Shape::Opaque(_) => false,
        Shape::Record(_) => !found.value,
        Shape::Set { element, .. } => {
            !found.value || matches!(**element, Shape::Flag | Shape::Whole { .. } | Shape::Text { .. })
        }
        Shape::Flag | Shape::Whole { .. } | Shape::Decimal { .. } | Shape::Text { .. } => true,
    };
    fits.then_some(found)
}

fn read(expression: &Expr) -> Option<Atom> {
    if let Some(path) = unknown(expression) {
        return Some(Atom { path, operands: Vec::new(), value: true });
    }
    match expression {
        Expr::HasAttr { expr, attrs } => {
            let (Var::Context, mut path) = path(expr)? else { return None };
            path.extend(attrs.iter().map(ToString::to_string));
            let unknown = path.first().is_some_and(|first| UNKNOWN.contains(&first.as_str()));
            unknown.then_some(Atom { path, operands: Vec::new(), value: false })
        }
        Expr::UnaryOp { op: UnaryOp::IsEmpty, expr } => {
            Some(Atom { path: unknown(expr)?, operands: Vec::new(), value: true })
        }
        Expr::Like { expr, pattern } => {
            Some(Atom { path: unknown(expr)?, operands: vec![Operand::Pattern(pattern.clone())], value: true })
        }
        Expr::BinaryOp { op, left, right } => {
            let compares = matches!(
                op,
                BinaryOp::Eq
                    | BinaryOp::NotEq
                    | BinaryOp::Less
                    | BinaryOp::LessEq
                    | BinaryOp::Greater
                    | BinaryOp::GreaterEq
                    | BinaryOp::DecimalLessThan
                    | BinaryOp::DecimalLessEq
                    | BinaryOp::DecimalGreater
                    | BinaryOp::DecimalGreaterEq
                    | BinaryOp::Contains
                    | BinaryOp::ContainsAll
                    | BinaryOp::ContainsAny
            );
            let (path, other) = match (unknown(left), unknown(right)) {
                (Some(path), None) => (path, right),
                (None, Some(path)) => (path, left),
                _ => return None,
            };
            (compares && !is_unknown(other)).then_some(())?;
            Some(Atom { path, operands: operands(other)?, value: true })
        }
        _ => None,
    }
}

impl Operand {
    /// The pattern that a text is compared with.
    pub(super) fn pattern(&self) -> Option<Pattern> {
        match self {
            Operand::Pattern(pattern) => Some(pattern.clone()),
            Operand::Value(Guess::Text(text)) => Some(constant(text)),
            Operand::Value(_) | Operand::Attribute(..) => None,
        }
    }
}
