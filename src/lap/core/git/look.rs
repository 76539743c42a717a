//! What only looks: the history, a commit or a file of it, and what differs.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{input, internal};
use super::{directory, git, printed, probe, words};
use crate::lap::{Came, Command, Front, Step, cut};
use crate::sandbox::Failure;

/// What ends a commit and what parts its fields, as git prints them.
const FORMAT: &str = "--format=%H%x1f%aI%x1f%an%x1f%s";

/// Words that keep git from running what attributes name, and from colours.
const PLAIN: [&str; 4] = ["--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short"];

/// Commits that are listed if a caller does not say how many.
const LOG_USUAL: u64 = 20;

/// Bytes of a text that are shown if a caller does not say how many: what a small model can still read.
const TEXT_USUAL: usize = 16_000;

/// `git.log`.
pub(super) struct Log;

#[derive(Deserialize)]
struct LogInput {
    repository: Option<String>,
    revision: Option<String>,
    path: Option<String>,
    limit: Option<u64>,
}

impl Front for Log {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        let input: LogInput = input(envelope)?;
        let limit = input.limit.unwrap_or(LOG_USUAL);
        let Some(came) = came.first() else {
            let directory = directory(envelope, input.repository.as_deref())?;
            let revision = words::revision("revision", input.revision.as_deref().unwrap_or("HEAD"))?;
            // One more than asked for, to know whether there are more.
            let most = format!("--max-count={}", limit + 1);
            let mut all = vec!["log", "-z", "--no-show-signature", "--no-decorate", FORMAT, &most];
            all.extend(PLAIN);
            all.extend(["--end-of-options", revision, "--"]);
            all.extend(input.path.as_deref().map(|path| words::path("path", path)).transpose()?);
            return Ok(Step::Run(git(&directory, all)));
        };
        let text = printed(came)?;
        let mut commits: Vec<Value> =
            text.split('\0').filter(|line| !line.is_empty()).map(commit).collect::<Result<_, _>>()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = commits.len() > limit;
        commits.truncate(limit);
        Ok(Step::Answer(json!({ "commits": commits, "more": more })))
    }

    fn probe(&self) -> Option<Command> {
        Some(probe())
    }
}

/// Bytes of a commit's first line that are shown.
const SUBJECT_MOST: usize = 300;

fn commit(line: &str) -> Result<Value, Failure> {
    let mut fields = line.splitn(4, '\u{1f}');
    let mut field = || fields.next().ok_or_else(|| internal("git printed a line that is no commit"));
    let (id, date, author, subject) = (field()?, field()?, field()?, field()?);
    let short = |text: &str| cut(text, SUBJECT_MOST).0;
    Ok(json!({ "id": id.trim(), "date": date, "author": short(author), "subject": short(subject) }))
}

/// `git.show`.
pub(super) struct Show;

#[derive(Deserialize)]
struct ShowInput {
    repository: Option<String>,
    revision: String,
    path: Option<String>,
    bytes: Option<usize>,
}

impl Front for Show {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        let input: ShowInput = input(envelope)?;
        let Some(came) = came.first() else {
            let directory = directory(envelope, input.repository.as_deref())?;
            let revision = words::commit("revision", &input.revision)?;
            let Some(path) = &input.path else {
                let mut all = vec!["show", "--no-show-signature", "--no-decorate", "--stat", "--patch"];
                all.push("--format=commit %H%ndate %aI%nauthor %an%n%n%B");
                all.extend(PLAIN);
                let one = format!("{revision}^{{commit}}");
                all.extend(["--end-of-options", &one, "--"]);
                return Ok(Step::Run(git(&directory, all)));
            };
            // As it is in the commit: no filter, no other coding.
            let file = format!("{revision}:{}", words::path("path", path)?);
            return Ok(Step::Run(git(&directory, ["cat-file", "blob", &file])));
        };
        Ok(Step::Answer(text(printed(came)?, input.bytes)))
    }

    fn probe(&self) -> Option<Command> {
        Some(probe())
    }
}

fn text(printed: &str, bytes: Option<usize>) -> Value {
    let (text, missing) = cut(printed, bytes.unwrap_or(TEXT_USUAL));
    json!({ "text": text, "cut": missing })
}

/// `git.diff`.
pub(super) struct Diff;

#[derive(Deserialize)]
struct DiffInput {
    repository: Option<String>,
    from: String,
    to: Option<String>,
    path: Option<String>,
    #[serde(default)]
    stat: bool,
    bytes: Option<usize>,
}

impl Front for Diff {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        let input: DiffInput = input(envelope)?;
        let Some(came) = came.first() else {
            let directory = directory(envelope, input.repository.as_deref())?;
            let from = words::commit("from", &input.from)?;
            let to = words::commit("to", input.to.as_deref().unwrap_or("HEAD"))?;
            let mut all = vec!["diff", if input.stat { "--stat" } else { "--patch" }];
            all.extend(PLAIN);
            all.extend(["--end-of-options", from, to, "--"]);
            all.extend(input.path.as_deref().map(|path| words::path("path", path)).transpose()?);
            return Ok(Step::Run(git(&directory, all)));
        };
        Ok(Step::Answer(text(printed(came)?, input.bytes)))
    }

    fn probe(&self) -> Option<Command> {
        Some(probe())
    }
}
