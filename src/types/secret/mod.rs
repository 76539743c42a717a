//! A text that must never be shown, and how to find it where it was shown all the same.
//!
//! What it is for: keys and passwords on their way from where they are kept to the one place that sends them, and the
//! search for them in bytes that must not have them.
//! What it never does: print, serialise or compare a secret in a time that depends on how much of it was guessed.
//!
//! Invariants:
//! - SE1: a secret has no `Display`, its `Debug` is blind, and serde does not know it.
//! - SE2: its memory is zeroed when it is dropped. What a program copies out of it is that program's to zero.
//! - SE3: a scanner finds a secret wherever it stands in bytes, as it is, in base64, in hexadecimal, encoded for a URL or
//!   escaped for JSON, also where the bytes come in pieces.

mod scan;

#[cfg(test)]
mod tests;

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

pub use scan::{Form, SHORTEST, Scanner, Watch};

/// A text that must never be shown: an API key, a password, a token.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text so that it cannot be printed by accident. A `String` is taken over and not copied.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// How long it is, in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

impl PartialEq for Secret {
    /// Looks at every byte of both, wherever the first difference is. Their lengths may be told apart.
    fn eq(&self, other: &Secret) -> bool {
        let pairs = self.0.bytes().zip(other.0.bytes());
        self.0.len() == other.0.len() && pairs.fold(0, |difference, (one, two)| difference | (one ^ two)) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
