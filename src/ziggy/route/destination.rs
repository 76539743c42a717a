//! Where a task wants to go: what it needs, and how private it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::types::PrivacyClass;

/// What a task needs and an agent offers; the word that routes are keyed by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Capability(pub String);

impl Capability {
    /// The capability that stands in for every other one that nobody offers.
    pub const GENERAL: &'static str = "general";

    /// The capability of this name.
    pub fn new(name: &str) -> Capability {
        Capability(name.to_owned())
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a task needs: a capability, and a place that may see data of this class. Written `capability/class`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    /// What has to be done.
    pub capability: Capability,
    /// How private the data is.
    pub privacy: PrivacyClass,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.capability, self.privacy.word())
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        let (capability, class) = text.rsplit_once('/').unwrap_or((text, ""));
        let privacy = CLASSES.into_iter().find(|known| known.word() == class);
        let privacy = privacy.ok_or_else(|| format!("not a destination: {text:?} (expected capability/class)"))?;
        Ok(Destination { capability: Capability::new(capability), privacy })
    }
}

impl TryFrom<String> for Destination {
    type Error = String;

    fn try_from(text: String) -> Result<Destination, String> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.to_string()
    }
}

impl utoipa::PartialSchema for Destination {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for Destination {}

/// Every class, the most open first.
pub(super) const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];
