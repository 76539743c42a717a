//! A connection between the network and the HTTP library: heads are judged, timed, and refused in words.
//!
//! The library would read more than is safe (a bare line feed, a length said twice) and answer what it refuses without
//! a body. Behind this it sees only what [`Framing`] lets through, and of a refused connection only its end.
//!
//! While one request is worked on, the next one waits here: the library does not look whether a client has left as long
//! as it holds anything that client has sent, and what works for somebody who has left must stop.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::framing::{Framing, Limits, Refusal};

/// How many requests of a connection have had their answer, and what was wrong with the body of the last one.
#[derive(Debug, Default)]
pub(super) struct Answered {
    count: AtomicU64,
    reader: AtomicWaker,
    /// Set once: nothing more is read of the connection after that.
    bad_body: OnceLock<Refusal>,
}

impl Answered {
    /// Why the body that is being read has no reading. Whoever reads it sees only that it broke off.
    pub(super) fn bad_body(&self) -> Option<Refusal> {
        self.bad_body.get().copied()
    }
}

/// An answer on its way. Dropping it says that the library has all of it.
pub(super) struct Answering(Arc<Answered>);

impl Answering {
    pub(super) fn new(answered: &Arc<Answered>) -> Answering {
        Answering(Arc::clone(answered))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        self.0.reader.wake();
    }
}

/// Bytes of further requests that wait while one is worked on; who sends more without waiting for an answer is cut off.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// A stream of bytes behind [`Framing`].
pub(super) struct Guarded<S> {
    inner: S,
    framing: Framing,
    /// What came and was not framed yet.
    waiting: Vec<u8>,
    answered: Arc<Answered>,
    /// What was let through and not read yet.
    ready: Vec<u8>,
    /// How far it was read.
    at: usize,
    /// Seconds a head may take, and the alarm for the one that has begun.
    head_timeout_s: u64,
    alarm: Option<Pin<Box<Sleep>>>,
    /// Seconds a client may take nothing of what is written, and the alarm since it took nothing.
    write_timeout_s: u64,
    stalled: Option<Pin<Box<Sleep>>>,
    /// What the client is told before the end, and how much of it was sent.
    refusal: Option<(Vec<u8>, usize)>,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S, limits: Limits, (head_timeout_s, write_timeout_s): (u64, u64)) -> Guarded<S> {
        let (framing, answered) = (Framing::new(limits), Arc::default());
        let (waiting, ready, at, alarm, stalled, refusal) = (Vec::new(), Vec::new(), 0, None, None, None);
        Guarded {
            inner,
            framing,
            waiting,
            answered,
            ready,
            at,
            head_timeout_s,
            alarm,
            write_timeout_s,
            stalled,
            refusal,
        }
    }

    /// Where it is counted which requests have had their answer.
    pub(super) fn answered(&self) -> Arc<Answered> {
        Arc::clone(&self.answered)
    }

    /// Whether the next request has to wait for the answer to the last one; wakes the task when it need not any more.
    fn busy(&self, context: &mut Context<'_>) -> bool {
        self.answered.reader.register(context.waker());
        self.framing.between() && self.framing.heads() > self.answered.count.load(Ordering::Acquire)
    }

    /// Frames what waits, up to the end of a request.
    fn frame(&mut self) {
        match self.framing.take(&self.waiting, &mut self.ready) {
            Ok(used) => drop(self.waiting.drain(..used)),
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// What a write came to: an error if the client has taken nothing for too long.
    fn written<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let within = Duration::from_secs(self.write_timeout_s);
        let alarm = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        ready!(alarm.as_mut().poll(context));
        let reason = format!("the client took nothing for {} s (api.write_timeout_s)", self.write_timeout_s);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)))
    }

    /// The stream itself, for what is read to nobody.
    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    fn refuse(&mut self, refusal: Refusal) {
        let problem = refusal.problem();
        tracing::debug!(detail = problem.detail, "a connection is refused");
        let words = if matches!(refusal, Refusal::BadChunk(_)) {
            // The request has a handler already, and it has one answer: the handler gives it, with this reason.
            let _ = self.answered.bad_body.set(refusal);
            Vec::new()
        } else {
            problem.bytes()
        };
        self.refusal = Some((words, 0));
        self.alarm = None;
    }

    /// Gives out what is ready.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = buffer.remaining().min(self.ready.len() - self.at);
        buffer.put_slice(&self.ready[self.at..self.at + count]);
        self.at += count;
        if self.at == self.ready.len() {
            self.ready.clear();
            self.at = 0;
        }
    }

    /// Whether the head that has begun is late; wakes the task when it is.
    fn late(&mut self, context: &mut Context<'_>) -> bool {
        if !self.framing.in_head() {
            self.alarm = None;
            return false;
        }
        let within = Duration::from_secs(self.head_timeout_s);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        alarm.as_mut().poll(context).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.at < this.ready.len() {
                this.hand_out(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.refusal.is_some() || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if !this.waiting.is_empty() && !this.busy(context) {
                this.frame();
                continue;
            }
            if this.waiting.len() > WAITING_BYTES_MAX {
                return Poll::Ready(Err(io::Error::other("the client sends on and waits for no answer")));
            }
            let before = buffer.filled().len();
            match Pin::new(&mut this.inner).poll_read(context, buffer) {
                Poll::Ready(Ok(())) if buffer.filled().len() == before => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {
                    this.waiting.extend_from_slice(&buffer.filled()[before..]);
                    buffer.set_filled(before);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if this.late(context) => this.refuse(Refusal::HeadTimeout(this.head_timeout_s)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.written(context, wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.written(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(context);
        this.written(context, flushed)
    }

    /// Says why, if there is a why, and closes.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while let Some((bytes, sent)) = &mut this.refusal
            && *sent < bytes.len()
        {
            let wrote = Pin::new(&mut this.inner).poll_write(context, &bytes[*sent..]);
            let count = ready!(wrote)?;
            if count == 0 {
                break;
            }
            *sent += count;
        }
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}
