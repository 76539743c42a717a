//! Payloads that carry how private they are, and the one way to take them out: for a place that may see them.
//!
//! A [`Classified`] value shows nothing of itself. [`Classified::clear`] compares its [`Label`] with a [`Place`] and
//! gives a [`Cleared`] value, which nothing else can make; whatever sends data out of the host takes only those. So
//! neither an unclassified payload nor one that was never compared with its place can be sent: it does not compile.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::planted::{Bug, planted};
use super::sensitive::{Originals, StandIns};
use super::{Cx, PrivacyClass, TrustTier};

/// Somewhere data can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// How far it is trusted.
    pub tier: TrustTier,
    /// Where in the world it is, in the operator's own words; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Place {
    /// A place of this tier of which the region is not known.
    pub fn of(tier: TrustTier) -> Place {
        Place { tier, region: None }
    }

    /// The same place in this region.
    pub fn in_region(self, region: &str) -> Place {
        Place { region: Some(region.to_owned()), ..self }
    }
}

/// The regions data may be in. Without any it may be anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Option<Vec<String>>", into = "Option<Vec<String>>")]
pub struct Residency {
    /// `None` for anywhere. An empty list is nowhere: two callers' regions had none in common.
    regions: Option<Arc<[String]>>,
}

impl Residency {
    /// Anywhere.
    pub const ANYWHERE: Residency = Residency { regions: None };

    /// These regions only; anywhere if there are none.
    pub fn within(regions: &[String]) -> Residency {
        let mut regions = regions.to_vec();
        regions.sort_unstable();
        regions.dedup();
        Residency { regions: (!regions.is_empty()).then(|| Arc::from(regions)) }
    }

    /// Whether it allows every place.
    pub fn is_anywhere(&self) -> bool {
        self.regions.is_none()
    }

    /// What both allow. Like a class, a residency is only ever tightened.
    pub fn and(&self, other: &Residency) -> Residency {
        let regions = match (&self.regions, &other.regions) {
            (None, regions) | (regions, None) => regions.clone(),
            (Some(own), Some(more)) => Some(own.iter().filter(|region| more.contains(region)).cloned().collect()),
        };
        Residency { regions }
    }

    /// Whether data may be there. A place of an unknown region is in none of them.
    pub fn allows(&self, place: &Place) -> bool {
        let region = place.region.as_deref();
        self.regions.as_ref().is_none_or(|regions| regions.iter().any(|one| Some(one.as_str()) == region))
    }

    /// The regions it names, in order, for who takes no regions for anywhere. Nowhere is then a region without a name,
    /// which no place has.
    pub fn named(&self) -> Vec<String> {
        match self.regions() {
            None => Vec::new(),
            Some([]) => vec![String::new()],
            Some(regions) => regions.to_vec(),
        }
    }

    /// The regions it names, in order; `None` for anywhere.
    pub fn regions(&self) -> Option<&[String]> {
        self.regions.as_deref()
    }
}

impl From<Option<Vec<String>>> for Residency {
    fn from(regions: Option<Vec<String>>) -> Residency {
        Residency { regions: regions.map(Arc::from) }
    }
}

impl From<Residency> for Option<Vec<String>> {
    fn from(residency: Residency) -> Option<Vec<String>> {
        residency.regions.map(|regions| regions.to_vec())
    }
}

/// What has to be true of a place before data may be sent there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label {
    /// How private the data is.
    pub class: PrivacyClass,
    /// Where it may be.
    #[serde(default)]
    pub residency: Residency,
}

impl Label {
    /// Data of this class that may be in any region.
    pub fn of(class: PrivacyClass) -> Label {
        Label { class, residency: Residency::ANYWHERE }
    }

    /// What holds for data made of both.
    pub fn and(&self, other: &Label) -> Label {
        Label { class: self.class.max(other.class), residency: self.residency.and(&other.residency) }
    }

    /// Whether data may be sent to that place, and what stands against it.
    pub fn check(&self, place: &Place) -> Result<(), Withheld> {
        match self.class.may_go_to(place.tier) || planted(Bug::AnywhereCleared) {
            false => Err(Withheld::Tier { class: self.class, tier: place.tier }),
            true if self.residency.allows(place) => Ok(()),
            true => Err(Withheld::Region {
                allowed: self.residency.regions().unwrap_or_default().join(" or "),
                region: place.region.as_deref().unwrap_or("an unknown region").to_owned(),
            }),
        }
    }
}

/// Why data was not sent somewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// The place is not trusted far enough.
    #[error("could not send {} data to a place of tier {}: it may only go to {} or a place trusted further", class.word(), tier.word(), class.least_tier().word())]
    Tier {
        /// How private the data is.
        class: PrivacyClass,
        /// How far the place is trusted.
        tier: TrustTier,
    },
    /// The place is in the wrong region.
    #[error("could not send data to a place in {region}: it may only be in {}", if allowed.is_empty() { "no region at all, since its limits have none in common" } else { allowed })]
    Region {
        /// Where the data may be.
        allowed: String,
        /// Where the place is.
        region: String,
    },
}

/// A payload with its label. It cannot be printed, written as JSON or read; only [`Classified::clear`] opens it.
#[derive(Clone)]
pub struct Classified<T> {
    label: Label,
    value: T,
}

impl<T> Classified<T> {
    /// A payload under this label.
    pub fn new(label: Label, value: T) -> Classified<T> {
        Classified { label, value }
    }

    /// A payload that is as private as what travels under this context.
    pub fn under(cx: &Cx, value: T) -> Classified<T> {
        Classified { label: cx.label(), value }
    }

    /// What a place has to be to see it.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The same payload under a label that is at least as strict as this one too.
    pub fn tightened(self, label: &Label) -> Classified<T> {
        Classified { label: self.label.and(label), value: self.value }
    }

    /// The same payload, at least as private as what is found in it.
    pub fn raised_by(self, class: impl FnOnce(&T) -> PrivacyClass) -> Classified<T> {
        let class = self.label.class.max(class(&self.value));
        Classified { label: Label { class, ..self.label }, value: self.value }
    }

    /// What becomes of the payload inside the host; it stays as private as it was.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Classified<U> {
        Classified { label: self.label, value: change(self.value) }
    }

    /// The payload with stand-ins for personal data, and what puts the data back; `None` if something has no stand-in.
    /// This is the only way in which a payload becomes less private than it was, and only its class does.
    pub fn with_stand_ins(
        self,
        stand_ins: &StandIns,
        texts: impl FnOnce(&T) -> Vec<String>,
        replace: impl FnOnce(T, &Originals) -> T,
    ) -> Option<(Classified<T>, Originals)> {
        let texts = texts(&self.value);
        let (class, originals) = stand_ins.of(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
        let value = replace(self.value, &originals);
        Some((Classified { label: Label { class, ..self.label }, value }, originals))
    }

    /// Opens the payload for one place, if that may see it.
    ///
    /// # Errors
    /// What stands against it; the payload is gone then.
    pub fn clear(self, place: &Place) -> Result<Cleared<T>, Withheld> {
        self.label.check(place)?;
        Ok(Cleared { label: self.label, value: self.value })
    }
}

impl<T> fmt::Debug for Classified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Classified({})", self.label.class.word())
    }
}

/// A payload that was compared with the place it is sent to. Only [`Classified::clear`] makes one.
#[derive(Clone, PartialEq)]
pub struct Cleared<T> {
    label: Label,
    value: T,
}

impl<T> Cleared<T> {
    /// What it was cleared under.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The payload, to look at.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The payload, to send.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// What becomes of the payload on its way to the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Cleared<U> {
        Cleared { label: self.label, value: change(self.value) }
    }
}

impl<T> fmt::Debug for Cleared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cleared({})", self.label.class.word())
    }
}
