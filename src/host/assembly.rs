//! How the parts are joined: ports, actors, and the table of the whole tree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::builder::Builder;
use super::candidates::of_agents;
use super::{Error, Host};
use super::{backends, budgets, tools as host_tools};
use crate::actors::agent::{self, Definition};
use crate::actors::{crown, executor, inbox, io, keeper, router, runtime};
use crate::api;
use crate::config::{self, Beside, Config};
use crate::inference::models::Store;
use crate::inference::{Capabilities, Embedder, RuntimeConfig, accounts, leftovers};
use crate::store::{Durability, Journal, NewEvent, Retention};
use crate::supervision::{Child, Registry, Root, Strategy, Tree};
use crate::telemetry::Metrics;
use crate::types::{Cx, World};
use crate::ziggy::IntentModel;
use crate::ziggy::plan::Grows;
use crate::ziggy::route::{Candidate, Rib};

/// Embedding the examples of intents takes milliseconds; a host that cannot do it in this time starts without.
const INTENTS_WITHIN: Duration = Duration::from_secs(30);

/// The subtrees' restarts: what fails more often than this within a minute is decided one level up. Runtimes wait up
/// to half a minute between restarts, so one that never comes up stays below it and keeps being tried.
const RESTARTS: u32 = 20;
const PERIOD: Duration = Duration::from_secs(60);

/// The root gives up early: a journal that failed three times in a minute will not heal by trying.
const ROOT_RESTARTS: u32 = 3;

pub(super) async fn assemble(mut builder: Builder) -> Result<Host, Error> {
    let config = builder.effective()?;
    let (world, data) = (builder.world.clone(), builder.data.clone());
    let most = config.router.candidates_most;
    let Beside { agents, prices, models } = config::beside(data.as_deref(), most).map_err(config::Error::of)?;
    let agents = builder.agents(agents, most)?;
    data.as_deref().map(make_private).transpose()?;
    let prices = budgets::complete(&config, prices)?;
    let journal = open_journal(&mut builder, &config, &world).await?;
    let (found, interrupted) = budgets::unfinished(&journal, &config, &world).await?;
    let models = Arc::new(Store::new(data.as_deref().unwrap_or(Path::new("")), models, config.models.clone()));
    let (embedder, intents, lacking) = understanding(&config, &models, &world).await?;
    let launches = launches(&mut builder, &config, &models)?;
    end_leftovers(data.as_deref()).await;
    let (runtimes, runtimes_tree) = launch_runtimes(launches, &config, &world);
    let candidates = candidates(&agents, &runtimes, &world)?;
    let (crown, governor) = launch_governor(&builder, (&config, &agents), &runtimes, &journal, &world)?;
    let tools = tools(&mut builder, &config, &notebooks(&config, &journal, &embedder, &world))?;
    let (inbox, inbox_tree) = launch_inbox(&config, &builder, &journal, &crown)?;
    let launched = host_tools::launch(&mut builder, tools, &config, (&journal, &embedder), crown.clone(), &inbox).await;
    let (executor, executor_child) = launched?;
    let parts = Common { journal: Arc::clone(&journal), embedder, executor, config: &config, world: &world };
    let (agents, agents_tree) = launch_agents(agents, &runtimes, &parts);
    budgets::open(crown.treasury(), found, prices, &runtimes, &config);
    let candidates = budgets::priced(candidates, crown.treasury());
    let (router, router_child) = launch_router(candidates, &runtimes, &crown, &parts);
    let (io, io_tree) = launch_io(&parts, intents, agents, &inbox, &router, &crown);
    let registry = Registry::new();
    let mounts = super::offered::mounts(&builder, &config, &parts.executor)?;
    let serving = builder.serve.then(|| {
        api::launch(api::Parts {
            io: io.clone(),
            inbox: inbox.clone(),
            router: router.clone(),
            crown: crown.clone(),
            tools: parts.executor.clone(),
            folders: config.tools.clone(),
            privacy: config.privacy.clone(),
            journal: Arc::clone(&journal),
            registry: Arc::clone(&registry),
            world: world.clone(),
            metrics: Arc::new(Metrics::new()),
            version: env!("CARGO_PKG_VERSION"),
            chunk: config.ziggy.chunk,
            data_dir: data.clone().unwrap_or_default(),
            config: config.api.clone(),
            mounts,
        })
    });
    let (served, api_child) = serving.unzip();

    let rows = Rows {
        store: keeper::launch(Arc::clone(&journal), archives(data.as_deref(), config.store.retention, &router), &world),
        governor,
        runtimes: runtimes_tree,
        executor: executor_child,
        agents: agents_tree,
        router: router_child,
        inbox: inbox_tree,
        io: io_tree,
        api: api_child,
    };
    let root = Root::start(table(rows).watch(config.supervision.watch()), world.clone(), Arc::clone(&registry)).await?;
    record_start(&journal, interrupted).await?;
    let tools = parts.executor.clone();
    Ok(Host { root, registry, world, journal, io, inbox, router, crown, tools, served, lacking, config })
}

/// What takes tasks in.
fn launch_io(
    common: &Common<'_>,
    intents: Arc<IntentModel>,
    agents: BTreeMap<String, agent::Handle>,
    inbox: &inbox::Handle,
    router: &router::Handle,
    crown: &crown::Handle,
) -> (io::Handle, Child) {
    let config = common.config;
    let parts = io::Parts {
        journal: Arc::clone(&common.journal),
        embedder: Arc::clone(&common.embedder),
        intents,
        chunk: config.ziggy.chunk,
        inbox: inbox.clone(),
        router: router.clone(),
        crown: crown.clone(),
        agents: Arc::new(agents),
        ladder: Arc::new(config.ladder.clone()),
        privacy: Arc::new(config.privacy.clone()),
    };
    io::Handle::launch(parts, config.io, common.world)
}

/// Every agent as the router sees it, if they can all be told apart.
fn candidates(
    agents: &[Definition],
    runtimes: &BTreeMap<String, runtime::Handle>,
    world: &World,
) -> Result<Vec<Candidate>, Error> {
    let candidates = of_agents(agents, &places(runtimes), world.clock.wall());
    Rib::of(candidates.iter().cloned()).map_err(Error::Candidates)?;
    Ok(candidates)
}

/// What runtimes offer and where they are, by name.
fn places(runtimes: &BTreeMap<String, runtime::Handle>) -> BTreeMap<String, Capabilities> {
    runtimes.iter().map(|(name, handle)| (name.clone(), handle.capabilities())).collect()
}

/// The router, with the table of those who may serve.
fn launch_router(
    candidates: Vec<Candidate>,
    runtimes: &BTreeMap<String, runtime::Handle>,
    crown: &crown::Handle,
    common: &Common<'_>,
) -> (router::Handle, Child) {
    let handles: Vec<runtime::Handle> = runtimes.values().cloned().collect();
    let configs = (common.config.router, &common.config.ziggy, &common.config.privacy);
    router::Handle::launch(candidates, handles, crown.clone(), Arc::clone(&common.journal), configs, common.world)
}

/// Writes down that the host has started, and how many runs its last life left behind.
async fn record_start(journal: &Arc<dyn Journal>, interrupted: usize) -> Result<(), Error> {
    let started = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "interrupted_runs": interrupted });
    let event = NewEvent::new("host.started", None, "host", &started);
    journal.append(vec![event], Durability::Behind).await?;
    Ok(())
}

/// Where old events go, if any are to leave the journal.
fn archives(data: Option<&Path>, retention: Retention, router: &router::Handle) -> Option<keeper::Archives> {
    let leave = retention.days > 0 || retention.events_most > 0;
    data.filter(|_| leave).map(|data| keeper::Archives {
        retention,
        folder: data.join(backends::ARCHIVES),
        ties: Arc::new(router.lines()),
    })
}

/// The journal as the builder wants it opened, or the one of its data directory.
async fn open_journal(builder: &mut Builder, config: &Config, world: &World) -> Result<Arc<dyn Journal>, Error> {
    match builder.journal.take() {
        Some(open) => Ok(open(&config.store, world, backends::projections())?),
        None => backends::journal(builder.data.as_deref(), &config.store, world).await,
    }
}

/// The rows of the whole tree.
struct Rows {
    store: Child,
    governor: Child,
    runtimes: Tree,
    executor: Child,
    agents: Tree,
    router: Child,
    inbox: Child,
    io: Child,
    api: Option<Child>,
}

/// The whole tree, in starting order. It stops in reverse: first nothing new comes in, last the journal closes.
fn table(rows: Rows) -> Tree {
    let crown = subtree("crown")
        .child(rows.governor)
        .child(Child::tree(rows.runtimes))
        .child(Child::tree(subtree("executors").child(rows.executor)))
        .child(Child::tree(rows.agents))
        .child(rows.router)
        .child(rows.inbox)
        .child(rows.io)
        .children(rows.api);
    // If the journal fails, everything above it goes down with it.
    Tree::new("host", Strategy::RestForOne).intensity(ROOT_RESTARTS, PERIOD).child(rows.store).child(Child::tree(crown))
}

/// What makes sense of texts: an embedder, what intents look like to it, and why it is not the one that was configured.
async fn understanding(
    config: &Config,
    models: &Arc<crate::inference::models::Store>,
    world: &World,
) -> Result<(Arc<dyn Embedder>, Arc<IntentModel>, Option<String>), Error> {
    let (embedder, lacking) =
        backends::embedder(config.inference.embedder, models, config.runtime.repair_again_s > 0, world).await;
    let cx = Cx::housekeeping(world.clock.now(), INTENTS_WITHIN);
    let intents = Arc::new(backends::intents(&*embedder, &cx).await?);
    if let Some(reason) = &lacking {
        tracing::warn!(reason, "texts are compared by their letters only, since the embedding model cannot be used");
    }
    Ok((embedder, intents, lacking))
}

/// What every agent gets.
struct Common<'a> {
    journal: Arc<dyn Journal>,
    embedder: Arc<dyn Embedder>,
    executor: executor::Handle,
    config: &'a Config,
    world: &'a World,
}

fn subtree(id: &str) -> Tree {
    Tree::new(id, Strategy::OneForOne).intensity(RESTARTS, PERIOD)
}

/// The runtimes of the config and those in code, by name; code takes the place of config.
fn launches(
    builder: &mut Builder,
    config: &Config,
    models: &Arc<crate::inference::models::Store>,
) -> Result<BTreeMap<String, runtime::Launch>, Error> {
    let mut launches = BTreeMap::new();
    for (name, own) in &config.inference.runtimes {
        let own = &own.clone().placed(config.privacy.here());
        let launch = backends::runtime(name, own, config, models, &builder.environment, &builder.world)?;
        launches.insert(name.clone(), launch);
    }
    for launch in builder.runtimes.drain(..) {
        launches.insert(launch.runtime.capabilities().name, launch);
    }
    if let Some(data) = &builder.data {
        let mark = leftovers::mark(data);
        let children = launches.values_mut().filter_map(|launch| launch.child.as_mut());
        children.for_each(|child| drop(child.env.insert(leftovers::CHILD_OF.to_owned(), mark.clone())));
    }
    Ok(launches)
}

/// What agents are told to remember by calling a tool.
fn notebooks(
    config: &Config,
    journal: &Arc<dyn Journal>,
    embedder: &Arc<dyn Embedder>,
    world: &World,
) -> agent::Notebooks {
    agent::Notebooks {
        journal: Arc::clone(journal),
        embedder: Arc::clone(embedder),
        config: config.memory,
        world: world.clone(),
    }
}

/// The tools of the binary and those in code.
fn tools(builder: &mut Builder, config: &Config, notebooks: &agent::Notebooks) -> Result<Vec<executor::Tool>, Error> {
    let own = std::mem::take(&mut builder.tools);
    let core = super::core::wanted(config, notebooks)?;
    let all = executor::core_tools(Arc::clone(&builder.world.clock)).into_iter().chain(core).chain(own);
    Ok(match &builder.wrap_tool {
        Some(wrap) => all.map(wrap).collect(),
        None => all.collect(),
    })
}

/// Ends what the host before this one had started and did not live to end. It would keep its port and its memory, and
/// answer in the place of who is started now.
async fn end_leftovers(data: Option<&Path>) {
    let Some(data) = data else { return };
    let ended = leftovers::end_leftovers(&leftovers::mark(data)).await;
    if !ended.is_empty() {
        tracing::warn!(?ended, "processes of a host that was killed were still running and were ended");
    }
}

/// The inbox, with the keys of its webhooks.
fn launch_inbox(
    config: &Config,
    builder: &Builder,
    journal: &Arc<dyn Journal>,
    crown: &crown::Handle,
) -> Result<(inbox::Handle, Child), Error> {
    let outbound = builder.carrier()?;
    let keys = backends::keys(&config.review, &builder.environment)?;
    let parts = inbox::Parts { journal: Arc::clone(journal), crown: crown.clone(), outbound, keys };
    Ok(inbox::Handle::launch(parts, config.review.clone(), &builder.world))
}

fn launch_runtimes(
    launches: BTreeMap<String, runtime::Launch>,
    config: &Config,
    world: &World,
) -> (BTreeMap<String, runtime::Handle>, Tree) {
    let mut tree = subtree("runtimes");
    let mut handles = BTreeMap::new();
    for (name, launch) in launches {
        let (handle, child) = runtime::Handle::launch(launch, config.runtime, world);
        tree = tree.child(child);
        handles.insert(name, handle);
    }
    (handles, tree)
}

fn launch_agents(
    definitions: Vec<Definition>,
    runtimes: &BTreeMap<String, runtime::Handle>,
    common: &Common<'_>,
) -> (BTreeMap<String, agent::Handle>, Tree) {
    let mut tree = subtree("agents");
    let (mut handles, shared) = (BTreeMap::new(), Arc::new(runtimes.clone()));
    for definition in definitions {
        let name = definition.profile.name.clone();
        let parts = agent::Parts {
            runtime: runtimes.get(&definition.profile.runtime).cloned(),
            runtimes: Arc::clone(&shared),
            workspace: common.config.tools.workspace(&definition.profile.workspace),
            executor: common.executor.clone(),
            embedder: Arc::clone(&common.embedder),
            journal: Arc::clone(&common.journal),
            memory: common.config.memory,
            answer_bytes_max: common.config.io.answer_bytes_max,
        };
        let (handle, child) = agent::Handle::launch(definition, parts, common.world);
        tree = tree.child(child);
        handles.insert(name, handle);
    }
    (handles, tree)
}

/// The governor with its rules, whom it tells with which key, and the candidates it knows.
fn launch_governor(
    builder: &Builder,
    (config, agents): (&Config, &[Definition]),
    runtimes: &BTreeMap<String, runtime::Handle>,
    journal: &Arc<dyn Journal>,
    world: &World,
) -> Result<(crown::Handle, Child), Error> {
    let outbound = builder.carrier()?;
    let keys = backends::webhook_keys(&config.alerts.webhooks, &builder.environment)?;
    let (journal, alerts) = (Arc::clone(journal), config.alerts.clone());
    let parts = crown::Parts { journal, config: config.crown.clone(), alerts, outbound, keys };
    let (crown, governor) = crown::Handle::launch_with(parts, world);
    crown.know(agents.iter().map(|definition| known(definition, config, runtimes)).collect());
    let crown = crown.limited(config.limit.clone());
    crown.count_as_one(accounts(&places(runtimes)));
    runtimes.values().for_each(|runtime| runtime.tell(Arc::new(crown.clone())));
    Ok((crown, governor))
}

/// An agent as the governor's rules and plans see it. A runtime in this process works on one request at a time.
fn known(definition: &Definition, config: &Config, runtimes: &BTreeMap<String, runtime::Handle>) -> crown::Known {
    let profile = &definition.profile;
    let runtime = config.inference.runtimes.get(&profile.runtime);
    let code = matches!(definition.brain, agent::Brain::Code(_));
    let at_once = match runtime {
        Some(RuntimeConfig::Embedded(_)) => 1,
        Some(_) => config.runtime.concurrency,
        // Runtimes and agents in code are driven the same way.
        None => {
            if code {
                u32::MAX
            } else {
                config.runtime.concurrency
            }
        }
    };
    let in_process = code && runtime.is_none();
    crown::Known {
        candidate: format!("{}@{}", profile.name, if in_process { "code" } else { &profile.runtime }),
        agent: format!("host/crown/agents/{}", profile.name),
        runtime: if in_process { String::new() } else { format!("host/crown/runtimes/{}", profile.runtime) },
        concurrency: profile.concurrency.min(at_once),
        waiting: u32::try_from(profile.waiting).unwrap_or(u32::MAX),
        weight: profile.weight,
        capabilities: profile.capabilities.clone(),
        placed: profile.enabled && (in_process || runtimes.contains_key(&profile.runtime)),
        grows: if matches!(runtime, Some(RuntimeConfig::Embedded(_))) { Grows::Copies } else { Grows::Concurrency },
    }
}

/// Makes the data directory, readable by its owner alone: it holds what people said.
fn make_private(data: &Path) -> Result<(), Error> {
    let failed = |source| Error::DataDir { path: data.display().to_string(), source };
    if !data.exists() {
        std::fs::create_dir_all(data).map_err(failed)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
    }
    Ok(())
}
