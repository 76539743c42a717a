//! OTP supervision on ractor: bounded mailboxes, handles that outlive a restart, and trees that are data.
//!
//! What it is for: ractor runs one actor well; this module brings what it leaves out (see `docs/decisions/0002`).
//! What it owns: mailboxes, the restart rules, the registry of one host and the views in it.
//! What it never does: name anything process-wide, wait inside a supervisor, or lose a message without counting it.
//!
//! Invariants:
//! - SU1: at most one incarnation of a child runs at a time.
//! - SU2: children start in the order of the table, each after the one before it is up; they stop in reverse, each
//!   after the one behind it has ended. Only under a one_for_one supervisor whose table has been up do single children
//!   come and go beside each other, since they depend on nobody.
//! - SU3: every child that is told to end and is not killed runs its stop hook.
//! - SU4: a restart is counted once, for the child whose exit caused it, whatever its group does.
//! - SU5: a mailbox never holds more than its capacity, and a control message is handled before any user message.
//! - SU6: a message that was not delivered is handed back, with one of six reasons.

mod actor;
mod address;
mod asker;
mod context;
mod failure;
mod guest;
mod life;
mod mailbox;
mod plan;
mod registry;
mod spec;
mod stats;
mod supervisor;
mod watch;
mod window;

#[cfg(test)]
mod tests;

pub use actor::{Actor, Fault};
pub use address::{Address, Reply};
pub use context::{Context, JobError};
pub use failure::{Failure, Undelivered};
pub use mailbox::{Envelope, Mailbox, Overflow};
pub use registry::{Doing, Node, Registry, Status};
pub use spec::{AutoShutdown, Backoff, Child, Exit, Intensity, Restart, Shutdown, Strategy, Tree};
pub use supervisor::{Error, Handle, Root};
pub use watch::{Config, Stuck, Watch};
pub use window::{Verdict, restart_window};
