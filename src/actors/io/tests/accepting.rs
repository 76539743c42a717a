//! Detached runs: handed out when they are safe, waited for, cancelled, and interrupted by the end of the host.

use std::sync::Arc;

use super::support::{LONG, bench, bench_on, task};
use crate::actors::io::{Document, Error, RunStatus, Task, record};
use crate::actors::tests::{SECOND, Watched, soon};
use crate::store::{Disk, Durability, Journal, NewEvent};
use crate::types::{Class, RunId};

// IO2.
#[tokio::test(start_paused = true)]
async fn a_run_is_handed_out_when_the_journal_has_it_and_goes_on_by_itself() {
    let bench = bench(&[Watched::new("only")]).await;
    let text = "A long document. ".repeat(1_200);
    let document = Document { name: "long.txt".to_owned(), text: text.clone() };
    let asked = Task { documents: vec![document], max_tokens: Some(4), ..task("What is it?") };
    // Its caller waits for a second only, its work takes longer.
    let run = bench.io.accept(&bench.cx(SECOND), asked).await.unwrap();
    let events = bench.journal.read_run(run, 10).await.unwrap();
    let accepted: record::Accepted = events[0].body.parse().unwrap();
    assert_eq!((events[0].kind.as_str(), accepted.principal.as_str()), ("run.accepted", "tester"));
    let stored = bench.journal.get_payload(accepted.documents[0].payload.unwrap()).await.unwrap();
    assert_eq!(stored, Some(text.into_bytes()));
    assert_eq!(bench.ending(run).await, ("run.failed".to_owned(), Class::Invalid), "it is too many chunks");
    let short = bench.io.accept(&bench.cx(SECOND / 2), task("hello")).await.unwrap();
    assert_eq!(bench.ending(short).await.0, "run.completed");
    assert_eq!(bench.row(short).await.status, RunStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_run_the_journal_does_not_take_is_not_handed_out() {
    let runtime = Watched::new("only");
    let bench = bench(std::slice::from_ref(&runtime)).await;
    bench.journal.fail_next_commit("disk full");
    let error = bench.io.accept(&bench.cx(LONG), task("hello")).await.unwrap_err();
    assert!(matches!(error, Error::Journal(_)) && error.to_string().contains("disk full"), "{error}");
    assert_eq!(runtime.count().begun, 0);
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_hears_the_end_and_a_cancelled_run_stops_working() {
    let runtime = Watched::new("only");
    let bench = bench(std::slice::from_ref(&runtime)).await;
    let cx = bench.cx(LONG);
    let run = bench.io.accept(&cx, task("hang")).await.unwrap();
    runtime.until(|count| count.inside == 1).await;
    let cancel = async {
        assert!(bench.io.cancel(&cx, run).await.unwrap());
    };
    let (one, other, ()) = tokio::join!(bench.io.wait(&cx, run), bench.io.wait(&cx, run), cancel);
    assert!(matches!((one, other), (Err(Error::Cancelled), Err(Error::Cancelled))));
    assert_eq!(bench.ending(run).await, ("run.cancelled".to_owned(), Class::Cancelled));
    runtime.until(|count| count.inside == 0).await;
    assert!(!bench.io.cancel(&cx, run).await.unwrap());
    assert!(matches!(bench.io.wait(&cx, run).await, Err(Error::NotRunning(known)) if known == run));
    let stranger = RunId::new(&bench.world);
    assert_eq!(bench.io.wait(&cx, stranger).await.unwrap_err().class(), Class::NotFound);
}

// IO4.
#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_for_a_detached_run_stops_nothing() {
    let bench = bench(&[Watched::new("only")]).await;
    let run = bench.io.accept(&bench.cx(LONG), task("hello")).await.unwrap();
    let early = bench.io.wait(&bench.cx(SECOND / 2), run).await.unwrap_err();
    assert_eq!(early.class(), Class::Timeout);
    assert_eq!(soon(bench.io.wait(&bench.cx(LONG), run)).await.unwrap().answer, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_run_the_host_stopped_under_is_interrupted_on_the_record() {
    let (disk, runtime) = (Disk::default(), Watched::new("only"));
    let bench = bench_on(&disk, std::slice::from_ref(&runtime)).await;
    let cut = bench.io.accept(&bench.cx(LONG), task("hang")).await.unwrap();
    runtime.until(|count| count.inside == 1).await;
    bench.end().await;
    let bench = bench_on(&disk, &[runtime]).await;
    let journal: Arc<dyn Journal> = bench.journal.clone();
    assert_eq!(record::interrupt_unfinished(&journal, "host").await.unwrap(), 0);
    assert_eq!(bench.ending(cut).await, ("run.interrupted".to_owned(), Class::Unavailable));
    assert_eq!(bench.row(cut).await.reason.as_deref(), Some("the host was stopped"));
}

#[tokio::test(start_paused = true)]
async fn a_run_the_host_ended_under_is_marked_by_the_next_one_once() {
    let bench = bench(&[Watched::new("only")]).await;
    let done = bench.ask("hello").await.unwrap().run_id;
    // What a host leaves that was killed: the beginning of a run, and nothing after it.
    let cut = RunId::new(&bench.world);
    let (principal, trace) = ("tester".to_owned(), "0".to_owned());
    let accepted = record::Accepted { principal, trace, task: task("hang"), documents: Vec::new() };
    let event = NewEvent::new(record::kind::ACCEPTED, Some(cut), "io-1", &accepted);
    bench.journal.append(vec![event], Durability::Durable).await.unwrap();
    let journal: Arc<dyn Journal> = bench.journal.clone();
    assert_eq!(record::interrupt_unfinished(&journal, "host").await.unwrap(), 1);
    assert_eq!(record::interrupt_unfinished(&journal, "host").await.unwrap(), 0);
    assert_eq!(bench.ending(cut).await, ("run.interrupted".to_owned(), Class::Unavailable));
    assert_eq!(bench.row(cut).await.reason.as_deref(), Some("the host stopped before the run had ended"));
    assert_eq!(bench.row(done).await.status, RunStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_while_the_host_stops_ends_once() {
    let (disk, runtime) = (Disk::default(), Watched::new("only"));
    let bench = bench_on(&disk, std::slice::from_ref(&runtime)).await;
    let mut runs = Vec::new();
    for prompt in ["at once", "hello", "at once", "fail", "hang", "at once"] {
        runs.push(bench.io.accept(&bench.cx(LONG), task(prompt)).await.unwrap());
    }
    bench.end().await;
    let bench = bench_on(&disk, &[runtime]).await;
    let journal: Arc<dyn Journal> = bench.journal.clone();
    record::interrupt_unfinished(&journal, "host").await.unwrap();
    for run in runs {
        bench.ending(run).await;
    }
}
