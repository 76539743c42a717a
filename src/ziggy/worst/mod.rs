//! The worst case of one request at one candidate: one function of facts, for everybody who says or reserves "at most".
//!
//! The router says it in a decision and holds it against the request's budget, the ladder compares candidates by it, and
//! the treasury reserves it. All of them ask here, with the same facts.
//!
//! Invariants:
//! - WO1: what is reserved for a request is what its decision says it costs at the most, if the request has as much left
//!   as when it was decided, and less if it has less.
//! - WO2: nothing that a candidate takes within its limits is more than its worst case.
//! - WO3: more of anything (tokens, bytes, instructions, turns, a higher price) never makes a worst case less.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::budget::Amounts;
use crate::types::Price;

/// Bytes that the host's estimate counts as one token at the most: four letters and the space before them.
const BYTES_OF_A_TOKEN_MOST: u64 = 5;

/// What bounds the tokens that a candidate takes for one request, whatever the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Appetite {
    /// Tokens of its standing instructions, by the host's estimate.
    pub system_tokens: u64,
    /// Bytes of them, and tokens that a server's template may put around each message: what counts instead where a
    /// tokenizer that nobody here knows counts.
    pub system_bytes: u64,
    /// Tokens of the facts that it recalls.
    pub facts: u64,
    /// Tokens of one answer.
    pub answer_most: u32,
    /// Whether a tokenizer counts that nobody here knows, so that every byte may be a token.
    pub own_tokenizer: bool,
    /// Whether it has tools to offer to a model that takes them.
    pub tools: bool,
    /// Whether it may ask its model again: with what came of tools, or since it is code and asks as it likes.
    pub again: bool,
    /// Times it may ask.
    pub turns: u32,
    /// Tokens of all its asking together.
    pub tokens_most: u64,
}

/// Nothing is known of it: it takes what it is asked with, once. So it was before this was kept.
impl Default for Appetite {
    fn default() -> Appetite {
        Appetite {
            system_tokens: 0,
            system_bytes: 0,
            facts: 0,
            answer_most: u32::MAX,
            own_tokenizer: false,
            tools: false,
            again: false,
            turns: 1,
            tokens_most: 0,
        }
    }
}

/// What bounds the tokens of one request, whoever serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Tokens of its prompt, by the host's estimate.
    pub tokens_in: u64,
    /// Bytes of its prompt, if they are known.
    pub bytes_in: Option<u64>,
    /// Tokens the answer may have.
    pub tokens_out_max: u64,
    /// Tokens that may be used for it in all.
    pub allowed: u64,
}

/// Tokens, by what they are billed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Of prompts.
    pub read: u64,
    /// Of answers.
    pub written: u64,
}

impl Tokens {
    /// All of them.
    pub fn sum(self) -> u64 {
        self.read.saturating_add(self.written)
    }
}

impl Appetite {
    /// The same on another runtime.
    #[must_use]
    pub fn on(self, own_tokenizer: bool, offers_tools: bool) -> Appetite {
        Appetite { own_tokenizer, again: self.tools && offers_tools, ..self }
    }

    /// What is no less than either of two.
    #[must_use]
    pub fn or(self, other: Appetite) -> Appetite {
        Appetite {
            system_tokens: self.system_tokens.max(other.system_tokens),
            system_bytes: self.system_bytes.max(other.system_bytes),
            facts: self.facts.max(other.facts),
            answer_most: self.answer_most.max(other.answer_most),
            own_tokenizer: self.own_tokenizer || other.own_tokenizer,
            tools: self.tools || other.tools,
            again: self.again || other.again,
            turns: self.turns.max(other.turns),
            tokens_most: self.tokens_most.max(other.tokens_most),
        }
    }

    fn answer(&self, wanted: &Wanted) -> u64 {
        wanted.tokens_out_max.min(u64::from(self.answer_most))
    }

    /// The tokens it is expected to take: its prompt by the estimate, read once, and an answer as long as may be.
    pub fn expected(&self, wanted: &Wanted) -> Tokens {
        let read = wanted.tokens_in.saturating_add(self.system_tokens);
        Tokens { read, written: self.answer(wanted) }
    }

    /// The most tokens it can take, split in the dearest way. One that asks its model once reads its prompt and writes
    /// one answer. One that asks again takes as many tokens as its limits allow, to which the host holds it.
    pub fn most(&self, price: Price, context: u32, wanted: &Wanted) -> Tokens {
        let answer = self.answer(wanted);
        let bytes = || wanted.bytes_in.unwrap_or(wanted.tokens_in.saturating_mul(BYTES_OF_A_TOKEN_MOST));
        let by_bytes = || bytes().saturating_add(self.system_bytes);
        let by_tokens = wanted.tokens_in.saturating_add(self.system_tokens);
        let prompt = if self.own_tokenizer { by_tokens.max(by_bytes()) } else { by_tokens };
        let prompt = prompt.saturating_add(self.facts);
        if !self.again {
            return Tokens { read: prompt, written: answer };
        }
        let turns = u64::from(self.turns.max(1));
        let held = u64::from(context).saturating_mul(turns);
        let tokens = self.tokens_most.min(wanted.allowed).min(held).max(prompt.saturating_add(answer));
        let written = if price.output >= price.input { answer.saturating_mul(turns).min(tokens) } else { 0 };
        Tokens { read: tokens - written, written }
    }

    /// The worst case as it is reserved.
    pub fn worst(&self, price: Price, context: u32, wanted: &Wanted) -> Amounts {
        let most = self.most(price, context, wanted);
        Amounts { money: price.cost(most.read, most.written), tokens: most.sum(), requests: 1 }
    }
}
