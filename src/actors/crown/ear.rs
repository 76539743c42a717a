//! What CROWN hears of the journal: how candidates fare, counted in steps of time. The fold is pure.
//!
//! Invariants:
//! - H1: every event is counted once, in order, also after falling behind.
//! - H2: what was written before this host started is not counted: it says nothing about this one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use super::handle::Published;
use crate::store::{self, Event, Journal};
use crate::types::{Class, RunId, Timestamp};
use crate::ziggy::govern::{Counts, Samples};

/// Events read at once after falling behind.
const CATCH_UP: usize = 1_000;

/// Runs under way whose hops are remembered, and answers on trial between two looks: more than a host has.
const RUNS_MOST: usize = 100_000;
const OUTCOMES_MOST: usize = 10_000;

/// The parts of the events' bodies that matter here. Other fields are passed over, so they may come and go.
#[derive(Deserialize)]
struct Decided {
    chunk: usize,
    decision: Chosen,
}

#[derive(Deserialize)]
struct Chosen {
    destination: String,
}

#[derive(Deserialize)]
struct Admitted {
    chunk: usize,
    candidate: String,
    admission: Admission,
}

#[derive(Deserialize)]
#[serde(tag = "admission", rename_all = "snake_case")]
enum Admission {
    Admitted,
    Refused {
        reason: Refusal,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Refusal {
    refusal: String,
}

#[derive(Deserialize)]
struct Served {
    chunk: usize,
    candidate: String,
    cost: i64,
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    usage: Usage,
    took_us: u64,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
}

#[derive(Deserialize)]
struct Failed {
    chunk: usize,
    candidate: String,
    class: Class,
}

#[derive(Deserialize)]
struct Repeated {
    candidate: String,
}

/// One chunk of a run under way.
#[derive(Default)]
struct Hop {
    destination: Option<String>,
    admitted: Option<Timestamp>,
}

/// What was heard.
pub(super) struct Heard {
    pub(super) samples: Samples,
    /// What became of requests to candidates on trial since the last look.
    outcomes: Vec<(String, bool)>,
    runs: BTreeMap<RunId, BTreeMap<usize, Hop>>,
    kinds: BTreeSet<String>,
    /// Number of the last event that was counted.
    counted: u64,
}

impl Heard {
    pub(super) fn new(samples: Samples, kinds: BTreeSet<String>) -> Heard {
        Heard { samples, outcomes: Vec::new(), runs: BTreeMap::new(), kinds, counted: 0 }
    }

    /// Takes the answers on trial that were not looked at yet.
    pub(super) fn outcomes(&mut self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.outcomes)
    }

    /// Hears one event. `on_trial` says who is.
    pub(super) fn hear(&mut self, event: &Event, on_trial: impl Fn(&str) -> bool) {
        if event.seq <= self.counted {
            return;
        }
        self.counted = event.seq;
        if self.kinds.contains(&event.kind) {
            self.samples.event(&event.kind, event.at);
        }
        let Some(run) = event.run else { return };
        match event.kind.as_str() {
            "hop.decided" => {
                if let Some(Decided { chunk, decision }) = event.body.parse() {
                    self.hop(run, chunk, |hop| hop.destination = Some(decision.destination));
                }
            }
            "hop.admitted" => {
                if let Some(admitted) = event.body.parse() {
                    self.admitted(run, admitted, event.at);
                }
            }
            "hop.served" => {
                // What nobody was admitted for is an earlier answer or a person's, and says nothing of a candidate now.
                if let Some(Served { chunk, candidate, cost, outcome }) = event.body.parse()
                    && self.runs.get(&run).and_then(|hops| hops.get(&chunk)).is_some_and(|hop| hop.admitted.is_some())
                {
                    self.ended(&candidate, true, &on_trial);
                    let counts = self.served(run, chunk, cost, &outcome, event.at);
                    self.count(run, chunk, &candidate, &counts, event.at);
                }
            }
            "hop.failed" => {
                // Who left and what was wrong with the request say nothing about the candidate.
                let failed = event.body.parse::<Failed>();
                if let Some(failed) = failed.filter(|one| !matches!(one.class, Class::Cancelled | Class::Invalid)) {
                    self.ended(&failed.candidate, false, &on_trial);
                    let counts = Counts { failed: 1, ..Counts::default() };
                    self.count(run, failed.chunk, &failed.candidate, &counts, event.at);
                }
            }
            "trajectory.repeated" => {
                if let Some(Repeated { candidate }) = event.body.parse() {
                    let counts = Counts { repeated: 1, ..Counts::default() };
                    self.samples.candidate(&candidate, None, &counts, event.at);
                }
            }
            "run.completed" | "run.failed" | "run.cancelled" | "run.interrupted" => {
                self.runs.remove(&run);
            }
            _ => {}
        }
    }

    fn hop(&mut self, run: RunId, chunk: usize, note: impl FnOnce(&mut Hop)) {
        if self.runs.len() >= RUNS_MOST && !self.runs.contains_key(&run) {
            self.runs.pop_first();
        }
        note(self.runs.entry(run).or_default().entry(chunk).or_default());
    }

    fn admitted(&mut self, run: RunId, admitted: Admitted, at: Timestamp) {
        let refused = match &admitted.admission {
            // A run that does not take part in a trial was never meant for the candidate.
            Admission::Refused { reason } if reason.refusal == "trial" => return,
            Admission::Refused { .. } => 1,
            Admission::Admitted => 0,
            Admission::Other => return,
        };
        self.hop(run, admitted.chunk, |hop| hop.admitted = (refused == 0).then_some(at));
        let counts = Counts { arrived: 1, refused, ..Counts::default() };
        self.count(run, admitted.chunk, &admitted.candidate, &counts, at);
    }

    fn served(&self, run: RunId, chunk: usize, cost: i64, outcome: &Outcome, at: Timestamp) -> Counts {
        let admitted = self.runs.get(&run).and_then(|hops| hops.get(&chunk)).and_then(|hop| hop.admitted);
        let inside = admitted.and_then(|admitted| u64::try_from(at.0.saturating_sub(admitted.0)).ok()).unwrap_or(0);
        Counts {
            served: 1,
            slow: self.samples.slow(outcome.took_us),
            took_us: outcome.took_us,
            waited_us: inside.saturating_sub(outcome.took_us),
            tokens_in: outcome.usage.input_tokens,
            tokens_out: outcome.usage.output_tokens,
            cost: u64::try_from(cost).unwrap_or(0),
            ..Counts::default()
        }
    }

    fn count(&mut self, run: RunId, chunk: usize, candidate: &str, counts: &Counts, at: Timestamp) {
        let hop = self.runs.get(&run).and_then(|hops| hops.get(&chunk));
        let destination = hop.and_then(|hop| hop.destination.as_deref());
        self.samples.candidate(candidate, destination, counts, at);
    }

    fn ended(&mut self, candidate: &str, ok: bool, on_trial: &impl Fn(&str) -> bool) {
        if on_trial(candidate) && self.outcomes.len() < OUTCOMES_MOST {
            self.outcomes.push((candidate.to_owned(), ok));
        }
    }
}

/// What is heard, across every life of the actor.
pub(super) struct Ear {
    pub(super) heard: Mutex<Heard>,
}

/// Hears what the journal tells, from now on and for ever.
pub(super) async fn follow(journal: Arc<dyn Journal>, published: Arc<Published>) {
    let mut news = journal.subscribe();
    {
        let mut heard = published.ear.heard.lock();
        if heard.counted == 0 {
            heard.counted = journal.view().last_seq;
        }
    }
    if let Err(error) = catch_up(&journal, &published).await {
        tracing::warn!(%error, "the governor could not read what it missed");
    }
    loop {
        match news.recv().await {
            Ok(event) => hear(&published, &event),
            Err(RecvError::Lagged(_)) => {
                if let Err(error) = catch_up(&journal, &published).await {
                    tracing::warn!(%error, "the governor fell behind the journal");
                }
            }
            // The journal is closed, and the host is on its way down.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn hear(published: &Published, event: &Event) {
    let governance = published.governance.load();
    published.ear.heard.lock().hear(event, |candidate| governance.trials.contains_key(candidate));
}

async fn catch_up(journal: &Arc<dyn Journal>, published: &Published) -> Result<(), store::Error> {
    loop {
        let from = published.ear.heard.lock().counted + 1;
        let missed = journal.read(from, CATCH_UP).await?;
        missed.iter().for_each(|event| hear(published, event));
        if missed.len() < CATCH_UP {
            return Ok(());
        }
    }
}
