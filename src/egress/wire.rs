//! One direction of a connection, with what was read of it and not used yet.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::error::{Reason, Refusal};
use super::head;

/// Bytes that are read at a time.
const PIECE: usize = 16 << 10;

pub(super) struct Wire<R> {
    reader: R,
    held: Vec<u8>,
    /// Where bytes arrive. They are held when all of a read is done, so that a read may be given up.
    piece: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Wire<R> {
    pub(super) fn new(reader: R) -> Wire<R> {
        Wire { reader, held: Vec::new(), piece: vec![0; PIECE].into() }
    }

    /// What was read and not used.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    pub(super) fn use_up(&mut self, bytes: usize) {
        self.held.drain(..bytes);
    }

    /// Reads more. False at the end.
    pub(super) async fn more(&mut self, within: Duration) -> Result<bool, Refusal> {
        match timeout(within, self.reader.read(&mut self.piece)).await {
            Ok(Ok(read)) => {
                self.held.extend_from_slice(&self.piece[..read]);
                Ok(read > 0)
            }
            Ok(Err(error)) => Err(Refusal::new(Reason::Cut, format!("the connection broke: {error}"))),
            Err(_) => Err(Refusal::new(Reason::Idle, format!("nothing came for {} s", within.as_secs()))),
        }
    }

    /// Reads a head and no more of the connection than came with it. Nothing if the connection ends before it begins.
    pub(super) async fn head(&mut self, most: usize, within: Duration) -> Result<Option<Vec<u8>>, Refusal> {
        let late =
            |_| Refusal::new(Reason::HeadTimeout, format!("the head did not come within {} s", within.as_secs()));
        timeout(within, self.whole_head(most, within)).await.map_err(late)?
    }

    async fn whole_head(&mut self, most: usize, within: Duration) -> Result<Option<Vec<u8>>, Refusal> {
        loop {
            let end = head::end(&self.held);
            if end.unwrap_or(self.held.len()) > most {
                return Err(Refusal::new(Reason::HeadTooLarge, format!("the head has more than {most} bytes")));
            }
            if let Some(end) = end {
                return Ok(Some(self.held.drain(..end).collect()));
            }
            // A line feed alone never ends a head here, but it does elsewhere, so nobody waits for more of one.
            if self.held.windows(2).any(|two| two == b"\n\n") {
                return Err(Refusal::new(Reason::Malformed, "a line of the head ends with a line feed alone"));
            }
            if !self.more(within).await? {
                let cut = || Refusal::new(Reason::Cut, "the connection ended within a head");
                return if self.held.is_empty() { Ok(None) } else { Err(cut()) };
            }
        }
    }
}
