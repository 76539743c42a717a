//! The command line: `syzygy VERB`, for the operator at a terminal and for scripts.
//!
//! What it is for: starting a host, and asking a running one through its HTTP interface.
//! What it owns: arguments, what is printed, exit codes.
//! What it never does: read the environment or open a terminal by itself, or build a host; all of that is passed in.
//!
//! Invariants:
//! - CLI1: results go to stdout and nothing else does; progress, remarks and errors go to stderr.
//! - CLI2: the exit code is that of the error's class (`docs/errors.md`), so a script can tell them apart.
//! - CLI3: every verb takes `-o json` and then prints JSON alone.

mod alerts;
mod arguments;
mod ask;
mod asked;
mod audit;
mod backup;
mod budgets;
mod calls;
mod client;
mod console;
mod elsewhere;
mod error;
mod flags;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod handing;
mod inbox;
mod library;
mod local;
mod mcp;
mod models;
mod paint;
mod plan;
mod policies;
mod replay;
mod restated;
mod routing;
mod runs;
mod sse;
mod tokens;
mod tools;
mod tree;
mod why;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use clap::error::ErrorKind;
use serde::Serialize;

use crate::store::{Belonging, OnDisk};
use crate::types::{Class, World};

pub use arguments::{Arguments, Local, Up};
pub use console::Stdio;
pub use elsewhere::Other;
pub use error::Error;

use arguments::{AuditVerb, ConfigVerb, Verb};
use asked::TableVerb;
use client::Client;
use console::Console;

/// The environment, as `std::env::vars()` gives it.
pub type Environment = Vec<(String, String)>;

/// One effective value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key, dotted.
    pub key: String,
    /// The value, as TOML.
    pub value: String,
    /// Where it came from.
    pub source: String,
}

/// A configuration that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Every key with its effective value.
    pub settings: Vec<Setting>,
    /// What a start would not fail on, but is probably not meant: names that nobody has.
    pub warnings: Vec<String>,
}

/// How a check of this machine came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but something is missing.
    Lacking,
    /// A host cannot run like this.
    Bad,
}

/// One check of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, and what would help.
    pub detail: String,
}

/// What the command line cannot do by itself, since it stands below the composition root. An error of the root keeps
/// its exit code when it is wrapped in [`Error::Local`].
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Runs a host until it is told to stop.
    async fn up(&self, options: &Up) -> Result<(), Error>;
    /// Where data is kept.
    fn data_dir(&self, local: &Local) -> Result<PathBuf, Error>;
    /// Every key with its effective value, if all of them are right.
    fn config_check(&self, options: &Up) -> Result<InForce, Error>;
    /// Looks at what a host needs on this machine.
    async fn doctor(&self, local: &Local) -> Vec<Check>;
    /// The models of the data directory.
    fn models(&self, local: &Local) -> Result<Arc<crate::inference::models::Store>, Error>;
    /// The journal's file of the data directory.
    fn on_disk(&self, local: &Local) -> Result<OnDisk, Error>;
    /// Another configuration, as far as decisions depend on it.
    fn other(&self, local: &Local) -> Result<Other, Error>;
    /// The files that belong with the journal in a backup.
    fn belongings(&self, local: &Local) -> Result<Vec<Belonging>, Error>;
    /// Returns when the person at the terminal wants to stop.
    async fn interrupted(&self);
    /// Time and chance.
    fn world(&self) -> World;
}

/// Does what the arguments say and returns the exit code.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    stdio: Stdio,
    launcher: &dyn Launcher,
) -> ExitCode {
    ExitCode::from(execute(arguments, environment, stdio, launcher).await)
}

async fn execute(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    stdio: Stdio,
    launcher: &dyn Launcher,
) -> u8 {
    let mut console = Console::new(stdio, environment);
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return misuse(&error, &mut console),
    };
    console.json = arguments.json();
    let result = perform(arguments, environment, &mut console, launcher).await;
    match result.and_then(|code| console.finish().map(|()| code)) {
        Ok(code) => code,
        // Whoever read the output has seen enough; `head` does that.
        Err(Error::Output(cause)) if cause.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            console.error(&error);
            error.class().exit_code()
        }
    }
}

fn misuse(error: &clap::Error, console: &mut Console) -> u8 {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = console.out(&text).and_then(|()| console.finish());
            0
        }
        _ => {
            console.remark(text.trim_end());
            Class::Invalid.exit_code()
        }
    }
}

async fn perform(
    arguments: Arguments,
    environment: &Environment,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<u8, Error> {
    let connect = |with: &arguments::Connection| Client::connect(with, environment, launcher);
    match arguments.verb {
        Verb::Up(options) => launcher.up(&options).await?,
        Verb::Ask(ask) => ask::ask(ask, environment, console, launcher).await?,
        Verb::Tree(tree) => tree::tree(&connect(&tree.connection)?, &tree, console, launcher).await?,
        Verb::Runs(list) => runs::runs(&connect(&list.connection)?, &list, console).await?,
        Verb::Budgets(asked) => budgets::budgets(&connect(&asked.connection)?, &asked, console).await?,
        Verb::Why(asked) => why::why(&connect(&asked.connection)?, &asked, console).await?,
        Verb::Inbox(asked) => inbox::inbox(&connect(&asked.connection)?, asked.verb, console).await?,
        Verb::Rib { verb, connection } => routing::rib(&connect(&connection)?, verb, console).await?,
        Verb::Fib { verb: TableVerb::Show, connection } => routing::fib(&connect(&connection)?, console).await?,
        Verb::Fib { verb: TableVerb::Next(asked), connection } => {
            routing::next(&connect(&connection)?, &asked, console).await?;
        }
        Verb::WhyNot(asked) => routing::why_not(&connect(&asked.connection)?, &asked, console).await?,
        Verb::Replay(asked) => return replay::replay(&asked, console, launcher).await,
        Verb::Audit { verb: AuditVerb::Verify(asked) } => {
            return audit::verify(&asked, environment, console, launcher).await;
        }
        Verb::Audit { verb: AuditVerb::Export(asked) } => {
            return audit::export(&asked, environment, console, launcher).await;
        }
        Verb::Audit { verb: AuditVerb::Rebuild(local) } => audit::rebuild(&local, console, launcher).await?,
        Verb::Backup(asked) => backup::backup(&asked, console, launcher).await?,
        Verb::Restore(asked) => backup::restore(&asked, console, launcher).await?,
        Verb::Models { verb, local } => models::models(verb, &local, console, launcher).await?,
        Verb::Alerts { verb, connection } => alerts::alerts(&connect(&connection)?, verb, console).await?,
        Verb::Plan(asked) => plan::plan(&connect(&asked.connection)?, &asked, console).await?,
        Verb::Tokens { verb, connection } => tokens::tokens(&connect(&connection)?, verb, console).await?,
        Verb::Mcp(asked) => mcp::mcp(&connect(&asked.connection)?, asked.workspace.as_deref(), console).await?,
        Verb::Tool { verb } => return tools::tool(verb, connect, console).await,
        Verb::Config { verb: ConfigVerb::Check(options) } => local::config_check(&options, console, launcher)?,
        Verb::Doctor(connection) => return local::doctor(&connection, environment, console, launcher).await,
    }
    Ok(0)
}
