//! The journal's part of the config.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What stays in the journal, and for how long. What is older moves into archive files, a segment at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days an event stays at least; 0 keeps it for ever.
    pub days: u32,
    /// Events that stay at the most; 0 is no limit.
    pub events_most: u64,
    /// Events of one archive.
    pub segment_events: NonZeroU32,
    /// Seconds between two looks at what is due.
    pub look_every_s: NonZeroU32,
}

/// Limits of the journal. The defaults and their reasons stand in `config/default.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How long write-behind events wait for company before they are committed, in milliseconds. Durable ones never
    /// wait for company.
    pub group_commit_ms: u64,
    /// A group this large is committed at once. One append is never split, however long it is.
    pub group_commit_events: NonZeroUsize,
    /// Events that may wait for the writer. An append beyond that waits for room.
    pub queue_events: NonZeroU32,
    /// Connections that read beside the one that writes.
    pub read_connections: NonZeroU32,
    /// Largest payload, in bytes.
    pub payload_bytes_max: usize,
    /// Largest event, in bytes of its kind, source and body together; what is larger belongs into a payload.
    pub event_bytes_max: usize,
    /// News a subscriber may lag behind before it is told that it missed some.
    pub subscribe_events: NonZeroU32,
    /// What stays in the journal, and for how long.
    pub retention: Retention,
    /// For tests of what a crash leaves: the process kills itself right before the commit that holds this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_before_event: Option<u64>,
    /// The same right after that commit, before anybody hears of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_after_event: Option<u64>,
}

impl Config {
    pub(super) fn window(&self) -> Duration {
        Duration::from_millis(self.group_commit_ms)
    }

    /// Room for the news, as the channel wants it.
    pub(super) fn news(&self) -> usize {
        usize::try_from(self.subscribe_events.get()).unwrap_or(usize::MAX)
    }
}
