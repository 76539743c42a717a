//! Reading the whole chain and saying where it stops being what was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::Executor;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::super::{BadEvent, COMPACTED, Compacted, Error, Event, Projection, Verification};
use super::connect::{is_damage, reading, words};
use super::read::{self, Anchor, Tail};
use super::{compact, refold};
use crate::types::Hash;

/// Events read at once: at most a few MiB of the largest, and enough that the query costs little beside the hashing.
pub(super) const PAGE: usize = 256;

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
    let first_bad = made_of_events(connection, projections, chain.archived + chain.verified).await?;
    Ok(Verification { first_bad, ..chain })
}

/// The same of the rows and the structures alone, where the events up to `last` are proved.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    last: u64,
) -> Result<Option<BadEvent>, Error> {
    connection.execute("BEGIN").await.map_err(|error| reading(&error))?;
    made_of_events(connection, projections, last).await
}

async fn made_of_events(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    last: u64,
) -> Result<Option<BadEvent>, Error> {
    let bad = match refold::check(connection, projections, last).await {
        Err(Error::Corrupt(reason)) => Some(BadEvent { seq: last, reason: format!("projections: {reason}") }),
        found => found?,
    };
    match bad {
        None => Ok(structures(connection).await?.map(|reason| BadEvent { seq: last, reason })),
        bad => Ok(bad),
    }
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
pub(super) async fn chain(connection: &mut SqliteConnection) -> Result<Verification, Error> {
    let (anchor, tail) = match (read::anchor(connection).await, read::tail(connection).await) {
        (Err(Error::Corrupt(reason)), _) | (_, Err(Error::Corrupt(reason))) => {
            return Ok(Walked::default().broken(1, reason));
        }
        (anchor, tail) => (anchor?, tail?),
    };
    let mut walked = Walked::from(anchor);
    let payloads = match Payloads::check(connection).await {
        Err(Error::Corrupt(reason)) => return Ok(walked.broken(walked.seq + 1, format!("payloads: {reason}"))),
        payloads => payloads?,
    };
    let mut limit = PAGE;
    while walked.seq < tail.seq {
        let page = match page(connection, walked.seq + 1, tail.seq, limit).await {
            Ok(page) => page,
            // The damage may lie events further on: those before it are still to be counted.
            Err(error) if is_damage(&error) && limit > 1 => {
                limit = 1;
                continue;
            }
            Err(error) if is_damage(&error) => return Ok(walked.broken(walked.seq + 1, words(&error))),
            Err(error) => return Err(reading(&error)),
        };
        if page.is_empty() {
            break;
        }
        for row in &page {
            if let Err(reason) = walked.step(row, &payloads) {
                return Ok(walked.broken(walked.seq + 1, reason));
            }
        }
    }
    if let Some((seq, reason)) = walked.unanchored(connection).await? {
        return Ok(walked.broken(seq, reason));
    }
    Ok(finish(&walked, &tail, payloads))
}

/// How far the chain was walked.
#[derive(Default)]
struct Walked {
    /// The last event that is in an archive, with its hash.
    archived: u64,
    anchor: Hash,
    /// The last good event, with its hash.
    seq: u64,
    head: Hash,
    /// What an event of the chain says of the anchor, if one did.
    compacted: Option<Compacted>,
}

impl Walked {
    fn from(anchor: Anchor) -> Walked {
        let Anchor { seq, hash } = anchor;
        Walked { archived: seq, anchor: hash, seq, head: hash, compacted: None }
    }

    /// Takes the next event, if it is the one that was written.
    fn step(&mut self, row: &SqliteRow, payloads: &Payloads) -> Result<(), String> {
        let event = follows(row, self.seq + 1, self.head)?;
        if let Some(reason) = payloads.named_by(&event) {
            return Err(reason);
        }
        let compacted = (event.kind == COMPACTED).then(|| event.body.parse::<Compacted>()).flatten();
        self.compacted = compacted
            .filter(|said| said.through == self.archived && said.hash == self.anchor)
            .or(self.compacted.take());
        (self.seq, self.head) = (event.seq, event.hash);
        Ok(())
    }

    /// What is wrong with the anchor: the chain must say itself that what was before it is archived, and what the
    /// projections were then.
    async fn unanchored(&self, connection: &mut SqliteConnection) -> Result<Option<(u64, String)>, Error> {
        if self.archived == 0 {
            return Ok(None);
        }
        let Some(said) = &self.compacted else {
            let reason = format!("it and all before it are gone, and no {COMPACTED} event says so");
            return Ok(Some((self.archived, reason)));
        };
        let base = match compact::base_hash(connection).await {
            Err(Error::Corrupt(reason)) => return Ok(Some((self.archived, format!("the rows of then: {reason}")))),
            base => base?,
        };
        let reason = "the rows that the archived events up to it had made are not what was stored";
        Ok((base != said.base).then(|| (self.archived, reason.to_owned())))
    }

    fn broken(&self, seq: u64, reason: String) -> Verification {
        Verification { first_bad: Some(BadEvent { seq, reason }), ..self.whole() }
    }

    fn whole(&self) -> Verification {
        let Walked { archived, anchor, seq, head, .. } = *self;
        Verification { verified: seq - archived, head, archived, anchor, withheld: 0, first_bad: None }
    }
}

/// Up to `limit` rows of the events from `from` to `to`.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
    limit: usize,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query(
        "SELECT seq, at, kind, run, source, body, hash FROM events WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3",
    )
    .bind(read::stored(from))
    .bind(read::stored(to))
    .bind(read::count(limit))
    .fetch_all(connection)
    .await
}

/// The event in this row, if it is the one that was written as number `seq` after `previous`.
pub(super) fn follows(row: &SqliteRow, seq: u64, previous: Hash) -> Result<Event, String> {
    let mut event = read::decode(row)?;
    if event.seq != seq {
        return Err(format!("it is missing: event {} follows event {}", event.seq, seq - 1));
    }
    event.previous = previous;
    let computed = event.computed_hash();
    if computed != event.hash {
        return Err(format!("its stored hash is {}, what it says has {computed}", event.hash));
    }
    Ok(event)
}

fn finish(walked: &Walked, tail: &Tail, payloads: Payloads) -> Verification {
    if let Some((seq, reason)) = tail.fault() {
        return walked.broken(seq, reason);
    }
    if walked.head != tail.hash {
        let reason = format!("it has hash {}, the last commit had {}", walked.head, tail.hash);
        return walked.broken(walked.seq.max(1), reason);
    }
    match payloads.first() {
        Some((after, reason)) => walked.broken(after, reason),
        None => walked.whole(),
    }
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
