//! What a grant is good for, as data: it can be intersected, and compared with a call.

use std::collections::BTreeSet;

use crate::types::{Class, Hash, PrivacyClass, Timestamp};

/// What a grant is good for. A bound that is not set allows everything; an empty one nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Ids of the tools that may be called.
    pub tools: Option<BTreeSet<String>>,
    /// Versions of them that may be called.
    pub versions: Option<BTreeSet<String>>,
    /// Hashes of the canonical arguments that they may be called with.
    pub arguments: Option<BTreeSet<Hash>>,
    /// Tenants for whom they may be called.
    pub tenants: Option<BTreeSet<String>>,
    /// Parts of the host that may act on it for a call, such as `egress`.
    pub audiences: Option<BTreeSet<String>>,
    /// Scopes that calls may need.
    pub scopes: Option<BTreeSet<String>>,
    /// The most private data that may be in a call.
    pub class: Option<PrivacyClass>,
    /// From when on it allows nothing.
    pub until: Option<Timestamp>,
}

/// One call, as a grant sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use<'a> {
    /// The tool's id.
    pub tool: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The hash of the canonical arguments.
    pub arguments: Hash,
    /// For whom.
    pub tenant: &'a str,
    /// The part of the host that is to act for the call.
    pub audience: &'a str,
    /// The scopes the tool requires.
    pub scopes: &'a BTreeSet<String>,
    /// How private what is in the call is.
    pub class: PrivacyClass,
    /// When.
    pub now: Timestamp,
}

/// Why a token was refused. It says what is wrong and never what the token is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer, has more blocks or more words than a token of ours.
    #[error("could not accept the grant: it is larger than any the host issues")]
    TooLarge,
    /// It is no token at all.
    #[error("could not read the grant: it is not a token")]
    Malformed,
    /// A signature does not fit: it was changed, cut, or issued by somebody else.
    #[error("could not accept the grant: it was changed, or it was not issued by this host")]
    Tampered,
    /// A block after the first says something about the world, which could only be meant to widen the grant.
    #[error("could not accept the grant: block {block} adds facts or rules, and a grant can only be narrowed")]
    Widened {
        /// Which block, the first being 0.
        block: usize,
    },
    /// A block has a check that is not one of ours, so nobody here knows what it forbids.
    #[error("could not accept the grant: block {block} has a condition that the host does not know")]
    Unknown {
        /// Which block, the first being 0.
        block: usize,
    },
    /// Its time is over.
    #[error("could not use the grant: it ended at {}", until.rfc3339())]
    Expired {
        /// When it ended.
        until: Timestamp,
    },
    /// It is for other tools.
    #[error("could not use the grant for tool {tool}: it was not granted")]
    Tool {
        /// The one that was asked for.
        tool: String,
    },
    /// It is for other versions of the tool.
    #[error("could not use the grant for version {version} of the tool: it was not granted")]
    Version {
        /// The one that was asked for.
        version: String,
    },
    /// It is for other arguments.
    #[error("could not use the grant for these arguments: it was given for others")]
    Arguments,
    /// It is for other tenants.
    #[error("could not use the grant for this tenant: it was given for another")]
    Tenant,
    /// It is for other parts of the host.
    #[error("could not use the grant for {audience}: it was not granted")]
    Audience {
        /// What it was shown to.
        audience: String,
    },
    /// It lacks scopes that the tool requires.
    #[error("could not use the grant for a tool that requires {}: it does not hold that", lacking.join(" and "))]
    Scopes {
        /// Those that are lacking.
        lacking: Vec<String>,
    },
    /// The call is more private than the grant is good for.
    #[error("could not use the grant for {} data: it is good for {} data at the most", asked.word(), granted.word())]
    Privacy {
        /// What the grant is good for.
        granted: PrivacyClass,
        /// How private the call is.
        asked: PrivacyClass,
    },
}

impl Refusal {
    /// What kind of refusal it is: a token that proves nothing is no identity, one that proves too little is one.
    pub fn class(&self) -> Class {
        match self {
            Refusal::TooLarge
            | Refusal::Malformed
            | Refusal::Tampered
            | Refusal::Widened { .. }
            | Refusal::Unknown { .. }
            | Refusal::Expired { .. } => Class::Unauthenticated,
            Refusal::Tool { .. }
            | Refusal::Version { .. }
            | Refusal::Arguments
            | Refusal::Tenant
            | Refusal::Audience { .. }
            | Refusal::Scopes { .. }
            | Refusal::Privacy { .. } => Class::Denied,
        }
    }
}

/// What both allow.
fn both<T: Ord + Clone>(one: &Option<BTreeSet<T>>, other: &Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (one, other) {
        (None, set) | (set, None) => set.clone(),
        (Some(one), Some(other)) => Some(one.intersection(other).cloned().collect()),
    }
}

fn least<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (None, value) | (value, None) => value,
        (Some(one), Some(other)) => Some(one.min(other)),
    }
}

fn holds<T: Ord + ?Sized, U: Ord + std::borrow::Borrow<T>>(set: &Option<BTreeSet<U>>, value: &T) -> bool {
    set.as_ref().is_none_or(|set| set.contains(value))
}

impl Bounds {
    /// What both allow.
    pub fn and(&self, other: &Bounds) -> Bounds {
        Bounds {
            tools: both(&self.tools, &other.tools),
            versions: both(&self.versions, &other.versions),
            arguments: both(&self.arguments, &other.arguments),
            tenants: both(&self.tenants, &other.tenants),
            audiences: both(&self.audiences, &other.audiences),
            scopes: both(&self.scopes, &other.scopes),
            class: least(self.class, other.class),
            until: least(self.until, other.until),
        }
    }

    /// Whether they allow this call.
    ///
    /// # Errors
    /// The first thing that stands against it.
    pub fn check(&self, call: &Use<'_>) -> Result<(), Refusal> {
        if let Some(until) = self.until.filter(|until| call.now >= *until) {
            return Err(Refusal::Expired { until });
        }
        if !holds(&self.tools, call.tool) {
            return Err(Refusal::Tool { tool: call.tool.to_owned() });
        }
        if !holds(&self.versions, call.version) {
            return Err(Refusal::Version { version: call.version.to_owned() });
        }
        if !holds(&self.arguments, &call.arguments) {
            return Err(Refusal::Arguments);
        }
        if !holds(&self.tenants, call.tenant) {
            return Err(Refusal::Tenant);
        }
        if !holds(&self.audiences, call.audience) {
            return Err(Refusal::Audience { audience: call.audience.to_owned() });
        }
        let lacking: Vec<String> = call.scopes.iter().filter(|scope| !holds(&self.scopes, *scope)).cloned().collect();
        if !lacking.is_empty() {
            return Err(Refusal::Scopes { lacking });
        }
        match self.class {
            Some(granted) if call.class > granted => Err(Refusal::Privacy { granted, asked: call.class }),
            _ => Ok(()),
        }
    }
}
