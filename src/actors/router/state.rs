//! What the router knows: the RIB, and whether the FIB is behind it. Pure.

use std::time::Duration;

use super::View;
use crate::inference;
use crate::types::{Price, Timestamp};
use crate::ziggy::route::{Feedback, Fib, Health, LiveConfig, Rib, ScoreConfig, build};
use crate::ziggy::{Config, Governance};

pub(super) struct State {
    rib: Rib,
    score: ScoreConfig,
    live: LiveConfig,
    /// Whether a timer already runs that will build the table.
    gathering: bool,
    /// When the timer ends that waits for an override to expire, if one runs.
    alarm: Option<Timestamp>,
    view: View,
}

impl State {
    pub(super) fn new(rib: Rib, config: &Config) -> State {
        let view = View { candidates: rib.candidates.len(), ..View::default() };
        State { rib, score: config.score, live: config.live, gathering: false, alarm: None, view }
    }

    pub(super) fn rib(&self) -> &Rib {
        &self.rib
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Learns from an answer. True if a timer must be started that gathers more before the next build.
    pub(super) fn observe(&mut self, feedback: &Feedback, now: Timestamp) -> bool {
        if !self.rib.observe(feedback, &self.live, now) {
            return false;
        }
        self.view.observed += 1;
        !std::mem::replace(&mut self.gathering, true)
    }

    /// Takes over what runtimes show of their health. A cold runtime can be used: the first call loads it.
    pub(super) fn health(&mut self, runtime: &str, health: &inference::Health) {
        let health = match health {
            inference::Health::Ready | inference::Health::Cold => Health::Healthy,
            inference::Health::Down { reason } => Health::Unhealthy { reason: reason.clone() },
        };
        self.rib.runtime_health(runtime, &health);
    }

    /// Takes over what a runtime's tokens cost now, if anybody but itself says so.
    pub(super) fn price(&mut self, runtime: &str, price: Option<Price>) {
        let Some(price) = price else { return };
        let candidates = self.rib.candidates.values_mut();
        candidates.filter(|candidate| candidate.runtime == runtime).for_each(|candidate| candidate.price = price);
    }

    /// RO2: how long until the first override expires, if a timer must be started for it. Without one a candidate that
    /// an override took out would stay out for as long as nothing is observed, which may be for ever.
    pub(super) fn next_expiry(&mut self, governance: &Governance, now: Timestamp) -> Option<Duration> {
        let next = governance.active(now).map(|one| one.expires).min()?;
        if self.alarm.is_some_and(|alarm| alarm <= next) {
            return None;
        }
        self.alarm = Some(next);
        Some(Duration::from_micros(next.0.abs_diff(now.0)))
    }

    /// The timer has ended.
    pub(super) fn expired(&mut self) {
        self.alarm = None;
    }

    /// RO1: the table as of now.
    pub(super) fn build(&mut self, governance: &Governance, now: Timestamp) -> Fib {
        self.gathering = false;
        let fib = build(&self.rib, governance, &self.score, &self.live, now);
        self.view.built += 1;
        self.view.fib = fib.version.to_string();
        self.view.routes = fib.routes.values().filter(|route| !route.ranked.is_empty()).count();
        fib
    }
}
