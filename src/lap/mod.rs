//! LAP's control plane: what decides about a call of a tool before anything of it runs.
//!
//! What it is for: from a description (TDS) and a call to what a sandbox, a way out and a place for secrets are told; or a
//! refusal that says what would help.
//! What it owns: rules. What is remembered between calls stands in the journal.
//! What it never does: run a tool, read a clock, wait, or hold a secret.
//!
//! Invariants:
//! - LAP1: a tool is never run in less than its description and its risk ask for.
//! - LAP2: what a model fills in is checked against the tool's schema before anything is spent on it, and what the host adds
//!   arrives in an object of its own.
//! - LAP3: two calls have one key if and only if they are the same call of the same tool by the same tenant.
//! - LAP4: who may not call a tool is not shown it.
//! - LAP5: a policy refuses what the host's own rules admit, and never admits what they refuse; it judges what the tool is
//!   given, and nothing else.

mod admit;
mod arguments;
mod config;
pub mod core;
mod front;
mod fuzz;
mod gate;
pub mod grant;
mod keys;
mod outfit;
mod package;
pub mod policy;
mod ready;
mod redactor;
mod search;

#[cfg(test)]
mod tests;

pub use admit::{Denial, Rules, clean, granted};
pub use arguments::{Caller, Facts, Mismatches, envelope, shown};
pub use config::Config;
pub use front::{Came, Command, Front, STEPS_MOST, Step, cut};
pub use fuzz::{Fuzz, untouched};
pub use gate::{Admitted, Gate};
pub use keys::{KEY_BYTES_MAX, Key, cache_key, key};
pub use outfit::{Workspace, rules, spec, tiers};
pub use package::{Case, PACKAGE_BYTES_MAX, Package, PackedFile, Unpacked, short};
pub use ready::{File, Ready, Unfit};
pub use redactor::Redactor;
pub use search::{about, fused, words};
