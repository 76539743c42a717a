//! Who is served by which version: those in general use, those on trial, those that were taken out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tds::tool::{Range, Version};
use crate::types::Hash;

/// Whom a version on trial serves: each of these, and nobody else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Canary {
    /// Of a hundred runs (or callers, outside of runs) so many, always the same ones.
    #[serde(skip_serializing_if = "crate::types::is_default")]
    #[schema(maximum = 100)]
    pub share_percent: u8,
    /// Agents, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Callers who were granted one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Everybody, on a host whose configuration turns this on (`tools.flags`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
}

/// How a version stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "stage", rename_all = "snake_case")]
#[schema(as = ToolStage)]
pub enum Stage {
    /// In general use.
    #[default]
    Active,
    /// On trial.
    Canary(Canary),
    /// Taken out, by itself or by a person, until a person says otherwise.
    Quarantined {
        /// Why.
        reason: String,
    },
}

impl Stage {
    /// The word used in JSON and explanations.
    pub fn word(&self) -> &'static str {
        match self {
            Stage::Active => "active",
            Stage::Canary(_) => "canary",
            Stage::Quarantined { .. } => "quarantined",
        }
    }
}

/// Who asks for a tool, as far as it decides between versions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker<'a> {
    /// The agent that calls, if one does.
    pub agent: Option<&'a str>,
    /// What the caller was granted.
    pub scopes: &'a [String],
    /// What is the same for the whole of a run: a run is served by one version throughout.
    pub seat: &'a str,
    /// What the host's configuration turns on.
    pub flags: &'a [String],
}

impl Canary {
    /// Whether it serves this asker. A share is drawn by the tool and the seat, so that nobody goes back and forth.
    pub fn serves(&self, tool: &str, asker: &Asker<'_>) -> bool {
        let named = asker.agent.is_some_and(|agent| self.agents.iter().any(|one| one == agent));
        let granted = self.scopes.iter().any(|scope| asker.scopes.contains(scope));
        let flagged = self.flag.as_ref().is_some_and(|flag| asker.flags.contains(flag));
        named || granted || flagged || drawn(tool, asker.seat) < self.share_percent
    }
}

/// A number below a hundred.
fn drawn(tool: &str, seat: &str) -> u8 {
    let hash = Hash::of(format!("{tool}\n{seat}").as_bytes()).0;
    let number = u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
    u8::try_from(number % 100).unwrap_or(0)
}

/// The version that serves: a newer one on trial if it is meant for who asks, else the newest in general use. One before a
/// release is taken if there is nothing else, or if it is asked for by its name. Who asks for exactly one version on trial
/// gets it.
pub(super) fn chosen<'v>(
    tool: &str,
    versions: &'v BTreeMap<Version, Stage>,
    required: Option<&Range>,
    asker: Option<&Asker<'_>>,
) -> Option<&'v Version> {
    let taken: Vec<(&Version, &Stage)> =
        versions.iter().rev().filter(|(version, _)| required.is_none_or(|range| range.takes(version))).collect();
    let active = |(_, stage): &&(&Version, &Stage)| **stage == Stage::Active;
    let released = taken.iter().filter(active).find(|(version, _)| !version.is_before_release());
    let usual = released.or_else(|| taken.iter().find(active)).map(|(version, _)| *version);
    let on_trial = taken.iter().find_map(|(version, stage)| {
        let Stage::Canary(canary) = stage else { return None };
        let newer = usual.is_none_or(|usual| *version > usual);
        let exact = required.is_some_and(|range| range.takes_only(version));
        (exact || newer && asker.is_some_and(|asker| canary.serves(tool, asker))).then_some(*version)
    });
    on_trial.or(usual)
}
