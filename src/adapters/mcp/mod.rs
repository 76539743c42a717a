//! Tools for programs that speak the Model Context Protocol, in its revisions 2026-07-28 and 2025-11-25 (and 2025-06-18,
//! which differs from the latter in nothing that is used here), over streamable HTTP and over stdio.
//!
//! What it is for: everything MCP offers that a tool's description can say: tools, prompts, resources, progress, log
//! messages, questions in the middle of a call, tasks, news of changed lists.
//! What it owns: sessions of the older revisions, tasks, and the key that signs what callers keep between two rounds.
//! What it never does: look at a token; who asks was found out before, and comes as the context of the request.
//!
//! Invariants:
//! - MC1: without a context nothing is answered.
//! - MC2: a session and a task belong to the principal that began them; for others they do not exist.
//! - MC3: who leaves takes the call along, unless it is a task.
//! - MC4: what a caller keeps for a tool comes back as it was, from the same caller, for the same version, or not at all.
//! - MC5: sessions, tasks, rounds of questions and pages have limits.

mod answer;
mod ask;
mod http;
mod news;
mod offer;
mod reach;
mod server;
mod shape;
mod stdio;
mod tasks;
mod tell;

#[cfg(test)]
pub(in crate::adapters) mod tests;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::RequestStateCodec;
use serde::{Deserialize, Serialize};

use super::Toolbox;
use crate::types::World;

pub use http::{Ends, Guard, router};
pub use stdio::serve;

/// Limits of the adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Entries of one page of a list.
    pub page_max: usize,
    /// Seconds a list may be used again without asking.
    pub fresh_s: u64,
    /// Sessions of revisions before 2026-07-28 at a time.
    pub sessions_max: usize,
    /// Seconds without a request after which a session ends.
    pub session_idle_s: u64,
    /// Tasks that one principal may have, those that ended lately included.
    pub tasks_max: usize,
    /// Seconds a task may take, and seconds its result is kept.
    pub task_keep_s: u64,
    /// Milliseconds after which a client is told to ask again after its task.
    pub task_poll_ms: u64,
    /// How often a tool may ask something in one call.
    pub rounds_max: u32,
    /// Seconds a caller may take to answer what a tool asked.
    pub answer_within_s: u64,
    /// Bytes of one message.
    pub message_bytes_max: usize,
}

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let zero = [
            ("page_max", self.page_max == 0),
            ("sessions_max", self.sessions_max == 0),
            ("session_idle_s", self.session_idle_s == 0),
            ("tasks_max", self.tasks_max == 0),
            ("task_keep_s", self.task_keep_s == 0),
            ("task_poll_ms", self.task_poll_ms == 0),
            ("rounds_max", self.rounds_max == 0),
            ("answer_within_s", self.answer_within_s == 0),
            ("message_bytes_max", self.message_bytes_max == 0),
        ];
        zero.iter().filter(|(_, zero)| *zero).map(|(key, _)| (*key, "at least 1".to_owned())).collect()
    }

    fn task_keep(&self) -> Duration {
        Duration::from_secs(self.task_keep_s)
    }

    fn answer_within(&self) -> Duration {
        Duration::from_secs(self.answer_within_s)
    }
}

/// What all requests of all callers share.
pub struct Mcp {
    toolbox: Arc<dyn Toolbox>,
    config: Config,
    world: World,
    /// Signs and reads what callers keep between two rounds.
    codec: RequestStateCodec,
    tasks: Mutex<tasks::Tasks>,
    version: &'static str,
}

impl Mcp {
    /// The adapter for a toolbox. The key has to be as hard to guess as a token, and may be another after each start:
    /// questions that were asked before are asked again then.
    pub fn new(
        toolbox: Arc<dyn Toolbox>,
        config: Config,
        world: World,
        key: &[u8; 32],
        version: &'static str,
    ) -> Arc<Mcp> {
        // What is unchecked is the key's length, which is in its type.
        let codec = RequestStateCodec::new_unchecked(key.to_vec());
        Arc::new(Mcp { toolbox, config, world, codec, tasks: Mutex::default(), version })
    }
}
