//! An embedder without a model, so that the host always starts: words and character trigrams, hashed to axes.
//!
//! It sees spelling and not meaning. Signed hashing keeps the dot product unbiased when two features share an axis
//! (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009).

use async_trait::async_trait;

use super::normalise;
use crate::inference::{Embedder, Error};
use crate::types::Cx;

/// Length of the vectors: with about a hundred features a short text, few of them share an axis.
const DIMENSIONS: usize = 512;

/// A shared word says more than a shared trigram, of which each word has several.
const WORD_WEIGHT: f32 = 2.0;

/// Characters of a feature below the word.
const GRAM: usize = 3;

/// Hashed words and trigrams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lexical;

impl Lexical {
    fn vector(text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; DIMENSIONS];
        let lower = text.to_lowercase();
        for word in lower.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
            add(&mut vector, word.as_bytes(), WORD_WEIGHT);
            // The marks at both ends make a trigram at the start of a word another one than inside it.
            let marked: Vec<char> = [' '].into_iter().chain(word.chars()).chain([' ']).collect();
            for gram in marked.windows(GRAM) {
                add(&mut vector, gram.iter().collect::<String>().as_bytes(), 1.0);
            }
        }
        normalise(&mut vector);
        vector
    }
}

/// Adds a feature to the axis its hash picks, with the sign its hash picks.
fn add(vector: &mut [f32], feature: &[u8], weight: f32) {
    let hash = fnv1a(feature);
    let axis = (hash % vector.len() as u64) as usize;
    // The highest bit, which the axis does not depend on.
    vector[axis] += if hash >> 63 == 0 { weight } else { -weight };
}

/// FNV-1a with 64 bits, mixed at the end because its high bits are weak on short inputs. Stable across runs and
/// machines, which vectors in a store need and the standard library's hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[async_trait]
impl Embedder for Lexical {
    fn name(&self) -> &str {
        "lexical-512"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    async fn embed(&self, cx: &Cx, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        if cx.is_cancelled() {
            return Err(Error::Cancelled { usage: Default::default() });
        }
        Ok(texts.iter().map(|text| Lexical::vector(text)).collect())
    }
}
