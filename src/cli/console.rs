//! Where the command line reads and writes, passed in so that a test can hold it.

use std::io::{Read, Write};

use serde::Serialize;

use super::Environment;
use super::client::{REQUEST_BYTES_MAX, too_large};
use super::error::Error;
use super::paint::Paint;

/// The three streams of a program, and whether a person sits at them.
pub struct Stdio {
    /// What comes in.
    pub stdin: Box<dyn Read + Send>,
    /// Where results go.
    pub stdout: Box<dyn Write + Send>,
    /// Where everything else goes.
    pub stderr: Box<dyn Write + Send>,
    /// Whether stdin is a terminal.
    pub stdin_is_terminal: bool,
    /// Whether stdout is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether stderr is a terminal.
    pub stderr_is_terminal: bool,
    /// Columns of the terminal, if there is one.
    pub columns: Option<u16>,
}

/// Columns if nobody says: what terminals had when they were made of glass.
const COLUMNS: usize = 80;

/// The widest text that is still read with pleasure.
const COLUMNS_MOST: usize = 120;

/// What verbs print with.
pub(super) struct Console {
    stdio: Stdio,
    pub(super) json: bool,
    paint: Paint,
    /// Whether the last thing on stderr is a line that is to be drawn over.
    passing: bool,
}

impl Console {
    pub(super) fn new(stdio: Stdio, environment: &Environment) -> Console {
        let said = |name: &str| environment.iter().any(|(known, value)| known == name && !value.is_empty());
        let dumb = environment.iter().any(|(known, value)| known == "TERM" && value == "dumb");
        let paint = Paint(stdio.stdout_is_terminal && !said("NO_COLOR") && !dumb);
        Console { stdio, json: false, paint, passing: false }
    }

    pub(super) fn paint(&self) -> Paint {
        self.paint
    }

    pub(super) fn columns(&self) -> usize {
        self.stdio.columns.map_or(COLUMNS, usize::from).min(COLUMNS_MOST)
    }

    pub(super) fn stdout_is_terminal(&self) -> bool {
        self.stdio.stdout_is_terminal
    }

    pub(super) fn stderr_is_terminal(&self) -> bool {
        self.stdio.stderr_is_terminal
    }

    pub(super) fn stdin_is_terminal(&self) -> bool {
        self.stdio.stdin_is_terminal
    }

    /// What comes in, for whoever reads it while the command goes on. Nothing comes in for others then.
    pub(super) fn stdin(&mut self) -> Box<dyn Read + Send> {
        std::mem::replace(&mut self.stdio.stdin, Box::new(std::io::empty()))
    }

    /// Everything that comes in, as text.
    pub(super) fn read_all(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        let unreadable = |cause| Error::File { path: "stdin".into(), cause };
        let stdin = self.stdio.stdin.by_ref();
        stdin.take(REQUEST_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() > REQUEST_BYTES_MAX {
            return Err(too_large("stdin"));
        }
        Ok(text)
    }

    /// Prints a part of the result.
    pub(super) fn out(&mut self, text: &str) -> Result<(), Error> {
        self.pass_over();
        self.stdio.stdout.write_all(text.as_bytes()).map_err(Error::Output)
    }

    /// Prints a part of the result that may be cut anywhere.
    pub(super) fn out_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.pass_over();
        self.stdio.stdout.write_all(bytes).map_err(Error::Output)
    }

    /// Prints a part of the result that is to be seen at once.
    pub(super) fn out_now(&mut self, text: &str) -> Result<(), Error> {
        self.out(text)?;
        self.finish()
    }

    /// Prints the result as JSON on one line.
    pub(super) fn out_json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let line = serde_json::to_string(value).map_err(|error| Error::Output(error.into()))?;
        self.out(&line)?;
        self.out("\n")
    }

    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.stdio.stdout.flush().map_err(Error::Output)
    }

    /// Says something beside the result. A stderr that is closed is nobody's loss.
    pub(super) fn remark(&mut self, text: &str) {
        self.pass_over();
        let _ = writeln!(self.stdio.stderr, "{text}");
    }

    /// Shows where things stand, on a line that the next thing draws over. Only at a terminal.
    pub(super) fn passing(&mut self, text: &str) {
        if self.stdio.stderr_is_terminal {
            let _ = write!(self.stdio.stderr, "\r\x1b[K{text}").and_then(|()| self.stdio.stderr.flush());
            self.passing = true;
        }
    }

    fn pass_over(&mut self) {
        if std::mem::take(&mut self.passing) {
            let _ = write!(self.stdio.stderr, "\r\x1b[K").and_then(|()| self.stdio.stderr.flush());
        }
    }

    pub(super) fn error(&mut self, error: &Error) {
        if self.json {
            let class = error.class().word();
            let told =
                serde_json::json!({ "error": { "class": class, "code": error.code(), "detail": error.to_string() } });
            self.remark(&told.to_string());
        } else {
            self.remark(&format!("syzygy: {error}"));
        }
    }
}
