//! One account: a name in a window, what is reserved and charged in it, and how it stands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::burn::Recent;
use super::limits::Caps;
use super::window::Period;
use super::{Amounts, Burn, BurnConfig, Pace, Refusal, Unit, Window};
use crate::types::Timestamp;
use crate::types::planted::{Bug, planted};

/// One name in one window.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) scope: Arc<str>,
    pub(super) window: Window,
    pub(super) caps: Caps,
    pub(super) period: Period,
    pub(super) reserved: Amounts,
    pub(super) spent: Amounts,
    /// What was charged above its reservation.
    pub(super) over: Amounts,
    /// Requests that were refused for it.
    pub(super) refused: u64,
    /// Reservations that have not ended, those of windows that are over included.
    pub(super) open: u32,
    pub(super) recent: Option<Recent>,
    /// What was told of it in this window.
    pub(super) told: (Pace, bool),
    /// Whether it stands in the list of those that changed.
    pub(super) changed: bool,
}

/// How one unit of one account stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BudgetStanding)]
pub struct Standing {
    /// Whose, such as `tenant:acme`.
    pub scope: String,
    /// In which window.
    pub window: Window,
    /// In which unit.
    pub unit: Unit,
    /// The limit.
    pub limit: u64,
    /// Reserved for requests that have not ended.
    pub reserved: u64,
    /// Charged in this window.
    pub spent: u64,
    /// What is left for the next request.
    pub left: u64,
    /// Charged above what had been reserved; part of `spent`.
    pub over: u64,
    /// Requests refused for it in this window.
    pub refused: u64,
    /// When this window began.
    pub began: Timestamp,
    /// When it ends; none if it never does.
    pub ends: Option<Timestamp>,
    /// How fast it burns; none for windows too short to act in.
    pub burn: Option<Burn>,
    /// How bad that is.
    pub pace: Pace,
    /// When it will be used up at this pace; none if that is not before the window ends.
    pub used_up_at: Option<Timestamp>,
}

/// What happened to an account that an operator should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It burns too fast.
    Burning,
    /// Somebody was refused for it, for the first time in this window.
    Exhausted,
}

/// One such thing, with the numbers it follows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What happened.
    pub what: What,
    /// How the account stands.
    pub standing: Standing,
}

impl Account {
    pub(super) fn new(scope: Arc<str>, window: Window, caps: Caps, now: Timestamp) -> Account {
        Account {
            scope,
            window,
            caps,
            period: window.period(now),
            reserved: Amounts::ZERO,
            spent: Amounts::ZERO,
            over: Amounts::ZERO,
            refused: 0,
            open: 0,
            recent: window.pace_us().map(|length| Recent::new(length, now)),
            told: (Pace::Even, false),
            changed: false,
        }
    }

    /// Opens the window that this moment lies in, if it is a later one (B4).
    pub(super) fn roll(&mut self, now: Timestamp) {
        let back = planted(Bug::WindowReopens) && now < self.period.began;
        if self.period.ends.is_none_or(|ends| now < ends) && !back {
            return;
        }
        self.period = self.window.period(now);
        (self.reserved, self.spent, self.over) = (Amounts::ZERO, Amounts::ZERO, Amounts::ZERO);
        (self.refused, self.told.1) = (0, false);
    }

    pub(super) fn touch(&mut self, place: u32, changed: &mut Vec<u32>) {
        if !std::mem::replace(&mut self.changed, true) {
            changed.push(place);
        }
    }

    pub(super) fn short(&self, unit: Unit, limit: u64, wanted: Amounts) -> Refusal {
        Refusal::Short {
            scope: self.scope.to_string(),
            window: self.window,
            unit,
            limit,
            spent: self.spent.of(unit),
            reserved: self.reserved.of(unit),
            wanted: wanted.of(unit),
            ends: self.period.ends,
        }
    }

    pub(super) fn standings(&mut self, now: Timestamp, burning: &BurnConfig) -> Vec<Standing> {
        self.roll(now);
        let mut all = Vec::new();
        for unit in Unit::ALL {
            let Some(limit) = self.caps.of(unit) else { continue };
            let (reserved, spent) = (self.reserved.of(unit), self.spent.of(unit));
            let left = limit.saturating_sub(spent).saturating_sub(reserved);
            let burn = self.recent.as_mut().map(|recent| recent.burn(now, unit, limit));
            let used_up =
                self.recent.as_mut().and_then(|recent| recent.used_up(now, unit, limit.saturating_sub(spent)));
            all.push(Standing {
                scope: self.scope.to_string(),
                window: self.window,
                unit,
                limit,
                reserved,
                spent,
                left,
                over: self.over.of(unit),
                refused: self.refused,
                began: self.period.began,
                ends: self.period.ends,
                burn,
                pace: burn.map_or(Pace::Even, |burn| burn.pace(burning)),
                used_up_at: used_up.filter(|at| self.period.ends.is_none_or(|ends| *at < ends)),
            });
        }
        all
    }
}
