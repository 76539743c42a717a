//! What a call of a tool costs, and can cost at the most. Pure.

use crate::sandbox::Outcome;
use crate::tds::tool::{Cost, Limits};
use crate::types::Money;

/// Millionths of something that has a price for each, rounded up.
fn priced(price: u64, amount: u128) -> u128 {
    (u128::from(price) * amount).div_ceil(1_000_000)
}

fn money(micro: u128) -> Money {
    Money(i64::try_from(micro).unwrap_or(i64::MAX))
}

/// What a call cost: itself, its time, the bytes of its answer.
pub(super) fn cost(cost: &Cost, outcome: &Outcome) -> Money {
    let bytes = outcome.answer.as_ref().map_or(0, |value| value.to_string().len());
    let time = priced(cost.second_micro_usd, outcome.usage.wall.as_micros());
    money(u128::from(cost.call_micro_usd) + time + priced(cost.megabyte_micro_usd, bytes as u128))
}

/// What a call can cost at the most.
pub(super) fn most_cost(cost: &Cost, limits: &Limits) -> Money {
    let time = priced(cost.second_micro_usd, u128::from(limits.timeout_ms) * 1_000);
    money(u128::from(cost.call_micro_usd) + time + priced(cost.megabyte_micro_usd, u128::from(limits.output_bytes)))
}
