//! What a transaction says: the statements, and how many rows each takes.
//!
//! One statement of a hundred rows costs a fraction of a hundred statements, most of all because each is a message to
//! SQLite's thread and back. Prepared statements have a fixed number of rows, so they come in powers of two and a
//! group is cut accordingly: 100 rows are 64 and 32 and 4.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::super::fold::{Known, RowKey, Touches};
use super::super::{Error, Event, Projection};
use super::cache::Cache;
use super::read;
use crate::types::Hash;

/// Rows of the largest statement, as a power of two: 128 rows of seven values are well below SQLite's 32766.
const LARGEST: u32 = 7;

/// Statements that take many rows, by the power of two of their number.
pub(super) struct Statements {
    events: Vec<Arc<str>>,
    rows: Vec<Arc<str>>,
}

impl Statements {
    pub(super) fn new() -> Statements {
        let sizes = |head: &str, row: &str, tail: &str| {
            let of = |size: u32| format!("{head}{}{tail}", vec![row; 1 << size].join(", ")).into();
            (0..=LARGEST).map(of).collect()
        };
        Statements {
            events: sizes(
                "INSERT INTO events (seq, at, kind, run, source, body, hash) VALUES ",
                "(?, ?, ?, ?, ?, ?, ?)",
                "",
            ),
            rows: sizes(
                "INSERT INTO rows (projection, key, value) VALUES ",
                "(?, ?, ?)",
                " ON CONFLICT (projection, key) DO UPDATE SET value = excluded.value",
            ),
        }
    }

    /// Writes events.
    pub(super) async fn events(
        &self,
        connection: &mut SqliteConnection,
        events: &[Arc<Event>],
    ) -> Result<(), sqlx::Error> {
        for (size, portion) in portions(events) {
            let mut query = sqlx::query(AssertSqlSafe(self.events[size].clone()));
            for event in portion {
                query = query
                    .bind(read::stored(event.seq))
                    .bind(event.at.0)
                    .bind(event.kind.clone())
                    .bind(event.run.map(|run| run.to_string()))
                    .bind(event.source.clone())
                    .bind(event.body.shared())
                    .bind(event.hash.0.to_vec());
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Writes the rows that are there and deletes those that are not.
    pub(super) async fn rows(
        &self,
        connection: &mut SqliteConnection,
        projections: &[Arc<dyn Projection>],
        rows: &Known,
    ) -> Result<(), sqlx::Error> {
        let there: Vec<(&RowKey, String)> =
            rows.iter().filter_map(|(key, value)| Some((key, value.as_ref()?.to_string()))).collect();
        for (size, portion) in portions(&there) {
            let mut query = sqlx::query(AssertSqlSafe(self.rows[size].clone()));
            for ((projection, key), value) in portion {
                query = query.bind(projections[*projection].name()).bind(key.clone()).bind(value.clone());
            }
            query.execute(&mut *connection).await?;
        }
        let gone = rows.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key);
        for (projection, keys) in by_projection(gone) {
            sqlx::query("DELETE FROM rows WHERE projection = ? AND key IN (SELECT value FROM json_each(?))")
                .bind(projections[projection].name())
                .bind(list(&keys))
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

/// Cuts a slice into portions whose lengths are powers of two, the largest first.
fn portions<T>(mut all: &[T]) -> impl Iterator<Item = (usize, &[T])> {
    std::iter::from_fn(move || {
        let size = all.len().checked_ilog2()?.min(LARGEST);
        let (portion, rest) = all.split_at(1 << size);
        all = rest;
        Some((size as usize, portion))
    })
}

/// Stores a payload, unless it is stored already.
pub(super) async fn payload(
    connection: &mut SqliteConnection,
    hash: Hash,
    after: u64,
    bytes: Vec<u8>,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO payloads (hash, after, bytes) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING")
        .bind(hash.0.to_vec())
        .bind(read::stored(after))
        .bind(bytes)
        .execute(connection)
        .await
        .map(drop)
}

/// The rows these events touch, as they are after them.
pub(super) async fn fold(
    connection: &mut SqliteConnection,
    cache: &mut Cache,
    projections: &[Arc<dyn Projection>],
    events: &[Arc<Event>],
) -> Result<Known, sqlx::Error> {
    let touches = Touches::of(projections.iter().enumerate(), events);
    let (mut rows, mut unknown) = (Known::new(), BTreeSet::new());
    for key in touches.keys() {
        match cache.take(key) {
            Some((key, value)) => drop(rows.insert(key, value)),
            None => drop(unknown.insert(key)),
        }
    }
    load(connection, projections, unknown, &mut rows).await?;
    touches.apply(projections, events, &mut rows);
    Ok(rows)
}

/// Reads rows; what is not found stays out.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    keys: BTreeSet<&RowKey>,
    rows: &mut Known,
) -> Result<(), sqlx::Error> {
    for (projection, keys) in by_projection(keys.into_iter()) {
        let name = projections[projection].name();
        let found: Vec<(String, String)> = sqlx::query_as(
            "SELECT key, value FROM rows WHERE projection = ? AND key IN (SELECT value FROM json_each(?))",
        )
        .bind(name)
        .bind(list(&keys))
        .fetch_all(&mut *connection)
        .await?;
        for (key, text) in found {
            let value = read::value(name, &key, &text).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            rows.insert((projection, key), Some(value));
        }
    }
    Ok(())
}

fn by_projection<'a>(keys: impl Iterator<Item = &'a RowKey>) -> HashMap<usize, Vec<&'a str>> {
    let mut grouped: HashMap<usize, Vec<&str>> = HashMap::new();
    for (projection, key) in keys {
        grouped.entry(*projection).or_default().push(key);
    }
    grouped
}

/// Keys as one JSON list, so that one statement serves any number of them.
fn list(keys: &[&str]) -> String {
    serde_json::Value::from(keys).to_string()
}

/// Moves the end of the chain and every projection's cursor to this event.
pub(super) async fn ends(
    connection: &mut SqliteConnection,
    last: &Event,
    projections: &[Arc<dyn Projection>],
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE head SET seq = ?, hash = ?")
        .bind(read::stored(last.seq))
        .bind(last.hash.0.to_vec())
        .execute(&mut *connection)
        .await?;
    if projections.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = projections.iter().map(|projection| projection.name()).collect();
    sqlx::query("UPDATE cursors SET seq = ? WHERE projection IN (SELECT value FROM json_each(?))")
        .bind(read::stored(last.seq))
        .bind(list(&names))
        .execute(connection)
        .await
        .map(drop)
}

/// Starts a projection over: no rows, and a cursor before the first event.
pub(super) async fn restart(connection: &mut SqliteConnection, projection: &dyn Projection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM rows WHERE projection = ?").bind(projection.name()).execute(&mut *connection).await?;
    place(connection, projection, 0).await
}

/// Puts a projection's cursor behind this event.
pub(super) async fn place(
    connection: &mut SqliteConnection,
    projection: &dyn Projection,
    seq: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO cursors (projection, version, seq) VALUES (?, ?, ?)")
        .bind(projection.name())
        .bind(i64::from(projection.version()))
        .bind(read::stored(seq))
        .execute(connection)
        .await
        .map(drop)
}

/// What the writer cannot go on from, in the journal's words.
pub(super) fn writing(error: &sqlx::Error) -> Error {
    Error::Write(super::connect::words(error))
}
