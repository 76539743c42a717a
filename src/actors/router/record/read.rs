//! Tables and registries, read from a journal that is open.

use super::line::{Rebuilt, Written, joined};
use super::{BY_NUMBER, Built, Place, Registry, Set, TablesProjection, by_hash, by_number};
use crate::store::{self, Event, Journal, RowQuery};
use crate::types::Hash;
use crate::ziggy::route::Fib;

/// Where something stands, by its hash.
async fn place(journal: &dyn Journal, hash: Hash) -> Result<Option<Place>, store::Error> {
    let row = journal.row(TablesProjection::NAME, &by_hash(hash)).await?;
    Ok(row.and_then(|row| serde_json::from_value(row).ok()))
}

/// The event of this number and so many before it, if they are all still in the journal.
async fn events(journal: &dyn Journal, seq: u64, before: u64) -> Result<Option<Vec<Event>>, store::Error> {
    let first = seq.saturating_sub(before);
    let count = usize::try_from(seq - first + 1).unwrap_or(usize::MAX);
    let events = journal.read(first, count).await?;
    let whole = events.first().is_some_and(|event| event.seq == first) && events.len() == count;
    Ok(whole.then_some(events))
}

/// The places of a table and of those before it in its line, first to last; nothing if one of them is not there.
async fn line(journal: &dyn Journal, last: Place) -> Result<Option<Vec<Place>>, store::Error> {
    let wanted = last.depth as usize + 1;
    let after = by_number(last.seq.saturating_add(1));
    let query = RowQuery {
        projection: TablesProjection::NAME,
        prefix: BY_NUMBER,
        reverse: true,
        after: Some(&after),
        limit: wanted,
    };
    let rows = journal.rows(query).await?;
    let mut places: Vec<Place> = rows.into_iter().filter_map(|(_, row)| serde_json::from_value(row).ok()).collect();
    places.reverse();
    let follow = places.len() == wanted && (0..).zip(&places).all(|(depth, place)| place.depth == depth);
    Ok(follow.then_some(places))
}

/// The table of this version, if it and what it is a change of are still in the journal.
///
/// # Errors
/// The journal cannot be read.
pub async fn table(journal: &dyn Journal, version: Hash) -> Result<Option<Fib>, store::Error> {
    let Some(last) = place(journal, version).await? else { return Ok(None) };
    let Some(places) = line(journal, last).await? else { return Ok(None) };
    let mut rebuilt: Option<Rebuilt> = None;
    for place in places {
        let Some(events) = events(journal, place.seq, place.with).await? else { return Ok(None) };
        let Some(written) = Written::of(&events) else { return Ok(None) };
        let done = match &mut rebuilt {
            Some(known) => known.advance(written),
            none => Rebuilt::begin(written).map(|first| *none = Some(first)),
        };
        if let Err(reason) = done {
            tracing::warn!(reason, %version, "a table of the journal cannot be made again");
            return Ok(None);
        }
    }
    let fib = rebuilt.and_then(|rebuilt| {
        rebuilt.fib().inspect_err(|reason| tracing::warn!(reason, %version, "a table is not believed")).ok()
    });
    Ok(fib.filter(|fib| fib.version == version))
}

/// The registry in which the runtimes of a table stand, if both are still in the journal.
///
/// # Errors
/// The journal cannot be read.
pub async fn registry(journal: &dyn Journal, version: Hash) -> Result<Option<Registry>, store::Error> {
    let Some(Place { seq, .. }) = place(journal, version).await? else { return Ok(None) };
    let built = events(journal, seq, 0).await?.and_then(|events| events.first()?.body.parse::<Built>());
    let Some(hash) = built.and_then(|built| built.registry) else { return Ok(None) };
    let Some(Place { seq, with, .. }) = place(journal, hash).await? else { return Ok(None) };
    let Some(events) = events(journal, seq, with).await? else { return Ok(None) };
    let Some((last, parts)) = events.split_last() else { return Ok(None) };
    let Some(set) = last.body.parse::<Set>() else { return Ok(None) };
    Ok(if set.parts == 0 { set.registry } else { joined(parts) })
}
