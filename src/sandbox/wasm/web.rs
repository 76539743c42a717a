//! The way out of a component: what it asks of `wasi:http` goes over the unix socket of the call's proxy, as what a program
//! in a jail writes there does.
//!
//! Each request has a connection of its own, with the whole address in its first line, so that the proxy knows by the scheme
//! whether it makes TLS. Nothing is judged here that the proxy judges: it names, resolves, connects, puts secrets in,
//! counts and records, and a component reads its refusals as every other tool does. Here is what it has no part in: that
//! a component without rules sends nothing, how many requests are open at a time, what of them is held in memory, and
//! that none outlives its component. A component never has a socket.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{FusedFuture as _, FutureExt as _};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, HostOutgoingRequest as _};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, WasiHttpView};

use super::guest::State;
use super::meter::{Meter, Metered};
use crate::types::Clock;

/// Bytes of an answer that are read ahead of a component, and of its head at the most: twice what a proxy lets through
/// if nobody says otherwise.
const AHEAD: usize = 64 << 10;

/// Headers of an answer at the most. How many come is for the proxy to say, which adds two; this is beyond all it is told.
const HEADERS: usize = 1_024;

/// Bytes that a component may write to a body at a time; two such pieces wait for the proxy at the most.
const PIECE: usize = 16 << 10;

/// Bytes of a set of headers, with what the map around them takes. A proxy takes a head of 32 KiB.
pub(super) const FIELDS_MAX: usize = 40 << 10;

/// Bytes of a method at the most. The longest that a proxy lets through has seven.
const METHOD_MAX: usize = 32;

/// Bytes of a path with its query at the most: twice what common servers take.
const PATH_MAX: usize = 16 << 10;

/// Bytes of a host with its port at the most: a name has 253, a port five.
const AUTHORITY_MAX: usize = 300;

/// The interface whose functions are bounded here, as the library names it.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Bounds what a request that is not sent yet holds: the library takes a method of any length, and a thousand of them would
/// be the memory of the host.
pub(super) fn bound(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Asked = Resource<types::OutgoingRequest>;
    linker.allow_shadowing(true);
    let mut functions = linker.instance(TYPES)?;
    let long = |text: &Option<String>, most: usize| text.as_ref().is_some_and(|text| text.len() > most);
    functions.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, State>, (request, method): (Asked, types::Method)| match method {
            types::Method::Other(word) if word.len() > METHOD_MAX => Ok((Err(()),)),
            method => Ok((store.data_mut().http().set_method(request, method)?,)),
        },
    )?;
    functions.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        move |mut store: StoreContextMut<'_, State>, (request, path): (Asked, Option<String>)| {
            if long(&path, PATH_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_path_with_query(request, path)?,))
        },
    )?;
    functions.func_wrap(
        "[method]outgoing-request.set-authority",
        move |mut store: StoreContextMut<'_, State>, (request, authority): (Asked, Option<String>)| {
            if long(&authority, AUTHORITY_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_authority(request, authority)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The places for requests of one invocation. Who has all of them knows that none is open.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    most: u32,
}

impl Places {
    pub(super) fn new(most: u32) -> Places {
        Places { free: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Returns when no request is open any more.
    pub(super) async fn all_free(&self) {
        drop(self.free.acquire_many(self.most).await);
    }
}

/// What sends the requests of an invocation.
pub(super) struct Web {
    /// The proxy's. Nothing if the tool's description has no rules: then nothing is sent.
    pub(super) socket: Option<PathBuf>,
    pub(super) places: Places,
    pub(super) charge: Charge,
}

/// Whose time on a thread it is: that of a request is the component's.
#[derive(Clone)]
pub(super) struct Charge {
    pub(super) meter: Arc<Meter>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) most: Duration,
}

impl Charge {
    pub(super) fn metered<T>(&self, work: impl Future<Output = T> + Send + 'static) -> Metered<T> {
        let (meter, clock) = (Arc::clone(&self.meter), Arc::clone(&self.clock));
        Metered { work: Box::pin(work), meter, clock, most: self.most }
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answered = Result<(Response<WasiBody>, Io), Error>;

impl Web {
    fn send(&self, mut request: Request<WasiBody>, options: RequestOptions) -> Result<Metered<Answered>, Error> {
        let socket = self.socket.clone().ok_or(Error::HttpRequestDenied)?;
        // It would ask for a tunnel, which nobody could use here.
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        // Who a user before a host is for, no two readers agree on.
        let authority = request.uri().authority().map(|authority| authority.as_str());
        let named = authority.filter(|named| !named.is_empty() && !named.contains('@'));
        let host = named.and_then(|named| HeaderValue::from_str(named).ok()).ok_or(Error::HttpRequestUriInvalid)?;
        // A component cannot set this header; if it could, it would be this one all the same.
        request.headers_mut().insert(HOST, host);
        let place = Arc::clone(&self.places.free).try_acquire_owned().map_err(|_| Error::ConnectionLimitReached)?;
        Ok(self.charge.metered(exchange(socket, request, options, place, self.charge.clone())))
    }
}

impl WasiHttpHooks for Web {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        match self.send(request, options.unwrap_or_default()) {
            Err(error) => Box::new(std::future::ready(Err(error))),
            // The component itself is ended for its time at its next step.
            Ok(sending) => Box::new(async { sending.await.unwrap_or(Err(Error::ConnectionTerminated)) }),
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> ErrorCode {
        if error.is_incomplete_message() {
            ErrorCode::HttpResponseIncomplete
        } else if error.is_parse_too_large() {
            ErrorCode::HttpResponseHeaderSectionSize(None)
        } else if error.is_canceled() || error.is_closed() {
            ErrorCode::ConnectionTerminated
        } else {
            ErrorCode::HttpProtocolError
        }
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        // The proxy is gone, which means that the call is over.
        ErrorCode::ConnectionTerminated
    }
}

/// Within a time that the component asked for, if it asked for one; the call's own time ends everything anyway.
async fn within<T>(most: Option<Duration>, late: Error, work: impl Future<Output = T>) -> Result<T, Error> {
    match most {
        None => Ok(work.await),
        Some(most) => timeout(most, work).await.map_err(|_| late),
    }
}

async fn connected(socket: PathBuf) -> Result<(SendRequest<WasiBody>, Connection), Error> {
    let stream = UnixStream::connect(socket).await.map_err(Error::Connect)?;
    let handshake = http1::Builder::new().max_buf_size(AHEAD).max_headers(HEADERS).handshake(TokioIo::new(stream));
    Ok(handshake.await?)
}

type Connection = http1::Connection<TokioIo<UnixStream>, WasiBody>;

/// Sends a request and waits for the head of its answer. What remains to be done for its body is returned with it.
async fn exchange(
    socket: PathBuf,
    request: Request<WasiBody>,
    options: RequestOptions,
    place: OwnedSemaphorePermit,
    charge: Charge,
) -> Answered {
    let connected = within(options.connect_timeout, Error::ConnectionTimeout, connected(socket)).await?;
    let (mut sender, connection) = connected?;
    let mut connection = connection.fuse();
    let answer = async {
        let mut answer = std::pin::pin!(sender.send_request(request));
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // A connection that fails may have brought the answer before: a proxy that takes no more of a body says why.
            _ = &mut connection => answer.await,
        }
    };
    let answer = within(options.first_byte_timeout, Error::ConnectionReadTimeout, answer).await??;
    // In this order they are dropped: who has the place again finds nothing of the connection.
    let mut open = (connection, place);
    let rest = charge.metered(async move {
        if !open.0.is_terminated() {
            // Whatever goes wrong now is seen by whoever reads the body.
            let _ = (&mut open.0).await;
        }
        drop(open);
    });
    let io: Io = Box::new(async { rest.await.map_err(|_| Error::ConnectionTerminated) });
    let patience = options.between_bytes_timeout;
    let answer = answer.map(|incoming| WasiBody::new(Answer { incoming, patience, waiting: None }));
    Ok((answer, io))
}

/// The body of an answer, which is read when the component asks for it.
struct Answer {
    incoming: Incoming,
    patience: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        let Some(patience) = self.patience else { return Poll::Pending };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
