//! Limits as an operator writes them, and what is wrong with them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Amounts, BurnConfig, Scope, Unit, Window};

/// Everything about budgets that is set in the config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What may be spent.
    pub limits: Vec<Limit>,
    /// Accounts that are kept at the most.
    pub accounts_most: usize,
    /// When a budget burns too fast.
    pub burn: BurnConfig,
}

/// One limit: one or more units of one scope in one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Whose: `tenant:acme`, or `tenant:*` for each tenant one of its own.
    pub scope: String,
    /// In which window.
    pub window: Window,
    /// Micro-dollars at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<i64>,
    /// Tokens at the most, read and written together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Requests at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
}

/// The name that stands for each.
pub(super) const EACH: &str = "*";

/// What an account may hold; none of a unit is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps([Option<u64>; 3]);

impl Caps {
    /// The limit in this unit, if there is one.
    pub fn of(&self, unit: Unit) -> Option<u64> {
        self.0[unit as usize]
    }

    /// Limits of money, tokens and requests.
    pub fn new(money: Option<u64>, tokens: Option<u64>, requests: Option<u64>) -> Caps {
        Caps([money, tokens, requests])
    }

    /// The first unit of which there would be more than allowed.
    pub(super) fn exceeded_by(&self, amounts: Amounts) -> Option<(Unit, u64)> {
        Unit::ALL.into_iter().find_map(|unit| {
            let cap = self.of(unit)?;
            (amounts.of(unit) > cap).then_some((unit, cap))
        })
    }
}

impl Limit {
    pub(super) fn caps(&self) -> Caps {
        Caps::new(self.money.map(|money| u64::try_from(money).unwrap_or(0)), self.tokens, self.requests)
    }
}

/// Ten billion dollars, and as many tokens: more is a slip of the hand, and sums must stay far from what overflows.
const MOST: u64 = 10_000_000_000_000_000;

impl Config {
    /// Keys with values that cannot work, and what would. A row of `limits` is told by its number.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut seen: BTreeMap<(&str, Window), usize> = BTreeMap::new();
        for (place, limit) in self.limits.iter().enumerate() {
            let row = format!("row {} ({}, {})", place + 1, limit.scope, limit.window.word());
            if Scope::parse(&limit.scope).is_none() {
                let kinds: Vec<&str> = Scope::ALL.iter().map(|kind| kind.word()).collect();
                let expected = "a scope such as `tenant:acme` or `tenant:*`, of the kinds";
                found.push(format!("{row}: {expected} {}", kinds.join(", ")));
            }
            let rows = [limit.money.map(i128::from), limit.tokens.map(i128::from), limit.requests.map(i128::from)];
            if rows.iter().all(Option::is_none) {
                found.push(format!("{row}: at least one of money, tokens and requests"));
            }
            for (unit, amount) in Unit::ALL.iter().zip(rows) {
                if amount.is_some_and(|amount| !(1..=i128::from(MOST)).contains(&amount)) {
                    found.push(format!(
                        "{row}: {} from 1 to {MOST}; whoever may spend nothing is disabled",
                        unit.word()
                    ));
                }
            }
            if limit.window == Window::Request && limit.requests.is_some() {
                found.push(format!("{row}: no requests, since a request is always one"));
            }
            if let Some(first) = seen.insert((&limit.scope, limit.window), place + 1) {
                found.push(format!("{row}: one row for each scope and window; row {first} is of the same"));
            }
        }
        found.extend(self.contradictions());
        let mut all: Vec<(&'static str, String)> = found.into_iter().map(|text| ("limits", text)).collect();
        if self.accounts_most == 0 {
            all.push(("accounts_most", "at least 1".to_owned()));
        }
        all.extend(self.burn.impossible());
        all
    }

    /// A limit that a longer window of the same scope makes unreachable is not what its writer meant.
    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        for short in &self.limits {
            for long in self.limits.iter().filter(|long| long.scope == short.scope && long.window > short.window) {
                for unit in Unit::ALL {
                    if let (Some(less), Some(more)) = (long.caps().of(unit), short.caps().of(unit))
                        && more > less
                    {
                        found.push(format!(
                            "{}: not more {} in a {} ({more}) than in a {} ({less})",
                            short.scope,
                            unit.word(),
                            short.window.word(),
                            long.window.word()
                        ));
                    }
                }
            }
        }
        found
    }
}
