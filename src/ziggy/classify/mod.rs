//! Classification: what a task is about, how hard it is, in which language, and how private it is.
//!
//! What it is for: the destination of a task, and the reasons a person can check.
//! What it owns: the rules; the examples come from the config, their vectors from whoever has an embedder.
//! What it never does: embed, or repeat what it found in the text.
//!
//! Invariants:
//! - CL1: the privacy class is at least the caller's and at least that of every finding.
//! - CL2: without vectors the rules decide alone; with them, the same text and vector give the same answer.
//! - CL3: complexity is the weighted sum of its named parts, each within 0 and 1.
//! - CL4: reasons name rules, examples' intents, kinds and counts, never a part of the text.

mod complexity;
mod intent;
mod language;
mod phrases;
mod rules;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use complexity::Complexity;
pub use intent::{Intent, IntentModel, VectorError};

use super::chunk::estimate_tokens;
use super::route::{Capability, Destination};
use crate::types::PrivacyClass;
use crate::types::sensitive::{self, Kind};

/// What is to be classified.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What is asked for: the intent is judged by this alone, since a document speaks of many things.
    pub said: &'a str,
    /// The whole task with everything that goes with it: the privacy class, the size and the language are judged by it.
    pub text: &'a str,
    /// How private the caller says it is.
    pub caller_class: PrivacyClass,
    /// The vector of what is asked for, by the embedder whose vectors the model has; none if there is no embedder.
    pub embedding: Option<&'a [f32]>,
}

/// How often something sensitive was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Found {
    /// What.
    pub kind: Kind,
    /// How often.
    pub count: u32,
}

/// Why a classification came out as it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
#[schema(as = ClassificationReason)]
pub enum Reason {
    /// A phrase of the rules stands in the text.
    Phrase {
        /// The phrase, as the rules have it.
        phrase: String,
        /// What it speaks for.
        intent: Intent,
        /// How strongly, after its place in the text.
        points: u32,
    },
    /// The text is built in a telling way.
    Structure {
        /// What was seen, in a few words of ours.
        what: String,
        /// What it speaks for.
        intent: Intent,
        /// How strongly.
        points: u32,
    },
    /// The text is near to the examples of an intent.
    Nearest {
        /// Which intent.
        intent: Intent,
        /// Mean cosine of the nearest examples.
        similarity: f32,
        /// How strongly that speaks for it.
        points: u32,
    },
    /// Nothing spoke for anything: it counts as a question.
    NoEvidence,
    /// The caller's class was kept or raised to.
    CallerClass {
        /// The class.
        class: PrivacyClass,
    },
    /// Something sensitive raised the class.
    Sensitive {
        /// What.
        kind: Kind,
        /// How often it was found.
        count: u32,
        /// The class it raises to.
        class: PrivacyClass,
    },
    /// Personal data has stand-ins where the data itself may not go.
    Replaced {
        /// Of which kinds.
        kinds: BTreeSet<Kind>,
        /// How private the task is with stand-ins.
        class: PrivacyClass,
    },
}

/// How far a task may go with stand-ins for personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Replaced {
    /// How private it is then.
    pub privacy: PrivacyClass,
    /// What is replaced.
    pub kinds: BTreeSet<Kind>,
}

/// What a task is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Classification {
    /// What the caller wants.
    pub intent: Intent,
    /// What serving it takes.
    pub capability: Capability,
    /// How sure the intent is: its share of all evidence, 0 to 1.
    pub confidence: f32,
    /// How hard it is, with its parts.
    pub complexity: Complexity,
    /// The language as an ISO 639 code (two letters where there is one), if it can be told.
    pub language: Option<String>,
    /// How private it is.
    pub privacy: PrivacyClass,
    /// What made it so: kinds and counts.
    pub findings: Vec<Found>,
    /// How far it may go all the same, if personal data is replaced by policy where it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
    /// Estimated tokens of the text.
    pub tokens: u64,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Classification {
    /// Where a task like this has to go.
    pub fn destination(&self) -> Destination {
        Destination { capability: self.capability.clone(), privacy: self.routed() }
    }

    /// How private what leaves for a place is that may not see everything.
    pub fn routed(&self) -> PrivacyClass {
        self.replaced.as_ref().map_or(self.privacy, |replaced| replaced.privacy)
    }
}

/// Classifies a task.
pub fn classify(input: &Input<'_>, model: &IntentModel) -> Classification {
    let text = rules::Text::of(input.text);
    let mut reasons = Vec::new();
    let mut points: BTreeMap<Intent, u32> = BTreeMap::new();
    match input.said == input.text {
        true => text.evidence(&mut reasons),
        false => rules::Text::of(input.said).evidence(&mut reasons),
    }
    if let Some(vector) = input.embedding {
        reasons.extend(model.nearest(vector));
    }
    for reason in &reasons {
        if let Reason::Phrase { intent, points: more, .. }
        | Reason::Structure { intent, points: more, .. }
        | Reason::Nearest { intent, points: more, .. } = reason
        {
            *points.entry(*intent).or_default() += more;
        }
    }
    let all: u32 = points.values().sum();
    // Of two with the same evidence the one that stands first in the enum wins: the more specific.
    let best = points.iter().max_by_key(|(intent, points)| (**points, std::cmp::Reverse(**intent)));
    let (intent, share) = match best {
        Some((intent, points)) if *points > 0 => (*intent, *points as f32 / all as f32),
        _ => {
            reasons.push(Reason::NoEvidence);
            (Intent::Question, 0.0)
        }
    };
    let (privacy, findings) = privacy(input, &mut reasons);
    let tokens = estimate_tokens(input.text);
    Classification {
        intent,
        capability: intent.capability(),
        confidence: share,
        complexity: text.complexity(tokens),
        language: language(input.text, &text),
        privacy,
        findings,
        replaced: None,
        tokens,
        reasons,
    }
}

/// Common words first, because counting them costs next to nothing; then trigrams; then whatever words there are.
fn language(raw: &str, text: &rules::Text) -> Option<String> {
    match text.language() {
        Some((language, true)) => Some(language.to_owned()),
        guess => language::detect(raw).or_else(|| guess.map(|(language, _)| language.to_owned())),
    }
}

fn privacy(input: &Input<'_>, reasons: &mut Vec<Reason>) -> (PrivacyClass, Vec<Found>) {
    let mut counts: BTreeMap<Kind, u32> = BTreeMap::new();
    for finding in sensitive::find(input.text) {
        *counts.entry(finding.kind).or_default() += 1;
    }
    let findings: Vec<Found> = counts.into_iter().map(|(kind, count)| Found { kind, count }).collect();
    let found = findings.iter().map(|found| found.kind.class()).max().unwrap_or_default();
    if input.caller_class > PrivacyClass::Public && input.caller_class >= found {
        reasons.push(Reason::CallerClass { class: input.caller_class });
    }
    reasons.extend(findings.iter().map(|found| Reason::Sensitive {
        kind: found.kind,
        count: found.count,
        class: found.kind.class(),
    }));
    (input.caller_class.max(found), findings)
}
