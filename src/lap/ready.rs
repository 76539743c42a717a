//! A tool with everything a call of it needs: its schemas compiled, its files known by their bytes.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::Mismatches;
use crate::tds::{self, Checker, Mismatch, Tool};
use crate::types::Hash;

/// A file of a tool, as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path in the tool's folder.
    pub path: String,
    /// What it holds.
    pub hash: Hash,
    /// Where the host has it.
    pub source: PathBuf,
    /// Whether it is a program.
    pub executable: bool,
}

/// Why arguments are refused before anything is spent on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// They have more bytes than the tool takes.
    Long {
        /// How many they have.
        bytes: u64,
        /// How many it takes.
        most: u64,
    },
    /// They are not what its input schema asks for.
    Wrong(Mismatches),
}

/// A tool that can be called.
#[derive(Debug)]
pub struct Ready {
    /// Its description.
    pub tool: Arc<Tool>,
    /// Of the description and of the files beside it: two tools of one hash do the same.
    pub hash: Hash,
    /// What stands beside it.
    pub files: Vec<File>,
    input: Checker,
    output: Checker,
    chunk: Option<Checker>,
}

impl Ready {
    /// Compiles the schemas of a tool that has been read, and so has been guarded.
    ///
    /// # Errors
    /// Which schema is none.
    pub fn new(tool: Arc<Tool>, mut files: Vec<File>) -> Result<Ready, String> {
        files.sort_by(|one, two| one.path.cmp(&two.path));
        let compile = |name: &str, schema: &Value| {
            Checker::compile(schema).map_err(|cause| format!("the {name} schema of {} is none: {cause}", tool.id))
        };
        let input = compile("input", &tool.interface.input.0)?;
        let output = compile("output", &tool.interface.output.0)?;
        let chunk = tool.interface.chunk.as_ref().map(|schema| compile("chunk", &schema.0)).transpose()?;
        let hash = whole(&tool, &files);
        Ok(Ready { tool, hash, files, input, output, chunk })
    }

    /// The tool and its version, as records name it: `git.log@1.2.0`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.tool.id, self.tool.version)
    }

    /// Why these arguments are not taken, if they are not.
    pub fn unfit(&self, arguments: &Value) -> Option<Unfit> {
        let bytes = serde_json::to_vec(arguments).map_or(0, |bytes| bytes.len()) as u64;
        let most = self.tool.limits.input_bytes;
        if bytes > most {
            return Some(Unfit::Long { bytes, most });
        }
        let wrong = self.wrong_input(arguments);
        (!wrong.is_empty()).then_some(Unfit::Wrong(Mismatches(wrong)))
    }

    /// In what these arguments differ from what the tool takes; nothing if they fit.
    pub fn wrong_input(&self, arguments: &Value) -> Vec<Mismatch> {
        if self.input.takes(arguments) { Vec::new() } else { self.input.mismatches(arguments) }
    }

    /// In what an answer differs from what the tool promises.
    pub fn wrong_output(&self, answer: &Value) -> Vec<Mismatch> {
        if self.output.takes(answer) { Vec::new() } else { self.output.mismatches(answer) }
    }

    /// In what a part of an answer differs from what the tool promises; a part whose shape it does not promise may be any.
    pub fn wrong_chunk(&self, part: &Value) -> Vec<Mismatch> {
        let Some(chunk) = &self.chunk else { return Vec::new() };
        if chunk.takes(part) { Vec::new() } else { chunk.mismatches(part) }
    }
}

/// The hash of a description and of what stands beside it.
fn whole(tool: &Tool, files: &[File]) -> Hash {
    let mut text = tds::hash(tool).to_string();
    for file in files {
        let run = if file.executable { 'x' } else { '-' };
        text.push_str(&format!("\n{} {run} {}", file.hash, file.path));
    }
    Hash::of(text.as_bytes())
}
