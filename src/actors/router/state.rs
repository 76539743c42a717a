//! What the router knows: the RIB, the table in force, and whether that is behind. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::offer::{announced, offer};
use super::record::{Changed, Registry, Writing};
use super::{Config, View};
use crate::inference;
use crate::types::{Hash, Price, Timestamp};
use crate::ziggy::route::{Basis, Feedback, Fib, Health, Origin, Rib, Rules, build, changes};
use crate::ziggy::{Announced, Governance};

pub(super) struct State {
    rib: Rib,
    rules: Rules,
    /// The table in force, if this life has built one; then the next is built from it.
    fib: Option<Arc<Fib>>,
    /// Whether a timer already runs that will build the table.
    gathering: bool,
    /// When the timer ends that waits for something to be over, if one runs.
    alarm: Option<Timestamp>,
    /// Tables that were written down, and when: the same one is not written again before its time is over.
    recorded: BTreeMap<Hash, Timestamp>,
    recorded_again: Duration,
    /// What stands in every table's record beside it.
    registry: (Hash, Arc<Registry>),
    /// Whom people announced, as it was last taken over.
    announced: BTreeMap<String, Announced>,
    view: View,
}

/// Tables that are remembered as written. A host has a few; one whose numbers cross a step each second has this many
/// within an hour.
const RECORDED_MOST: usize = 4_096;

/// Changes that one event lists.
const CHANGES_MOST: usize = 64;

/// What a build makes.
pub(super) struct Built {
    pub(super) fib: Arc<Fib>,
    /// The table with what it was made from, if it has to be written down.
    pub(super) writing: Option<Writing>,
    /// What changed since the table before.
    pub(super) changed: Option<Changed>,
}

impl State {
    pub(super) fn new(rib: Rib, config: &Config, registry: Registry) -> State {
        let view = View { candidates: rib.candidates.len(), ..View::default() };
        State {
            rib,
            rules: registry.rules.clone(),
            fib: None,
            gathering: false,
            alarm: None,
            recorded: BTreeMap::new(),
            recorded_again: Duration::from_secs(config.snapshot_every_s),
            registry: (registry.hash(), Arc::new(registry)),
            announced: BTreeMap::new(),
            view,
        }
    }

    pub(super) fn rib(&self) -> &Rib {
        &self.rib
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// RO5: takes over whom people announced, and lets go of who was withdrawn or is gone. Returns what could not be, in
    /// words, once.
    pub(super) fn announce(
        &mut self,
        governance: &Governance,
        places: &BTreeMap<String, inference::Capabilities>,
        now: Timestamp,
    ) -> Vec<String> {
        let stands = |id: &String| governance.announced.get(id).is_some_and(|said| now < said.gone);
        let mine = self.rib.candidates.values().filter(|one| one.origin == Origin::Operator);
        let over: Vec<String> = mine.map(|one| one.id.clone()).filter(|id| !stands(id)).collect();
        for id in over {
            self.rib.remove(&id);
        }
        let mut failed = Vec::new();
        for (id, said) in &governance.announced {
            if now >= said.gone || self.announced.get(id) == Some(said) {
                continue;
            }
            let offered = offer(&self.rib, places, id).map_err(|error| error.to_string());
            failed.extend(offered.and_then(|offer| self.rib.put(announced(offer, said))).err());
        }
        self.announced.clone_from(&governance.announced);
        failed
    }

    /// Learns from an answer. True if a timer must be started that gathers more before the next build.
    pub(super) fn observe(&mut self, feedback: &Feedback, now: Timestamp) -> bool {
        if !self.rib.observe(feedback, &self.rules.live, now) {
            return false;
        }
        self.view.observed += 1;
        !std::mem::replace(&mut self.gathering, true)
    }

    /// Takes over what runtimes show of their health. A cold runtime can be used: the first call loads it. RO6: where
    /// nobody answers, no runtime at that address can be.
    pub(super) fn health(&mut self, shown: &[(inference::Capabilities, inference::Health)]) {
        let address = |seen: &inference::Capabilities| seen.provider.as_ref().map(|own| own.address.clone());
        let dead = |(seen, health): &(inference::Capabilities, inference::Health)| match health {
            inference::Health::Unreachable { reason } => Some((address(seen)?, (seen.name.clone(), reason.clone()))),
            _ => None,
        };
        let dead: BTreeMap<String, (String, String)> = shown.iter().filter_map(dead).collect();
        let known = shown.iter().map(|(seen, health)| {
            let elsewhere = address(seen).and_then(|address| Some((dead.get(&address)?, address)));
            let health = match (health.fault(), elsewhere) {
                (Some(reason), _) => Health::Unhealthy { reason: reason.to_owned() },
                (None, Some(((other, reason), address))) => {
                    Health::Unhealthy { reason: format!("nobody answers at {address}, as {other} has found: {reason}") }
                }
                (None, None) => Health::Healthy,
            };
            (seen.name.clone(), health)
        });
        self.rib.runtimes_health(&known.collect());
    }

    /// Takes over what the tokens of runtimes cost now, where anybody but themselves says so.
    pub(super) fn prices(&mut self, now: &BTreeMap<String, Price>) {
        self.rib.prices(now);
    }

    /// Takes over what candidates have in flight, if that counts for anything.
    pub(super) fn in_flight(&mut self, count: impl Fn(&str) -> u32) {
        let policies = self.rules.policies.iter().filter_map(|one| one.weights);
        if std::iter::once(self.rules.score.weights).chain(policies).any(|weights| weights.load > 0) {
            self.rib.in_flight(count);
        }
    }

    /// RO2: how long until something is over by itself, if a timer must be started for it: an override, a penalty, what
    /// is known of a candidate. Without one a candidate that it took out would stay out for as long as nothing is
    /// observed, which may be for ever.
    pub(super) fn next_expiry(&mut self, governance: &Governance, now: Timestamp) -> Option<Duration> {
        let overrides = governance.active(now).map(|one| one.expires);
        let rows = self.fib.iter().flat_map(|fib| &fib.rows);
        let penalties = rows.filter_map(|row| row.dampened).map(|one| one.until);
        let live = &self.rules.live;
        let known = self.rib.candidates.values().filter_map(|one| one.expires);
        let stale = known.flat_map(|at| [at, Timestamp(at.0.saturating_add(i64::from(live.stale_s) * 1_000_000))]);
        let next = overrides.chain(penalties).chain(stale).filter(|at| *at > now).min()?;
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

    /// Every table is written down again when it is next in force: what holds those of before is about to leave.
    pub(super) fn write_again(&mut self) {
        self.recorded.clear();
    }

    /// RO1: the table as of now.
    pub(super) fn build(&mut self, governance: &Governance, now: Timestamp) -> Built {
        self.gathering = false;
        self.rib.set_back(now);
        self.rib.expire(now, &self.rules.live);
        let before = self.fib.as_deref();
        let fib = Arc::new(build(&self.rib, governance, &self.rules, before, now));
        let changed = before.map(|before| changes(before, &fib, CHANGES_MOST)).unwrap_or_default();
        let changed = (!changed.is_empty()).then_some(Changed { fib: fib.version, changes: changed });
        let writing = self.must_record(fib.version, now).then(|| {
            let basis = Basis { rib: self.rib.clone(), governance: governance.clone(), at: now };
            Writing { fib: Arc::clone(&fib), basis, registry: self.registry.clone() }
        });
        self.fib = Some(Arc::clone(&fib));
        self.view.built += 1;
        self.view.candidates = self.rib.candidates.len();
        self.view.fib = fib.version.to_string();
        self.view.routes = fib.routes.values().filter(|route| !route.ranked.is_empty()).count();
        Built { fib, writing, changed }
    }

    /// RO3: whether a table has to be written down: it is new, or it was written so long ago that what holds it may leave
    /// the journal.
    fn must_record(&mut self, version: Hash, now: Timestamp) -> bool {
        let again = i64::try_from(self.recorded_again.as_micros()).unwrap_or(i64::MAX);
        self.recorded.retain(|_, at| now.0.saturating_sub(at.0) < again);
        if self.recorded.contains_key(&version) {
            return false;
        }
        if self.recorded.len() >= RECORDED_MOST {
            self.recorded.clear();
        }
        self.recorded.insert(version, now);
        true
    }
}
