//! The actor that listens: it binds in its start hook, serves in a job, and drains in its stop hook.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::connection::Server;
use super::{Error, HOST_FILE, Running, meter, routes, tls};
use crate::supervision::{Actor, Context, Envelope, Fault, JobError};
use crate::types::Cx;

/// What the listener tells itself.
pub(super) enum Message {
    /// The job that accepts connections has ended, which only a stop may make it do.
    ServingEnded(Result<(), JobError>),
    /// The job that counts what the journal tells has ended.
    CountingEnded,
    /// The runs whose clients an earlier life had to leave have ended.
    NobodyLeft,
}

/// The actor of one life.
pub(super) struct Shell {
    app: Arc<App>,
    stopping: CancellationToken,
    /// Cancelled when the time to finish is over and whoever still waits is told so.
    cutting: CancellationToken,
    /// Answered when the last connection is closed.
    drained: Option<oneshot::Receiver<()>>,
}

/// What the interface shows of itself.
#[derive(Clone, Debug, Serialize)]
struct View {
    /// Where it answers.
    address: SocketAddr,
    /// Requests it may serve at the same time.
    requests_max: usize,
}

/// The jobs of a listener have no deadline of their own: it is their life that ends them. Thirty years is what tokio's
/// timers take for ever.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// How long accepting rests after the system refused a connection, so that a host out of file descriptors does not
/// spin.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Time between two words in the log on connections that were refused so: it is one trouble, and twenty lines a second of
/// it would hide what else is told.
const ACCEPT_TOLD: Duration = Duration::from_secs(1);

/// Time to tell whoever still waits that nobody will answer: half of what a stop has beyond the time to finish.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Shell {
    pub(super) fn new(app: Arc<App>) -> Shell {
        Shell { app, stopping: CancellationToken::new(), cutting: CancellationToken::new(), drained: None }
    }

    async fn bind(&self) -> Result<(TcpListener, SocketAddr), Error> {
        let config = self.app.config();
        if config.is_exposed() {
            return Err(Error::Exposed(config.listen));
        }
        let wanted = self.app.bound.borrow().unwrap_or(config.listen);
        let refused = |cause| Error::Bind { address: wanted, cause };
        let listener = TcpListener::bind(wanted).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok((listener, address))
    }

    fn host_file(&self) -> PathBuf {
        self.app.parts.data_dir.join(HOST_FILE)
    }

    /// Tells the command line where the host is. Written beside and moved in place, so that nobody reads half of it.
    fn announce(&self, address: SocketAddr) -> Result<(), Error> {
        let tls = &self.app.config().tls;
        let scheme = if tls.is_on() { "https" } else { "http" };
        let ca = tls.is_on().then(|| std::path::absolute(&tls.certificate).unwrap_or(tls.certificate.clone()));
        let running = Running { url: format!("{scheme}://{address}"), pid: std::process::id(), ca };
        let (path, next) = (self.host_file(), self.app.parts.data_dir.join(".host.json.new"));
        let text = serde_json::json!(running).to_string();
        std::fs::write(&next, text).map_err(Error::file(&next))?;
        std::fs::rename(&next, &path).map_err(Error::file(&path))
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        self.app.load_tokens()?;
        let tls = tls::acceptor(&self.app.config().tls)?;
        let (listener, address) = self.bind().await?;
        self.app.bound.send_replace(Some(address));
        self.app.stopping.store(Arc::new(self.stopping.clone()));
        self.app.cutting.store(Arc::new(self.cutting.clone()));
        self.announce(address)?;
        let (done, drained) = oneshot::channel();
        self.drained = Some(drained);
        let router = routes::router(&self.app);
        let server = Server { router, app: Arc::clone(&self.app), tls, stopping: self.stopping.clone() };
        let serving = serve(listener, Arc::new(server), done);
        let cx = Cx::housekeeping(context.now(), FOR_EVER);
        context.job(&cx, serving, Message::ServingEnded);
        context.job(&cx, meter::follow(Arc::clone(&self.app)), |_| Message::CountingEnded);
        let left = std::mem::take(&mut *self.app.left.lock());
        if !left.is_empty() {
            context.job(&cx, futures::future::join_all(left), |_| Message::NobodyLeft);
        }
        context.publish(&View { address, requests_max: self.app.config().requests_max });
        tracing::info!(%address, "the HTTP interface answers");
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, _context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::ServingEnded(Ok(())) => Err("accepting connections ended by itself".into()),
            Message::ServingEnded(Err(error)) => Err(Box::new(error)),
            Message::CountingEnded => Err("counting ended by itself".into()),
            Message::NobodyLeft => Ok(()),
        }
    }

    /// API6.
    async fn stop(&mut self, _context: &mut Context<Message>) {
        self.stopping.cancel();
        let grace = Duration::from_secs(self.app.config().drain_s);
        if let Some(mut drained) = self.drained.take()
            && tokio::time::timeout(grace, &mut drained).await.is_err()
        {
            tracing::warn!("requests in flight were cut off: they took longer than api.drain_s");
            self.cutting.cancel();
            let _ = tokio::time::timeout(LAST_WORDS, drained).await;
        }
        if let Err(error) = std::fs::remove_file(self.host_file()) {
            tracing::warn!(%error, "host.json could not be removed");
        }
    }
}

/// When something that goes on was last told.
#[derive(Debug, Default)]
pub(super) struct Told {
    at: Option<Instant>,
    /// How often it happened since.
    since: u64,
}

impl Told {
    /// Notes that it happened. Returns how often since it was last told, if it is time to tell it again.
    pub(super) fn again(&mut self, now: Instant) -> Option<u64> {
        self.since += 1;
        if self.at.is_some_and(|at| now < at + ACCEPT_TOLD) {
            return None;
        }
        self.at = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

/// Accepts connections until told to stop, and ends with the last of them. Dropping it drops them all.
async fn serve(listener: TcpListener, server: Arc<Server>, done: oneshot::Sender<()>) {
    let places = Arc::new(Semaphore::new(server.app.config().connections_max.min(Semaphore::MAX_PERMITS)));
    let (mut connections, mut told, mut crowded) = (JoinSet::new(), Told::default(), Told::default());
    loop {
        // A connection beyond the limit waits in the system's backlog until another one ends.
        let accepted = tokio::select! {
            biased;
            () = server.stopping.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer, place)) => {
                let now = server.app.parts.world.clock.now();
                let Some(own) = server.app.peers.connect(peer.ip(), now) else {
                    server.app.meter.closed();
                    if let Some(times) = crowded.again(now) {
                        let most = server.app.config().connections_per_peer_max;
                        tracing::warn!(
                            %peer,
                            times,
                            "connections are closed: their peer has {most} (api.connections_per_peer_max)"
                        );
                    }
                    continue;
                };
                let server = Arc::clone(&server);
                connections.spawn(async move {
                    server.connection(stream, peer.ip()).await;
                    drop((place, own));
                });
            }
            Err(error) => {
                if let Some(times) = told.again(server.app.parts.world.clock.now()) {
                    tracing::warn!(%error, times, "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    let _ = done.send(());
    // The actor is stopping; ending now would look like a failure of its own.
    std::future::pending::<()>().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, Option<tokio::sync::OwnedSemaphorePermit>)> {
    // The semaphore is never closed, so there is always a permit in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}
