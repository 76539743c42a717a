//! `syzygy tool test`, `publish` and `retire`: tools that are handed in to a running host, and taken back.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use reqwest::Method;

use super::arguments::Connection;
use super::budgets::encoded;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::plain;
use super::tools::{found, invalid, text};
use crate::actors::executor::{Canary, Stage};
use crate::api::{Doubts, Publish, PublishAnswer, PublishFile, SettleDoubt};
use crate::tds::{self, limits};

#[derive(Debug, Args)]
pub(super) struct HandedIn {
    /// The description, or its folder.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    trial: Trial,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Whom a version on trial serves.
#[derive(Debug, Args)]
struct Trial {
    /// Serve this share of runs, in percent, always the same ones.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    share: Option<u8>,
    /// Serve this agent; may be said several times.
    #[arg(long = "for-agent", value_name = "AGENT")]
    agents: Vec<String>,
    /// Serve who was granted this scope; may be said several times.
    #[arg(long = "for-scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Serve everybody where `tools.flags` has this.
    #[arg(long, value_name = "FLAG")]
    flag: Option<String>,
}

impl Trial {
    /// Whom it serves; nothing if nothing was said.
    fn canary(&self) -> Option<Canary> {
        let Trial { share, agents, scopes, flag } = self;
        let said = share.is_some() || !agents.is_empty() || !scopes.is_empty() || flag.is_some();
        said.then(|| Canary {
            share_percent: share.unwrap_or(0),
            agents: agents.clone(),
            scopes: scopes.clone(),
            flag: flag.clone(),
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct Staged {
    /// The tool's id and version: `git.log@1.2.0`.
    #[arg(value_name = "TOOL@VERSION")]
    tool: String,
    /// Whom it serves from now on.
    #[arg(value_name = "STAGE")]
    stage: Word,
    /// Why it is taken out.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    trial: Trial,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Whom a version serves, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Everybody.
    Active,
    /// Some, on trial: say whom.
    Canary,
    /// Nobody.
    Quarantined,
}

#[derive(Debug, Args)]
pub(super) struct Retired {
    /// The tool's id and version: `git.log@1.2.0`.
    #[arg(value_name = "TOOL@VERSION")]
    tool: String,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Doubted {
    /// It was done, and this came of it, as JSON; who asks again under its key gets that.
    #[arg(long, value_name = "JSON", requires = "invocation", conflicts_with = "not_done")]
    done: Option<String>,
    /// It was not done; who asks again under its key has it done.
    #[arg(long, requires = "invocation")]
    not_done: bool,
    /// The call that this is said of.
    #[arg(value_name = "INVOCATION")]
    invocation: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Hands a tool in, to be published or only to be tested.
pub(super) async fn hand_in(
    client: &Client,
    asked: &HandedIn,
    test_only: bool,
    console: &mut Console,
) -> Result<u8, Error> {
    let (path, format) = found(&asked.file)?;
    let text = text(&path, limits::DOCUMENT_BYTES_MAX)?;
    let checked = tds::read(format, &text).map_err(|report| {
        let lines: String = report.to_string().lines().map(|line| format!("\n{}:{line}", path.display())).collect();
        invalid(format!("could not read a tool from {}:{lines}", path.display()))
    })?;
    let files = files(&path, &checked.tool)?;
    let body = Publish { format: format.into(), text, files, test_only, canary: asked.trial.canary() };
    let answer: PublishAnswer = client.post("/tools", &body).await?;
    if console.json {
        console.out_json(&answer)?;
        return Ok(0);
    }
    for warning in &answer.warnings {
        console.remark(&format!("warning: {}", plain(warning)));
    }
    let good = console.paint().good("ok");
    for passed in &answer.passed {
        console.out(&format!("{good} {}\n", plain(passed)))?;
    }
    if let (Some(tool), Some(hash)) = (&answer.tool, &answer.hash) {
        let was = match (answer.known, &body.canary) {
            (true, _) => "was published already",
            (false, None) => "is published",
            (false, Some(_)) => "is published on trial",
        };
        console.out(&format!("{tool} {was}: {hash}\n"))?;
    }
    Ok(0)
}

/// The files a description names, as they stand beside it.
fn files(path: &Path, tool: &tds::Tool) -> Result<Vec<PublishFile>, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut names: Vec<&str> = tool.files().into_iter().map(|(_, file)| file.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let read = |name: &str| {
        let path = folder.join(name);
        let failed = |cause| Error::File { path: path.clone(), cause };
        let bytes = std::fs::read(&path).map_err(failed)?;
        let executable = is_executable(&path).map_err(failed)?;
        Ok(PublishFile { path: name.to_owned(), base64: STANDARD.encode(bytes), executable })
    };
    names.into_iter().map(read).collect()
}

#[cfg(unix)]
fn is_executable(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> std::io::Result<bool> {
    Ok(true)
}

/// A tool and a version, as `git.log@1.2.0`.
fn named(tool: &str) -> Result<(&str, &str), Error> {
    tool.split_once('@').ok_or_else(|| Error::Usage(format!("{tool:?} names no version; write it as git.log@1.2.0")))
}

/// Says whom a version serves from now on.
pub(super) async fn stage(client: &Client, asked: &Staged, console: &mut Console) -> Result<u8, Error> {
    let (id, version) = named(&asked.tool)?;
    let canary = asked.trial.canary();
    let stage = match (asked.stage, canary) {
        (Word::Canary, Some(canary)) => Stage::Canary(canary),
        (Word::Canary, None) => {
            return Err(Error::Usage("say whom it serves: --share, --for-agent, --for-scope or --flag".to_owned()));
        }
        (_, Some(_)) => return Err(Error::Usage("only a version on trial serves some and not others".to_owned())),
        (Word::Active, None) => Stage::Active,
        (Word::Quarantined, None) => {
            Stage::Quarantined { reason: asked.reason.clone().unwrap_or_else(|| "a person took it out".to_owned()) }
        }
    };
    client.say(&format!("/tools/{}/versions/{}/stage", encoded(id), encoded(version)), &stage).await?;
    console.remark(&format!("{id}@{version} is {}", stage.word()));
    Ok(0)
}

/// Takes a version of a tool back.
pub(super) async fn retire(client: &Client, asked: &Retired, console: &mut Console) -> Result<u8, Error> {
    let (id, version) = named(&asked.tool)?;
    client.tell(Method::DELETE, &format!("/tools/{}/versions/{}", encoded(id), encoded(version))).await?;
    console.remark(&format!("{id}@{version} is not called any more"));
    Ok(0)
}

/// Lists calls in doubt, or says what became of one.
pub(super) async fn doubts(client: &Client, asked: &Doubted, console: &mut Console) -> Result<u8, Error> {
    let Some(invocation) = &asked.invocation else { return list(client, console).await };
    let value = match (&asked.done, asked.not_done) {
        (Some(text), _) => Some(serde_json::from_str(text).map_err(|error| {
            Error::Usage(format!("--done takes what came of the call, as JSON; {text:?} is none: {error}"))
        })?),
        (None, true) => None,
        (None, false) => return Err(Error::Usage("say --done JSON or --not-done".to_owned())),
    };
    let body = SettleDoubt { done: value.is_some(), value: value.unwrap_or_default() };
    client.say(&format!("/effects/doubts/{}", encoded(invocation)), &body).await?;
    console.remark(&format!("{invocation} is settled"));
    Ok(0)
}

async fn list(client: &Client, console: &mut Console) -> Result<u8, Error> {
    let found: Doubts = client.get("/effects/doubts").await?;
    if console.json {
        console.out_json(&found)?;
        return Ok(0);
    }
    if found.doubts.is_empty() {
        console.out("no call is in doubt\n")?;
        return Ok(0);
    }
    for doubt in &found.doubts {
        let reason = doubt.reason.as_deref().unwrap_or("it is on the way, or was when the host ended");
        let when: String = doubt.since.rfc3339().chars().take(19).collect();
        console.out(&format!(
            "{} {when} {} under {:?} of {}\n  {}\n  {}\n",
            doubt.invocation,
            doubt.tool,
            plain(&doubt.key),
            plain(&doubt.tenant),
            plain(reason),
            doubt.arguments
        ))?;
    }
    Ok(0)
}
