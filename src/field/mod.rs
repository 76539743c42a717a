//! What goes out to programs of others without being asked for: notices, signed and sent by HTTP.
//!
//! What it is for: telling somebody's program that something has happened here. Whoever has something to tell holds an
//! [`Outbound`] and decides by the error whether to try again.
//! What it owns: a pool of connections, and how a notice is signed.
//! What it never does: retry, follow a redirect (a notice goes where the operator said and nowhere else), or show a
//! secret.
//!
//! Invariants:
//! - F1: a notice with a secret is signed over its time and its bytes, so that its receiver can tell who sent it and that
//!   it is no old one.
//! - F2: an answer is believed by its status alone; nothing of it is read.
//! - F3: nothing is delivered that was not cleared for its receiver; personal data and secrets that a receiver may not see
//!   leave as labels.

mod fake;
mod http;
mod sign;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde_json::Value;

use crate::types::sensitive::{find, redact};
use crate::types::{
    Class, Classified, Cleared, Cx, Label, Place, PrivacyClass, Secret, Timestamp, TrustTier, Withheld,
};

pub use fake::Mailroom;
pub use http::Http;
pub use sign::{SIGNATURE, signature};

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where to.
    pub url: String,
    /// What it is signed with; nothing if its receiver asks for no signature.
    pub key: Option<Secret>,
    /// The same each time it is sent, so that its receiver can tell a repetition.
    pub id: String,
    /// What happened, in a word.
    pub event: String,
    /// When it is sent; it goes into the signature.
    pub at: Timestamp,
    /// JSON.
    pub body: String,
}

/// Why a notice did not arrive, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its receiver said no.
    #[error("could not deliver the notice: the receiver answered {0}")]
    Status(u16),
    /// Nobody answered, or not in time.
    #[error("could not deliver the notice: {0}")]
    Unreachable(String),
    /// Its receiver may not see it.
    #[error(transparent)]
    Withheld(#[from] Withheld),
    /// It is addressed to nowhere.
    #[error("could not deliver the notice: {0}")]
    Address(String),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Status(_) | Error::Unreachable(_) => Class::Unavailable,
            Error::Withheld(_) => Class::Denied,
            Error::Address(_) => Class::Invalid,
        }
    }

    /// Whether the same notice may arrive later: a receiver that is down or busy, and not one that refuses it.
    pub fn passes(&self) -> bool {
        match self {
            // 408 is a timeout of the receiver, 425 and 429 ask for another time.
            Error::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            Error::Unreachable(_) => true,
            Error::Withheld(_) | Error::Address(_) => false,
        }
    }
}

/// Delivers notices.
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    /// Sends one, once, until the context's deadline. It arrived if this is no error; if it is one it may have arrived
    /// too.
    async fn deliver(&self, cx: &Cx, notice: &Cleared<Notice>) -> Result<(), Error>;
}

/// What is said of the host itself is nobody's outside.
const CLASS: PrivacyClass = PrivacyClass::Internal;

/// What a receiver's tier must be, since an external one is told nothing.
pub const NOT_OUTSIDE: &str = "`local`, `private` or `partner`: an external place is told nothing of the host";

/// How far a receiver is trusted if nobody says: it was chosen by name, and is no machine of ours.
pub fn usual_tier() -> TrustTier {
    TrustTier::Partner
}

/// Clears a notice for its receiver: as it is if that may see what is in it, and otherwise without it (F3).
///
/// # Errors
/// [`Error::Withheld`] if the receiver may not hear of the host at all.
pub fn cleared(notice: Notice, receiver: &Place) -> Result<Cleared<Notice>, Error> {
    let found = find(&notice.body).iter().map(|finding| finding.kind.class()).max().unwrap_or_default();
    let label = Label::of(CLASS.max(found));
    if label.check(receiver).is_ok() {
        return Ok(Classified::new(label, notice).clear(receiver)?);
    }
    // A body that is no JSON is one text.
    let body = match serde_json::from_str::<Value>(&notice.body) {
        Ok(mut body) => {
            hide(&mut body);
            body.to_string()
        }
        Err(_) => redact(&notice.body).into_owned(),
    };
    Ok(Classified::new(Label::of(CLASS), Notice { body, ..notice }).clear(receiver)?)
}

/// Hides what is sensitive in every text of a value; numbers are counts and times.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) => *text = redact(text).into_owned(),
        Value::Array(all) => all.iter_mut().for_each(hide),
        Value::Object(all) => all.values_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
