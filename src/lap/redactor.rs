//! Personal data in a text that comes in parts: what may be the beginning of something is held back until it is known.

use crate::types::sensitive::{find, redact};

/// Bytes that are held back at the end of what has come: longer than any address, number or key that people write, with
/// what stands around it and decides whether it is one.
const HELD_BYTES: usize = 512;

/// Bytes that may be held back for one thing that does not end. Nothing that is looked for is so long.
const HELD_BYTES_MAX: usize = 64 << 10;

/// Takes parts of a text and gives parts of the redacted text. However it is cut, the same comes out.
#[derive(Debug, Default)]
pub struct Redactor {
    held: String,
}

impl Redactor {
    /// Takes the next part, and gives what is certain by now.
    pub fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        if self.held.len() <= HELD_BYTES {
            return String::new();
        }
        let mut cut = self.held.floor_char_boundary(self.held.len() - HELD_BYTES);
        let findings = find(&self.held);
        // Nothing that was found is cut, and nothing is cut off from the word it is part of.
        let word = self.held[..cut].rfind(char::is_whitespace).map_or(0, |at| at);
        cut = word;
        while let Some(across) = findings.iter().find(|one| one.start < cut && cut < one.end) {
            cut = across.start;
        }
        if cut == 0 {
            if self.held.len() > HELD_BYTES_MAX {
                return self.rest();
            }
            return String::new();
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
