//! What is wrong with a policy, and where.

use std::fmt;

use crate::types::Class;

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub source: String,
    /// The line in it, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The policy's id, where it has one.
    pub policy: Option<String>,
    /// The tool for which it is wrong; it may be right for another.
    pub tool: Option<String>,
    /// What is wrong and, where that is known, what is right.
    pub says: String,
}

impl Problem {
    /// What kind of error it is.
    pub fn class(&self) -> Class {
        Class::Invalid
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.source, self.line, self.column)?;
        if let Some(policy) = &self.policy {
            write!(f, "policy {policy}: ")?;
        }
        if let Some(tool) = &self.tool {
            write!(f, "for tool {tool}: ")?;
        }
        f.write_str(&self.says)
    }
}

impl std::error::Error for Problem {}

/// The line and column of a byte in a text, both from 1. A byte after the end is taken for the end.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}
