//! Personal data in a text that comes in parts: what may be the beginning of something is held back until it is known.

use crate::types::sensitive::{find, redact};

/// Bytes that are held back at the end of what has come: longer than any address, number or key that people write, with
/// what stands around it and decides whether it is one.
const HELD_BYTES: usize = 512;

/// Bytes that may be held back for a run without a space. What is longer is let go in between, and never in the middle of
/// something that was found.
const HELD_BYTES_MAX: usize = 64 << 10;

/// Takes parts of a text and gives parts of the redacted text. However it is cut, the same comes out; of a run without a space
/// that is longer than may be held back, at least nothing personal of up to 512 bytes comes out.
#[derive(Debug, Default)]
pub struct Redactor {
    held: String,
}

impl Redactor {
    /// Takes the next part, and gives what is certain by now.
    pub fn push(&mut self, text: &str) -> String {
        let (mut rest, mut out) = (text, String::new());
        // As much as may be held at a time, so that it does not matter how much came at once.
        while !rest.is_empty() {
            let room = (HELD_BYTES_MAX + HELD_BYTES).saturating_sub(self.held.len());
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let (now, later) = rest.split_at(rest.floor_char_boundary(room.min(rest.len())).max(first));
            self.held.push_str(now);
            out.push_str(&self.certain());
            rest = later;
        }
        out
    }

    fn certain(&mut self) -> String {
        if self.held.len() <= HELD_BYTES {
            return String::new();
        }
        let last = self.held.floor_char_boundary(self.held.len() - HELD_BYTES);
        // Nothing is cut off from the word it is part of, unless the word is longer than any.
        let word = self.held[..last].rfind(char::is_whitespace).unwrap_or(0);
        let mut cut = if word == 0 && self.held.len() >= HELD_BYTES_MAX { last } else { word };
        if cut == 0 {
            return String::new();
        }
        // Nothing that was found is cut.
        let findings = find(&self.held);
        while let Some(across) = findings.iter().find(|one| one.start < cut && cut < one.end) {
            cut = across.start;
        }
        if cut == 0 {
            // One finding of everything that may be held: there is nothing to keep of it.
            let all = self.held.len() >= HELD_BYTES_MAX + HELD_BYTES;
            return if all { self.rest() } else { String::new() };
        }
        let later = self.held.split_off(cut);
        let now = std::mem::replace(&mut self.held, later);
        redact(&now).into_owned()
    }

    /// What was held back, when no more comes.
    pub fn rest(&mut self) -> String {
        redact(&std::mem::take(&mut self.held)).into_owned()
    }
}
