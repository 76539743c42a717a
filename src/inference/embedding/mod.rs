//! Embedders: texts to unit vectors, so that a dot product is the cosine.

mod lexical;
mod minilm;
mod wordllama;

pub use lexical::Lexical;
pub use minilm::MiniLm;
pub use wordllama::WordLlama;

use crate::inference::Error;
use crate::types::{Clock, Cx};

/// Scales a vector to length 1. A vector of nothing, out of a text without a single token, becomes the first axis, so
/// that every text has a direction and none is not-a-number.
fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 && length.is_finite() {
        vector.iter_mut().for_each(|value| *value /= length);
    } else {
        vector.fill(0.0);
        if let Some(first) = vector.first_mut() {
            *first = 1.0;
        }
    }
}

/// Fails if nobody waits any longer.
fn check(cx: &Cx, clock: &dyn Clock) -> Result<(), Error> {
    if cx.is_cancelled() {
        return Err(Error::Cancelled { usage: Default::default() });
    }
    if clock.now() >= cx.deadline() {
        return Err(Error::TimedOut { usage: Default::default() });
    }
    Ok(())
}
