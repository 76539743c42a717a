//! What fuzzing does with what clients send: the bytes of a connection, and the bodies in it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::alerts::NewSilence;
use super::bodies::{
    Assemble, ChunkRequest, FeedbackRequest, NewCandidate, NewOverride, NewToken, RouteRequest, SetCap, SetWeight,
};
use super::extract::read_json;
use super::framing::{Framing, Limits};
use super::hitl::{Delegated, Said};
use super::publishing::{Publish, SettleDoubt};
use super::tools::Invoke;
use crate::actors::executor::Stage;
use crate::actors::io::Task;
use crate::ziggy::chunk::Policy;
use crate::ziggy::{assemble, chunk, reassemble};

/// What reads an input, and says whether it was what it reads.
type Reader = (&'static str, fn(&[u8]) -> bool);

/// Levels of JSON, as the defaults have them.
const DEPTH: usize = 32;

/// The largest text that is cut, in bytes: what is slow with more is slow with this.
const TEXT_MOST: usize = 4 << 10;

/// Every body there is, by the name of its type. A test looks that none of the handlers' is missing.
pub const BODIES: [Reader; 17] = [
    ("RouteRequest", same::<RouteRequest>),
    ("Task", same::<Task>),
    ("FeedbackRequest", same::<FeedbackRequest>),
    ("SetWeight", same::<SetWeight>),
    ("SetCap", same::<SetCap>),
    ("NewOverride", same::<NewOverride>),
    ("NewCandidate", candidate),
    ("NewToken", same::<NewToken>),
    ("NewSilence", same::<NewSilence>),
    ("Said", same::<Said>),
    ("Delegated", same::<Delegated>),
    ("ChunkRequest", cut),
    ("Assemble", put_together),
    ("Invoke", same::<Invoke>),
    ("Publish", same::<Publish>),
    ("SettleDoubt", same::<SettleDoubt>),
    ("Stage", same::<Stage>),
];

/// Reads these bytes as a body of this type, and says whether they are one.
fn same<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    again::<T>(bytes).is_some()
}

fn cut(bytes: &[u8]) -> bool {
    let Some(request) = again::<ChunkRequest>(bytes) else { return false };
    if request.text.len() <= TEXT_MOST {
        let policy = Policy {
            max_tokens: request.max_tokens.unwrap_or(Policy::LEAST_TOKENS),
            overlap_tokens: request.overlap_tokens.unwrap_or_default(),
        };
        let chunks = chunk(&request.text, &policy);
        assert_eq!(reassemble(&request.text, &chunks), request.text, "a text that was cut is not the text");
    }
    true
}

fn put_together(bytes: &[u8]) -> bool {
    let request = again::<Assemble>(bytes);
    request.map(|request| assemble(request.parts)).is_some()
}

/// Like [`same`], but for the last bit of its numbers: the parser is one that may round it the other way.
fn candidate(bytes: &[u8]) -> bool {
    let Ok(body) = read_json::<NewCandidate>(bytes, DEPTH) else { return false };
    let text = serde_json::json!(body).to_string();
    let Ok(mut other) = serde_json::from_str::<NewCandidate>(&text) else {
        unreachable!("what was written is not read: {text}")
    };
    for (name, quality) in &body.qualities {
        other.qualities.entry(name.clone()).and_modify(|other| settle(other, *quality));
    }
    if let (Some(other), Some(quality)) = (&mut other.quality, body.quality) {
        settle(other, quality);
    }
    assert_eq!(body, other, "{text}");
    true
}

/// Takes the other number if it is the same but for its last bit.
fn settle(number: &mut f64, other: f64) {
    if (*number - other).abs() <= other.abs() * f64::EPSILON {
        *number = other;
    }
}

/// Reads a body; one that was read is the same after it was written and read again.
fn again<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let body: T = read_json(bytes, DEPTH).ok()?;
    let text = serde_json::json!(body).to_string();
    assert_eq!(serde_json::from_str::<T>(&text).ok().as_ref(), Some(&body), "{text}");
    Some(body)
}

/// Reads these bytes as those of a connection. Wherever the network cuts them, as much is let through, and it is the
/// beginning of what was sent: nothing is added, left out or moved. Says whether they are whole requests.
pub fn connection(bytes: &[u8]) -> bool {
    let limits = Limits { head_bytes_max: 1_024, headers_max: 16 };
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut framing, mut out) = (Framing::new(limits), Vec::new());
        for piece in pieces {
            if let Err(refusal) = framing.take_all(piece, &mut out) {
                return (out, Err(refusal));
            }
        }
        let whole = if framing.between() { framing.heads() } else { 0 };
        (out, Ok(whole))
    };
    let whole = read(&mut [bytes].into_iter());
    assert_eq!(whole, read(&mut bytes.chunks(1)), "the same bytes in other pieces have another reading");
    assert!(bytes.starts_with(&whole.0), "something was let through that was not sent");
    matches!(whole.1, Ok(1..))
}
