//! Published tools as the journal has them: each version, what it is, and whether it is still called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::library::Library;
use super::stage::Stage;
use crate::lap::{File, PackedFile, Ready};
use crate::store::{self, Event, Journal, Projection, Rows};
use crate::tds::Tool;
use crate::types::{Hash, Timestamp};

/// Kinds of events.
pub(super) mod kind {
    /// A version of a tool may be called: [`super::Published`].
    pub(in super::super) const PUBLISHED: &str = "tool.published";
    /// It may not any more: [`super::Retired`].
    pub(in super::super) const RETIRED: &str = "tool.retired";
    /// Its tests were run: [`super::Checked`].
    pub(in super::super) const CHECKED: &str = "tool.checked";
    /// Somebody else is served by it than before: [`super::Staged`].
    pub(in super::super) const STAGED: &str = "tool.staged";
}

/// A file of a published tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its path in the tool's folder.
    pub path: String,
    /// Under which its bytes are among the payloads.
    pub hash: Hash,
    /// Whether it is a program.
    pub executable: bool,
}

/// A version of a tool was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The tool.
    pub id: String,
    /// The version.
    pub version: String,
    /// What the description and its files are.
    pub hash: Hash,
    /// Where the description is among the payloads, as canonical JSON.
    pub description: Hash,
    /// What stands beside it.
    pub files: Vec<Kept>,
    /// How many tests it passed.
    pub cases: usize,
    /// Who published it.
    pub by: String,
    /// Whom it serves at first.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub stage: Stage,
}

/// Somebody else is served by a version than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Staged {
    /// The tool.
    pub(super) id: String,
    /// The version.
    pub(super) version: String,
    /// How it stands now.
    pub(super) stage: Stage,
    /// Who said so.
    pub(super) by: String,
}

/// A version of a tool was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retired {
    /// The tool.
    pub(super) id: String,
    /// The version.
    pub(super) version: String,
    /// Who took it back.
    pub(super) by: String,
}

/// The tests of a version were run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The tool.
    pub id: String,
    /// The version.
    pub version: String,
    /// What was tested.
    pub hash: Hash,
    /// By which build of the host: another may run it in another way.
    pub build: String,
    /// What failed; nothing if all passed.
    pub failures: Vec<String>,
}

/// A row: a version and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// What was published.
    pub published: Published,
    /// When.
    pub at: Timestamp,
    /// Who took it back, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
    /// The last time its tests were run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// How it stands.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub stage: Stage,
}

/// Keeps every version that was ever published.
pub struct ToolsProjection;

impl ToolsProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "tools";
}

/// The row of a version.
pub(super) fn row(id: &str, version: &str) -> String {
    format!("{id}@{version}")
}

impl Projection for ToolsProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        let found = match event.kind.as_str() {
            kind::PUBLISHED => event.body.parse::<Published>().map(|said| row(&said.id, &said.version)),
            kind::RETIRED => event.body.parse::<Retired>().map(|said| row(&said.id, &said.version)),
            kind::CHECKED => event.body.parse::<Checked>().map(|said| row(&said.id, &said.version)),
            kind::STAGED => event.body.parse::<Staged>().map(|said| row(&said.id, &said.version)),
            _ => None,
        };
        found.into_iter().collect()
    }

    fn fold(&self, _key: &str, before: Option<Value>, event: &Event) -> Option<Value> {
        let volume: Option<Volume> = before.and_then(|row| serde_json::from_value(row).ok());
        let next = match event.kind.as_str() {
            kind::PUBLISHED => {
                let published: Published = event.body.parse()?;
                let (stage, checked) = (published.stage.clone(), volume.and_then(|volume| volume.checked));
                Some(Volume { published, at: event.at, retired: None, checked, stage })
            }
            kind::RETIRED => {
                let by = event.body.parse::<Retired>()?.by;
                volume.map(|volume| Volume { retired: Some(by), ..volume })
            }
            kind::CHECKED => {
                let checked = event.body.parse()?;
                volume.map(|volume| Volume { checked: Some(checked), ..volume })
            }
            kind::STAGED => {
                let stage = event.body.parse::<Staged>()?.stage;
                volume.map(|volume| Volume { stage, ..volume })
            }
            _ => volume,
        };
        serde_json::to_value(next?).ok()
    }
}

/// Every version that was ever published, by its row.
///
/// # Errors
/// The journal cannot be read.
pub(super) async fn volumes(journal: &dyn Journal) -> Result<BTreeMap<String, Volume>, store::Error> {
    let (mut all, mut rows) = (BTreeMap::new(), Rows::under(journal, ToolsProjection::NAME, ""));
    while let Some(page) = rows.page().await? {
        let read = |(key, row): (String, Value)| serde_json::from_value(row).ok().map(|volume| (key, volume));
        all.extend(page.into_iter().filter_map(read));
    }
    Ok(all)
}

/// Puts every published version that is called onto the shelf. Returns what could not be, and why.
///
/// # Errors
/// The journal cannot be read.
pub async fn shelve(
    library: &Library,
    journal: &dyn Journal,
    folder: Option<&Path>,
) -> Result<Vec<String>, store::Error> {
    let (mut troubles, mut entries) = (Vec::new(), Vec::new());
    let volumes = volumes(journal).await?;
    if let Some(folder) = folder {
        clear(folder, volumes.values().map(|volume| volume.published.hash.to_string()).collect());
    }
    for (row, volume) in volumes {
        if volume.retired.is_some() {
            continue;
        }
        if let Some(checked) = volume.checked.filter(|checked| !checked.failures.is_empty()) {
            troubles.push(format!("{row} is not called: it failed its tests: {}", checked.failures.join("; ")));
            continue;
        }
        match open(journal, &volume.published, folder).await {
            Ok(ready) => match library.entry(ready, volume.stage) {
                Ok(entry) => entries.push(entry),
                Err(problems) => troubles.push(format!("{row} is not called: {}", problems.join("; "))),
            },
            Err(reason) => troubles.push(format!("{row} is not called: {reason}")),
        }
    }
    library.put_all(&entries);
    Ok(troubles)
}

/// Removes the files of tools that were tried out and not published: nobody calls them any more.
fn clear(folder: &Path, published: BTreeSet<String>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Nothing is touched that the host did not put there.
        let of_a_tool = name.parse::<Hash>().is_ok();
        if of_a_tool
            && !published.contains(&name)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "files of a tool that was tried out are left");
        }
    }
}

/// A published tool, ready to be called. Files that are not where they are run from are put there out of the journal.
///
/// # Errors
/// What is missing or is not what was published, in words.
pub(super) async fn open(journal: &dyn Journal, published: &Published, folder: Option<&Path>) -> Result<Ready, String> {
    let payload = |hash: Hash, what: String| async move {
        let found = journal.get_payload(hash).await.map_err(|error| format!("could not read {what}: {error}"))?;
        found.ok_or_else(|| format!("{what} is not in the journal any more"))
    };
    let label = row(&published.id, &published.version);
    let text = payload(published.description, format!("the description of {label}")).await?;
    let tool: Tool = serde_json::from_slice(&text).map_err(|error| format!("the description of {label}: {error}"))?;
    let mut files = Vec::new();
    for kept in &published.files {
        let bytes = payload(kept.hash, format!("the file {} of {label}", kept.path)).await?;
        let packed = PackedFile { bytes, executable: kept.executable };
        files.push(put_down(folder, published.hash, &kept.path, &packed)?);
    }
    let ready = Ready::new(Arc::new(tool), files)?;
    if ready.hash == published.hash { Ok(ready) } else { Err(format!("{label} is not what was published")) }
}

/// The file of a tool where it is run from: below a folder of the tool's hash, so that versions never meet.
pub(super) fn put_down(folder: Option<&Path>, tool: Hash, path: &str, file: &PackedFile) -> Result<File, String> {
    let hash = Hash::of(&file.bytes);
    let Some(folder) = folder else { return Err("a host without a data directory keeps no files of tools".to_owned()) };
    let source: PathBuf = folder.join(tool.to_string()).join(path);
    let there = std::fs::read(&source).is_ok_and(|bytes| bytes == file.bytes);
    if !there {
        let failed = |cause: std::io::Error| format!("could not write {}: {cause}", source.display());
        source.parent().map(std::fs::create_dir_all).transpose().map_err(failed)?;
        // Whoever looks meanwhile finds all of it or nothing.
        let half = source.with_extension("half");
        std::fs::write(&half, &file.bytes).and_then(|()| std::fs::rename(&half, &source)).map_err(failed)?;
    }
    Ok(File { path: path.to_owned(), hash, source, executable: file.executable })
}
