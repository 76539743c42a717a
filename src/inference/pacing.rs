//! What a provider says about how much more it takes.
//!
//! The names are those of the `x-ratelimit-*` headers that OpenAI defined and vLLM, Groq, Together, Mistral and LiteLLM
//! send too; the IETF's draft of `RateLimit` fields has the same two numbers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// How much.
    pub remaining: u64,
    /// How long until it counts anew.
    pub resets_after: Duration,
}

/// What is left of a provider's limits, as far as it said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pacing {
    /// Requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Left>,
    /// Tokens, prompt and answer together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Left>,
}

impl Pacing {
    /// Whether the provider said nothing.
    pub fn is_silent(&self) -> bool {
        self.requests.is_none() && self.tokens.is_none()
    }
}
