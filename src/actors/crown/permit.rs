//! Gates: admission as one step against an immutable snapshot and what was learned of the candidate and its provider.
//!
//! Governance comes first and always wins: a cap, a quarantine or shedding refuses whatever a limiter would allow, and a
//! limiter refuses what governance allows. Both are asked under one lock, so what was allowed is still allowed when it is
//! counted (CR2).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::inference::Account;
use crate::types::planted::{Bug, planted};
use crate::types::{Clock, Random, Timestamp, World};
use crate::ziggy::limit::{self, Candidate, Heard, Provider, Rates, RetryBudget, Sent, Verdict};
use crate::ziggy::{Admission, Ask, Governance, Refusal, Value, admit};

/// Who wants to be given to whom.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The candidate the router chose.
    pub candidate: &'a str,
    /// The runtime under it, whose provider's limits it shares with others.
    pub runtime: &'a str,
    /// The candidate's own cap.
    pub cap: Option<u32>,
    /// How much the request matters.
    pub value: Value,
    /// Tokens it may take, prompt and answer together.
    pub tokens: u64,
    /// Whether nobody else can serve it; then an open circuit does not stand in the way.
    pub last_resort: bool,
}

/// Every candidate's gate.
pub(super) struct Gates {
    limits: OnceLock<Arc<limit::Config>>,
    gates: DashMap<String, Arc<Gate>>,
    /// What is known of providers, by the runtime that a runtime is the same as.
    providers: DashMap<String, Arc<Mutex<Provider>>>,
    /// What is left for trying again, by the first runtime of a provider.
    budgets: DashMap<String, Arc<Mutex<RetryBudget>>>,
    accounts: OnceLock<BTreeMap<String, Account>>,
    shared: Arc<Shared>,
}

/// What all gates have in common.
struct Shared {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Limits count from here, on the clock that never goes back.
    began: Instant,
    /// How often a place became free, and who is woken when one does.
    freed: AtomicU64,
    wake: Notify,
}

/// One candidate's gate.
pub(super) struct Gate {
    limits: Arc<limit::Config>,
    candidate: Mutex<Candidate>,
    provider: Arc<Mutex<Provider>>,
    budget: Arc<Mutex<RetryBudget>>,
    /// The candidate's own, and its provider's.
    rates: (Rates, Rates),
    shared: Arc<Shared>,
}

/// A place a candidate has given to one request. Dropping it gives the place back; settling it also says what became of
/// the request, from which the gate learns.
pub struct Permit {
    gate: Arc<Gate>,
    sent: Sent,
    verdict: Verdict,
}

impl Permit {
    /// Gives the place back and says what became of the request.
    pub fn settle(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !planted(Bug::PermitLeaks) {
            self.gate.settle(self.sent, self.verdict);
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        let since = self.clock.now().saturating_duration_since(self.began);
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Gates {
    pub(super) fn new(world: &World) -> Gates {
        let (clock, random) = (Arc::clone(&world.clock), Arc::clone(&world.random));
        let began = clock.now();
        let shared = Arc::new(Shared { clock, random, began, freed: AtomicU64::new(0), wake: Notify::new() });
        let (gates, providers, budgets) = (DashMap::new(), DashMap::new(), DashMap::new());
        Gates { limits: OnceLock::new(), gates, providers, budgets, accounts: OnceLock::new(), shared }
    }

    /// Says which runtimes are one; it cannot be changed once a candidate was asked for.
    pub(super) fn know(&self, accounts: BTreeMap<String, Account>) {
        let _ = self.accounts.set(accounts);
    }

    /// Puts limits in force; they cannot be changed once a candidate was asked for.
    pub(super) fn limit(&self, limits: limit::Config) {
        let _ = self.limits.set(Arc::new(limits));
    }

    pub(super) fn limits(&self) -> Arc<limit::Config> {
        Arc::clone(self.limits.get_or_init(|| Arc::new(limit::Config::unlimited())))
    }

    /// CR2: asks Ziggy with the count of this instant, and takes the place before anybody else can.
    pub(super) fn take(&self, governance: &Governance, asked: &Asked<'_>) -> (Admission, Option<Permit>) {
        let gate = self.of(asked);
        let (wall, now) = (self.shared.clock.wall(), self.shared.now());
        let mut candidate = gate.candidate.lock();
        let in_flight = candidate.in_flight();
        let ask = Ask { candidate: asked.candidate.to_owned(), cap: asked.cap, in_flight, value: asked.value };
        let admission = admit(governance, &ask, wall);
        if !admission.admitted() {
            return (admission, None);
        }
        let ask =
            limit::Ask { tokens: asked.tokens, chance: self.shared.random.next(), last_resort: asked.last_resort };
        let sent = {
            let mut provider = gate.provider.lock();
            candidate.send(&mut provider, &gate.limits, (&gate.rates.0, &gate.rates.1), ask, now)
        };
        drop(candidate);
        match sent {
            Ok(sent) => (admission, Some(Permit { gate, sent, verdict: Verdict::Unknown })),
            Err(refused) => {
                let reason = Refusal::Limited(refused);
                (Admission::Refused { governance: governance.version, reason }, None)
            }
        }
    }

    /// What [`Gates::take`] would say, without counting anything. Whom chance may refuse is refused here.
    pub(super) fn look(&self, governance: &Governance, asked: &Asked<'_>) -> Admission {
        let known = self.gates.get(asked.candidate).map(|gate| Arc::clone(&gate));
        let gate = known.unwrap_or_else(|| self.make(asked));
        let (wall, now) = (self.shared.clock.wall(), self.shared.now());
        let candidate = gate.candidate.lock();
        let in_flight = candidate.in_flight();
        let ask = Ask { candidate: asked.candidate.to_owned(), cap: asked.cap, in_flight, value: asked.value };
        let admission = admit(governance, &ask, wall);
        if !admission.admitted() {
            return admission;
        }
        let ask = limit::Ask { tokens: asked.tokens, chance: 0, last_resort: asked.last_resort };
        let provider = gate.provider.lock();
        match candidate.against(&provider, &gate.limits, (&gate.rates.0, &gate.rates.1), ask, now) {
            Some(refused) => Admission::Refused { governance: governance.version, reason: Refusal::Limited(refused) },
            None => admission,
        }
    }

    fn of(&self, asked: &Asked<'_>) -> Arc<Gate> {
        if let Some(gate) = self.gates.get(asked.candidate) {
            return Arc::clone(&gate);
        }
        Arc::clone(&self.gates.entry(asked.candidate.to_owned()).or_insert_with(|| self.make(asked)))
    }

    /// A gate nobody has gone through.
    fn make(&self, asked: &Asked<'_>) -> Arc<Gate> {
        let limits = self.limits();
        let (provider, budget) = (self.provider(asked.runtime), self.budget(asked.runtime));
        let candidate = Mutex::new(Candidate::new(&limits));
        let rates = (limits.rates_of(asked.candidate), limits.rates_of(self.same(asked.runtime)));
        Arc::new(Gate { limits, candidate, provider, budget, rates, shared: Arc::clone(&self.shared) })
    }

    /// The runtime under whose name this one is counted.
    fn same<'a>(&'a self, runtime: &'a str) -> &'a str {
        self.account(runtime).map_or(runtime, |account| account.same.as_str())
    }

    fn account(&self, runtime: &str) -> Option<&Account> {
        self.accounts.get()?.get(runtime)
    }

    fn provider(&self, runtime: &str) -> Arc<Mutex<Provider>> {
        one_of(&self.providers, self.same(runtime), Provider::default)
    }

    fn budget(&self, runtime: &str) -> Arc<Mutex<RetryBudget>> {
        let provider = self.account(runtime).map_or(runtime, |account| account.provider.as_str());
        one_of(&self.budgets, provider, || RetryBudget::full(&self.limits().retry))
    }

    /// Believes what a provider said about itself.
    pub(super) fn heard(&self, runtime: &str, said: &Heard) {
        self.provider(runtime).lock().heard(said, self.shared.now());
    }

    /// Whether a provider may be bothered beyond the first attempt.
    pub(super) fn may_retry(&self, runtime: &str) -> bool {
        self.budget(runtime).lock().allows(&self.limits().retry)
    }

    /// Takes a token for a request beside another one.
    pub(super) fn hedged(&self, runtime: &str) {
        self.budget(runtime).lock().hedged();
    }

    /// The latency that 95 of 100 of a candidate's answers stay under, once there were enough.
    pub(super) fn p95_us(&self, candidate: &str) -> Option<u64> {
        self.gates.get(candidate).and_then(|gate| gate.candidate.lock().p95_us())
    }

    /// How often a place has become free so far.
    pub(super) fn freed(&self) -> u64 {
        self.shared.freed.load(Ordering::Acquire)
    }

    /// Returns when a place has become free more often than this. None that became free meanwhile is missed.
    pub(super) async fn freed_since(&self, seen: u64) {
        loop {
            let mut woken = std::pin::pin!(self.shared.wake.notified());
            woken.as_mut().enable();
            if self.freed() != seen {
                return;
            }
            woken.await;
        }
    }

    pub(super) fn in_flight(&self, candidate: &str) -> u32 {
        self.gates.get(candidate).map_or(0, |gate| gate.candidate.lock().in_flight())
    }

    /// Requests a candidate is sent at a time, for now.
    pub(super) fn limit_of(&self, candidate: &str) -> Option<u32> {
        self.gates.get(candidate).map(|gate| gate.candidate.lock().limit())
    }
}

/// The one of this name, made if there is none.
fn one_of<T>(all: &DashMap<String, Arc<Mutex<T>>>, name: &str, make: impl FnOnce() -> T) -> Arc<Mutex<T>> {
    if let Some(one) = all.get(name) {
        return Arc::clone(&one);
    }
    Arc::clone(&all.entry(name.to_owned()).or_insert_with(|| Arc::new(Mutex::new(make()))))
}

impl Gate {
    /// CR3: gives the place back.
    fn settle(&self, sent: Sent, verdict: Verdict) {
        let now = self.shared.now();
        {
            let mut candidate = self.candidate.lock();
            let mut provider = self.provider.lock();
            candidate.settle(&mut provider, &self.limits, (&self.rates.0, &self.rates.1), (sent, verdict), now);
        }
        verdict.spend(&mut self.budget.lock(), &self.limits.retry);
        self.shared.freed.fetch_add(1, Ordering::AcqRel);
        self.shared.wake.notify_waiters();
    }
}
