//! What changes a granted folder: a commit, and a copy of a repository.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{input, internal, invalid};
use super::{directory, failed, git, printed, probe, words};
use crate::lap::{Came, Command, Front, Step};
use crate::sandbox::Failure;
use crate::types::Class;

/// `git.commit`.
pub(super) struct Commit;

#[derive(Deserialize)]
struct CommitInput {
    repository: Option<String>,
    message: String,
    paths: Vec<String>,
}

impl Front for Commit {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        let input: CommitInput = input(envelope)?;
        let directory = directory(envelope, input.repository.as_deref())?;
        let paths: Vec<&str> = input.paths.iter().map(|path| words::path("paths", path)).collect::<Result<_, _>>()?;
        if input.message.contains('\0') || input.message.trim().is_empty() {
            return Err(invalid("message is a text with something in it"));
        }
        let run = |words: &[&str], paths: &[&str]| {
            let mut command = git(&directory, words.iter().chain(paths).copied());
            command.environment.extend(names(envelope));
            Ok(Step::Run(command))
        };
        match came {
            [] => run(&["config", "--list", "--name-only", "--show-scope", "-z"], &[]),
            [listed] => {
                refuse_programs(printed(listed)?)?;
                run(&["add", "--"], &paths)
            }
            [_, added] => {
                printed(added)?;
                run(&["diff", "--cached", "--quiet", "--no-ext-diff", "--no-textconv", "--"], &paths)
            }
            [_, _, Came::Printed { exit: 1, .. }] => {
                let message = format!("--message={}", input.message);
                let words =
                    ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=whitespace", &message, "--only"];
                run(&[words.as_slice(), &["--"]].concat(), &paths)
            }
            [_, _, same] => {
                printed(same)?;
                run(&["rev-parse", "--verify", "--end-of-options", "HEAD"], &[])
            }
            [_, _, _, last] if made(came) => {
                printed(last)?;
                run(&["rev-parse", "--verify", "--end-of-options", "HEAD"], &[])
            }
            [.., last] => Ok(Step::Answer(json!({ "commit": printed(last)?.trim(), "made": made(came) }))),
        }
    }

    fn probe(&self) -> Option<Command> {
        Some(probe())
    }
}

/// Whether there was something to commit: then the third step says that there are differences.
fn made(came: &[Came]) -> bool {
    matches!(came.get(2), Some(Came::Printed { exit: 1, .. }))
}

/// Who commits: the agent or the person that calls. What git would read as the end of a name is left out.
fn names(envelope: &Value) -> Vec<(String, String)> {
    let who = envelope["host"]["author"].as_str().unwrap_or("syzygy");
    let name: String = who.chars().filter(|sign| !sign.is_control() && !"<>".contains(*sign)).collect();
    let name = if name.trim().is_empty() { "syzygy".to_owned() } else { name };
    let pairs = [
        ("GIT_AUTHOR_NAME", name.as_str()),
        ("GIT_AUTHOR_EMAIL", "agent@syzygy.invalid"),
        ("GIT_COMMITTER_NAME", name.as_str()),
        ("GIT_COMMITTER_EMAIL", "agent@syzygy.invalid"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// Refuses a repository whose own settings name programs that git would run while it takes files in: they have names that
/// nobody knows beforehand, so they cannot be switched off.
fn refuse_programs(listed: &str) -> Result<(), Failure> {
    let mut fields = listed.split('\0');
    let mut found = Vec::new();
    while let (Some(scope), Some(key)) = (fields.next(), fields.next()) {
        let key = key.to_ascii_lowercase();
        let ends = [".clean", ".smudge", ".process", ".driver"].iter().any(|end| key.ends_with(end));
        // What stands on our own command line is ours.
        if scope != "command" && ends && (key.starts_with("filter.") || key.starts_with("merge.")) {
            found.push(key);
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    found.sort_unstable();
    let text = format!("the repository's settings name programs that would be run: {}", found.join(", "));
    Err(Failure::new(Class::Denied, text))
}

/// `git.clone`.
pub(super) struct Clone;

#[derive(Deserialize)]
struct CloneInput {
    source: String,
    target: String,
}

/// How the other side of a copy is started: it is told nothing of what this side was.
const UPLOAD: &str = "--upload-pack=git -c safe.directory='*' -c core.hooksPath=/dev/null upload-pack";

impl Front for Clone {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        let input: CloneInput = input(envelope)?;
        let granted = directory(envelope, None)?;
        let source = directory(envelope, Some(&input.source))?;
        let target = words::path("target", &input.target)?;
        match came {
            [] => {
                let mut command = git(&granted, ["-c", "protocol.file.allow=always", "clone", "--quiet", UPLOAD]);
                // Through git itself, which looks at what it is given, and not by taking over files.
                let rest = ["--no-local", "--template=", "--no-recurse-submodules", "--", &source, target];
                command.argv.extend(rest.map(str::to_owned));
                Ok(Step::Run(command))
            }
            [copied] => {
                printed(copied)?;
                let at = directory(envelope, Some(target))?;
                Ok(Step::Run(git(&at, ["rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD"])))
            }
            [_, Came::Printed { stdout, exit: 0 | 1, .. }] => {
                Ok(Step::Answer(json!({ "repository": target, "head": stdout.trim() })))
            }
            [_, Came::Printed { stderr, exit, .. }] => Err(failed(stderr, *exit)),
            _ => Err(internal("git is no server")),
        }
    }

    fn probe(&self) -> Option<Command> {
        Some(probe())
    }
}
