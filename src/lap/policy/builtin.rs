//! The policies that come with the host, and which policies an operator wants.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Source;

/// Which policies tools are called under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Those of the policies that come with the host, by the names of their files.
    pub own: Vec<String>,
    /// Files of the operator's own policies.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// Those that come with the host and are wanted.
    pub fn own(&self) -> Vec<Source> {
        builtin().into_iter().filter(|source| self.own.contains(&source.name)).collect()
    }

    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let known: Vec<String> = builtin().into_iter().map(|source| source.name).collect();
        let strange = self.own.iter().filter(|name| !known.contains(name));
        strange.map(|name| (format!("own.{name}"), format!("only {}", known.join(", ")))).collect()
    }
}

/// Every file of `config/policy`, by its name without `.cedar`.
pub fn builtin() -> Vec<Source> {
    let files = [
        ("admitted", include_str!("../../../config/policy/admitted.cedar")),
        ("scopes", include_str!("../../../config/policy/scopes.cedar")),
        ("harmless", include_str!("../../../config/policy/harmless.cedar")),
        ("effects", include_str!("../../../config/policy/effects.cedar")),
    ];
    files.map(|(name, text)| Source { name: name.to_owned(), text: text.to_owned() }).into()
}
