//! Chunking: cutting a text along its structure into pieces a model can hold, so that nothing is lost.
//!
//! Cuts are looked for in this order: before headings, between paragraphs and around fenced code, between lines of
//! code, between sentences, between words, between characters.
//!
//! Invariants:
//! - CH1: `text[start..end]` of all chunks, in order, is the text, byte for byte.
//! - CH2: no chunk with its overlap is estimated above the limit.
//! - CH3: a chunk begins and ends between characters, and its overlap lies within the text before it.
//! - CH4: fenced code that fits into one chunk is not cut.

mod pieces;
mod tokens;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use pieces::Piece;
pub use tokens::{estimate_tokens, most_tokens};

/// How texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Tokens of a chunk at the most, its overlap included. Less than [`Policy::LEAST_TOKENS`] counts as that.
    pub max_tokens: u32,
    /// Tokens of the text before that a chunk repeats, at the most. More than half of `max_tokens` counts as half.
    pub overlap_tokens: u32,
}

impl Policy {
    /// Any one character fits into half of this, so cutting always gets on.
    pub const LEAST_TOKENS: u32 = 16;

    fn limits(self) -> (u64, u64) {
        let max = u64::from(self.max_tokens.max(Policy::LEAST_TOKENS));
        (max, u64::from(self.overlap_tokens).min(max / 2))
    }
}

/// What a chunk is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChunkKind)]
pub enum Kind {
    /// Sentences.
    Prose,
    /// Fenced code.
    Code,
    /// Both.
    Mixed,
}

/// A part of a text. Positions are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Chunk {
    /// Its place among the chunks, from 0.
    pub index: usize,
    /// First byte of its own.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// Where the repeated text before it begins; `start` if nothing is repeated.
    pub overlap_start: usize,
    /// Estimated tokens from `overlap_start` to `end`.
    pub tokens: u64,
    /// What it is made of.
    pub kind: Kind,
}

impl Chunk {
    /// The text to work on: the overlap and the chunk.
    pub fn text<'a>(&self, whole: &'a str) -> &'a str {
        &whole[self.overlap_start..self.end]
    }
}

/// Cuts a text. An empty text has no chunks; a text that fits is one.
pub fn chunk(text: &str, policy: &Policy) -> Vec<Chunk> {
    let (max, overlap) = policy.limits();
    let whole = estimate_tokens(text);
    if whole <= max {
        let kind = pieces::blocks(text).iter().map(|piece| piece.kind()).reduce(mix);
        return kind
            .map(|kind| Chunk { index: 0, start: 0, end: text.len(), overlap_start: 0, tokens: whole, kind })
            .into_iter()
            .collect();
    }
    // Every chunk but the first gives part of its room to the overlap.
    let room = max - overlap;
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut open: Vec<Piece> = Vec::new();
    let mut used = 0;
    for piece in pieces::pieces(text, room) {
        let full = used + piece.tokens > room;
        // A heading opens a chunk when the one before it is not nearly empty.
        let opens = piece.heading && used > room / 2;
        if !open.is_empty() && (full || opens) {
            let kept = close(text, &mut open, overlap, &mut chunks);
            used = kept.iter().map(|piece| piece.tokens).sum();
            open = kept;
        }
        if !open.is_empty() && used + piece.tokens > room {
            close_all(text, &mut open, overlap, &mut chunks);
            used = 0;
        }
        used += piece.tokens;
        open.push(piece);
    }
    close_all(text, &mut open, overlap, &mut chunks);
    chunks
}

/// The text again, from its chunks.
pub fn reassemble(text: &str, chunks: &[Chunk]) -> String {
    chunks.iter().map(|chunk| &text[chunk.start..chunk.end]).collect()
}

/// Makes a chunk of the open pieces, but leaves headings at the end to the next one, whose text they announce.
fn close(text: &str, open: &mut Vec<Piece>, overlap: u64, chunks: &mut Vec<Chunk>) -> Vec<Piece> {
    let body = open.iter().rposition(|piece| !piece.heading).map_or(0, |last| last + 1);
    let headings = if body == 0 { Vec::new() } else { open.split_off(body) };
    close_all(text, open, overlap, chunks);
    headings
}

fn close_all(text: &str, open: &mut Vec<Piece>, overlap: u64, chunks: &mut Vec<Chunk>) {
    let (Some(first), Some(last)) = (open.first(), open.last()) else { return };
    let (start, end) = (first.start, last.end);
    let before = chunks.last().map_or(0, |chunk| chunk.start);
    let overlap_start = if overlap == 0 { start } else { pieces::overlap_start(text, before, start, overlap) };
    let kind = open.iter().map(Piece::kind).reduce(mix).unwrap_or(Kind::Prose);
    let tokens = estimate_tokens(&text[overlap_start..end]);
    chunks.push(Chunk { index: chunks.len(), start, end, overlap_start, tokens, kind });
    open.clear();
}

fn mix(one: Kind, other: Kind) -> Kind {
    if one == other { one } else { Kind::Mixed }
}
