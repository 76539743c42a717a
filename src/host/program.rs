//! The program around a host: what `syzygy up`, `config check`, `doctor` and the offline verbs need from the root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::backends::{COMPANIONS, journal_path, model_store, projections};
use super::budgets;
use super::{Environment, Host, candidates, descriptors, real_world, sandboxes};
use crate::actors::agent::Profile;
use crate::cli::{self, Check, InForce, Launcher, Local, Other, Setting, Up, Verdict};
use crate::config::{self, Attempt, Beside, Config, Flag, Inputs, Loaded};
use crate::inference::RuntimeConfig;
use crate::inference::models::{Listing, State, Store};
use crate::store::{Belonging, OnDisk, Sqlite};
use crate::types::{Class, World};
use crate::ziggy::route::Proposed;
use crate::{api, store, supervision, telemetry};

/// The root as the command line sees it. The environment is read once, by `main`.
pub struct Program {
    environment: Vec<(String, String)>,
    world: World,
}

/// What a backup keeps beside the journal: without these a host would start as another one. The operator's token is
/// left out, since it is a key to this host; the hashes of all tokens are not. Archives never change, so they are copied once, as files.
const BELONGING: [&str; 4] = ["syzygy.toml", "models.toml", "prices.toml", crate::api::TOKENS_FILE];

/// Folders of which the same is true, and how the names of their files end.
const BELONGING_IN: [(&str, &str); 1] = [("agents", "toml")];

/// Spans that wait for export may take this long once the host has stopped.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

impl Program {
    /// The program in this environment.
    pub fn new(environment: Vec<(String, String)>) -> Program {
        Program { environment, world: real_world() }
    }

    fn inputs(&self, local: &Local, listen: Option<&str>) -> Inputs {
        let mut flags = Vec::new();
        if let Some(data) = &local.data_dir {
            flags.push(flag("--data-dir", "host.data_dir", &data.display().to_string()));
        }
        if let Some(listen) = listen {
            flags.push(flag("--listen", "api.listen", listen));
        }
        Inputs { file: local.config.clone(), environment: self.environment.clone(), flags }
    }

    /// The configuration alone, for what needs nothing beside it.
    fn load(&self, local: &Local) -> Result<Loaded, cli::Error> {
        config::load(&self.inputs(local, None)).map_err(configured)
    }

    /// The data directory. It can be found without a usable configuration file, which may be what is damaged.
    fn place(&self, local: &Local) -> Result<PathBuf, cli::Error> {
        match &local.data_dir {
            Some(data) => Ok(data.clone()),
            None => Ok(self.load(local)?.config.host.data_dir),
        }
    }

    /// Everything that an operator wrote: the configuration, the files it names and those beside it. If anything is
    /// wrong in any of them, all of it is told at once, and before anything is opened.
    fn all(&self, local: &Local, listen: Option<&str>) -> Result<(Loaded, Beside), cli::Error> {
        let Attempt { loaded, mut problems } = config::attempt(&self.inputs(local, listen)).map_err(configured)?;
        let (mut others, mut found) = (Vec::new(), None);
        if let Some(loaded) = loaded {
            for error in loaded.config.api.tls.faults() {
                match error {
                    api::Error::Tls { key, reason, .. } => problems.push(loaded.problem(key, papers(key, &reason))),
                    other => others.push(said(other.class(), &other)),
                }
            }
            match config::beside(Some(&loaded.config.host.data_dir), loaded.config.router.candidates_most) {
                Ok(beside) => {
                    let unpriced = budgets::unpriced(&loaded.config, &beside.prices).into_iter();
                    problems.extend(unpriced.map(|(key, expected)| loaded.problem(&key, expected)));
                    found = Some((loaded, beside));
                }
                Err(wrong) => problems.extend(wrong),
            }
        }
        let wrong = (!problems.is_empty()).then(|| configured(config::Error::of(problems)));
        let mut all = wrong.into_iter().chain(others);
        match (all.next(), found) {
            (None, Some(found)) => Ok(found),
            (Some(first), _) => {
                let reason = all.fold(first.to_string(), |text, error| format!("{text}\n{error}"));
                Err(cli::Error::Local { class: first.class(), reason })
            }
            // Without a configuration there is a problem.
            (None, None) => Err(configured(config::Error::NoHome)),
        }
    }

    /// Names in the configuration that nobody has.
    fn warnings(loaded: &Loaded, own: Vec<Profile>) -> Vec<String> {
        let agents = config::bundled_agents().map(|bundled| [bundled, own].concat()).unwrap_or_default();
        loaded.unknown_names(&agents).iter().map(ToString::to_string).collect()
    }

    async fn serve(&self, loaded: Loaded) -> Result<(), super::Error> {
        let mut config = loaded.config;
        descriptors::provide(&mut config.api);
        let (data, stop) = (config.host.data_dir.clone(), Duration::from_secs(config.host.stop_timeout_s));
        let scheme = if config.api.tls.is_on() { "https" } else { "http" };
        let began = self.world.clock.now();
        let mut told = Told::listen();
        let builder = Host::builder()
            .config(config)
            .data_dir(data)
            .environment(self.environment.iter().cloned().collect::<Environment>())
            .components()
            .containers();
        #[cfg(target_os = "linux")]
        let builder = builder.jails(crate::sandbox::jail::OWN_PROGRAM);
        let starting = builder.serve().start();
        let host = tokio::select! {
            host = starting => host?,
            () = told.heard() => {
                tracing::info!("told to stop before it was up");
                return Ok(());
            }
        };
        let took = self.world.clock.now() - began;
        let address = host.address().map(|address| format!("{scheme}://{address}")).unwrap_or_default();
        tracing::info!(address, ready_ms = took.as_millis(), "ready");
        let died = tokio::select! {
            () = told.heard() => None,
            () = host.ended() => Some("the supervision tree has ended; the log says which actor failed".to_owned()),
        };
        match died {
            Some(reason) => Err(super::Error::Ended(reason)),
            None => {
                tracing::info!("stopping");
                host.shutdown(stop).await.map_err(|failure: supervision::Failure| {
                    super::Error::Ended(format!("the tree was not down after {} s: {failure}", stop.as_secs()))
                })
            }
        }
    }
}

/// An error of the root as the command line reports it: with its class, which becomes the exit code.
fn said(class: Class, error: &dyn std::fmt::Display) -> cli::Error {
    cli::Error::Local { class, reason: error.to_string() }
}

fn rooted(error: super::Error) -> cli::Error {
    said(error.class(), &error)
}

fn configured(error: config::Error) -> cli::Error {
    said(error.class(), &error)
}

/// What belongs into the file of this key, and why what is there is no such thing.
fn papers(key: &str, reason: &str) -> String {
    let wanted = match key {
        "api.tls.key" => "the private key of the certificate",
        "api.tls.client_ca" => "certificates of authorities",
        _ => "the host's certificate and those behind it",
    };
    format!("a file in PEM form with {wanted} ({reason})")
}

fn flag(name: &str, key: &str, value: &str) -> Flag {
    Flag { name: name.to_owned(), key: key.to_owned(), value: value.to_owned() }
}

/// What tells a host to stop. It is listened to before anybody can know of the host, so that no stop is a kill.
struct Told(Option<(Signal, Signal)>);

impl Told {
    /// Without signal handling only a kill ends the host, which loses nothing that was acknowledged.
    fn listen() -> Told {
        let listened = signal(SignalKind::terminate()).and_then(|one| Ok((one, signal(SignalKind::interrupt())?)));
        Told(listened.ok())
    }

    /// Returns on SIGTERM or SIGINT.
    async fn heard(&mut self) {
        match &mut self.0 {
            Some((terminate, interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Launcher for Program {
    async fn up(&self, options: &Up) -> Result<(), cli::Error> {
        let (loaded, beside) = self.all(&options.local, options.listen.as_deref())?;
        let guard = telemetry::init(&loaded.config.telemetry, Arc::clone(&self.world.clock))
            .map_err(|error| said(error.class(), &error))?;
        let warnings = Program::warnings(&loaded, beside.agents);
        warnings.iter().for_each(|warning| tracing::warn!("a name that nobody has: {warning}"));
        let served = self.serve(loaded).await;
        if let Err(error) = guard.close(FLUSH_WITHIN).await {
            tracing::warn!(%error, "the last spans were not exported");
        }
        served.map_err(rooted)
    }

    fn data_dir(&self, local: &Local) -> Result<PathBuf, cli::Error> {
        Ok(self.load(local)?.config.host.data_dir)
    }

    fn config_check(&self, options: &Up) -> Result<InForce, cli::Error> {
        let (loaded, beside) = self.all(&options.local, options.listen.as_deref())?;
        let own = |config::Setting { key, value, source }| Setting { key, value, source };
        let warnings = Program::warnings(&loaded, beside.agents);
        Ok(InForce { settings: loaded.explain().into_iter().map(own).collect(), warnings })
    }

    async fn doctor(&self, local: &Local) -> Vec<Check> {
        let Attempt { loaded, problems } = match config::attempt(&self.inputs(local, None)) {
            Ok(attempt) => attempt,
            Err(error) => return vec![check("config", Verdict::Bad, error.to_string())],
        };
        let mut checks = vec![if problems.is_empty() {
            check("config", Verdict::Good, "every key has a value that can work".to_owned())
        } else {
            check("config", Verdict::Bad, config::Error::of(problems).to_string())
        }];
        let Some(loaded) = loaded else { return checks };
        let data = loaded.config.host.data_dir.clone();
        checks.extend([writable(&data), self.journal_check(&data).await]);
        let own = config::agents_in(&data, loaded.config.router.candidates_most);
        let warnings = own.as_ref().map(|own| Program::warnings(&loaded, own.clone())).unwrap_or_default();
        checks.extend(warnings.into_iter().map(|warning| check("config", Verdict::Lacking, warning)));
        checks.extend(tls_checks(&loaded.config));
        checks.extend(sandboxes::checks(&loaded.config, &data).await);
        checks.extend(agent_checks(own, &loaded.config));
        checks.push(price_check(&data, &loaded.config));
        let found = match model_store(&data, &loaded.config) {
            Ok(store) => store.examine(),
            Err(error) => {
                checks.push(check("models", Verdict::Bad, error.to_string()));
                Vec::new()
            }
        };
        checks.extend(found.iter().map(model_check));
        for (name, runtime) in &loaded.config.inference.runtimes {
            checks.push(self.runtime_check(name, runtime, &found));
        }
        checks
    }

    fn models(&self, local: &Local) -> Result<Arc<Store>, cli::Error> {
        let loaded = self.load(local)?;
        Ok(Arc::new(model_store(&loaded.config.host.data_dir, &loaded.config).map_err(rooted)?))
    }

    fn on_disk(&self, local: &Local) -> Result<OnDisk, cli::Error> {
        Ok(OnDisk::at(&journal_path(&self.place(local)?), projections()).beside(&COMPANIONS))
    }

    fn other(&self, local: &Local) -> Result<Other, cli::Error> {
        let config = self.load(local)?.config;
        let now = self.world.clock.wall();
        let company = candidates::company(&config, &config.host.data_dir, now).map_err(rooted)?;
        let proposed = Proposed { rules: config.ziggy.rules(), company: Some(company) };
        Ok(Other { proposed, privacy: config.privacy })
    }

    fn belongings(&self, local: &Local) -> Result<Vec<Belonging>, cli::Error> {
        let data = self.place(local)?;
        let unread = |path: &Path, error: std::io::Error| {
            rooted(super::Error::File { file: path.display().to_string(), reason: error.to_string() })
        };
        let mut names: Vec<PathBuf> = BELONGING.iter().map(PathBuf::from).collect();
        for (folder, end) in BELONGING_IN {
            let entries = match std::fs::read_dir(data.join(folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unread(&data.join(folder), error)),
            };
            for entry in entries {
                let name = entry.map_err(|error| unread(&data.join(folder), error))?.file_name();
                if Path::new(&name).extension().is_some_and(|found| found == end) {
                    names.push(Path::new(folder).join(name));
                }
            }
        }
        names.sort();
        let mut found = Vec::new();
        for name in names {
            match std::fs::read(data.join(&name)) {
                Ok(bytes) => found.push(Belonging { name: name.display().to_string(), bytes }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unread(&data.join(&name), error)),
            }
        }
        Ok(found)
    }

    async fn interrupted(&self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }

    fn world(&self) -> World {
        self.world.clone()
    }
}

fn check(name: &str, verdict: Verdict, detail: String) -> Check {
    Check { name: name.to_owned(), verdict, detail }
}

fn writable(data: &Path) -> Check {
    let probe = data.join(".doctor");
    let tried = std::fs::create_dir_all(data)
        .and_then(|()| std::fs::write(&probe, b"probe"))
        .and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => check("data directory", Verdict::Good, data.display().to_string()),
        Err(error) => check("data directory", Verdict::Bad, format!("{}: {error}", data.display())),
    }
}

/// How it stands with the files of TLS, if it is on.
fn tls_checks(config: &Config) -> Vec<Check> {
    let tls = &config.api.tls;
    let faults = tls.faults();
    let good = (tls.is_on() && faults.is_empty()).then(|| {
        let detail = format!("{} and its key {}", tls.certificate.display(), tls.key.display());
        check("tls", Verdict::Good, detail)
    });
    good.into_iter().chain(faults.iter().map(|fault| check("tls", Verdict::Bad, fault.to_string()))).collect()
}

/// Every agent that a start would find: which there are, what is wrong with their files, and who has no runtime.
fn agent_checks(own: Result<Vec<Profile>, config::Error>, config: &Config) -> Vec<Check> {
    let found = own.and_then(|own| config::bundled_agents().map(|bundled| [bundled, own].concat()));
    let profiles: BTreeMap<String, Profile> = match found {
        // A later one takes the place of an earlier one of the same name.
        Ok(profiles) => profiles.into_iter().map(|profile| (profile.name.clone(), profile)).collect(),
        Err(error) => return vec![check("agents", Verdict::Bad, error.to_string())],
    };
    let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
    let mut checks = vec![check("agents", Verdict::Good, names.join(", "))];
    let idle = profiles.values().filter(|one| one.enabled && !config.inference.runtimes.contains_key(&one.runtime));
    checks.extend(idle.map(|one| {
        let detail = format!("serves nobody: its runtime is not configured; add [inference.runtimes.{}]", one.runtime);
        check(&format!("agent {}", one.name), Verdict::Lacking, detail)
    }));
    checks
}

/// Whether everything that is paid for has a price.
fn price_check(data: &Path, config: &Config) -> Check {
    let prices = match config::prices_in(Some(data)) {
        Ok(prices) => prices,
        Err(problems) => return check("prices", Verdict::Bad, config::Error::of(problems).to_string()),
    };
    let lacking: Vec<String> = budgets::unpriced(config, &prices)
        .into_iter()
        .map(|(key, expected)| format!("{key}: expected {expected}"))
        .collect();
    match lacking.is_empty() {
        true => check(
            "prices",
            Verdict::Good,
            format!("{} rows; everything that is paid for has one", prices.rows().count()),
        ),
        false => check("prices", Verdict::Bad, lacking.join("; ")),
    }
}

/// How it stands with a model's files, and what would help.
fn model_state(model: &Listing) -> (Verdict, String) {
    let pull = format!("run `syzygy models pull {}`", model.id);
    match &model.state {
        State::Installed => (Verdict::Good, "installed and whole".to_owned()),
        State::Missing => (Verdict::Lacking, format!("not installed; {pull}")),
        State::Damaged { reason } => (Verdict::Bad, format!("damaged ({reason}); {pull}")),
    }
}

fn model_check(model: &Listing) -> Check {
    let (verdict, detail) = model_state(model);
    check(&format!("model {}", model.id), verdict, detail)
}

/// A runtime in this process works if its model does.
fn embedded_check(title: &str, id: &str, models: &[Listing]) -> Check {
    match models.iter().find(|model| model.id == id) {
        Some(model) if model.state == State::Installed => check(title, Verdict::Good, format!("{id} in this process")),
        Some(model) => {
            let (verdict, detail) = model_state(model);
            check(title, verdict, format!("cannot work: its model {id} is {detail}"))
        }
        None => check(title, Verdict::Bad, format!("cannot work: its model {id} is in no catalogue")),
    }
}

impl Program {
    async fn journal_check(&self, data: &std::path::Path) -> Check {
        let path = journal_path(data);
        match Sqlite::is_at(&path, &COMPANIONS).await {
            Ok(true) | Err(store::Error::Corrupt(_)) => {}
            Ok(false) => return check("journal", Verdict::Good, "none yet; the first start makes one".to_owned()),
            Err(error) => return check("journal", Verdict::Bad, error.to_string()),
        }
        match Sqlite::verify_file(&path, &projections()).await {
            Ok(found) if found.first_bad.is_none() => {
                check("journal", Verdict::Good, format!("{} events, the chain holds", found.verified))
            }
            Ok(found) => check("journal", Verdict::Bad, crate::rat::report(&found)),
            Err(error) => check("journal", Verdict::Bad, error.to_string()),
        }
    }

    fn runtime_check(&self, name: &str, runtime: &RuntimeConfig, models: &[Listing]) -> Check {
        let title = format!("runtime {name}");
        match runtime {
            RuntimeConfig::Embedded(own) => embedded_check(&title, &own.model, models),
            RuntimeConfig::Scripted(_) => check(&title, Verdict::Lacking, "a fixed answer, no model".to_owned()),
            RuntimeConfig::Openai(own) => {
                let unset =
                    own.api_key_env.as_ref().filter(|name| !self.environment.iter().any(|(known, _)| known == *name));
                match unset {
                    Some(variable) => check(&title, Verdict::Bad, format!("{variable} is not set")),
                    None => check(&title, Verdict::Good, own.base_url.clone()),
                }
            }
        }
    }
}
