//! Whose endpoint a runtime asks, and which runtimes are one and the same under several names.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Capabilities;

/// Who answers at an address, for the holder of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Provider {
    /// Scheme, host and port of its endpoint.
    pub address: String,
    /// Environment variable that holds the key; none if it wants none.
    pub key: Option<String>,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{} by {key}", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// What a runtime is to those who count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The first runtime, by name, with the same provider, model and key: their penalties, pauses and limits are one.
    pub same: String,
    /// The first runtime, by name, with the same provider and key: their budget for trying again is one.
    pub provider: String,
}

/// The accounts of all runtimes, by name. What runs in this process is its own provider.
pub fn accounts(runtimes: &BTreeMap<String, Capabilities>) -> BTreeMap<String, Account> {
    let mut models: BTreeMap<(&Provider, &str), &str> = BTreeMap::new();
    let mut providers: BTreeMap<&Provider, &str> = BTreeMap::new();
    let account = |(name, seen)| {
        let (name, seen): (&String, &Capabilities) = (name, seen);
        let account = match &seen.provider {
            None => Account { same: name.clone(), provider: name.clone() },
            Some(provider) => Account {
                same: (*models.entry((provider, &seen.model)).or_insert(name)).to_owned(),
                provider: (*providers.entry(provider).or_insert(name)).to_owned(),
            },
        };
        (name.clone(), account)
    };
    runtimes.iter().map(account).collect()
}
