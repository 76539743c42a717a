//! Money in whole micro-dollars: exact sums, no floating point drift in a budget.

use std::fmt;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// An amount in micro-USD (one millionth of a US dollar).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Money(pub i64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
}

impl Add for Money {
    type Output = Money;

    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}${}.{:06}", self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000)
    }
}

/// What tokens cost, in micro-USD per million tokens, the unit of public price lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Per million prompt tokens.
    pub input: i64,
    /// Per million generated tokens.
    pub output: i64,
    /// Per million prompt tokens that the provider had cached, if they are cheaper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<i64>,
}

impl Price {
    /// A price of these micro-dollars for a million prompt tokens, and for a million generated ones.
    pub const fn new(input: i64, output: i64) -> Price {
        Price { input, output, cached_input: None }
    }

    /// The price of a million cached prompt tokens, which is that of others unless a lower one is named.
    pub fn cached(self) -> i64 {
        self.cached_input.unwrap_or(self.input).min(self.input)
    }

    /// The most that this many tokens cost, since nobody knows before what a provider has cached.
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> Money {
        self.charge(input_tokens, 0, output_tokens)
    }

    /// The cost of this many tokens, so many of those of the prompt cached; rounded up so that a budget is never
    /// undercounted.
    pub fn charge(self, input_tokens: u64, cached_tokens: u64, output_tokens: u64) -> Money {
        let cached = cached_tokens.min(input_tokens);
        let parts = [(self.input, input_tokens - cached), (self.cached(), cached), (self.output, output_tokens)];
        let total: i128 = parts.iter().map(|(price, tokens)| i128::from(*price) * i128::from(*tokens)).sum();
        Money(i64::try_from((total + 999_999).div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}
