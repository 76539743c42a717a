//! The concrete backends: the only place that names them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::builder::Environment;
use crate::actors::agent::MemoryProjection;
use crate::actors::crown::{GovernanceProjection, Webhook};
use crate::actors::executor::{EffectsProjection, ToolsProjection};
use crate::actors::inbox::{self, InboxProjection};
use crate::actors::io::{BudgetsProjection, RunsProjection};
use crate::actors::router::TablesProjection;
use crate::actors::runtime::Launch;
use crate::config::{self, Config};
use crate::field::{Http, Outbound};
use crate::inference::models::{self, Quiet, Store};
use crate::inference::{self, Embedded, Embedder, EmbedderChoice, Lexical, MiniLm, Openai, RuntimeConfig, WordLlama};
use crate::store::{self, Journal, Projection, Sqlite};
use crate::types::{Cx, Secret, World};
use crate::ziggy::IntentModel;

/// What intents look like.
const INTENTS: &str = include_str!("../../config/intents.toml");

/// The journal's file in the data directory.
const JOURNAL: &str = "journal.db";

/// Where old events go, in the data directory.
pub(super) const ARCHIVES: &str = "archive";

/// What only a host makes, and only once it has a journal: where one of these is and the journal is not, it was lost.
/// What a person may bring to a first start is none of it: the configuration, agents, models, an operator's token.
pub(super) const COMPANIONS: [&str; 3] = [crate::api::TOKENS_FILE, crate::api::HOST_FILE, ARCHIVES];

/// Everything that is made of the journal's events.
pub fn projections() -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(RunsProjection),
        Arc::new(GovernanceProjection),
        Arc::new(MemoryProjection),
        Arc::new(BudgetsProjection),
        Arc::new(InboxProjection),
        Arc::new(TablesProjection),
        Arc::new(EffectsProjection),
        Arc::new(ToolsProjection),
    ]
}

/// Opens the journal in this data directory, or one in memory if there is none.
pub(super) async fn journal(
    data: Option<&Path>,
    config: &store::Config,
    world: &World,
) -> Result<Arc<dyn Journal>, Error> {
    match data {
        Some(data) => {
            let path = data.join(JOURNAL);
            Ok(Sqlite::open_beside(&path, &COMPANIONS, config, world.clone(), projections()).await?)
        }
        None => Ok(store::Memory::open(&store::Disk::default(), config, world.clone(), projections())?),
    }
}

/// Where the journal of a data directory lies.
pub fn journal_path(data: &Path) -> std::path::PathBuf {
    data.join(JOURNAL)
}

/// The models of this data directory: what the binary knows and what the user's `models.toml` adds.
pub fn model_store(data: &Path, config: &Config) -> Result<Store, Error> {
    let catalog = config::models_in(Some(data)).map_err(config::Error::of)?;
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
        RuntimeConfig::Scripted(own) => Launch { runtime: Arc::new(own.runtime(name)), child: None },
    })
}

/// How notices are sent to programs of others.
pub(super) fn outbound() -> Result<Arc<dyn Outbound>, Error> {
    let http = Http::new().map_err(|error| Error::File { file: "webhooks".to_owned(), reason: error.to_string() })?;
    Ok(Arc::new(http))
}

/// What notices are signed with, by the name of their webhook.
pub(super) fn keys(config: &inbox::Config, environment: &Environment) -> Result<BTreeMap<String, Secret>, Error> {
    let mut keys = BTreeMap::new();
    for hook in &config.webhooks {
        let Some(variable) = &hook.secret_env else { continue };
        let text = environment.get(variable).filter(|text| !text.is_empty()).ok_or_else(|| Error::File {
            file: format!("review.webhooks ({})", hook.name),
            reason: format!("its secret_env names {variable}, which is not set"),
        })?;
        keys.insert(hook.name.clone(), Secret::new(text));
    }
    Ok(keys)
}

/// Time that fetching a damaged embedding model may hold up a start. It is 16 MB; a host that cannot get it in this
/// time starts without.
const FETCH_WITHIN: Duration = Duration::from_secs(60);

/// Why an embedder cannot be used.
enum Unusable {
    /// A file of this model is not the one its hash means.
    Damaged(&'static str, String),
    /// Everything else: nothing that fetching would change, or nothing the operator asked for.
    Lacking(String),
}

/// The embedder of the config, or the lexical one with the reason why. A damaged model is fetched again if `fetch`.
pub(super) async fn embedder(
    choice: EmbedderChoice,
    models: &Arc<Store>,
    fetch: bool,
    world: &World,
) -> (Arc<dyn Embedder>, Option<String>) {
    let mut loaded = load_embedder(choice, models, world).await;
    if let (Err(Unusable::Damaged(id, reason)), true) = (&loaded, fetch) {
        tracing::warn!(model = id, reason, "the model is fetched again");
        let cx = Cx::housekeeping(world.clock.now(), FETCH_WITHIN);
        loaded = match models.pull(&cx, id, Arc::new(Quiet)).await {
            Ok(_) => load_embedder(choice, models, world).await,
            Err(error) => Err(Unusable::Lacking(error.to_string())),
        };
    }
    match loaded {
        Ok(embedder) => (embedder, None),
        Err(Unusable::Damaged(_, reason) | Unusable::Lacking(reason)) => (Arc::new(Lexical), Some(reason)),
    }
}

async fn load_embedder(
    choice: EmbedderChoice,
    models: &Arc<Store>,
    world: &World,
) -> Result<Arc<dyn Embedder>, Unusable> {
    let (store, clock) = (Arc::clone(models), Arc::clone(&world.clock));
    let lacking = |error: inference::Error| Unusable::Lacking(error.to_string());
    if choice == EmbedderChoice::Lexical {
        return Ok(Arc::new(Lexical));
    }
    // Checking hashes and reading megabytes blocks, so it gets a thread that may.
    let work = tokio::task::spawn_blocking(move || -> Result<Arc<dyn Embedder>, Unusable> {
        let locate = |id: &'static str| {
            store.locate(id).map_err(|error| match &error {
                models::Error::Damaged { .. } => Unusable::Damaged(id, error.to_string()),
                _ => Unusable::Lacking(error.to_string()),
            })
        };
        Ok(match choice {
            EmbedderChoice::Lexical => Arc::new(Lexical),
            EmbedderChoice::Wordllama => Arc::new(WordLlama::load(&locate("wordllama-256")?, clock).map_err(lacking)?),
            EmbedderChoice::Minilm => Arc::new(MiniLm::load(&locate("minilm-l6-v2")?, clock).map_err(lacking)?),
        })
    });
    work.await.unwrap_or_else(|error| Err(Unusable::Lacking(error.to_string())))
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

/// What messages to webhooks are signed with, by the webhook's name.
pub(super) fn webhook_keys(webhooks: &[Webhook], environment: &Environment) -> Result<BTreeMap<String, Secret>, Error> {
    let mut keys = BTreeMap::new();
    for webhook in webhooks {
        let Some(variable) = &webhook.secret_env else { continue };
        let key = environment.get(variable).ok_or_else(|| Error::File {
            file: format!("alerts.webhooks {:?}", webhook.name),
            reason: format!("its secret_env names {variable}, which is not set"),
        })?;
        keys.insert(webhook.name.clone(), Secret::new(key));
    }
    Ok(keys)
}
