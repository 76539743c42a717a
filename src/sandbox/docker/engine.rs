//! The engine of containers, as its API has it. Only this module knows the library.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as Failed;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, CreateImageOptionsBuilder,
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StatsOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker, body_full};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Characters of what an engine says that are passed on: a sentence or two.
const SAID_MAX: usize = 400;

/// A tar of nothing: two blocks of zeros.
const EMPTY_TAR: [u8; 1_024] = [0; 1_024];

/// Why an engine did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub(super) struct Trouble {
    /// The engine's own code; none if it did not answer.
    pub(super) status: Option<u16>,
    /// What it said.
    pub(super) said: String,
}

impl Trouble {
    /// Whether there is no such thing.
    pub(super) fn is_absence(&self) -> bool {
        self.status == Some(404)
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Trouble {
        let (status, said) = match failed {
            Failed::DockerResponseServerError { status_code, message } => (Some(status_code), message),
            Failed::RequestTimeoutError => (None, "the engine did not answer in time".to_owned()),
            other => {
                // The library's own sentence rarely says what the operating system said.
                let cause = std::iter::successors(std::error::Error::source(&other), |error| error.source()).last();
                (None, cause.map_or_else(|| other.to_string(), |cause| format!("{other}: {cause}")))
            }
        };
        Trouble { status, said: said.chars().take(SAID_MAX).collect::<String>().trim_end().to_owned() }
    }
}

/// A file or directory of the host that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) source: PathBuf,
    pub(super) target: String,
    pub(super) writable: bool,
}

/// Everything an engine is told of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
    /// The image, by its own identity.
    pub(super) image: String,
    /// The program and its arguments; the image's own if empty.
    pub(super) command: Vec<String>,
    /// `NAME=value`, and `NAME` for what shall not be there.
    pub(super) environment: Vec<String>,
    pub(super) directory: String,
    pub(super) user: u32,
    pub(super) shown: Vec<Shown>,
    /// Directories of its own in memory, and with which options.
    pub(super) scratch: Vec<(String, String)>,
    /// Paths that are covered.
    pub(super) covered: Vec<String>,
    /// Paths that cannot be written although the kernel would let them.
    pub(super) fixed: Vec<String>,
    pub(super) memory: u64,
    pub(super) processes: u32,
    /// Billionths of a processor that it may use at a time, if the engine can bound that.
    pub(super) processors: Option<i64>,
    /// Bounds of each process.
    pub(super) bounds: Vec<(&'static str, u64)>,
    /// The list of system calls, as the engine reads it.
    pub(super) calls: String,
}

/// What an engine says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) version: String,
    /// Whether its containers are Linux's.
    pub(super) linux: bool,
    pub(super) memory: bool,
    pub(super) swap: bool,
    pub(super) processes: bool,
    pub(super) quota: bool,
    pub(super) processors: u32,
    /// Whether it filters system calls.
    pub(super) seccomp: bool,
    /// Whether users in its containers are others outside.
    pub(super) maps_users: bool,
}

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) id: String,
    /// Directories that it wants to be kept outside of the container.
    pub(super) volumes: Vec<String>,
    /// Whether it says what is run.
    pub(super) has_command: bool,
}

/// What a container uses at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) processors: Duration,
    pub(super) memory: u64,
    pub(super) processes: u32,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct End {
    /// None if it did not begin.
    pub(super) code: Option<i64>,
    /// Whether the kernel ended something in it for its memory.
    pub(super) starved: bool,
}

/// Something a container printed.
pub(super) enum Said {
    Out(Bytes),
    Aside(Bytes),
}

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Failed>> + Send>>;

/// The ends of a container's three pipes.
pub(super) struct Pipes {
    output: Output,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl Pipes {
    pub(super) fn split(self) -> (Ears, Mouth) {
        (Ears(self.output), Mouth(self.input))
    }
}

pub(super) struct Ears(Output);

impl Ears {
    /// What it prints next; nothing when it prints no more.
    pub(super) async fn next(&mut self) -> Option<Said> {
        loop {
            match self.0.next().await? {
                Ok(LogOutput::StdOut { message }) => return Some(Said::Out(message)),
                Ok(LogOutput::StdErr { message }) => return Some(Said::Aside(message)),
                // A container without a terminal has no others.
                Ok(LogOutput::StdIn { .. } | LogOutput::Console { .. }) => {}
                Err(_) => return None,
            }
        }
    }
}

pub(super) struct Mouth(Pin<Box<dyn AsyncWrite + Send>>);

impl Mouth {
    /// Says it, and that there is no more. A tool need not listen.
    pub(super) async fn say(mut self, bytes: &[u8]) -> Mouth {
        if self.0.write_all(bytes).await.is_ok() {
            let _ = self.0.flush().await;
            let _ = self.0.shutdown().await;
        }
        self
    }
}

/// An engine that has answered.
#[derive(Clone)]
pub(super) struct Engine(Docker);

impl Engine {
    /// Finds out who answers at this socket, and speaks the newest version that both know.
    pub(super) async fn find(socket: &Path, within: Duration) -> Result<Engine, Trouble> {
        let path = socket.to_string_lossy();
        let docker = Docker::connect_with_unix(&path, within.as_secs().max(1), API_DEFAULT_VERSION)?;
        Ok(Engine(docker.negotiate_version().await?))
    }

    pub(super) async fn about(&self) -> Result<About, Trouble> {
        let info = self.0.info().await?;
        let options = info.security_options.unwrap_or_default();
        let has = |name: &str| options.iter().any(|option| option.starts_with(&format!("name={name}")));
        Ok(About {
            version: info.server_version.unwrap_or_default(),
            linux: info.os_type.as_deref() == Some("linux"),
            memory: info.memory_limit == Some(true),
            swap: info.swap_limit == Some(true),
            processes: info.pids_limit == Some(true),
            quota: info.cpu_cfs_quota == Some(true) && info.cpu_cfs_period == Some(true),
            processors: info.ncpu.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            seccomp: has("seccomp"),
            maps_users: has("userns") || has("rootless"),
        })
    }

    /// The image of this name, if the engine has it.
    pub(super) async fn image(&self, reference: &str) -> Result<Option<Image>, Trouble> {
        let found = match self.0.inspect_image(reference).await.map_err(Trouble::from) {
            Ok(found) => found,
            Err(trouble) if trouble.is_absence() => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let config = found.config.unwrap_or_default();
        let says = |words: Option<Vec<String>>| words.is_some_and(|words| !words.is_empty());
        Ok(found.id.map(|id| Image {
            id,
            volumes: config.volumes.unwrap_or_default(),
            has_command: says(config.entrypoint) || says(config.cmd),
        }))
    }

    /// Fetches an image from where its name says.
    pub(super) async fn pull(&self, reference: &str) -> Result<(), Trouble> {
        let options = CreateImageOptionsBuilder::default().from_image(reference).build();
        self.0.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) }).await?;
        Ok(())
    }

    /// Makes an image with nothing in it.
    pub(super) async fn make_empty(&self, name: &str, tag: &str) -> Result<(), Trouble> {
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(name).tag(tag).build();
        let body = body_full(Bytes::from_static(&EMPTY_TAR));
        self.0.create_image(Some(options), Some(body), None).try_for_each(|_| async { Ok(()) }).await?;
        Ok(())
    }

    pub(super) async fn create(&self, container: &Container) -> Result<(), Trouble> {
        let options = CreateContainerOptionsBuilder::default().name(&container.name).build();
        self.0.create_container(Some(options), body(container)).await?;
        Ok(())
    }

    pub(super) async fn attach(&self, name: &str) -> Result<Pipes, Trouble> {
        let options =
            AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
        let pipes = self.0.attach_container(name, Some(options)).await?;
        Ok(Pipes { output: pipes.output, input: pipes.input })
    }

    pub(super) async fn start(&self, name: &str) -> Result<(), Trouble> {
        Ok(self.0.start_container(name, None).await?)
    }

    pub(super) async fn uses(&self, name: &str) -> Result<Uses, Trouble> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let Some(stats) = self.0.stats(name, Some(options)).try_next().await? else { return Ok(Uses::default()) };
        let nanos = stats.cpu_stats.and_then(|stats| stats.cpu_usage).and_then(|usage| usage.total_usage);
        let memory = stats.memory_stats.map_or(0, |stats| stats.max_usage.or(stats.usage).unwrap_or(0));
        let processes = stats.pids_stats.and_then(|stats| stats.current).unwrap_or(0);
        Ok(Uses {
            processors: Duration::from_nanos(nanos.unwrap_or(0)),
            memory,
            processes: u32::try_from(processes).unwrap_or(u32::MAX),
        })
    }

    /// Ends everything in it, whatever that ignores.
    pub(super) async fn kill(&self, name: &str) -> Result<(), Trouble> {
        let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
        Ok(self.0.kill_container(name, Some(options)).await?)
    }

    /// Returns when nothing of it runs.
    pub(super) async fn wait(&self, name: &str) -> Result<(), Trouble> {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        match self.0.wait_container(name, Some(options)).try_next().await {
            // The library takes every code but 0 for an error.
            Ok(_) | Err(Failed::DockerContainerWaitError { .. }) => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }

    pub(super) async fn end(&self, name: &str) -> Result<End, Trouble> {
        let state = self.0.inspect_container(name, None).await?.state.unwrap_or_default();
        // One that did not begin has a date before all others.
        let began = state.started_at.is_some_and(|at| !at.starts_with("0001"));
        Ok(End { code: state.exit_code.filter(|_| began), starved: state.oom_killed == Some(true) })
    }

    /// Removes it with everything it had, also if it runs.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Trouble> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.0.remove_container(name, Some(options)).await.map_err(Trouble::from) {
            Err(trouble) if !trouble.is_absence() => Err(trouble),
            _ => Ok(()),
        }
    }

    /// The containers that carry this label.
    pub(super) async fn labelled(&self, label: &str) -> Result<Vec<String>, Trouble> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.0.list_containers(Some(options)).await?;
        Ok(found.into_iter().filter_map(|one| one.id).collect())
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A container as the engine's API has it. What is not said here is a default of the engine, so everything that matters is.
fn body(container: &Container) -> ContainerCreateBody {
    ContainerCreateBody {
        hostname: Some("container".to_owned()),
        user: Some(format!("{0}:{0}", container.user)),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        tty: Some(false),
        env: Some(container.environment.clone()),
        entrypoint: (!container.command.is_empty()).then(|| container.command.clone()),
        // An image's own would be processes that nobody asked for.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        image: Some(container.image.clone()),
        working_dir: Some(container.directory.clone()),
        labels: Some(container.labels.iter().cloned().collect()),
        network_disabled: Some(true),
        host_config: Some(fences(container)),
        ..ContainerCreateBody::default()
    }
}

fn fences(container: &Container) -> HostConfig {
    let ulimit = |(name, bound): &(&str, u64)| ResourcesUlimits {
        name: Some((*name).to_owned()),
        soft: Some(signed(*bound)),
        hard: Some(signed(*bound)),
    };
    HostConfig {
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned(), format!("seccomp={}", container.calls)]),
        masked_paths: Some(container.covered.clone()),
        readonly_paths: Some(container.fixed.clone()),
        mounts: Some(container.shown.iter().map(mount).collect()),
        tmpfs: Some(container.scratch.iter().cloned().collect()),
        memory: Some(signed(container.memory)),
        // With swap it is as much again; this is: none.
        memory_swap: Some(signed(container.memory)),
        pids_limit: Some(i64::from(container.processes)),
        nano_cpus: container.processors,
        ulimits: Some(container.bounds.iter().map(ulimit).collect()),
        // What it prints is read by us and kept by nobody else.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        auto_remove: Some(false),
        init: Some(false),
        ..HostConfig::default()
    }
}

fn mount(shown: &Shown) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(shown.source.to_string_lossy().into_owned()),
        target: Some(shown.target.clone()),
        read_only: Some(!shown.writable),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            // What else is mounted in it would not be read-only.
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}
