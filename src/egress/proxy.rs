//! Proxies, and the one of an invocation: a socket, the tasks behind it, and the end of both.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Error;
use super::error::{Reason, Refusal};
use super::exchange;
use super::ledger::{Ended, Ledger, Report};
use super::network::Network;
use super::policy::{Limits, Policy};
use crate::types::{Clock, Cx};

/// Bytes of a path of a unix socket at the most, as Linux has it, its end included.
const SOCKET_PATH_MAX: usize = 107;

/// How long nobody is let in after the system had no descriptor for a connection: others may give some back.
const BREATH: Duration = Duration::from_millis(50);

/// Makes the way out of each invocation.
pub struct Proxy {
    folder: PathBuf,
    network: Arc<dyn Network>,
    clock: Arc<dyn Clock>,
}

impl Proxy {
    /// Sockets will be in folders below this one, which only the host enters.
    pub fn new(folder: &Path, network: Arc<dyn Network>, clock: Arc<dyn Clock>) -> Proxy {
        Proxy { folder: folder.to_owned(), network, clock }
    }

    /// Opens the way out of one invocation, until the context ends or it is closed.
    ///
    /// # Errors
    /// [`Error::Socket`] if there can be no socket, and [`Error::Over`] if the context has ended.
    pub fn open(&self, cx: &Cx, policy: Policy) -> Result<Passage, Error> {
        let failed = |error: std::io::Error| Error::Socket(error.to_string());
        if cx.is_cancelled() || cx.deadline() <= self.clock.now() {
            return Err(Error::Over);
        }
        // Such a folder is its owner's alone; what is shown to a sandbox is the socket.
        let folder = tempfile::Builder::new().prefix("egress-").tempdir_in(&self.folder).map_err(failed)?;
        let socket = folder.path().join("proxy.sock");
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            let shown = socket.display();
            return Err(Error::Socket(format!("{shown} has more than {SOCKET_PATH_MAX} bytes; name a shorter folder")));
        }
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        // The tool may run as any user of its sandbox.
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
        let limits = policy.limits.clone();
        let ledger = Arc::new(Ledger::new(limits.clone(), Arc::clone(&self.clock)));
        let shared = Arc::new(Shared { policy, network: Arc::clone(&self.network), ledger: Arc::clone(&ledger) });
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(run(listener, folder, shared, cx.clone(), stop.clone()));
        Ok(Passage { socket, limits, ledger, stop, task })
    }
}

/// What every connection of an invocation needs.
pub(super) struct Shared {
    pub(super) policy: Policy,
    pub(super) network: Arc<dyn Network>,
    pub(super) ledger: Arc<Ledger>,
}

/// The way out of one invocation. Dropping it ends it (EG5).
pub struct Passage {
    socket: PathBuf,
    limits: Limits,
    ledger: Arc<Ledger>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl std::fmt::Debug for Passage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passage").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Passage {
    /// Where it is, for the sandbox to be shown.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits.clone()
    }

    /// What has ended until now.
    pub fn report(&self) -> Report {
        self.ledger.report()
    }

    /// Ends it: nobody is let in any more, what is under way is cut off and recorded, and the socket is gone.
    pub async fn close(mut self) -> Report {
        self.stop.cancel();
        while self.task.join_next().await.is_some() {}
        self.ledger.report()
    }
}

/// Lets connections in until the invocation ends, and then cuts them off.
async fn run(listener: UnixListener, folder: tempfile::TempDir, shared: Arc<Shared>, cx: Cx, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let why = tokio::select! {
        biased;
        () = stop.cancelled() => Ended::Closed,
        () = cx.cancelled() => Ended::Cancelled,
        () = sleep_until(cx.deadline()) => Ended::Deadline,
        () = accept(&listener, &mut connections, &shared) => Ended::Closed,
    };
    drop(listener);
    drop(folder);
    connections.shutdown().await;
    shared.ledger.end(why);
}

async fn accept(listener: &UnixListener, connections: &mut JoinSet<()>, shared: &Arc<Shared>) {
    let places = Arc::new(Semaphore::new(shared.policy.limits.connections_max));
    loop {
        // Those that have ended are only collected.
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "no connection of a tool could be taken");
                sleep(BREATH).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            full(stream, shared).await;
            continue;
        };
        let shared = Arc::clone(shared);
        connections.spawn(async move {
            exchange::serve(&shared, stream).await;
            drop(place);
        });
    }
}

/// Says that there is no place, if that can be said at once: nobody waits for who opens too many connections.
async fn full(mut stream: UnixStream, shared: &Shared) {
    let most = shared.policy.limits.connections_max;
    let refusal = Refusal::new(Reason::TooManyConnections, format!("{most} connections are open already"));
    let entry = shared.ledger.begin();
    let answer = exchange::refused(&refusal);
    entry.refuse(refusal);
    let _ = timeout(BREATH, stream.write_all(&answer)).await;
    let _ = timeout(BREATH, stream.shutdown()).await;
}
