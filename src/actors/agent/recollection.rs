//! An agent's memory between the journal and the prompt.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::memory::{Change, Config, Delta, Memory, Op, Recalled, Statement, extract};
use crate::store::{self, Event, Journal, NewEvent, Projection, Rows};
use crate::types::{Cx, Place, World};

/// Kind of the events a memory is made of.
pub(super) const DELTA: &str = "memory.delta";

/// How sure a statement is that somebody asked to be remembered, and one that was only made in passing.
const SURE_ASKED: f32 = 1.0;
const SURE_SAID: f32 = 0.7;

/// Body of a [`DELTA`] event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Body {
    /// Whose memory.
    pub(super) agent: String,
    /// What changed in it.
    pub(super) delta: Delta,
}

/// Keeps every delta of every agent under the agent's name, in order, so that one agent's memory can be read without
/// reading the journal.
pub struct MemoryProjection;

impl MemoryProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "memory";
}

impl Projection for MemoryProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        if event.kind != DELTA {
            return Vec::new();
        }
        // Twenty digits hold every sequence number, so the keys sort as the events do.
        event.body.parse::<Body>().map(|body| format!("{}/{:020}", body.agent, event.seq)).into_iter().collect()
    }

    fn fold(&self, _key: &str, _row: Option<Value>, event: &Event) -> Option<Value> {
        event.body.value().get_mut("delta").map(Value::take)
    }
}

/// What an agent remembers.
pub(super) struct Recollection {
    agent: String,
    embedder: String,
    config: Config,
    memory: Memory,
}

/// What one assignment taught.
pub(super) struct Learned(Vec<Body>);

impl Learned {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn events(&self, cx: &Cx, source: &str) -> Vec<NewEvent> {
        self.0.iter().map(|body| NewEvent::new(DELTA, cx.run(), source, body)).collect()
    }

    pub(super) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|body| body.delta.text.clone()).collect()
    }
}

impl Recollection {
    /// Everything that is embedded for one assignment: what was said, then each statement in it.
    pub(super) fn texts(said: &str) -> Vec<String> {
        let mut texts = vec![said.to_owned()];
        texts.extend(extract(said).into_iter().map(|statement| statement.text));
        texts
    }

    /// The memory as the journal has it.
    pub(super) async fn load(
        journal: &Arc<dyn Journal>,
        agent: &str,
        embedder: &str,
        config: Config,
    ) -> Result<Recollection, store::Error> {
        let mut memory = Memory::new(config);
        let prefix = format!("{agent}/");
        let mut rows = Rows::under(&**journal, MemoryProjection::NAME, &prefix);
        while let Some(page) = rows.page().await? {
            for (_, row) in page {
                if let Ok(delta) = serde_json::from_value::<Delta>(row) {
                    memory.apply(&delta);
                }
            }
        }
        let (agent, embedder) = (agent.to_owned(), embedder.to_owned());
        Ok(Recollection { agent, embedder, config, memory })
    }

    /// The facts that fit what was said, best first, and only those that may go to this place: a fact that
    /// was told in private is no less private when it fits a public question.
    pub(super) fn recall(&self, said: &str, vectors: &[Vec<f32>], most: usize, place: &Place) -> Vec<Recalled> {
        let vector = vectors.first().map(Vec::as_slice).unwrap_or_default();
        let recalled = self.memory.recall(said, vector, &self.embedder, self.config.max_facts);
        recalled.into_iter().filter(|fact| fact.label().check(place).is_ok()).take(most).collect()
    }

    /// Every fact that fits a question, best first, wherever it may go: who asks looks at that.
    pub(super) fn all(&self, asked: &str, vector: &[f32]) -> Vec<Recalled> {
        self.memory.recall(asked, vector, &self.embedder, self.config.max_facts)
    }

    /// What one more change does.
    pub(super) fn apply_one(&mut self, delta: &Delta) -> Change {
        self.memory.apply(delta)
    }

    /// What is new in what was said. `vectors` are those of [`Recollection::texts`].
    pub(super) fn learn(&self, said: &str, vectors: &[Vec<f32>], cx: &Cx, world: &World) -> Learned {
        let statements = extract(said).into_iter().zip(vectors.iter().skip(1));
        let deltas = statements.enumerate().map(|(number, (statement, vector))| {
            let Statement { text, subject, explicit } = statement;
            let run = cx.run().map(|run| run.to_string());
            Delta {
                id: format!("{}-{number}", run.clone().unwrap_or_else(|| world.random.next().to_string())),
                op: Op::Assert,
                text,
                subject,
                source: run,
                confidence: if explicit { SURE_ASKED } else { SURE_SAID },
                embedder: self.embedder.clone(),
                vector: vector.clone(),
                at: world.clock.wall(),
                privacy: cx.privacy(),
                residency: cx.label().residency,
            }
        });
        let kept = deltas.filter(|delta| delta.check(&self.config).is_ok());
        Learned(kept.map(|delta| Body { agent: self.agent.clone(), delta }).collect())
    }

    /// Takes over what the journal has.
    pub(super) fn apply(&mut self, learned: Learned) {
        for body in learned.0 {
            self.memory.apply(&body.delta);
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.memory.facts().len() as u64
    }
}
