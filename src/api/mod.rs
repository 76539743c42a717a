//! The HTTP interface: what programs and the command line ask of a running host.
//!
//! What it is for: the stable endpoints, their contract as OpenAPI, tokens, limits, and one form of error.
//! What it owns: the listener, the connections, the tokens, and `host.json`, which tells the command line where it is.
//! What it never does: decide or keep anything about a task; handles and views are all it has.
//!
//! Invariants:
//! - API1: nothing but `/healthz` and `/readyz` answers without a token that has the scope of its route.
//! - API2: everything a client sends has a limit: bytes, headers, time, connections, requests.
//! - API3: whatever goes wrong is a problem with a code of `docs/errors.md`; what only the operator may know is logged.
//! - API4: a client that leaves takes its run with it, unless it asked to be detached.
//! - API5: what has no reading as HTTP, or more than one, is never handed to a handler, and ends its connection.
//! - API6: a stop lets requests in flight finish for `drain_s`, and takes no new ones; whoever still waits then is told
//!   so, and their runs are left to go on.

mod alerts;
mod app;
mod audit;
mod auth;
mod bodies;
mod budgets;
mod config;
mod connection;
mod control;
mod error;
mod extract;
mod follow;
mod framing;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod gate;
mod governed;
mod guarded;
mod hitl;
mod listener;
mod meter;
mod mount;
mod observe;
mod openapi;
mod parked;
mod peers;
mod plan;
mod problem;
mod publishing;
mod routes;
mod runs;
mod tables;
mod tls;
mod token_routes;
mod tokens;
mod tools;
mod why;
mod work;

#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::actors::{crown, executor, inbox, io, router};
use crate::lap;
use crate::store::Journal;
use crate::supervision::{Address, Child, Mailbox, Overflow, Registry, Shutdown};
use crate::telemetry::Metrics;
use crate::types::World;
use crate::ziggy;

pub use alerts::{NewSilence, Silences};
pub use bodies::{
    AcceptedRun, Alerts, Assemble, AtDoor, Caps, Changed, ChunkAnswer, ChunkRequest, FeedbackGiven, FeedbackRequest,
    Liveness, NewCandidate, NewOverride, NewToken, NextHop, OverrideKind, Overrides, Rebuilt, RouteRequest, RunEvents,
    Runs, SetCap, SetWeight, TokenInfo, TokenMade, TokenNames, TreeAnswer, Weights, WhyNot,
};
pub use budgets::Budgets;
pub use config::{Config, Tls};
pub use error::Error;
pub use hitl::{Delegated, Items, Said, Shown};
pub use mount::{Ends, Mount};
pub use problem::{Code, MEDIA_TYPE, Problem};
pub use publishing::{Doubt, Doubts, Publish, PublishAnswer, PublishFile, PublishFormat, SettleDoubt};
pub use tokens::{Found, OPERATOR_FILE, Revoked, Scope, TOKENS_FILE, Token, Tokens};
pub use tools::{Invoke, Invoked, InvokedEffects, InvokedUsage, ToolRow, ToolShown, Tools};
pub use why::{Step, Tables, Why, tables_of, why};

/// Where a running host says how it is reached, in the data directory.
pub const HOST_FILE: &str = "host.json";

/// What stands in [`HOST_FILE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it answers.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// A file with the certificate it shows, if it speaks TLS: whoever may read this may trust that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// What the interface stands on. The composition root fills it in.
#[derive(Clone)]
pub struct Parts {
    /// Takes tasks.
    pub io: io::Handle,
    /// Has what waits for people.
    pub inbox: inbox::Handle,
    /// Shows the tables.
    pub router: router::Handle,
    /// Takes levers, shows alerts.
    pub crown: crown::Handle,
    /// Calls tools.
    pub tools: executor::Handle,
    /// Folders that may be granted.
    pub folders: lap::Config,
    /// Where data of tenants may be.
    pub privacy: ziggy::privacy::Config,
    /// Has the runs.
    pub journal: Arc<dyn Journal>,
    /// Has the tree.
    pub registry: Arc<Registry>,
    /// Time and chance.
    pub world: World,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What the host says its version is.
    pub version: &'static str,
    /// How `/chunk` cuts if its caller does not say.
    pub chunk: ziggy::chunk::Policy,
    /// Where tokens and `host.json` are.
    pub data_dir: PathBuf,
    /// Limits and address.
    pub config: Config,
    /// Routes of others.
    pub mounts: Vec<Mount>,
}

/// Tells where the interface answers.
#[derive(Clone)]
pub struct Handle {
    address: watch::Receiver<Option<SocketAddr>>,
}

impl Handle {
    /// The address it is bound to; none before its first start.
    pub fn address(&self) -> Option<SocketAddr> {
        *self.address.borrow()
    }
}

/// Messages the listener may have waiting; only its own reports come.
const WAITING: usize = 16;

/// Time a stop hook takes beyond what connections may take to finish: closing sockets, removing a file.
const STOP_EXTRA: Duration = Duration::from_secs(1);

/// The interface as a row of the tree, and its handle. It binds in its start hook, so what is wrong with the address or
/// the tokens is why the tree does not start.
pub fn launch(parts: Parts) -> (Handle, Child) {
    let mailbox = Address::new(Mailbox::new(WAITING, Overflow::Refuse), &parts.world);
    let grace = Duration::from_secs(parts.config.drain_s) + STOP_EXTRA;
    let (bound, address) = watch::channel(None);
    let app = Arc::new(app::App::new(parts, bound));
    let child =
        Child::actor("api", &mailbox, move || listener::Shell::new(Arc::clone(&app))).shutdown(Shutdown::After(grace));
    (Handle { address }, child)
}
