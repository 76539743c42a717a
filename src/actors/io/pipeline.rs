//! One run, from task to answer: what Ziggy decides, carried out in order and written down on the way.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing::Instrument;

use super::admission::{Missed, verdict};
use super::budget::{Place, bounded};
use super::fault;
use super::handle::{Error, Parts};
use super::hedge::Attempt;
use super::ladder::{Rungs, Taken};
use super::message::Arrival;
use super::parking::{Fate, Passed};
use super::prompt::{quoted, whole};
use super::purse::{Purse, Share};
use super::record::{Admitted, Failed, Hop, Recorder, Served, interrupted, kind};
use super::refusal::refusal;
use super::state::Ending;
use super::trial;
use super::{Answer, Config, Progress, Task};
use crate::actors::agent::{self, Assignment, Outcome};
use crate::actors::crown::Hold;
use crate::inference::{Delta, Usage};
use crate::store::{Durability, NewEvent};
use crate::supervision::Failure;
use crate::telemetry;
use crate::types::planted::{Bug, planted};
use crate::types::{Class, Cx, Money, RunId, World, aside, some_of};
use crate::ziggy::classify::Input;
use crate::ziggy::route::{Candidate, Feedback};
use crate::ziggy::{Chunk, Classification, Part, assemble, chunk, classify, estimate_tokens};

/// Everything a run needs, shared by all of them.
pub(super) struct Pipeline {
    pub(super) parts: Parts,
    pub(super) rungs: Rungs,
    pub(super) config: Config,
    pub(super) world: World,
    /// Bytes that tasks under way may still have together.
    pub(super) room: Arc<Semaphore>,
}

/// One chunk on its way: what is asked, and the part of which document it is asked about.
pub(super) struct Piece {
    pub(super) index: usize,
    pub(super) prompt: String,
    pub(super) tokens: u64,
}

/// What came of one chunk.
pub(super) struct Done {
    pub(super) piece: usize,
    pub(super) candidate: String,
    pub(super) cost: Money,
    pub(super) outcome: Outcome,
    pub(super) steps: Vec<Taken>,
}

/// A run with what is known of it.
pub(super) struct Run<'a> {
    pub(super) cx: Cx,
    pub(super) task: &'a Task,
    pub(super) class: Classification,
    pub(super) record: Recorder,
    pub(super) news: mpsc::Sender<Progress>,
    /// What people have decided about it already.
    pub(super) passed: Passed,
    /// What it may still take.
    pub(super) purse: Arc<Purse>,
    /// Why nobody serves it, once a piece of it has come to the rung of people.
    pub(super) nobody: OnceLock<String>,
}

impl Pipeline {
    pub(super) fn new(parts: Parts, config: Config, world: World) -> Pipeline {
        let room = Arc::new(Semaphore::new(config.tasks_bytes_max.min(Semaphore::MAX_PERMITS)));
        Pipeline { parts, rungs: Rungs::default(), config, world, room }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Refuses what makes no sense, before anything is spent on it.
    pub(super) fn check(&self, task: &Task) -> Result<(), Error> {
        let bytes = task.bytes();
        let most = self.config.task_bytes_max;
        if bytes > most {
            let said = format!("it has {bytes} bytes, at most {most} are taken (io.task_bytes_max)");
            return Err(Error::TooLarge(said));
        }
        if task.prompt.trim().is_empty() {
            return Err(Error::Invalid("the prompt is empty".to_owned()));
        }
        let (bytes, most) = (task.prompt.len(), self.config.prompt_bytes_max);
        if bytes > most {
            return Err(Error::TooLarge(format!(
                "its prompt has {bytes} bytes, at most {most} are taken (io.prompt_bytes_max); pass the longer part as a \
                 document"
            )));
        }
        if task.max_tokens == Some(0) {
            return Err(Error::Invalid("max_tokens must be at least 1".to_owned()));
        }
        match &task.agent {
            Some(wanted) if !self.knows(wanted) => {
                let known = some_of(self.parts.agents.keys());
                Err(Error::Invalid(format!("there is no agent {wanted:?}; there are {known}")))
            }
            _ => Ok(()),
        }
    }

    fn knows(&self, wanted: &str) -> bool {
        self.parts.agents.contains_key(wanted) || self.parts.router.rib().candidates.contains_key(wanted)
    }

    pub(super) fn recorder(&self, run: RunId, source: &str) -> Recorder {
        Recorder { journal: Arc::clone(&self.parts.journal), run, source: source.to_owned() }
    }

    /// IO2: the task is on disk when this returns.
    pub(super) async fn store_accepted(&self, arrival: &Arrival, source: &str) -> Result<(), Error> {
        let event = self.recorder(arrival.run, source).accepted(&arrival.cx, &arrival.task).await?;
        let early = planted(Bug::AcknowledgedTooSoon);
        let durability = if early { Durability::Behind } else { Durability::Durable };
        self.parts.journal.append(vec![event], durability).await?;
        Ok(())
    }

    /// Writes down how a run ended; on disk when this returns, if the config says so.
    pub(super) async fn record_ending(
        &self,
        run: RunId,
        source: &str,
        result: &Result<Answer, Error>,
    ) -> Result<(), Error> {
        let record = self.recorder(run, source);
        let durability = if self.config.durable_answers { Durability::Durable } else { Durability::Behind };
        let appended = self.parts.journal.append(self.last_events(&record, result), durability).await;
        appended.map(drop).map_err(|error| {
            tracing::error!(%run, %error, "the end of a run could not be recorded");
            Error::Journal(error)
        })
    }

    /// Writes down that the host stops under these runs.
    pub(super) async fn interrupt(&self, runs: Vec<RunId>, source: &str) {
        let events: Vec<NewEvent> =
            runs.into_iter().map(|run| interrupted(run, source, "the host was stopped")).collect();
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.parts.journal.append(events, Durability::Durable).await {
            tracing::error!(%error, "interrupted runs could not be recorded; the next start will mark them");
        }
    }

    /// Does one run and writes down how it ended.
    pub(super) async fn run(
        &self,
        arrival: Arrival,
        source: String,
        recorded: bool,
        ending: Ending,
    ) -> Result<Answer, Error> {
        let (run, cx, began) = (arrival.run, arrival.cx.clone(), self.world.clock.now());
        if !recorded {
            // Before anything can end the run, so that no run ends that never began. Somebody who reads the news is
            // told the id next (IO2), so then it must be on disk.
            let told = if arrival.news.is_closed() { Durability::Behind } else { Durability::Durable };
            let event = self.recorder(run, &source).accepted(&cx, &arrival.task).await?;
            self.parts.journal.append(vec![event], told).await?;
        }
        let _ = arrival.news.try_send(Progress::Accepted { run_id: run });
        let span = telemetry::span_for(&cx, "run");
        let fate = tokio::select! {
            biased;
            // Whoever waits may give up at the deadline a moment before this does; that is still the deadline.
            () = cx.cancelled() => Err(if self.world.clock.now() >= cx.deadline() {
                Error::Delivery(Failure::TimedOut)
            } else {
                Error::Cancelled
            }),
            fate = self.answer(&arrival, &source, began).instrument(span) => fate,
            () = tokio::time::sleep_until(cx.deadline()) => Err(Error::Delivery(Failure::TimedOut)),
        };
        let result = match fate {
            Ok(Fate::Held(held)) if ending.claim() => return self.park(*held, &arrival, &source).await,
            fate => fate.and_then(Fate::answered),
        };
        if ending.claim() {
            if planted(Bug::EndsTwice) {
                self.record_ending(run, &source, &result).await?;
            }
            // An answer that is nowhere on the record is not given.
            self.record_ending(run, &source, &result).await?;
        }
        result
    }

    async fn answer(&self, arrival: &Arrival, source: &str, began: Instant) -> Result<Fate, Error> {
        let Arrival { run, cx, task, news, passed, .. } = arrival;
        let record = self.recorder(*run, source);
        let span = telemetry::span_for(cx, "classify");
        let class = self.classify(cx, task).instrument(span).await?;
        let (pieces, chunks) = self.cut(task, &class)?;
        record.write(vec![record.event(kind::CLASSIFIED, &class), record.event(kind::CHUNKED, &chunks)]).await?;
        let (intent, privacy) = (class.intent, class.privacy);
        let _ = news.try_send(Progress::Classified { intent, privacy, chunks: pieces.len() });
        let cx = self.outfit(cx, &class);
        let (purse, nobody) = (Purse::new(cx.budget()), OnceLock::new());
        let run = Run { cx, task, class, record, news: news.clone(), passed: *passed, purse, nobody };
        if let Some(held) = self.review_before(&run, &pieces, *passed).await {
            return Ok(Fate::Held(Box::new(held)));
        }
        if let Some(error) = self.unaffordable(&run.cx, &pieces) {
            return Err(error);
        }
        let served = match self.serve_all(&run, pieces).await {
            Ok(served) => served,
            Err(error) => return self.review_nobody(&run).await.map(Box::new).map(Fate::Held).ok_or(error),
        };
        let answer = self.put_together(&run, served, began);
        let (bytes, most) = (answer.answer.len(), self.config.answer_bytes_max);
        if bytes > most {
            let advice = "ask for less, or about less";
            let reason =
                format!("the answer has {bytes} bytes, at most {most} are taken (io.answer_bytes_max); {advice}");
            return Err(Error::Refused { class: Class::Exhausted, reason });
        }
        Ok(self.review_after(&run, answer).await)
    }

    /// What a task is. Its intent is judged by the prompt's vector, its class by everything that goes with it.
    pub(super) async fn classify(&self, cx: &Cx, task: &Task) -> Result<Classification, Error> {
        let vectors = self.parts.embedder.embed(cx, vec![task.prompt.clone()]).await;
        let vector = match vectors {
            Ok(vectors) => vectors.into_iter().next(),
            Err(error) => {
                tracing::warn!(%error, "classifying by rules alone");
                None
            }
        };
        let comparable = self.parts.intents.embedder() == Some(self.parts.embedder.name());
        let vector = vector.filter(|_| comparable);
        let (text, said, caller_class) = (whole(task), task.prompt.clone(), task.privacy);
        let intents = Arc::clone(&self.parts.intents);
        let judge = move || {
            let input = Input { said: &said, text: &text, caller_class, embedding: vector.as_deref() };
            classify(&input, &intents)
        };
        let mut class = aside(task.bytes(), judge).await;
        self.parts.privacy.replace(cx.principal().tenant(), cx.privacy().max(task.privacy), &mut class);
        Ok(class)
    }

    /// Cuts only what does not fit: the prompt goes with every chunk of the documents.
    fn cut(&self, task: &Task, class: &Classification) -> Result<(Vec<Piece>, Vec<Chunk>), Error> {
        let limit = u64::from(self.parts.chunk.max_tokens);
        if task.documents.is_empty() || class.tokens <= limit {
            let piece = Piece { index: 0, prompt: whole(task), tokens: class.tokens };
            return Ok((vec![piece], Vec::new()));
        }
        let (mut pieces, mut all) = (Vec::new(), Vec::new());
        let asked = estimate_tokens(&task.prompt);
        for document in &task.documents {
            let chunks = chunk(&document.text, &self.parts.chunk);
            let count = chunks.len();
            for one in &chunks {
                let part = if count > 1 { format!(" (part {} of {count})", one.index + 1) } else { String::new() };
                let text = one.text(&document.text);
                let prompt = format!("{}\n\n{}", quoted(&format!("{}{part}", document.name), text), task.prompt);
                pieces.push(Piece { index: pieces.len(), prompt, tokens: one.tokens + asked });
            }
            all.extend(chunks);
        }
        if pieces.len() > self.config.chunks_most {
            let (count, most) = (pieces.len(), self.config.chunks_most);
            let said = format!("it would be worked on in {count} chunks, at most {most} are allowed (io.chunks_most)");
            return Err(Error::TooLarge(said));
        }
        Ok((pieces, all))
    }

    async fn serve_all(&self, run: &Run<'_>, pieces: Vec<Piece>) -> Result<Vec<Done>, Error> {
        let mut served = Vec::with_capacity(pieces.len());
        let mut working = stream::iter(pieces)
            .map(|piece| self.serve(run, piece))
            .buffer_unordered(self.config.chunks_at_once.max(1));
        while let Some(one) = working.next().await {
            served.push(one?);
        }
        served.sort_by_key(|one| one.piece);
        Ok(served)
    }

    /// Serves one chunk: down the ladder, from the winner on, until a candidate answers.
    async fn serve(&self, run: &Run<'_>, piece: Piece) -> Result<Done, Error> {
        let left = run.cx.with_budget(run.purse.left());
        let decision = self.decide(&left, run.task, &run.class, piece.size());
        let mut ladder = decision.ladder.clone();
        let hop = Hop { chunk: piece.index, decision };
        run.record.write(vec![run.record.event(kind::DECIDED, &hop)]).await?;
        if hop.decision.ladder.is_empty() {
            return Err(refusal(&hop.decision));
        }
        trial::first(&self.parts.crown, &run.record, &hop, &mut ladder).await?;
        self.climb(run, &piece, &hop.decision, &ladder).await
    }

    /// Sends a piece of work to one candidate, if it is admitted.
    pub(super) async fn hop(
        &self,
        run: &Run<'_>,
        piece: &Piece,
        id: &str,
        attempt: Attempt<'_>,
    ) -> Result<Done, Missed> {
        let rib = self.parts.router.rib();
        let known = rib.candidates.get(id);
        let (Some(candidate), Some(agent)) = (known, known.and_then(|known| self.parts.agents.get(&known.agent)))
        else {
            return Err(Missed::left(id));
        };
        let chunk = piece.index;
        let Place { admission, permit, hold, share } =
            self.take_place(run, piece, candidate, attempt.last_resort).await;
        let reserved = hold.as_ref().map(Hold::reservation);
        let admitted = Admitted { chunk, candidate: id.to_owned(), admission, reserved };
        self.write_admitted(run, &admitted).await?;
        let Some(permit) = permit else { return Err(self.not_admitted(admitted.admission)) };
        attempt.admitted();
        let _ = run.news.try_send(Progress::Hop { chunk, candidate: id.to_owned() });
        let span = telemetry::span_for(&run.cx, "hop");
        let result = self.work(run, piece, (candidate, agent), (share.as_ref(), attempt)).instrument(span).await;
        permit.settle(verdict(&result, self.world.clock.now() >= run.cx.deadline()));
        self.learn(run, candidate, &result);
        let (cost, spent) = self.charge(candidate, (hold, share), &result);
        match result {
            Ok(outcome) => {
                let served = Served { chunk, candidate: id.to_owned(), cost, outcome, spent };
                run.record.write(vec![run.served(&served, self)]).await?;
                let Served { candidate, cost, outcome, .. } = served;
                Ok(Done { piece: chunk, candidate, cost, outcome, steps: Vec::new() })
            }
            Err(error) => {
                let (class, reason) = (error.class(), error.to_string());
                let failed = Failed { chunk, candidate: id.to_owned(), class, reason, spent };
                run.record.write(vec![run.record.event(kind::FAILED, &failed)]).await?;
                Err(Missed::failed(id, &candidate.runtime, error))
            }
        }
    }

    async fn work(
        &self,
        run: &Run<'_>,
        piece: &Piece,
        (candidate, agent): (&Candidate, &agent::Handle),
        (share, attempt): (Option<&Share>, Attempt<'_>),
    ) -> Result<Outcome, agent::Error> {
        let (news, deltas) = mpsc::channel(DELTAS_WAITING);
        let assignment = Assignment {
            runtime: candidate.runtime.clone(),
            prompt: piece.prompt.clone(),
            said: run.task.prompt.clone(),
            max_tokens: Some(run.task.max_tokens.unwrap_or(self.config.answer_tokens)),
            news,
        };
        let cx = bounded(&run.cx, share);
        let shown = show(deltas, run.audience(self), piece.index, attempt);
        tokio::join!(agent.work(&cx, assignment), shown).0
    }

    /// Feeds back what became of a hop. A caller who left says nothing about the candidate.
    fn learn(&self, run: &Run<'_>, candidate: &Candidate, result: &Result<Outcome, agent::Error>) {
        let feedback = match result {
            Ok(outcome) => {
                let (first, out) = (outcome.first_token_us, outcome.usage.output_tokens);
                let after_first = first.map(|first| outcome.took_us.saturating_sub(first));
                Feedback {
                    candidate: candidate.id.clone(),
                    ok: true,
                    first_token_us: first,
                    per_token_us: after_first.filter(|_| out > 1).map(|rest| rest / (out - 1)),
                    tokens: outcome.usage.input_tokens.saturating_add(out),
                    ..Feedback::default()
                }
            }
            Err(error) if matches!(error.class(), Class::Cancelled | Class::Invalid | Class::Denied) => return,
            Err(error) => Feedback { candidate: candidate.id.clone(), fault: fault::of(error), ..Feedback::default() },
        };
        self.parts.router.observe(&run.cx, feedback);
    }

    /// The bug that is planted under this name: the time since the run's id was made, on a clock that may be set.
    fn by_the_wall(&self, run: &Run<'_>) -> Duration {
        let (now_ms, began_ms) = (self.world.clock.wall().0 / 1_000, run.record.run.pair().0 >> 16);
        Duration::from_millis(u64::try_from(now_ms).unwrap_or(0).saturating_sub(began_ms))
    }

    fn put_together(&self, run: &Run<'_>, served: Vec<Done>, began: Instant) -> Answer {
        let chunks = served.len();
        let (mut cost, mut usage, mut served_by) = (Money::ZERO, Usage::default(), Vec::new());
        let (mut recalled, mut learned, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        for one in &served {
            steps.extend_from_slice(&one.steps);
            cost += one.cost;
            usage += one.outcome.usage;
            if !served_by.contains(&one.candidate) {
                served_by.push(one.candidate.clone());
            }
            add_new(&mut recalled, &one.outcome.recalled);
            add_new(&mut learned, &one.outcome.learned);
        }
        let parts = served.into_iter().map(|one| Part { chunk: one.piece, text: one.outcome.text }).collect();
        let assembled = assemble(parts);
        let took = if planted(Bug::TookOnTheWall) { self.by_the_wall(run) } else { self.world.clock.now() - began };
        Answer {
            run_id: run.record.run,
            answer: assembled.text,
            served_by,
            privacy: run.class.privacy,
            intent: run.class.intent,
            cost,
            usage,
            recalled,
            learned,
            citations: assembled.citations,
            chunks,
            steps,
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// News of one agent that may wait for a slow reader.
const DELTAS_WAITING: usize = 64;

/// Passes an agent's news on under its chunk. When nobody reads any more, it only drains.
async fn show(mut deltas: mpsc::Receiver<Delta>, news: mpsc::Sender<Progress>, chunk: usize, attempt: Attempt<'_>) {
    while let Some(delta) = deltas.recv().await {
        let progress = match delta {
            Delta::Reading { tokens, total } => Progress::Reading { chunk, tokens, total },
            Delta::Text { .. } if !attempt.speaks() => continue,
            Delta::Text { text } => Progress::Text { chunk, text },
        };
        let _ = news.send(progress).await;
    }
}

/// Adds what is not there yet.
fn add_new(all: &mut Vec<String>, more: &[String]) {
    for one in more {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
}
