//! What a component has printed and nobody has read yet: bounded, and counted as it is written.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio::sync::Notify;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use crate::sandbox::spec::Resource;

/// Bytes that wait to be read before whoever writes has to wait.
const AHEAD: usize = 256 << 10;

/// Bytes that are written at a time.
const PIECE: usize = 64 << 10;

/// Where something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Where the host reads answers.
    Out,
    /// On the side.
    Aside,
}

/// What was printed since somebody looked, and what was printed in all.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) out: Vec<u8>,
    pub(super) aside: Vec<u8>,
    pub(super) printed: u64,
    pub(super) muttered: u64,
    /// Nothing more comes.
    pub(super) over: bool,
}

#[derive(Debug)]
struct Bounds {
    out: u64,
    aside: u64,
}

/// Between a component that prints and a host that reads.
#[derive(Debug)]
pub(super) struct Spool {
    heard: Mutex<Heard>,
    passed: Mutex<Option<Resource>>,
    bounds: Bounds,
    more: Notify,
    room: Notify,
}

impl Spool {
    pub(super) fn new(out: u64, aside: u64) -> Arc<Spool> {
        let bounds = Bounds { out, aside };
        let (more, room) = Default::default();
        Arc::new(Spool { heard: Mutex::default(), passed: Mutex::default(), bounds, more, room })
    }

    /// Adds something, unless that is more than may be printed.
    pub(super) fn write(&self, side: Side, bytes: &[u8]) -> Result<(), Resource> {
        let mut heard = self.heard.lock();
        let heard = &mut *heard;
        let (kept, count, most, resource) = match side {
            Side::Out => (&mut heard.out, &mut heard.printed, self.bounds.out, Resource::Stdout),
            Side::Aside => (&mut heard.aside, &mut heard.muttered, self.bounds.aside, Resource::Stderr),
        };
        let room = usize::try_from(most - (*count).min(most)).unwrap_or(usize::MAX);
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        *count += bytes.len() as u64;
        self.more.notify_one();
        if *count > most {
            self.passed.lock().get_or_insert(resource);
            return Err(resource);
        }
        Ok(())
    }

    /// The bound that was passed, if one was.
    pub(super) fn passed(&self) -> Option<Resource> {
        *self.passed.lock()
    }

    /// Says that nothing more comes.
    pub(super) fn close(&self) {
        self.heard.lock().over = true;
        self.more.notify_one();
    }

    /// What was printed since the last time, at once.
    pub(super) fn take(&self) -> Heard {
        let mut heard = self.heard.lock();
        let (printed, muttered, over) = (heard.printed, heard.muttered, heard.over);
        let (out, aside) = (std::mem::take(&mut heard.out), std::mem::take(&mut heard.aside));
        drop(heard);
        self.room.notify_waiters();
        Heard { out, aside, printed, muttered, over }
    }

    /// Returns when there may be something new. Only one waits for that.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    fn is_full(&self, side: Side) -> bool {
        let heard = self.heard.lock();
        let kept = if side == Side::Out { &heard.out } else { &heard.aside };
        kept.len() >= AHEAD
    }

    /// Returns when there is room.
    pub(super) async fn room(&self, side: Side) {
        loop {
            let waiting = self.room.notified();
            tokio::pin!(waiting);
            // From here on no notice is missed.
            waiting.as_mut().enable();
            if !self.is_full(side) {
                return;
            }
            waiting.await;
        }
    }
}

/// One of the two that a component prints to.
#[derive(Debug, Clone)]
pub(super) struct Pen {
    pub(super) spool: Arc<Spool>,
    pub(super) side: Side,
}

impl IsTerminal for Pen {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pen {
    /// Only WASI 0.3 asks for this one, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl OutputStream for Pen {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let passed = |resource| StreamError::trap(&format!("it reached its limit of {resource}"));
        self.spool.write(self.side, &bytes).map_err(passed)
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(if self.spool.is_full(self.side) { 0 } else { PIECE })
    }
}

#[async_trait]
impl Pollable for Pen {
    async fn ready(&mut self) {
        self.spool.room(self.side).await;
    }
}
