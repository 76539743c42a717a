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
}

impl Price {
    /// The cost of this many tokens, rounded up so that a budget is never undercounted.
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> Money {
        let total =
            i128::from(self.input) * i128::from(input_tokens) + i128::from(self.output) * i128::from(output_tokens);
        Money(i64::try_from((total + 999_999).div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}
