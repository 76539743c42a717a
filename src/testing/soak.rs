//! The whole host under load, in the weather of its seed, and all its promises held against what came of it.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, join, join_all, select};

use super::errands::{self, Office};
use super::promises::{self, Violation};
use super::workload::{Caller, Heard, What, agents_of, reviewer, staged};
use super::{Error, Faults, Simulated, Simulation, effects, notices};
use crate::store::Event;

/// How much is asked of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soak {
    /// Callers at a time.
    pub callers: u32,
    /// Tasks each of them has, one after the other.
    pub tasks_each: u32,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed, which plays the same again.
    pub seed: u64,
    /// The journal, as `syzygy audit export` writes it.
    pub journal: Vec<u8>,
    /// Tasks that were answered.
    pub answered: u32,
    /// Tasks that ended otherwise: refused, failed, left by their caller, or lost in a crash.
    pub unanswered: u32,
    /// Starts of the host.
    pub lives: u32,
    /// Promises that were broken; empty if all is well.
    pub violations: Vec<Violation>,
}

/// Simulated time a host has to come to rest when nobody asks anything of it any more: the longest wait between two
/// restarts is half a minute, and runs end within [`RUN_WITHIN_S`].
const REST_WITHIN_S: u32 = 400;

/// Seconds a run may take in a soak, instead of the hour of the defaults: a runtime that hangs holds it up that long.
const RUN_WITHIN_S: u64 = 90;

/// Milliseconds after which an actor counts as stuck, instead of the half minute of the defaults: whoever waits for one
/// that does not come back waits as long.
const HANDLE_LIMIT_MS: u64 = 3_000;

/// Events read back at a time.
const PAGE: usize = 4_096;

impl Simulation {
    /// Puts the host under load, with all that its faults let go wrong, then lets it come to rest and holds what
    /// happened against what is promised. A simulation without a runtime gets two scripted ones, near and far.
    ///
    /// # Errors
    /// Those of [`Simulation::run`]. A promise that is broken is no error but a [`Violation`] in the report.
    pub fn soak(self, soak: Soak) -> Result<Report, Error> {
        let seed = self.seed;
        let faults = self.faults;
        // Whoever brings a runtime brings all there is to do.
        let own = self.runtimes.is_empty();
        let simulation = staged(self).configured(|config| {
            config.io.run_within_s = RUN_WITHIN_S;
            config.supervision.handle_limit_ms = HANDLE_LIMIT_MS;
        });
        let durable = simulation.config.io.durable_answers;
        simulation.run(async move |simulated| {
            let agents = agents_of(&simulated.life().await.host);
            let callers: Vec<Caller> = (0..soak.callers).map(|number| Caller::new(number, seed)).collect();
            let asked = join_all(callers.iter().map(async |caller| {
                let mut heard = Vec::new();
                for turn in 0..soak.tasks_each {
                    heard.push(caller.turn(&simulated, turn, &agents).await);
                }
                heard
            }));
            let troubled = join(strike(&simulated, faults), set_clocks(&simulated, faults));
            let office = Office::default();
            let running = async {
                if own {
                    errands::clerks(&simulated, seed, &office).await;
                }
            };
            let meanwhile = join(join(troubled, running), reviewer(&simulated, seed));
            let heard = match select(pin!(asked), pin!(meanwhile)).await {
                Either::Left((heard, _)) => heard,
                // The reviewer never ends, so this is not.
                Either::Right((_, asked)) => asked.await,
            };
            let heard: Vec<Heard> = heard.into_iter().flatten().collect();
            simulated.calm();
            let mut violations = rest(&simulated, seed).await;
            office.come_back(&simulated).await;
            if simulated.plan().faults.runtime_lies == 0 {
                violations.extend(promises::of_budgets(&simulated.life().await.host));
            }
            // Before the restart, which ends for the record what is still open.
            let events = read_all(&simulated).await?;
            let (last_life, config) = (simulated.lives(), &simulated.plan().config);
            if simulated.plan().faults.runtime_lies == 0 {
                violations.extend(promises::of_windows(&events, &config.budgets.limits));
            }
            let record = (events.as_slice(), simulated.chronicle());
            violations.extend(promises::of_record(record, &heard, last_life, durable));
            violations.extend(notices::of_notices(&events, &simulated.mail().lock(), config));
            violations.extend(promises::of_charges(&events));
            violations.extend(of_effects(&simulated, &events, &office));
            violations.extend(promises::of_items(&events));
            violations.extend(promises::of_privacy(&simulated.sight().lock(), &heard));
            simulated.restart().await?;
            violations.extend(verified(&simulated).await?);
            let journal = simulated.export().await?;
            let answered = heard.iter().filter(|heard| matches!(heard.what, What::Answered(_))).count();
            let answered = u32::try_from(answered).unwrap_or(u32::MAX);
            let unanswered = soak.callers * soak.tasks_each - answered;
            Ok(Report { seed, journal, answered, unanswered, lives: last_life, violations })
        })
    }
}

/// Kills the host now and then, for ever.
async fn strike(simulated: &Simulated, faults: Faults) {
    if faults.host_dies_ms == 0 {
        return;
    }
    loop {
        let wait = simulated.weather().within_ms(faults.host_dies_ms.saturating_mul(2));
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        simulated.crash().await;
    }
}

/// Sets the clock on the wall now and then, for ever.
async fn set_clocks(simulated: &Simulated, faults: Faults) {
    if faults.clock_set_ms == 0 {
        return;
    }
    loop {
        let wait = simulated.weather().within_ms(faults.clock_set_ms.saturating_mul(2));
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        simulated.set_clock(simulated.weather().ahead_ms(faults.clock_set_by_ms));
    }
}

/// What was done to the world, where no clock is set so far that keys are forgotten.
fn of_effects(simulated: &Simulated, events: &[Event], office: &Office) -> Vec<Violation> {
    let mut broken = effects::of_ends(events);
    let farthest_ms = simulated.plan().faults.clock_set_by_ms.saturating_mul(2);
    if farthest_ms >= errands::KEEP_S * 1_000 {
        return broken;
    }
    broken.extend(effects::of_deeds(events, &simulated.deeds().lock()));
    broken.extend(effects::of_errands(&office.errands()));
    broken
}

/// Waits until the host is at rest, while people say what became of what is in doubt. What is not at rest by then is
/// broken.
async fn rest(simulated: &Simulated, seed: u64) -> Vec<Violation> {
    match select(pin!(at_rest(simulated)), pin!(errands::settle_all(simulated, seed))).await {
        Either::Left((unrest, _)) => unrest,
        // They never end, so this is not.
        Either::Right(((), unrest)) => unrest.await,
    }
}

async fn at_rest(simulated: &Simulated) -> Vec<Violation> {
    let mut unrest = Vec::new();
    for _ in 0..REST_WITHIN_S {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let life = simulated.life().await;
        unrest = promises::unrest(&life.host);
        let unsettled = life.during(life.host.inbox().unsettled()).await;
        let promise = "what people decided is acted on once";
        unrest.extend(match unsettled {
            Ok(Ok(items)) if items.is_empty() => None,
            Ok(Ok(items)) => Some(Violation::new(promise, format!("{} items wait for it", items.len()))),
            Ok(Err(error)) => Some(Violation::new(promise, error.to_string())),
            Err(error) => Some(Violation::new(promise, error.to_string())),
        });
        unrest.extend(life.during(effects::unrest(&life.host)).await.unwrap_or_default());
        unrest.extend(notices::due(&**life.host.journal()).await);
        if unrest.is_empty() {
            break;
        }
    }
    unrest
}

/// Every event on the disk.
async fn read_all(simulated: &Simulated) -> Result<Vec<Event>, Error> {
    let life = simulated.life().await;
    let journal = life.host.journal();
    journal.flush().await?;
    let mut events: Vec<Event> = Vec::new();
    loop {
        let page = journal.read(events.len() as u64 + 1, PAGE).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// What is wrong with the chain, or with a projection of it.
async fn verified(simulated: &Simulated) -> Result<Option<Violation>, Error> {
    let life = simulated.life().await;
    life.host.journal().flush().await?;
    let found = life.host.journal().verify().await?;
    let promise = "the chain verifies, and its projections are what it makes";
    Ok(found.first_bad.map(|bad| Violation::new(promise, format!("{}: {}", bad.seq, bad.reason))))
}
