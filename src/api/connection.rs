//! One connection, from its first byte to its last: TLS, the guard, the HTTP library, and a patient end.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::framing::Limits;
use super::guarded::{Answered, Answering, Guarded};

/// What serves the connections of one life.
pub(super) struct Server {
    pub(super) router: Router,
    pub(super) app: Arc<App>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) stopping: CancellationToken,
}

/// The address a request came from; left in it by its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// What the HTTP library may hold of a connection beyond a head: the library's own least buffer.
const BUFFER_BYTES: usize = 8 << 10;

impl Server {
    /// Serves a connection to its end.
    pub(super) async fn connection(&self, stream: TcpStream, peer: IpAddr) {
        // Nagle's algorithm would hold a short answer back for the peer's delayed acknowledgement, 40 ms.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.serve(stream, peer).await };
        let within = self.app.config().head_timeout();
        let shaken = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return,
            shaken = tokio::time::timeout(within, tls.accept(stream)) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long (api.head_timeout_s)"),
        }
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: IpAddr) {
        let config = self.app.config();
        let limits = Limits { head_bytes_max: config.head_bytes_max, headers_max: config.headers_max };
        let mut guarded = Guarded::new(stream, limits, (config.head_timeout_s, config.write_timeout_s));
        let answered = guarded.answered();
        self.requests(&mut guarded, answered, peer).await;
        let mut stream = guarded.into_inner();
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => {}
            () = linger(&mut stream, config.read_timeout().min(LINGER_MOST)) => {}
        }
    }

    /// Answers requests, one after the other, until either side has enough.
    async fn requests(&self, stream: impl AsyncRead + AsyncWrite + Unpin, answered: Arc<Answered>, peer: IpAddr) {
        let config = self.app.config();
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(Arc::clone(&answered));
            let answering = Answering::new(&answered);
            let answer = router.call(request);
            async move { answer.await.map(|response| response.map(|body| Counted { body, _answering: answering })) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // It counts from the end of the last request; the guard counts from the first byte of the next.
            .header_read_timeout(config.idle_timeout() + config.head_timeout())
            .max_headers(config.headers_max)
            .max_buf_size(config.head_bytes_max + BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // Clients leave all the time; that is no news.
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// The body of an answer, with which the answer ends.
struct Counted {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Counted {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is read of a refused request after its answer, in bytes: as much as the command line sends at the most.
const LINGER_BYTES_MAX: usize = 64 << 20;

/// Silence that ends the reading: whoever still sends pauses no longer than this on this machine or a near one.
const LINGER_SILENCE: Duration = Duration::from_secs(2);

/// How long is read on for in all: who drips keeps the place of a connection no longer than who is silent.
const LINGER_MOST: Duration = Duration::from_secs(2);

/// Bytes thrown away at a time.
const WASTE_BYTES: usize = 64 << 10;

/// Reads what a client still sends after its answer, and throws it away. A connection that is closed over unread bytes
/// is reset, and a reset takes the answer with it that says what was wrong with the request.
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), within: Duration) {
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
