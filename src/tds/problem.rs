//! What is wrong with a description, and where: for people to read and for programs to count.

use std::fmt;

use serde::Serialize;

use super::document::{Document, Spot};
use super::limits::PROBLEMS_MAX;
use super::pointer;

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The description is not taken.
    Error,
    /// It is taken, and probably not what its author wanted.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it forbids anything.
    pub severity: Severity,
    /// Where in the text.
    pub spot: Spot,
    /// Which value, as a JSON pointer.
    pub pointer: String,
    /// What was found.
    pub found: String,
    /// What is expected instead; empty if `found` says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Problem {
    /// Something that cannot be read at all.
    pub(crate) fn unreadable(spot: Spot, found: impl Into<String>, expected: impl Into<String>) -> Problem {
        Problem {
            severity: Severity::Error,
            spot,
            pointer: String::new(),
            found: found.into(),
            expected: expected.into(),
            suggestion: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{}: {word}: ", self.spot)?;
        let name = pointer::dotted(&self.pointer);
        if !name.is_empty() {
            write!(f, "{name}: ")?;
        }
        f.write_str(&self.found)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion:?}?"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with one description, in the order of its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The problems, at most [`PROBLEMS_MAX`](super::limits::PROBLEMS_MAX).
    pub problems: Vec<Problem>,
    /// How many more there are.
    #[serde(skip_serializing_if = "crate::types::is_default")]
    pub left_out: usize,
}

impl Report {
    /// Whether the description cannot be taken.
    pub fn refuses(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Errors before the cut, so that warnings never hide one; then everything by its place.
    pub(crate) fn of(mut problems: Vec<Problem>) -> Report {
        for problem in &mut problems {
            problem.found = shown(&problem.found);
            problem.expected = shown(&problem.expected);
        }
        problems.sort_by(|a, b| (a.severity, a.spot, &a.pointer).cmp(&(b.severity, b.spot, &b.pointer)));
        problems.dedup();
        let left_out = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        problems.sort_by(|a, b| (a.spot, &a.pointer).cmp(&(b.spot, &b.pointer)));
        Report { problems, left_out }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        if self.left_out > 0 {
            writeln!(f, "and {} more", self.left_out)?;
        }
        Ok(())
    }
}

/// Characters of a text that are repeated of a description: enough to find it.
const SHOWN_MAX: usize = 300;

/// A text of a description in a sentence of ours: short, on one line, and nothing in it steers a terminal.
fn shown(text: &str) -> String {
    let plain = |sign: char| if sign.is_control() { ' ' } else { sign };
    let mut shown: String = text.chars().take(SHOWN_MAX).map(plain).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

/// Collects problems of a document while its rules are checked.
pub(crate) struct Reporter<'d> {
    document: &'d Document,
    problems: Vec<Problem>,
}

impl<'d> Reporter<'d> {
    pub(crate) fn new(document: &'d Document) -> Reporter<'d> {
        Reporter { document, problems: Vec::new() }
    }

    fn push(&mut self, severity: Severity, pointer: &str, found: String, expected: String) -> &mut Problem {
        let spot = self.document.spot(pointer);
        let problem = Problem { severity, spot, pointer: pointer.to_owned(), found, expected, suggestion: None };
        let at = self.problems.len();
        self.problems.push(problem);
        &mut self.problems[at]
    }

    /// Something is wrong with the value there.
    pub(crate) fn error(
        &mut self,
        pointer: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> &mut Problem {
        self.push(Severity::Error, pointer, found.into(), expected.into())
    }

    /// Something is odd about the value there.
    pub(crate) fn warn(
        &mut self,
        pointer: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> &mut Problem {
        self.push(Severity::Warning, pointer, found.into(), expected.into())
    }

    /// A key that nobody knows, with the known one that looks most like it.
    pub(crate) fn unknown(&mut self, severity: Severity, pointer: &str, known: &[&str]) {
        let key = pointer::last(pointer);
        let spot = self.document.key_spot(pointer);
        let expected = match known {
            [] => "no key at all".to_owned(),
            known if known.len() > 12 => String::new(),
            known => format!("one of {}", known.join(", ")),
        };
        // Whoever has thousands of unknown keys is not helped by a word for each.
        let suggestion = if self.problems.len() < PROBLEMS_MAX { nearest(&key, known) } else { None };
        let problem = self.push(severity, pointer, format!("unknown key {key:?}"), expected);
        problem.spot = spot;
        problem.suggestion = suggestion;
    }

    pub(crate) fn document(&self) -> &'d Document {
        self.document
    }

    pub(crate) fn refuses(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    pub(crate) fn finish(self) -> Report {
        Report::of(self.problems)
    }
}

/// The known word that was probably meant: alike but for a third of its letters, or but for its separators.
pub(crate) fn nearest(word: &str, known: &[&str]) -> Option<String> {
    // Nobody misspells a word of a few letters as one of a hundred.
    if word.len() > 100 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let typed = plain(word);
    let distance = |known: &&&str| strsim::osa_distance(&typed, &plain(known));
    let best = known.iter().min_by_key(distance)?;
    let close = distance(&best) <= best.chars().count().div_ceil(3);
    close.then(|| (*best).to_owned())
}
