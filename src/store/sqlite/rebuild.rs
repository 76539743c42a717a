//! Bringing projections up to the journal when it is opened: those that are new, changed, or behind.

use std::sync::Arc;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::super::fold::{Known, Touches};
use super::super::{Error, Event, Projection};
use super::connect::reading;
use super::group::{self, writing};
use super::read;

/// Events folded in one transaction: enough that its sync is a small part, few enough that their rows fit in memory.
const BATCH: usize = 1_000;

/// Brings every projection up to event `last`.
pub(super) async fn rebuild(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    last: u64,
) -> Result<(), Error> {
    for (index, projection) in projections.iter().enumerate() {
        let mut seq = start(connection, projection.as_ref(), last).await?;
        while seq < last {
            let events: Vec<Arc<Event>> =
                read::from(connection, seq + 1, BATCH).await?.into_iter().map(Arc::new).collect();
            let Some(end) = events.last().map(|event| event.seq) else {
                return Err(Error::Corrupt(format!("event {} is missing", seq + 1)));
            };
            // Rows are only ever made of what is proved.
            if let Some(bad) = events.iter().find(|event| event.computed_hash() != event.hash) {
                return Err(Error::Corrupt(format!("event {}: it is not what its hash was made of", bad.seq)));
            }
            batch(connection, projections, index, &events).await.map_err(|error| writing(&error))?;
            seq = end;
        }
    }
    Ok(())
}

/// Where to go on from: the stored cursor if it is of this version and within the journal, else the anchor, with the
/// rows that the archived events had made.
async fn start(connection: &mut SqliteConnection, projection: &dyn Projection, last: u64) -> Result<u64, Error> {
    let stored: Option<(i64, i64)> = sqlx::query_as("SELECT version, seq FROM cursors WHERE projection = ?")
        .bind(projection.name())
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| reading(&error))?;
    let anchor = read::anchor(connection).await?.seq;
    if let Some((version, seq)) = stored
        && version == i64::from(projection.version())
        && (anchor..=last).contains(&read::number(seq))
    {
        return Ok(read::number(seq));
    }
    let started = async {
        let mut transaction = connection.begin().await?;
        group::restart(&mut transaction, projection).await?;
        transaction.commit().await
    };
    started.await.map_err(|error| writing(&error))?;
    Ok(anchor)
}

async fn batch(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    index: usize,
    events: &[Arc<Event>],
) -> Result<(), sqlx::Error> {
    let projection = &projections[index];
    let touches = Touches::of(std::iter::once((index, projection)), events);
    let mut rows = Known::new();
    let mut transaction = connection.begin().await?;
    group::load(&mut transaction, projections, touches.keys(), &mut rows).await?;
    touches.apply(projections, events, &mut rows);
    group::rows(&mut transaction, projections, &rows).await?;
    let end = events.last().map_or(0, |event| event.seq);
    group::place(&mut transaction, projection.as_ref(), end).await?;
    transaction.commit().await
}
