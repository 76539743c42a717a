//! Events and the bytes that are hashed for them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::types::{Hash, RunId, Timestamp};

/// What a caller wants remembered. The journal adds sequence, time and hashes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// What happened, dotted and past: `run.accepted`, `memory.delta`.
    pub kind: String,
    /// The run it belongs to, if any.
    pub run: Option<RunId>,
    /// Which part of the host says so: an actor's path.
    pub source: String,
    /// The facts, as JSON. Large texts go into payloads and stand here as hashes.
    pub body: Body,
}

impl NewEvent {
    /// An event of this kind from this source, with these facts.
    pub fn new(kind: &str, run: Option<RunId>, source: &str, body: &impl Serialize) -> NewEvent {
        NewEvent { kind: kind.to_owned(), run, source: source.to_owned(), body: Body::of(body) }
    }
}

/// An event as it stands in the journal. It has no other fields, so that nothing unhashed can pass for part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Position, from 1.
    pub seq: u64,
    /// Wall time of the append.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// The run it belongs to, if any.
    pub run: Option<RunId>,
    /// Which part of the host said so.
    pub source: String,
    /// The facts.
    #[schema(value_type = serde_json::Value)]
    pub body: Body,
    /// Hash of the event before, or zeros.
    pub previous: Hash,
    /// Hash of this event.
    pub hash: Hash,
}

impl Event {
    /// The event that follows `previous` in the chain.
    pub fn next(seq: u64, at: Timestamp, previous: Hash, new: NewEvent) -> Event {
        let NewEvent { kind, run, source, body } = new;
        let mut event = Event { seq, at, kind, run, source, body, previous, hash: Hash::ZERO };
        event.hash = event.computed_hash();
        event
    }

    /// The bytes that are hashed: every field but the hashes, each behind its length in 8 little-endian bytes, so
    /// that no two different events have the same bytes. The body is hashed as the text that is stored, because
    /// parsing and printing a number again may change it.
    pub fn canonical(&self) -> Vec<u8> {
        let run = self.run.map(|run| run.to_string()).unwrap_or_default();
        let (seq, at) = (self.seq.to_le_bytes(), self.at.0.to_le_bytes());
        let fields: [&[u8]; 6] =
            [&seq, &at, self.kind.as_bytes(), run.as_bytes(), self.source.as_bytes(), self.body.text().as_bytes()];
        let mut bytes = Vec::with_capacity(fields.iter().map(|field| field.len() + 8).sum());
        for field in fields {
            bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }

    /// The hash this event should have, given what it says.
    pub fn computed_hash(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.previous.0);
        hasher.update(&self.canonical());
        Hash(*hasher.finalize().as_bytes())
    }
}

/// JSON kept as the text it was written in, on one line, so that a body can stand in a file of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(Arc<str>);

impl Body {
    /// The JSON of a value. A value that has no JSON form (a map with keys that are no strings) becomes the error's
    /// text, so that an event is never lost for it.
    pub fn of(value: &impl Serialize) -> Body {
        match serde_json::to_string(value) {
            Ok(text) => Body(text.into()),
            Err(error) => Body(serde_json::json!({ "unencodable": error.to_string() }).to_string().into()),
        }
    }

    /// A text that is already JSON, as a backend reads it.
    pub(crate) fn from_text(text: &str) -> Body {
        Body(text.into())
    }

    /// The text, shared.
    pub(super) fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The facts as a value; null if the text is no JSON any more.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The facts as a typed record, if they fit.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.0).ok()
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        // In JSON a line break can only stand between tokens, so this changes no value.
        Ok(Body(raw.get().replace('\n', " ").into()))
    }
}
