//! `syzygy tool list`, `search`, `describe` and `call`: the tools of a running host.

use clap::Args;
use futures::StreamExt;
use serde_json::Value;

use super::arguments::Connection;
use super::budgets::encoded;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::flags;
use super::paint::{columns, plain, short};
use super::sse::Parser;
use crate::actors::executor::{Canary, Stage};
use crate::api::{self, Invoke, Invoked, Problem};
use crate::sandbox::Line;
use crate::tds::{self, Tool};

#[derive(Debug, Args)]
pub(super) struct Listed {
    /// Only tools with this tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only tools that offer this: action, query, stream, subscription or batch.
    #[arg(long, value_name = "WORD")]
    capability: Option<String>,
    /// Only tools that ask for this scope.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Searched {
    /// What the tool is to be found by: words of its id, name, description or tags.
    #[arg(value_name = "WORD", required_unless_present = "like")]
    words: Vec<String>,
    /// What the tool is to do, in your own words; what fits best comes first.
    #[arg(long, value_name = "TEXT")]
    like: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Described {
    /// The tool's id.
    #[arg(value_name = "TOOL")]
    id: String,
    /// Which version, such as `^1.2`; else the newest.
    #[arg(long, value_name = "RANGE")]
    version: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Called {
    /// Which versions will do, such as `^1.2`; else the newest.
    #[arg(long, value_name = "RANGE")]
    version: Option<String>,
    /// The call happens once under this key.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The folder that is granted, by its name in the host's configuration.
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// Seconds it may take.
    #[arg(long, value_name = "SECONDS")]
    timeout_s: Option<u64>,
    #[command(flatten)]
    pub(super) connection: Connection,
    /// The tool's id.
    #[arg(value_name = "TOOL")]
    id: String,
    /// Its arguments: flags of its own (`--name value`, see `describe`), or one JSON object; `-` reads it from stdin.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Called {
    /// The host could not be reached. Where an option of ours stands after the tool's id, and so is the tool's, that is why.
    pub(super) fn misplaced(&self, error: Error) -> Error {
        let ours = ["--data-dir", "--url", "--token", "--config"];
        let said = |option: &&str| self.arguments.iter().any(|one| one.split('=').next() == Some(*option));
        match ours.into_iter().find(said) {
            Some(option) => Error::Usage(format!(
                "{error}; {option} stands after the tool's id and is taken for the tool's own: put it before"
            )),
            None => error,
        }
    }
}

/// Lists the tools there are.
pub(super) async fn list(client: &Client, asked: &Listed, console: &mut Console) -> Result<u8, Error> {
    let named = [("tag", &asked.tag), ("capability", &asked.capability), ("scope", &asked.scope)];
    let said = named.into_iter().filter_map(|(name, word)| Some(format!("{name}={}", encoded(word.as_ref()?))));
    table(&client.get(&format!("/tools?{}", said.collect::<Vec<_>>().join("&"))).await?, console)
}

/// Lists the tools that these words find, or that are like a text.
pub(super) async fn search(client: &Client, asked: &Searched, console: &mut Console) -> Result<u8, Error> {
    let words = (!asked.words.is_empty()).then(|| format!("q={}", encoded(&asked.words.join(" "))));
    let like = asked.like.as_ref().map(|text| format!("like={}", encoded(text)));
    let said: Vec<String> = words.into_iter().chain(like).collect();
    table(&client.get(&format!("/tools?{}", said.join("&"))).await?, console)
}

fn table(found: &api::Tools, console: &mut Console) -> Result<u8, Error> {
    if console.json {
        console.out_json(found)?;
        return Ok(0);
    }
    if found.tools.is_empty() {
        console.out("no tools\n")?;
        return Ok(0);
    }
    let width = console.columns().max(60) / 2;
    let mut rows = vec![["TOOL", "VERSION", "EFFECTS", "WHAT IT DOES"].map(str::to_owned).to_vec()];
    rows.extend(found.tools.iter().map(|tool| line(tool, width)));
    let paint = console.paint();
    let text = columns(&rows);
    let text = match text.split_once('\n') {
        Some((first, rest)) => format!("{}\n{rest}", paint.bold(first)),
        None => text,
    };
    console.out(&text)?;
    if let Some(by) = &found.by {
        console.remark(&format!("the best first, by their words and by {}", plain(by)));
    }
    if found.more > 0 {
        console.remark(&format!("there are {} more: syzygy tool search WORD", found.more));
    }
    Ok(0)
}

/// A tool in the list. Why it cannot be called matters more than what it would do, and is told whole.
pub(super) fn line(tool: &api::ToolRow, width: usize) -> Vec<String> {
    let does = match &tool.unavailable {
        Some(reason) => format!("cannot be run here: {}", plain(reason)),
        None => short(&plain(&tool.description), width),
    };
    vec![tool.id.clone(), tool.version.clone(), tool.side_effects.clone(), does]
}

async fn shown(client: &Client, id: &str, version: Option<&String>) -> Result<api::ToolShown, Error> {
    let version = version.map(|range| format!("?version={}", encoded(range))).unwrap_or_default();
    client.get(&format!("/tools/{}{version}", encoded(id))).await
}

/// Says everything about a tool.
pub(super) async fn describe(client: &Client, asked: &Described, console: &mut Console) -> Result<u8, Error> {
    let found = shown(client, &asked.id, asked.version.as_ref()).await?;
    if console.json {
        console.out_json(&found)?;
        return Ok(0);
    }
    let tool: Tool = serde_json::from_value(found.tool).map_err(|error| client.broken(error.to_string()))?;
    console.out(&tds::page(&tool))?;
    let mut rows = vec![["VERSION", "STAGE", "CALLS", "SUCCESS", "P95", ""].map(str::to_owned).to_vec()];
    rows.extend(found.standing.iter().map(|one| {
        let pulse = one.health.unwrap_or_default();
        let told = |text: String| if pulse.calls == 0 { "-".to_owned() } else { text };
        let more = match &one.stage {
            Stage::Active => String::new(),
            Stage::Canary(canary) => serving(canary),
            Stage::Quarantined { reason } => plain(reason),
        };
        vec![
            one.version.clone(),
            one.stage.word().to_owned(),
            pulse.calls.to_string(),
            told(format!("{} %", pulse.success_percent)),
            told(format!("{} ms", pulse.p95_ms)),
            more,
        ]
    }));
    console.out(&format!("\n{}", columns(&rows)))?;
    Ok(0)
}

/// Whom a version on trial serves, in words.
fn serving(canary: &Canary) -> String {
    let share = (canary.share_percent > 0).then(|| format!("{} % of runs", canary.share_percent));
    let agents = canary.agents.iter().map(|agent| format!("agent {agent}"));
    let scopes = canary.scopes.iter().map(|scope| format!("scope {scope}"));
    let flag = canary.flag.iter().map(|flag| format!("flag {flag}"));
    share.into_iter().chain(agents).chain(scopes).chain(flag).map(|one| plain(&one)).collect::<Vec<_>>().join(", ")
}

/// Calls a tool, and prints its result as JSON. What the tool says meanwhile goes to stderr.
pub(super) async fn call(client: &Client, asked: &Called, console: &mut Console) -> Result<u8, Error> {
    let found = shown(client, &asked.id, asked.version.as_ref()).await?;
    let schema = found.tool.pointer("/interface/input").unwrap_or(&Value::Null);
    let typed = match asked.arguments.as_slice() {
        [one] if one == "-" => vec![console.read_all()?],
        typed => typed.to_vec(),
    };
    let arguments = flags::read(schema, &typed).map_err(Error::Usage)?;
    let body = Invoke {
        arguments,
        version: asked.version.clone(),
        idempotency_key: asked.idempotency_key.clone(),
        workspace: asked.workspace.clone(),
        privacy: None,
        residency: Vec::new(),
        timeout_s: asked.timeout_s,
    };
    let path = format!("/tools/{}/invoke", encoded(&asked.id));
    let response = client.stream(&path, &body).await?;
    let (mut bytes, mut parser) = (response.bytes_stream(), Parser::default());
    while let Some(more) = bytes.next().await {
        let more = more.map_err(|error| client.broken(super::client::why(&error)))?;
        for event in parser.push(&more).map_err(|reason| client.broken(reason))? {
            if let Some(code) = heard(client, &event.name, &event.data, console)? {
                return Ok(code);
            }
        }
    }
    Err(client.broken("the answer broke off".to_owned()))
}

/// One event of a call: something to show, or its end.
fn heard(client: &Client, name: &str, data: &str, console: &mut Console) -> Result<Option<u8>, Error> {
    let wrong = |error: serde_json::Error| client.broken(error.to_string());
    match name {
        "answer" => {
            let answer: Invoked = serde_json::from_str(data).map_err(wrong)?;
            for warning in &answer.warnings {
                console.remark(&format!("warning: {}", plain(warning)));
            }
            if console.json {
                console.out_json(&answer)?;
            } else {
                let mut text = serde_json::to_string_pretty(&answer.value).unwrap_or_default();
                text.push('\n');
                console.out(&text)?;
            }
            Ok(Some(0))
        }
        "error" => {
            let problem: Problem = serde_json::from_str(data).map_err(wrong)?;
            Err(Error::Problem(Box::new(problem)))
        }
        _ => {
            match serde_json::from_str::<Line>(data).map_err(wrong)? {
                Line::Chunk { text, .. } | Line::Noise { text, .. } => console.remark(&plain(&text)),
                Line::Log { level, text, .. } => console.remark(&format!("{}: {}", word(&level), plain(&text))),
                Line::MemoryDelta { delta } => console.remark(&format!("to be remembered: {delta}")),
            }
            Ok(None)
        }
    }
}

fn word(choice: &impl serde::Serialize) -> String {
    serde_json::to_value(choice).ok().and_then(|word| word.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}
