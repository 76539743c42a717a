//! The record: whether the journal can be trusted, in words, and as a file that proves itself.
//!
//! What it is for: an operator who asks whether anything was changed, and an auditor who has no host to ask.
//! What it never does: write to the journal, or call a record good that it did not read to its end.

mod error;
mod export;
mod report;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use export::{Header, check_export, export};
pub use report::{broken, report};
