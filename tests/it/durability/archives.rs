//! Old events leave the journal of a running host, and the chain stays provable from the first event to the last.

use syzygy::types::Class;

use super::host::{Host, configured};
use crate::program::{code, good, json, run};
use crate::support::eventually;

/// The last event of the archive of this name.
fn through(name: &str) -> u64 {
    let number = name.rsplit('-').next().and_then(|rest| rest.strip_suffix(".jsonl"));
    number.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_move_into_archives_that_join_the_journal() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let retention = "[store.retention]\nevents_most = 15\nsegment_events = 20\nlook_every_s = 1\n";
    configured(&data, retention);
    let host = Host::start(&data).await;
    let first = json(&data, &["ask", "What is six times seven?"]).await["run_id"].as_str().unwrap().to_owned();
    let mut asked = 1_u64;
    let folder = data.join("archive");
    let archives = eventually("three segments are archived", async || {
        let found = std::fs::read_dir(&folder).into_iter().flatten();
        let mut found: Vec<String> = found.map(|file| file.unwrap().path().display().to_string()).collect();
        found.retain(|name| name.ends_with(".jsonl"));
        found.sort();
        // A table that stays may need one before it, and a segment ends only where none does: at the latest where the
        // next one begins that needs none, which is made when something has happened.
        good(&data, &["ask", &format!("What is six times {asked}?")]).await;
        asked += 1;
        let verified = json(&data, &["audit", "verify"]).await;
        let through = found.iter().map(|name| through(name)).next_back();
        (found.len() >= 3 && verified["archived"].as_u64() == through).then_some(found)
    })
    .await;
    let mut arguments = vec!["audit", "verify", "--journal"];
    arguments.extend(archives.iter().flat_map(|file| ["--file", file.as_str()]));
    let all = json(&data, &arguments).await;
    assert_eq!((&all["archived"], &all["first_bad"]), (&0.into(), &serde_json::Value::Null));
    assert!(host.runs().await.contains_key(&first), "a run is still listed");
    let why = good(&data, &["why", &first]).await;
    assert!(why.contains("is in an archive"), "{why}");
    host.kill().await;

    let host = Host::start(&data).await;
    assert_eq!(host.runs().await.len() as u64, asked);
    host.stop().await;
    // It may have gone on archiving when it was up again.
    let mut all: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path().display().to_string()).collect();
    all.retain(|name| name.ends_with(".jsonl"));
    all.sort();
    let archives = all;
    let mut arguments = vec!["audit", "verify", "--journal"];
    arguments.extend(archives.iter().flat_map(|file| ["--file", file.as_str()]));
    good(&data, &arguments).await;
    let export = good(&data, &["audit", "export"]).await;
    let begins = format!("{{\"format\":\"syzygy.journal/1\",\"from\":{},", through(archives.last().unwrap()) + 1);
    assert!(export.starts_with(&begins), "{}", export.lines().next().unwrap());

    // One archive less, one byte changed: both are found.
    let without: Vec<&str> = [&arguments[..3], &["--file", &archives[0], "--file", &archives[2]]].concat();
    let missing = format!("begins after event {}", through(&archives[1]));
    let (exit, out, _) = run(&data, &without).await;
    assert!(exit == code(Class::Corrupt) && out.contains(&missing), "{exit}: {out}");
    let text = std::fs::read_to_string(&archives[1]).unwrap();
    std::fs::write(&archives[1], text.replacen("six times", "six tines", 1)).unwrap();
    let (exit, out, _) = run(&data, &arguments).await;
    assert_eq!(exit, code(Class::Corrupt), "{out}");
}
