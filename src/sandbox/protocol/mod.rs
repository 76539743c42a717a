//! What a tool prints, read as it comes: JSON lines, or anything at all.
//!
//! A tool gets one JSON value on stdin and prints one JSON object a line:
//!
//! ```text
//! {"type":"chunk","text":"a part of the answer"}
//! {"type":"log","level":"warn","text":"for whoever looks after the tool"}
//! {"type":"memory_delta","delta":{"op":"assert","text":"..."}}
//! {"type":"result","value":{"any":"JSON"}}
//! {"type":"error","class":"not_found","message":"could not find the page"}
//! ```
//!
//! It ends with one `result` or one `error`, and with exit code 0 if it has a result. The same is said in every tier.
//!
//! The reader is pure: bytes in, lines out, however the bytes are cut. It holds one line at a time and never more than
//! [`Bounds`] says. A line that it cannot read is noise, kept and marked, since a stray print should not cost a good
//! result; what denies the result itself (a second one, talk after it, another exit code) does.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::{Value, json};

use super::outcome::{Exit, Failure, Level, Line};
use super::spec::{Resource, Speech};
use crate::types::Class;

/// How much a reader holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a line; what is longer is cut and can be no message.
    pub line: usize,
    /// Bytes of a text in a line; what is longer is cut.
    pub text: usize,
    /// Lines.
    pub lines: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        // A result of a megabyte is more than any model reads; a text of 64 KiB more than anybody else does. Ten thousand
        // lines of that kind still fit into memory.
        Bounds { line: 1 << 20, text: 64 << 10, lines: 10_000 }
    }
}

/// One line of a tool that keeps the protocol.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    Chunk {
        text: String,
    },
    Log {
        #[serde(default)]
        level: Level,
        text: String,
    },
    MemoryDelta {
        delta: Value,
    },
    Result {
        value: Value,
    },
    Error {
        #[serde(default)]
        class: Option<String>,
        message: String,
    },
}

/// Reads what a tool prints.
#[derive(Debug)]
pub struct Reader {
    speech: Speech,
    bounds: Bounds,
    /// The line that has not ended yet, or everything of a program that speaks plainly.
    held: Vec<u8>,
    /// Bytes of that line that were not held.
    dropped: u64,
    lines: usize,
    answer: Option<Result<Value, Failure>>,
    /// What denies the answer; the first thing that did.
    fault: Option<&'static str>,
    /// Whether a line was cut, which may have been the answer.
    cut: bool,
}

impl Reader {
    /// A reader of such a tool.
    pub fn new(speech: Speech, bounds: Bounds) -> Reader {
        Reader { speech, bounds, held: Vec::new(), dropped: 0, lines: 0, answer: None, fault: None, cut: false }
    }

    /// Reads on. What was said is added to `said`.
    ///
    /// # Errors
    /// The bound that was reached; nothing is read after that.
    pub fn feed(&mut self, mut bytes: &[u8], said: &mut Vec<Line>) -> Result<(), Resource> {
        if self.speech == Speech::Plain {
            self.held.extend_from_slice(bytes);
            return Ok(());
        }
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.hold(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.end_line(said)?;
        }
        self.hold(bytes);
        Ok(())
    }

    /// Nothing more comes: what the tool's answer is, given how it ended. What was said last is added to `said`.
    ///
    /// # Errors
    /// The tool's own error, or why its result is not believed.
    pub fn finish(mut self, exit: Exit, said: &mut Vec<Line>) -> Result<Value, Failure> {
        if self.speech == Speech::Plain {
            return match exit {
                Exit::Code(code) => Ok(json!({ "stdout": String::from_utf8_lossy(&self.held), "exit": code })),
                Exit::Signal(_) | Exit::Trap => {
                    Err(Failure::new(Class::Internal, format!("the tool ended with {exit}")))
                }
            };
        }
        let broken = |why: &str| Err(Failure::new(Class::Internal, format!("could not believe the tool: {why}")));
        if self.end_line(said).is_err() {
            return broken("it said too much");
        }
        if let Some(fault) = self.fault {
            return broken(fault);
        }
        match (self.answer, exit) {
            (Some(Ok(value)), Exit::Code(0)) => Ok(value),
            (Some(Ok(_)), exit) => broken(&format!("it gave a result and then ended with {exit}")),
            (Some(Err(failure)), _) => Err(failure),
            (None, exit) if self.cut => {
                let line = self.bounds.line;
                broken(&format!("it gave no result that fits into a line of {line} bytes, and ended with {exit}"))
            }
            (None, exit) => broken(&format!("it gave no result, and ended with {exit}")),
        }
    }

    /// Bytes that are held at the moment.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = self.bounds.line.saturating_sub(self.held.len()).min(bytes.len());
        self.held.extend_from_slice(&bytes[..room]);
        self.dropped += (bytes.len() - room) as u64;
    }

    fn end_line(&mut self, said: &mut Vec<Line>) -> Result<(), Resource> {
        let (line, dropped) = (std::mem::take(&mut self.held), std::mem::take(&mut self.dropped));
        if dropped == 0 && line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        self.lines += 1;
        if self.lines > self.bounds.lines {
            return Err(Resource::Lines);
        }
        self.cut |= dropped > 0;
        let message = if dropped > 0 { None } else { serde_json::from_slice(&line).ok() };
        if self.answer.is_some() {
            let twice = matches!(message, Some(Message::Result { .. } | Message::Error { .. }));
            let fault = if twice { "it answered twice" } else { "it went on after its answer" };
            self.fault = self.fault.or(Some(fault));
            return Ok(());
        }
        let max = self.bounds.text;
        match message {
            Some(Message::Chunk { text }) => {
                let (text, cut) = cut(text, 0, max);
                said.push(Line::Chunk { text, cut });
            }
            Some(Message::Log { level, text }) => {
                let (text, cut) = cut(text, 0, max);
                said.push(Line::Log { level, text, cut });
            }
            Some(Message::MemoryDelta { delta }) => said.push(Line::MemoryDelta { delta }),
            Some(Message::Result { value }) => self.answer = Some(Ok(value)),
            Some(Message::Error { class, message }) => {
                // A class we do not know is no class.
                let class = class.as_deref().and_then(Class::from_word).unwrap_or(Class::Internal);
                self.answer = Some(Err(Failure::new(class, cut(message, 0, max).0)));
            }
            None => {
                let (text, cut) = cut(String::from_utf8_lossy(&line).into_owned(), dropped, max);
                said.push(Line::Noise { text, cut });
            }
        }
        Ok(())
    }
}

/// The text with a mark where it was cut, and how many bytes are not there. `dropped` is what had been cut off before.
pub(super) fn cut(mut text: String, dropped: u64, max: usize) -> (String, u64) {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let missing = (text.len() - end) as u64 + dropped;
    if missing > 0 {
        text.truncate(end);
        text.push_str(&format!("… [cut: {missing} bytes]"));
    }
    (text, missing)
}

/// What fuzzing does with anything a tool can print: the same comes out however it is cut, and within its bounds.
/// Says whether all of it was read.
#[cfg(any(test, feature = "fuzzing"))]
pub fn fuzz(bytes: &[u8]) -> bool {
    let bounds = Bounds { line: 256, text: 64, lines: 100 };
    let read = |step: usize| {
        let (mut reader, mut said) = (Reader::new(Speech::Lines, bounds), Vec::new());
        for piece in bytes.chunks(step) {
            if let Err(resource) = reader.feed(piece, &mut said) {
                return (said, Err(resource), None);
            }
            assert!(reader.held() <= bounds.line, "more is held than may be");
        }
        let answer = reader.finish(Exit::Code(0), &mut said);
        (said, Ok(()), Some(answer))
    };
    let whole = read(bytes.len().max(1));
    assert_eq!(whole, read(1), "what comes out depends on how it was cut");
    assert!(whole.0.len() <= bounds.lines, "more lines than may be");
    whole.1.is_ok()
}
