//! Tools of a host: the tiers that can be used here, the way out, the place of secrets, and who is shown what.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::builder::{Builder, Environment};
use super::people::Desk;
use crate::actors::executor::{self, Alarm, Ports, WayOut};
use crate::actors::{crown, inbox};
use crate::config::Config;
use crate::egress::{Internet, Proxy, System, Trust};
use crate::inference::Embedder;
use crate::lap::Rules;
use crate::lap::grant::Issuer;
use crate::lap::policy::{self, Book, Source};
use crate::sandbox::{Function, Native, Sandbox, Tier, wasm};
use crate::secrets::{self, Kept, Secrets, Token};
use crate::store::Journal;
use crate::supervision::Child;
use crate::types::{Cx, Secret, World};

/// Folder of the data directory in which files and sockets of calls lie while they run. Short, since the path of a unix
/// socket is.
const CALLS: &str = "calls";

/// Folder of the data directory from which files of published tools are run. The journal has them too.
const SHELF: &str = "tools";

/// Folder of the data directory in which components have their own directories.
const COMPONENTS: &str = "sandbox";

/// Folder of the data directory with what containers are shown, and the word by which they are known.
#[cfg(target_os = "linux")]
const CONTAINERS: &str = "containers";

/// The tiers of this machine and why the others are not there.
pub(super) struct Tiers {
    pub(super) usable: BTreeMap<Tier, Arc<dyn Sandbox>>,
    pub(super) unusable: BTreeMap<Tier, String>,
}

/// What whoever puts a host together brings of tiers.
pub(super) struct Own {
    pub(super) functions: Vec<(String, Function)>,
    pub(super) jail_program: Option<PathBuf>,
    pub(super) components: bool,
    pub(super) containers: bool,
    pub(super) sandboxes: Vec<Arc<dyn Sandbox>>,
}

/// The executor as a row of the tree, with everything that was published.
pub(super) async fn launch(
    builder: &mut Builder,
    tools: Vec<executor::Tool>,
    config: &Config,
    (journal, embedder): (&Arc<dyn Journal>, &Arc<dyn Embedder>),
    crown: crown::Handle,
    inbox: &inbox::Handle,
) -> Result<(executor::Handle, Child), Error> {
    let (world, data) = (builder.world.clone(), builder.data.clone());
    let library = Arc::new(executor::Library::under(book(&config.tools.policy)?, tools)?);
    let own = Own {
        functions: std::mem::take(&mut builder.functions),
        jail_program: builder.jail_program.take(),
        components: builder.components,
        containers: builder.containers,
        sandboxes: std::mem::take(&mut builder.sandboxes),
    };
    let tiers = tiers(config, data.as_deref(), own, &world).await;
    let mut ports = ports(config, data.as_deref(), tiers, journal, &builder.environment, &world)?;
    ports.alarm = Some(alarm(crown));
    ports.embedder = Some(Arc::clone(embedder));
    ports.people = Some(Arc::new(Desk { inbox: inbox.clone(), journal: Arc::clone(journal) }));
    super::core::try_out(&library, &ports, &world.clock).await;
    for trouble in executor::shelve(&library, &**journal, ports.shelf.as_deref()).await? {
        tracing::error!(trouble, "a published tool is left out");
    }
    for problem in library.unbound() {
        tracing::warn!(%problem, "a policy applies to nothing");
    }
    Ok(executor::Handle::launch("tools", library, ports, config.executor, &world))
}

/// The policies tools are called under: those of the host that are wanted, and the operator's own. What is wrong with one
/// keeps the host from starting, since to leave it out could allow what it forbids.
fn book(config: &policy::Config) -> Result<Book, Error> {
    let mut sources = config.own();
    for file in &config.files {
        let name = file.display().to_string();
        let failed = |reason: String| Error::File { file: format!("{name} (tools.policy.files)"), reason };
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        sources.push(Source { name: name.clone(), text });
    }
    Book::read(&sources).map_err(|problems| Error::File {
        file: "[tools.policy]".to_owned(),
        reason: problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    })
}

/// Raises an alert for a tool that is not as good as it has to be.
fn alarm(crown: crown::Handle) -> Alarm {
    Arc::new(move |cx: Cx, subject: String, message: String| {
        let crown = crown.clone();
        Box::pin(async move {
            let raised = crown.raise(&cx, crown::Severity::Warning, "tool_slo", &subject, &message).await;
            if let Err(error) = raised {
                tracing::error!(subject, %error, "an alert could not be raised");
            }
        })
    })
}

/// Tries out which tiers can be used. A tier that cannot be is no fault of the host: tools that need it are refused.
pub(super) async fn tiers(config: &Config, data: Option<&Path>, own: Own, world: &World) -> Tiers {
    let Own { functions, jail_program, components, containers, sandboxes } = own;
    let native = Native::new(config.sandbox.native, Arc::clone(&world.clock));
    let native = functions
        .into_iter()
        .fold(native, |native, (name, function)| native.with(&name, move |input, voice| function(input, voice)));
    let mut tiers = Tiers { usable: BTreeMap::new(), unusable: BTreeMap::new() };
    tiers.usable.insert(Tier::Native, Arc::new(native));
    match jail_program {
        Some(program) => jail(&mut tiers, config, (data, program), world).await,
        None => drop(tiers.unusable.insert(Tier::Jail, "this program makes none (`Builder::jails`)".to_owned())),
    }
    match data.filter(|_| components) {
        Some(data) => wasm(&mut tiers, config, data, world).await,
        None => drop(tiers.unusable.insert(Tier::Wasm, "this program runs none (`Builder::components`)".to_owned())),
    }
    match data.filter(|_| containers) {
        Some(data) => docker(&mut tiers, config, data, world).await,
        None => drop(tiers.unusable.insert(Tier::Docker, "this program makes none (`Builder::containers`)".to_owned())),
    }
    for tier in [Tier::Gvisor, Tier::Microvm] {
        tiers.unusable.insert(tier, "this build has no such tier".to_owned());
    }
    for sandbox in sandboxes {
        let tier = sandbox.capabilities().tier;
        tiers.unusable.remove(&tier);
        tiers.usable.insert(tier, sandbox);
    }
    tiers
}

/// How components are run by the host that has this data directory.
pub(super) fn components(config: &Config, data: &Path) -> wasm::Config {
    let private = config.sandbox.jail.private.iter().cloned().chain([data.to_owned()]).collect();
    wasm::Config { folder: data.join(COMPONENTS), private, components: config.sandbox.wasm.clone() }
}

async fn wasm(tiers: &mut Tiers, config: &Config, data: &Path, world: &World) {
    // Components come with their tools.
    let shelf = Arc::new(wasm::Held::default());
    match wasm::Wasm::open(components(config, data), shelf, Arc::clone(&world.clock)).await {
        Ok(wasm) => drop(tiers.usable.insert(Tier::Wasm, Arc::new(wasm))),
        Err(unusable) => drop(tiers.unusable.insert(Tier::Wasm, unusable.reason)),
    }
}

/// How containers are made by the host that has this data directory.
#[cfg(target_os = "linux")]
pub(super) fn containers(config: &Config, data: &Path, world: &World) -> crate::sandbox::docker::Config {
    crate::sandbox::docker::Config {
        folder: data.join(CONTAINERS),
        life: format!("{:016x}", world.random.next()),
        private: config.sandbox.jail.private.iter().cloned().chain([data.to_owned()]).collect(),
        system: config.sandbox.jail.system.clone(),
        containers: config.sandbox.docker.clone(),
    }
}

#[cfg(target_os = "linux")]
async fn docker(tiers: &mut Tiers, config: &Config, data: &Path, world: &World) {
    use crate::sandbox::docker::Docker;
    match Docker::open(containers(config, data, world), Arc::clone(&world.clock)).await {
        Ok(docker) => {
            let swept = docker.sweep().await;
            if swept > 0 {
                tracing::warn!(containers = swept, "containers of an earlier life of this host were removed");
            }
            tiers.usable.insert(Tier::Docker, Arc::new(docker));
        }
        Err(unusable) => drop(tiers.unusable.insert(Tier::Docker, unusable.reason)),
    }
}

#[cfg(not(target_os = "linux"))]
async fn docker(tiers: &mut Tiers, _: &Config, _: &Path, _: &World) {
    tiers.unusable.insert(Tier::Docker, "containers are made of what only Linux has".to_owned());
}

#[cfg(target_os = "linux")]
async fn jail(tiers: &mut Tiers, config: &Config, (data, program): (Option<&Path>, PathBuf), world: &World) {
    use crate::sandbox::jail::{self, Jail};
    let own = jail::Config {
        program,
        private: data.map(Path::to_owned).into_iter().collect(),
        jails: config.sandbox.jail.clone(),
    };
    match Jail::open(own, Arc::clone(&world.clock)).await {
        Ok(jail) => drop(tiers.usable.insert(Tier::Jail, Arc::new(jail))),
        Err(unusable) => drop(tiers.unusable.insert(Tier::Jail, unusable.reasons.join("; "))),
    }
}

#[cfg(not(target_os = "linux"))]
async fn jail(tiers: &mut Tiers, _: &Config, _: (Option<&Path>, PathBuf), _: &World) {
    tiers.unusable.insert(Tier::Jail, "jails are made of what only Linux has".to_owned());
}

/// Everything calls of tools are made with.
pub(super) fn ports(
    config: &Config,
    data: Option<&Path>,
    tiers: Tiers,
    journal: &Arc<dyn Journal>,
    environment: &Environment,
    world: &World,
) -> Result<Ports, Error> {
    let folder = data.map(calls).transpose()?;
    let way_out = match &folder {
        Some(folder) if config.egress.enabled => Some(way_out(config, folder, world)?),
        // Sockets need a folder that only the host enters.
        _ => None,
    };
    Ok(Ports {
        tiers: tiers.usable,
        unusable: tiers.unusable,
        way_out,
        fuzz: config.tools.fuzz,
        secrets: secrets(&config.secrets, environment, world)?,
        grants: Some(Arc::new(Issuer::new(Arc::new(chance)).map_err(|_| Error::NoChance)?)),
        rules: Arc::new(Rules {
            grants: config.tools.grants.clone(),
            here: config.privacy.here().map(ToOwned::to_owned),
            flags: config.tools.flags.clone(),
            accounts: config.tools.accounts.clone(),
        }),
        alarm: None,
        embedder: None,
        people: None,
        journal: Arc::clone(journal),
        shelf: data.map(|data| data.join(SHELF)),
        folder,
    })
}

/// Chance of the operating system, for the keys of grants.
fn chance() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}

/// The folder of calls, emptied: what is in it belongs to a host that did not live to clean up.
fn calls(data: &Path) -> Result<PathBuf, Error> {
    let folder = data.join(CALLS);
    let failed = |source| Error::DataDir { path: folder.display().to_string(), source };
    match std::fs::remove_dir_all(&folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    std::fs::create_dir_all(&folder).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(folder)
}

fn way_out(config: &Config, folder: &Path, world: &World) -> Result<WayOut, Error> {
    let own = &config.egress;
    let wrong = |reason: String| Error::File { file: "[egress]".to_owned(), reason };
    let trust = match own.authorities.as_os_str().is_empty() {
        true => Trust::System,
        false => Trust::Authorities(bytes(&own.authorities, "egress.authorities")?),
    };
    let network = Internet::new(Arc::new(System), &trust).map_err(|error| wrong(error.to_string()))?;
    Ok(WayOut {
        proxy: Arc::new(Proxy::new(folder, Arc::new(network), Arc::clone(&world.clock))),
        limits: own.limits.clone(),
        networks: own.networks.clone(),
        hide_queries: own.hide_queries,
    })
}

fn bytes(file: &Path, key: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(file)
        .map_err(|error| Error::File { file: format!("{} ({key})", file.display()), reason: error.to_string() })
}

/// The place of secrets, if there is one.
fn secrets(
    config: &secrets::Config,
    environment: &Environment,
    world: &World,
) -> Result<Option<Arc<dyn Secrets>>, Error> {
    let clock = Arc::clone(&world.clock);
    Ok(match config.kept {
        Kept::Nowhere => None,
        Kept::Env => {
            let read = |name: &str| environment.get(name).map(ToOwned::to_owned);
            Some(Arc::new(secrets::Environment::new(&config.variables, read, clock)))
        }
        Kept::Files => Some(Arc::new(secrets::Files::new(&config.folder, clock))),
        Kept::Vault => Some(Arc::new(vault(&config.vault, environment, world)?)),
    })
}

fn vault(own: &secrets::VaultPlace, environment: &Environment, world: &World) -> Result<secrets::Vault, Error> {
    let wrong = |reason: String| Error::File { file: "[secrets.vault]".to_owned(), reason };
    let token = if own.token_env.is_empty() {
        Token::File(own.token_file.clone())
    } else {
        let text = environment.get(&own.token_env).filter(|text| !text.is_empty());
        Token::Value(Secret::new(
            text.ok_or_else(|| wrong(format!("token_env names {}, which is not set", own.token_env)))?,
        ))
    };
    let authority = (!own.authority.as_os_str().is_empty()).then(|| bytes(&own.authority, "secrets.vault.authority"));
    let config = secrets::VaultConfig {
        address: own.address.clone(),
        namespace: (!own.namespace.is_empty()).then(|| own.namespace.clone()),
        mounts: own
            .mounts
            .iter()
            .map(|(path, engine)| secrets::Mount { path: path.to_string(), engine: *engine })
            .collect(),
        token,
        authority: authority.transpose()?,
        connect_timeout: Duration::from_secs(own.connect_timeout_s),
    };
    secrets::Vault::new(config, Arc::clone(&world.clock)).map_err(|error| wrong(error.to_string()))
}
