//! What a transaction says to SQLite, in as few messages as can be.
//!
//! Every statement is a message to SQLite's own thread and back, some 40 us, while SQLite needs 6 us for an event. So a
//! usual group is one message of several statements, from BEGIN to COMMIT. Its text must be one of a few, or it would
//! be prepared anew each time: events come in places whose number is a power of two, and a place left NULL is left
//! out; rows and keys come as one JSON list, however many they are.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Executor};

use super::super::fold::{Known, RowKey, Touches};
use super::super::{Error, Event, Projection};
use super::cache::Cache;
use super::read;
use crate::types::Hash;

/// Events in the largest statement, as a power of two: 128 events of seven values are well below SQLite's 32766.
const LARGEST: usize = 7;

const SET_ROWS: &str = "INSERT INTO rows (projection, key, value) \
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true \
    ON CONFLICT (projection, key) DO UPDATE SET value = excluded.value";

const DROP_ROWS: &str = "DELETE FROM rows WHERE (projection, key) IN \
    (SELECT value ->> 0, value ->> 1 FROM json_each(?))";

const MOVE_HEAD: &str = "UPDATE head SET seq = ?, hash = ?";

const MOVE_CURSORS: &str = "UPDATE cursors SET seq = ? WHERE projection IN (SELECT value FROM json_each(?))";

/// The few texts a journal with these projections needs.
pub(super) struct Statements {
    /// Only events, by the power of two of their places.
    events: Vec<Arc<str>>,
    /// A whole transaction, likewise.
    whole: Vec<Arc<str>>,
    /// The end of a transaction that was begun, likewise.
    rest: Vec<Arc<str>>,
    /// The projections' names as a JSON list; empty if there are none.
    names: String,
}

type Bound = Query<'static, Sqlite, SqliteArguments>;

impl Statements {
    pub(super) fn new(projections: &[Arc<dyn Projection>]) -> Statements {
        let names: Vec<&str> = projections.iter().map(|projection| projection.name()).collect();
        let projected =
            if names.is_empty() { String::new() } else { format!("{SET_ROWS}; {DROP_ROWS}; {MOVE_CURSORS}; ") };
        // The events come last: the places after the last event get no value, and so are NULL.
        let events: Vec<String> = (0..=LARGEST).map(insert).collect();
        let rest = |events: &String| format!("{projected}{MOVE_HEAD}; {events}; COMMIT");
        Statements {
            whole: events.iter().map(|events| format!("BEGIN IMMEDIATE; {}", rest(events)).into()).collect(),
            rest: events.iter().map(|events| rest(events).into()).collect(),
            events: events.into_iter().map(Arc::from).collect(),
            names: if names.is_empty() { String::new() } else { list(&names) },
        }
    }

    /// Writes a group and commits it. After an error the transaction may still be open: the connection must go.
    pub(super) async fn commit(
        &self,
        connection: &mut SqliteConnection,
        payloads: Vec<(Hash, u64, Vec<u8>)>,
        events: &[Arc<Event>],
        projections: &[Arc<dyn Projection>],
        rows: &Known,
    ) -> Result<(), sqlx::Error> {
        let (mut texts, mut left) = (&self.whole, events);
        if !payloads.is_empty() || events.len() > 1 << LARGEST {
            texts = &self.rest;
            connection.execute("BEGIN IMMEDIATE").await?;
            for (hash, after, bytes) in payloads {
                payload(connection, hash, after, bytes).await?;
            }
            while let Some((portion, others)) = left.split_at_checked(1 << LARGEST) {
                let query = sqlx::query(AssertSqlSafe(self.events[LARGEST].clone()));
                bind(query, portion).execute(&mut *connection).await?;
                left = others;
            }
        }
        let Some(last) = events.last() else { return connection.execute("COMMIT").await.map(drop) };
        let places = left.len().max(1).next_power_of_two().ilog2() as usize;
        let mut query = sqlx::query(AssertSqlSafe(texts[places].clone()));
        if !projections.is_empty() {
            let (there, gone) = changes(projections, rows);
            query = query.bind(there).bind(gone).bind(read::stored(last.seq)).bind(self.names.clone());
        }
        query = query.bind(read::stored(last.seq)).bind(last.hash.0.to_vec());
        bind(query, left).execute(connection).await.map(drop)
    }
}

/// The statement with places for this power of two of events.
fn insert(power: usize) -> String {
    let places = vec!["(?, ?, ?, ?, ?, ?, ?)"; 1 << power].join(", ");
    format!(
        "INSERT INTO events (seq, at, kind, run, source, body, hash) \
         SELECT * FROM (VALUES {places}) WHERE column1 IS NOT NULL"
    )
}

fn bind(mut query: Bound, events: &[Arc<Event>]) -> Bound {
    for event in events {
        query = query
            .bind(read::stored(event.seq))
            .bind(event.at.0)
            .bind(event.kind.clone())
            .bind(event.run.map(|run| run.to_string()))
            .bind(event.source.clone())
            .bind(event.body.shared())
            .bind(event.hash.0.to_vec());
    }
    query
}

/// The rows that are there and the keys of those that are not, each as a JSON list.
fn changes(projections: &[Arc<dyn Projection>], rows: &Known) -> (String, String) {
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for ((projection, key), value) in rows {
        let name = projections[*projection].name();
        match value {
            Some(value) => there.push(Value::from([name, key, &value.to_string()].as_slice())),
            None => gone.push(Value::from([name, key].as_slice())),
        }
    }
    (Value::from(there).to_string(), Value::from(gone).to_string())
}

/// Writes the rows that are there and deletes those that are not.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    rows: &Known,
) -> Result<(), sqlx::Error> {
    let (there, gone) = changes(projections, rows);
    sqlx::query(SET_ROWS).bind(there).execute(&mut *connection).await?;
    sqlx::query(DROP_ROWS).bind(gone).execute(connection).await.map(drop)
}

/// Stores a payload, unless it is stored already.
async fn payload(connection: &mut SqliteConnection, hash: Hash, after: u64, bytes: Vec<u8>) -> Result<(), sqlx::Error> {
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
    let (mut rows, mut unknown, begun) = (Known::new(), BTreeSet::new(), touches.begun(projections, events));
    for key in touches.keys() {
        match cache.take(key) {
            Some((key, value)) => drop(rows.insert(key, value)),
            None if begun.contains(key) => {}
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

/// Starts a projection over: the rows of the archived events, and a cursor before the first one that is here.
pub(super) async fn restart(connection: &mut SqliteConnection, projection: &dyn Projection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM rows WHERE projection = ?").bind(projection.name()).execute(&mut *connection).await?;
    sqlx::query("INSERT INTO rows SELECT projection, key, value FROM base WHERE projection = ?")
        .bind(projection.name())
        .execute(&mut *connection)
        .await?;
    let anchor: i64 = sqlx::query_scalar("SELECT seq FROM anchor").fetch_one(&mut *connection).await?;
    place(connection, projection, read::number(anchor)).await
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
    Error::Write(super::connect::advised(error))
}
