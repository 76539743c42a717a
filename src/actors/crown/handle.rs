//! What others may ask of CROWN, and how it is put into the tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::actor::Shell;
use super::ear::{Ear, Heard};
use super::message::Message;
use super::permit::{Asked, Gates, Permit};
use super::treasury::Treasury;
use super::webhook::Nobody;
use super::{Alert, AlertsConfig, Change, Config, Known, Severity, Silence, Standings};
use crate::actors::runtime::Hears;
use crate::field::Outbound;
use crate::inference::{Account, Left, Pacing};
use crate::store::Journal;
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow, Shutdown};
use crate::types::{Class, Clock, Cx, RunId, Secret, Timestamp, World};
use crate::ziggy::govern::{Samples, Trial, rule};
use crate::ziggy::limit::{self, Allowance};
use crate::ziggy::plan::{Grows, Load};
use crate::ziggy::{Admission, Announced, Governance, Refusal, Value, plan};

/// Why CROWN could not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The change makes no sense.
    #[error("could not change the governance: {0}")]
    Invalid(String),
    /// There is no such alert.
    #[error("could not find alert {0}")]
    NoAlert(u64),
    /// There is no such silence.
    #[error("could not find silence {0}")]
    NoSilence(u64),
    /// The journal did not take it; nothing has changed.
    #[error("could not record the change, so nothing was changed: {0}")]
    Journal(String),
    /// The actor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Invalid(_) => Class::Invalid,
            Error::NoAlert(_) | Error::NoSilence(_) => Class::NotFound,
            Error::Journal(_) => Class::Unavailable,
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// What CROWN publishes, and what permits are counted in: shared by every life of the actor and every handle.
pub(super) struct Published {
    pub(super) governance: ArcSwap<Governance>,
    pub(super) version: watch::Sender<u64>,
    pub(super) gates: Gates,
    /// Budgets and prices.
    pub(super) treasury: Arc<Treasury>,
    /// What was heard of the journal.
    pub(super) ear: Ear,
    /// Since when it was listened.
    began: Timestamp,
    /// Every candidate of the config, as rules know it.
    configured: ArcSwap<Vec<Known>>,
    /// How fast budgets burn, as others say.
    pub(super) budgets: Mutex<BTreeMap<String, u64>>,
    plan: Option<plan::Config>,
}

impl Published {
    /// Every candidate, as rules know it: those of the config, and those that people announced and that are not gone.
    pub(super) fn known(&self, now: Timestamp) -> Arc<Vec<Known>> {
        let (configured, governance) = (self.configured.load_full(), self.governance.load());
        let announced = governance.announced.iter().filter(|(_, said)| now < said.gone);
        let like = |(id, said): (&String, &Announced)| {
            let (agent, runtime) = id.split_once('@')?;
            let path = format!("{AGENTS}{agent}");
            let own = configured.iter().find(|one| one.agent == path && one.candidate != *id)?;
            let (candidate, runtime, weight) = (id.clone(), format!("{RUNTIMES}{runtime}"), said.weight);
            let (weight, grows) = (weight.unwrap_or(own.weight), Grows::Concurrency);
            Some(Known { candidate, runtime, weight, grows, ..own.clone() })
        };
        let more: Vec<Known> = announced.filter_map(like).collect();
        if more.is_empty() { configured } else { Arc::new(configured.iter().cloned().chain(more).collect()) }
    }
}

/// Where agents and runtimes stand in the tree.
pub(super) const AGENTS: &str = "host/crown/agents/";
const RUNTIMES: &str = "host/crown/runtimes/";

/// What CROWN works with.
#[derive(Clone)]
pub struct Parts {
    /// Where everything is recorded.
    pub journal: Arc<dyn Journal>,
    /// How it watches, and by which rules it acts.
    pub config: Config,
    /// What it says to whom.
    pub alerts: AlertsConfig,
    /// Who carries it there.
    pub outbound: Arc<dyn Outbound>,
    /// What it is signed with, by the name of the webhook.
    pub keys: BTreeMap<String, Secret>,
}

/// A candidate on trial that a run takes part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnTrial {
    /// The candidate.
    pub candidate: String,
    /// Its trial.
    pub trial: Trial,
}

/// Reaches CROWN.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
}

/// Scopes whose burn is kept; whoever keeps budgets has fewer.
const SCOPES_MOST: usize = 10_000;

/// Operators' requests that may wait; there are never many.
const WAITING: usize = 64;

impl Handle {
    /// CROWN's actor as a row of the tree, and its handle. It tells nobody.
    pub fn launch(journal: Arc<dyn Journal>, config: Config, world: &World) -> (Handle, Child) {
        let (alerts, keys) = (AlertsConfig::default(), BTreeMap::new());
        Handle::launch_with(Parts { journal, config, alerts, outbound: Arc::new(Nobody), keys }, world)
    }

    /// The same with everything it can have. The governance in force is read from the journal when the actor starts.
    pub fn launch_with(parts: Parts, world: &World) -> (Handle, Child) {
        let observe = parts.config.observe;
        // More limits than there is room for were refused with the config.
        let limits = rule::limits(&parts.config.rules).unwrap_or_default();
        let samples = Samples::new(observe.step_s, observe.for_s, observe.subjects_most, limits);
        let published = Arc::new(Published {
            governance: ArcSwap::from_pointee(Governance::default()),
            version: watch::Sender::new(0),
            gates: Gates::new(world),
            treasury: Arc::new(Treasury::new(Arc::clone(&world.clock))),
            ear: Ear { heard: Mutex::new(Heard::new(samples, parts.alerts.kinds())) },
            began: world.clock.wall(),
            configured: ArcSwap::default(),
            budgets: Mutex::default(),
            plan: parts.config.plan,
        });
        let address = Address::new(Mailbox::new(WAITING, Overflow::Refuse), world);
        let shared = Arc::clone(&published);
        let child = Child::actor("governor", &address, move || Shell::new(parts.clone(), Arc::clone(&shared)))
            .shutdown(Shutdown::Drain(Duration::from_secs(5)));
        (Handle { address, published, clock: Arc::clone(&world.clock) }, child)
    }

    /// Says which candidates there are, for rules that find them by their place in the tree.
    pub fn know(&self, known: Vec<Known>) {
        self.published.configured.store(Arc::new(known));
    }

    /// Says which runtimes are one under several names, and which share a provider; before the first request.
    pub fn count_as_one(&self, accounts: BTreeMap<String, Account>) {
        self.published.gates.know(accounts);
    }

    /// Every candidate, as rules know it.
    pub fn known(&self) -> Arc<Vec<Known>> {
        self.published.known(self.clock.wall())
    }

    /// Says how fast the budget of a scope burns, in millionths of the rate that uses it up just at its end; none forgets
    /// it. For whoever keeps budgets. Never waits.
    pub fn burns(&self, scope: &str, rate: Option<u64>) {
        let mut budgets = self.published.budgets.lock();
        match rate {
            Some(rate) if budgets.len() < SCOPES_MOST || budgets.contains_key(scope) => {
                budgets.insert(scope.to_owned(), rate);
            }
            Some(_) => {}
            None => _ = budgets.remove(scope),
        }
    }

    /// How fast budgets burn, by scope, in millionths.
    pub fn burning(&self) -> BTreeMap<String, u64> {
        self.published.budgets.lock().clone()
    }

    /// The snapshot in force. Never waits.
    pub fn governance(&self) -> Arc<Governance> {
        self.published.governance.load_full()
    }

    /// Versions of the governance as they come into force.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.published.version.subscribe()
    }

    /// Whether a candidate may be given a request now, whatever run it is of; if so, with the place it takes. Never waits.
    pub fn admit(&self, candidate: &str, cap: Option<u32>, value: Value) -> (Admission, Option<Permit>) {
        self.ask(&Asked { candidate, runtime: "", cap, value, tokens: 0, last_resort: false })
    }

    /// The same, with the limits of the candidate and its provider asked in the same step. Never waits.
    pub fn ask(&self, asked: &Asked<'_>) -> (Admission, Option<Permit>) {
        let governance = self.published.governance.load();
        self.published.gates.take(&governance, asked)
    }

    /// What asking would say now, without taking a place or counting anything. Never waits.
    pub fn look(&self, asked: &Asked<'_>) -> Admission {
        self.published.gates.look(&self.published.governance.load(), asked)
    }

    /// The same handle with these limits in force, from the first request on.
    #[must_use]
    pub fn limited(self, limits: limit::Config) -> Handle {
        self.published.gates.limit(limits);
        self
    }

    /// The limits in force.
    pub fn limits(&self) -> Arc<limit::Config> {
        self.published.gates.limits()
    }

    /// Whether a runtime may be bothered beyond the first attempt.
    pub fn may_retry(&self, runtime: &str) -> bool {
        self.published.gates.may_retry(runtime)
    }

    /// Takes what a request beside another one costs of a provider's budget for those.
    pub fn hedged(&self, runtime: &str) {
        self.published.gates.hedged(runtime);
    }

    /// The latency that 95 of 100 of a candidate's answers stay under, in microseconds, once there were enough.
    pub fn p95_us(&self, candidate: &str) -> Option<u64> {
        self.published.gates.p95_us(candidate)
    }

    /// Requests a candidate is sent at a time, for now, if it was ever asked for.
    pub fn limit_of(&self, candidate: &str) -> Option<u32> {
        self.published.gates.limit_of(candidate)
    }

    /// How often a place has become free so far, at any candidate.
    pub fn freed(&self) -> u64 {
        self.published.gates.freed()
    }

    /// Returns when a place has become free more often than this.
    pub async fn freed_since(&self, seen: u64) {
        self.published.gates.freed_since(seen).await;
    }

    /// Budgets and prices.
    pub fn treasury(&self) -> &Arc<Treasury> {
        &self.published.treasury
    }

    /// The same for one run: a candidate on trial is for those runs only that take part.
    pub fn admit_run(&self, run: RunId, asked: &Asked<'_>) -> (Admission, Option<Permit>) {
        {
            let governance = self.published.governance.load();
            if let Some(trial) = governance.kept_from(asked.candidate, run, self.clock.wall()) {
                let reason = Refusal::Trial { share: trial.share };
                return (Admission::Refused { governance: governance.version, reason }, None);
            }
        }
        self.ask(asked)
    }

    /// Puts a candidate on trial that this run takes part in before the others of a ladder, and says which. Those on trial
    /// without it stay where they are: admission keeps the run from them. Never waits.
    pub fn on_trial(&self, run: RunId, ladder: &mut [String]) -> Option<OnTrial> {
        let governance = self.published.governance.load();
        if governance.trials.is_empty() {
            return None;
        }
        let now = self.clock.wall();
        let place = ladder.iter().position(|candidate| governance.trial_of(candidate, run, now).is_some())?;
        let trial = *governance.trials.get(&ladder[place])?;
        ladder[..=place].rotate_right(1);
        Some(OnTrial { candidate: ladder[0].clone(), trial })
    }

    /// The load that was measured within so many seconds, and the seconds it was measured for: no more than the host has
    /// run and than is remembered. Never waits.
    pub fn loads(&self, window_s: u64) -> (Vec<Load>, u64) {
        let now = self.clock.wall();
        let ran = u64::try_from(now.0.saturating_sub(self.published.began.0)).unwrap_or(0) / 1_000_000;
        let window_s = window_s.min(ran).max(1);
        let heard = self.published.ear.heard.lock();
        let load = |((destination, candidate), series): (&(String, String), &crate::ziggy::govern::Series)| Load {
            destination: destination.clone(),
            candidate: candidate.clone(),
            counts: series.over(window_s, now),
        };
        (heard.samples.routes.iter().map(load).collect(), window_s)
    }

    /// What a plan aims at, if there are plans.
    pub fn plans(&self) -> Option<plan::Config> {
        self.published.plan
    }

    /// How many requests a candidate has in flight.
    pub fn in_flight(&self, candidate: &str) -> u32 {
        self.published.gates.in_flight(candidate)
    }

    /// Changes the governance, in the name of the context's principal, and returns the version that is now in force.
    pub async fn change(&self, cx: &Cx, change: Change) -> Result<u64, Error> {
        let author = cx.principal().name.clone();
        let ask = |reply| Message::Change { change, author, reply };
        self.address.call_control(cx, ask).await.map_err(Failure::from)?
    }

    /// Raises an alert of this kind about this subject. Waits for room only.
    pub async fn raise(
        &self,
        cx: &Cx,
        severity: Severity,
        kind: &str,
        subject: &str,
        message: &str,
    ) -> Result<(), Error> {
        let (kind, subject, message) = (kind.to_owned(), subject.to_owned(), message.to_owned());
        let raise = Message::Raise { severity, kind, subject, message };
        Ok(self.address.cast(cx, raise).await.map_err(Failure::from)?)
    }

    /// The alerts, newest first.
    pub async fn alerts(&self, cx: &Cx) -> Result<Vec<Alert>, Error> {
        Ok(self.address.call_control(cx, |reply| Message::Alerts { reply }).await.map_err(Failure::from)?)
    }

    /// Notes that the context's principal has seen an alert.
    pub async fn acknowledge(&self, cx: &Cx, alert: u64) -> Result<(), Error> {
        let author = cx.principal().name.clone();
        let ask = |reply| Message::Acknowledge { alert, author, reply };
        self.address.call_control(cx, ask).await.map_err(Failure::from)?
    }

    /// Tells nobody of what is raised from now on and matches, until a time. The author is the context's principal.
    pub async fn silence(
        &self,
        cx: &Cx,
        matcher: BTreeMap<String, String>,
        until: Timestamp,
        reason: String,
    ) -> Result<Silence, Error> {
        let author = cx.principal().name.clone();
        let silence = Box::new(Silence { id: 0, matcher, until, author, reason, since: self.clock.wall() });
        let ask = |reply| Message::Silence { silence, reply };
        self.address.call_control(cx, ask).await.map_err(Failure::from)?
    }

    /// Lifts a silence.
    pub async fn unsilence(&self, cx: &Cx, silence: u64) -> Result<(), Error> {
        let ask = |reply| Message::Unsilence { silence, reply };
        self.address.call_control(cx, ask).await.map_err(Failure::from)?
    }

    /// The silences in force.
    pub async fn silences(&self, cx: &Cx) -> Result<Vec<Silence>, Error> {
        Ok(self.address.call_control(cx, |reply| Message::Silences { reply }).await.map_err(Failure::from)?)
    }

    /// What rules have put in force, and who is on the way back from quarantine.
    pub async fn standings(&self, cx: &Cx) -> Result<Standings, Error> {
        Ok(self.address.call_control(cx, |reply| Message::Standings { reply }).await.map_err(Failure::from)?)
    }
}

impl Hears for Handle {
    /// CR7.
    fn heard(&self, runtime: &str, refused: Option<Option<Duration>>, pacing: &Pacing) {
        let allowance = |left: Left| Allowance { remaining: left.remaining, resets_us: micros(left.resets_after) };
        let pause = self.limits().pause_ms.saturating_mul(1_000);
        let said = limit::Heard {
            wait_us: refused.map(|wait| wait.map_or(pause, micros)),
            requests: pacing.requests.map(allowance),
            tokens: pacing.tokens.map(allowance),
        };
        self.published.gates.heard(runtime, &said);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
