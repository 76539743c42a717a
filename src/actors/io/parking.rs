//! Runs that wait for people: when they are parked, and what becomes of them once people have decided.
//!
//! What a parked run needs to go on lies in the payload of its item, so that it goes on after any restart, even when its
//! own events have left the journal.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;

use super::handle::Error;
use super::message::Arrival;
use super::pipeline::Pipeline;
use super::projection::{RunRow, RunStatus, RunsProjection};
use super::record::{Filed, Parked, Recorder, Resumed, kind};
use super::{Answer, Document, Progress, Task};
use crate::actors::inbox::{self, Opening};
use crate::store::Durability;
use crate::types::planted::{Bug, planted};
use crate::types::{Budget, Class, Cx, Money, Principal, PrivacyClass, TraceId};
use crate::ziggy::review::{self, Condition, Item, ItemStatus, Need, Stage, Verdict};
use crate::ziggy::route::{Capability, Feedback};
use crate::ziggy::{Classification, Intent, Millionths};

/// What came of the work on a run.
pub(super) enum Fate {
    /// An answer that may be given.
    Answered(Box<Answer>),
    /// It has to wait for people.
    Held(Box<Held>),
}

impl Fate {
    /// The answer. Who has already written down how the run ended has nothing to wait for.
    pub(super) fn answered(self) -> Result<Answer, Error> {
        match self {
            Fate::Answered(answer) => Ok(*answer),
            Fate::Held(_) => Err(Error::Cancelled),
        }
    }
}

/// A run that has to wait, and why.
pub(super) struct Held {
    pub(super) need: Need,
    pub(super) answer: Option<Answer>,
    /// What the nearest candidate would have to be allowed to spend.
    pub(super) needed: Option<Budget>,
    /// What it may still take.
    pub(super) left: Budget,
    /// How private the task has turned out to be, and what it was taken for.
    pub(super) class: Classification,
}

/// What people have decided about a run before it began to work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// It may be worked on.
    pub(super) before: bool,
    /// Items of it so far.
    items: u32,
}

/// What an item of a run is about: what people see, and what the run goes on with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Payload {
    /// What was asked for, without the documents.
    task: Task,
    /// The documents; long ones by their payload.
    documents: Vec<Filed>,
    /// The answer that is withheld, or the one a person may give where nobody else can.
    answer: String,
    /// What else helps to decide.
    facts: Facts,
    /// The rest of that answer, and who asked: what the run goes on with.
    resume: Resume,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Facts {
    asked_by: String,
    intent: Intent,
    privacy: PrivacyClass,
    served_by: Vec<String>,
    cost: Money,
    budget: Budget,
    /// The budget that an approval gives, if it was the budget that stood in the way.
    approval_gives: Option<Budget>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Resume {
    principal: Principal,
    trace: String,
    budget: Budget,
    needed: Option<Budget>,
    class: Classification,
    answer: Option<Answer>,
}

/// Time to write down that a run waits, after its own time was up.
const GRACE: Duration = Duration::from_secs(10);

/// Who stands for the one who answered where no candidate could.
const HUMAN: &str = "human";

impl Pipeline {
    /// A context for what is done for a run beside its own deadline and cancellation.
    fn grace(&self) -> Cx {
        Cx::housekeeping(self.world.clock.now(), GRACE)
    }

    /// Parks a run: its item and its own event are on disk when this returns. The caller has the right to write down how
    /// the run ends, so nobody else does meanwhile.
    pub(super) async fn park(&self, held: Held, arrival: &Arrival, source: &str) -> Result<Answer, Error> {
        match self.opened(held, arrival, source).await {
            Ok(item) => {
                // Whoever gave the run up while it was being parked was told that it stops.
                if arrival.cx.is_cancelled() {
                    let _ = self.parts.inbox.cancel(&self.grace(), arrival.run).await;
                }
                let (run_id, reason, until) = (arrival.run, item.asks(), item.deadline);
                let progress = Progress::Parked { item: item.id.clone(), reason: reason.clone(), until };
                let _ = arrival.news.try_send(progress);
                Err(Error::Parked(Box::new(super::Waiting { run_id, item: item.id, reason, until })))
            }
            Err(error) => {
                self.record_ending(arrival.run, source, &Err(error.clone())).await?;
                Err(error)
            }
        }
    }

    async fn opened(&self, held: Held, arrival: &Arrival, source: &str) -> Result<Item, Error> {
        let Held { need, answer, needed, left, class } = held;
        let Arrival { run, cx, task, passed, .. } = arrival;
        let record = self.recorder(*run, source);
        let documents = record.filed(&task.documents).await?;
        // What was found in the task stays with it, whatever people change.
        let task = Task { documents: Vec::new(), privacy: task.privacy.max(class.privacy), ..task.clone() };
        let nobody = need.stage == Stage::Before && need.reasons.iter().any(is_nobody);
        let editable = match need.stage {
            Stage::After => vec!["/answer".to_owned()],
            Stage::Before if nobody => vec!["/answer".to_owned(), "/task/prompt".to_owned()],
            Stage::Before => vec!["/task/prompt".to_owned()],
        };
        let (asked_by, served_by) =
            (cx.principal().name.clone(), answer.as_ref().map(|answer| answer.served_by.clone()));
        let facts = Facts {
            asked_by,
            intent: class.intent,
            privacy: class.privacy,
            served_by: served_by.unwrap_or_default(),
            cost: answer.as_ref().map_or(Money::ZERO, |answer| answer.cost),
            budget: left,
            approval_gives: needed,
        };
        let text = answer.as_ref().map(|answer| answer.answer.clone()).unwrap_or_default();
        let answer = answer.map(|answer| Answer { answer: String::new(), ..answer });
        let (principal, trace) = (cx.principal().clone(), cx.trace().to_string());
        let resume = Resume { principal, trace, budget: left, needed, class, answer };
        let payload = json!(Payload { task, documents, answer: text, facts, resume });
        let id = format!("{run}-{}", passed.items + 1);
        let opening = Opening { id, run: *run, need, payload, editable };
        let parked = |item: &Item| {
            let (stage, until, words) = (item.stage, item.deadline, item.asks());
            vec![record.event(kind::PARKED, &Parked { item: item.id.clone(), stage, until, words })]
        };
        Ok(self.parts.inbox.open(&self.grace(), opening, parked).await?)
    }

    /// Acts on a closed item, once: what follows from it for its run is on disk when this returns, together with the word
    /// that it is settled. Returns the run if it is to be worked on.
    pub(super) async fn settle(&self, item: &Item, source: &str) -> Result<Option<Box<Arrival>>, Error> {
        let journal = &self.parts.journal;
        journal.flush().await?;
        // A life before this one may have died after it had written all of this and before it said so.
        if self.parts.inbox.item(&item.id).await?.settled {
            return Ok(None);
        }
        let row = journal.row(RunsProjection::NAME, &item.run.to_string()).await?;
        let row = row.and_then(|row| serde_json::from_value::<RunRow>(row).ok());
        let waits = row.is_some_and(|row| row.status == RunStatus::Parked);
        let record = self.recorder(item.run, source);
        let mut events = vec![inbox::settled(item, source)];
        if planted(Bug::SettledTwice) {
            events.push(inbox::settled(item, source));
        }
        let (mut label, mut arrival) = (None, None);
        if waits {
            match self.read(item).await {
                Ok(payload) => {
                    label = labelled(item, &payload, &|task, class| self.destination(task, class).capability);
                    events.extend(label.as_ref().map(|label| record.event(kind::FEEDBACK, &label.body())));
                    match self.follows(item, payload).await {
                        Ok(Next::Answer(answer)) => {
                            events.push(record.event(kind::RESUMED, &Resumed::of(item)));
                            events.extend(self.last_events(&record, &Ok(*answer)));
                        }
                        Ok(Next::Work(run)) => {
                            events.push(record.event(kind::RESUMED, &Resumed::of(item)));
                            arrival = Some(run);
                        }
                        Err(error) => events.extend(self.last_events(&record, &Err(error))),
                    }
                }
                // Nobody can go on with it, and waiting brings nothing back.
                Err(error) if error.class() == Class::Corrupt => {
                    events.extend(self.last_events(&record, &Err(error)));
                }
                Err(error) => return Err(error),
            }
        }
        journal.append(events, Durability::Durable).await?;
        if let Some(label) = label {
            label.learn(self, &self.grace());
        }
        Ok(arrival)
    }

    async fn read(&self, item: &Item) -> Result<Payload, Error> {
        let payload = self.parts.inbox.payload(item).await?;
        let lost = || Error::Review(inbox::Error::Lost(item.id.clone()));
        serde_json::from_value(payload).map_err(|_| lost())
    }

    /// What follows from a closed item for its run.
    async fn follows(&self, item: &Item, payload: Payload) -> Result<Next, Error> {
        let said = |verdict: &Verdict| {
            let comment = verdict.comment.as_ref().map_or(String::new(), |comment| format!(": {comment}"));
            format!("{} denied it (item {}){comment}", verdict.author, item.id)
        };
        match item.status {
            ItemStatus::Cancelled => return Err(Error::Cancelled),
            ItemStatus::Denied => {
                let denied = item.closer().map_or_else(|| format!("it was denied (item {})", item.id), said);
                return Err(Error::Denied(denied));
            }
            _ if !item.goes_on => {
                let at = item.deadline.rfc3339();
                return Err(Error::Denied(format!("nobody approved it until {at} (item {})", item.id)));
            }
            _ => {}
        }
        let Payload { task, documents, answer, resume, .. } = payload;
        match (item.stage, resume.answer) {
            (Stage::After, Some(mut rest)) => {
                // Which part came from where is known of the text as it was only.
                if item.edits.is_some() {
                    rest.citations.clear();
                }
                Ok(Next::Answer(Box::new(Answer { answer, ..rest })))
            }
            (Stage::Before, None) if !answer.is_empty() => {
                let by = item.closer().map_or(HUMAN.to_owned(), |verdict| format!("{HUMAN}:{}", verdict.author));
                Ok(Next::Answer(Box::new(by_hand(item, answer, by, &resume.class))))
            }
            (Stage::Before, None) => {
                let task = Task { documents: self.documents(item, documents).await?, ..task };
                self.check(&task)?;
                let budget = resume.needed.map_or(resume.budget, |needed| Budget {
                    money: resume.budget.money.max(needed.money),
                    tokens: resume.budget.tokens.max(needed.tokens),
                });
                let trace = u128::from_str_radix(&resume.trace, 16).map_or(Cx::HOUSEKEEPING, TraceId);
                let cx = Cx::new(
                    trace,
                    resume.principal,
                    self.world.clock.now() + Duration::from_secs(self.config().run_within_s),
                    budget,
                );
                let cx = self.bound(&cx, &task)?.with_run(item.run);
                let items = item.id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(1);
                let passed = Passed { before: true, items };
                // Nobody reads the news of a run whose caller was told that it waits.
                let (news, _) = mpsc::channel(1);
                Ok(Next::Work(Box::new(Arrival { run: item.run, cx, task, news, passed, _room: None })))
            }
            _ => Err(Error::Review(inbox::Error::Lost(item.id.clone()))),
        }
    }

    async fn documents(&self, item: &Item, filed: Vec<Filed>) -> Result<Vec<Document>, Error> {
        let mut documents = Vec::with_capacity(filed.len());
        for Filed { name, text, payload, .. } in filed {
            let lost = || Error::Review(inbox::Error::Lost(item.id.clone()));
            let text = match (text, payload) {
                (Some(text), _) => text,
                (None, Some(hash)) => {
                    let bytes = self.parts.journal.get_payload(hash).await?.ok_or_else(lost)?;
                    String::from_utf8(bytes).map_err(|_| lost())?
                }
                (None, None) => return Err(lost()),
            };
            documents.push(Document { name, text });
        }
        Ok(documents)
    }
}

/// What a decision does to its run.
enum Next {
    /// It has its answer.
    Answer(Box<Answer>),
    /// It is worked on.
    Work(Box<Arrival>),
}

/// An answer that a person gave where no candidate could.
fn by_hand(item: &Item, answer: String, by: String, class: &Classification) -> Answer {
    let waited = item.closed_at.map_or(0, |closed| closed.0.saturating_sub(item.opened_at.0));
    Answer {
        run_id: item.run,
        answer,
        served_by: vec![by],
        privacy: class.privacy,
        intent: class.intent,
        cost: Money::ZERO,
        usage: crate::inference::Usage::default(),
        recalled: Vec::new(),
        learned: Vec::new(),
        citations: Vec::new(),
        chunks: 1,
        steps: Vec::new(),
        took_us: u64::try_from(waited).unwrap_or(0),
    }
}

/// A verdict on a withheld answer, as a judgement of those who gave it.
struct Label {
    author: String,
    good: bool,
    comment: Option<String>,
    candidates: Vec<String>,
    capability: Capability,
}

/// The label of an item: only where somebody decided on an answer.
fn labelled(item: &Item, payload: &Payload, asked: &dyn Fn(&Task, &Classification) -> Capability) -> Option<Label> {
    let answer = payload.resume.answer.as_ref()?;
    let verdict = item.closer()?;
    Some(Label {
        author: verdict.author.clone(),
        good: item.status == ItemStatus::Approved,
        comment: verdict.comment.clone(),
        candidates: answer.served_by.clone(),
        capability: asked(&payload.task, &payload.resume.class),
    })
}

impl Label {
    /// As `/feedback` writes it down.
    fn body(&self) -> serde_json::Value {
        let quality = if self.good { 1.0 } else { 0.0 };
        json!({
            "principal": self.author, "quality": quality, "comment": self.comment, "candidates": self.candidates,
            "capability": self.capability,
        })
    }

    fn learn(self, pipeline: &Pipeline, cx: &Cx) {
        for candidate in self.candidates {
            let quality = if self.good { Millionths::ONE } else { Millionths::ZERO };
            let judged = Feedback::judged(&candidate, quality, Some(self.capability.clone()));
            pipeline.parts.router.observe(cx, judged);
        }
    }
}

fn is_nobody(reason: &review::Reason) -> bool {
    reason.conditions.iter().any(|condition| matches!(condition, Condition::Nobody { .. }))
}

impl Recorder {
    /// Documents as the journal has them. Long ones are on disk when this returns.
    pub(super) async fn filed(&self, documents: &[Document]) -> Result<Vec<Filed>, Error> {
        let mut filed = Vec::with_capacity(documents.len());
        let mut inline = 0;
        for Document { name, text } in documents {
            inline += text.len();
            let (name, bytes) = (name.clone(), text.len());
            filed.push(if inline <= super::record::INLINE_MOST {
                Filed { name, bytes, text: Some(text.clone()), payload: None }
            } else {
                let payload = self.journal.put_payload(text.clone().into_bytes()).await?;
                Filed { name, bytes, text: None, payload: Some(payload) }
            });
        }
        Ok(filed)
    }
}

impl Resumed {
    fn of(item: &Item) -> Resumed {
        let how = match (item.status, item.closer()) {
            (ItemStatus::Approved, Some(verdict)) => format!("{} approved it", verdict.author),
            _ => match &item.closed_by {
                Some(by) => format!("{by} ended its time, and its rule says that it goes on then"),
                None => "nobody decided in time, and its rule says that it goes on then".to_owned(),
            },
        };
        Resumed { item: item.id.clone(), words: how }
    }
}
