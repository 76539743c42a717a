//! Syzygy runs agents and tools as supervised actors under one governor.
//!
//! The code map, in reading order: words first, then ports, engines, runtime, edges and the root that joins them.

pub mod types;

pub mod tds;
pub mod telemetry;

pub mod egress;
pub mod field;
pub mod inference;
pub mod sandbox;
pub mod secrets;
pub mod store;

pub mod lap;
pub mod memory;
pub mod rat;
pub mod ziggy;

pub mod actors;
pub mod supervision;

pub mod adapters;
pub mod api;
pub mod cli;

pub mod config;
pub mod host;
pub mod testing;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

/// Everything an agent's author needs, in one `use`.
pub mod prelude {
    pub use std::time::Duration;

    pub use async_trait::async_trait;

    pub use crate::actors::agent::{Assignment, Definition, Kit, Work};
    pub use crate::actors::io::{Answer, Task};
    pub use crate::host::{Host, real_world};
    pub use crate::supervision::{
        Actor, Address, Child, Context, Envelope, Fault, Mailbox, Overflow, Reply, Restart, Strategy,
    };
    pub use crate::types::{Cx, World};
}
