//! Colours and columns, for terminals.

/// Whether to paint at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }
}

/// A text from somewhere else, without what would move the cursor or change colours of the terminal it is printed on.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|one| if one.is_control() && one != '\n' && one != '\t' { '\u{fffd}' } else { one }).collect()
}

/// The first line of a text, in at most so many characters.
pub(super) fn short(text: &str, most: usize) -> String {
    let line = plain(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    match line.char_indices().nth(most) {
        Some(_) => line.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        None => line,
    }
}

/// A text broken between words into lines of at most so many characters; what is longer than a line stays whole.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in plain(text).split_whitespace() {
        let last = lines.len() - 1;
        let used = lines[last].chars().count();
        if used > 0 && used + 1 + word.chars().count() > columns {
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

/// Rows under each other, each column as wide as its widest cell, the last one left as it is.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    columns_upto(rows, &[])
}

/// The same where a cell of more characters than is said for its column does not widen it, but moves what follows in its
/// own row.
pub(super) fn columns_upto(rows: &[Vec<String>], most: &[usize]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (place, cell) in row.iter().enumerate() {
            let most = most.get(place).copied().unwrap_or(usize::MAX);
            let width = Some(cell.chars().count()).filter(|width| *width <= most).unwrap_or(0);
            match widths.get_mut(place) {
                Some(known) => *known = width.max(*known),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (place, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if place + 1 < row.len() {
                let missing = widths[place].saturating_sub(cell.chars().count());
                line.extend(std::iter::repeat_n(' ', missing + 2));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number of bytes as people say it.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

/// A number of microseconds as people say it.
pub(super) fn micros(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} µs"),
        1_000..1_000_000 => format!("{:.1} ms", count as f64 / 1e3),
        1_000_000..120_000_000 => format!("{:.1} s", count as f64 / 1e6),
        120_000_000..7_200_000_000 => format!("{} min", count / 60_000_000),
        7_200_000_000..172_800_000_000 => format!("{} h", count / 3_600_000_000),
        _ => format!("{} d", count / 86_400_000_000),
    }
}
