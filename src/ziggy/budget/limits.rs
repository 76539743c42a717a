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
    pub(crate) fn exceeded_by(&self, amounts: Amounts) -> Option<(Unit, u64)> {
        Unit::ALL.into_iter().find_map(|unit| {
            let cap = self.of(unit)?;
            (amounts.of(unit) > cap).then_some((unit, cap))
        })
    }
}

impl Limit {
    /// A right one with every key: what somebody writes is compared to it, key by key.
    pub fn examples() -> [Limit; 1] {
        let (money, tokens, requests) = (Some(1), Some(1), Some(1));
        [Limit { scope: "tenant:*".to_owned(), window: Window::Day, money, tokens, requests }]
    }

    /// The same as what an account may hold.
    pub(crate) fn caps(&self) -> Caps {
        Caps::new(self.money.map(|money| u64::try_from(money).unwrap_or(0)), self.tokens, self.requests)
    }
}

/// Ten billion dollars, and as many tokens: more is a slip of the hand, and sums must stay far from what overflows.
const MOST: u64 = 10_000_000_000_000_000;

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut seen: BTreeMap<(&str, Window), usize> = BTreeMap::new();
        for (place, limit) in self.limits.iter().enumerate() {
            let mut wrong = |key: &str, expected: String| found.push((format!("limits.{place}{key}"), expected));
            if Scope::parse(&limit.scope).is_none() {
                let kinds: Vec<&str> = Scope::ALL.iter().map(|kind| kind.word()).collect();
                let expected = "a scope such as `tenant:acme` or `tenant:*`, of the kinds";
                wrong(".scope", format!("{expected} {}", kinds.join(", ")));
            }
            let rows = [limit.money.map(i128::from), limit.tokens.map(i128::from), limit.requests.map(i128::from)];
            if rows.iter().all(Option::is_none) {
                wrong("", "at least one of money, tokens and requests".to_owned());
            }
            for (unit, amount) in Unit::ALL.iter().zip(rows) {
                if amount.is_some_and(|amount| !(1..=i128::from(MOST)).contains(&amount)) {
                    let expected = format!("from 1 to {MOST}; whoever may spend nothing is disabled");
                    wrong(&format!(".{}", unit.word()), expected);
                }
            }
            if limit.window == Window::Request && limit.requests.is_some() {
                wrong(".requests", "no such key, since a request is always one".to_owned());
            }
            if let Some(first) = seen.insert((&limit.scope, limit.window), place) {
                let expected = format!("one row for each scope and window; budgets.limits.{first} is of the same");
                wrong(".scope", expected);
            }
        }
        found.extend(self.contradictions());
        if self.accounts_most == 0 {
            found.push(("accounts_most".to_owned(), "at least 1".to_owned()));
        }
        found.extend(self.burn.impossible().into_iter().map(|(key, expected)| (key.to_owned(), expected)));
        found
    }

    /// A limit that a longer window of the same scope makes unreachable is not what its writer meant.
    fn contradictions(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (place, short) in self.limits.iter().enumerate() {
            for long in self.limits.iter().filter(|long| long.scope == short.scope && long.window > short.window) {
                for unit in Unit::ALL {
                    if let (Some(less), Some(more)) = (long.caps().of(unit), short.caps().of(unit))
                        && more > less
                    {
                        let (unit, short_of, long_of) = (unit.word(), short.window.word(), long.window.word());
                        let expected = format!("not more {unit} in a {short_of} ({more}) than in a {long_of} ({less})");
                        found.push((format!("limits.{place}.{unit}"), expected));
                    }
                }
            }
        }
        found
    }
}
