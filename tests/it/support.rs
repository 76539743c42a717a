//! What integration tests have in common: a whole host on a scripted runtime.

use syzygy::host::{Builder, Host};
use syzygy::inference::Scripted;

/// A host whose `local` runtime says this to everything; nothing else is changed, and nothing is on disk.
pub(crate) fn scripted(answer: &str) -> Builder {
    Host::builder().runtime(Scripted::saying("local", answer))
}
