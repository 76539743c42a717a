//! Budgets: tables for windows, limits, prices and burn rates; the ledger against a plain model, in any order.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod accounts;
mod burning;
mod chaos;
mod once;
mod prices;
mod rows;
mod windows;

use super::{Amounts, BurnConfig, Claim, Config, Ledger, Limit, Standing, Unit, Window};
use crate::types::{Money, Timestamp};

/// 2026-03-14 15:09:26 UTC.
const NOW: Timestamp = Timestamp(1_773_500_966_000_000);

const SECOND: i64 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * SECOND)
}

fn limit(scope: &str, window: Window) -> Limit {
    Limit { scope: scope.to_owned(), window, money: None, tokens: None, requests: None }
}

fn config(limits: impl IntoIterator<Item = Limit>) -> Config {
    let burn = BurnConfig { fast: 14_400, slow: 6_000 };
    Config { limits: limits.into_iter().collect(), accounts_most: 1_000, burn }
}

fn ledger(limits: impl IntoIterator<Item = Limit>) -> Ledger {
    Ledger::new(&config(limits), NOW)
}

fn money(micros: i64) -> Amounts {
    Amounts { money: Money(micros), tokens: 0, requests: 0 }
}

fn claim<'a>(tenant: &'a str, principal: &'a str) -> Claim<'a> {
    Claim { tenant, principal, agent: "marvin", destination: "general/public", provider: "local", model: "small" }
}

fn standing(ledger: &mut Ledger, now: Timestamp, scope: &str, window: Window, unit: Unit) -> Standing {
    let all = ledger.standings(now);
    let found = all.iter().find(|one| one.scope == scope && one.window == window && one.unit == unit);
    found.unwrap_or_else(|| panic!("no {scope} in {all:?}")).clone()
}
