//! Reading what is committed.

use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Executor, QueryBuilder, Row, SqliteExecutor};

use super::super::{Body, Error, Event, RowQuery, fold};
use super::connect::reading;
use crate::types::{Hash, RunId, Timestamp};

const FROM: &str = "SELECT seq, at, kind, run, source, body, hash, \
    coalesce((SELECT hash FROM events AS before WHERE before.seq = events.seq - 1), \
        (SELECT hash FROM anchor WHERE anchor.seq = events.seq - 1)) \
    FROM events WHERE seq >= ?1 ORDER BY seq LIMIT ?2";

const OF_RUN: &str = "SELECT seq, at, kind, run, source, body, hash, \
    coalesce((SELECT hash FROM events AS before WHERE before.seq = events.seq - 1), \
        (SELECT hash FROM anchor WHERE anchor.seq = events.seq - 1)) \
    FROM events WHERE run = ?1 ORDER BY seq LIMIT ?2";

/// A number of rows as SQLite counts them.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A sequence number as SQLite keeps it.
pub(super) fn stored(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A sequence number as SQLite gave it. None is negative, so one that is was written by another hand.
pub(super) fn number(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}

/// Events from a sequence number on.
pub(super) async fn from(connection: &mut SqliteConnection, from: u64, limit: usize) -> Result<Vec<Event>, Error> {
    let query = sqlx::query(FROM).bind(stored(from)).bind(count(limit));
    events(query.fetch_all(connection).await)
}

/// Events of a run.
pub(super) async fn of_run(pool: &SqlitePool, run: RunId, limit: usize) -> Result<Vec<Event>, Error> {
    let query = sqlx::query(OF_RUN).bind(run.to_string()).bind(count(limit));
    events(query.fetch_all(pool).await)
}

fn events(rows: Result<Vec<SqliteRow>, sqlx::Error>) -> Result<Vec<Event>, Error> {
    rows.map_err(|error| reading(&error))?.iter().map(event).collect()
}

fn event(row: &SqliteRow) -> Result<Event, Error> {
    let seq = number(row.try_get(0).unwrap_or(0));
    decode(row).map_err(|reason| Error::Corrupt(format!("event {seq}: {reason}")))
}

/// The event in a row; its eighth column, if there is one, is the hash before.
pub(super) fn decode(row: &SqliteRow) -> Result<Event, String> {
    let unreadable = |error: sqlx::Error| error.to_string();
    let run: Option<&str> = row.try_get(3).map_err(unreadable)?;
    let previous = match row.try_get::<Option<&[u8]>, _>(7).ok().flatten() {
        Some(bytes) => hash(bytes)?,
        None => Hash::ZERO,
    };
    Ok(Event {
        seq: number(row.try_get(0).map_err(unreadable)?),
        at: Timestamp(row.try_get(1).map_err(unreadable)?),
        kind: row.try_get(2).map_err(unreadable)?,
        run: run.map(str::parse).transpose()?,
        source: row.try_get(4).map_err(unreadable)?,
        body: Body::from_text(row.try_get(5).map_err(unreadable)?),
        previous,
        hash: hash(row.try_get(6).map_err(unreadable)?)?,
    })
}

/// The hash in a column.
pub(super) fn hash(bytes: &[u8]) -> Result<Hash, String> {
    let bytes = bytes.try_into().map_err(|_| format!("a hash has 32 bytes, this has {}", bytes.len()))?;
    Ok(Hash(bytes))
}

/// Where the chain ends: by the row that says so, and by the events.
pub(super) struct Tail {
    /// Sequence number of the last commit's last event.
    pub(super) seq: u64,
    /// Hash of that event.
    pub(super) hash: Hash,
    /// Greatest sequence number among the events.
    pub(super) last: u64,
    /// The hash stored with that event.
    pub(super) last_hash: Hash,
}

impl Tail {
    /// What is wrong between the two, and where.
    pub(super) fn fault(&self) -> Option<(u64, String)> {
        if self.last < self.seq {
            return Some((self.last + 1, format!("it is missing: {} events were committed", self.seq)));
        }
        if self.last > self.seq {
            return Some((self.seq + 1, format!("it was not appended by a journal: only {} were", self.seq)));
        }
        (self.last_hash != self.hash)
            .then(|| (self.seq, format!("it has hash {}, the last commit had {}", self.last_hash, self.hash)))
    }
}

/// The last event that was moved into an archive; zeros if none was.
pub(super) struct Anchor {
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

impl Anchor {
    /// That of a chain from which nothing was moved.
    pub(super) fn beginning() -> Anchor {
        Anchor { seq: 0, hash: Hash::ZERO }
    }
}

/// Reads where the chain begins.
pub(super) async fn anchor(connection: &mut SqliteConnection) -> Result<Anchor, Error> {
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as("SELECT seq, hash FROM anchor")
        .fetch_optional(connection)
        .await
        .map_err(|error| reading(&error))?;
    let (seq, bytes) =
        row.ok_or_else(|| Error::Corrupt("the row that says where the chain begins is missing".to_owned()))?;
    let hash = hash(&bytes).map_err(|reason| Error::Corrupt(format!("the beginning of the chain: {reason}")))?;
    Ok(Anchor { seq: number(seq), hash })
}

/// Makes a connection that only reads see a journal without an anchor, which an older program wrote, as one whose anchor
/// is at its beginning: temporary tables of those names are looked at first.
pub(super) async fn older(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let anchors: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'anchor'")
        .fetch_one(&mut *connection)
        .await?;
    if anchors == 0 {
        let tables = "CREATE TEMP TABLE anchor AS SELECT 0 AS seq, zeroblob(32) AS hash; \
            CREATE TEMP TABLE base (projection TEXT, key TEXT, value TEXT)";
        connection.execute(tables).await?;
    }
    Ok(())
}

/// The hash of one event, as it is stored.
pub(super) async fn hash_of(connection: &mut SqliteConnection, seq: u64) -> Result<Option<Hash>, Error> {
    let bytes: Option<Vec<u8>> = sqlx::query_scalar("SELECT hash FROM events WHERE seq = ?1")
        .bind(stored(seq))
        .fetch_optional(connection)
        .await
        .map_err(|error| reading(&error))?;
    bytes.map(|bytes| hash(&bytes).map_err(|reason| Error::Corrupt(format!("event {seq}: {reason}")))).transpose()
}

/// Reads where the chain ends, in one snapshot.
pub(super) async fn tail(connection: &mut SqliteConnection) -> Result<Tail, Error> {
    let row = sqlx::query(
        "SELECT head.seq, head.hash, coalesce(last.seq, 0), coalesce(last.hash, zeroblob(32)) \
         FROM head LEFT JOIN events AS last ON last.seq = (SELECT max(seq) FROM events)",
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| reading(&error))?;
    let row = row.ok_or_else(|| Error::Corrupt("the row that says where the chain ends is missing".to_owned()))?;
    let wrong = |reason: String| Error::Corrupt(format!("the end of the chain: {reason}"));
    let column = |index| row.try_get::<&[u8], _>(index).map_err(|error| wrong(error.to_string()));
    Ok(Tail {
        seq: number(row.try_get(0).map_err(|error| reading(&error))?),
        hash: hash(column(1)?).map_err(wrong)?,
        last: number(row.try_get(2).map_err(|error| reading(&error))?),
        last_hash: hash(column(3)?).map_err(wrong)?,
    })
}

/// The hash of an event that must be there, or of the anchor.
pub(super) async fn hash_at(connection: &mut SqliteConnection, seq: u64) -> Result<Hash, Error> {
    let anchor = anchor(connection).await?;
    if seq == anchor.seq {
        return Ok(anchor.hash);
    }
    hash_of(connection, seq).await?.ok_or_else(|| Error::Corrupt(format!("event {seq}: it is missing")))
}

/// The number of the last event that was committed, if the row can be read that says so.
pub(super) async fn committed(connection: &mut SqliteConnection) -> Option<u64> {
    let seq: Option<i64> = sqlx::query_scalar("SELECT seq FROM head").fetch_optional(connection).await.ok()?;
    seq.map(number)
}

/// A payload, if its bytes are still the ones its address was made of.
pub(super) async fn payload(from: impl SqliteExecutor<'_>, address: Hash) -> Result<Option<Vec<u8>>, Error> {
    let bytes: Option<Vec<u8>> = sqlx::query_scalar("SELECT bytes FROM payloads WHERE hash = ?1")
        .bind(address.0.as_slice())
        .fetch_optional(from)
        .await
        .map_err(|error| reading(&error))?;
    match bytes {
        Some(bytes) if Hash::of(&bytes) != address => {
            Err(Error::Corrupt(format!("payload {address} is not the bytes that were stored")))
        }
        bytes => Ok(bytes),
    }
}

/// Whether a payload is stored. What a reader sees was synced: in WAL mode a commit shows itself after its sync.
pub(super) async fn has_payload(pool: &SqlitePool, address: Hash) -> Result<bool, Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM payloads WHERE hash = ?1)")
        .bind(address.0.as_slice())
        .fetch_one(pool)
        .await
        .map_err(|error| reading(&error))
}

/// One row of a projection.
pub(super) async fn row(pool: &SqlitePool, projection: &str, key: &str) -> Result<Option<Value>, Error> {
    let text: Option<String> = sqlx::query_scalar("SELECT value FROM rows WHERE projection = ?1 AND key = ?2")
        .bind(projection)
        .bind(key)
        .fetch_optional(pool)
        .await
        .map_err(|error| reading(&error))?;
    text.map(|text| value(projection, key, &text)).transpose()
}

/// Rows of a projection.
pub(super) async fn rows(pool: &SqlitePool, query: RowQuery<'_>) -> Result<Vec<(String, Value)>, Error> {
    let mut sql = QueryBuilder::new("SELECT key, value FROM rows WHERE projection = ");
    sql.push_bind(query.projection).push(" AND key >= ").push_bind(query.prefix);
    if let Some(end) = fold::beyond(query.prefix) {
        sql.push(" AND key < ").push_bind(end);
    }
    if let Some(after) = query.after {
        sql.push(if query.reverse { " AND key < " } else { " AND key > " }).push_bind(after);
    }
    sql.push(if query.reverse { " ORDER BY key DESC LIMIT " } else { " ORDER BY key LIMIT " });
    sql.push_bind(count(query.limit));
    let found: Vec<(String, String)> = sql.build_query_as().fetch_all(pool).await.map_err(|error| reading(&error))?;
    let parse = |(key, text): (String, String)| value(query.projection, &key, &text).map(|value| (key, value));
    found.into_iter().map(parse).collect()
}

/// The value in a row.
pub(super) fn value(projection: &str, key: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::Corrupt(format!("row {key:?} of projection {projection:?} is no JSON: {error}")))
}
