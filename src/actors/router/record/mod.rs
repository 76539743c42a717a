//! What the router leaves in the journal: tables by their hash, what each was made from, and what changed between them.
//!
//! All of it is in events, in several if it is long, so that the chain proves it, an archive holds it, and it leaves the
//! journal with the retention. A table is written whole, or as what it has otherwise than the one that was written before
//! it: a few kilobytes of ten thousand agents. A table that was written whole begins a line; those after it belong to it
//! until the next begins. Where a table stood that left is forgotten by and by (RO4).

mod line;
mod read;
mod ties;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inference::Capabilities;
use crate::store::{Event, Projection};
use crate::types::{Hash, Timestamp, is_default};
use crate::ziggy::privacy;
use crate::ziggy::route::{Basis, BasisDelta, Change, Fib, FibDelta, Rules};

pub use line::{Rebuilt, Written, joined};
pub use read::{registry, table};
pub use ties::Lines;
pub(super) use write::{Scribe, Writing, write};

/// The kinds of events the router leaves.
pub mod kind {
    /// What a table was made from: [`super::Recorded`].
    pub const BASIS: &str = "rib.recorded";
    /// Which runtimes there were, and by which rules tables were made: [`super::Set`].
    pub const REGISTRY: &str = "providers.recorded";
    /// A part of what the next of the three others after it is about: [`super::Part`].
    pub const PART: &str = "routes.part";
    /// A table: [`super::Built`].
    pub const BUILT: &str = "fib.built";
    /// What a table changed: [`super::Changed`].
    pub const CHANGED: &str = "routes.changed";
}

/// Body of [`kind::BUILT`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Built {
    /// Version of the table, which is its hash.
    pub version: Hash,
    /// Hash of what it was made from.
    pub basis: Hash,
    /// When it was built.
    pub at: Timestamp,
    /// Candidates in it.
    pub candidates: usize,
    /// Destinations in it.
    pub destinations: usize,
    /// The table, if it is written whole and short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fib: Option<Fib>,
    /// Version of the table written before it, if this one is written as what it has otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Hash>,
    /// What it has otherwise, if that is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<FibDelta>,
    /// How many tables of its line were written before it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub depth: u32,
    /// In how many events directly before this one it stands, if it is long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parts: usize,
    /// How many events directly before this one were written with it: its parts, what it was made from, the registry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub with: usize,
    /// Tables and registries that have left the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forgotten: Vec<Hash>,
    /// Numbers of the events by which tables were found that have left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<u64>,
    /// Hash of the registry in which its runtimes stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Hash>,
    /// Whether that registry was written with it, so that nothing before these events is needed for any table from here on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub complete: bool,
}

/// What a host knows of its runtimes and makes tables by, from its start to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registry {
    /// Every runtime: its model, whose endpoint it asks and by which key's name, where it is, what it can do and costs.
    pub providers: BTreeMap<String, Capabilities>,
    /// What tables are made by.
    pub rules: Rules,
    /// Where data may be.
    pub privacy: privacy::Config,
}

impl Registry {
    /// The hash it goes by.
    pub fn hash(&self) -> Hash {
        Hash::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

/// Body of [`kind::REGISTRY`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// Its hash.
    pub registry_hash: Hash,
    /// The registry, if it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    /// In how many events directly before this one it stands, if it is long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parts: usize,
}

/// Body of [`kind::BASIS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its hash.
    pub basis_hash: Hash,
    /// All candidates and the governance, if it is written whole and short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// Hash of what the table before was made from, if this is written as what it has otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Hash>,
    /// What it has otherwise, if that is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<BasisDelta>,
    /// In how many events directly before this one it stands, if it is long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parts: usize,
}

/// Body of [`kind::PART`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// A piece of its JSON.
    pub text: String,
}

/// Body of [`kind::CHANGED`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Version of the table in which it is so.
    pub fib: Hash,
    /// What changed, by candidate; the first of it if that is much.
    pub changes: Vec<Change>,
}

/// Where each table stands in the journal: by its hash, and in the order in which they were written.
pub struct TablesProjection;

/// One table or registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// Number of the last event that holds it.
    seq: u64,
    /// How many events directly before that one were written with it.
    #[serde(default)]
    with: u64,
    /// How many tables of its line were written before it.
    #[serde(default)]
    depth: u32,
    /// Whether the journal can begin with these events and every table in it be made again.
    #[serde(default)]
    complete: bool,
}

/// What stands in the bodies under the name that is looked for.
#[derive(Deserialize)]
struct Named {
    version: Option<Hash>,
    registry_hash: Option<Hash>,
    #[serde(default)]
    parts: u64,
    #[serde(default)]
    with: u64,
    #[serde(default)]
    depth: u32,
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    forgotten: Vec<Hash>,
    #[serde(default)]
    left: Vec<u64>,
}

impl TablesProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "tables";
}

/// The beginning of the keys of rows by hash, and of those by number.
const BY_HASH: &str = "is/";
const BY_NUMBER: &str = "at/";

/// The key of what goes by a hash.
fn by_hash(hash: Hash) -> String {
    format!("{BY_HASH}{hash}")
}

/// The key of the table in the event of this number: as many digits as the largest has, so that they sort as they count.
fn by_number(seq: u64) -> String {
    format!("{BY_NUMBER}{seq:020}")
}

impl Projection for TablesProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        4
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        if ![kind::BUILT, kind::REGISTRY].contains(&event.kind.as_str()) {
            return Vec::new();
        }
        let Some(named) = event.body.parse::<Named>() else { return Vec::new() };
        let own = named.version.or(named.registry_hash).map(by_hash).into_iter();
        let at = named.version.map(|_| by_number(event.seq));
        let gone = named.forgotten.into_iter().map(by_hash).chain(named.left.into_iter().map(by_number));
        own.chain(at).chain(gone).collect()
    }

    fn fold(&self, key: &str, _row: Option<Value>, event: &Event) -> Option<Value> {
        let named = event.body.parse::<Named>()?;
        let own = named.version.or(named.registry_hash).map(by_hash).as_deref() == Some(key);
        if !own && key != by_number(event.seq) {
            return None;
        }
        let Named { with, parts, depth, complete, .. } = named;
        serde_json::to_value(Place { seq: event.seq, with: with.max(parts), depth, complete }).ok()
    }
}
