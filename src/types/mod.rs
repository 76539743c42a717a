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

/// Whether a field says nothing that its absence would not say: what serde asks before it leaves one out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
