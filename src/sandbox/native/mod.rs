//! Trusted functions of the host, called by name, each on a thread of its own.
//!
//! A thread cannot be ended from outside. A function that is still busy when its time is over is told so by its
//! [`Voice`], left behind and counted; whoever waits has their answer. When too many are left behind, nothing more is
//! begun until some of them end.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::capability::{Capabilities, Keeper};
use super::config::Threads;
use super::error::{Error, Lack};
use super::outcome::{Ended, Failure, Level, Line, Outcome, failure_of};
use super::protocol::{Bounds, cut};
use super::running::{Place, Running};
use super::spec::{Program, ProgramKind, Resource, Spec, Tier};
use super::{Call, Killed, Prepared, Sandbox, View};
use crate::types::{Class, Clock, Cx};

/// Lines a function may be ahead of whoever reads them; it waits with the next.
const AHEAD: usize = 64;

/// A function of the host. It runs on a thread, so it may block.
pub type Function = Arc<dyn Fn(Value, &Voice) -> Result<Value, Failure> + Send + Sync>;

/// How a function says something before its answer, and hears that nobody waits any more.
pub struct Voice {
    lines: mpsc::Sender<Line>,
    stop: CancellationToken,
    text_max: usize,
}

impl Voice {
    /// Says a part of the answer.
    pub fn chunk(&self, text: impl Into<String>) {
        let (text, cut) = cut(text.into(), 0, self.text_max);
        self.say(Line::Chunk { text, cut });
    }

    /// Says something to whoever looks after the tool.
    pub fn log(&self, level: Level, text: impl Into<String>) {
        let (text, cut) = cut(text.into(), 0, self.text_max);
        self.say(Line::Log { level, text, cut });
    }

    /// Asks that something be remembered.
    pub fn remember(&self, delta: Value) {
        self.say(Line::MemoryDelta { delta });
    }

    /// Whether the time is over. A function that takes long asks now and then.
    pub fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Nobody listens any more once the call is over; then it is said to nobody.
    fn say(&self, line: Line) {
        let _ = self.lines.blocking_send(line);
    }
}

/// The tier of the host's own functions.
pub struct Native {
    functions: BTreeMap<String, Function>,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
    /// Threads at the most, with those that were left behind.
    threads_max: usize,
    running: Running,
    /// Functions that were left behind and still run, by the id of their call.
    left: Arc<Mutex<HashSet<String>>>,
}

/// What a thread and whoever waits for it know of each other. Both look under the lock of `left`.
#[derive(Clone)]
struct Bond {
    id: String,
    left: Arc<Mutex<HashSet<String>>>,
    ended: Arc<AtomicBool>,
}

/// The thread's word that it has ended.
struct Ending(Bond);

impl Drop for Ending {
    fn drop(&mut self) {
        let mut left = self.0.left.lock();
        self.0.ended.store(true, Ordering::Relaxed);
        left.remove(&self.0.id);
    }
}

impl Native {
    /// A tier with no functions yet.
    pub fn new(config: Threads, clock: Arc<dyn Clock>) -> Native {
        let limits = [Resource::Wall, Resource::Stdin, Resource::Stdout, Resource::Lines];
        let capabilities = Capabilities {
            tier: Tier::Native,
            programs: vec![ProgramKind::Native],
            limits: limits.into_iter().map(|resource| (resource, Keeper::Host)).collect(),
            inputs: false,
            grants: false,
            egress: false,
            environment: false,
            plain: false,
            notes: vec!["a function that does not end is left behind, since a thread cannot be ended".to_owned()],
        };
        let (functions, running, left) = Default::default();
        Native { functions, capabilities, clock, threads_max: config.threads_max, running, left }
    }

    /// The same tier with one more function.
    pub fn with(
        mut self,
        name: &str,
        function: impl Fn(Value, &Voice) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Native {
        self.functions.insert(name.to_owned(), Arc::new(function));
        self
    }

    /// Starts the function on a thread. Its answer comes by the one channel, what it says by the other.
    fn start(&self, function: Function, call: &Call) -> std::io::Result<Started> {
        let (lines, said) = mpsc::channel(AHEAD);
        let (tell, answer) = oneshot::channel();
        let stop = CancellationToken::new();
        let voice = Voice { lines, stop: stop.clone(), text_max: Bounds::default().text };
        let bond = Bond { id: call.id.clone(), left: Arc::clone(&self.left), ended: Arc::default() };
        let (input, ending) = (call.input.clone(), Ending(bond.clone()));
        let work = move || {
            let panicked = |_| Err(Failure::new(Class::Internal, "the function panicked"));
            let answer = catch_unwind(AssertUnwindSafe(|| function(input, &voice))).unwrap_or_else(panicked);
            // What it said goes before its answer, and whoever has the answer finds nothing left behind.
            drop(voice);
            drop(ending);
            let _ = tell.send(answer);
        };
        std::thread::Builder::new().name(format!("tool {}", call.id)).spawn(work)?;
        Ok(Started { said, answer, stop, bond })
    }

    /// Hears the function until it ends or must.
    async fn hear(&self, started: &mut Started, call: &Call, max: u64, outcome: &mut Outcome) -> Ended {
        while let Some(line) = started.said.recv().await {
            outcome.usage.stdout += weight(&line);
            if outcome.usage.stdout > max {
                return Ended::Limit(Resource::Stdout);
            }
            if outcome.lines.len() == Bounds::default().lines {
                return Ended::Limit(Resource::Lines);
            }
            if let Some(stream) = &call.stream {
                // Whoever listened has left; the outcome has the line too.
                let _ = stream.send(line.clone()).await;
            }
            outcome.lines.push(line);
        }
        let lost = |_| Err(Failure::new(Class::Internal, "the function's thread ended without an answer"));
        outcome.answer = (&mut started.answer).await.unwrap_or_else(lost);
        if let Ok(value) = &outcome.answer {
            outcome.usage.stdout += value.to_string().len() as u64;
            if outcome.usage.stdout > max {
                return Ended::Limit(Resource::Stdout);
            }
        }
        Ended::Finished
    }

    async fn run(&self, cx: &Cx, prepared: &Prepared, call: &Call, place: &Place, began: Instant) -> Outcome {
        let refused = |class, text: &str| Outcome::nothing(Ended::Refused, Failure::new(class, text));
        let Program::Native(name) = &prepared.spec.program else {
            return refused(Class::Invalid, "could not call the function: the tool is none");
        };
        let Some(function) = self.functions.get(name).cloned() else {
            return refused(Class::NotFound, "could not call the function: there is none of this name");
        };
        let stdin = call.input.to_string().len() as u64;
        if stdin > prepared.spec.limits.stdin {
            return refused(Class::Exhausted, "could not call the function: its input is too long");
        }
        if self.running.count() + self.left.lock().len() > self.threads_max {
            return refused(Class::Exhausted, "could not call the function: too many run or were left behind");
        }
        let mut started = match self.start(function, call) {
            Ok(started) => started,
            Err(cause) => {
                let text = format!("could not start a thread: {cause}");
                return Outcome::nothing(Ended::Failed, Failure::new(Class::Unavailable, text));
            }
        };
        let unanswered = Failure::new(Class::Internal, "the function gave no answer");
        let mut outcome = Outcome::nothing(Ended::Finished, unanswered);
        outcome.usage.stdin = stdin;
        outcome.ended = tokio::select! {
            ended = self.hear(&mut started, call, prepared.spec.limits.stdout, &mut outcome) => ended,
            ended = place.stop(cx, prepared, began) => ended,
        };
        if let Some(failure) = failure_of(outcome.ended) {
            outcome.answer = Err(failure);
        }
        outcome
    }
}

struct Started {
    said: mpsc::Receiver<Line>,
    answer: oneshot::Receiver<Result<Value, Failure>>,
    stop: CancellationToken,
    bond: Bond,
}

impl Drop for Started {
    fn drop(&mut self) {
        self.stop.cancel();
        let mut left = self.bond.left.lock();
        if !self.bond.ended.load(Ordering::Relaxed) {
            left.insert(self.bond.id.clone());
        }
    }
}

/// What a line weighs against the bound of what may be said: its text.
fn weight(line: &Line) -> u64 {
    match line {
        Line::Chunk { text, cut } | Line::Log { text, cut, .. } | Line::Noise { text, cut } => text.len() as u64 + cut,
        Line::MemoryDelta { delta } => delta.to_string().len() as u64,
    }
}

#[async_trait]
impl Sandbox for Native {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, _cx: &Cx, spec: Spec) -> Result<Prepared, Error> {
        self.capabilities.check(&spec)?;
        if let Program::Native(name) = &spec.program
            && !self.functions.contains_key(name)
        {
            return Err(Error::Missing { tool: spec.tool, reason: format!("the host has no function `{name}`") });
        }
        if spec.directory.is_some() {
            let lacks = vec![Lack::Other("start the program in a directory".to_owned())];
            return Err(Error::Refused { tool: spec.tool, tier: Tier::Native, lacks });
        }
        Ok(Prepared { spec: Arc::new(spec), tier: Tier::Native, places: Arc::default(), user: 0 })
    }

    async fn invoke(&self, cx: &Cx, prepared: &Prepared, call: Call) -> Outcome {
        let began = self.clock.now();
        let busy = self.left.lock().contains(&call.id);
        let Some(place) = self.running.enter(&call.id).filter(|_| !busy) else {
            let failure = Failure::new(Class::Conflict, "could not call the tool: a call of this id runs");
            return Outcome::nothing(Ended::Refused, failure);
        };
        let mut outcome = self.run(cx, prepared, &call, &place, began).await;
        outcome.usage.wall = self.clock.now() - began;
        outcome
    }

    async fn kill(&self, id: &str) -> Killed {
        match self.running.kill(id).await {
            Killed::Gone if self.left.lock().contains(id) => Killed::Stuck,
            killed => killed,
        }
    }

    fn view(&self) -> View {
        View { running: self.running.count(), abandoned: self.left.lock().len() }
    }
}
