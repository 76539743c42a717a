//! Where tools are run: one contract, and tiers that keep it with more or less between the tool and the host.
//!
//! What it is for: performing one invocation of a tool within bounds, and saying truthfully how it ended, what it did and
//! what it used.
//! What it owns: the programs it started. When an invocation is over, nothing of it is left running.
//! What it never does: decide whether a tool may be called, keep less than a spec asks for, give a program the host's
//! environment, files or network, or see a secret.
//!
//! Invariants:
//! - SB1: a spec is kept or refused; a refusal names everything that the tier cannot do.
//! - SB2: every invocation ends: by itself, at its wall time, at its caller's deadline, or when its caller gives up.
//! - SB3: after an invocation no process of it is left, however it ended, also if the host dies; containers of an engine are
//!   then left until its next life.
//! - SB4: what a tool prints is believed as far as it keeps the protocol, and never beyond: a result that its exit code
//!   denies is none.

mod capability;
mod config;
mod error;
mod fake;
mod ground;
mod native;
mod outcome;
pub mod protocol;
mod running;
mod spec;
mod tree;
pub mod wasm;

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
pub mod docker;
#[cfg(target_os = "linux")]
pub mod jail;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::types::Cx;

pub use capability::{Capabilities, Keeper};
pub use config::{Components, Config, Containers, Jails, Threads};
pub use error::{Error, Lack};
pub use fake::{Puppet, Script, Test};
pub use native::{Function, Native, Voice};
pub(crate) use outcome::failure_of;
pub use outcome::{Change, Effects, Ended, Exit, Failure, Level, Line, Outcome, Usage, Written};
pub(crate) use running::Running;
pub use spec::{Access, Egress, Grant, Input, Limits, Program, ProgramKind, Resource, Spec, Speech, Tier};

/// A spec that a tier has looked at and can keep.
#[derive(Debug, Clone)]
pub struct Prepared {
    spec: Arc<Spec>,
    tier: Tier,
    /// Which directories the granted trees are, in the order of the grants: device and inode.
    places: Arc<Vec<(u64, u64)>>,
    /// Who the tool is outside, where the host can choose.
    user: u32,
}

impl Prepared {
    /// What will be kept.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// By which tier.
    pub fn tier(&self) -> Tier {
        self.tier
    }
}

/// One call of a prepared tool.
#[derive(Debug, Clone)]
pub struct Call {
    /// By which it can be ended; of all that run in a tier at a time one has it.
    pub id: String,
    /// What goes in.
    pub input: Value,
    /// Who hears what the tool says while it says it. The lines are in the outcome too. Whoever does not listen makes the
    /// tool wait, and nothing longer than that.
    pub stream: Option<mpsc::Sender<Line>>,
}

impl Call {
    /// A call that nobody listens to until its end.
    pub fn new(id: impl Into<String>, input: Value) -> Call {
        Call { id: id.into(), input, stream: None }
    }
}

/// What became of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Killed {
    /// It ran, and nothing of it does any more.
    Gone,
    /// Nothing of this id runs.
    Unknown,
    /// It was told to end and has not; a function of the host cannot be made to.
    Stuck,
}

/// What a tier shows of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Invocations on the way.
    pub running: usize,
    /// Functions of the host that were left behind because they did not end in time, and still have not.
    pub abandoned: usize,
}

/// A tier.
#[async_trait]
pub trait Sandbox: Send + Sync + 'static {
    /// What it can do on this machine.
    fn capabilities(&self) -> &Capabilities;

    /// Looks whether it can keep this spec, and whether everything is there that the spec names. Prepared once, a spec can
    /// be invoked many times, also at a time.
    ///
    /// # Errors
    /// Every [`Error`]; nothing has been started then.
    async fn prepare(&self, cx: &Cx, spec: Spec) -> Result<Prepared, Error>;

    /// Runs it. Ends at the spec's wall time, at the context's deadline, when the context is cancelled, or when
    /// [`kill`](Sandbox::kill) is called, whichever is first; a future that is dropped ends it too.
    async fn invoke(&self, cx: &Cx, prepared: &Prepared, call: Call) -> Outcome;

    /// Ends an invocation, and returns when it is gone.
    async fn kill(&self, id: &str) -> Killed;

    /// What goes on.
    fn view(&self) -> View;
}
