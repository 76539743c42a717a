//! What stands before a program or a server that knows nothing of tools: it makes of a call what they understand, and of
//! what they say an answer. A front is pure; its steps are done by the executor, in the tool's own sandbox and through its
//! own way out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::egress;
use crate::sandbox::Failure;

/// Steps of one call at the most: the longest of ours has five.
pub const STEPS_MOST: usize = 8;

/// A front.
pub trait Front: Send + Sync + 'static {
    /// What is done next, given what a tool reads (`{"input": ..., "host": ...}`) and what came of the steps before.
    ///
    /// # Errors
    /// What cannot be done, in words for whoever called.
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure>;

    /// What is run when a host starts, to see whether this machine has what the tool needs. Nothing if it needs nothing.
    fn probe(&self) -> Option<Command> {
        None
    }

    /// What the configuration lacks for it, if anything.
    fn lacks(&self) -> Option<String> {
        None
    }
}

/// A program with its arguments, each a word of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it starts; in the tool's own empty directory if it does not say.
    pub directory: Option<String>,
    /// Its environment beside the few variables that every program has.
    pub environment: BTreeMap<String, String>,
}

/// What a front wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Run this in the tool's sandbox.
    Run(Command),
    /// Send this through the tool's way out.
    Send(egress::Message),
    /// Nothing more: this is the answer.
    Answer(Value),
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// A program ended by itself.
    Printed {
        /// What it printed, as far as it is text.
        stdout: String,
        /// What it printed on the side.
        stderr: String,
        /// Its exit code.
        exit: i64,
    },
    /// A server answered.
    Answered(egress::Reply),
}

/// A text of which no more than so many bytes are kept, counted as JSON writes them, and how many bytes were cut off. What is
/// cut ends with a mark.
pub fn cut(text: &str, most: usize) -> (String, usize) {
    let cost = |sign: char| match sign {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        sign if u32::from(sign) < 0x20 => 6,
        sign => sign.len_utf8(),
    };
    let mut used = 0;
    let over = text.char_indices().find(|(_, sign)| {
        used += cost(*sign);
        used > most
    });
    let Some((end, _)) = over else { return (text.to_owned(), 0) };
    let missing = text.len() - end;
    (format!("{}… [cut: {missing} bytes]", &text[..end]), missing)
}
