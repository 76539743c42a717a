//! Before programs of the system: a program that the operator listed, with its arguments as words. Nothing is expanded, and
//! no shell reads any of it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::git::words;
use super::{input, internal, invalid};
use crate::lap::{Came, Command, Front, Step, cut};
use crate::sandbox::Failure;
use crate::types::Class;

/// Bytes of what was printed that are shown if a caller does not say how many.
const TEXT_USUAL: usize = 16_000;

/// Bytes of what was printed on the side that are shown: complaints, of which the first lines say it.
const SIDE_MOST: usize = 4_000;

/// Programs that run what they are given as code: listing one would be listing all.
pub(in crate::lap) const INTERPRETERS: [&str; 27] = [
    "sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox", "env", "xargs", "find", "awk", "gawk", "mawk", "sed",
    "perl", "python", "python3", "ruby", "node", "php", "lua", "make", "ssh", "nohup", "timeout", "sudo",
];

/// `shell.run`.
pub(super) struct Run {
    /// What the operator lists.
    pub(super) programs: Vec<String>,
}

#[derive(Deserialize)]
struct RunInput {
    argv: Vec<String>,
    directory: Option<String>,
    bytes: Option<usize>,
}

impl Front for Run {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        let input: RunInput = input(envelope)?;
        let Some(came) = came.first() else {
            let program = input.argv.first().map(String::as_str).unwrap_or_default();
            if !self.programs.iter().any(|own| own == program) {
                let text = format!("{program:?} is not among the programs of this host: {}", self.programs.join(", "));
                return Err(Failure::new(Class::Denied, cut(&text, SIDE_MOST).0));
            }
            if input.argv.iter().any(|word| word.contains('\0')) {
                return Err(invalid("argv has words without a NUL"));
            }
            let granted = envelope["host"]["workspace"].as_str().ok_or_else(|| internal("no folder was granted"))?;
            let directory = match &input.directory {
                None => granted.to_owned(),
                Some(path) => format!("{granted}/{}", words::path("directory", path)?),
            };
            return Ok(Step::Run(Command { argv: input.argv, directory: Some(directory), ..Command::default() }));
        };
        let Came::Printed { stdout, stderr, exit } = came else { return Err(internal("a program is no server")) };
        let (text, missing) = cut(stdout, input.bytes.unwrap_or(TEXT_USUAL));
        Ok(Step::Answer(json!({ "exit": exit, "text": text, "cut": missing, "side": cut(stderr, SIDE_MOST).0 })))
    }

    /// Whether any program runs at all; which of the listed ones are there is seen when they are called.
    fn probe(&self) -> Option<Command> {
        (!self.programs.is_empty()).then(|| Command { argv: vec!["true".to_owned()], ..Command::default() })
    }

    fn lacks(&self) -> Option<String> {
        self.programs.is_empty().then(|| "no program is listed ([tools] programs)".to_owned())
    }
}

/// `shell.line`.
pub(super) struct Line;

#[derive(Deserialize)]
struct LineInput {
    line: String,
    bytes: Option<usize>,
}

impl Front for Line {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        let input: LineInput = input(envelope)?;
        let Some(came) = came.first() else {
            if input.line.contains('\0') {
                return Err(invalid("line is a text without a NUL"));
            }
            let granted = envelope["host"]["workspace"].as_str().ok_or_else(|| internal("no folder was granted"))?;
            let argv = vec!["sh".to_owned(), "-c".to_owned(), input.line];
            return Ok(Step::Run(Command { argv, directory: Some(granted.to_owned()), ..Command::default() }));
        };
        let Came::Printed { stdout, stderr, exit } = came else { return Err(internal("a shell is no server")) };
        let (text, missing) = cut(stdout, input.bytes.unwrap_or(TEXT_USUAL));
        Ok(Step::Answer(json!({ "exit": exit, "text": text, "cut": missing, "side": cut(stderr, SIDE_MOST).0 })))
    }
}
