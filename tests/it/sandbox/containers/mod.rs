//! Containers of a real engine, which these tests start for themselves and which ends with them.

mod given;
mod images;
mod kills;
mod whole;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use syzygy::sandbox::Containers;
use syzygy::sandbox::docker::{Config, Docker};
use tempfile::TempDir;

use super::{clock, defaults, loudly};

/// Time for an engine to answer: some seconds on a machine that does much else.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// An engine that lives as long as this process.
struct Engine {
    socket: PathBuf,
    programs: PathBuf,
    /// Its pipe is what ends it.
    _keeper: Child,
}

/// One for all tests of this process, if there can be one.
static ENGINE: LazyLock<Option<Engine>> = LazyLock::new(|| {
    if !rustix::process::geteuid().is_root() {
        loudly("SKIPPED: containers are not tested here: an engine needs root");
        return None;
    }
    let parts = crate::support::part("engine", "engine/.complete")?.parent()?.to_owned();
    // In the parts, where there is room; made new, for another run of the tests may have one too.
    let folder = parts.join(format!("run-{}", std::process::id()));
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/test-engine.sh");
    let keeper = Command::new(script)
        .args([parts.join("root"), folder.clone()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = folder.join("engine.sock");
    let began = clock().now();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(clock().now() - began < UP_WITHIN, "the engine does not answer; see {}", folder.join("log").display());
        std::thread::yield_now();
    }
    Some(Engine { socket, programs: parts.join("root"), _keeper: keeper })
});

/// Asks the engine by its own command, as an operator would, and returns what it says.
fn engine(arguments: &[&str]) -> String {
    let own = ENGINE.as_ref().unwrap();
    let output = Command::new(own.programs.join("usr/bin/docker"))
        .args(arguments)
        .env_clear()
        .env("DOCKER_HOST", format!("unix://{}", own.socket.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text.trim().to_owned()
}

/// A tier with a directory of its own.
pub(crate) struct Tier {
    pub(crate) docker: Docker,
    pub(crate) folder: TempDir,
}

pub(crate) fn containers() -> Option<Containers> {
    Some(Containers { socket: ENGINE.as_ref()?.socket.clone(), ..defaults().docker })
}

fn config(folder: &TempDir, life: &str, containers: Containers) -> Config {
    Config {
        folder: folder.path().to_owned(),
        life: life.to_owned(),
        private: vec![folder.path().to_owned()],
        system: defaults().jail.system,
        containers,
    }
}

/// A tier whose containers are named after a test, if this machine can have an engine.
pub(crate) async fn tier(life: &str) -> Option<Tier> {
    let containers = containers()?;
    let folder = tempfile::tempdir().unwrap();
    let docker =
        Docker::open(config(&folder, life, containers), clock()).await.unwrap_or_else(|error| panic!("{error}"));
    Some(Tier { docker, folder })
}

/// The containers there are whose names begin so.
fn there(life: &str) -> Vec<String> {
    let all = engine(&["ps", "--all", "--format", "{{.Names}}"]);
    all.lines().filter(|name| name.starts_with(&format!("syzygy-{life}-"))).map(str::to_owned).collect()
}
