//! The actor that listens: it binds in its start hook, serves in a job, and drains in its stop hook.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::{Error, HOST_FILE, Running, meter, routes};
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

/// Time to tell whoever still waits that nobody will answer: half of what a stop has beyond the time to finish.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The largest head of a request: what hyper takes by default, four times what browsers send.
const HEAD_BYTES_MAX: usize = 64 * 1024;

impl Shell {
    pub(super) fn new(app: Arc<App>) -> Shell {
        Shell { app, stopping: CancellationToken::new(), cutting: CancellationToken::new(), drained: None }
    }

    async fn bind(&self) -> Result<(TcpListener, SocketAddr), Error> {
        let config = self.app.config();
        if !config.allow_remote && !config.listen.ip().is_loopback() {
            return Err(Error::Remote(config.listen));
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
        let running = Running { url: format!("http://{address}"), pid: std::process::id() };
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
        let (listener, address) = self.bind().await?;
        self.app.bound.send_replace(Some(address));
        self.app.stopping.store(Arc::new(self.stopping.clone()));
        self.app.cutting.store(Arc::new(self.cutting.clone()));
        self.announce(address)?;
        let (done, drained) = oneshot::channel();
        self.drained = Some(drained);
        let router = routes::router(&self.app);
        let serving = serve(listener, router, Arc::clone(&self.app), self.stopping.clone(), done);
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

    /// API5.
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

/// Accepts connections until told to stop, and ends with the last of them. Dropping it drops them all.
async fn serve(
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    stopping: CancellationToken,
    done: oneshot::Sender<()>,
) {
    let places = Arc::new(Semaphore::new(app.config().connections_max.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        // A connection beyond the limit waits in the system's backlog until another one ends.
        let accepted = tokio::select! {
            biased;
            () = stopping.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, place)) => {
                let (router, app, stopping) = (router.clone(), Arc::clone(&app), stopping.clone());
                connections.spawn(async move {
                    connection(stream, router, &app, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
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
) -> std::io::Result<(TcpStream, Option<tokio::sync::OwnedSemaphorePermit>)> {
    // The semaphore is never closed, so there is always a permit in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(mut stream: TcpStream, router: Router, app: &App, stopping: CancellationToken) {
    // Nagle's algorithm would hold a short answer back for the peer's delayed acknowledgement, 40 ms.
    let _ = stream.set_nodelay(true);
    serve_one(&mut stream, router, app, &stopping).await;
    tokio::select! {
        biased;
        () = stopping.cancelled() => {}
        () = linger(&mut stream, app.config().read_timeout()) => {}
    }
}

async fn serve_one(stream: &mut TcpStream, router: Router, app: &App, stopping: &CancellationToken) {
    let config = app.config();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.read_timeout())
        .max_headers(config.headers_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients leave all the time; that is no news.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// What is read of a refused request after its answer, in bytes: as much as the command line sends at the most.
const LINGER_BYTES_MAX: usize = 64 << 20;

/// Silence that ends the reading: whoever still sends pauses no longer than this on this machine or a near one.
const LINGER_SILENCE: Duration = Duration::from_secs(2);

/// Bytes thrown away at a time.
const WASTE_BYTES: usize = 64 << 10;

/// Reads what a client still sends after its answer, and throws it away. A connection that is closed over unread bytes
/// is reset, and a reset takes the answer with it that says what was wrong with the request.
async fn linger(stream: &mut TcpStream, within: Duration) {
    let _ = stream.shutdown().await;
    let reading = async {
        let (mut waste, mut seen) = (vec![0; WASTE_BYTES], 0);
        while seen < LINGER_BYTES_MAX {
            match tokio::time::timeout(LINGER_SILENCE, stream.read(&mut waste)).await {
                Ok(Ok(count)) if count > 0 => seen += count,
                _ => break,
            }
        }
    };
    let _ = tokio::time::timeout(within, reading).await;
}
