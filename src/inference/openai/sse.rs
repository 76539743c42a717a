//! Server-sent events, parsed as they arrive (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Works on bytes and decodes whole lines only, so a character split over two network reads is never broken.

/// Bytes of one event at the most. A delta is some hundred bytes; a whole answer in one event stays below this.
const LARGEST_EVENT: usize = 1024 * 1024;

/// Why a stream is not one of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// An event is larger than anything a model sends.
    #[error("an event has more than {LARGEST_EVENT} bytes")]
    TooLarge,
    /// A line is not UTF-8.
    #[error("a line is not UTF-8")]
    NotUtf8,
}

/// Turns bytes into the data of events. Names, ids and retry times of events are of no use here and skipped.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    data: Option<String>,
    /// The last byte was a carriage return: a line feed now belongs to the same line end.
    after_return: bool,
    started: bool,
}

impl Parser {
    /// Takes the next bytes; returns the data of the events they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, Error> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > LARGEST_EVENT {
                return Err(Error::TooLarge);
            }
        }
        Ok(events)
    }

    /// Takes the end of the stream; returns an event whose closing empty line some servers leave out.
    pub(super) fn finish(mut self) -> Result<Option<String>, Error> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        Ok(self.data.take())
    }

    fn end_line(&mut self) -> Result<Option<String>, Error> {
        let line = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&line).map_err(|_| Error::NotUtf8)?;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        // A comment has an empty field name.
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        Ok(None)
    }
}
