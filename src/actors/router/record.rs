//! What the router leaves in the journal: tables by their hash, what each was made from, and what changed between them.
//!
//! All of it is in events, in several if it is long, so that the chain proves it, an archive holds it, and it leaves the
//! journal with the retention. Where a table stood that left is forgotten by and by (RO4).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inference::Capabilities;
use crate::store::{self, Durability, Event, Journal, NewEvent, Projection, RowQuery};
use crate::types::{Hash, Timestamp};
use crate::ziggy::privacy;
use crate::ziggy::route::{Basis, Change, Fib, Rules};

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
    /// The table, if it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fib: Option<Fib>,
    /// In how many events directly before this one it stands, if it is long.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub parts: usize,
    /// Tables and what they were made from that have left the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forgotten: Vec<Hash>,
    /// Hash of the registry in which its runtimes stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Hash>,
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
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub parts: usize,
}

/// Body of [`kind::BASIS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its hash.
    pub basis_hash: Hash,
    /// All candidates and the governance, if that is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// In how many events directly before this one it stands, if it is long.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
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

/// The longest table that stands in its event, and the longest part, in bytes: an eighth of what an event may have by
/// default, so that it has room when its quotes are escaped.
const INLINE_MOST: usize = 131_072;

/// Rows looked at for one table that is written: far more than the three that it adds, so that what has left is found soon.
const LOOKED_AT: usize = 64;

/// A table that is to be written down, with what it was made from.
pub(super) struct Writing {
    pub(super) fib: Arc<Fib>,
    pub(super) basis: Basis,
    /// The registry's hash, and the registry if it has to be written down too.
    pub(super) registry: (Hash, Option<Arc<Registry>>),
}

/// Writes tables and changes down, everything in one append: parts stand directly before what they are parts of.
pub(super) async fn write(
    journal: &Arc<dyn Journal>,
    source: &str,
    writing: Option<Writing>,
    changed: Option<Changed>,
) -> Result<(), store::Error> {
    let mut events = Vec::new();
    if let Some(Writing { fib, basis, registry: (registry, set) }) = writing {
        if let Some(set) = set {
            let text = serde_json::to_string(&*set).unwrap_or_default();
            let parts = pieces(&text, source, &mut events);
            let short = (parts == 0).then(|| Registry::clone(&set));
            let body = Set { registry_hash: registry, registry: short, parts };
            events.push(NewEvent::new(kind::REGISTRY, None, source, &body));
        }
        // Neither has a map with keys that are no strings, so both have a JSON form.
        let (table, made_from) =
            (serde_json::to_string(&*fib).unwrap_or_default(), serde_json::to_string(&basis).unwrap_or_default());
        let basis_hash = Hash::of(made_from.as_bytes());
        let parts = pieces(&made_from, source, &mut events);
        let basis = (parts == 0).then_some(basis);
        events.push(NewEvent::new(kind::BASIS, None, source, &Recorded { basis_hash, basis, parts }));
        let (candidates, destinations) = (fib.rows.len(), fib.routes.len());
        let (version, at) = (fib.version, fib.at);
        let forgotten = left(&**journal, &[version, basis_hash, registry]).await?;
        let parts = pieces(&table, source, &mut events);
        let fib = (parts == 0).then(|| Fib::clone(&fib));
        let registry = Some(registry);
        let built = Built { version, basis: basis_hash, at, candidates, destinations, fib, parts, forgotten, registry };
        events.push(NewEvent::new(kind::BUILT, None, source, &built));
    }
    events.extend(changed.map(|changed| NewEvent::new(kind::CHANGED, None, source, &changed)));
    if !events.is_empty() {
        journal.append(events, Durability::Behind).await?;
    }
    Ok(())
}

/// Cuts what is long into events; returns how many.
fn pieces(text: &str, source: &str, events: &mut Vec<NewEvent>) -> usize {
    if text.len() <= INLINE_MOST {
        return 0;
    }
    let (before, mut rest) = (events.len(), text);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(INLINE_MOST));
        events.push(NewEvent::new(kind::PART, None, source, &Part { text: piece.to_owned() }));
        rest = after;
    }
    events.len() - before
}

/// What these parts are the parts of, if they are.
pub fn joined<T: DeserializeOwned>(parts: &[Event]) -> Option<T> {
    let mut text = String::new();
    for part in parts {
        let part = (part.kind == kind::PART).then(|| part.body.parse::<Part>())??;
        text.push_str(&part.text);
    }
    serde_json::from_str(&text).ok()
}

/// Some of the rows whose events have left the journal. Where to look is as good as chance, since a hash says it: so
/// each row is come upon, and a host that begins anew need not know how far the one before it was.
async fn left(journal: &dyn Journal, new: &[Hash]) -> Result<Vec<Hash>, store::Error> {
    let archived = journal.view().archived;
    let Some(first) = new.first().filter(|_| archived > 0).map(ToString::to_string) else { return Ok(Vec::new()) };
    let query = RowQuery {
        projection: TablesProjection::NAME,
        prefix: "",
        reverse: false,
        after: Some(&first),
        limit: LOOKED_AT,
    };
    let mut rows = journal.rows(query).await?;
    if rows.len() < LOOKED_AT {
        rows.extend(journal.rows(RowQuery { after: None, limit: LOOKED_AT - rows.len(), ..query }).await?);
    }
    let gone = rows.into_iter().filter_map(|(key, row)| {
        let place: Place = serde_json::from_value(row).ok()?;
        let hash: Hash = key.parse().ok()?;
        (place.seq <= archived && !new.contains(&hash)).then_some(hash)
    });
    let gone: BTreeSet<Hash> = gone.collect();
    Ok(gone.into_iter().collect())
}

/// Where each table stands in the journal, by its hash.
pub struct TablesProjection;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// Number of the last event that holds it.
    seq: u64,
}

/// What stands in all three bodies under the name that is looked for.
#[derive(Deserialize)]
struct Named {
    version: Option<Hash>,
    basis_hash: Option<Hash>,
    registry_hash: Option<Hash>,
    #[serde(default)]
    forgotten: Vec<Hash>,
}

impl Named {
    fn hash(&self) -> Option<Hash> {
        self.version.or(self.basis_hash).or(self.registry_hash)
    }
}

impl TablesProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "tables";
}

impl Projection for TablesProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        3
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        if ![kind::BUILT, kind::BASIS, kind::REGISTRY].contains(&event.kind.as_str()) {
            return Vec::new();
        }
        let Some(named) = event.body.parse::<Named>() else { return Vec::new() };
        named.hash().into_iter().chain(named.forgotten).map(|hash| hash.to_string()).collect()
    }

    fn fold(&self, key: &str, _row: Option<Value>, event: &Event) -> Option<Value> {
        let named = event.body.parse::<Named>()?.hash()?;
        if named.to_string() == key { serde_json::to_value(Place { seq: event.seq }).ok() } else { None }
    }
}

/// The event that holds a table of this version, and the parts before it, if they are still in the journal.
async fn event(journal: &dyn Journal, version: Hash) -> Result<Option<Built>, store::Error> {
    let row = journal.row(TablesProjection::NAME, &version.to_string()).await?;
    let Some(Place { seq }) = row.and_then(|row| serde_json::from_value(row).ok()) else { return Ok(None) };
    let event = journal.read(seq, 1).await?.into_iter().next().filter(|event| event.seq == seq);
    let Some(mut built) = event.and_then(|event| event.body.parse::<Built>()) else { return Ok(None) };
    if built.parts > 0 {
        let first = seq.saturating_sub(built.parts as u64);
        let parts = journal.read(first, built.parts).await?;
        let whole = parts.first().is_some_and(|part| part.seq == first);
        built.fib = if whole { joined(&parts) } else { None };
    }
    Ok(Some(built))
}

/// The registry in which the runtimes of a table stand, if both are still in the journal.
///
/// # Errors
/// The journal cannot be read.
pub async fn registry(journal: &dyn Journal, version: Hash) -> Result<Option<Registry>, store::Error> {
    let Some(hash) = event(journal, version).await?.and_then(|built| built.registry) else { return Ok(None) };
    let row = journal.row(TablesProjection::NAME, &hash.to_string()).await?;
    let Some(Place { seq }) = row.and_then(|row| serde_json::from_value(row).ok()) else { return Ok(None) };
    let event = journal.read(seq, 1).await?.into_iter().next().filter(|event| event.seq == seq);
    let Some(set) = event.and_then(|event| event.body.parse::<Set>()) else { return Ok(None) };
    if set.parts == 0 {
        return Ok(set.registry);
    }
    let first = seq.saturating_sub(set.parts as u64);
    let parts = journal.read(first, set.parts).await?;
    let whole = parts.first().is_some_and(|part| part.seq == first);
    Ok(if whole { joined(&parts) } else { None })
}

/// The table of this version, if it is still in the journal.
///
/// # Errors
/// The journal cannot be read.
pub async fn table(journal: &dyn Journal, version: Hash) -> Result<Option<Fib>, store::Error> {
    Ok(event(journal, version).await?.and_then(|built| built.fib))
}
