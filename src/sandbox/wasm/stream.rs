//! A stream into a file that pays for what it writes.

use std::fs::File;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::Errno;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError};

use super::files::{Full, Room, length};

pub(super) struct Counted {
    inner: DynOutputStream,
    file: Arc<File>,
    room: Arc<Room>,
    /// Where the next byte goes; at the end if nothing.
    at: Option<u64>,
}

impl Counted {
    pub(super) fn new(inner: DynOutputStream, file: Arc<File>, room: Arc<Room>, at: Option<u64>) -> Counted {
        Counted { inner, file, room, at }
    }

    fn pay(&mut self, bytes: u64) -> Result<(), StreamError> {
        let from = self.at.unwrap_or_else(|| length(&self.file));
        let end = from.checked_add(bytes);
        self.room.lengthen(&self.file, end).map_err(|full| {
            let number = if full == Full::File { Errno::FBIG } else { Errno::NOSPC };
            StreamError::LastOperationFailed(io::Error::from(number).into())
        })?;
        self.at = self.at.and(end);
        Ok(())
    }
}

#[async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.pay(bytes.len() as u64)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}
