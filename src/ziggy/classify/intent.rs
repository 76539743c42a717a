//! Intents, and the examples that an embedding is compared with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::ziggy::route::Capability;

/// What a caller wants. From specific to general: of two that are as likely, the first is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// To be remembered: a fact about the caller, a note.
    Remember,
    /// To hear what was remembered.
    Recall,
    /// A text in another language.
    Translate,
    /// A shorter text.
    Summarise,
    /// Facts out of a text, as a list or a table.
    Extract,
    /// Programs: written, explained, corrected.
    Code,
    /// Steps towards a goal.
    Plan,
    /// A new text.
    Write,
    /// An answer.
    Question,
    /// Company.
    Chat,
}

impl Intent {
    /// Every intent, for tables and the tests that walk them.
    pub const ALL: [Intent; 10] = [
        Intent::Remember,
        Intent::Recall,
        Intent::Translate,
        Intent::Summarise,
        Intent::Extract,
        Intent::Code,
        Intent::Plan,
        Intent::Write,
        Intent::Question,
        Intent::Chat,
    ];

    /// The word used in config, JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Intent::Remember => "remember",
            Intent::Recall => "recall",
            Intent::Translate => "translate",
            Intent::Summarise => "summarise",
            Intent::Extract => "extract",
            Intent::Code => "code",
            Intent::Plan => "plan",
            Intent::Write => "write",
            Intent::Question => "question",
            Intent::Chat => "chat",
        }
    }

    /// What serving it takes: `memory` for both directions of remembering, `general` for talk, else its own word.
    pub fn capability(self) -> Capability {
        Capability::new(match self {
            Intent::Remember | Intent::Recall => "memory",
            Intent::Question | Intent::Chat => Capability::GENERAL,
            own => own.word(),
        })
    }
}

/// Examples of each intent, and their vectors once somebody computed them.
///
/// The examples come from `config/intents.toml`: one table `[intents]` with a list of texts per intent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentModel {
    intents: BTreeMap<Intent, Vec<String>>,
    #[serde(skip)]
    vectors: Option<Vectors>,
}

#[derive(Debug, Clone, PartialEq)]
struct Vectors {
    embedder: String,
    /// Unit vectors in the order of [`IntentModel::texts`].
    of_texts: Vec<(Intent, Vec<f32>)>,
}

/// Why vectors do not belong to a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// There are more or fewer vectors than examples.
    #[error("could not use the vectors: {vectors} were given for {texts} examples")]
    Count {
        /// How many vectors came.
        vectors: usize,
        /// How many examples there are.
        texts: usize,
    },
    /// Vectors differ in length, or are empty.
    #[error("could not use the vectors: they are empty or differ in length")]
    Length,
}

impl VectorError {
    /// The class this error belongs to: a bug of whoever computed the vectors.
    pub fn class(&self) -> crate::types::Class {
        crate::types::Class::Internal
    }
}

impl IntentModel {
    /// A model of these examples, without vectors.
    pub fn new(intents: BTreeMap<Intent, Vec<String>>) -> IntentModel {
        IntentModel { intents, vectors: None }
    }

    /// Every example, in the order in which vectors are expected.
    pub fn texts(&self) -> Vec<String> {
        self.intents.values().flatten().cloned().collect()
    }

    /// The same model with the vectors of [`IntentModel::texts`], by the embedder of this name.
    pub fn with_vectors(mut self, embedder: &str, vectors: Vec<Vec<f32>>) -> Result<IntentModel, VectorError> {
        let intents: Vec<Intent> =
            self.intents.iter().flat_map(|(intent, texts)| texts.iter().map(|_| *intent)).collect();
        if vectors.len() != intents.len() {
            return Err(VectorError::Count { vectors: vectors.len(), texts: intents.len() });
        }
        let length = vectors.first().map_or(0, Vec::len);
        if vectors.iter().any(|vector| vector.is_empty() || vector.len() != length) {
            return Err(VectorError::Length);
        }
        let of_texts = intents.into_iter().zip(vectors.into_iter().map(unit)).collect();
        self.vectors = Some(Vectors { embedder: embedder.to_owned(), of_texts });
        Ok(self)
    }

    /// The embedder whose vectors the model has; a text to classify has to be embedded by the same.
    pub fn embedder(&self) -> Option<&str> {
        self.vectors.as_ref().map(|vectors| vectors.embedder.as_str())
    }

    /// Which intents the vector speaks for, best first. Vectors of another length speak for none.
    pub(super) fn nearest(&self, vector: &[f32]) -> Vec<Reason> {
        // Examples that count: one alone may be near by accident, and eight would blur an intent with many faces.
        const NEAREST: usize = 3;
        // Cosine from which on nearness means something. Of pairs of examples of different intents 99 in 100 stay below
        // it with the static embedder of the defaults.
        const FLOOR: f32 = 0.3;
        // Points for a cosine of 1: as much as one clear phrase. Alone it decides; against a phrase it seldom does,
        // because a static embedding knows topics better than wishes.
        const FULL: f32 = 8.0;
        // More than the best two intents only dilute the confidence.
        const INTENTS: usize = 2;
        let Some(vectors) = &self.vectors else { return Vec::new() };
        let vector = unit(vector.to_vec());
        let mut cosines: BTreeMap<Intent, Vec<f32>> = BTreeMap::new();
        for (intent, example) in vectors.of_texts.iter().filter(|(_, example)| example.len() == vector.len()) {
            cosines.entry(*intent).or_default().push(dot(example, &vector));
        }
        let mut means: Vec<(Intent, f32)> = cosines
            .into_iter()
            .map(|(intent, mut cosines)| {
                cosines.sort_unstable_by(|one, other| other.total_cmp(one));
                cosines.truncate(NEAREST);
                (intent, cosines.iter().sum::<f32>() / cosines.len() as f32)
            })
            .filter(|(_, mean)| *mean > FLOOR)
            .collect();
        means.sort_by(|one, other| other.1.total_cmp(&one.1));
        means.truncate(INTENTS);
        means
            .into_iter()
            .map(|(intent, similarity)| {
                let points = ((similarity - FLOOR) / (1.0 - FLOOR) * FULL).round() as u32;
                Reason::Nearest { intent, similarity, points }
            })
            .collect()
    }
}

/// The product of two vectors of one length. Eight sums side by side, because the order of additions is part of what
/// they mean and one long sum would keep the compiler from using vector instructions.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let ((ones, one), (others, other)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (one, other) in ones.iter().zip(others) {
        for (sum, (one, other)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += one * other;
        }
    }
    sums.iter().sum::<f32>() + one.iter().zip(other).map(|(one, other)| one * other).sum::<f32>()
}

/// The vector scaled to length one; a zero vector stays.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
    vector
}
