//! Tools that are handed in, and taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::app::App;
use super::auth::Caller;
use super::extract::{Body, Path};
use super::problem::{Code, Problem, Problems};
use crate::actors::executor::{Canary, Publication, Row, Stage, Standing};
use crate::lap::{Package, PackedFile};
use crate::tds;
use crate::tds::tool::Version;
use crate::types::{Hash, RunId, Timestamp};

/// A file of a tool that is handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishFile {
    /// Its path in the tool's folder.
    pub path: String,
    /// What it holds, in base64.
    pub base64: String,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
}

/// In which form a description is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublishFormat {
    /// `tool.toml`.
    Toml,
    /// `tool.json`.
    Json,
    /// `tool.yaml`.
    Yaml,
}

impl From<tds::Format> for PublishFormat {
    fn from(format: tds::Format) -> PublishFormat {
        match format {
            tds::Format::Toml => PublishFormat::Toml,
            tds::Format::Json => PublishFormat::Json,
            tds::Format::Yaml => PublishFormat::Yaml,
        }
    }
}

/// A tool that is handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// In which form the description is written.
    pub format: PublishFormat,
    /// The description.
    pub text: String,
    /// The files beside it.
    #[serde(default)]
    pub files: Vec<PublishFile>,
    /// Only run its tests, and publish nothing.
    #[serde(default)]
    pub test_only: bool,
    /// Whom it serves at first, if not everybody.
    #[serde(default)]
    pub canary: Option<Canary>,
}

impl Publish {
    fn package(self) -> Result<Package, Problem> {
        let mut files = BTreeMap::new();
        for PublishFile { path, base64, executable } in self.files {
            let bytes = STANDARD.decode(base64).map_err(|error| {
                Problem::new(Code::InvalidRequest, format!("the file {path:?} is no base64: {error}"))
            })?;
            files.insert(path, PackedFile { bytes, executable });
        }
        let format = match self.format {
            PublishFormat::Toml => tds::Format::Toml,
            PublishFormat::Json => tds::Format::Json,
            PublishFormat::Yaml => tds::Format::Yaml,
        };
        Ok(Package { format, text: self.text, files })
    }
}

/// What came of handing in a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishAnswer {
    /// The tool and version, unless it was only tested.
    pub tool: Option<String>,
    /// What description and files are, unless it was only tested.
    #[schema(value_type = Option<String>)]
    pub hash: Option<Hash>,
    /// Whether this very version was there already.
    pub known: bool,
    /// The tests that passed.
    pub passed: Vec<String>,
    /// What is odd about it.
    pub warnings: Vec<String>,
}

/// Publishes a tool, if it passes its own tests and its number says what changed; or only runs its tests.
#[utoipa::path(post, path = "/tools", tag = "tools", request_body = Publish,
    responses((status = 200, body = PublishAnswer), Problems))]
pub(super) async fn publish(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(asked): Body<Publish>,
) -> Result<Json<PublishAnswer>, Problem> {
    let test_only = asked.test_only;
    let stage = asked.canary.clone().map_or(Stage::Active, Stage::Canary);
    sensible(&stage)?;
    let package = asked.package()?;
    let tools = &app.parts.tools;
    if test_only {
        let passed = tools.test(&caller.cx, package).await?;
        return Ok(Json(PublishAnswer { tool: None, hash: None, known: false, passed, warnings: Vec::new() }));
    }
    let Publication { published, warnings, known, tried } = tools.publish_as(&caller.cx, package, stage).await?;
    let passed = if known { Vec::new() } else { vec![format!("all {} tests", published.cases), tried] };
    let tool = Some(format!("{}@{}", published.id, published.version));
    Ok(Json(PublishAnswer { tool, hash: Some(published.hash), known, passed, warnings }))
}

/// Takes a version of a tool back. The journal keeps it, and nobody calls it any more.
#[utoipa::path(delete, path = "/tools/{id}/versions/{version}", tag = "tools",
    params(("id" = String, Path, description = "its id"), ("version" = String, Path, description = "such as 1.2.0")),
    responses((status = 204, description = "it is not called any more"), Problems))]
pub(super) async fn retire(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, version)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let wrong = |why: String| Problem::new(Code::InvalidRequest, format!("version {version:?}: {why}"));
    let read = version.parse::<Version>().map_err(wrong)?;
    app.parts.tools.retire(&caller.cx, &id, read).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A trial of more than everybody is a mistake.
fn sensible(stage: &Stage) -> Result<(), Problem> {
    match stage {
        Stage::Canary(canary) if canary.share_percent > 100 => {
            Err(Problem::new(Code::InvalidRequest, "share_percent is at most 100"))
        }
        _ => Ok(()),
    }
}

/// Says whom a version of a tool serves from now on: everybody, some of them on trial, or nobody.
#[utoipa::path(post, path = "/tools/{id}/versions/{version}/stage", tag = "tools", request_body = Stage,
    params(("id" = String, Path, description = "its id"), ("version" = String, Path, description = "such as 1.2.0")),
    responses((status = 204, description = "it serves them"), Problems))]
pub(super) async fn stage(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, version)): Path<(String, String)>,
    Body(stage): Body<Stage>,
) -> Result<StatusCode, Problem> {
    let wrong = |why: String| Problem::new(Code::InvalidRequest, format!("version {version:?}: {why}"));
    let read = version.parse::<Version>().map_err(wrong)?;
    sensible(&stage)?;
    app.parts.tools.stage(&caller.cx, &id, read, stage).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A call of which nobody knows whether it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Doubt {
    /// Id of the call.
    pub invocation: String,
    /// The tool and version.
    pub tool: String,
    /// Whose call it is.
    pub tenant: String,
    /// The key under which it happens once.
    pub key: String,
    /// Its arguments, as they may be shown.
    #[schema(value_type = Value)]
    pub arguments: Value,
    /// Who asked.
    pub principal: String,
    /// Its run.
    pub run_id: Option<RunId>,
    /// Since when.
    pub since: Timestamp,
    /// Why nobody knows; nothing if it is on the way, or was when the host ended.
    pub reason: Option<String>,
}

/// Calls in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Doubts {
    /// Oldest first.
    pub doubts: Vec<Doubt>,
}

/// What became of a call in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleDoubt {
    /// Whether it was done. If it was not, the same key makes it again.
    pub done: bool,
    /// What came of it, for who asks under the same key again.
    #[serde(default)]
    #[schema(value_type = Value)]
    pub value: Value,
}

/// Calls of which nobody knows whether they were made: they were begun, and ended from outside or with the host.
#[utoipa::path(get, path = "/effects/doubts", tag = "tools", responses((status = 200, body = Doubts), Problems))]
pub(super) async fn doubts(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Doubts>, Problem> {
    let rows = app.parts.tools.doubts(&caller.cx).await?;
    let doubt = |row: Row| Doubt {
        invocation: row.begun.invocation,
        tool: format!("{}@{}", row.begun.key.tool, row.begun.version),
        tenant: row.begun.key.tenant,
        key: row.begun.key.text,
        arguments: row.begun.shown,
        principal: row.begun.principal,
        run_id: row.run,
        since: row.at,
        reason: match row.standing {
            Standing::InDoubt { reason } => Some(reason),
            _ => None,
        },
    };
    Ok(Json(Doubts { doubts: rows.into_iter().map(doubt).collect() }))
}

/// Says what became of a call in doubt.
#[utoipa::path(post, path = "/effects/doubts/{invocation}", tag = "tools", request_body = SettleDoubt,
    params(("invocation" = String, Path, description = "its id")),
    responses((status = 204, description = "its key knows by now"), Problems))]
pub(super) async fn settle(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(invocation): Path<String>,
    Body(said): Body<SettleDoubt>,
) -> Result<StatusCode, Problem> {
    app.parts.tools.settle(&caller.cx, &invocation, said.done.then_some(said.value)).await?;
    Ok(StatusCode::NO_CONTENT)
}
