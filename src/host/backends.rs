//! The concrete backends: the only place that names them.

use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::builder::Environment;
use crate::actors::agent::MemoryProjection;
use crate::actors::crown::GovernanceProjection;
use crate::actors::io::RunsProjection;
use crate::actors::runtime::Launch;
use crate::config::Config;
use crate::inference::models::{Catalog, Store};
use crate::inference::{
    Embedded, Embedder, EmbedderChoice, Lexical, MiniLm, Openai, Runtime, RuntimeConfig, Scripted, Secret, WordLlama,
};
use crate::store::{self, Journal, Projection, Sqlite};
use crate::types::{Cx, World};
use crate::ziggy::IntentModel;

/// Models the binary knows; the same file in the data directory adds to them.
const MODELS: &str = include_str!("../../config/models.toml");

/// What intents look like.
const INTENTS: &str = include_str!("../../config/intents.toml");

/// The journal's file in the data directory.
const JOURNAL: &str = "journal.db";

/// Everything that is made of the journal's events.
pub(super) fn projections() -> Vec<Arc<dyn Projection>> {
    vec![Arc::new(RunsProjection), Arc::new(GovernanceProjection), Arc::new(MemoryProjection)]
}

/// Opens the journal in this data directory, or one in memory if there is none.
pub(super) async fn journal(
    data: Option<&Path>,
    config: &store::Config,
    world: &World,
) -> Result<Arc<dyn Journal>, Error> {
    match data {
        Some(data) => Ok(Sqlite::open(&data.join(JOURNAL), config, world.clone(), projections()).await?),
        None => Ok(store::Memory::open(&store::Disk::default(), config, world.clone(), projections())?),
    }
}

/// Where the journal of a data directory lies.
pub fn journal_path(data: &Path) -> std::path::PathBuf {
    data.join(JOURNAL)
}

/// Reads what a text file of the user says, if it is there.
pub(super) fn user_file(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::File { file: path.display().to_string(), reason: error.to_string() }),
    }
}

/// The models of this data directory: what the binary knows and what the user's `models.toml` adds.
pub fn models(data: &Path, config: &Config) -> Result<Store, Error> {
    let wrong = |file: &str, reason: String| Error::File { file: file.to_owned(), reason };
    let mut catalog = Catalog::read(MODELS).map_err(|error| wrong("config/models.toml", error.to_string()))?;
    let own = data.join("models.toml");
    if let Some(text) = user_file(&own)? {
        let added = Catalog::read(&text).map_err(|error| wrong(&own.display().to_string(), error.to_string()))?;
        catalog = catalog.merged(added);
    }
    Ok(Store::new(data, catalog, config.models.clone()))
}

/// A runtime of the config, ready to be launched.
pub(super) fn runtime(
    name: &str,
    runtime: &RuntimeConfig,
    config: &Config,
    models: &Arc<Store>,
    environment: &Environment,
    world: &World,
) -> Result<Launch, Error> {
    let clock = Arc::clone(&world.clock);
    let settings = &config.inference;
    Ok(match runtime {
        RuntimeConfig::Embedded(own) => {
            let made = Embedded::new(name, own.clone(), settings.embedded.clone(), Arc::clone(models), clock);
            Launch { runtime: Arc::new(made), child: None }
        }
        RuntimeConfig::Openai(own) => {
            let key = match &own.api_key_env {
                Some(variable) => Some(Secret::new(environment.get(variable).ok_or_else(|| Error::File {
                    file: format!("inference.runtimes.{name}"),
                    reason: format!("its api_key_env names {variable}, which is not set"),
                })?)),
                None => None,
            };
            let child = own.child.clone();
            let made = Openai::new(name, own.clone(), &settings.openai, key, clock)?;
            Launch { runtime: Arc::new(made), child }
        }
        RuntimeConfig::Scripted(own) => {
            let made: Arc<dyn Runtime> = Arc::new(Scripted::saying(name, &own.answer).in_tier(own.tier));
            Launch { runtime: made, child: None }
        }
    })
}

/// The embedder of the config, or the lexical one with the reason why.
pub(super) async fn embedder(
    choice: EmbedderChoice,
    models: &Arc<Store>,
    world: &World,
) -> (Arc<dyn Embedder>, Option<String>) {
    let (models, clock) = (Arc::clone(models), Arc::clone(&world.clock));
    // Checking hashes and reading megabytes blocks, so it gets a thread that may.
    let loaded = tokio::task::spawn_blocking(move || -> Result<Arc<dyn Embedder>, String> {
        let locate = |id: &str| models.locate(id).map_err(|error| error.to_string());
        match choice {
            EmbedderChoice::Lexical => Ok(Arc::new(Lexical)),
            EmbedderChoice::Wordllama => {
                let made = WordLlama::load(&locate("wordllama-256")?, clock).map_err(|error| error.to_string())?;
                Ok(Arc::new(made))
            }
            EmbedderChoice::Minilm => {
                let made = MiniLm::load(&locate("minilm-l6-v2")?, clock).map_err(|error| error.to_string())?;
                Ok(Arc::new(made))
            }
        }
    });
    match loaded.await {
        Ok(Ok(embedder)) => (embedder, None),
        Ok(Err(reason)) => (Arc::new(Lexical), Some(reason)),
        Err(error) => (Arc::new(Lexical), Some(error.to_string())),
    }
}

/// What intents look like to this embedder.
pub(super) async fn intents(embedder: &dyn Embedder, cx: &Cx) -> Result<IntentModel, Error> {
    let wrong = |reason: String| Error::File { file: "config/intents.toml".to_owned(), reason };
    let model: IntentModel = toml::from_str(INTENTS).map_err(|error| wrong(error.to_string()))?;
    match embedder.embed(cx, model.texts()).await {
        Ok(vectors) => model.with_vectors(embedder.name(), vectors).map_err(|error| wrong(error.to_string())),
        Err(error) => {
            tracing::warn!(%error, "intents are told by rules alone");
            Ok(model)
        }
    }
}
