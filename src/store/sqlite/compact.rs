//! Compaction: events that are in an archive leave the journal, and the chain goes on from an anchor.
//!
//! It has two halves, each one transaction. First an event says what will be gone and what the rows were then; it is
//! part of the chain, so nobody can move the anchor without it. Then the anchor moves, the rows of that moment become
//! the base of every later fold, and the events go. A crash between the two leaves a journal from which nothing is
//! missing.

use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};

use super::super::{Compacted, Error, Projection};
use super::connect::reading;
use super::{read, refold};
use crate::types::Hash;

/// The rows that the events up to the new anchor make, while they wait to become the base.
const NEXT_BASE: &str = "DROP TABLE IF EXISTS temp.next_base; ALTER TABLE temp.rows RENAME TO next_base";

/// What will be gone, with the rows as they were then beside it in a temporary table. Nothing if there is nothing that
/// may go.
pub(super) async fn prepare(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    through: u64,
    archive: &str,
) -> Result<Option<Compacted>, Error> {
    let anchor = read::anchor(connection).await?;
    let Some(hash) = read::hash_of(connection, through).await?.filter(|_| through > anchor.seq) else {
        return Ok(None);
    };
    refold::begin(connection).await?;
    refold::fold(connection, projections, anchor.seq, through).await?;
    connection.execute(NEXT_BASE).await.map_err(|error| reading(&error))?;
    let base = rows_hash(connection, "next_base").await?;
    Ok(Some(Compacted { through, hash, base, archive: archive.to_owned() }))
}

/// Moves the anchor, and lets the events before it go.
pub(super) async fn carry_out(connection: &mut SqliteConnection, what: &Compacted) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    transaction.execute("DELETE FROM base; INSERT INTO base SELECT * FROM temp.next_base").await?;
    sqlx::query("UPDATE anchor SET seq = ?1, hash = ?2")
        .bind(read::stored(what.through))
        .bind(what.hash.0.to_vec())
        .execute(&mut *transaction)
        .await?;
    sqlx::query("DELETE FROM events WHERE seq <= ?1")
        .bind(read::stored(what.through))
        .execute(&mut *transaction)
        .await?;
    transaction.execute("DROP TABLE temp.next_base").await?;
    transaction.commit().await
}

/// The hash of the base: what `journal.compacted` says it is, if nobody has touched it.
pub(super) async fn base_hash(connection: &mut SqliteConnection) -> Result<Hash, Error> {
    rows_hash(connection, "base").await
}

/// One hash over all rows of a table, each field behind its length, so that no two different tables have the same.
async fn rows_hash(connection: &mut SqliteConnection, table: &'static str) -> Result<Hash, Error> {
    let select = match table {
        "base" => "SELECT projection, key, value FROM base WHERE (projection, key) > (?1, ?2) ORDER BY 1, 2 LIMIT 256",
        _ => "SELECT projection, key, value FROM next_base WHERE (projection, key) > (?1, ?2) ORDER BY 1, 2 LIMIT 256",
    };
    let (mut hasher, mut last) = (blake3::Hasher::new(), (String::new(), String::new()));
    loop {
        let rows: Vec<(String, String, String)> = sqlx::query_as(select)
            .bind(&last.0)
            .bind(&last.1)
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| reading(&error))?;
        for row in &rows {
            super::super::compact::hash_row(&mut hasher, &row.0, &row.1, &row.2);
        }
        match rows.into_iter().next_back() {
            Some((projection, key, _)) => last = (projection, key),
            None => return Ok(Hash(*hasher.finalize().as_bytes())),
        }
    }
}
