//! Runs as rows, folded from the events a run leaves.

use serde_json::{Value, json};

use crate::actors::io::record::{Accepted, Ended, kind};
use crate::actors::io::{Answer, RunRow, RunStatus, RunsProjection, Task};
use crate::actors::tests::{BEGIN, SECOND, later, read, world};
use crate::store::{Event, NewEvent, Projection};
use crate::types::{Class, Hash, Money, PrivacyClass, RunId};

fn event(run: Option<RunId>, kind: &str, body: &impl serde::Serialize, seconds: u32) -> Event {
    Event::next(1, later(seconds * SECOND), Hash::ZERO, NewEvent::new(kind, run, "host/io", body))
}

fn accepted(run: RunId) -> Event {
    let task = Task { prompt: "ö".repeat(200), privacy: PrivacyClass::Internal, ..Task::default() };
    let body = Accepted { principal: "ada".to_owned(), trace: "1".to_owned(), task, documents: Vec::new() };
    event(Some(run), kind::ACCEPTED, &body, 0)
}

fn fold(events: &[Event]) -> Option<RunRow> {
    let mut row: Option<Value> = None;
    for event in events {
        let keys = RunsProjection.keys(event);
        assert_eq!(keys, [event.run.unwrap().to_string()]);
        row = RunsProjection.fold(&keys[0], row, event);
    }
    row.map(read)
}

fn answer(run: RunId) -> Answer {
    read(json!({
        "run_id": run, "answer": "Yes.", "served_by": ["marvin@local"], "privacy": "restricted", "intent": "chat",
        "cost": 7, "usage": { "input_tokens": 1, "output_tokens": 2 }, "recalled": [], "learned": [], "citations": [], "chunks": 1, "took_us": 5,
    }))
}

#[test]
fn a_run_that_was_taken_in_is_running() {
    let run = RunId::new(&world());
    let row = fold(&[accepted(run)]).unwrap();
    assert_eq!((row.run_id, row.status, row.principal.as_str()), (run, RunStatus::Running, "ada"));
    assert_eq!((row.prompt, row.privacy), ("ö".repeat(120), PrivacyClass::Internal));
    assert_eq!((row.accepted_at, row.ended_at, row.answer), (BEGIN, None, None));
}

#[test]
fn an_answer_completes_it() {
    let run = RunId::new(&world());
    let row = fold(&[accepted(run), event(Some(run), kind::COMPLETED, &answer(run), 3)]).unwrap();
    assert_eq!((row.status, row.ended_at), (RunStatus::Completed, Some(later(3 * SECOND))));
    assert_eq!((row.privacy, row.cost), (PrivacyClass::Restricted, Money(7)));
    assert_eq!((row.served_by, row.answer), (vec!["marvin@local".to_owned()], Some(answer(run))));
    assert_eq!((row.class, row.reason), (None, None));
}

#[test]
fn each_other_ending_says_why() {
    let run = RunId::new(&world());
    let rows = [
        (kind::RUN_FAILED, RunStatus::Failed),
        (kind::CANCELLED, RunStatus::Cancelled),
        (kind::INTERRUPTED, RunStatus::Interrupted),
    ];
    for (kind, status) in rows {
        let ended = Ended { class: Class::Unavailable, reason: "the lights went out".to_owned() };
        let row = fold(&[accepted(run), event(Some(run), kind, &ended, 1)]).unwrap();
        assert_eq!((row.status, row.class), (status, Some(Class::Unavailable)));
        assert_eq!((row.reason.as_deref(), row.answer), (Some("the lights went out"), None));
    }
}

#[test]
fn other_events_and_runs_nobody_took_in_leave_no_row() {
    let run = RunId::new(&world());
    for kind in [kind::CLASSIFIED, kind::DECIDED, kind::SERVED, "memory.delta"] {
        assert!(RunsProjection.keys(&event(Some(run), kind, &json!({}), 0)).is_empty(), "{kind}");
    }
    assert!(RunsProjection.keys(&event(None, kind::ACCEPTED, &json!({}), 0)).is_empty());
    assert_eq!(fold(&[event(Some(run), kind::COMPLETED, &answer(run), 0)]), None);
}
