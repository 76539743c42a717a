//! What a compaction leaves in the chain, and how rows are hashed for it.

use serde::{Deserialize, Serialize};

use crate::types::Hash;

/// The kind of the event that says which events went into an archive. Its body is [`Compacted`].
pub const COMPACTED: &str = "journal.compacted";

/// What went into an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// Number of the last event that did.
    pub through: u64,
    /// Its hash, which the archive ends with and the first event that stays follows.
    pub hash: Hash,
    /// Hash of all rows of all projections as the events up to it had made them.
    pub base: Hash,
    /// Name of the archive.
    pub archive: String,
}

/// Adds a row to a hash over rows: each field behind its length, so that no two different rows have the same bytes.
pub(super) fn hash_row(hasher: &mut blake3::Hasher, projection: &str, key: &str, value: &str) {
    for field in [projection, key, value] {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
}
