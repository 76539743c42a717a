//! Finding facts: by words (BM25) and by meaning (cosine), joined by the ranks they give.
//!
//! Ranks are joined by reciprocal rank fusion, `sum of weight / (60 + rank)`, with words counting twice as much as
//! meaning: with a small static embedding equal weights find less than words alone (measured on LoCoMo).

use serde::{Deserialize, Serialize};

use super::{Fact, Memory, words};
use crate::types::{Label, PrivacyClass, Residency, Timestamp};

/// The constant of reciprocal rank fusion by Cormack and others (2009); how large it is matters little.
const FUSION: f32 = 60.0;

/// Weight of the rank by words.
const LEXICAL: f32 = 2.0;

/// Weight of the rank by meaning.
const SEMANTIC: f32 = 1.0;

/// BM25's usual saturation of repeated words.
const SATURATION: f32 = 1.2;

/// BM25's usual share of length normalisation.
const LENGTH_SHARE: f32 = 0.75;

/// Shares of the question's telling words, weighted by rarity, that a fact must hold to be found by words alone.
const LEAST_SHARE: f32 = 0.3;

/// A fact that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// The fact's id.
    pub id: String,
    /// The fact.
    pub text: String,
    /// How well it fits: 1 if it is first by words and by meaning, less by rank. Comparable within one recall only.
    pub score: f32,
    /// The run in which it was told.
    pub source: Option<String>,
    /// When it was told.
    pub at: Timestamp,
    /// How private it is.
    pub privacy: PrivacyClass,
    /// Where it may be.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub residency: Residency,
}

impl Recalled {
    /// What a place has to be to see it.
    pub fn label(&self) -> Label {
        Label { class: self.privacy, residency: self.residency.clone() }
    }
}

/// What one fact has to say to a question.
struct Match<'a> {
    fact: &'a Fact,
    /// BM25, and the share of the question's rarity that the fact holds.
    lexical: Option<(f32, f32)>,
    cosine: Option<f32>,
}

impl Memory {
    /// The facts that fit a question best, at most `k`. `vector` is the question's meaning by `embedder`, or empty.
    pub fn recall(&self, question: &str, vector: &[f32], embedder: &str, k: usize) -> Vec<Recalled> {
        let vector = words::unit(vector);
        let mut matches = self.by_words(question);
        for one in &mut matches {
            one.cosine = if one.fact.embedder == embedder { words::cosine(&one.fact.vector, &vector) } else { None };
        }
        // ME4: what neither shares enough words nor is near enough says nothing about the question.
        matches.retain(|one| {
            one.lexical.is_some_and(|(_, share)| share >= LEAST_SHARE)
                || one.cosine.is_some_and(|cosine| cosine >= self.config.relevant_from)
        });
        let by_words = ranks(&matches, |one| one.lexical.map(|(score, _)| score));
        let by_meaning = ranks(&matches, |one| one.cosine.filter(|cosine| *cosine > 0.0));
        let best = (LEXICAL + SEMANTIC) / (FUSION + 1.0);
        let mut found: Vec<(f32, &Match<'_>)> = matches
            .iter()
            .enumerate()
            .map(|(place, one)| {
                let part = |weight: f32, rank: Option<usize>| rank.map_or(0.0, |rank| weight / (FUSION + rank as f32));
                (((part(LEXICAL, by_words[place]) + part(SEMANTIC, by_meaning[place])) / best).min(1.0), one)
            })
            .collect();
        // Of facts that fit as well the later told one comes first.
        found.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.fact.at.cmp(&one.1.fact.at)));
        found.truncate(k);
        let recalled = found.into_iter().map(|(score, one)| Recalled {
            id: one.fact.id.clone(),
            text: one.fact.text.clone(),
            score,
            source: one.fact.source.clone(),
            at: one.fact.at,
            privacy: one.fact.privacy,
            residency: one.fact.residency.clone(),
        });
        recalled.collect()
    }

    /// BM25 of every fact; none for facts that share no telling word with the question.
    fn by_words(&self, question: &str) -> Vec<Match<'_>> {
        let asked = words::terms(question);
        let count = self.facts.len() as f32;
        let length = |fact: &Fact| fact.terms.values().sum::<u32>() as f32;
        let mean = (self.facts.iter().map(length).sum::<f32>() / count.max(1.0)).max(1.0);
        // Rarity of each asked word; a word that no fact has still counts as asked for.
        let rarity: Vec<(&String, f32)> = asked
            .keys()
            .map(|term| {
                let holding = self.facts.iter().filter(|fact| fact.terms.contains_key(term)).count() as f32;
                (term, ((count - holding + 0.5) / (holding + 0.5) + 1.0).ln())
            })
            .collect();
        let all: f32 = rarity.iter().map(|(_, rarity)| rarity).sum();
        let matched = self.facts.iter().map(|fact| {
            let (mut score, mut held) = (0.0, 0.0);
            for (term, rarity) in &rarity {
                if let Some(times) = fact.terms.get(*term) {
                    let times = *times as f32;
                    let long = 1.0 - LENGTH_SHARE + LENGTH_SHARE * length(fact) / mean;
                    score += rarity * times * (SATURATION + 1.0) / (times + SATURATION * long);
                    held += rarity;
                }
            }
            Match { fact, lexical: (held > 0.0).then_some((score, held / all)), cosine: None }
        });
        matched.collect()
    }
}

/// The rank of each match by a score, from 1; equal scores share a rank, no score has none.
fn ranks(matches: &[Match<'_>], score: impl Fn(&Match<'_>) -> Option<f32>) -> Vec<Option<usize>> {
    let scores: Vec<Option<f32>> = matches.iter().map(score).collect();
    let mut sorted: Vec<f32> = scores.iter().copied().flatten().collect();
    sorted.sort_by(|one, other| other.total_cmp(one));
    let rank = |score: f32| 1 + sorted.partition_point(|other| *other > score);
    scores.into_iter().map(|score| score.map(rank)).collect()
}
