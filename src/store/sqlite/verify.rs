//! Reading the whole chain and saying where it stops being what was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::Executor;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::super::{BadEvent, Error, Event, Projection, Verification};
use super::connect::{is_damage, reading, words};
use super::read::{self, Tail};
use super::refold;
use crate::types::Hash;

/// Events read at once: at most a few MiB of the largest, and enough that the query costs little beside the hashing.
const PAGE: usize = 256;

/// Damaged payloads remembered. One is enough to condemn a journal; more only help to name the first event.
const FAULTS: usize = 1_000;

/// Checks events 1 to the last commit, every payload, the rows that the events make, and SQLite's own structures.
/// The connection is of no other use afterwards.
pub(super) async fn verify(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
) -> Result<Verification, Error> {
    // One snapshot, whatever a writer does meanwhile. It ends with the connection.
    connection.execute("BEGIN").await.map_err(|error| reading(&error))?;
    let chain = chain(connection).await?;
    if chain.first_bad.is_some() {
        return Ok(chain);
    }
    let bad = match refold::check(connection, projections, chain.verified).await {
        Err(Error::Corrupt(reason)) => Some(BadEvent { seq: chain.verified, reason: format!("projections: {reason}") }),
        found => found?,
    };
    let first_bad = match bad {
        None => structures(connection).await?.map(|reason| BadEvent { seq: chain.verified, reason }),
        bad => bad,
    };
    Ok(Verification { first_bad, ..chain })
}

/// What SQLite finds wrong with its own trees and indexes: damage that no read of a table goes through.
async fn structures(connection: &mut SqliteConnection) -> Result<Option<String>, Error> {
    let found: Result<String, sqlx::Error> =
        sqlx::query_scalar("PRAGMA main.integrity_check(1)").fetch_one(connection).await;
    match found {
        Ok(found) if found == "ok" => Ok(None),
        Ok(found) => Ok(Some(format!("the file's structure: {found}"))),
        Err(error) if is_damage(&error) => Ok(Some(words(&error))),
        Err(error) => Err(reading(&error)),
    }
}

/// Checks the chain and the payloads.
async fn chain(connection: &mut SqliteConnection) -> Result<Verification, Error> {
    let tail = match read::tail(connection).await {
        Err(Error::Corrupt(reason)) => return Ok(broken(0, Hash::ZERO, 1, reason)),
        tail => tail?,
    };
    let payloads = match Payloads::check(connection).await {
        Err(Error::Corrupt(reason)) => return Ok(broken(0, Hash::ZERO, 1, format!("payloads: {reason}"))),
        payloads => payloads?,
    };
    let (mut verified, mut head) = (0, Hash::ZERO);
    while verified < tail.seq {
        let page = match page(connection, verified + 1, tail.seq).await {
            Ok(page) => page,
            Err(error) if is_damage(&error) => return Ok(broken(verified, head, verified + 1, words(&error))),
            Err(error) => return Err(reading(&error)),
        };
        if page.is_empty() {
            break;
        }
        for row in &page {
            match check(row, verified + 1, head, &payloads) {
                Ok(event) => (verified, head) = (event.seq, event.hash),
                Err(reason) => return Ok(broken(verified, head, verified + 1, reason)),
            }
        }
    }
    Ok(finish(verified, head, &tail, payloads))
}

async fn page(connection: &mut SqliteConnection, from: u64, to: u64) -> Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query(
        "SELECT seq, at, kind, run, source, body, hash FROM events WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3",
    )
    .bind(read::stored(from))
    .bind(read::stored(to))
    .bind(read::count(PAGE))
    .fetch_all(connection)
    .await
}

/// The event in this row, if it is the one that was written as number `seq` after `previous`.
fn check(row: &SqliteRow, seq: u64, previous: Hash, payloads: &Payloads) -> Result<Event, String> {
    let mut event = read::decode(row)?;
    if event.seq != seq {
        return Err(format!("it is missing: event {} follows event {}", event.seq, seq - 1));
    }
    event.previous = previous;
    let computed = event.computed_hash();
    if computed != event.hash {
        return Err(format!("its stored hash is {}, what it says has {computed}", event.hash));
    }
    payloads.named_by(&event).map_or(Ok(event), Err)
}

fn finish(verified: u64, head: Hash, tail: &Tail, payloads: Payloads) -> Verification {
    if let Some((seq, reason)) = tail.fault() {
        return broken(verified, head, seq, reason);
    }
    if head != tail.hash {
        return broken(
            verified,
            head,
            verified.max(1),
            format!("it has hash {head}, the last commit had {}", tail.hash),
        );
    }
    match payloads.first() {
        Some((after, reason)) => broken(verified, head, after, reason),
        None => Verification { verified, head, first_bad: None },
    }
}

fn broken(verified: u64, head: Hash, seq: u64, reason: String) -> Verification {
    Verification { verified, head, first_bad: Some(BadEvent { seq, reason }) }
}

/// What is wrong with the payloads.
#[derive(Default)]
struct Payloads {
    /// Addresses whose bytes are others, with the last event before each came.
    changed: BTreeMap<String, u64>,
    /// The first gap in their numbers, with the last event before the payload behind the gap.
    gap: Option<u64>,
}

impl Payloads {
    /// Reads every payload, one at a time because each may be large.
    async fn check(connection: &mut SqliteConnection) -> Result<Payloads, Error> {
        let mut found = Payloads::default();
        let mut last = 0;
        loop {
            let next: Option<(i64, Vec<u8>, i64, Vec<u8>)> =
                sqlx::query_as("SELECT id, hash, after, bytes FROM payloads WHERE id > ?1 ORDER BY id LIMIT 1")
                    .bind(last)
                    .fetch_optional(&mut *connection)
                    .await
                    .map_err(|error| reading(&error))?;
            let Some((id, address, after, bytes)) = next else { return Ok(found) };
            let after = read::number(after);
            if id != last + 1 && found.gap.is_none() {
                found.gap = Some(after);
            }
            last = id;
            let address = read::hash(&address).map_err(Error::Corrupt)?;
            if Hash::of(&bytes) != address && found.changed.len() < FAULTS {
                found.changed.insert(address.to_string(), after);
            }
        }
    }

    /// Why an event that names a changed payload is bad. Only a journal with a changed payload pays for the search.
    fn named_by(&self, event: &Event) -> Option<String> {
        let named = self.changed.keys().find(|address| event.body.text().contains(address.as_str()))?;
        Some(format!("payload {named}, which it names, is not the bytes that were stored"))
    }

    /// A fault that no event names, placed at the last event before it.
    fn first(self) -> Option<(u64, String)> {
        let changed = self.changed.into_iter().min_by_key(|(_, after)| *after);
        let changed = changed
            .map(|(address, after)| (after, format!("payload {address}, stored after it, is not what was stored")));
        let gap = self.gap.map(|after| (after, "a payload stored up to it is missing".to_owned()));
        [changed, gap].into_iter().flatten().min()
    }
}
