//! A kill right before and right after every commit of a short life: what is between two events is tried at each, and the life
//! after it is killed while it begins.

use futures::stream::{self, StreamExt};
use tokio::sync::watch;

use super::host::{BEGINNING, Host, Promised, configured, exported, settled, verified};
use crate::program::good;

/// Two clients, one that waits and one that does not: both ways to be acknowledged.
const CLIENTS: usize = 2;

/// Lives tried side by side: as many as the smallest machine has cores.
const AT_ONCE: usize = 2;

/// The events of a life in which one task after another is given until both ways were acknowledged.
async fn events() -> u64 {
    let home = tempfile::tempdir().unwrap();
    let data = &home.path().join("data");
    configured(data, "");
    let host = Host::start(data).await;
    let (told, mut hears) = watch::channel(0);
    let clients = host.load(CLIENTS, "what is six times seven?", &told);
    hears.wait_for(|count| *count >= 2).await.unwrap();
    drop(clients);
    settled(&host).await;
    let events = exported(data).await.len() as u64;
    host.stop().await;
    events
}

async fn killed_at(key: &str, event: u64) {
    let what = format!("{key} = {event}");
    let home = tempfile::tempdir().unwrap();
    let data = &home.path().join("data");
    configured(data, &format!("[store]\n{what}\n"));
    let mut host = Host::spawn(data);
    let mut promised = Promised::default();
    if host.ready().await.is_some() {
        let (told, _hears) = watch::channel(0);
        let clients = host.load(CLIENTS, "what is six times seven?", &told);
        clients.ended(&mut promised).await;
    }
    let status = host.died().await;
    assert_eq!(status.code(), None, "{what}: it was to be killed, and ended by itself: {}", host.log());
    let verified = verified(data, &what).await;
    if key == "crash_after_event" {
        assert!(verified >= event, "{what}: {verified} events are there");
    } else {
        assert!(verified < event, "{what}: {verified} events are there");
    }
    let again = verified + 1 + event % BEGINNING;
    configured(data, &format!("[store]\n{key} = {again}\n"));
    Host::begun_and_killed(data).await;
    let what = format!("{what}, and {again} in the life after it");
    super::host::verified(data, &what).await;
    configured(data, "");
    let host = Host::start(data).await;
    for run in host.keeps(&promised, &what).await {
        let why = good(data, &["why", &run]).await;
        assert!(why.contains("the host stopped before the run had ended"), "{what}: {why}");
    }
    host.stop().await;
    good(data, &["audit", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_position_of_the_journal_breaks_no_promise() {
    let last = events().await;
    assert!((10..60).contains(&last), "a short life has {last} events");
    let points = ["crash_before_event", "crash_after_event"];
    let lives = points.iter().flat_map(|key| (1..=last).map(move |event| killed_at(key, event)));
    stream::iter(lives).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}
