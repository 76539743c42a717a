//! The interface over real connections, on a small whole host.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod actors;
mod auth;
mod budgets;
mod contract;
mod control;
mod explained;
mod framing;
mod governing;
mod guesses;
mod hitl;
mod hostile;
mod limits;
mod problems;
pub(crate) mod support;
mod tls;
mod tools;
mod work;
