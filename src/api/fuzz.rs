//! What fuzzing does with what clients send: the bytes of a connection, and the bodies in it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::alerts::NewSilence;
use super::bodies::{Assemble, ChunkRequest, FeedbackRequest, NewOverride, NewToken, RouteRequest, SetCap, SetWeight};
use super::extract::read_json;
use super::framing::{Framing, Limits};
use super::hitl::{Delegated, Said};
use crate::actors::io::Task;
use crate::ziggy::chunk::Policy;
use crate::ziggy::{assemble, chunk, reassemble};

/// Levels of JSON, as the defaults have them.
const DEPTH: usize = 32;

/// The largest text that is cut, in bytes: what is slow with more is slow with this.
const TEXT_MOST: usize = 4 << 10;

/// Reads these bytes as every body there is, and does what needs nothing but the body.
pub fn bodies(bytes: &[u8]) {
    again::<RouteRequest>(bytes);
    again::<Task>(bytes);
    again::<FeedbackRequest>(bytes);
    again::<SetWeight>(bytes);
    again::<SetCap>(bytes);
    again::<NewOverride>(bytes);
    again::<NewToken>(bytes);
    again::<NewSilence>(bytes);
    again::<Said>(bytes);
    again::<Delegated>(bytes);
    if let Some(request) = again::<ChunkRequest>(bytes).filter(|request| request.text.len() <= TEXT_MOST) {
        let policy = Policy {
            max_tokens: request.max_tokens.unwrap_or(Policy::LEAST_TOKENS),
            overlap_tokens: request.overlap_tokens.unwrap_or_default(),
        };
        let chunks = chunk(&request.text, &policy);
        assert_eq!(reassemble(&request.text, &chunks), request.text, "a text that was cut is not the text");
    }
    if let Some(request) = again::<Assemble>(bytes) {
        assemble(request.parts);
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
/// beginning of what was sent: nothing is added, left out or moved.
pub fn connection(bytes: &[u8]) {
    let limits = Limits { head_bytes_max: 1_024, headers_max: 16 };
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut framing, mut out) = (Framing::new(limits), Vec::new());
        for piece in pieces {
            if let Err(refusal) = framing.take_all(piece, &mut out) {
                return (out, Err(refusal));
            }
        }
        (out, Ok(()))
    };
    let whole = read(&mut [bytes].into_iter());
    assert_eq!(whole, read(&mut bytes.chunks(1)), "the same bytes in other pieces have another reading");
    assert!(bytes.starts_with(&whole.0), "something was let through that was not sent");
}
