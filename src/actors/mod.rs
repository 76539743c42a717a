//! The actors of the house. A handle may be held to the right only: io, inbox, router,
//! crown, agent, executor, runtime.

pub mod agent;
pub mod crown;
pub mod executor;
pub mod inbox;
pub mod io;
pub mod keeper;
mod line;
pub mod router;
pub mod runtime;

#[cfg(test)]
pub(crate) mod tests;
