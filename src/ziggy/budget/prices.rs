//! What tokens cost, as dated rows: a price counts from its date until a later row of the same match counts.

use serde::{Deserialize, Serialize};

use super::window::date;
use crate::types::{Price, Timestamp};

/// One row of a price list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceRow {
    /// Which models: `PROVIDER/MODEL`, either of which may end in `*`, which stands for any rest.
    #[serde(rename = "match")]
    pub matches: String,
    /// Micro-dollars for a million prompt tokens.
    pub input: i64,
    /// Micro-dollars for a million generated tokens.
    pub output: i64,
    /// Micro-dollars for a million prompt tokens that the provider had cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<i64>,
    /// From which day on, as `2026-01-31`, midnight UTC.
    pub from: String,
    /// Where the price was read.
    pub source: String,
}

impl PriceRow {
    /// Whether it is for this model of this provider.
    pub fn covers(&self, provider: &str, model: &str) -> bool {
        let patterns = self.matches.split_once('/').map(|(own, rest)| (Pattern::parse(own), Pattern::parse(rest)));
        matches!(patterns, Some((Some(own), Some(rest))) if own.matches(provider) && rest.matches(model))
    }

    /// The same as every candidate's price is said.
    pub fn price(&self) -> Price {
        Price { input: self.input, output: self.output, cached_input: self.cached_input }
    }
}

/// A row that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dated {
    provider: Pattern,
    model: Pattern,
    from: Timestamp,
    row: PriceRow,
}

/// A word, or the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: String,
    open: bool,
}

impl Pattern {
    fn parse(text: &str) -> Option<Pattern> {
        let (text, open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        let plain = !text.contains('*') && (open || !text.is_empty());
        plain.then(|| Pattern { text: text.to_owned(), open })
    }

    fn matches(&self, name: &str) -> bool {
        if self.open { name.starts_with(&self.text) } else { name == self.text }
    }

    /// Whether some name matches both.
    fn meets(&self, other: &Pattern) -> bool {
        match (self.open, other.open) {
            (true, true) => self.text.starts_with(&other.text) || other.text.starts_with(&self.text),
            _ => self.matches(&other.text) && !other.open || other.matches(&self.text) && !self.open,
        }
    }

    /// A whole word says more than any beginning of one, and a longer beginning more than a shorter.
    fn weight(&self) -> (bool, usize) {
        (!self.open, self.text.len())
    }
}

/// What cannot be of the amounts of a row.
fn amounts(row: &PriceRow) -> Vec<(&'static str, String)> {
    let prices = [("input", Some(row.input)), ("output", Some(row.output)), ("cached_input", row.cached_input)];
    let negative = prices.into_iter().filter(|(_, price)| price.is_some_and(|price| price < 0));
    let mut wrong: Vec<_> = negative.map(|(key, _)| (key, "at least 0".to_owned())).collect();
    if row.cached_input.is_some_and(|cached| cached > row.input) {
        wrong.push(("cached_input", format!("at most input, which is {}", row.input)));
    }
    wrong
}

impl Dated {
    /// The row, checked, or each key of it that says nothing.
    fn of(row: &PriceRow) -> Result<Dated, Vec<(&'static str, &'static str)>> {
        let patterns =
            row.matches.split_once('/').map(|(provider, model)| (Pattern::parse(provider), Pattern::parse(model)));
        match (patterns, date(&row.from)) {
            (Some((Some(provider), Some(model))), Some(from)) => Ok(Dated { provider, model, from, row: row.clone() }),
            (patterns, from) => {
                let no_match = !matches!(patterns, Some((Some(_), Some(_))));
                let matches = no_match.then_some(("match", "a match such as `provider/model` or `*/model-*`"));
                let day = from.is_none().then_some(("from", "a day such as \"2026-01-31\""));
                Err(matches.into_iter().chain(day).collect())
            }
        }
    }

    /// Whether the two say as much of the same model at the same time.
    fn meets(&self, other: &Dated) -> bool {
        let apart = self.row.matches == other.row.matches && self.from != other.from;
        !apart
            && self.weight() == other.weight()
            && self.provider.meets(&other.provider)
            && self.model.meets(&other.model)
    }

    fn weight(&self) -> ((bool, usize), (bool, usize)) {
        (self.model.weight(), self.provider.weight())
    }
}

/// Every price there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceList {
    rows: Vec<Dated>,
}

/// What a file of prices says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceFile {
    /// Its rows.
    #[serde(default)]
    pub prices: Vec<PriceRow>,
}

impl PriceList {
    /// Rows, with those of an operator laid over them: one of the same match and day takes the place of ours.
    ///
    /// # Errors
    /// Everything that cannot be: the key, dotted and with the number of its row in the operator's file, and what could.
    pub fn of(known: &PriceFile, own: &PriceFile) -> Result<PriceList, Vec<(String, String)>> {
        let replaced =
            |row: &&PriceRow| own.prices.iter().any(|over| over.matches == row.matches && over.from == row.from);
        let kept = known.prices.iter().filter(|row| !replaced(row));
        let kept = kept.map(|row| (format!("{} of {}", row.matches, row.from), row));
        let over = own.prices.iter().enumerate().map(|(number, row)| (format!("prices.{number}"), row));
        let (mut list, mut wrong) = (Vec::<(String, Dated)>::new(), Vec::new());
        for (name, row) in kept.chain(over) {
            wrong.extend(amounts(row).into_iter().map(|(key, expected)| (format!("{name}.{key}"), expected)));
            match Dated::of(row) {
                Ok(dated) => {
                    let same = list.iter().find(|(_, known)| known.meets(&dated));
                    wrong.extend(same.map(|(other, _)| {
                        (format!("{name}.match"), format!("one price at a time: {other} is for the same models"))
                    }));
                    list.push((name, dated));
                }
                Err(keys) => {
                    wrong.extend(keys.into_iter().map(|(key, said)| (format!("{name}.{key}"), said.to_owned())))
                }
            }
        }
        if wrong.is_empty() {
            Ok(PriceList { rows: list.into_iter().map(|(_, dated)| dated).collect() })
        } else {
            Err(wrong)
        }
    }

    /// The price of a model at a time: of the rows that match it the one that says most, the latest that has begun.
    pub fn in_force(&self, provider: &str, model: &str, at: Timestamp) -> Option<&PriceRow> {
        let matching = self.rows.iter().filter(|row| row.provider.matches(provider) && row.model.matches(model));
        matching.filter(|row| row.from <= at).max_by_key(|row| (row.weight(), row.from)).map(|row| &row.row)
    }

    /// When the next row comes in force, if one is to.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        self.rows.iter().map(|row| row.from).filter(|from| *from > at).min()
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = &PriceRow> {
        self.rows.iter().map(|row| &row.row)
    }
}
