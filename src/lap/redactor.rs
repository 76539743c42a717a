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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words among which personal data stand.
    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zäöü]{1,12}",
            Just("anna.meier@example.com".to_owned()),
            Just("4111 1111 1111 1111".to_owned()),
            Just("DE89 3704 0044 0532 0130 00".to_owned()),
            Just("+49 30 901820".to_owned()),
            Just("192.168.17.4".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_comes_out(
            words in prop::collection::vec(word(), 0..200),
            cuts in prop::collection::vec(1usize..40, 1..60),
        ) {
            let text = words.join(" und ");
            let (mut redactor, mut out, mut at, mut turn) = (Redactor::default(), String::new(), 0, 0);
            while at < text.len() {
                let end = text.floor_char_boundary((at + cuts[turn % cuts.len()]).min(text.len()));
                // A cut within a character moves on to the next part.
                if end > at {
                    out.push_str(&redactor.push(&text[at..end]));
                    at = end;
                } else {
                    let next = text[at..].chars().next().map_or(1, char::len_utf8);
                    out.push_str(&redactor.push(&text[at..at + next]));
                    at += next;
                }
                turn += 1;
            }
            out.push_str(&redactor.rest());
            prop_assert_eq!(out, redact(&text).into_owned());
        }
    }

    #[test]
    fn an_address_in_two_parts_is_not_let_through() {
        let mut redactor = Redactor::default();
        let mut out = redactor.push(&format!("{} anna.mei", "x ".repeat(600)));
        assert!(!out.contains("anna"));
        out.push_str(&redactor.push("er@example.com and more"));
        out.push_str(&redactor.rest());
        assert!(!out.contains("anna") && !out.contains("example.com") && out.ends_with(" and more"), "{out}");
    }
}
