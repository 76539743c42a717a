//! A tool as its author describes it: every key of `tool.toml`, as types. Their comments are the descriptions of the
//! published schema.

mod access;
mod interface;
mod limits;
mod proof;
mod run;
mod text;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::is_default;

pub use access::{
    Approval, Auth, Deliver, Egress, FileDelivery, HeaderDelivery, Method, PersonalData, Pii, Policy, Secret,
};
pub use interface::{Example, HostArgument, HostSource, Interface, ToolSchema};
pub use limits::{Backoff, Cache, Cost, Idempotency, Limits, Quota, Retry, RetryOn, Slo};
pub use proof::{Compensation, Contract, Deprecation, Expect, Golden, LogLevel, Observability, Tests};
pub use run::{Component, Image, Isolation, Native, Program, Risk, Run};
pub use text::{
    Date, FilePath, FunctionName, HeaderName, HostName, Id, ImageName, KeySource, Name, Range, Reference, Region, Role,
    Scope, SecretPath, Tag, Title, UrlPath, ValuePointer, Version,
};

/// The version of the standard that a file is written in.
pub const STANDARD: u32 = 1;

/// What a tool offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Does something to the world.
    Action,
    /// Finds something out.
    Query,
    /// Answers in pieces while it works.
    Stream,
    /// Stays and reports what happens until it is told to stop.
    Subscription,
    /// Takes several inputs in one call.
    Batch,
}

/// What a call does to the world. Ordered: the stronger is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SideEffects {
    /// Nothing: the same input gives the same answer for a while, and nobody can tell that it was asked.
    None,
    /// Something, and the same call again changes nothing more.
    Idempotent,
    /// Something, each time.
    NonIdempotent,
}

fn standard(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "const": STANDARD })
}

/// One tool: what it is, how it is called, what it may do, how it is run and how it is proved to work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "TDS 1: tool.toml")]
pub struct Tool {
    /// The version of this standard: 1.
    #[schemars(schema_with = "standard")]
    pub tds: u32,
    /// Unique id of the tool; its versions share it.
    pub id: Id,
    /// Its name for people.
    pub name: Title,
    /// This version. A change that breaks callers needs a new major version (below 1.0.0: a new minor one).
    pub version: Version,
    /// The versions that a caller may ask for and be served by this one. Without it, the caret range of `version`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub semver_range: Option<Range>,
    /// The day this version was released.
    #[serde(default, skip_serializing_if = "is_default")]
    pub released_at: Option<Date>,
    /// What the tool does and when to use it: all that a model is told besides the input's schema.
    #[schemars(length(min = 1, max = 2_000))]
    pub description: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 16))]
    pub tags: BTreeSet<Tag>,
    /// What it offers.
    #[schemars(length(min = 1))]
    pub capabilities: BTreeSet<Capability>,
    /// What a call does to the world.
    pub side_effects: SideEffects,
    /// The weakest isolation it may be run in.
    pub isolation: Isolation,
    /// Raises the risk that follows from what the tool may do; it cannot lower it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub risk: Option<Risk>,
    /// How it is called.
    pub interface: Interface,
    /// How it is run.
    pub run: Run,
    /// What a call may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// How often it may be called; without it, as often as there is room.
    #[serde(default, skip_serializing_if = "is_default")]
    pub quota: Option<Quota>,
    /// How good it has to be; without it, nobody minds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub slo: Option<Slo>,
    /// What happens when a call fails in a way that may pass.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// How a call is kept from being done twice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idempotency: Option<Idempotency>,
    /// Whether answers may be used again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cache: Option<Cache>,
    /// What a caller must have been granted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub auth: Auth,
    /// Which secrets are used for a call, by their paths.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 16))]
    pub secrets: Vec<Secret>,
    /// Who may call it, with which data, where.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: Policy,
    /// Where it may send requests; without a rule, nowhere.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 64))]
    pub egress: Vec<Egress>,
    /// What is recorded of a call.
    #[serde(default, skip_serializing_if = "is_default")]
    pub observability: Observability,
    /// How it is proved to work before it is published and whenever the host starts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tests: Tests,
    /// What a call costs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cost: Cost,
    /// How a call is undone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub compensation: Option<Compensation>,
    /// What it replaces, and when it goes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deprecation: Option<Deprecation>,
}

impl Tool {
    /// Every file beside the description that it names, each with where.
    pub fn files(&self) -> Vec<(String, &FilePath)> {
        self.run.files().into_iter().chain(self.tests.files()).collect()
    }

    /// The versions that this one serves callers of.
    pub fn serves(&self) -> Range {
        let caret = || {
            let semver::Version { major, minor, patch, pre, .. } = self.version.0.clone();
            let op = semver::Op::Caret;
            let only = semver::Comparator { op, major, minor: Some(minor), patch: Some(patch), pre };
            Range(semver::VersionReq { comparators: vec![only] })
        };
        self.semver_range.clone().unwrap_or_else(caret)
    }
}
