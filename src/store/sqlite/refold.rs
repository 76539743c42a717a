//! Proving the rows: projections are folded once more from the proved events, and compared with what is stored.
//!
//! The fold writes to temporary tables of the same names. SQLite looks for a name among them first, so the statements
//! of the writer serve here as they are, through a connection that cannot write to the journal.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sqlx::Executor;
use sqlx::sqlite::SqliteConnection;

use super::super::fold::{Known, Touches};
use super::super::{BadEvent, Error, Event, Projection};
use super::connect::reading;
use super::{group, read};

/// Events folded between two writes to the temporary tables, as when a projection is rebuilt.
const BATCH: usize = 1_000;

const TABLES: &str = "CREATE TEMP TABLE rows (projection TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, \
    PRIMARY KEY (projection, key)) STRICT, WITHOUT ROWID; \
    INSERT INTO temp.rows SELECT projection, key, value FROM base";

/// Rows whose text is stored, made, or both, but not the same. The order makes the answer repeatable.
const DIFFERENT: &str = "SELECT coalesce(stored.projection, made.projection), coalesce(stored.key, made.key), \
        stored.value, made.value \
    FROM (SELECT * FROM main.rows WHERE projection IN (SELECT value FROM json_each(?1))) AS stored \
    FULL OUTER JOIN (SELECT * FROM temp.rows WHERE projection IN (SELECT value FROM json_each(?1))) AS made \
        ON made.projection = stored.projection AND made.key = stored.key \
    WHERE stored.value IS NOT made.value \
    ORDER BY 1, 2 LIMIT 1000";

/// What helps when the events are whole and the rows are not.
const REBUILD: &str = "`syzygy audit rebuild` makes the rows anew while no host runs";

/// The first row that is not what events 1 to `last` make, placed at the last event that touches it. The caller holds
/// a read transaction, so that rows and events are of one moment, and lets go of the connection afterwards.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    last: u64,
) -> Result<Option<BadEvent>, Error> {
    let mut current = Vec::new();
    for projection in projections {
        match cursor(connection, projection.as_ref()).await? {
            // Rows of another version are rebuilt by the program that opens the journal, not read.
            Some((version, _)) if version != i64::from(projection.version()) => {}
            Some((_, seq)) if seq == last => current.push(Arc::clone(projection)),
            stands => {
                let at = stands.map_or_else(|| "missing".to_owned(), |(_, seq)| format!("at event {seq}"));
                let reason =
                    format!("the cursor of projection {} is {at}, not at event {last}; {REBUILD}", projection.name());
                return Ok(Some(BadEvent { seq: last, reason }));
            }
        }
    }
    begin(connection).await?;
    let anchor = read::anchor(connection).await?.seq;
    fold(connection, &current, anchor, last).await?;
    match different(connection, &current).await? {
        None => Ok(None),
        Some((projection, key)) => {
            let seq = last_touch(connection, &current, &projection, &key, last).await?;
            let reason =
                format!("row {key:?} of projection {projection} is not what the events up to it make; {REBUILD}");
            Ok(Some(BadEvent { seq, reason }))
        }
    }
}

/// The projections whose rows are those of the last event and of this version.
pub(super) async fn current(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    last: u64,
) -> Result<Vec<Arc<dyn Projection>>, Error> {
    let mut current = Vec::new();
    for projection in projections {
        if cursor(connection, projection.as_ref()).await? == Some((i64::from(projection.version()), last)) {
            current.push(Arc::clone(projection));
        }
    }
    Ok(current)
}

/// Makes the temporary rows, as they were at the anchor.
pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(), Error> {
    connection.execute(TABLES).await.map(drop).map_err(|error| reading(&error))
}

async fn cursor(connection: &mut SqliteConnection, projection: &dyn Projection) -> Result<Option<(i64, u64)>, Error> {
    let stored: Option<(i64, i64)> = sqlx::query_as("SELECT version, seq FROM cursors WHERE projection = ?")
        .bind(projection.name())
        .fetch_optional(connection)
        .await
        .map_err(|error| reading(&error))?;
    Ok(stored.map(|(version, seq)| (version, read::number(seq))))
}

/// Folds the events after `seq` up to `last` into the temporary rows.
pub(super) async fn fold(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    mut seq: u64,
    last: u64,
) -> Result<(), Error> {
    while let Some(events) = batch(connection, seq, last).await? {
        let touches = Touches::of(projections.iter().enumerate(), &events);
        let mut rows = Known::new();
        group::load(connection, projections, touches.keys(), &mut rows).await.map_err(|error| reading(&error))?;
        touches.apply(projections, &events, &mut rows);
        group::rows(connection, projections, &rows).await.map_err(|error| reading(&error))?;
        seq = events.last().map_or(last, |event| event.seq);
    }
    Ok(())
}

/// The next events after `seq`, not beyond `last`; nothing when there are none.
async fn batch(connection: &mut SqliteConnection, seq: u64, last: u64) -> Result<Option<Vec<Arc<Event>>>, Error> {
    let left = usize::try_from(last.saturating_sub(seq)).unwrap_or(BATCH).min(BATCH);
    if left == 0 {
        return Ok(None);
    }
    let events: Vec<Arc<Event>> = read::from(connection, seq + 1, left).await?.into_iter().map(Arc::new).collect();
    Ok((!events.is_empty()).then_some(events))
}

/// The first row that means something else than it should. Other text may mean the same: a field in another place.
async fn different(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
) -> Result<Option<(String, String)>, Error> {
    type Pair = (String, String, Option<String>, Option<String>);
    let names: Vec<&str> = projections.iter().map(|projection| projection.name()).collect();
    let pairs: Vec<Pair> = sqlx::query_as(DIFFERENT)
        .bind(Value::from(names).to_string())
        .fetch_all(connection)
        .await
        .map_err(|error| reading(&error))?;
    let meant = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut found =
        pairs.into_iter().filter(|(_, _, stored, made)| meant(stored).is_none() || meant(stored) != meant(made));
    Ok(found.next().map(|(projection, key, _, _)| (projection, key)))
}

/// The last event that touches this row. One that no event touches was put there by another hand: the last of all.
async fn last_touch(
    connection: &mut SqliteConnection,
    projections: &[Arc<dyn Projection>],
    projection: &str,
    key: &str,
    last: u64,
) -> Result<u64, Error> {
    let known: HashMap<&str, &Arc<dyn Projection>> =
        projections.iter().map(|projection| (projection.name(), projection)).collect();
    let (mut seq, mut touched) = (0, None);
    while let Some(events) = batch(connection, seq, last).await? {
        for event in &events {
            seq = event.seq;
            if known.get(projection).is_some_and(|known| known.keys(event).iter().any(|touched| touched == key)) {
                touched = Some(seq);
            }
        }
    }
    Ok(touched.unwrap_or(last))
}
