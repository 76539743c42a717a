//! Model files: which ones there are, where they come from, and whether they are here and whole.
//!
//! What it owns: the folder `models/` of the data directory.
//! What it never does: hand out a file whose hash is not the one in the catalogue.

mod catalog;
mod check;
mod error;
mod fetch;
mod pip;
mod progress;
mod store;

pub use catalog::{Catalog, FileRole, Kind, Model, ModelFile, Source};
pub use error::Error;
pub use progress::{Progress, Quiet, Stage};
pub use store::{Config, Installed, Listing, State, Store};
