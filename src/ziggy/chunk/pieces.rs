//! The structure of a text: blocks, and within blocks that are too large lines, sentences, words and characters.

use super::{Kind, estimate_tokens};

/// A span that is kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) tokens: u64,
    pub(super) code: bool,
    pub(super) heading: bool,
}

impl Piece {
    fn new(text: &str, start: usize, end: usize) -> Piece {
        Piece { start, end, tokens: estimate_tokens(&text[start..end]), code: false, heading: false }
    }

    pub(super) fn kind(&self) -> Kind {
        if self.code { Kind::Code } else { Kind::Prose }
    }
}

/// The text as pieces of at most so many tokens, in order and without gaps.
pub(super) fn pieces(text: &str, most: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for block in blocks(text) {
        split(text, block, most, Cut::Line, &mut pieces);
    }
    pieces
}

/// Where to cut a piece that is too large, from gentle to rough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Line,
    Sentence,
    Word,
    Character,
}

impl Cut {
    fn rougher(self) -> Cut {
        match self {
            Cut::Line => Cut::Sentence,
            Cut::Sentence => Cut::Word,
            Cut::Word | Cut::Character => Cut::Character,
        }
    }

    /// The length of the first part of a text that is not empty.
    fn first(self, text: &str) -> usize {
        match self {
            Cut::Line => text.find('\n').map_or(text.len(), |place| place + 1),
            Cut::Sentence => sentence_end(text),
            Cut::Word => word_end(text),
            Cut::Character => text.chars().next().map_or(0, char::len_utf8),
        }
    }
}

/// Cuts a piece and packs the parts together again as far as they fit.
fn split(text: &str, piece: Piece, most: u64, cut: Cut, into: &mut Vec<Piece>) {
    if piece.tokens <= most {
        into.push(piece);
        return;
    }
    let mut open: Option<Piece> = None;
    let mut start = piece.start;
    while start < piece.end {
        let end = start + cut.first(&text[start..piece.end]);
        let part = Piece { start, end, tokens: estimate_tokens(&text[start..end]), ..piece };
        start = end;
        match &mut open {
            Some(last) if last.tokens + part.tokens <= most => {
                last.end = part.end;
                last.tokens += part.tokens;
            }
            // One character is never too large, so this ends; see `Policy::LEAST_TOKENS`.
            _ if part.tokens > most && cut != Cut::Character => {
                into.extend(open.take());
                split(text, part, most, cut.rougher(), into);
            }
            _ => into.extend(open.replace(part)),
        }
    }
    into.extend(open);
}

/// The blocks of a text: headings, fenced code with its fences, paragraphs with the empty lines after them.
pub(super) fn blocks(text: &str) -> Vec<Piece> {
    let mut blocks: Vec<Piece> = Vec::new();
    let (mut start, mut place) = (0, 0);
    let mut fence: Option<&str> = None;
    let mut blank = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let end = place + line.len();
        if let Some(mark) = fence {
            if trimmed.starts_with(mark) && trimmed.trim_start_matches(mark.chars().next().unwrap_or('`')).is_empty() {
                blocks.push(Piece { code: true, ..Piece::new(text, start, end) });
                (fence, start, blank) = (None, end, false);
            }
        } else if let Some(mark) = opening_fence(trimmed) {
            push(text, &mut blocks, start, place);
            (fence, start) = (Some(mark), place);
        } else if is_heading(trimmed) {
            push(text, &mut blocks, start, place);
            blocks.push(Piece { heading: true, ..Piece::new(text, place, end) });
            (start, blank) = (end, false);
        } else {
            if blank && !trimmed.is_empty() {
                push(text, &mut blocks, start, place);
                start = place;
            }
            blank = trimmed.is_empty();
        }
        place = end;
    }
    if fence.is_some() {
        blocks.push(Piece { code: true, ..Piece::new(text, start, text.len()) });
    } else {
        push(text, &mut blocks, start, text.len());
    }
    blocks
}

/// Adds a paragraph; empty lines alone belong to the block before them.
fn push(text: &str, blocks: &mut Vec<Piece>, start: usize, end: usize) {
    if start == end {
        return;
    }
    match blocks.last_mut() {
        Some(last) if text[start..end].trim().is_empty() => {
            last.end = end;
            last.tokens = estimate_tokens(&text[last.start..end]);
        }
        _ => blocks.push(Piece::new(text, start, end)),
    }
}

fn opening_fence(line: &str) -> Option<&str> {
    let mark = if line.starts_with("```") { '`' } else { '~' };
    let length = line.chars().take_while(|character| *character == mark).count();
    (length >= 3).then(|| &line[..length])
}

fn is_heading(line: &str) -> bool {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    (1..=6).contains(&level) && line[level..].starts_with(' ')
}

/// The first sentence with the white space after it.
fn sentence_end(text: &str) -> usize {
    let mut characters = text.char_indices().peekable();
    let mut ended = false;
    let mut short = 0;
    while let Some((place, character)) = characters.next() {
        match character {
            '。' | '！' | '？' | '\n' => ended = true,
            '.' | '!' | '?' | '…' => {
                let next = characters.peek().map(|(_, next)| *next);
                // `e.g. this` and `A. Author` do not end a sentence: one or two letters stand before the dot.
                let abbreviation = character == '.' && short <= 1;
                ended = !abbreviation && next.is_none_or(|next| next.is_whitespace() || "\"')]”’»".contains(next));
                short = 0;
                continue;
            }
            '"' | '\'' | ')' | ']' | '”' | '’' | '»' if ended => continue,
            character if ended && !character.is_whitespace() => return place,
            character if character.is_alphanumeric() => short += 1,
            _ => short = 0,
        }
        if ended && characters.peek().is_none_or(|(_, next)| !next.is_whitespace()) {
            return place + character.len_utf8();
        }
    }
    text.len()
}

/// The first word with the white space after it.
fn word_end(text: &str) -> usize {
    let mut space = false;
    for (place, character) in text.char_indices() {
        if space && !character.is_whitespace() {
            return place;
        }
        space = character.is_whitespace();
    }
    text.len()
}

/// Where the overlap before `start` begins: at the earliest sentence within so many tokens, else at the earliest word.
/// It reaches back no further than `before`.
pub(super) fn overlap_start(text: &str, before: usize, start: usize, most: u64) -> usize {
    // A token stands for at least one byte and at most four, except in runs of spaces, which are no loss.
    let reach = usize::try_from(most.saturating_mul(4)).unwrap_or(usize::MAX);
    let window = text.floor_char_boundary(start.saturating_sub(reach)).max(before);
    let within = |cut: Cut| {
        // What stands at the edge of the window may be the rest of a longer sentence or word.
        let whole = window == before || text[..window].ends_with(char::is_whitespace) && cut == Cut::Word;
        let mut starts = Vec::new();
        let mut place = window;
        while place < start {
            if whole || place > window {
                starts.push(place);
            }
            place += cut.first(&text[place..start]);
        }
        // The later the start, the smaller the estimate.
        let fits = starts.partition_point(|place| estimate_tokens(&text[*place..start]) > most);
        starts.get(fits).copied().unwrap_or(start)
    };
    let sentence = within(Cut::Sentence);
    if sentence < start { sentence } else { within(Cut::Word) }
}
