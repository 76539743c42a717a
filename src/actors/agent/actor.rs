//! The shell around an agent's turns: asks models and tools in jobs, and answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::definition::{Brain, Kit, Profile};
use super::handle::{Error, Parts};
use super::message::{Message, Ticket, Work};
use super::recollection::{Learned, Recollection};
use super::state::{Limits, Step, Turns};
use super::{Outcome, View};
use crate::actors::line::{Arrival, Line};
use crate::actors::{executor, runtime};
use crate::inference::{Completion, Delta, Request, Usage};
use crate::store::{Durability, NewEvent};
use crate::supervision::{Actor, Context, Envelope, Fault, JobError};
use crate::types::{Classified, Cx, Label, Place, ToolCall, TrustTier};

pub(super) struct Shell {
    profile: Arc<Profile>,
    brain: Brain,
    parts: Parts,
    line: Line<Box<Work>>,
    /// In order: when the actor fails, those who wait hear of it in the order they came.
    active: BTreeMap<Ticket, Active>,
    tickets: Ticket,
    recollection: Option<Recollection>,
    view: View,
}

/// One assignment that is being worked on.
struct Active {
    work: Work,
    turns: Turns,
    began: Instant,
}

impl Shell {
    pub(super) fn new(profile: Arc<Profile>, brain: Brain, parts: Parts) -> Shell {
        let line = Line::new(profile.concurrency, profile.waiting);
        let view = View { description: profile.description.clone(), ..View::default() };
        Shell { profile, brain, parts, line, active: BTreeMap::new(), tickets: 0, recollection: None, view }
    }

    fn arrive(&mut self, work: Box<Work>, context: &mut Context<Message>) {
        match self.line.arrive(work) {
            Arrival::Enters(work) => self.begin(*work, context),
            Arrival::Waits => {}
            Arrival::Refused(work) => {
                let (agent, waiting) = (self.profile.name.clone(), self.line.waiting());
                work.reply.send(Err(Error::Full { agent, waiting }));
            }
        }
    }

    fn begin(&mut self, work: Work, context: &mut Context<Message>) {
        self.tickets += 1;
        let ticket = self.tickets;
        let turns = self.turns(&work, work.assignment.prompt.clone());
        self.active.insert(ticket, Active { work, turns, began: context.now() });
        match (&self.brain, &self.recollection) {
            (Brain::Code(_), _) => self.run_code(ticket, context),
            (Brain::Prompted, Some(_)) => self.embed(ticket, context),
            (Brain::Prompted, None) => self.think(ticket, context),
        }
    }

    fn turns(&self, work: &Work, prompt: String) -> Turns {
        let limits = Limits {
            turns: self.profile.max_turns,
            answer_tokens: self.profile.max_answer_tokens.min(work.assignment.max_tokens.unwrap_or(u32::MAX)),
            tokens: self.profile.max_tokens.min(work.cx.budget().tokens),
            own_tokenizer: self.parts.runtime.as_ref().is_none_or(|runtime| runtime.capabilities().own_tokenizer),
            temperature: self.profile.temperature,
        };
        let tools = match self.runtime(&work.assignment.runtime) {
            Some(runtime) if runtime.capabilities().tools => {
                self.parts.executor.specs(&work.cx, &self.profile.name, &self.profile.tools)
            }
            _ => Vec::new(),
        };
        Turns::new(limits, self.profile.system.clone(), prompt, tools)
    }

    /// The runtime of this name, if it is configured.
    fn runtime(&self, name: &str) -> Option<&runtime::Handle> {
        if name == self.profile.runtime { self.parts.runtime.as_ref() } else { self.parts.runtimes.get(name) }
    }

    fn think(&mut self, ticket: Ticket, context: &mut Context<Message>) {
        let Some(active) = self.active.get_mut(&ticket) else { return };
        let step = active.turns.begin();
        self.take(ticket, step, context);
    }

    fn take(&mut self, ticket: Ticket, step: Result<Step, Error>, context: &mut Context<Message>) {
        match step {
            Ok(Step::Ask(request)) => self.ask(ticket, request, context),
            Ok(Step::Call(calls)) => self.call(ticket, calls, context),
            Ok(Step::Finish) => {
                let Some(active) = self.active.get(&ticket) else { return };
                let outcome = active.turns.outcome.clone();
                self.finish(ticket, Ok(outcome), context);
            }
            Err(error) => self.finish(ticket, Err(error), context),
        }
    }

    fn ask(&mut self, ticket: Ticket, request: Request, context: &mut Context<Message>) {
        let Some(active) = self.active.get(&ticket) else { return };
        let name = &active.work.assignment.runtime;
        let Some(runtime) = self.runtime(name).cloned() else {
            let runtime = name.clone();
            return self.finish(ticket, Err(Error::NoRuntime { runtime }), context);
        };
        let (cx, out) = (active.work.cx.clone(), active.work.assignment.news.clone());
        let (clock, job_cx, limit) = (Arc::clone(&context.world().clock), cx.child(), self.parts.answer_bytes_max);
        let job = async move {
            let asked = clock.now();
            let (news, seen) = mpsc::channel(NEWS_WAITING);
            let generate = runtime.generate(&job_cx, Classified::under(&job_cx, request), news);
            let passed_on = async {
                let passed_on = forward(seen, out, limit, || clock.now()).await;
                // AG5: what goes on beyond the limit is stopped where it is made.
                passed_on.beyond.inspect(|_| job_cx.cancel_token().cancel());
                passed_on
            };
            let (result, Forwarded { first, beyond }) = tokio::join!(generate, passed_on);
            let too_long = |bytes| Error::TooLong { bytes, limit };
            let result = match (result, beyond) {
                (_, Some(bytes)) => Err(too_long(bytes)),
                // Also of who does not say beforehand what is coming.
                (Ok(Completion { text, .. }), None) if text.len() > limit => Err(too_long(text.len())),
                (result, None) => result.map_err(Error::from),
            };
            (result, first.map(|first| micros(first - asked)))
        };
        context.job(&cx, job, move |outcome| match outcome {
            Ok((result, first_token_us)) => Message::Answered { ticket, result, first_token_us },
            Err(error) => Message::Answered { ticket, result: Err(job_error(error)), first_token_us: None },
        });
    }

    /// Calls tools one after another: a later one may depend on what an earlier one did. What was called stands in
    /// the journal before it runs.
    fn call(&mut self, ticket: Ticket, calls: Vec<ToolCall>, context: &mut Context<Message>) {
        let Some(active) = self.active.get(&ticket) else { return };
        let (cx, executor, journal) =
            (active.work.cx.clone(), self.parts.executor.clone(), Arc::clone(&self.parts.journal));
        let (source, job_cx) = (context.path().to_owned(), cx.clone());
        let (agent, workspace) = (self.profile.name.clone(), self.parts.workspace.clone());
        let job = async move {
            let mut results = Vec::with_capacity(calls.len());
            for call in calls {
                let shown = |part, value: &_| executor.shown(&call.name, part, value);
                let said = ToolCall { arguments: shown("input", &call.arguments), ..call.clone() };
                let event = NewEvent::new("tool.called", job_cx.run(), &source, &said);
                journal.append(vec![event], Durability::Durable).await.map_err(|error| error.to_string())?;
                let id = call.id.clone();
                let request = executor::Request {
                    agent: Some(agent.clone()),
                    workspace: workspace.clone(),
                    ..executor::Request::of(call.clone())
                };
                let result = executor.invoke(&job_cx, request).await;
                let result = result.map(|answer| answer.value).map_err(|error| error.to_string());
                let said = result.as_ref().map(|value| shown("output", value));
                let body = serde_json::json!({ "id": id, "result": said });
                let event = NewEvent::new("tool.answered", job_cx.run(), &source, &body);
                journal.append(vec![event], Durability::Behind).await.map_err(|error| error.to_string())?;
                results.push((id, result));
            }
            Ok(results)
        };
        context.job(&cx, job, move |outcome| {
            let results = match outcome {
                Ok(results) => results.map_err(Error::Memory),
                Err(error) => Err(job_error(error)),
            };
            Message::Called { ticket, results }
        });
    }

    fn run_code(&mut self, ticket: Ticket, context: &mut Context<Message>) {
        let (Some(active), Brain::Code(code)) = (self.active.get(&ticket), &self.brain) else { return };
        let (code, cx, assignment) = (Arc::clone(code), active.work.cx.clone(), active.work.assignment.clone());
        let spent = Arc::new(Mutex::new(Default::default()));
        let kit =
            Kit { runtime: self.parts.runtime.clone(), tools: self.parts.executor.clone(), spent: Arc::clone(&spent) };
        let job_cx = cx.clone();
        let job = async move { code.work(&job_cx, assignment, kit).await.map_err(|fault| fault.to_string()) };
        context.guest(&cx, job, move |outcome| {
            let (usage, turns) = *spent.lock();
            let result = match outcome {
                Ok(Ok(text)) => Ok(Outcome { text, usage, turns, ..Outcome::default() }),
                Ok(Err(reason)) => Err(Error::Code(reason)),
                Err(error) => Err(job_error(error)),
            };
            Message::Worked { ticket, result }
        });
    }

    fn embed(&mut self, ticket: Ticket, context: &mut Context<Message>) {
        let Some(active) = self.active.get(&ticket) else { return };
        let texts = Recollection::texts(&active.work.assignment.said);
        let (embedder, cx) = (Arc::clone(&self.parts.embedder), active.work.cx.clone());
        let job_cx = cx.clone();
        let job = async move { embedder.embed(&job_cx, texts).await.map_err(|error| error.to_string()) };
        context.job(&cx, job, move |outcome| {
            let vectors = outcome.unwrap_or_else(|error| Err(error.to_string()));
            Message::Embedded { ticket, vectors }
        });
    }

    /// Recalls, and writes down what is new. AG3: the memory changes only when the journal has it.
    fn recollect(&mut self, ticket: Ticket, vectors: Result<Vec<Vec<f32>>, String>, context: &mut Context<Message>) {
        let Some(vectors) = self.unwrap(ticket, vectors, context) else { return };
        let Some(place) = self.active.get(&ticket).map(|active| self.place(&active.work.assignment.runtime)) else {
            return;
        };
        let (Some(active), Some(recollection)) = (self.active.get_mut(&ticket), &self.recollection) else { return };
        let said = &active.work.assignment.said;
        let recalled = recollection.recall(said, &vectors, self.profile.recall_most, &place);
        let outcome = &mut active.turns.outcome;
        outcome.recalled_under = recalled.iter().fold(Label::default(), |label, fact| label.and(&fact.label()));
        outcome.recalled = recalled.into_iter().map(|fact| fact.text).collect();
        let learned = recollection.learn(said, &vectors, &active.work.cx, context.world());
        if learned.is_empty() {
            return self.think_with_memory(ticket, context);
        }
        let events = learned.events(&active.work.cx, context.path());
        let (journal, cx) = (Arc::clone(&self.parts.journal), active.work.cx.clone());
        let job = async move { journal.append(events, Durability::Durable).await.map_err(|error| error.to_string()) };
        context.job(&cx, job, move |outcome| {
            let stored = outcome.unwrap_or_else(|error| Err(error.to_string()));
            Message::Stored { ticket, learned: stored.map(|_| learned) }
        });
    }

    /// Where an assignment is worked on. An agent in code works in this process; what it asks of others is its author's to
    /// answer for.
    fn place(&self, runtime: &str) -> Place {
        let here = || Place::of(TrustTier::Local);
        self.runtime(runtime).map_or_else(here, |runtime| runtime.capabilities().place())
    }

    fn stored(&mut self, ticket: Ticket, learned: Result<Learned, String>, context: &mut Context<Message>) {
        let Some(learned) = self.unwrap(ticket, learned, context) else { return };
        let texts = learned.texts();
        if let Some(recollection) = &mut self.recollection {
            recollection.apply(learned);
        }
        if let Some(active) = self.active.get_mut(&ticket) {
            active.turns.outcome.learned = texts;
        }
        self.think_with_memory(ticket, context);
    }

    fn unwrap<T>(&mut self, ticket: Ticket, result: Result<T, String>, context: &mut Context<Message>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(reason) => {
                self.finish(ticket, Err(Error::Memory(reason)), context);
                None
            }
        }
    }

    fn think_with_memory(&mut self, ticket: Ticket, context: &mut Context<Message>) {
        let Some(mut active) = self.active.remove(&ticket) else { return };
        let Outcome { recalled, recalled_under, learned, .. } = active.turns.outcome.clone();
        let assignment = &active.work.assignment;
        if let Some(text) = self.profile.noted(&assignment.said, &assignment.prompt, &learned) {
            self.active.insert(ticket, active);
            let outcome = Outcome { text, recalled, recalled_under, learned, ..Outcome::default() };
            return self.finish(ticket, Ok(outcome), context);
        }
        let prompt = self.profile.with_memory(&active.work.assignment.prompt, &recalled, &learned);
        active.turns = self.turns(&active.work, prompt);
        active.turns.outcome = Outcome { recalled, recalled_under, learned, ..Outcome::default() };
        self.active.insert(ticket, active);
        self.think(ticket, context);
    }

    fn answered(
        &mut self,
        ticket: Ticket,
        result: Result<Completion, Error>,
        first_token_us: Option<u64>,
        context: &mut Context<Message>,
    ) {
        let Some(active) = self.active.get_mut(&ticket) else { return };
        let outcome = &mut active.turns.outcome;
        outcome.first_token_us = outcome.first_token_us.or(first_token_us);
        let step = result.and_then(|completion| active.turns.answered(completion));
        self.take(ticket, step, context);
    }

    /// AG1: the only place where an assignment leaves, whatever became of it.
    fn finish(&mut self, ticket: Ticket, result: Result<Outcome, Error>, context: &mut Context<Message>) {
        let Some(active) = self.active.remove(&ticket) else { return };
        let limit = self.parts.answer_bytes_max;
        let result = result.and_then(|outcome| match outcome.text.len() {
            bytes if bytes > limit => Err(Error::TooLong { bytes, limit }),
            _ => Ok(outcome),
        });
        let usage = active.turns.outcome.usage;
        let result = result.map_err(|error| match error {
            error if usage == Usage::default() => error,
            error => Error::Spent { usage, error: Box::new(error) },
        });
        match &result {
            Ok(_) => self.view.answered += 1,
            Err(error) => {
                self.view.failed += 1;
                self.tell_of_circles(&active.work, error, context);
            }
        }
        self.view.last_answer_at_micros = Some(context.world().clock.wall());
        let took_us = micros(context.now() - active.began);
        active.work.reply.send(result.map(|outcome| Outcome { took_us, ..outcome }));
        if let Some(next) = self.line.leave() {
            self.begin(*next, context);
        }
    }

    /// Writes down that a run went round in circles, for the governor's rules and for whoever asks why.
    fn tell_of_circles(&self, work: &Work, error: &Error, context: &mut Context<Message>) {
        let Error::Loop { what, turns, repeats } = error.cause() else { return };
        let (cx, runtime, name) = (&work.cx, &work.assignment.runtime, &self.profile.name);
        let body = serde_json::json!({
            "candidate": format!("{name}@{runtime}"), "agent": name, "what": what, "turns": turns, "repeats": repeats,
        });
        let event = NewEvent::new("trajectory.repeated", cx.run(), context.path(), &body);
        let journal = Arc::clone(&self.parts.journal);
        // The run may be over when this is written, and its caller gone.
        let cx = Cx::housekeeping(context.now(), RECORD_WITHIN);
        context.jot(&cx, async move {
            if let Err(error) = journal.append(vec![event], Durability::Behind).await {
                tracing::error!(%error, "a loop could not be recorded");
            }
        });
    }

    fn show(&mut self, context: &Context<Message>) {
        (self.view.working, self.view.waiting) = (self.line.inside(), self.line.waiting());
        self.view.facts = self.recollection.as_ref().map(Recollection::len);
        context.publish(&self.view);
    }
}

/// An event that cannot be queued for the journal within this time is a fault worth a log line.
const RECORD_WITHIN: Duration = Duration::from_secs(10);

/// News that may wait between a runtime and a slow reader before the generation waits too.
const NEWS_WAITING: usize = 64;

/// What became of the news of one generation.
struct Forwarded {
    /// When the first text came.
    first: Option<Instant>,
    /// The length of the text when it was more than anybody is given; then there was more to come.
    beyond: Option<usize>,
}

/// Passes news on until they end or their text is longer than anybody is given. A reader that is slow holds nothing up:
/// what it has not read waits here, and is bounded by that limit. One that left stops nothing.
async fn forward(
    mut seen: mpsc::Receiver<Delta>,
    out: mpsc::Sender<Delta>,
    limit: usize,
    now: impl Fn() -> Instant,
) -> Forwarded {
    let (mut first, mut bytes, mut waiting) = (None, 0_usize, None);
    loop {
        let delta = tokio::select! {
            biased;
            room = out.reserve(), if waiting.is_some() => {
                let next = waiting.take();
                // There is none where nobody reads any more.
                if let (Ok(room), Some(next)) = (room, next) {
                    room.send(next);
                }
                continue;
            }
            delta = seen.recv() => delta,
        };
        let Some(delta) = delta else { break };
        if let Delta::Text { text } = &delta {
            first = first.or_else(|| Some(now()));
            bytes += text.len();
            if bytes > limit {
                return Forwarded { first, beyond: Some(bytes) };
            }
        }
        waiting = after(waiting, delta);
    }
    if let Some(last) = waiting {
        let _ = out.send(last).await;
    }
    Forwarded { first, beyond: None }
}

/// What waits once this came, too: text goes on with text, and how far the prompt was read is of no use beside it.
fn after(waiting: Option<Delta>, delta: Delta) -> Option<Delta> {
    match (waiting, delta) {
        (Some(Delta::Text { text: before }), Delta::Text { text }) => Some(Delta::Text { text: before + &text }),
        (Some(before @ Delta::Text { .. }), Delta::Reading { .. }) => Some(before),
        (_, delta) => Some(delta),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn job_error(error: JobError) -> Error {
    use crate::supervision::Failure;
    match error {
        JobError::TimedOut => Error::Delivery(Failure::TimedOut),
        JobError::Cancelled => Error::Delivery(Failure::Cancelled),
        JobError::TooMany(_) => Error::Delivery(Failure::Busy),
        JobError::Panicked(reason) => Error::Code(format!("panicked: {reason}")),
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        if self.profile.remembers {
            let Parts { journal, embedder, memory, .. } = &self.parts;
            let loaded = Recollection::load(journal, &self.profile.name, embedder.name(), *memory).await?;
            self.recollection = Some(loaded);
        }
        self.show(context);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Work(mut work) => {
                // AG4: an agent that asks itself, through whomever, would in the end wait for its own places.
                work.cx = work.cx.on_the_way_of(&context.holding(&envelope.cx));
                self.arrive(work, context);
            }
            Message::Embedded { ticket, vectors } => self.recollect(ticket, vectors, context),
            Message::Stored { ticket, learned } => self.stored(ticket, learned, context),
            Message::Answered { ticket, result, first_token_us } => {
                self.answered(ticket, result, first_token_us, context);
            }
            Message::Called { ticket, results } => {
                let Some(active) = self.active.get_mut(&ticket) else { return Ok(()) };
                let step = results.and_then(|results| active.turns.called(results));
                self.take(ticket, step, context);
            }
            Message::Worked { ticket, result } => self.finish(ticket, result, context),
        }
        self.show(context);
        Ok(())
    }
}
