//! Integration tests, one binary so that linking stays cheap.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod agreed;
mod announced;
mod budgets;
mod cancellation;
mod clients;
mod company;
mod core_tools;
mod cycles;
mod descriptors;
mod documents;
mod durability;
mod endpoint;
#[cfg(target_os = "linux")]
mod gate;
mod gigabyte;
mod governance;
mod governing;
mod greeter;
mod guests;
mod hosts;
mod inbox;
mod leaving;
mod mcp;
mod memory;
mod overload;
mod policies;
mod privacy;
mod program;
mod providers;
mod raw;
mod replaying;
mod resilience;
mod run;
#[cfg(target_os = "linux")]
mod sandbox;
mod simulation;
mod stuck;
mod support;
mod tls;
mod tokens;
mod tools;
mod walk;
