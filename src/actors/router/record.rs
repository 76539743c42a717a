//! What the router leaves in the journal: tables by their hash, what each was made from, and what changed between them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{self, Durability, Event, Journal, NewEvent, Projection};
use crate::types::{Hash, Timestamp};
use crate::ziggy::route::{Basis, Change, Fib};

/// The kinds of events the router leaves.
pub mod kind {
    /// What a table was made from: [`super::Recorded`].
    pub const BASIS: &str = "rib.recorded";
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
    /// Address of the table among the journal's payloads, if it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Hash>,
}

/// Body of [`kind::BASIS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its hash.
    pub basis_hash: Hash,
    /// All candidates and the governance, if that is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// Address of the same among the journal's payloads, if it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Hash>,
}

/// Body of [`kind::CHANGED`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Version of the table in which it is so.
    pub fib: Hash,
    /// What changed, by candidate; the first of it if that is much.
    pub changes: Vec<Change>,
}

/// The longest table that stands in its event, in bytes: an eighth of what an event may have by default.
const INLINE_MOST: usize = 131_072;

/// A table that is to be written down, with what it was made from.
pub(super) struct Writing {
    pub(super) fib: Arc<Fib>,
    pub(super) basis: Basis,
}

/// Writes tables and changes down. What is long is a payload, and on disk before the event that names it.
pub(super) async fn write(
    journal: &Arc<dyn Journal>,
    source: &str,
    writing: Option<Writing>,
    changed: Option<Changed>,
) -> Result<(), store::Error> {
    let mut events = Vec::new();
    if let Some(Writing { fib, basis }) = writing {
        // Neither has a map with keys that are no strings, so both have a JSON form.
        let (table, made_from) =
            (serde_json::to_vec(&*fib).unwrap_or_default(), serde_json::to_vec(&basis).unwrap_or_default());
        let basis_hash = Hash::of(&made_from);
        let mut recorded = Recorded { basis_hash, basis: None, payload: None };
        if made_from.len() > INLINE_MOST {
            recorded.payload = Some(journal.put_payload(made_from).await?);
        } else {
            recorded.basis = Some(basis);
        }
        let (candidates, destinations) = (fib.rows.len(), fib.routes.len());
        let (version, at) = (fib.version, fib.at);
        let mut built = Built { version, basis: basis_hash, at, candidates, destinations, fib: None, payload: None };
        if table.len() > INLINE_MOST {
            built.payload = Some(journal.put_payload(table).await?);
        } else {
            built.fib = Some(Fib::clone(&fib));
        }
        events.push(NewEvent::new(kind::BASIS, None, source, &recorded));
        events.push(NewEvent::new(kind::BUILT, None, source, &built));
    }
    events.extend(changed.map(|changed| NewEvent::new(kind::CHANGED, None, source, &changed)));
    if !events.is_empty() {
        journal.append(events, Durability::Behind).await?;
    }
    Ok(())
}

/// Where each table stands in the journal, by its hash.
pub struct TablesProjection;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// Number of the last event that holds it.
    seq: u64,
}

/// What stands in both bodies under the name that is looked for.
#[derive(Deserialize)]
struct Named {
    version: Option<Hash>,
    basis_hash: Option<Hash>,
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
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        if event.kind != kind::BUILT && event.kind != kind::BASIS {
            return Vec::new();
        }
        let named = event.body.parse::<Named>();
        named.and_then(|named| named.version.or(named.basis_hash)).map(|hash| hash.to_string()).into_iter().collect()
    }

    fn fold(&self, _key: &str, _row: Option<Value>, event: &Event) -> Option<Value> {
        serde_json::to_value(Place { seq: event.seq }).ok()
    }
}

/// The event that holds a table or a basis of this hash, if it is still in the journal.
async fn event(journal: &dyn Journal, hash: Hash) -> Result<Option<Event>, store::Error> {
    let row = journal.row(TablesProjection::NAME, &hash.to_string()).await?;
    let Some(Place { seq }) = row.and_then(|row| serde_json::from_value(row).ok()) else { return Ok(None) };
    let event = journal.read(seq, 1).await?.into_iter().next();
    Ok(event.filter(|event| event.seq == seq))
}

/// The table of this version, if it is still in the journal.
///
/// # Errors
/// The journal cannot be read.
pub async fn table(journal: &dyn Journal, version: Hash) -> Result<Option<Fib>, store::Error> {
    let Some(event) = event(journal, version).await? else { return Ok(None) };
    match event.body.parse::<Built>() {
        Some(Built { fib: Some(fib), .. }) => Ok(Some(fib)),
        Some(Built { payload: Some(payload), .. }) => {
            let bytes = journal.get_payload(payload).await?;
            Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
        }
        _ => Ok(None),
    }
}
