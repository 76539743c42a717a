//! Containers of an engine: programs in an image, or of the system in an image with nothing in it.
//!
//! The engine is somebody else's program with all rights, spoken to over its unix socket. It makes the container, and the
//! kernel keeps it: no network, no capability, a root that cannot be written, bounds on memory and processes of all
//! together, the same list of system calls as a jail, a user who is nobody. What the engine does not say it can do is not
//! promised.
//!
//! A container does not die with its host, since it is the engine's child. It carries its host's label, and the next host of
//! the same data directory removes it before anything else.

mod calls;
mod canary;
mod engine;
mod plan;
mod run;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::capability::{Capabilities, Keeper};
use super::config::{Containers, DOCKER_MEMORY_MIN, OPEN_FILES_MIN};
use super::error::{Error, Lack};
use super::ground;
use super::outcome::{Ended, Failure, Outcome};
use super::running::Running;
use super::spec::{Access, Program, ProgramKind, Resource, Spec, Tier};
use super::{Call, Killed, Prepared, Sandbox, View};
use crate::types::{Class, Clock, Cx};
use engine::{About, Engine, Image};

/// The image that has nothing in it, for programs of the system.
const EMPTY: (&str, &str) = ("syzygy-empty", "1");

/// Times that a container is told to go before that is left for later.
const REMOVALS: usize = 3;

/// Containers that are looked after at a time, of those that would not go.
const LATER: usize = 8;

/// Billionths of a processor in one.
const NANO: i64 = 1_000_000_000;

/// Where containers are made, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// A directory of the host's own, for what is shown to tools.
    pub folder: PathBuf,
    /// A word that no other host on this machine has while it runs: part of its containers' names.
    pub life: String,
    /// Directories that are never granted: where the host's journal and its secrets are.
    pub private: Vec<PathBuf>,
    /// Directories of the system that programs see which bring no image.
    pub system: Vec<PathBuf>,
    /// What an operator decides.
    pub containers: Containers,
}

/// Why there can be no containers on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not use containers: {reason}")]
pub struct Unusable {
    /// What went wrong, and what an operator can do about it.
    pub reason: String,
}

/// What every invocation needs.
struct Shared {
    engine: Engine,
    config: Config,
    clock: Arc<dyn Clock>,
    /// By which this host's containers are known, also to its next life.
    owner: String,
    /// The image with nothing in it.
    base: String,
    /// The list of system calls.
    calls: String,
    processors: Option<i64>,
    maps_users: bool,
    running: Running,
    count: AtomicU64,
    /// Containers that did not go when they were told to.
    left: Mutex<BTreeSet<String>>,
}

impl Shared {
    fn name(&self) -> String {
        format!("syzygy-{}-{}", self.config.life, self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Where files of this life's invocations are.
    fn files(&self) -> PathBuf {
        self.config.folder.join(&self.config.life)
    }

    /// Removes a container, and what did not go before.
    async fn remove(&self, name: &str) {
        let before: Vec<String> = self.left.lock().iter().take(LATER).cloned().collect();
        for name in before.iter().map(String::as_str).chain([name]) {
            let mut trouble = None;
            for _ in 0..REMOVALS {
                trouble = self.engine.remove(name).await.err();
                if trouble.is_none() {
                    break;
                }
            }
            match trouble {
                None => drop(self.left.lock().remove(name)),
                Some(trouble) => {
                    tracing::warn!(container = name, %trouble, "a container did not go and is told again later");
                    self.left.lock().insert(name.to_owned());
                }
            }
        }
    }
}

/// The tier.
pub struct Docker {
    shared: Arc<Shared>,
    capabilities: Capabilities,
}

impl Docker {
    /// Finds the engine, makes a container as a trial, and the tier if it holds.
    ///
    /// # Errors
    /// Why there can be no containers here.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Docker, Unusable> {
        let unusable = |reason: String| Unusable { reason };
        let containers = &config.containers;
        let socket = containers.socket.display().to_string();
        if !containers.socket.exists() {
            return Err(unusable(format!("no engine answers at {socket} (`sandbox.docker.socket`)")));
        }
        let found = Engine::find(&containers.socket, Duration::from_secs(containers.answer_s)).await;
        let engine = found.map_err(|trouble| unusable(format!("no engine answers at {socket}: {trouble}")))?;
        let about = engine.about().await.map_err(|trouble| unusable(trouble.to_string()))?;
        if !about.linux || !about.seccomp {
            let lack = if about.linux { "does not filter system calls" } else { "has no containers of Linux" };
            return Err(unusable(format!("the engine at {socket} {lack}")));
        }
        let owner =
            owner(&config).map_err(|cause| unusable(format!("could not name this host's containers: {cause}")))?;
        let base = empty(&engine).await.map_err(|trouble| unusable(format!("could not make an image: {trouble}")))?;
        // An engine refuses more processors than there are.
        let processors = i64::from(containers.processors.min(about.processors.max(1)));
        let (running, count, left) = Default::default();
        let capabilities = capabilities(&about);
        let shared = Shared {
            engine,
            clock,
            owner,
            base,
            calls: calls::profile(),
            processors: about.quota.then_some(processors * NANO),
            maps_users: about.maps_users,
            running,
            count,
            left,
            config,
        };
        let docker = Docker { shared: Arc::new(shared), capabilities };
        let tried = canary::try_out(&docker).await;
        // The directory of the trial; later ones are made when they are needed.
        let _ = std::fs::remove_dir_all(docker.shared.files());
        tried.map(|()| docker)
    }

    /// Removes what an earlier life of this host left, containers and files, and says how many containers that were. Only
    /// whoever is the one host of its data directory may.
    pub async fn sweep(&self) -> usize {
        let label = format!("{}={}", plan::LABEL, self.shared.owner);
        let found = match self.shared.engine.labelled(&label).await {
            Ok(found) => found,
            Err(trouble) => {
                tracing::warn!(%trouble, "containers of an earlier life could not be looked for");
                return 0;
            }
        };
        for id in &found {
            self.shared.remove(id).await;
        }
        for entry in std::fs::read_dir(&self.shared.config.folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() && entry.path() != self.shared.files() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        found.len()
    }

    /// Who the tool is, outside as inside: whoever the trees belong to that it may write.
    fn user(&self, spec: &Spec, trees: &[(PathBuf, std::fs::Metadata)]) -> Result<u32, Error> {
        let own = rustix::process::geteuid();
        let usual = if own.is_root() { self.shared.config.containers.user } else { own.as_raw() };
        let mut user = None;
        let writable = spec.grants.iter().zip(trees).filter(|(grant, _)| grant.access == Access::ReadWrite);
        for (grant, (_, found)) in writable {
            if self.shared.maps_users {
                let text =
                    format!("write to {}, since users in this engine's containers are others outside", grant.name);
                return Err(refused(&spec.tool, Lack::Other(text)));
            }
            let owner = if found.uid() == 0 { usual } else { found.uid() };
            // Whom root's own files may not be written by is everybody, unless they all may.
            if found.uid() == 0 && found.mode() & 0o002 == 0 {
                let text = format!("write to {}, which belongs to root; give it to user {owner}", grant.name);
                return Err(refused(&spec.tool, Lack::Other(text)));
            }
            if user.is_some_and(|user| user != owner) {
                return Err(refused(&spec.tool, Lack::Other("write to trees of two owners".to_owned())));
            }
            user = Some(owner);
        }
        Ok(user.unwrap_or(usual))
    }

    /// The image of a tool, if it is the one that is named and can be kept within its bounds.
    async fn image(&self, tool: &str, reference: &str, has_command: bool) -> Result<Image, Error> {
        let invalid = |reason: String| Error::Invalid { tool: tool.to_owned(), reason };
        let missing = |reason: String| Error::Missing { tool: tool.to_owned(), reason };
        let Some((name, digest)) = pinned(reference) else {
            let reason =
                format!("the image {reference} is not named by its digest, as in NAME@sha256:...; a tag can change");
            return Err(invalid(reason));
        };
        let look = async || match self.find(name, digest).await {
            Ok(found) => Ok(found),
            Err(trouble) => Err(missing(format!("the engine does not say whether it has {reference}: {trouble}"))),
        };
        let mut found = look().await?;
        if found.is_none() && self.shared.config.containers.pull && !name.is_empty() {
            let pulled = self.shared.engine.pull(reference).await;
            pulled.map_err(|trouble| missing(format!("the image {reference} could not be fetched: {trouble}")))?;
            found = look().await?;
        }
        let Some(image) = found else {
            return Err(missing(format!(
                "the engine has no image {reference}, and it is not fetched (`sandbox.docker.pull`)"
            )));
        };
        if !image.volumes.is_empty() {
            let text = format!("bound what the image writes to its volumes ({})", image.volumes.join(", "));
            return Err(refused(tool, Lack::Other(text)));
        }
        if !has_command && !image.has_command {
            return Err(invalid(format!("neither it nor the image {reference} names a program")));
        }
        Ok(image)
    }

    /// An image by the digest with which it was fetched, or by its own, if it was made here.
    async fn find(&self, name: &str, digest: &str) -> Result<Option<Image>, engine::Trouble> {
        if !name.is_empty()
            && let Some(image) = self.shared.engine.image(&format!("{name}@{digest}")).await?
        {
            return Ok(Some(image));
        }
        Ok(self.shared.engine.image(digest).await?.filter(|image| image.id == digest))
    }
}

/// The name and the digest, if there is one.
fn pinned(reference: &str) -> Option<(&str, &str)> {
    let (name, digest) = reference.split_once('@').unwrap_or(("", reference));
    let hex = digest.strip_prefix("sha256:")?;
    let lower = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    (hex.len() == 64 && hex.chars().all(lower)).then_some((name, digest))
}

/// By which a host knows its containers again: a word that it wrote into its directory in its first life.
fn owner(config: &Config) -> std::io::Result<String> {
    let file = config.folder.join("owner");
    match std::fs::read_to_string(&file) {
        Ok(owner) if !owner.is_empty() => return Ok(owner),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(&config.folder)?;
    std::fs::write(&file, &config.life)?;
    Ok(config.life.clone())
}

async fn empty(engine: &Engine) -> Result<String, engine::Trouble> {
    let (name, tag) = EMPTY;
    let reference = format!("{name}:{tag}");
    if let Some(image) = engine.image(&reference).await? {
        return Ok(image.id);
    }
    engine.make_empty(name, tag).await?;
    let made = engine.image(&reference).await?;
    made.map(|image| image.id).ok_or_else(|| engine::Trouble { status: None, said: "it is not there".to_owned() })
}

fn capabilities(about: &About) -> Capabilities {
    use Resource::{Cpu, Disk, Lines, Memory, OpenFiles, Processes, Stderr, Stdin, Stdout, Wall};
    let mut limits: std::collections::BTreeMap<Resource, Keeper> =
        [Wall, Stdin, Stdout, Stderr, Lines].map(|resource| (resource, Keeper::Host)).into();
    limits.extend([(Disk, Keeper::Kernel), (OpenFiles, Keeper::Kernel), (Cpu, Keeper::Watcher)]);
    let mut notes = vec![
        format!("engine {}, as its API says", about.version),
        "a container outlives a host that dies, until the next one begins".to_owned(),
    ];
    for (able, resource) in [(about.memory, Memory), (about.processes, Processes)] {
        if able {
            limits.insert(resource, Keeper::Kernel);
        } else {
            notes.push(format!("the engine cannot bound {resource}, so tools that ask for it are refused"));
        }
    }
    if about.memory && !about.swap {
        notes.push("the engine cannot bound swap: what a tool has beyond its memory may go there".to_owned());
    }
    if about.maps_users {
        notes.push("users in its containers are others outside, so no tree can be written".to_owned());
    }
    Capabilities {
        tier: Tier::Docker,
        programs: vec![ProgramKind::Command, ProgramKind::Image],
        limits,
        inputs: true,
        grants: true,
        egress: true,
        environment: true,
        plain: true,
        notes,
    }
}

fn refused(tool: &str, lack: Lack) -> Error {
    Error::Refused { tool: tool.to_owned(), tier: Tier::Docker, lacks: vec![lack] }
}

#[async_trait]
impl Sandbox for Docker {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, _cx: &Cx, mut spec: Spec) -> Result<Prepared, Error> {
        self.capabilities.check(&spec)?;
        if spec.limits.open_files.is_some_and(|files| files < OPEN_FILES_MIN) {
            return Err(refused(&spec.tool, Lack::Other(format!("bound open files to less than {OPEN_FILES_MIN}"))));
        }
        if spec.limits.memory.is_some_and(|bytes| bytes < DOCKER_MEMORY_MIN) {
            // Engines refuse less, or cannot begin anything in it.
            let text = format!("bound memory to less than {DOCKER_MEMORY_MIN} bytes");
            return Err(refused(&spec.tool, Lack::Other(text)));
        }
        if let Some(directory) = spec.directory.as_ref().filter(|path| !ground::is_inside(path)) {
            let reason = format!("`{directory}` is no absolute path in the container");
            return Err(Error::Invalid { tool: spec.tool, reason });
        }
        ground::inputs(&spec)?;
        let private: Vec<&PathBuf> = self.shared.config.private.iter().collect();
        let place = |grant| ground::place(Tier::Docker, &spec.tool, grant, &private);
        let trees = spec.grants.iter().map(place).collect::<Result<Vec<_>, Error>>()?;
        let user = self.user(&spec, &trees)?;
        if let Program::Image { reference, command } = &mut spec.program {
            // From here on it is this very image, whatever becomes of its names.
            *reference = self.image(&spec.tool, reference, !command.is_empty()).await?.id;
        }
        let places = trees.iter().map(|(_, found)| (found.dev(), found.ino())).collect();
        for (grant, (source, _)) in spec.grants.iter_mut().zip(trees) {
            grant.source = source;
        }
        Ok(Prepared { spec: Arc::new(spec), tier: Tier::Docker, places: Arc::new(places), user })
    }

    async fn invoke(&self, cx: &Cx, prepared: &Prepared, call: Call) -> Outcome {
        let began = self.shared.clock.now();
        let Some(place) = self.shared.running.enter(&call.id) else {
            let failure = Failure::new(Class::Conflict, "could not call the tool: a call of this id runs");
            return Outcome::nothing(Ended::Refused, failure);
        };
        let left = CancellationToken::new();
        let _left = left.clone().drop_guard();
        let (shared, cx, prepared) = (Arc::clone(&self.shared), cx.clone(), prepared.clone());
        let job = run::run(run::Job { shared, cx, prepared, call, place, left, began }).in_current_span();
        #[expect(
            clippy::disallowed_methods,
            reason = "a container is removed also if nobody waits for its call any more"
        )]
        let job = tokio::spawn(job);
        job.await.unwrap_or_else(|_| {
            let failure = Failure::new(Class::Internal, "could not finish the tool: the sandbox failed");
            Outcome::nothing(Ended::Failed, failure)
        })
    }

    async fn kill(&self, id: &str) -> Killed {
        self.shared.running.kill(id).await
    }

    fn view(&self) -> View {
        View { running: self.shared.running.count(), abandoned: self.shared.left.lock().len() }
    }
}
