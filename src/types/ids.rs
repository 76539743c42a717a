//! Ids. A run id sorts by the time it was made, so listings need no second key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::World;

/// One task from request to answer. A UUID of version 7: 48 bits of milliseconds, then chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(uuid::Uuid);

impl RunId {
    /// A new id from this world's time and chance.
    pub fn new(world: &World) -> RunId {
        let millis = u64::try_from(world.clock.wall().0 / 1_000).unwrap_or(0);
        let mut chance = [0u8; 10];
        chance[..8].copy_from_slice(&world.random.next().to_le_bytes());
        chance[8..].copy_from_slice(&world.random.next().to_le_bytes()[..2]);
        RunId(uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid())
    }

    /// The id as two numbers, of which one is never zero.
    pub fn pair(self) -> (u64, u64) {
        self.0.as_u64_pair()
    }

    /// The id that [`RunId::pair`] took apart.
    pub fn from_pair(high: u64, low: u64) -> RunId {
        RunId(uuid::Uuid::from_u64_pair(high, low))
    }

    /// Bits that spread runs evenly over a pool: the part of the id that is chance.
    pub fn spread(self) -> u64 {
        self.0.as_u64_pair().1
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_simple())
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<RunId, String> {
        uuid::Uuid::parse_str(text)
            .map(RunId)
            .map_err(|_| format!("not a run id: {text:?} (expected 32 hexadecimal digits)"))
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<RunId, String> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> String {
        id.to_string()
    }
}

/// A W3C trace id: 128 bits, shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceId(pub u128);

impl TraceId {
    /// A new trace id; never zero, which the W3C format reserves for "none".
    pub fn new(world: &World) -> TraceId {
        let (high, low) = (u128::from(world.random.next()), u128::from(world.random.next()));
        TraceId(((high << 64) | low).max(1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A BLAKE3 hash: 32 bytes, shown as 64 hexadecimal digits.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of nothing yet: what the first event of a chain follows.
    pub const ZERO: Hash = Hash([0; 32]);

    /// The BLAKE3 hash of these bytes.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every record of a decision holds one, so it is one write instead of 32. A precision cuts it, as of any text.
        f.pad(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Hash, String> {
        blake3::Hash::from_hex(text)
            .map(|hash| Hash(*hash.as_bytes()))
            .map_err(|_| format!("not a hash: {text:?} (expected 64 hexadecimal digits)"))
    }
}

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Hash, String> {
        text.parse()
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.to_string()
    }
}

/// A type that crosses the edge as its text: a string that matches this pattern.
macro_rules! schema_of_text {
    ($type:ty, $pattern:literal) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some($pattern))
                    .into()
            }
        }

        impl utoipa::ToSchema for $type {}
    };
}

schema_of_text!(RunId, "^[0-9a-f]{32}$");
schema_of_text!(Hash, "^[0-9a-f]{64}$");
