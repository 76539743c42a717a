//! Budgets: what may be spent, by whom, on whom and until when, kept by a ledger that cannot be overrun.
//!
//! A request reserves the worst case of every account it belongs to, all or none, before anything is asked; what it
//! really took is charged when that is known, and the rest goes back. An account is one name in one window: the tenant
//! `acme` in a day. A request counts in the window in which it reserved, also if it ends in the next one.
//!
//! Invariants:
//! - B1: in every account, what was charged and what is reserved never exceed the limit together, in whatever order
//!   requests reserve, end and give up, unless one took more than it had reserved; that is charged in full and counted.
//! - B2: a request reserves in all of its accounts or in none.
//! - B3: a refund leaves every account as if the request had never been.
//! - B4: a window that was opened is never opened again, and never the one before it: a clock that goes back refunds
//!   nothing, and one that jumps forward opens the next window once.
//! - B5: what became of a request that nobody knows the end of is charged in full.
//! - B6: the totals do not depend on the order in which requests are charged.

mod account;
mod burn;
mod ledger;
mod limits;
mod once;
mod prices;
mod window;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{Money, Timestamp};

pub use account::{News, Standing, What};
pub use burn::{Burn, BurnConfig, Pace};
pub use ledger::{Charge, Claim, Held, Ledger};
pub use limits::{Caps, Config, Limit};
pub use once::{Once, Portion, Room};
pub use prices::{PriceFile, PriceList, PriceRow};
pub use window::{Time, Window, date};

/// What a budget is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BudgetUnit)]
pub enum Unit {
    /// Micro-dollars.
    Money,
    /// Tokens, read and written.
    Tokens,
    /// Times a candidate was asked.
    Requests,
}

impl Unit {
    /// Every unit, in the order in which they are looked at.
    pub const ALL: [Unit; 3] = [Unit::Money, Unit::Tokens, Unit::Requests];

    /// The word used in config, JSON and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Money => "money",
            Unit::Tokens => "tokens",
            Unit::Requests => "requests",
        }
    }
}

/// So much of every unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// Money; never negative.
    pub money: Money,
    /// Tokens.
    pub tokens: u64,
    /// Requests.
    pub requests: u64,
}

impl Amounts {
    /// Nothing.
    pub const ZERO: Amounts = Amounts { money: Money::ZERO, tokens: 0, requests: 0 };

    /// How much of this unit. Money below zero counts as none.
    pub fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Money => u64::try_from(self.money.0).unwrap_or(0),
            Unit::Tokens => self.tokens,
            Unit::Requests => self.requests,
        }
    }

    /// Both together.
    pub fn plus(self, more: Amounts) -> Amounts {
        Amounts {
            money: self.money + more.money,
            tokens: self.tokens.saturating_add(more.tokens),
            requests: self.requests.saturating_add(more.requests),
        }
    }

    /// What is left without the other; of no unit less than nothing.
    pub fn minus(self, less: Amounts) -> Amounts {
        Amounts {
            money: Money(self.money.0.saturating_sub(less.money.0).max(0)),
            tokens: self.tokens.saturating_sub(less.tokens),
            requests: self.requests.saturating_sub(less.requests),
        }
    }
}

/// Whose budget: what kind of name an account has. A request belongs to one name of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BudgetScope)]
pub enum Scope {
    /// Those a principal belongs to: what stands before the slash in its name.
    Tenant,
    /// A user or a key: who asks.
    Principal,
    /// Who does the work.
    Agent,
    /// What is needed, and how private it is: `summarise/internal`.
    Destination,
    /// The runtime that is asked.
    Provider,
    /// The model behind it.
    Model,
}

impl Scope {
    /// Every kind, in the order in which they are looked at.
    pub const ALL: [Scope; 6] =
        [Scope::Tenant, Scope::Principal, Scope::Agent, Scope::Destination, Scope::Provider, Scope::Model];

    /// The word used in config, JSON and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Tenant => "tenant",
            Scope::Principal => "principal",
            Scope::Agent => "agent",
            Scope::Destination => "destination",
            Scope::Provider => "provider",
            Scope::Model => "model",
        }
    }

    /// Takes `tenant:acme` apart. None if the kind is unknown or there is no name.
    pub fn parse(text: &str) -> Option<(Scope, &str)> {
        let (kind, name) = text.split_once(':')?;
        let kind = Scope::ALL.into_iter().find(|known| known.word() == kind)?;
        (!name.is_empty()).then_some((kind, name))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why nothing was reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "because", rename_all = "snake_case")]
#[schema(as = BudgetRefusal)]
pub enum Refusal {
    /// An account has less left than this may take.
    Short {
        /// Whose account, such as `tenant:acme`.
        scope: String,
        /// In which window.
        window: Window,
        /// What there is too little of.
        unit: Unit,
        /// The limit.
        limit: u64,
        /// What was charged in this window.
        spent: u64,
        /// What is reserved for requests that have not ended.
        reserved: u64,
        /// What this request may take at the most.
        wanted: u64,
        /// When the window ends; none if it never does.
        ends: Option<Timestamp>,
    },
    /// There are as many accounts as are kept, and this would need another.
    Crowded {
        /// Whose account it would be.
        scope: String,
        /// How many are kept.
        most: usize,
    },
}

impl Refusal {
    /// Whether only reservations of others stand in the way: most requests take less than is reserved for them, so it may
    /// pass as soon as one of those ends.
    pub fn held_back(&self) -> bool {
        match self {
            Refusal::Short { window, limit, spent, wanted, .. } => {
                *window != Window::Request && spent.saturating_add(*wanted) <= *limit
            }
            Refusal::Crowded { .. } => false,
        }
    }

    /// When it is worth trying again; none if waiting alone does not help.
    pub fn ends(&self) -> Option<Timestamp> {
        match self {
            Refusal::Short { ends, .. } => *ends,
            Refusal::Crowded { .. } => None,
        }
    }
}

/// A reservation as the journal has it: enough to charge it without the ledger that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Number within the run, to find what became of it.
    pub hold: u64,
    /// The worst case.
    pub amounts: Amounts,
    /// Price of a million tokens that it was computed with.
    pub price: crate::types::Price,
    /// The accounts it counts in.
    pub accounts: Vec<Charge>,
}

/// How a reservation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Number of the reservation within the run.
    pub hold: u64,
    /// What was reserved.
    pub reserved: Amounts,
    /// What was charged.
    pub charged: Amounts,
    /// The accounts it was charged to.
    pub accounts: Vec<Charge>,
    /// Whether it took more than was reserved, of any unit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
    /// Why it was charged in full, if nobody knows what it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}
