//! Long-term memory as a fold of what was told: facts, their sources, and the way back to them by words and by meaning.
//!
//! What it is for: an agent that remembers over restarts. `extract` finds what a user wants remembered, a [`Delta`] is
//! journaled for it, [`Memory`] is the fold of all deltas in order, [`Memory::recall`] finds the facts for a question.
//! What it owns: nothing; the journal has the deltas, and any reader can fold them again.
//! What it never does: embed, read a clock, or change a delta. Forgetting is another delta.
//!
//! Invariants:
//! - ME1: the same deltas in the same order give the same memory, and a delta that comes again at once
//!   (within the last thousand) changes nothing.
//! - ME2: no two facts say the same in the same words, and no subject has two values.
//! - ME3: vectors are only compared when the same embedder made them and they are as long.
//! - ME4: a question that shares neither a telling word nor a near meaning with any fact recalls nothing.
//! - ME5: at most [`Config::max_facts`] facts are kept; the oldest goes first.

mod delta;
mod extract;
mod recall;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::types::{PrivacyClass, Residency, Timestamp};

pub use delta::{Delta, Invalid, Op};
pub use extract::{Statement, extract};
pub use recall::Recalled;

/// The limits of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Facts kept at the most. The oldest goes when one more comes.
    pub max_facts: usize,
    /// Numbers in a vector at the most; a longer one is refused.
    pub max_dimensions: usize,
    /// Bytes of a fact at the most; a longer one is refused.
    pub max_text_bytes: usize,
    /// Cosine, 0 to 1, above which two statements are the same fact in other words.
    pub same_above: f32,
    /// Cosine, 0 to 1, from which on a fact that shares no word with a question may still answer it.
    pub relevant_from: f32,
}

/// Something that is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The delta that asserted it.
    pub id: String,
    /// The fact in the words it was told.
    pub text: String,
    /// What it is about, if that is known: a newer statement on the same subject replaces it.
    pub subject: Option<String>,
    /// The run in which it was told.
    pub source: Option<String>,
    /// How sure it is, 0 to 1.
    pub confidence: f32,
    /// Who made the vector.
    pub embedder: String,
    /// Its meaning, scaled to length one; empty if nobody embedded it.
    pub vector: Vec<f32>,
    /// When it was told.
    pub at: Timestamp,
    /// How private it is: the highest class it was ever told in.
    pub privacy: PrivacyClass,
    /// Where it may be: what every telling of it allowed.
    pub residency: Residency,
    /// How often it was told again.
    pub repeated: u32,
    /// Its words as they are searched.
    terms: BTreeMap<String, u32>,
}

impl Fact {
    fn about_the_same(&self, other: &Fact) -> bool {
        self.subject.is_some() && self.subject == other.subject
    }
}

/// What a delta did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A new fact.
    Added,
    /// It was known; the newer words and time were kept.
    Repeated {
        /// The fact that said it first.
        id: String,
    },
    /// It took the place of an older value of its subject.
    Superseded {
        /// The fact that is gone.
        id: String,
    },
    /// Facts were removed.
    Retracted {
        /// Which ones; none if nothing matched.
        ids: Vec<String>,
    },
    /// The delta was applied before.
    Known,
    /// The delta breaks a limit and changes nothing.
    Refused {
        /// Which one.
        reason: Invalid,
    },
}

/// Everything that is remembered, as the fold of the deltas so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    config: Config,
    /// In the order in which they were last told.
    facts: Vec<Fact>,
    /// Ids of the latest deltas, oldest first, to know one that comes again.
    applied: VecDeque<String>,
}

/// How many ids of deltas are kept to know a replay. A reader that starts again overlaps by one batch of the journal,
/// which is far smaller.
const REPLAY_WINDOW: usize = 1_024;

impl Memory {
    /// A memory that knows nothing yet.
    pub fn new(config: Config) -> Memory {
        Memory { config, facts: Vec::new(), applied: VecDeque::new() }
    }

    /// The memory after these deltas, in order.
    pub fn of<'a>(config: Config, deltas: impl IntoIterator<Item = &'a Delta>) -> Memory {
        let mut memory = Memory::new(config);
        for delta in deltas {
            memory.apply(delta);
        }
        memory
    }

    /// Everything that is remembered, the latest told last.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Folds one more delta in and says what it did.
    pub fn apply(&mut self, delta: &Delta) -> Change {
        if let Err(reason) = delta.check(&self.config) {
            return Change::Refused { reason };
        }
        if self.applied.contains(&delta.id) {
            return Change::Known;
        }
        if self.applied.len() >= REPLAY_WINDOW {
            self.applied.pop_front();
        }
        self.applied.push_back(delta.id.clone());
        match delta.op {
            Op::Assert => self.assert(delta),
            Op::Retract => self.retract(delta),
        }
    }

    fn assert(&mut self, delta: &Delta) -> Change {
        let mut fact = Fact {
            id: delta.id.clone(),
            text: delta.text.clone(),
            subject: delta.subject.as_deref().map(words::normalised),
            source: delta.source.clone(),
            confidence: delta.confidence.clamp(0.0, 1.0),
            embedder: delta.embedder.clone(),
            vector: words::unit(&delta.vector),
            at: delta.at,
            privacy: delta.privacy,
            residency: delta.residency.clone(),
            repeated: 0,
            terms: words::terms(&delta.text),
        };
        let told = std::mem::take(&mut self.facts);
        let (gone, kept): (Vec<Fact>, Vec<Fact>) =
            told.into_iter().partition(|known| self.same(known, &fact) || known.about_the_same(&fact));
        self.facts = kept;
        let superseded = gone.iter().find(|known| !self.same(known, &fact));
        let change = match (superseded, gone.first()) {
            (Some(older), _) => Change::Superseded { id: older.id.clone() },
            (None, Some(known)) => {
                fact.repeated = known.repeated.saturating_add(1);
                fact.privacy = fact.privacy.max(known.privacy);
                fact.residency = fact.residency.and(&known.residency);
                fact.subject = fact.subject.or_else(|| known.subject.clone());
                fact.id = known.id.clone();
                Change::Repeated { id: known.id.clone() }
            }
            (None, None) => Change::Added,
        };
        self.facts.push(fact);
        let surplus = self.facts.len().saturating_sub(self.config.max_facts.max(1));
        self.facts.drain(..surplus);
        change
    }

    /// Removes the fact of this id, the facts on this subject, or else the facts that say the same.
    fn retract(&mut self, delta: &Delta) -> Change {
        let subject = delta.subject.as_deref().map(words::normalised);
        let probe = (words::normalised(&delta.text), words::unit(&delta.vector));
        let same_above = self.config.same_above;
        let (gone, kept): (Vec<Fact>, Vec<Fact>) =
            std::mem::take(&mut self.facts).into_iter().partition(|fact| match &subject {
                Some(_) => fact.subject == subject,
                None => {
                    fact.id == delta.text
                        || words::normalised(&fact.text) == probe.0
                        || fact.embedder == delta.embedder
                            && words::cosine(&fact.vector, &probe.1).is_some_and(|cosine| cosine > same_above)
                }
            });
        self.facts = kept;
        Change::Retracted { ids: gone.into_iter().map(|fact| fact.id).collect() }
    }

    /// Whether two facts say the same: in the same words, or nearly the same vector with the same names and numbers.
    fn same(&self, one: &Fact, other: &Fact) -> bool {
        if words::normalised(&one.text) == words::normalised(&other.text) {
            return true;
        }
        let apart = one.subject.is_some() && other.subject.is_some() && one.subject != other.subject;
        let near = !apart
            && one.embedder == other.embedder
            && words::cosine(&one.vector, &other.vector).is_some_and(|cosine| cosine > self.config.same_above);
        // A vector hardly sees that one name or number differs, which may be all that matters.
        near && words::details(&one.text) == words::details(&other.text)
    }
}
