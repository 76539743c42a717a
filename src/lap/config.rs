//! What an operator decides about tools.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Workspace, policy};
use crate::sandbox::Access;

/// Tools of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Scopes, and roles as `role:NAME`, by whom they are given to: `agent:NAME`, `principal:NAME`, `tenant:NAME`.
    pub grants: BTreeMap<String, Vec<String>>,
    /// What is turned on: a version on trial that names one of these serves everybody.
    pub flags: Vec<String>,
    /// Principals that are service accounts: programs that somebody answers for.
    pub accounts: Vec<String>,
    /// Policies that calls are judged by, beside the host's own rules.
    pub policy: policy::Config,
    /// Folders that an agent or a caller may be granted, by name, to look at.
    pub readable: BTreeMap<String, PathBuf>,
    /// The same, to change.
    pub writable: BTreeMap<String, PathBuf>,
}

impl Config {
    /// The folder of this name.
    pub fn workspace(&self, name: &str) -> Option<Workspace> {
        let of = |folders: &BTreeMap<String, PathBuf>, access| {
            folders.get(name).map(|source| Workspace { source: source.clone(), access })
        };
        of(&self.writable, Access::ReadWrite).or_else(|| of(&self.readable, Access::ReadOnly))
    }

    /// The names of all folders.
    pub fn workspaces(&self) -> Vec<String> {
        let mut names: Vec<String> = self.readable.keys().chain(self.writable.keys()).cloned().collect();
        names.sort_unstable();
        names
    }

    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let kinds = ["agent:", "principal:", "tenant:"];
        let strange = self
            .grants
            .keys()
            .filter(|name| !kinds.iter().any(|kind| name.len() > kind.len() && name.starts_with(kind)));
        let strange: Vec<_> = strange
            .map(|name| (format!("grants.{name}"), "agent:NAME, principal:NAME or tenant:NAME".to_owned()))
            .collect();
        let rows = |key: &'static str, folders: &BTreeMap<String, PathBuf>| {
            let wrong = folders.iter().filter(|(_, path)| !path.is_absolute());
            wrong.map(move |(name, _)| (format!("{key}.{name}"), "an absolute path".to_owned())).collect::<Vec<_>>()
        };
        let mut found = strange;
        found.extend(self.policy.impossible().into_iter().map(|(key, what)| (format!("policy.{key}"), what)));
        found.extend(rows("readable", &self.readable));
        found.extend(rows("writable", &self.writable));
        let both = self.readable.keys().filter(|name| self.writable.contains_key(*name));
        found
            .extend(both.map(|name| (format!("readable.{name}"), "a name that writable does not have too".to_owned())));
        found
    }
}
