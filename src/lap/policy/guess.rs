//! Values that are tried in place of what a list does not know: enough of them that every outcome occurs that any value
//! could have.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::RestrictedExpression;

use super::atom::Operand;
use super::limits::{CASES_MAX, SUBSET_MAX};
use super::shape::Shape;
use super::texts::{Pattern, witnesses};
use super::value::decimal_expression;

/// A value that is tried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guess {
    Flag(bool),
    Whole(i64),
    /// In ten-thousandths.
    Decimal(i64),
    Text(String),
    Set(BTreeSet<Guess>),
    Record(BTreeMap<String, Guess>),
}

impl Guess {
    pub(super) fn expression(&self) -> Option<RestrictedExpression> {
        Some(match self {
            Guess::Flag(flag) => RestrictedExpression::new_bool(*flag),
            Guess::Whole(number) => RestrictedExpression::new_long(*number),
            Guess::Decimal(scaled) => decimal_expression(*scaled),
            Guess::Text(text) => RestrictedExpression::new_string(text.clone()),
            Guess::Set(items) => {
                RestrictedExpression::new_set(items.iter().map(Guess::expression).collect::<Option<Vec<_>>>()?)
            }
            Guess::Record(fields) => {
                let pair = |(name, value): (&String, &Guess)| Some((name.clone(), value.expression()?));
                RestrictedExpression::new_record(fields.iter().map(pair).collect::<Option<Vec<_>>>()?).ok()?
            }
        })
    }
}

/// What an unknown and those within it are compared with.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Compared {
    pub(super) operands: Vec<Operand>,
    /// Whether more than its presence matters.
    pub(super) value: bool,
    pub(super) fields: BTreeMap<String, Compared>,
}

impl Compared {
    pub(super) fn add(&mut self, path: &[String], operands: &[Operand], value: bool) {
        match path {
            [] => {
                self.value |= value;
                for operand in operands {
                    if !self.operands.contains(operand) {
                        self.operands.push(operand.clone());
                    }
                }
            }
            [name, rest @ ..] => self.fields.entry(name.clone()).or_default().add(rest, operands, value),
        }
    }

    /// The paths of those that are compared with something, and not with their parts.
    pub(super) fn leaves(&self) -> Vec<Vec<String>> {
        let mut leaves = Vec::new();
        for (name, inner) in &self.fields {
            if inner.fields.is_empty() {
                leaves.push(vec![name.clone()]);
            }
            for mut path in inner.leaves() {
                path.insert(0, name.clone());
                leaves.push(path);
            }
        }
        leaves
    }
}

/// What stands for an attribute: its values, of which a set has several.
pub(super) type Known<'a> = &'a dyn Fn(&Operand) -> Vec<Guess>;

/// Values of this shape that give every outcome that any value of it could have; `None` if there are too many.
pub(super) fn guesses(shape: &Shape, compared: &Compared, known: Known<'_>) -> Option<Vec<Guess>> {
    let values = || compared.operands.iter().flat_map(known);
    let found = match shape {
        Shape::Flag => vec![Guess::Flag(false), Guess::Flag(true)],
        Shape::Whole { choices: Some(choices), .. } => choices.iter().copied().map(Guess::Whole).collect(),
        Shape::Whole { least, most, .. } => {
            let constants =
                values().filter_map(|value| if let Guess::Whole(number) = value { Some(number) } else { None });
            around(constants, *least, *most).into_iter().map(Guess::Whole).collect()
        }
        Shape::Decimal { least, most } => {
            let constants =
                values().filter_map(|value| if let Guess::Decimal(scaled) = value { Some(scaled) } else { None });
            around(constants, *least, *most).into_iter().map(Guess::Decimal).collect()
        }
        Shape::Text { choices: Some(choices) } => choices.iter().cloned().map(Guess::Text).collect(),
        Shape::Text { choices: None } => {
            let mut patterns: Vec<Pattern> = compared.operands.iter().filter_map(Operand::pattern).collect();
            for value in values() {
                if let Guess::Text(text) = value {
                    patterns.push(super::texts::constant(&text));
                }
            }
            witnesses(&patterns)?.into_iter().map(Guess::Text).collect()
        }
        Shape::Set { .. } if !compared.value => vec![Guess::Set(BTreeSet::new())],
        Shape::Set { element, least, most } => subsets(universe(element, values())?, *least, *most)?,
        Shape::Record(fields) => {
            let mut records = vec![BTreeMap::new()];
            for (name, inner) in &compared.fields {
                let Some(field) = fields.get(name) else { continue };
                let mut choices: Vec<Option<Guess>> = if field.required { Vec::new() } else { vec![None] };
                choices.extend(guesses(&field.shape, inner, known)?.into_iter().map(Some));
                if records.len().saturating_mul(choices.len()) > CASES_MAX {
                    return None;
                }
                let with = |record: &BTreeMap<String, Guess>, choice: &Option<Guess>| {
                    let mut record = record.clone();
                    record.extend(choice.clone().map(|value| (name.clone(), value)));
                    record
                };
                records = records.iter().flat_map(|one| choices.iter().map(|choice| with(one, choice))).collect();
            }
            records.into_iter().map(Guess::Record).collect()
        }
        Shape::Opaque(_) => return None,
    };
    (found.len() <= CASES_MAX).then_some(found)
}

/// Numbers at, just below and just above each constant, and at both ends: one of every stretch between them.
fn around(constants: impl Iterator<Item = i64>, least: i64, most: i64) -> BTreeSet<i64> {
    let mut numbers = BTreeSet::from([least, most, 0]);
    for number in constants {
        numbers.extend([number.saturating_sub(1), number, number.saturating_add(1)]);
    }
    numbers.retain(|number| (least..=most).contains(number));
    numbers
}

/// The elements that matter in a set: those it is compared with, and one that stands for all others.
fn universe(element: &Shape, values: impl Iterator<Item = Guess>) -> Option<Vec<Guess>> {
    let named: BTreeSet<Guess> = values.collect();
    let mut elements: Vec<Guess> = match element {
        Shape::Flag => vec![Guess::Flag(false), Guess::Flag(true)],
        Shape::Whole { choices: Some(choices), .. } => {
            some_of(choices.iter().copied().map(Guess::Whole).collect(), &named)
        }
        Shape::Whole { least, most, .. } => {
            let mut numbers: Vec<i64> = named
                .iter()
                .filter_map(|value| if let Guess::Whole(number) = value { Some(*number) } else { None })
                .filter(|number| (*least..=*most).contains(number))
                .collect();
            let other = (*least..=*most).find(|number| !numbers.contains(number));
            numbers.extend(other);
            numbers.into_iter().map(Guess::Whole).collect()
        }
        Shape::Text { choices: Some(choices) } => some_of(choices.iter().cloned().map(Guess::Text).collect(), &named),
        Shape::Text { choices: None } => {
            let mut texts: Vec<Guess> = named.iter().filter(|value| matches!(value, Guess::Text(_))).cloned().collect();
            let longest = texts.iter().map(|text| if let Guess::Text(text) = text { text.len() } else { 0 }).max();
            texts.push(Guess::Text("x".repeat(longest.unwrap_or(0) + 1)));
            texts
        }
        _ => return None,
    };
    elements.sort_unstable();
    elements.dedup();
    (elements.len() <= SUBSET_MAX).then_some(elements)
}

/// Of a closed set of elements those that are named, and one other if there is one.
fn some_of(all: Vec<Guess>, named: &BTreeSet<Guess>) -> Vec<Guess> {
    let other = all.iter().find(|value| !named.contains(value)).cloned();
    all.into_iter().filter(|value| named.contains(value)).chain(other).collect()
}

/// Every set of these elements that a list of so many could be. A list can repeat one, so at the least means one.
fn subsets(elements: Vec<Guess>, least: u64, most: u64) -> Option<Vec<Guess>> {
    let count = 1_usize.checked_shl(u32::try_from(elements.len()).ok()?)?;
    let subset = |bits: usize| {
        let chosen = elements.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
        chosen.map(|(_, element)| element.clone()).collect::<BTreeSet<Guess>>()
    };
    let fits = |set: &BTreeSet<Guess>| {
        let size = u64::try_from(set.len()).unwrap_or(u64::MAX);
        size >= least.min(1) && size <= most
    };
    Some((0..count).map(subset).filter(fits).map(Guess::Set).collect())
}
