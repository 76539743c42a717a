//! `kill -9` at random moments under load.
//!
//! `make kills` runs a thousand rounds; `SYZYGY_CRASH_ROUNDS` says how many, `SYZYGY_CRASH_SEED` which. A failure names
//! its round and seed.

use std::process::{Output, Stdio};
use std::time::Duration;

use syzygy::types::{Class, Random, Seeded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::host::{Host, Promised, configured, loudly, number};
use crate::program::{Running, code, command, configure, good, question, silent_endpoint};
use crate::support::MINUTE;

/// Enough that some are in every stage of a run at any moment.
const CLIENTS: usize = 16;

/// Lives of one journal: so many that crashes follow crashes, so few that it stays quick to check.
const LIVES: u64 = 12;

/// Kills the host at a random moment: some milliseconds after it was spawned, ready or not, or some acknowledgements
/// into its work. Returns what it acknowledged until then.
async fn life(mut host: Host, ready: bool, random: &Seeded, promised: &mut Promised) {
    let (told, mut hears) = watch::channel(0);
    let acknowledgements = random.next() % 300;
    let milliseconds = random.next() % 900;
    let by_count = random.next().is_multiple_of(2);
    // Nothing comes of it, so this only ends at the moment.
    let moment = tokio::time::timeout(Duration::from_millis(milliseconds), std::future::pending::<()>());
    let mut moment = std::pin::pin!(moment);
    let up = match (ready, by_count) {
        (true, _) => true,
        (false, true) => host.ready().await.is_some(),
        (false, false) => tokio::select! {
            url = host.ready() => url.is_some(),
            _ = &mut moment => false,
        },
    };
    if !up {
        return host.kill().await;
    }
    let clients = host.load(CLIENTS, "what is six times seven?", &told);
    if by_count {
        tokio::time::timeout(MINUTE, hears.wait_for(|count| *count >= acknowledgements)).await.unwrap().unwrap();
    } else {
        let _ = moment.await;
    }
    host.kill().await;
    clients.ended(promised).await;
}

/// So many kills of the hosts on one journal, each followed by a look at everything that was promised.
async fn lives(lives: u64, round: u64, seed: u64) -> (u64, u64) {
    let (home, random) = (tempfile::tempdir().unwrap(), Seeded::new(seed));
    let data = &home.path().join("data");
    configured(data, "");
    let (mut promised, mut interrupted) = (Promised::default(), 0);
    let mut host = Host::spawn(data);
    let mut ready = false;
    for life_number in 0..lives {
        let what = format!("round {} (SYZYGY_CRASH_SEED={seed})", round + life_number);
        life(host, ready, &random, &mut promised).await;
        let verified = crate::program::run(data, &["audit", "verify"]).await;
        // A host that was killed before its first commit has left no journal yet.
        let nothing = promised.accepted.is_empty() && verified.2.contains("no such file");
        assert!(verified.0 == 0 || nothing, "{what}: {verified:?}");
        host = Host::start(data).await;
        let now = host.keeps(&promised, &what).await;
        if let Some(run) = now.first() {
            let why = good(data, &["why", run]).await;
            assert!(why.contains("the host stopped before the run had ended"), "{what}: {why}");
        }
        interrupted = now.len() as u64;
        ready = true;
    }
    host.stop().await;
    good(data, &["audit", "verify"]).await;
    ((promised.accepted.len() + promised.answered.len()) as u64, interrupted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost_or_done_twice_when_the_host_is_killed() {
    let rounds = number("SYZYGY_CRASH_ROUNDS", LIVES);
    let seed = number("SYZYGY_CRASH_SEED", 20_261_122);
    let (mut acknowledged, mut interrupted, mut round) = (0, 0, 0);
    while round < rounds {
        let now = LIVES.min(rounds - round);
        let (promised, unfinished) = lives(now, round, seed + round).await;
        (acknowledged, interrupted, round) = (acknowledged + promised, interrupted + unfinished, round + now);
        if rounds > LIVES {
            loudly(&format!("{round} of {rounds} kills: {acknowledged} runs acknowledged, {interrupted} interrupted"));
        }
    }
    assert!(acknowledged > rounds * 10 && interrupted > 0, "{acknowledged} and {interrupted} prove little");
}

#[tokio::test]
async fn an_ask_whose_host_is_killed_says_so_and_why_tells_what_became_of_the_run() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let (mut endpoint, config) = silent_endpoint().await;
    configure(data, &config);
    let host = Running::start(data).await;
    let asking = command(data, &["ask", "--stream", "Think about it"]);
    let mut asking = { asking }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut asked = question(&mut endpoint).await;
    // Once the client shows the first word it has the id of its run; before that nobody could tell it.
    let word = "data: {\"choices\":[{\"delta\":{\"content\":\"Well\"}}]}\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    asked.write_all(format!("{head}{word}").as_bytes()).await.unwrap();
    let mut shown = [0; 4];
    let reading = asking.stdout.as_mut().unwrap().read_exact(&mut shown);
    tokio::time::timeout(MINUTE, reading).await.unwrap().unwrap();
    assert_eq!(&shown, b"Well");
    let process = host.id();
    host.kill().await;
    drop(asked);
    let Output { status, stderr, .. } = tokio::time::timeout(MINUTE, asking.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code(Class::Unavailable)), "{said}");
    let (_, rest) = said.split_once("`syzygy why ").unwrap_or_else(|| panic!("{said}"));
    let run = rest.split('`').next().unwrap();
    let died =
        format!("(pid {process}) ended without stopping; start it again (`syzygy up`), and `syzygy why RUN` tells");
    for arguments in [&["ask", "And now?"][..], &["runs"], &["why", run], &["tree"]] {
        let (exit, _, said) = crate::program::run(data, arguments).await;
        assert_eq!(exit, code(Class::Unavailable), "{arguments:?}: {said}");
        assert!(said.contains(&died) && !said.contains("no host.json"), "{arguments:?}: {said}");
    }
    let doctor = good(data, &["doctor"]).await;
    // It is broken into lines for a terminal.
    let doctor = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor.contains("note host the host on ") && doctor.contains(&died), "{doctor}");
    good(data, &["audit", "verify"]).await;
    let host = Running::start(data).await;
    let why = good(data, &["why", run]).await;
    assert!(why.contains("interrupted") && why.contains("the host stopped before the run had ended"), "{why}");
    host.stop().await;
}
