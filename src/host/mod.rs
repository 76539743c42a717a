//! The composition root: `Host::builder()` joins the parts into one supervised tree.
//!
//! What it is for: one host, in its own program or embedded in another; two of them in one process do not meet.
//! What it owns: the root of the tree and the handles to its parts.
//! What it never does: install anything process-wide, or read the environment by itself.

mod assembly;
mod backends;
mod budgets;
mod builder;
mod candidates;
mod core;
mod descriptors;
mod error;
mod offered;
mod people;
mod program;
mod sandboxes;
mod tools;
mod world;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::actors::io::{Answer, Task};
use crate::actors::{crown, executor, inbox, io, router};
use crate::api;
use crate::config::Config;
use crate::store::{Durability, Journal, NewEvent};
use crate::supervision::{Failure, Node, Registry, Root};
use crate::types::{Budget, Cx, Money, Principal, TraceId, World};

pub use backends::{journal_path, model_store, projections};
pub use builder::{Builder, Environment};
pub use error::Error;
pub use program::Program;
pub use world::real_world;

/// A running host.
pub struct Host {
    root: Root,
    registry: Arc<Registry>,
    world: World,
    journal: Arc<dyn Journal>,
    io: io::Handle,
    inbox: inbox::Handle,
    router: router::Handle,
    crown: crown::Handle,
    tools: executor::Handle,
    served: Option<api::Handle>,
    lacking: Option<String>,
    config: Config,
}

impl Host {
    /// A host to be put together.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Where tasks go in.
    pub fn io(&self) -> &io::Handle {
        &self.io
    }

    /// What waits for people.
    pub fn inbox(&self) -> &inbox::Handle {
        &self.inbox
    }

    /// Who is the next hop.
    pub fn router(&self) -> &router::Handle {
        &self.router
    }

    /// The governor.
    pub fn crown(&self) -> &crown::Handle {
        &self.crown
    }

    /// Calls tools.
    pub fn tools(&self) -> &executor::Handle {
        &self.tools
    }

    /// Where HTTP is served, if it is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.served.as_ref().and_then(api::Handle::address)
    }

    /// Where everything is recorded.
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// Time and chance of this host.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it has to do without, and why.
    pub fn lacking(&self) -> Option<&str> {
        self.lacking.as_deref()
    }

    /// The supervision tree, from the views its actors publish.
    pub fn tree(&self) -> Vec<Node> {
        self.registry.tree(self.world.clock.now())
    }

    /// A context for a request of this principal that may take so long and spend anything.
    pub fn context(&self, principal: &str, within: Duration) -> Cx {
        let budget = Budget { money: Money(i64::MAX), tokens: u64::MAX };
        let trace = TraceId::new(&self.world);
        Cx::new(trace, Principal::new(principal, &[]), self.world.clock.now() + within, budget)
    }

    /// Does a task and returns its answer.
    pub async fn ask(&self, cx: &Cx, task: Task) -> Result<Answer, io::Error> {
        // Nobody reads the news, so the receiver goes at once: a full channel would hold the work up.
        let (news, _) = mpsc::channel(1);
        self.io.route(cx, task, news).await
    }

    /// Stops every actor, the last started first, and closes the journal. What is not down by the deadline is killed.
    pub async fn shutdown(self, within: Duration) -> Result<(), Failure> {
        self.stop(within).await
    }

    /// What [`Host::shutdown`] does, for who shares the host with others.
    pub(crate) async fn stop(&self, within: Duration) -> Result<(), Failure> {
        let event = NewEvent::new("host.stopped", None, "host", &serde_json::json!({}));
        if let Err(error) = self.journal.append(vec![event], Durability::Behind).await {
            tracing::error!(%error, "the end of the host could not be recorded");
        }
        let cx = Cx::housekeeping(self.world.clock.now(), within);
        self.root.shutdown(&cx).await
    }

    /// Kills every actor and returns when none is left: no hook runs, nothing is written.
    pub(crate) async fn kill(&self) {
        let at_once = Cx::housekeeping(self.world.clock.now(), Duration::ZERO);
        // The failure says that it was not in time, which is what was wanted.
        let _ = self.root.shutdown(&at_once).await;
        self.ended().await;
    }

    /// Returns when the tree has ended by itself, which a healthy one never does.
    pub async fn ended(&self) {
        self.root.ended().await;
    }
}
