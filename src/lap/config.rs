//! What an operator decides about tools.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::core::{self, INTERPRETERS, JiraPlace};
use super::{Fuzz, Workspace, policy};
use crate::sandbox::Access;
use crate::tds::tool::Method;

/// Inputs of each sort that are made of one schema at the most: all of them are held in memory.
const INPUTS_MOST: usize = 1_000;

/// Tools of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Tools that come with the host and are there: ids, or the first word of several.
    pub core: Vec<String>,
    /// Whom `http.get` and `http.send` may reach, and by which methods: `docs.example.com`, `api.example.com/v1/*`.
    pub hosts: BTreeMap<String, Vec<Method>>,
    /// Programs of the system that `shell.run` may start, by name.
    pub programs: Vec<String>,
    /// The Jira that `jira.*` works with.
    pub jira: JiraPlace,
    /// Scopes, and roles as `role:NAME`, by whom they are given to: `agent:NAME`, `principal:NAME`, `tenant:NAME`.
    pub grants: BTreeMap<String, Vec<String>>,
    /// How much a tool is tried before it is published with inputs that are made of its schema.
    pub fuzz: Fuzz,
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
        if self.core.iter().any(|word| !core::ALL.iter().any(|own| own.is_meant(word))) {
            let all: Vec<&str> = core::ALL.iter().map(|own| own.id).collect();
            found.push(("core".to_owned(), format!("among {}, or the first word of some", all.join(", "))));
        }
        if self.fuzz.inputs > INPUTS_MOST {
            found.push(("fuzz.inputs".to_owned(), format!("at most {INPUTS_MOST}")));
        }
        if self.fuzz.inputs > 0 && self.fuzz.within_s == 0 {
            found.push(("fuzz.within_s".to_owned(), "at least 1, or no inputs".to_owned()));
        }
        found.extend(self.wrong_reach());
        found.extend(rows("readable", &self.readable));
        found.extend(rows("writable", &self.writable));
        let both = self.readable.keys().filter(|name| self.writable.contains_key(*name));
        found
            .extend(both.map(|name| (format!("readable.{name}"), "a name that writable does not have too".to_owned())));
        found
    }

    /// What is wrong with whom core tools may reach and what they may start.
    fn wrong_reach(&self) -> Vec<(String, String)> {
        let expected =
            "a host such as docs.example.com, *.example.com/v1/* or http://printer.example.com:631, with its methods";
        let wrong = self.hosts.iter().filter(|(host, methods)| methods.is_empty() || !core::is_host(host));
        let mut found: Vec<_> = wrong.map(|(host, _)| (format!("hosts.{host}"), expected.to_owned())).collect();
        let program = |name: &String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
            !name.is_empty() && !name.starts_with('-') && name.bytes().all(plain)
        };
        if !self.programs.iter().all(program) {
            found.push(("programs".to_owned(), "names of programs, such as wc".to_owned()));
        }
        if let Some(name) = self.programs.iter().find(|name| INTERPRETERS.contains(&name.as_str())) {
            let text = format!("programs that run no code or other programs, unlike {name}; shell.line is for lines");
            found.push(("programs".to_owned(), text));
        }
        let host = &self.jira.host;
        if !host.is_empty() && (host.contains(['/', ':', '*']) || !core::is_host(host)) {
            found.push(("jira.host".to_owned(), "a host such as acme.atlassian.net".to_owned()));
        }
        if !host.is_empty() && self.jira.secret.is_empty() {
            found.push(("jira.secret".to_owned(), "where the token is kept, such as jira/token".to_owned()));
        }
        found
    }
}
