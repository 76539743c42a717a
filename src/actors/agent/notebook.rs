//! What agents keep on purpose: facts that they are told to remember, recall and forget by calling a tool, apart for each
//! tenant and each agent.
//!
//! A notebook is a memory like the one an agent has of what it was told, under a name of its own: what one tenant had
//! remembered is never recalled for another.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::recollection::{Body, DELTA, Recollection};
use crate::actors::executor::Tool;
use crate::inference::Embedder;
use crate::memory::{Change, Config, Delta, Op};
use crate::sandbox::Failure;
use crate::store::{Durability, Journal, NewEvent};
use crate::tds;
use crate::types::{Class, Cx, Hash, PrivacyClass, Residency, World};

/// Facts that are recalled if a caller does not say how many.
const FACTS_USUAL: usize = 5;

/// How sure a fact is that somebody asked to be kept.
const SURE: f32 = 1.0;

/// Where events of notebooks come from, for records.
const SOURCE: &str = "memory";

/// All notebooks.
#[derive(Clone)]
pub struct Notebooks {
    /// Where they are kept.
    pub journal: Arc<dyn Journal>,
    /// What makes facts comparable by their meaning.
    pub embedder: Arc<dyn Embedder>,
    /// The limits of each.
    pub config: Config,
    /// Time and chance.
    pub world: World,
}

#[derive(Deserialize)]
struct Remember {
    text: String,
    subject: Option<String>,
}

#[derive(Deserialize)]
struct Recall {
    question: String,
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct Forget {
    id: Option<String>,
    subject: Option<String>,
}

/// What the host adds.
#[derive(Deserialize)]
struct Added {
    agent: String,
    tenant: String,
    #[serde(default)]
    key: String,
}

impl Added {
    /// The name of the notebook. No tenant can be named so that it ends where an agent's name begins.
    fn owner(&self) -> String {
        format!("{}~{}", Hash::of(self.tenant.as_bytes()), Hash::of(self.agent.as_bytes()))
    }
}

fn read<T: DeserializeOwned>(envelope: &Value, part: &str) -> Result<T, Failure> {
    let wrong = |error: serde_json::Error| Failure::new(Class::Invalid, format!("the {part} does not fit: {error}"));
    serde_json::from_value(envelope[part].clone()).map_err(wrong)
}

impl Notebooks {
    /// The tool of this id with what it does, if it is one of these.
    pub fn tool(&self, described: tds::Tool) -> Option<Tool> {
        let own = self.clone();
        Some(match described.id.as_str() {
            "memory.remember" => Tool::failing(described, move |cx, envelope| {
                let own = own.clone();
                async move { own.remember(&cx, read(&envelope, "input")?, &read(&envelope, "host")?).await }
            }),
            "memory.recall" => Tool::failing(described, move |cx, envelope| {
                let own = own.clone();
                async move { own.recall(&cx, read(&envelope, "input")?, &read(&envelope, "host")?).await }
            }),
            "memory.forget" => Tool::failing(described, move |cx, envelope| {
                let own = own.clone();
                async move { own.forget(&cx, read(&envelope, "input")?, &read(&envelope, "host")?).await }
            }),
            _ => return None,
        })
    }

    async fn remember(&self, cx: &Cx, told: Remember, added: &Added) -> Result<Value, Failure> {
        let delta = Delta { text: told.text, subject: told.subject, ..self.delta(cx, added, Op::Assert) };
        if delta.text.trim().is_empty() {
            return Err(Failure::new(Class::Invalid, "could not remember an empty text"));
        }
        let vector = self.vector(cx, &delta.text).await?;
        let delta = Delta { vector, ..delta };
        delta.check(&self.config).map_err(|wrong| Failure::new(wrong.class(), wrong.to_string()))?;
        let own = delta.id.clone();
        let (id, change) = match self.write(cx, added, delta).await? {
            Change::Added => (own, "added"),
            Change::Superseded { .. } => (own, "superseded"),
            Change::Repeated { id } => (id, "repeated"),
            // It was written down before, and its answer was lost on the way.
            Change::Known => (own, "repeated"),
            Change::Refused { reason } => return Err(Failure::new(reason.class(), reason.to_string())),
            Change::Retracted { .. } => return Err(Failure::new(Class::Internal, "it was forgotten instead")),
        };
        Ok(json!({ "id": id, "change": change }))
    }

    async fn recall(&self, cx: &Cx, asked: Recall, added: &Added) -> Result<Value, Failure> {
        let vector = self.vector(cx, &asked.question).await?;
        let book = self.open(added).await?;
        let may = |class: PrivacyClass, residency: &Residency| {
            class <= cx.privacy() && (residency.is_anywhere() || *residency == cx.label().residency)
        };
        let found = book.all(&asked.question, &vector);
        let found = found.into_iter().filter(|fact| may(fact.privacy, &fact.residency));
        let facts = found.take(asked.limit.unwrap_or(FACTS_USUAL));
        let facts: Vec<Value> =
            facts.map(|fact| json!({ "id": fact.id, "text": fact.text, "at": fact.at.rfc3339() })).collect();
        Ok(json!({ "facts": facts }))
    }

    async fn forget(&self, cx: &Cx, wanted: Forget, added: &Added) -> Result<Value, Failure> {
        let delta = self.delta(cx, added, Op::Retract);
        let delta = match (wanted.id, wanted.subject) {
            (Some(id), None) => Delta { text: id, ..delta },
            (None, Some(subject)) => Delta { subject: Some(subject), ..delta },
            _ => return Err(Failure::new(Class::Invalid, "either id or subject says what is to be forgotten")),
        };
        match self.write(cx, added, delta).await? {
            Change::Retracted { ids } => Ok(json!({ "forgotten": ids.len() })),
            Change::Known => Ok(json!({ "forgotten": 0 })),
            Change::Refused { reason } => Err(Failure::new(reason.class(), reason.to_string())),
            other => Err(Failure::new(Class::Internal, format!("it was not forgotten: {other:?}"))),
        }
    }

    /// A change that says nothing yet. Its id is made of the call's key, so that one call changes something once.
    fn delta(&self, cx: &Cx, added: &Added, op: Op) -> Delta {
        let key = if added.key.is_empty() { self.world.random.next().to_string() } else { added.key.clone() };
        Delta {
            id: Hash::of(key.as_bytes()).to_string(),
            op,
            text: String::new(),
            subject: None,
            source: cx.run().map(|run| run.to_string()),
            confidence: SURE,
            embedder: self.embedder.name().to_owned(),
            vector: Vec::new(),
            at: self.world.clock.wall(),
            privacy: cx.privacy(),
            residency: cx.label().residency,
        }
    }

    async fn vector(&self, cx: &Cx, text: &str) -> Result<Vec<f32>, Failure> {
        let made = self.embedder.embed(cx, vec![text.to_owned()]).await;
        let made = made.map_err(|error| Failure::new(error.class(), format!("could not embed the text: {error}")))?;
        Ok(made.into_iter().next().unwrap_or_default())
    }

    async fn open(&self, added: &Added) -> Result<Recollection, Failure> {
        let opened = Recollection::load(&self.journal, &added.owner(), self.embedder.name(), self.config).await;
        opened.map_err(|error| Failure::new(error.class(), format!("could not read the memory: {error}")))
    }

    /// Writes a change down if it changes anything, and says what it did.
    async fn write(&self, cx: &Cx, added: &Added, delta: Delta) -> Result<Change, Failure> {
        let change = self.open(added).await?.apply_one(&delta);
        let nothing = match &change {
            Change::Known | Change::Refused { .. } => true,
            Change::Retracted { ids } => ids.is_empty(),
            Change::Added | Change::Repeated { .. } | Change::Superseded { .. } => false,
        };
        if !nothing {
            let event = NewEvent::new(DELTA, cx.run(), SOURCE, &Body { agent: added.owner(), delta });
            let written = self.journal.append(vec![event], Durability::Durable).await;
            written.map_err(|error| Failure::new(error.class(), format!("could not write the memory: {error}")))?;
        }
        Ok(change)
    }
}
