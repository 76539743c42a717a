//! Tools that are handed in, and taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::app::App;
use super::auth::Caller;
use super::extract::{Body, Path};
use super::problem::{Code, Problem, Problems};
use crate::actors::executor::Publication;
use crate::lap::{Package, PackedFile};
use crate::tds;
use crate::tds::tool::Version;
use crate::types::Hash;

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
    let package = asked.package()?;
    let tools = &app.parts.tools;
    if test_only {
        let passed = tools.test(&caller.cx, package).await?;
        return Ok(Json(PublishAnswer { tool: None, hash: None, known: false, passed, warnings: Vec::new() }));
    }
    let Publication { published, warnings, known } = tools.publish(&caller.cx, package).await?;
    let passed = if known { Vec::new() } else { vec![format!("all {} tests", published.cases)] };
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
