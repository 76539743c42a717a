//! The sections that belong to the host as a whole. Every other part brings its own `Config`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The host itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Where everything is kept that outlives the process. Never empty once the configuration is loaded.
    pub data_dir: PathBuf,
    /// Seconds a stop may take.
    pub stop_timeout_s: u64,
}

impl Host {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        at_least_one(&[("stop_timeout_s", self.stop_timeout_s == 0)])
    }
}

fn at_least_one(zero: &[(&'static str, bool)]) -> Vec<(&'static str, String)> {
    zero.iter().filter(|(_, zero)| *zero).map(|(key, _)| (*key, "at least 1".to_owned())).collect()
}
