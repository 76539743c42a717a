//! Calls of which nobody knows whether they were made: listed for people, and settled by what they say.

use serde_json::Value;

use super::call::Shared;
use super::handle::Error;
use super::ledger::{EffectsProjection, OPEN, Row, Settled, kind};
use crate::store::{self, Durability, NewEvent, RowQuery};
use crate::types::Cx;

/// Calls of one answer at the most: more than a person looks through.
const DOUBTS_MOST: usize = 500;

fn unread(error: &store::Error) -> Error {
    Error::Unrecorded { name: "effects".to_owned(), class: error.class(), reason: error.to_string() }
}

/// Every call that is begun or in doubt, oldest first.
pub(super) async fn open(shared: &Shared) -> Result<Vec<Row>, Error> {
    let query =
        RowQuery { projection: EffectsProjection::NAME, prefix: OPEN, reverse: false, after: None, limit: DOUBTS_MOST };
    let rows = shared.ports.journal.rows(query).await.map_err(|error| unread(&error))?;
    let mut rows: Vec<Row> = rows.into_iter().filter_map(|(_, row)| serde_json::from_value(row).ok()).collect();
    rows.sort_by(|one, two| (one.at, &one.begun.invocation).cmp(&(two.at, &two.begun.invocation)));
    Ok(rows)
}

/// Writes down what a person says of a call. One that is on the way is not for people to judge.
pub(super) async fn settle(shared: &Shared, cx: &Cx, invocation: String, mut done: Option<Value>) -> Result<(), Error> {
    let rows = open(shared).await?;
    let row = rows.into_iter().find(|row| row.begun.invocation == invocation);
    let row = row.ok_or_else(|| Error::NoDoubt(invocation.clone()))?;
    let key = row.begun.key;
    // Whoever makes a call holds the lock of its key.
    let lock = shared.locks.of(&key.row());
    let Ok(_free) = lock.try_lock() else { return Err(Error::NoDoubt(invocation)) };
    let answer = match &mut done {
        Some(value) => {
            value.sort_all_objects();
            let put = shared.ports.journal.put_payload(value.to_string().into_bytes()).await;
            Some(put.map_err(|error| unread(&error))?)
        }
        None => None,
    };
    let by = cx.principal().name.clone();
    let settled = Settled { invocation, key, done: done.is_some(), answer, by };
    let event = NewEvent::new(kind::SETTLED, row.run, &shared.source, &settled);
    shared.ports.journal.append(vec![event], Durability::Durable).await.map_err(|error| unread(&error))?;
    Ok(())
}
