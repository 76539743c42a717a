//! The Tool Definition Standard: one `tool.toml` per tool is the source of truth.
//!
//! What it is for: reading a tool's description in TOML, JSON or YAML, and saying everything that is wrong with it at once,
//! with line and column; one canonical form and hash of it; what changed between two versions and whether their numbers say
//! so; documentation, prompts and stubs made of it.
//! What it owns: the types of `tool.toml`, its published schema (`docs/tds.schema.json`), the limits.
//! What it never does: read a file, ask the network, run a tool, or decide about a call.
//!
//! Invariants:
//! - TDS1: the three formats are one: the same tool has the same value, problems and hash in each.
//! - TDS2: whatever satisfies the published schema is read into the types; what does not is refused with its place.
//! - TDS3: no text costs more than its limits say, and none panics.
//! - TDS4: a tool that is taken refers to nothing outside itself but by name, version or digest.
//! - TDS5: a value that is made to satisfy a schema satisfies it, and one that is made to break it does not.

mod canonical;
mod check;
pub mod compat;
mod document;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod generate;
mod guard;
mod keywords;
pub mod limits;
mod pointer;
mod problem;
mod read;
mod risk;
mod sample;
mod schema;
pub mod starter;
pub mod tool;

#[cfg(test)]
mod tests;

pub use canonical::{canonical, canonical_value, hash};
pub use document::{Document, Format, Spot};
pub use generate::{call, page, prompts, spec, stub};
pub use pointer::dotted;
pub(crate) use problem::nearest;
pub use problem::{Problem, Report, Severity};
pub use read::{Checked, fixture, missing, read};
pub use risk::{Assessment, assess};
pub use sample::{Sample, Samples, samples, smaller};
pub use schema::{Checker, Mismatch, published};
pub use tool::Tool;
