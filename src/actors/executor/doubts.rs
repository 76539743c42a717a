//! Calls of which nobody knows whether they were made: listed for people, and settled by what they say.

use serde_json::{Value, json};

use super::call::Shared;
use super::handle::Error;
use super::ledger::{Doubted, EffectsProjection, OPEN, Row, Settled, Standing, kind, standing};
use super::people::{People, Question, Unheard};
use crate::store::{self, Durability, NewEvent, RowQuery};
use crate::types::planted::{Bug, planted};
use crate::types::{Cx, RunId};
use crate::ziggy::review::{Condition, Item, ItemStatus, Kind, Need, OnExpiry, Reason, Stage};

/// Calls of one answer at the most: more than a person looks through.
const DOUBTS_MOST: usize = 500;

/// Thirty days for people to say what became of a call. Its key is kept until somebody does, however long that takes.
const DEADLINE_S: u64 = 30 * 24 * 3_600;

/// Where people put what a call gave, in what they are shown.
const ANSWER: &str = "/answer";

/// By which rule people are asked, in reasons.
const RULE: &str = "side_effects";

/// Why a call is in doubt that an earlier life has begun.
pub(super) const HOST_ENDED: &str = "it was begun, and the host ended before it did";

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

/// Writes down what the principal of the context says of a call, which people need not decide on any more.
pub(super) async fn settle(shared: &Shared, cx: &Cx, invocation: String, done: Option<Value>) -> Result<(), Error> {
    say(shared, cx.principal().name.clone(), invocation.clone(), done).await?;
    if let Some(people) = &shared.ports.people
        && let Some(subject) = subject(&invocation)
        && let Ok(Some(item)) = people.newest(subject).await
        && item.status == ItemStatus::Open
        && let Err(error) = people.withdraw(cx, &item.id).await
    {
        tracing::warn!(item = item.id, %error, "people are still asked about a call whose end is known");
    }
    Ok(())
}

/// Writes down what somebody says of a call. One that is on the way is not for people to judge.
async fn say(shared: &Shared, by: String, invocation: String, mut done: Option<Value>) -> Result<(), Error> {
    let rows = open(shared).await?;
    let row = rows.into_iter().find(|row| row.begun.invocation == invocation);
    let row = row.ok_or_else(|| Error::NoDoubt(invocation.clone()))?;
    let key = row.begun.key;
    // Whoever makes a call holds the lock of its key.
    let lock = shared.locks.of(&key.row());
    let Ok(_free) = lock.try_lock() else { return Err(Error::NoDoubt(invocation)) };
    // It may have ended between the look and the lock, and what is known is not for people to say.
    let still = standing(shared, &key.row()).await.map_err(|error| unread(&error))?;
    let still = still.filter(|row| row.is_open() && row.begun.invocation == invocation);
    let Some(row) = still else { return Err(Error::NoDoubt(invocation)) };
    let answer = match &mut done {
        Some(value) => {
            value.sort_all_objects();
            let put = shared.ports.journal.put_payload(value.to_string().into_bytes()).await;
            Some(put.map_err(|error| unread(&error))?)
        }
        None => None,
    };
    let settled = Settled { invocation, key, done: done.is_some(), answer, by };
    let event = NewEvent::new(kind::SETTLED, row.run, &shared.source, &settled);
    shared.ports.journal.append(vec![event], Durability::Durable).await.map_err(|error| unread(&error))?;
    Ok(())
}

/// What people are asked by: a call's id is one already.
fn subject(invocation: &str) -> Option<RunId> {
    invocation.parse().ok()
}

/// Asks people about every call in doubt that nobody was asked about, also those that an earlier life left in the middle.
pub(super) async fn ask_about_all(shared: &Shared, cx: &Cx) -> Result<(), Error> {
    for row in open(shared).await? {
        let row = match row.standing {
            Standing::Begun => left_behind(shared, &row).await?,
            _ => Some(row),
        };
        if let Some(row) = row
            && let Err(error) = ask_about(shared, cx, &row).await
        {
            let call = row.begun.invocation;
            tracing::warn!(call, %error, "nobody could be asked what became of a call, and will be again");
        }
    }
    Ok(())
}

/// Doubts a call that was begun, if whoever began it is gone.
async fn left_behind(shared: &Shared, row: &Row) -> Result<Option<Row>, Error> {
    let name = row.begun.key.row();
    let lock = shared.locks.of(&name);
    // Whoever makes a call holds its lock.
    let Ok(_held) = lock.try_lock() else { return Ok(None) };
    let now = standing(shared, &name).await.map_err(|error| unread(&error))?;
    let Some(now) = now.filter(|now| now.standing == Standing::Begun) else { return Ok(None) };
    let doubted = Doubted { begun: now.begun.clone(), reason: HOST_ENDED.to_owned() };
    let event = NewEvent::new(kind::DOUBTED, now.run, &shared.source, &doubted);
    shared.ports.journal.append(vec![event], Durability::Durable).await.map_err(|error| unread(&error))?;
    Ok(Some(Row { standing: Standing::InDoubt { reason: HOST_ENDED.to_owned() }, ..now }))
}

/// Asks people what became of one call, unless they were asked.
pub(super) async fn ask_about(shared: &Shared, cx: &Cx, row: &Row) -> Result<(), Unheard> {
    let (Some(people), Some(subject)) = (&shared.ports.people, subject(&row.begun.invocation)) else { return Ok(()) };
    let Standing::InDoubt { reason } = &row.standing else { return Ok(()) };
    let lock = shared.locks.of(&format!("people/{subject}"));
    let _held = lock.lock().await;
    if people.newest(subject).await?.is_some() || planted(Bug::DoubtUnasked) {
        return Ok(());
    }
    let begun = &row.begun;
    let tool = format!("{}@{}", begun.key.tool, begun.version);
    let need = Need {
        kind: Kind::ToolDoubt,
        stage: Stage::After,
        deadline_s: DEADLINE_S,
        quorum: 1,
        on_expiry: OnExpiry::Deny,
        delegate: None,
        reasons: vec![Reason {
            rule: RULE.to_owned(),
            conditions: vec![Condition::InDoubt { tool: tool.clone(), reason: reason.clone() }],
        }],
    };
    let payload = json!({
        "call": {
            "tool": begun.key.tool,
            "version": begun.version,
            "arguments": begun.shown,
            "tenant": begun.key.tenant,
            "principal": begun.principal,
            "agent": begun.agent,
            "key": begun.key.text,
            "begun_at": row.at,
            "run": row.run,
        },
        "answer": "null",
    });
    let question = Question { subject, number: 1, run: None, need, payload, editable: vec![ANSWER.to_owned()] };
    people.ask(cx, question).await.map(drop)
}

/// Does what people said of a call in doubt: whoever approves says that it was done, whoever denies that it was not.
pub(super) async fn act(shared: &Shared, item: &Item, people: &dyn People) -> Result<(), Error> {
    let done = match item.status {
        ItemStatus::Approved => {
            let unheard = |error: Unheard| Error::Unrecorded {
                name: "effects".to_owned(),
                class: error.class,
                reason: error.reason,
            };
            let payload = people.payload(item).await.map_err(unheard)?;
            let text = payload.pointer(ANSWER).and_then(Value::as_str).unwrap_or("null").to_owned();
            // Whoever writes plain words means them.
            Some(serde_json::from_str(&text).unwrap_or(Value::String(text)))
        }
        ItemStatus::Denied => None,
        // Nobody has said anything of it, so it stays in doubt.
        ItemStatus::Expired | ItemStatus::Cancelled | ItemStatus::Open => return Ok(()),
    };
    let by = item.closer().map_or_else(|| "somebody".to_owned(), |verdict| verdict.author.clone());
    match say(shared, by, item.run.to_string(), done).await {
        // Somebody has said so elsewhere.
        Err(Error::NoDoubt(_)) => Ok(()),
        other => other,
    }
}
