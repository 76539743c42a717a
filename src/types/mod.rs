//! The words every layer shares: ids, the call context, classes of data and of errors, money and time.
//!
//! Nothing here does I/O, and nothing here knows another module of the crate.

mod aside;
mod class;
mod classified;
mod clock;
mod cx;
mod ids;
mod modality;
mod money;
pub(crate) mod planted;
mod privacy;
pub mod secret;
pub mod sensitive;
mod tool;

#[cfg(test)]
mod tests;

pub use aside::aside;
pub use class::Class;
pub use classified::{Classified, Cleared, Label, Place, Residency, Withheld};
pub use clock::{Clock, Hindrance, Random, Seeded, Timestamp, World};
pub use cx::{Budget, Cx, Principal};
pub use ids::{Hash, RunId, TraceId};
pub use modality::Modality;
pub use money::{Money, Price};
pub use privacy::{PrivacyClass, TrustTier};
pub use secret::Secret;
pub use tool::{ToolCall, ToolSpec};

/// Names that one sentence says at the most: whoever misspelt one finds it among them in a host that people made by hand.
const NAMES_MOST: usize = 32;

/// Names as part of a sentence: the first of them, and how many others there are.
pub(crate) fn some_of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut names = names.into_iter();
    let shown: Vec<S> = names.by_ref().take(NAMES_MOST).collect();
    let shown: Vec<&str> = shown.iter().map(AsRef::as_ref).collect();
    match names.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Whether a field says nothing that its absence would not say: what serde asks before it leaves one out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
