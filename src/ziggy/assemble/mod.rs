//! Assembly: the answers to the chunks of a task become one answer.
//!
//! Invariants:
//! - M1: parts appear in the order of their chunks, whatever order they came in.
//! - M2: only sentences at the border of two parts are dropped, and only if the other side says the same.
//! - M3: citations are in order, do not overlap, and name the chunk their text came from.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

/// The answer to one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Part {
    /// Which chunk it answers.
    #[schema(maximum = 18_446_744_073_709_551_615usize)]
    pub chunk: usize,
    /// The answer.
    pub text: String,
}

/// Where the answer to a chunk stands in the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Citation {
    /// Which chunk.
    pub chunk: usize,
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// One answer made of many.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Assembled {
    /// The answer.
    pub text: String,
    /// Which chunk each stretch came from; empty when there was only one.
    pub citations: Vec<Citation>,
    /// Sentences left out because the text before the border says the same.
    pub dropped: usize,
}

/// How many sentences on each side of a border are compared: an overlap of a chunk rarely answers to more.
const BORDER: usize = 6;

/// Share of common words, in percent, from which on two sentences say the same. Below it they begin to differ by names
/// and numbers, which must not be lost.
const SAME_PERCENT: usize = 90;

/// Joins parts in the order of their chunks. Two parts of one chunk stay in the order they were given.
pub fn assemble(mut parts: Vec<Part>) -> Assembled {
    parts.sort_by_key(|part| part.chunk);
    let many = parts.len() > 1;
    let mut assembled = Assembled::default();
    let mut last: VecDeque<BTreeSet<String>> = VecDeque::new();
    for part in parts {
        let sentences = sentences(part.text.trim());
        let words: Vec<BTreeSet<String>> = sentences.iter().map(|sentence| words(sentence)).collect();
        let same = |index: &usize| *index < BORDER && last.iter().any(|earlier| say_the_same(earlier, &words[*index]));
        let fresh: Vec<usize> = (0..sentences.len()).filter(|index| !same(index)).collect();
        assembled.dropped += sentences.len() - fresh.len();
        let text: String = fresh.iter().map(|index| sentences[*index]).collect();
        let text = text.trim();
        if !text.is_empty() {
            if !assembled.text.is_empty() {
                assembled.text.push_str("\n\n");
            }
            let start = assembled.text.len();
            assembled.text.push_str(text);
            if many {
                assembled.citations.push(Citation { chunk: part.chunk, start, end: assembled.text.len() });
            }
        }
        last.extend(words);
        last.drain(..last.len().saturating_sub(BORDER));
    }
    assembled
}

/// The sentences and lines of a text, each with the white space after it.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let (mut start, mut ended) = (0, false);
    for (place, character) in text.char_indices() {
        if ended && !character.is_whitespace() {
            sentences.push(&text[start..place]);
            start = place;
        }
        ended = match character {
            '.' | '!' | '?' | '。' | '！' | '？' | '\n' => true,
            character => ended && character.is_whitespace(),
        };
    }
    sentences.push(&text[start..]);
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

fn words(sentence: &str) -> BTreeSet<String> {
    let words = sentence.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn say_the_same(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    // Numbers decide: two sentences that differ by one are never the same.
    let numbers = |words: &BTreeSet<String>| -> Vec<String> {
        words.iter().filter(|word| word.bytes().any(|byte| byte.is_ascii_digit())).cloned().collect()
    };
    all > 0 && common * 100 >= all * SAME_PERCENT && numbers(one) == numbers(other)
}
