//! The treasury: the ledger of budgets as everybody shares it, and what tokens cost now.
//!
//! One small lock is around the ledger: reserving and charging are some hundred nanoseconds of sums, so whoever waits
//! for it waits less than a message would take. `benches/budget.rs` has the figures.
//!
//! Invariants:
//! - TR1: a reservation is charged or given back exactly once, also when whoever held it is dropped: in full from the
//!   moment somebody may have been asked under it, and not at all before that.
//! - TR2: everything is judged at a time that never goes back, whatever the wall clock does (B4 of `ziggy::budget`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::types::planted::{Bug, planted};
use crate::types::{Clock, Price, RunId, Timestamp};
use crate::ziggy::budget::{
    Amounts, Caps, Charge, Claim, Held, Ledger, News, PriceList, Refusal, Reservation, Settlement, Standing, Time,
};

/// What the host knows of a runtime that a budget asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provider {
    /// Name of its model.
    pub model: String,
    /// The price that its own configuration names; it goes before every list.
    pub price: Option<Price>,
}

/// What budgets begin with: the limits with what was charged before, the prices, and the runtimes by name.
#[derive(Debug)]
pub struct Opening {
    /// The ledger.
    pub ledger: Ledger,
    /// The latest time that anything was charged at.
    pub since: Timestamp,
    /// Number of the first reservation: that of the journal's last event. Whoever reserves writes an event about it, so
    /// a run that hosts share one after the other never has a number twice.
    pub first: u64,
    /// What tokens cost.
    pub prices: PriceList,
    /// The runtimes.
    pub providers: BTreeMap<String, Provider>,
}

/// Budgets and prices. Without an opening nothing is limited.
pub struct Treasury {
    clock: Arc<dyn Clock>,
    began: Instant,
    open: OnceLock<Open>,
}

struct Open {
    books: Mutex<Books>,
    limited: bool,
    prices: PriceList,
    providers: BTreeMap<String, Provider>,
    holds: AtomicU64,
}

struct Books {
    ledger: Ledger,
    time: Time,
    /// What was charged in full because it was dropped, until the run's record has it.
    dropped: VecDeque<(RunId, Settlement)>,
}

/// Charges that wait for their run's record. What is beyond that stands as open in the journal and is charged there by
/// the next start.
const DROPPED_MOST: usize = 10_000;

/// What somebody has reserved. Dropping it settles it (TR1).
#[must_use = "dropping it gives the reservation back"]
pub struct Hold {
    treasury: Arc<Treasury>,
    held: Option<Held>,
    number: u64,
    run: RunId,
    price: Price,
    asked: bool,
}

/// Nobody knows when a request of somebody else ends; most do within seconds.
const HELD_BACK: Duration = Duration::from_secs(1);

impl Treasury {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Treasury {
        let began = clock.now();
        Treasury { clock, began, open: OnceLock::new() }
    }

    /// Opens the books. A second opening changes nothing.
    pub fn open(&self, opening: Opening) {
        let Opening { ledger, since, first, prices, providers } = opening;
        let limited = ledger.limited();
        let books = Mutex::new(Books { ledger, time: Time::since(since), dropped: VecDeque::new() });
        let _ = self.open.set(Open { books, limited, prices, providers, holds: AtomicU64::new(first) });
    }

    /// What is known of a runtime.
    pub fn provider(&self, runtime: &str) -> Option<&Provider> {
        self.open.get().and_then(|open| open.providers.get(runtime))
    }

    /// What tokens of a runtime cost now, if its configuration or a price list says so.
    pub fn price(&self, runtime: &str) -> Option<Price> {
        self.price_at(runtime, self.clock.wall())
    }

    fn price_at(&self, runtime: &str, at: Timestamp) -> Option<Price> {
        let open = self.open.get()?;
        let provider = open.providers.get(runtime)?;
        provider.price.or_else(|| open.prices.in_force(runtime, &provider.model, at).map(|row| row.price()))
    }

    /// When a price changes next.
    pub fn next_price(&self, at: Timestamp) -> Option<Timestamp> {
        self.open.get().and_then(|open| open.prices.next_change(at))
    }

    /// Whether anything is limited.
    pub fn limited(&self) -> bool {
        self.open.get().is_some_and(|open| open.limited)
    }

    /// What one request may take in all, for every name of a claim that has such a limit.
    pub fn once(&self, claim: &Claim<'_>) -> Vec<(String, Caps)> {
        let limited = self.open.get().filter(|open| open.limited);
        limited.map(|open| open.books.lock().ledger.once(claim)).unwrap_or_default()
    }

    /// Reserves the worst case for a request of this run, in all of its accounts or in none. None if nothing is limited
    /// for it. Never waits for more than the lock.
    pub fn reserve(
        self: &Arc<Self>,
        run: RunId,
        claim: &Claim<'_>,
        amounts: Amounts,
        price: Price,
    ) -> Result<Option<Hold>, Refusal> {
        let Some(open) = self.open.get().filter(|open| open.limited) else { return Ok(None) };
        let (wall, monotonic) = self.clocks();
        let held = {
            let mut books = open.books.lock();
            let now = books.time.now(wall, monotonic);
            books.ledger.reserve(claim, amounts, now)?
        };
        if held.is_empty() {
            return Ok(None);
        }
        let number = open.holds.fetch_add(1, Ordering::Relaxed);
        let treasury = Arc::clone(self);
        Ok(Some(Hold { treasury, held: Some(held), number, run, price, asked: false }))
    }

    /// Why a reservation would be refused now; none if it would not. Reserves and counts nothing.
    pub fn look(&self, claim: &Claim<'_>, amounts: Amounts) -> Option<Refusal> {
        self.open.get().filter(|open| open.limited)?;
        self.with(|books, now| books.ledger.look(claim, amounts, now))?
    }

    fn clocks(&self) -> (Timestamp, u64) {
        let monotonic = u64::try_from((self.clock.now() - self.began).as_micros()).unwrap_or(u64::MAX);
        (self.clock.wall(), monotonic)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Books, Timestamp) -> T) -> Option<T> {
        let open = self.open.get()?;
        let (wall, monotonic) = self.clocks();
        let mut books = open.books.lock();
        let now = books.time.now(wall, monotonic);
        Some(look(&mut books, now))
    }

    /// How long until it is worth trying again; none if waiting alone does not help.
    pub fn wait(&self, refusal: &Refusal) -> Option<Duration> {
        if refusal.held_back() {
            return Some(HELD_BACK);
        }
        let ends = refusal.ends()?;
        self.with(|_, now| Duration::from_micros(u64::try_from(ends.0.saturating_sub(now.0)).unwrap_or(0)))
    }

    /// How every account stands.
    pub fn standings(&self) -> Vec<Standing> {
        self.standings_of("", usize::MAX).0
    }

    /// The same for the first so many accounts whose scope begins so, and how many others there are.
    pub fn standings_of(&self, prefix: &str, most: usize) -> (Vec<Standing>, usize) {
        self.with(|books, now| books.ledger.standings_of(prefix, most, now)).unwrap_or_default()
    }

    /// What operators should know that happened since the last time.
    pub(super) fn news(&self) -> Vec<News> {
        self.with(|books, now| books.ledger.news(now)).unwrap_or_default()
    }

    /// What was charged in full for a run because its work was dropped. Each is told once, to who writes it down.
    pub fn dropped(&self, run: RunId) -> Vec<Settlement> {
        let Some(open) = self.open.get().filter(|open| open.limited) else { return Vec::new() };
        let mut books = open.books.lock();
        let (of_run, others) = std::mem::take(&mut books.dropped).into_iter().partition(|(other, _)| *other == run);
        books.dropped = others;
        let of_run: VecDeque<(RunId, Settlement)> = of_run;
        of_run.into_iter().map(|(_, settlement)| settlement).collect()
    }
}

impl Hold {
    /// The reservation, for the record.
    pub fn reservation(&self) -> Reservation {
        Reservation { hold: self.number, amounts: self.amounts(), price: self.price, accounts: self.accounts() }
    }

    /// The worst case that is reserved.
    pub fn amounts(&self) -> Amounts {
        self.held.as_ref().map_or(Amounts::ZERO, Held::amounts)
    }

    fn accounts(&self) -> Vec<Charge> {
        let Some(held) = &self.held else { return Vec::new() };
        self.treasury.with(|books, _| books.ledger.accounts(held)).unwrap_or_default()
    }

    /// The price it was computed with, which is the one that is charged.
    pub fn price(&self) -> Price {
        self.price
    }

    /// From now on somebody may be asked under it.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// Charges what was really taken; the rest is free again.
    pub fn commit(mut self, actual: Amounts) -> Option<Settlement> {
        let held = self.held.take()?;
        let reserved = held.amounts();
        self.treasury.with(|books, now| {
            let accounts = books.ledger.accounts(&held);
            let over = !planted(Bug::ReservationLeaks) && books.ledger.commit(held, actual, now);
            Settlement { hold: self.number, reserved, charged: actual, accounts, over, unknown: None }
        })
    }

    /// Charges everything that is reserved, since nobody knows what was taken.
    pub fn charge(mut self, reason: &str) -> Option<Settlement> {
        self.charged_in_full(reason)
    }

    fn charged_in_full(&mut self, reason: &str) -> Option<Settlement> {
        let held = self.held.take()?;
        let reserved = held.amounts();
        self.treasury.with(|books, now| {
            let accounts = books.ledger.accounts(&held);
            books.ledger.charge(held, now);
            let unknown = Some(reason.to_owned());
            Settlement { hold: self.number, reserved, charged: reserved, accounts, over: false, unknown }
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.asked {
            let Some(settlement) = self.charged_in_full("its work was given up before the outcome was known") else {
                return;
            };
            let run = self.run;
            self.treasury.with(|books, _| {
                if books.dropped.len() >= DROPPED_MOST {
                    books.dropped.pop_front();
                }
                books.dropped.push_back((run, settlement));
            });
        } else if let Some(held) = self.held.take() {
            self.treasury.with(|books, _| books.ledger.refund(held));
        }
    }
}
