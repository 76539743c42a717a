//! What is asked of the table: one request with everything that a decision follows from.

use serde::{Deserialize, Serialize};

use super::destination::Destination;
use crate::types::{Budget, Modality, Timestamp};
use crate::ziggy::Wanted;

/// What wants to be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = DecisionInputs)]
pub struct Request {
    /// What it needs.
    pub destination: Destination,
    /// Tokens of the prompt.
    pub tokens_in: u64,
    /// Bytes of the prompt, if they are known: what it is at the most for who counts with a tokenizer of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// Tokens the answer may have.
    pub tokens_out_max: u64,
    /// What may be spent.
    pub budget: Budget,
    /// Requests of one session go to the same one of several equal candidates, where their cached prompt is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The candidate or agent that the caller asks for by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Whose policy counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What the task brings besides words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modalities: Vec<Modality>,
    /// Regions the data may be in; anywhere if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residency: Vec<String>,
    /// Chance for the choice between equals; without it the first is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// When it is decided; pins that expired by then do not count.
    pub at: Timestamp,
}

impl Request {
    /// What bounds its tokens, whoever serves it.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            tokens_in: self.tokens_in,
            bytes_in: self.bytes_in,
            tokens_out_max: self.tokens_out_max,
            allowed: self.budget.tokens,
        }
    }
}
