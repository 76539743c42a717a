//! The text as a person reads it: the same digits, spaces and hyphens whatever characters draw them, and nothing that
//! draws nothing. A number written with such characters is as sensitive as one without.

/// A text in plain characters, and the way back to the places in the original.
pub(super) struct Plain {
    /// What the detectors look at.
    pub(super) text: String,
    /// Places where the distance between the two texts changes: in the plain text, in the original.
    shifts: Vec<(usize, usize)>,
}

/// What stands for a character in the plain text.
enum Reading {
    Same,
    As(char),
    Nothing,
}

fn reading(character: char) -> Reading {
    /// From a full-width character to the ASCII one it draws wide: Unicode, block Halfwidth and Fullwidth Forms.
    const WIDE: u32 = 0xFEE0;
    match character {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - WIDE).map_or(Reading::Same, Reading::As),
        '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Reading::As(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Reading::As('-'),
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' => Reading::Nothing,
        _ => Reading::Same,
    }
}

impl Plain {
    /// The plain text, if it is another one.
    pub(super) fn of(text: &str) -> Option<Plain> {
        if text.is_ascii() || text.chars().all(|character| matches!(reading(character), Reading::Same)) {
            return None;
        }
        let mut plain = Plain { text: String::with_capacity(text.len()), shifts: vec![(0, 0)] };
        for (place, character) in text.char_indices() {
            match reading(character) {
                Reading::Same => {
                    plain.text.push(character);
                    continue;
                }
                Reading::As(other) => plain.text.push(other),
                // Twice, so that a part that ends here ends before what draws nothing.
                Reading::Nothing => plain.shifts.push((plain.text.len(), place)),
            }
            plain.shifts.push((plain.text.len(), place + character.len_utf8()));
        }
        Some(plain)
    }

    /// Where a part of the plain text stands in the original, without what draws nothing at its ends.
    pub(super) fn place(&self, start: usize, end: usize) -> (usize, usize) {
        let after = self.shifts.partition_point(|(plain, _)| *plain <= start);
        let before = self.shifts.partition_point(|(plain, _)| *plain < end);
        let there = |shift: usize, place: usize| {
            let (plain, original) = self.shifts.get(shift).copied().unwrap_or((0, 0));
            original + (place - plain)
        };
        let ends = match self.shifts.get(before) {
            Some((plain, original)) if *plain == end => *original,
            _ => there(before.saturating_sub(1), end),
        };
        (there(after.saturating_sub(1), start), ends)
    }
}
