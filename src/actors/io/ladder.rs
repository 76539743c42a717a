//! Down the ladder: carries out what `ziggy::ladder` says for one piece of work, and writes every step down.
//!
//! Invariants:
//! - IL1: every step beyond the first try is in the journal, in the news and in the answer, with its reason.
//! - IL2: no more wait for a destination than its line holds; who waits is served in the order of arrival, and a place
//!   that becomes free wakes the first of them.
//! - IL3: an answer is given again only to the principal who had it, for the same words and the same class, within its time.
//! - IL4: nothing is tried again once its caller has seen a part of the answer.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Progress;
use super::admission::{Missed, micros};
use super::handle::Error;
use super::pipeline::{Done, Piece, Pipeline, Run};
use super::record::{Served, kind};
use super::refusal::refusal;
use crate::actors::agent::Outcome;
use crate::types::{Class, Hash, Label, Money};
use crate::ziggy::ladder::{self, Came, Rung, Situation, Standing, Step};
use crate::ziggy::limit::full_jitter;
use crate::ziggy::route::{Decision, Fib, Rib};

/// Body of [`kind::STEP`], and what an answer says of the steps behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = LadderTaken)]
pub struct Taken {
    /// Which chunk, from 0.
    pub chunk: usize,
    /// The step.
    #[serde(flatten)]
    pub step: Step,
}

/// What pieces of work share on the ladder: the lines they stand in, and the answers kept for being given again.
#[derive(Default)]
pub(super) struct Rungs {
    lines: DashMap<String, Arc<Line>>,
    kept: Mutex<Kept>,
}

/// The line of one destination.
struct Line {
    waiting: AtomicU32,
    /// Whose turn it is: the next to take a place that becomes free.
    turn: Arc<Semaphore>,
}

/// A place in a line, given up when it is dropped.
pub(super) struct InLine {
    line: Arc<Line>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.line.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Rungs {
    fn line(&self, destination: &str) -> Arc<Line> {
        let make = || Arc::new(Line { waiting: AtomicU32::new(0), turn: Arc::new(Semaphore::new(1)) });
        Arc::clone(&self.lines.entry(destination.to_owned()).or_insert_with(make))
    }

    /// How many wait for a destination.
    fn waiting(&self, destination: &str) -> u32 {
        self.lines.get(destination).map_or(0, |line| line.waiting.load(Ordering::Acquire))
    }

    /// IL2: a place at the end of a line, if there is one.
    fn enter(&self, destination: &str, most: u32) -> Option<InLine> {
        let line = self.line(destination);
        let one_more = |waiting: u32| (waiting < most).then_some(waiting + 1);
        line.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(InLine { line, turn: None })
    }
}

/// Answers that may be given again, the oldest first out.
#[derive(Default)]
struct Kept {
    answers: HashMap<Hash, Answered>,
    order: VecDeque<Hash>,
}

#[derive(Clone)]
struct Answered {
    candidate: String,
    text: String,
    /// What a place has to be to see what the candidate recalled for it.
    recalled_under: Label,
    until: Instant,
}

impl Kept {
    fn keep(&mut self, key: Hash, answered: Answered, most: usize) {
        if most == 0 {
            return;
        }
        if self.answers.insert(key, answered).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > most {
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }

    fn get(&self, key: &Hash, now: Instant) -> Option<Answered> {
        self.answers.get(key).filter(|answered| now < answered.until).cloned()
    }
}

/// One piece of work on the ladder.
pub(super) struct Climb<'a> {
    pub(super) decision: &'a Decision,
    destination: String,
    pub(super) legal: Vec<Standing>,
    pub(super) came: BTreeMap<String, Came>,
    attempts: BTreeMap<String, u32>,
    waited: Duration,
    /// How often a place had become free when the candidates were last asked, and by its own doing since.
    pub(super) freed: u64,
    taken: Vec<Taken>,
    last: Option<Error>,
    /// Its place in line, from when it began to wait until it is admitted.
    pub(super) in_line: Option<InLine>,
    /// Whether its caller has seen a part of an answer.
    pub(super) spoke: bool,
}

impl<'a> Climb<'a> {
    fn new(decision: &'a Decision, ladder: &[String], rib: &Rib, fib: &Fib) -> Climb<'a> {
        let wanted = decision.request.wanted();
        let standing = |id: &String| {
            let candidate = rib.candidates.get(id)?;
            Some(Standing {
                candidate: id.clone(),
                tier: candidate.tier,
                quality: candidate.quality,
                cost_max: candidate.appetite.worst(candidate.price, candidate.context_tokens, &wanted).money,
                dampened: fib.row(id).is_some_and(|row| row.dampened.is_some()),
            })
        };
        Climb {
            decision,
            destination: decision.destination.to_string(),
            legal: ladder.iter().filter_map(standing).collect(),
            came: BTreeMap::new(),
            attempts: BTreeMap::new(),
            waited: Duration::ZERO,
            freed: 0,
            taken: Vec::new(),
            last: None,
            in_line: None,
            spoke: false,
        }
    }
}

impl Pipeline {
    /// Serves a piece of work: down the ladder, in this order, until somebody answers.
    pub(super) async fn climb(
        &self,
        run: &Run<'_>,
        piece: &Piece,
        decision: &Decision,
        ladder: &[String],
    ) -> Result<Done, Error> {
        let (rib, fib) = (self.parts.router.rib(), self.parts.router.fib());
        let mut climb = Climb::new(decision, ladder, &rib, &fib);
        climb.freed = self.parts.crown.freed();
        let mut fallen: Option<(String, String)> = None;
        loop {
            let step = ladder::next(&self.parts.ladder, &decision.destination, &self.situation(run, piece, &climb));
            if let Some((candidate, reason)) = fallen.take() {
                let next = step.candidate.clone();
                let _ = run.news.try_send(Progress::Fallback { chunk: piece.index, candidate, reason, next });
            }
            // The first try is what was decided, and on the record as that.
            if climb.last.is_some() || step.candidate.is_none() {
                self.record_step(run, piece, &mut climb, &step).await?;
            }
            match (step.rung, &step.candidate) {
                (rung, Some(candidate)) => {
                    if rung == Rung::Retry {
                        self.back_off(&climb, candidate).await;
                    }
                    match self.attempt(run, piece, candidate, &mut climb).await {
                        Ok(done) => return Ok(self.served(run, piece, climb, done)),
                        Err((_, Missed::Broken(error))) => return Err(error),
                        Err((_, missed)) if missed.error().class() == Class::Cancelled => return Err(Error::Cancelled),
                        Err((who, missed)) => {
                            self.missed(&mut climb, &who, missed);
                            let reason = climb.last.as_ref().map(ToString::to_string).unwrap_or_default();
                            fallen = Some((who, reason));
                        }
                    }
                }
                (Rung::Wait, None) => self.wait(run, &mut climb, step.again_us.unwrap_or(0)).await,
                (Rung::Cached, None) => {
                    if let Some(done) = self.again(run, piece, &mut climb).await? {
                        return Ok(done);
                    }
                }
                (Rung::Human, None) => {
                    // The run as a whole is handed over, so its other pieces need not go on.
                    let error = climb.last.unwrap_or_else(|| refusal(decision));
                    let _ = run.nobody.set(error.to_string());
                    return Err(error);
                }
                _ => return Err(climb.last.unwrap_or_else(|| refusal(decision))),
            }
        }
    }

    pub(super) fn situation(&self, run: &Run<'_>, piece: &Piece, climb: &Climb<'_>) -> Situation {
        let left = run.cx.deadline().saturating_duration_since(self.world.clock.now());
        let others = self.rungs.waiting(&climb.destination).saturating_sub(u32::from(climb.in_line.is_some()));
        let cached = self.parts.ladder.has(&climb.decision.destination, Rung::Cached)
            && self.rungs.kept.lock().get(&self.key(run, piece, climb), self.world.clock.now()).is_some();
        Situation {
            legal: climb.legal.clone(),
            chosen: climb.decision.winner.clone(),
            came: climb.came.clone(),
            privacy: run.class.routed(),
            money: run.purse.left().money,
            attempts_most: self.parts.crown.limits().retry.attempts,
            waiting: others,
            waited_us: micros(climb.waited),
            left_us: micros(left),
            cached,
            human: !climb.spoke && self.has_people(run),
        }
    }

    /// IL1.
    pub(super) async fn record_step(
        &self,
        run: &Run<'_>,
        piece: &Piece,
        climb: &mut Climb<'_>,
        step: &Step,
    ) -> Result<(), Error> {
        // Waiting on in the same line is one step, however often it looks up.
        if step.rung == Rung::Wait && climb.taken.last().is_some_and(|last| last.step.rung == Rung::Wait) {
            return Ok(());
        }
        let taken = Taken { chunk: piece.index, step: step.clone() };
        run.record.write(vec![run.record.event(kind::STEP, &taken)]).await?;
        let _ = run.news.try_send(Progress::Step(taken.clone()));
        climb.taken.push(taken);
        Ok(())
    }

    /// Notes what came of a candidate.
    pub(super) fn missed(&self, climb: &mut Climb<'_>, candidate: &str, missed: Missed) {
        let came = match &missed {
            Missed::Refused { passes: Some(again_us), .. } => Came::Busy { again_us: *again_us },
            // Who is still left alone as a last resort is not asked for ever.
            Missed::Refused { out: true, .. } if climb.came.get(candidate) != Some(&Came::Out) => Came::Out,
            Missed::Refused { .. } | Missed::Broken(_) => Came::Barred,
            Missed::Failed { in_passing, runtime, .. } => {
                let attempts = climb.attempts.entry(candidate.to_owned()).or_default();
                *attempts += 1;
                // IL4.
                let again = *in_passing && !climb.spoke && self.parts.crown.may_retry(runtime);
                Came::Failed { attempts: *attempts, again }
            }
        };
        climb.came.insert(candidate.to_owned(), came);
        climb.last = Some(missed.into_error());
    }

    async fn back_off(&self, climb: &Climb<'_>, candidate: &str) {
        // A last resort has not been asked yet, and waits for nothing.
        let Some(attempt) = climb.attempts.get(candidate).copied() else { return };
        let micros = full_jitter(&self.parts.crown.limits().retry, attempt, self.world.random.next());
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }

    /// IL2: stands in line, then waits until a place is free or it is time to ask again.
    async fn wait(&self, run: &Run<'_>, climb: &mut Climb<'_>, again_us: u64) {
        let began = self.world.clock.now();
        let within = Duration::from_millis(self.parts.ladder.wait_within_ms).saturating_sub(climb.waited);
        let end = run.cx.deadline().min(began + within);
        if climb.in_line.is_none() {
            // If the line has filled up meanwhile, the next step sees so.
            climb.in_line = self.rungs.enter(&climb.destination, self.parts.ladder.wait_most);
        }
        if let Some(place) = &mut climb.in_line {
            if place.turn.is_none() {
                let turn = Arc::clone(&place.line.turn).acquire_owned();
                place.turn = tokio::time::timeout_at(end, turn).await.ok().and_then(Result::ok);
            }
            let again = self.world.clock.now() + Duration::from_micros(again_us);
            tokio::select! {
                () = self.parts.crown.freed_since(climb.freed) => {}
                () = tokio::time::sleep_until(again.min(end)) => {}
            }
            // A wait that took no time would be no wait, and could go on for ever.
            let waited = (self.world.clock.now() - began).max(Duration::from_micros(1));
            climb.waited += waited;
            // Who waits for another's end may be free; who named a time is asked again when it has come.
            climb.came.retain(|_, came| match came {
                Came::Busy { again_us: None } => false,
                Came::Busy { again_us: Some(again_us) } => {
                    *again_us = again_us.saturating_sub(micros(waited));
                    *again_us > 0
                }
                _ => true,
            });
        }
        climb.freed = self.parts.crown.freed();
    }

    /// What the same request is known by.
    fn key(&self, run: &Run<'_>, piece: &Piece, climb: &Climb<'_>) -> Hash {
        let (principal, task) = (&run.cx.principal().name, run.task);
        let regions = run.cx.label().residency.named();
        let parts = (principal, &climb.destination, &piece.prompt, task.max_tokens, &task.agent, regions);
        // Strings and numbers always have one JSON form.
        Hash::of(&serde_json::to_vec(&parts).unwrap_or_default())
    }

    /// IL3: the answer that the same request had.
    async fn again(&self, run: &Run<'_>, piece: &Piece, climb: &mut Climb<'_>) -> Result<Option<Done>, Error> {
        let key = self.key(run, piece, climb);
        let Some(answered) = self.rungs.kept.lock().get(&key, self.world.clock.now()) else { return Ok(None) };
        let Answered { candidate, text, recalled_under, .. } = answered;
        let outcome = Outcome { text, recalled_under, ..Outcome::default() };
        self.unserved(run, piece, climb, (candidate, outcome)).await.map(Some)
    }

    /// An answer no candidate was asked for.
    async fn unserved(
        &self,
        run: &Run<'_>,
        piece: &Piece,
        climb: &mut Climb<'_>,
        answer: (String, Outcome),
    ) -> Result<Done, Error> {
        let (candidate, outcome) = answer;
        let (chunk, cost, steps) = (piece.index, Money::ZERO, std::mem::take(&mut climb.taken));
        let served = Served { chunk, candidate: candidate.clone(), cost, outcome: outcome.clone(), spent: None };
        run.record.write(vec![run.served(&served, self)]).await?;
        let _ = run.audience(self).send(Progress::Text { chunk, text: outcome.text.clone() }).await;
        Ok(Done { piece: chunk, candidate, cost, outcome, steps })
    }

    /// An answer a candidate gave, with the steps that led to it. It is kept if it may be given again.
    fn served(&self, run: &Run<'_>, piece: &Piece, climb: Climb<'_>, done: Done) -> Done {
        // What people may still change or deny is not given to anybody else.
        if self.parts.ladder.has(&climb.decision.destination, Rung::Cached) && !run.withheld(self) {
            let until = self.world.clock.now() + Duration::from_secs(self.parts.ladder.cache_ttl_s);
            let (candidate, text) = (done.candidate.clone(), done.outcome.text.clone());
            let recalled_under = done.outcome.recalled_under.clone();
            let most = usize::try_from(self.parts.ladder.cache_entries).unwrap_or(usize::MAX);
            let key = self.key(run, piece, &climb);
            self.rungs.kept.lock().keep(key, Answered { candidate, text, recalled_under, until }, most);
        }
        Done { steps: climb.taken, ..done }
    }
}
