//! What an operator decides about where secrets are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Engine, Path};

/// Where secrets of tools are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Nowhere: a tool that needs one is not run.
    Nowhere,
    /// In variables of the host's environment.
    Env,
    /// In files below one folder.
    Files,
    /// In a Vault, or what speaks as one.
    Vault,
}

/// The place of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which kind of place.
    pub kept: Kept,
    /// Which variable is which secret, by the secret's path.
    pub variables: BTreeMap<Path, String>,
    /// The folder of the files.
    pub folder: PathBuf,
    /// The Vault.
    pub vault: VaultPlace,
}

/// Which Vault, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultPlace {
    /// Such as `https://vault.example.com:8200`.
    pub address: String,
    /// The namespace all paths are in; empty for none.
    pub namespace: String,
    /// The engines that may be read, by where they are mounted.
    pub mounts: BTreeMap<Path, Engine>,
    /// The variable of the environment with the token.
    pub token_env: String,
    /// The file with the token, instead.
    pub token_file: PathBuf,
    /// A file with the certificate of the authority to trust; empty for those this machine trusts.
    pub authority: PathBuf,
    /// Seconds after which a place that cannot be connected to is down.
    pub connect_timeout_s: u64,
}

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let vault = &self.vault;
        let (in_files, in_vault) = (self.kept == Kept::Files, self.kept == Kept::Vault);
        let no_token = vault.token_env.is_empty() == vault.token_file.as_os_str().is_empty();
        let rows = [
            ("variables", self.kept == Kept::Env && self.variables.is_empty(), "a variable for each secret"),
            ("variables", self.variables.values().any(String::is_empty), "names of variables"),
            ("folder", in_files && !self.folder.is_absolute(), "an absolute path"),
            ("vault.address", in_vault && vault.address.is_empty(), "the address of a vault"),
            ("vault.mounts", in_vault && vault.mounts.is_empty(), "at least one engine and where it is mounted"),
            ("vault.token_env", in_vault && no_token, "either this or token_file"),
            ("vault.connect_timeout_s", vault.connect_timeout_s == 0, "at least 1"),
        ];
        rows.into_iter().filter(|(_, wrong, _)| *wrong).map(|(key, _, expected)| (key, expected.to_owned())).collect()
    }
}
