//! What is proved of a journal before it is written to, so that nothing is built on damage: the whole of a short one, the
//! end of a long one. The keeper has the rest of a long one verified while the host runs.

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use super::super::{Error, Projection, Verification};
use super::connect::{self, SAVE, opening, reading};
use super::read::{self, Tail};
use super::{refold, verify};

/// Events that are proved before the first is written: a tenth of a second of hashing, and as much of folding.
pub(super) const EVENTS: u64 = 10_000;

/// Bytes of payloads that are read for it: as long again on a common disk.
const PAYLOAD_BYTES: i64 = 64 * 1024 * 1024;

/// How much was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proved {
    /// All there is.
    Whole,
    /// The newest events.
    End,
}

/// Proves the events, or the newest of them.
pub(super) async fn events(connection: &mut SqliteConnection, tail: &Tail, archived: u64) -> Result<Proved, Error> {
    let payloads: i64 = sqlx::query_scalar("SELECT coalesce(sum(length(bytes)), 0) FROM payloads")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| reading(&error))?;
    let whole = tail.seq - archived <= EVENTS && payloads <= PAYLOAD_BYTES;
    if whole {
        refused(&verify::chain(connection).await?)?;
        return Ok(Proved::Whole);
    }
    let from = tail.seq.saturating_sub(EVENTS).max(archived);
    let previous = read::hash_at(connection, from).await?;
    let mut walked = (from, previous);
    while walked.0 < tail.seq {
        let rows = verify::page(connection, walked.0 + 1, tail.seq, verify::PAGE).await;
        for row in rows.map_err(|error| reading(&error))? {
            let event =
                verify::follows(&row, walked.0 + 1, walked.1).map_err(|reason| damaged(walked.0 + 1, &reason))?;
            walked = (event.seq, event.hash);
        }
    }
    Ok(Proved::End)
}

/// Proves the rows that the events make, and SQLite's own structures. Rows that are to be made anew prove nothing.
pub(super) async fn rows(path: &Path, projections: &[Arc<dyn Projection>], tail: &Tail) -> Result<(), Error> {
    let mut connection = connect::read_only(path).connect().await.map_err(|error| opening(path, &error))?;
    let current = refold::current(&mut connection, projections, tail.seq).await?;
    let bad = verify::rows(&mut connection, &current, tail.seq).await?;
    let _ = connection.close().await;
    match bad {
        Some(bad) => Err(damaged(bad.seq, &bad.reason)),
        None => Ok(()),
    }
}

fn refused(found: &Verification) -> Result<(), Error> {
    match &found.first_bad {
        Some(bad) => Err(damaged(bad.seq, &bad.reason)),
        None => Ok(()),
    }
}

fn damaged(seq: u64, reason: &str) -> Error {
    Error::Corrupt(format!("event {seq}: {reason}; nothing was written to it; {SAVE}"))
}
