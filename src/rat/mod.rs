//! The record: whether the journal can be trusted, in words, and as a file that proves itself.
//!
//! What it is for: an operator who asks whether anything was changed, and an auditor who has no host to ask.
//! What it never does: change an event, let one go whose archive it did not check, or call a record good that it did not read to its end.

mod archive;
mod error;
mod export;
mod report;
mod withheld;

#[cfg(test)]
mod tests;

pub use archive::{Archived, Ties, archive, due};
pub use error::Error;
pub use export::{Header, check_export, export, salvage};
pub use report::{broken, damaged, join, report};
