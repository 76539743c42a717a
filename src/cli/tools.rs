//! `syzygy tool`: descriptions of tools on this machine, begun, checked, compared, documented, which needs no running host;
//! and the tools of one that runs.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::arguments::Connection;
use super::calls::{self, Called, Described, Listed, Searched};
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::handing::{self, Doubted, HandedIn, Retired, Staged};
use super::paint::Paint;
use super::policies;
use crate::tds::compat::{Change, Refusal, diff, judge};
use crate::tds::{self, Checked, Document, Format, Report, limits, starter};
use crate::types::{Class, Hash};

#[derive(Debug, Subcommand)]
pub(super) enum ToolVerb {
    /// Begin a tool: a description, a small program, a recorded call. They pass `check` as they are.
    New(New),
    /// Say everything that is wrong with descriptions, with line and column.
    Check {
        /// A tool.toml, tool.json or tool.yaml, or a folder with one.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the JSON Schema of tool.toml.
    Schema,
    /// Tell what changed between two versions, and whether their numbers say so.
    Diff {
        /// The version there was.
        old: PathBuf,
        /// The version there is to be.
        new: PathBuf,
    },
    /// Print what is made of a description.
    Docs {
        /// The description, or its folder.
        file: PathBuf,
        /// Which part.
        #[arg(long, value_enum, default_value_t = Part::Page)]
        part: Part,
    },
    /// Run the tests of a tool in a running host, and publish nothing.
    Test(HandedIn),
    /// Hand a tool in to a running host, which publishes it if it passes.
    Publish(HandedIn),
    /// Say whom a version serves: everybody, some on trial, or nobody.
    Stage(Staged),
    /// Take a version of a tool back; the journal keeps it.
    Retire(Retired),
    /// List calls of which nobody knows whether they were made, or say what became of one.
    Doubts(Doubted),
    /// List the tools of a running host.
    List(Listed),
    /// Find tools of a running host by words, or by what they are to do.
    Search(Searched),
    /// Say everything about a tool of a running host.
    Describe(Described),
    /// Call a tool of a running host.
    Call(Called),
}

#[derive(Debug, Args)]
pub(super) struct New {
    /// The tool's id, such as `text.count`.
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// The folder to make; else one of that name here.
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// A page in Markdown.
    Page,
    /// Calls as a conversation shows them.
    Prompts,
    /// A function in Rust that calls it.
    Rust,
    /// A call in JSON.
    Call,
    /// What a model is told.
    Spec,
}

/// Does one of the verbs and returns the exit code.
pub(super) async fn tool(
    verb: ToolVerb,
    connect: impl Fn(&Connection) -> Result<Client, Error>,
    console: &mut Console,
) -> Result<u8, Error> {
    match &verb {
        ToolVerb::New(new) => begin(new, console),
        ToolVerb::Check { files } => check(files, console),
        ToolVerb::Schema => {
            let schema = tds::published();
            if console.json {
                console.out_json(schema)?
            } else {
                console.out(&pretty(schema))?
            }
            Ok(0)
        }
        ToolVerb::Diff { old, new } => compare(old, new, console),
        ToolVerb::Docs { file, part } => docs(file, *part, console),
        ToolVerb::Test(asked) => handing::hand_in(&connect(&asked.connection)?, asked, true, console).await,
        ToolVerb::Publish(asked) => handing::hand_in(&connect(&asked.connection)?, asked, false, console).await,
        ToolVerb::Stage(asked) => handing::stage(&connect(&asked.connection)?, asked, console).await,
        ToolVerb::Retire(asked) => handing::retire(&connect(&asked.connection)?, asked, console).await,
        ToolVerb::Doubts(asked) => handing::doubts(&connect(&asked.connection)?, asked, console).await,
        ToolVerb::List(asked) => calls::list(&connect(&asked.connection)?, asked, console).await,
        ToolVerb::Search(asked) => calls::search(&connect(&asked.connection)?, asked, console).await,
        ToolVerb::Describe(asked) => calls::describe(&connect(&asked.connection)?, asked, console).await,
        ToolVerb::Call(asked) => {
            let client = connect(&asked.connection).map_err(|error| asked.misplaced(error))?;
            calls::call(&client, asked, console).await
        }
    }
}

/// A value as a file holds it, with a line break at its end.
fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn invalid(reason: String) -> Error {
    Error::Local { class: Class::Invalid, reason }
}

fn begin(new: &New, console: &mut Console) -> Result<u8, Error> {
    let id = starter::id(&new.name).map_err(|reason| invalid(format!("could not begin a tool: {reason}")))?;
    let folder = new.dir.clone().unwrap_or_else(|| PathBuf::from(id.as_str()));
    let failed = |path: &Path, cause: &std::io::Error| {
        let class =
            if cause.kind() == std::io::ErrorKind::AlreadyExists { Class::Conflict } else { Class::Unavailable };
        Error::Local { class, reason: format!("could not write {}: {cause}", path.display()) }
    };
    if let Some(above) = folder.parent() {
        std::fs::create_dir_all(above).map_err(|cause| failed(above, &cause))?;
    }
    // A folder that is there may hold somebody's tool, so it must not be.
    std::fs::create_dir(&folder).map_err(|cause| failed(&folder, &cause))?;
    let mut written = Vec::new();
    for file in starter::files(&id) {
        let path = folder.join(file.path);
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).map_err(|cause| failed(above, &cause))?;
        }
        std::fs::write(&path, &file.text).map_err(|cause| failed(&path, &cause))?;
        if file.executable {
            executable(&path).map_err(|cause| failed(&path, &cause))?;
        }
        written.push(path.display().to_string());
    }
    if console.json {
        console.out_json(&serde_json::json!({ "id": id, "files": written }))?;
    } else {
        console.out(&format!("{}\n", written.join("\n")))?;
        console.remark(&format!("check it with `syzygy tool check {}`", folder.display()));
    }
    Ok(0)
}

#[cfg(unix)]
fn executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// What came of one file.
#[derive(Debug, Serialize)]
struct Outcome {
    file: String,
    taken: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<Taken>,
    reports: Vec<Told>,
}

#[derive(Debug, Serialize)]
struct Taken {
    id: String,
    version: String,
    hash: Hash,
    risk: &'static str,
}

/// What is wrong in one file: the description, or one that belongs to it.
#[derive(Debug, Serialize)]
struct Told {
    file: String,
    #[serde(flatten)]
    report: Report,
}

fn check(files: &[PathBuf], console: &mut Console) -> Result<u8, Error> {
    let outcomes = files.iter().map(|file| examine(file)).collect::<Result<Vec<_>, _>>()?;
    if console.json {
        console.out_json(&outcomes)?;
    } else {
        let paint = console.paint();
        for outcome in &outcomes {
            console.out(&outcome_lines(outcome, paint))?;
        }
    }
    let good = outcomes.iter().all(|outcome| outcome.taken);
    Ok(if good { 0 } else { Class::Invalid.exit_code() })
}

fn outcome_lines(outcome: &Outcome, paint: Paint) -> String {
    let mut text = String::new();
    for Told { file, report } in &outcome.reports {
        for problem in &report.problems {
            text.push_str(&format!("{file}:{problem}\n"));
        }
        if report.left_out > 0 {
            text.push_str(&format!("{file}: and {} more\n", report.left_out));
        }
    }
    match &outcome.tool {
        Some(Taken { id, version, hash, risk }) if outcome.taken => {
            text.push_str(&format!("{}: {} {id} {version}, {risk} risk, {hash}\n", outcome.file, paint.good("ok")));
        }
        _ => text.push_str(&format!("{}: {}\n", outcome.file, paint.bad("refused"))),
    }
    text
}

fn examine(file: &Path) -> Result<Outcome, Error> {
    let (path, text, read) = load(file)?;
    let name = path.display().to_string();
    let told = |report| Told { file: name.clone(), report };
    match read {
        Err(report) => Ok(Outcome { file: name.clone(), taken: false, tool: None, reports: vec![told(report)] }),
        Ok(Checked { tool, document, warnings }) => {
            let mut reports = vec![told(warnings), told(policies::wrong(&text, &tool, &document))];
            reports.extend(beside(&path, &tool, &document)?);
            reports.retain(|told| !told.report.is_empty());
            let taken = !reports.iter().any(|told| told.report.refuses());
            let risk = tds::assess(&tool).risk.word();
            let hash = tds::hash(&tool);
            let tool = Taken { id: tool.id.to_string(), version: tool.version.to_string(), hash, risk };
            Ok(Outcome { file: name.clone(), taken, tool: Some(tool), reports })
        }
    }
}

/// Looks at the files that a description names: whether they are there, and whether recorded calls are calls.
fn beside(path: &Path, tool: &tds::Tool, document: &Document) -> Result<Vec<Told>, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = tool.files();
    let missing = named.iter().filter(|(_, file)| !folder.join(file.as_str()).is_file());
    let missing = tds::missing(document, missing.map(|(at, file)| (at.as_str(), file.as_str())));
    let mut found = vec![Told { file: path.display().to_string(), report: missing }];
    for (_, file) in tool.tests.files() {
        let path = folder.join(file.as_str());
        if !path.is_file() {
            continue;
        }
        if let Err(report) = tds::fixture(tool, &text(&path, limits::FIXTURE_BYTES_MAX)?) {
            found.push(Told { file: path.display().to_string(), report });
        }
    }
    Ok(found)
}

/// Reads a text that is not too long; a longer one is cut where its reader sees that it is too long.
pub(super) fn text(path: &Path, most: usize) -> Result<String, Error> {
    let failed = |cause| Error::File { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(most as u64 + 4).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        // Wherever the cut is, what is left is longer than allowed.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let good = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
        let (line, column) =
            (good.split('\n').count(), good.rsplit('\n').next().unwrap_or_default().chars().count() + 1);
        let why = format!("byte {at} is not UTF-8 (line {line}, column {column}); save it as UTF-8");
        failed(std::io::Error::new(std::io::ErrorKind::InvalidData, why))
    })
}

/// Names a description may have in its folder, the usual one first.
const NAMES: [&str; 4] = ["tool.toml", "tool.json", "tool.yaml", "tool.yml"];

/// Where a description is, or that of a folder, and in which form it is written.
pub(super) fn found(file: &Path) -> Result<(PathBuf, Format), Error> {
    let path = if file.is_dir() {
        let there: Vec<&str> = NAMES.into_iter().filter(|name| file.join(name).is_file()).collect();
        match there.as_slice() {
            [only] => file.join(only),
            [] => {
                let names = NAMES.join(", ");
                let reason = format!(
                    "could not find a description in {}: none of {names} is a file there; `syzygy tool new` begins one",
                    file.display()
                );
                return Err(Error::Local { class: Class::NotFound, reason });
            }
            several => {
                let reason =
                    format!("could not tell which description of {} is meant: {}", file.display(), several.join(", "));
                return Err(invalid(format!("{reason} are there; keep one, or name the file")));
            }
        }
    } else {
        // Before its name is looked at: a place that is not there is none of a wrong form.
        std::fs::metadata(file).map_err(|cause| Error::File { path: file.to_owned(), cause })?;
        file.to_owned()
    };
    let Some(format) = Format::of(&path) else {
        let reason =
            format!("could not tell the format of {}: its name ends in none of .toml, .json, .yaml", path.display());
        return Err(invalid(reason));
    };
    Ok((path, format))
}

/// Reads a description, or that of a folder.
fn load(file: &Path) -> Result<(PathBuf, String, Result<Checked, Report>), Error> {
    let (path, format) = found(file)?;
    let text = text(&path, limits::DOCUMENT_BYTES_MAX)?;
    let read = tds::read(format, &text);
    Ok((path, text, read))
}

/// Reads a description that must be right.
fn taken(file: &Path) -> Result<(PathBuf, Checked), Error> {
    let (path, _, read) = load(file)?;
    match read {
        Ok(checked) => Ok((path, checked)),
        Err(report) => {
            let lines: String = report.to_string().lines().map(|line| format!("\n{}:{line}", path.display())).collect();
            Err(invalid(format!("could not read a tool from {}:{lines}", path.display())))
        }
    }
}

/// A change as a program reads it.
#[derive(Debug, Serialize)]
struct Line {
    file: String,
    line: usize,
    column: usize,
    #[serde(flatten)]
    change: Change,
}

fn compare(old: &Path, new: &Path, console: &mut Console) -> Result<u8, Error> {
    let ((old_path, old), (new_path, new)) = (taken(old)?, taken(new)?);
    let changes = diff(&old.tool, &new.tool);
    let verdict = judge(&old.tool, &new.tool, &changes);
    let place = |change: Change| {
        let (path, document) = if change.in_old { (&old_path, &old.document) } else { (&new_path, &new.document) };
        let spot = document.spot(&change.pointer);
        Line { file: path.display().to_string(), line: spot.line, column: spot.column, change }
    };
    let lines: Vec<Line> = changes.into_iter().map(place).collect();
    let refused = verdict.as_ref().err().map(Refusal::to_string);
    if console.json {
        let (old, new) = (old.tool.version.to_string(), new.tool.version.to_string());
        let told = serde_json::json!({ "old": old, "new": new, "changes": lines, "refused": refused });
        console.out_json(&told)?;
    } else {
        let paint = console.paint();
        for Line { file, line, column, change } in &lines {
            let Change { level, pointer, what, .. } = change;
            console.out(&format!("{file}:{line}:{column}: {level}: {}: {what}\n", tds::dotted(pointer)))?;
        }
        let told = match &refused {
            None => format!("{} {} after {}\n", paint.good("ok"), new.tool.version, old.tool.version),
            Some(reason) => format!("{}: {reason}\n", paint.bad("refused")),
        };
        console.out(&told)?;
    }
    Ok(verdict.map_or_else(|refusal| refusal.class().exit_code(), |()| 0))
}

fn docs(file: &Path, part: Part, console: &mut Console) -> Result<u8, Error> {
    let (_, Checked { tool, .. }) = taken(file)?;
    let told = match part {
        Part::Page => tds::page(&tool),
        Part::Prompts => tds::prompts(&tool),
        Part::Rust => tds::stub(&tool),
        Part::Call => pretty(&tds::call(&tool)),
        Part::Spec => pretty(&tds::spec(&tool)),
    };
    match part {
        _ if !console.json => console.out(&told)?,
        Part::Call => console.out_json(&tds::call(&tool))?,
        Part::Spec => console.out_json(&tds::spec(&tool))?,
        _ => console.out_json(&serde_json::json!({ "text": told }))?,
    }
    Ok(0)
}
