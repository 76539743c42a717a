//! The body of the journal event `memory.delta`.

use serde::{Deserialize, Serialize};

use super::Config;
use crate::types::{PrivacyClass, Residency, Timestamp};

/// What a delta does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Something is so.
    Assert,
    /// Something is no longer so, or was never meant to be kept.
    Retract,
}

/// One change of a memory, as it is journaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// Unique: applying it twice does nothing more.
    pub id: String,
    /// What it does.
    pub op: Op,
    /// The fact, in the words it was told. For a retraction without a subject: the fact's words or its id.
    pub text: String,
    /// What it is about, such as `my favourite colour`; a newer value replaces an older one.
    pub subject: Option<String>,
    /// The run in which it was told.
    pub source: Option<String>,
    /// How sure it is, 0 to 1.
    pub confidence: f32,
    /// Who made the vector; vectors of others are not compared with it.
    pub embedder: String,
    /// The meaning of the text; empty if nobody embedded it.
    pub vector: Vec<f32>,
    /// When it was told.
    pub at: Timestamp,
    /// How private the task was in which it was told; it goes no further than that allows.
    #[serde(default)]
    pub privacy: PrivacyClass,
    /// Where it may be.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub residency: Residency,
}

/// The limit a delta breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Invalid {
    /// There is nothing to remember.
    #[error("could not remember an empty text")]
    Empty,
    /// The text is too long.
    #[error("could not remember {bytes} bytes: a fact has at most {limit}")]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The vector is too long, or holds what is no number.
    #[error("could not use a vector of {dimensions} numbers: at most {limit} are taken, all finite")]
    Vector {
        /// Its length.
        dimensions: usize,
        /// The limit.
        limit: usize,
    },
}

impl Invalid {
    /// The class this error belongs to.
    pub fn class(&self) -> crate::types::Class {
        crate::types::Class::Invalid
    }
}

impl Delta {
    /// Whether the delta keeps the limits. Ask before it is journaled.
    pub fn check(&self, config: &Config) -> Result<(), Invalid> {
        if self.text.trim().is_empty() && self.subject.is_none() {
            return Err(Invalid::Empty);
        }
        if self.text.len() > config.max_text_bytes {
            return Err(Invalid::TooLong { bytes: self.text.len(), limit: config.max_text_bytes });
        }
        if self.vector.len() > config.max_dimensions || self.vector.iter().any(|value| !value.is_finite()) {
            return Err(Invalid::Vector { dimensions: self.vector.len(), limit: config.max_dimensions });
        }
        Ok(())
    }
}
