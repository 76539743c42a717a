//! Syzygy runs agents and tools as supervised actors under one governor.
//!
//! The code map, in reading order: words first, then ports, engines, runtime, edges and the root that joins them.

pub mod types;

pub mod telemetry;

pub mod inference;
pub mod store;

pub mod memory;
pub mod rat;
pub mod ziggy;

pub mod actors;
pub mod supervision;

pub mod api;
pub mod cli;

pub mod config;
pub mod host;
