//! Tools that come with the host: their descriptions, which lie in `src/lap/core/tools`, and what stands before the programs and
//! servers behind them.
//!
//! Which of them there are is the operator's (`[tools] core`). Those that only look are there unless somebody says otherwise;
//! those that change something or reach somebody are not.

mod git;
mod http;
mod jira;
mod reach;
mod shell;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Config, Front, Package, PackedFile};
use crate::sandbox::Failure;
use crate::tds::{self, Format, Tool};
use crate::types::Class;

pub use reach::Jira as JiraPlace;
pub(super) use reach::is_host;
pub(super) use shell::INTERPRETERS;

/// A tool that comes with the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Core {
    /// Its id.
    pub id: &'static str,
    /// Its description, as it lies in `src/lap/core/tools`.
    pub text: &'static str,
    /// Recorded calls, by the path that the description names them by.
    pub golden: &'static [(&'static str, &'static str)],
}

/// A core tool by its id, out of its folder.
macro_rules! core {
    ($id:literal $(, $golden:literal)*) => {
        $crate::lap::core::Core {
            id: $id,
            text: include_str!(concat!("tools/", $id, "/tool.toml")),
            golden: &[$(($golden, include_str!(concat!("tools/", $id, "/", $golden)))),*],
        }
    };
}

/// Every one of them, by id.
pub const ALL: &[Core] = &[
    core!("git.clone"),
    core!("git.commit"),
    core!("git.diff", "golden/two-commits.json"),
    core!("git.log", "golden/two-commits.json"),
    core!("git.show", "golden/file.json"),
    core!("http.get", "golden/page.json"),
    core!("http.send"),
    core!("jira.comment"),
    core!("jira.create"),
    core!("jira.issue", "golden/issue.json"),
    core!("jira.search", "golden/found.json"),
    core!("jira.transition"),
    core!("memory.forget"),
    core!("memory.recall", "golden/nothing.json"),
    core!("memory.remember"),
    core!("shell.line", "golden/line.json"),
    core!("shell.run", "golden/words.json"),
];

impl Core {
    /// The tool as it is described.
    ///
    /// # Errors
    /// What is wrong with its description. A test reads all of them, so there is nothing.
    pub fn tool(&self) -> Result<Tool, String> {
        let read = tds::read(Format::Toml, self.text).map_err(|report| report.to_string())?;
        Ok(read.tool)
    }

    /// The tool as this configuration has it: whom it reaches is the operator's to say, and not the description's.
    ///
    /// # Errors
    /// What is wrong with it then.
    pub fn set_up(&self, config: &Config) -> Result<Tool, String> {
        let tool = self.tool()?;
        match self.id.split_once('.') {
            Some(("http", _)) => reach::hosts(tool, &config.hosts),
            Some(("jira", _)) if !config.jira.host.is_empty() => reach::jira(tool, &config.jira),
            _ => Ok(tool),
        }
    }

    /// The tool as somebody would hand it in, with the calls that prove it.
    pub fn package(&self) -> Package {
        let file = |(path, text): &(&str, &str)| {
            ((*path).to_owned(), PackedFile { bytes: text.as_bytes().to_vec(), executable: false })
        };
        Package { format: Format::Toml, text: self.text.to_owned(), files: self.golden.iter().map(file).collect() }
    }

    /// Whether a word of `[tools] core` means this tool: its id, or the first word of it for all that begin so.
    pub fn is_meant(&self, word: &str) -> bool {
        self.id == word || self.id.split_once('.').is_some_and(|(family, _)| family == word)
    }
}

/// What stands before the tool of this id, if anything does: what is behind the others are functions.
pub fn front(id: &str, config: &Config) -> Option<Arc<dyn Front>> {
    let jira = |does| Arc::new(jira::Jira { host: config.jira.host.clone(), does });
    Some(match id {
        "http.get" => Arc::new(http::Http { methods: http::READING }),
        "http.send" => Arc::new(http::Http { methods: http::CHANGING }),
        "jira.comment" => jira(jira::Does::Comment),
        "jira.create" => jira(jira::Does::Create),
        "jira.issue" => jira(jira::Does::Issue),
        "jira.search" => jira(jira::Does::Search),
        "jira.transition" => jira(jira::Does::Transition),
        "shell.line" => Arc::new(shell::Line),
        "shell.run" => Arc::new(shell::Run { programs: config.programs.clone() }),
        _ => return git::front(id),
    })
}

/// What the model filled in, as its front reads it.
fn input<T: DeserializeOwned>(envelope: &Value) -> Result<T, Failure> {
    serde_json::from_value(envelope["input"].clone())
        .map_err(|error| invalid(format!("the input does not fit: {error}")))
}

fn invalid(reason: impl Into<String>) -> Failure {
    Failure::new(Class::Invalid, reason)
}

fn internal(reason: impl Into<String>) -> Failure {
    Failure::new(Class::Internal, reason)
}
