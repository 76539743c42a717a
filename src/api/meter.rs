//! What `/metrics` shows: counted from the journal as it is written, from requests, and from what actors show.
//!
//! The journal tells everything about runs once, whoever did them, so nothing below has to count for us.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;

use super::app::App;
use super::{budgets, governed};
use crate::actors::io::{Answer, record};
use crate::actors::{crown, runtime};
use crate::store::{self, Event};
use crate::supervision::Node;
use crate::telemetry::{self, CounterSpec, Metrics};
use crate::types::{RunId, Timestamp};
use crate::ziggy::budget::Standing;

/// Counts for one host, across every life of the listener.
pub(super) struct Meter {
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What counters of others stood at when they were last seen, so that only what is new is added.
    seen: HashMap<String, u64>,
    /// Runs under way, and since when.
    running: HashMap<RunId, Timestamp>,
    /// Number of the last event that was counted.
    counted: u64,
    /// Commits when the last one was timed.
    commits: u64,
}

/// Runs whose beginning is remembered: more than a host has under way. Beyond that the oldest is as good as lost.
const RUNNING_MOST: usize = 100_000;

/// Events read at once after falling behind.
const CATCH_UP: usize = 1_000;

impl Meter {
    pub(super) fn new(metrics: Arc<Metrics>) -> Meter {
        Meter { metrics, state: Mutex::default() }
    }

    /// Counts one HTTP request.
    pub(super) fn answered(&self, route: &str, status: u16, took: Duration) {
        self.metrics.counter(&telemetry::HTTP_REQUESTS, &[route, &status.to_string()]).add(1);
        self.metrics.histogram(&telemetry::HTTP_REQUEST_SECONDS, &[route]).observe(took.as_secs_f64());
    }

    /// Counts one connection that was closed at once.
    pub(super) fn closed(&self) {
        self.metrics.counter(&telemetry::HTTP_CONNECTIONS_CLOSED, &[]).add(1);
    }

    /// Counts one event of the journal, once.
    fn count(&self, event: &Event) {
        use record::kind;
        let mut state = self.state.lock();
        if event.seq <= state.counted {
            return;
        }
        state.counted = event.seq;
        governed::count(&self.metrics, event);
        let Some(run) = event.run else {
            if event.kind == "fib.built" {
                self.metrics.counter(&telemetry::FIB_REBUILDS, &[]).add(1);
            }
            return;
        };
        match event.kind.as_str() {
            // What waits for people is not under way, and how long it waits says nothing about the work.
            kind::PARKED => _ = state.running.remove(&run),
            kind::ACCEPTED | kind::RESUMED if state.running.len() < RUNNING_MOST => {
                state.running.insert(run, event.at);
            }
            kind::ADMITTED => {
                let admitted = event.body.parse::<record::Admitted>().is_some_and(|body| body.admission.admitted());
                let decision = if admitted { "admitted" } else { "shed" };
                self.metrics.counter(&telemetry::ADMISSIONS, &[decision]).add(1);
            }
            kind::SERVED => {
                if let Some(served) = event.body.parse::<record::Served>() {
                    let runtime = served.candidate.rsplit('@').next().unwrap_or_default();
                    self.metrics.gauge(&telemetry::COST_DOLLARS, &[runtime]).add(served.cost.0 as f64 / 1e6);
                    let took = Duration::from_micros(served.outcome.took_us).as_secs_f64();
                    self.metrics.histogram(&telemetry::RUNTIME_REQUEST_SECONDS, &[runtime]).observe(took);
                }
            }
            kind::COMPLETED => {
                let took = event.body.parse::<Answer>().map(|answer| Duration::from_micros(answer.took_us));
                state.running.remove(&run);
                self.ended("ok", took);
            }
            kind::RUN_FAILED | kind::CANCELLED | kind::INTERRUPTED => {
                let began = state.running.remove(&run);
                let micros = began.and_then(|began| u64::try_from(event.at.0 - began.0).ok());
                let class = event.body.parse::<record::Ended>().map_or("internal", |ended| ended.class.word());
                self.ended(class, micros.map(Duration::from_micros));
            }
            _ => {}
        }
    }

    fn ended(&self, outcome: &str, took: Option<Duration>) {
        self.metrics.counter(&telemetry::RUNS, &[outcome]).add(1);
        if let Some(took) = took {
            self.metrics.histogram(&telemetry::RUN_SECONDS, &[outcome]).observe(took.as_secs_f64());
        }
    }

    /// Takes over how long the last commit took, if it was not taken before.
    fn commit(&self, view: &store::View) {
        let mut state = self.state.lock();
        if view.commits > state.commits {
            state.commits = view.commits;
            let took = Duration::from_micros(view.commit_micros).as_secs_f64();
            self.metrics.histogram(&telemetry::JOURNAL_COMMIT_SECONDS, &[]).observe(took);
        }
    }

    /// Everything as text, with what actors and the journal show now.
    pub(super) fn page(
        &self,
        tree: &[Node],
        journal: &store::View,
        budgets: &[Standing],
        crown: &crown::Handle,
    ) -> String {
        governed::show(&self.metrics, crown, tree);
        let mut state = self.state.lock();
        self.metrics.gauge(&telemetry::JOURNAL_QUEUED, &[]).set(journal.queued as f64);
        self.metrics.gauge(&telemetry::RUNS_ACTIVE, &[]).set(state.running.len() as f64);
        state.catch_up(&self.metrics, &telemetry::JOURNAL_EVENTS, &[], journal.written);
        self.actors(&mut state, tree);
        budgets::show(&self.metrics, budgets);
        self.metrics.encode()
    }

    fn actors(&self, state: &mut State, nodes: &[Node]) {
        for node in nodes {
            let actor = node.path.as_str();
            state.catch_up(&self.metrics, &telemetry::ACTOR_RESTARTS, &[actor], node.restarts);
            if !node.supervisor {
                self.metrics.gauge(&telemetry::MAILBOX_DEPTH, &[actor]).set(node.mailbox_depth as f64);
                let oldest = Duration::from_micros(node.mailbox_oldest_micros.unwrap_or(0)).as_secs_f64();
                self.metrics.gauge(&telemetry::MAILBOX_OLDEST_SECONDS, &[actor]).set(oldest);
                let refused = [("busy", node.refused), ("timed_out", node.expired), ("dropped", node.dropped)];
                for (reason, count) in refused {
                    state.catch_up(&self.metrics, &telemetry::MAILBOX_REFUSED, &[actor, reason], count);
                }
                state.catch_up(&self.metrics, &telemetry::MESSAGES, &[actor], node.handled);
                let busy = Duration::from_micros(node.handler_micros).as_secs_f64();
                self.metrics.gauge(&telemetry::HANDLER_SECONDS, &[actor]).set(busy);
            }
            if let Ok(view) = serde_json::from_value::<runtime::View>(node.view.clone()) {
                let name = node.id.as_str();
                let counts = [("ok", view.served), ("failed", view.failed)];
                for (outcome, count) in counts {
                    state.catch_up(&self.metrics, &telemetry::RUNTIME_REQUESTS, &[name, outcome], count);
                }
                let tokens = [("input", view.input_tokens), ("output", view.output_tokens)];
                for (direction, count) in tokens {
                    state.catch_up(&self.metrics, &telemetry::RUNTIME_TOKENS, &[name, direction], count);
                }
            }
            self.actors(state, &node.children);
        }
    }
}

impl State {
    /// Adds what a counter of somebody else has grown by. One that is smaller than before began again.
    fn catch_up(&mut self, metrics: &Metrics, spec: &CounterSpec, labels: &[&str], now: u64) {
        let key = format!("{}\n{}", spec.name, labels.join("\n"));
        let before = self.seen.insert(key, now).unwrap_or(0);
        let grown = if now >= before { now - before } else { now };
        metrics.counter(spec, labels).add(grown);
    }
}

/// Counts what the journal tells, from now on and for ever.
pub(super) async fn follow(app: Arc<App>) {
    let journal = &app.parts.journal;
    let mut news = journal.subscribe();
    {
        let mut state = app.meter.state.lock();
        // What was written before this host started is not for this host to count.
        if state.counted == 0 {
            state.counted = journal.view().last_seq;
        }
    }
    loop {
        match news.recv().await {
            Ok(event) => app.meter.count(&event),
            Err(RecvError::Lagged(_)) => {
                if let Err(error) = catch_up(&app).await {
                    tracing::warn!(%error, "metrics fell behind the journal");
                }
            }
            // The journal is closed: there is nothing more to count, and the host is on its way down.
            Err(RecvError::Closed) => std::future::pending().await,
        }
        app.meter.commit(&journal.view());
    }
}

/// Counts what was written since the last event that was counted.
async fn catch_up(app: &App) -> Result<(), store::Error> {
    loop {
        let from = app.meter.state.lock().counted + 1;
        let missed = app.parts.journal.read(from, CATCH_UP).await?;
        missed.iter().for_each(|event| app.meter.count(event));
        if missed.len() < CATCH_UP {
            return Ok(());
        }
    }
}
