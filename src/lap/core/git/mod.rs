//! Before git: words that it could take for options are refused, and it is started so that nothing of the repository decides
//! what is run.
//!
//! A repository is data that somebody else wrote. Its configuration can name programs (hooks, filters, pagers, editors,
//! helpers of many kinds), so each of them is switched off, and where one cannot be, the call is refused. The jail around git
//! is what holds if this does not.

mod look;
pub(super) mod words;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use super::internal;
use crate::lap::{Came, Command, Front};
use crate::sandbox::Failure;
use crate::types::Class;

/// Settings that nothing in a repository may decide.
const SETTINGS: [&str; 22] = [
    "safe.directory=*",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.pager=cat",
    "core.editor=false",
    "core.sshCommand=false",
    "core.gitProxy=false",
    "core.askPass=false",
    "core.alternateRefsCommand=false",
    "core.untrackedCache=false",
    "credential.helper=",
    "diff.external=",
    "gpg.program=false",
    "log.showSignature=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "protocol.allow=never",
    // Quoting would make another name of what is not ASCII.
    "core.quotePath=false",
];

/// Variables that say the same where git starts itself once more.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    // What is missing in a partial clone is not fetched.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", "false"),
    // A path is a path, whatever signs are in it.
    ("GIT_LITERAL_PATHSPECS", "1"),
    // Nothing above the granted folder is a repository.
    ("GIT_CEILING_DIRECTORIES", "/granted"),
];

/// What stands before the tool of this id.
pub(super) fn front(id: &str) -> Option<Arc<dyn Front>> {
    Some(match id {
        "git.log" => Arc::new(look::Log),
        "git.show" => Arc::new(look::Show),
        "git.diff" => Arc::new(look::Diff),
        "git.commit" => Arc::new(write::Commit),
        "git.clone" => Arc::new(write::Clone),
        _ => return None,
    })
}

/// Git with these words, started in this directory.
fn git<'w>(directory: &str, words: impl IntoIterator<Item = &'w str>) -> Command {
    let mut argv: Vec<String> = ["git", "--no-pager"].map(str::to_owned).to_vec();
    for setting in SETTINGS {
        argv.extend(["-c".to_owned(), setting.to_owned()]);
    }
    argv.extend(["-C".to_owned(), directory.to_owned()]);
    argv.extend(words.into_iter().map(str::to_owned));
    let environment = ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Command { argv, environment: environment.collect(), directory: None }
}

/// What is run to see whether there is a git here.
fn probe() -> Command {
    git("/", ["version"])
}

/// Where the repository of a call is, as git finds it.
fn directory(envelope: &Value, repository: Option<&str>) -> Result<String, Failure> {
    let granted = envelope["host"]["workspace"].as_str().ok_or_else(|| internal("no folder was granted"))?;
    Ok(match repository {
        None | Some(".") => granted.to_owned(),
        Some(path) => format!("{granted}/{}", words::path("repository", path)?),
    })
}

/// What git printed, if it ended well.
fn printed(came: &Came) -> Result<&str, Failure> {
    match came {
        Came::Printed { stdout, exit: 0, .. } => Ok(stdout),
        Came::Printed { stderr, exit, .. } => Err(failed(stderr, *exit)),
        Came::Answered(_) => Err(internal("git is no server")),
    }
}

/// Signs of git's complaint that are told at the most: a few lines.
const COMPLAINT_MOST: usize = 600;

/// Git's complaint as a failure.
fn failed(stderr: &str, exit: i64) -> Failure {
    let said = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    let class =
        if said(&["unknown revision", "bad revision", "does not exist", "not a git repository", "did not match"]) {
            Class::NotFound
        } else if said(&["Read-only file system", "Permission denied"]) {
            Class::Denied
        } else if said(&["already exists and is not an empty directory", "index.lock"]) {
            Class::Conflict
        } else {
            Class::Invalid
        };
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    let text = if lines.is_empty() { format!("exit code {exit}") } else { lines.join("; ") };
    Failure::new(class, format!("git could not do it: {}", super::super::cut(&text, COMPLAINT_MOST).0))
}
