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

impl Dated {
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    prices: Vec<toml::Spanned<toml::Value>>,
}

impl PriceList {
    /// Reads a file of prices. Everything that is wrong with it is said at once, each with its line and the number of its
    /// row.
    pub fn read(text: &str) -> Result<PriceList, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|error| vec![error.to_string().trim().to_owned()])?;
        let (mut rows, mut wrong) = (Vec::new(), Vec::new());
        for (place, value) in file.prices.into_iter().enumerate() {
            let line = text.get(..value.span().start).unwrap_or_default().matches('\n').count() + 1;
            let value = value.into_inner();
            let matches = value.get("match").and_then(toml::Value::as_str).unwrap_or("no match").to_owned();
            let name = format!("line {line}, row {} ({matches})", place + 1);
            match value.try_into::<PriceRow>() {
                Ok(row) => rows.push((name, row)),
                Err(error) => wrong.push(format!("{name}: {}", error.message())),
            }
        }
        let (list, more) = PriceList::checked(rows);
        wrong.extend(more);
        if wrong.is_empty() { Ok(list) } else { Err(wrong) }
    }

    fn checked(rows: Vec<(String, PriceRow)>) -> (PriceList, Vec<String>) {
        let mut wrong = Vec::new();
        let mut list: Vec<(String, Dated)> = Vec::new();
        for (name, row) in rows {
            let prices = [("input", Some(row.input)), ("output", Some(row.output)), ("cached_input", row.cached_input)];
            let negative = prices.iter().filter(|(_, price)| price.is_some_and(|price| price < 0));
            wrong.extend(negative.map(|(key, _)| format!("{name}: {key} of at least 0")));
            if row.cached_input.is_some_and(|cached| cached > row.input) {
                wrong.push(format!("{name}: cached_input of at most input"));
            }
            let patterns =
                row.matches.split_once('/').map(|(provider, model)| (Pattern::parse(provider), Pattern::parse(model)));
            let (Some((Some(provider), Some(model))), Some(from)) = (patterns, date(&row.from)) else {
                wrong.push(format!(
                    "{name}: a match such as `provider/model` or `*/model-*`, and a day such as `from = \"2026-01-31\"`"
                ));
                continue;
            };
            let dated = Dated { provider, model, from, row };
            let same = list.iter().find(|(_, known)| {
                let apart = known.row.matches == dated.row.matches && known.from != dated.from;
                !apart
                    && known.weight() == dated.weight()
                    && known.provider.meets(&dated.provider)
                    && known.model.meets(&dated.model)
            });
            if let Some((other, _)) = same {
                wrong.push(format!("{name}: one price at a time; {other} is for the same models"));
            }
            list.push((name, dated));
        }
        (PriceList { rows: list.into_iter().map(|(_, dated)| dated).collect() }, wrong)
    }

    /// These prices, with those of another list laid over them: a row of the same match and day takes the place of ours.
    pub fn merged(self, over: PriceList) -> Result<PriceList, Vec<String>> {
        let replaced =
            |row: &Dated| over.rows.iter().any(|other| other.row.matches == row.row.matches && other.from == row.from);
        let kept: Vec<Dated> = self.rows.into_iter().filter(|row| !replaced(row)).collect();
        let rows = kept
            .into_iter()
            .chain(over.rows)
            .map(|dated| (format!("{} from {}", dated.row.matches, dated.row.from), dated.row));
        let (list, wrong) = PriceList::checked(rows.collect());
        if wrong.is_empty() { Ok(list) } else { Err(wrong) }
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
