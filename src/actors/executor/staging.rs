//! Versions on trial: who is served by them, and what becomes of one that is not as good as it has to be.

use serde_json::json;

use super::call::Shared;
use super::handle::Error;
use super::library::{Entry, Library};
use super::publishing::Publisher;
use super::shelf::{Staged, kind};
use super::stage::Stage;
use crate::store::{Durability, NewEvent};
use crate::tds::tool::Version;
use crate::types::Cx;

impl Publisher<'_> {
    /// Says whom a version serves from now on.
    pub(super) async fn stage(&self, id: &str, version: &Version, stage: Stage) -> Result<(), Error> {
        let entry = self.published(id, version)?;
        if entry.stage == stage {
            return Ok(());
        }
        let last = !matches!(stage, Stage::Active) && entry.stage == Stage::Active && self.library.is_last(id, version);
        if last {
            let reason =
                "it is the only version in general use; retire it, or let another take its place first".to_owned();
            return Err(Error::NotStaged { name: entry.label(), reason });
        }
        let by = self.cx.principal().name.clone();
        stand(self.shared, self.library, &entry, stage, by).await
    }
}

/// Writes down how a version stands, and serves callers by it.
async fn stand(shared: &Shared, library: &Library, entry: &Entry, stage: Stage, by: String) -> Result<(), Error> {
    let tool = &entry.ready.tool;
    let (id, version) = (tool.id.to_string(), tool.version.to_string());
    let body = json!(Staged { id, version, stage: stage.clone(), by });
    let event = NewEvent::new(kind::STAGED, None, &shared.source, &body);
    let written = shared.ports.journal.append(vec![event], Durability::Durable).await;
    written.map_err(|error| Error::Unrecorded {
        name: entry.label(),
        class: error.class(),
        reason: error.to_string(),
    })?;
    library.put(Entry { stage, ..entry.clone() });
    if let Some(mut health) = shared.health.get_mut(&entry.ready.hash) {
        health.forget();
    }
    Ok(())
}

/// What becomes of a version that is not as good as it has to be: one on trial is taken back, one in general use steps back
/// if another can take its place. The last one stays; people are told in any case.
pub(super) async fn burnt(shared: &Shared, cx: &Cx, entry: &Entry, reason: String) {
    let _one_at_a_time = shared.changing.lock().await;
    let (library, tool) = (&shared.library, &entry.ready.tool);
    let now = library.versions(tool.id.as_str()).into_iter().find(|one| one.ready.hash == entry.ready.hash);
    // Others who saw the same have acted.
    let Some(entry) = now.filter(|now| now.stage == entry.stage) else { return };
    let (what, stage) = match &entry.stage {
        Stage::Quarantined { .. } => return,
        Stage::Canary(_) => ("was on trial and is taken back", Some(Stage::Quarantined { reason: reason.clone() })),
        Stage::Active if library.is_last(tool.id.as_str(), &tool.version) => {
            ("stays, since no other version can take its place", None)
        }
        Stage::Active => ("steps back behind another version", Some(Stage::Quarantined { reason: reason.clone() })),
    };
    let label = entry.label();
    tracing::warn!(tool = label, reason, "a tool is not as good as it has to be: it {what}");
    match stage {
        Some(stage) => {
            if let Err(error) = stand(shared, library, &entry, stage, shared.source.clone()).await {
                tracing::error!(tool = label, %error, "a tool could not be taken back");
                return;
            }
        }
        // It is told again only when as many calls have shown it again.
        None => {
            if let Some(mut health) = shared.health.get_mut(&entry.ready.hash) {
                health.forget();
            }
        }
    }
    if let Some(alarm) = &shared.ports.alarm {
        alarm(cx.clone(), format!("tool {label}"), format!("{reason}; it {what}")).await;
    }
}
