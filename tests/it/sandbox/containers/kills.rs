//! Containers that are ended, again and again: how long it takes, and whether anything is left.
//!
//! `SYZYGY_CONTAINER_KILLS` says how many, 1,000 for the figure of the docs. An engine takes half a second for each.

use std::time::Duration;

use serde_json::json;
use syzygy::sandbox::docker::{Config, Docker};
use syzygy::sandbox::{Call, Containers, Ended, Resource, Sandbox, Spec, View};

use super::super::kills::{STUBBORN, number, percentile};
use super::super::{MARK, clock, cx, defaults, loudly, marked, once, shell};
use super::{Tier, config, containers, there, tier};
use crate::support::{MINUTE, eventually};

fn stubborn(mark: &str) -> Spec {
    let mut spec = shell("stubborn", STUBBORN);
    spec.environment.insert(MARK.to_owned(), mark.to_owned());
    spec
}

/// Returns when the tool with this mark is in the middle of it.
async fn runs(mark: &str) {
    // The shell and its three children.
    eventually("the tool runs", async || (marked(mark).len() >= 4).then_some(())).await;
}

// 211.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_whose_time_is_over_is_gone_soon_and_leaves_nothing() {
    let Some(Tier { docker, .. }) = tier("kills-many").await else { return };
    let mut times = Vec::new();
    for round in 0..number("SYZYGY_CONTAINER_KILLS", 10) {
        let mark = format!("container-kills-{}-{round}", std::process::id());
        // Long enough to be in the middle of it, on a machine that does much else.
        let within = Duration::from_secs(2);
        let mut spec = stubborn(&mark);
        spec.limits.wall = if round % 2 == 0 { within } else { MINUTE };
        let cx = cx(MINUTE);
        let prepared = docker.prepare(&cx, spec).await.unwrap();
        let began = clock().now();
        let call = Call::new("stubborn", json!(null));
        let ended = if round % 2 == 0 {
            let outcome = docker.invoke(&cx, &prepared, call).await;
            assert_eq!(outcome.ended, Ended::Limit(Resource::Wall), "{outcome:?}");
            began + within
        } else {
            let cancel = async {
                runs(&mark).await;
                cx.cancel();
                clock().now()
            };
            let (outcome, at) = tokio::join!(docker.invoke(&cx, &prepared, call), cancel);
            assert_eq!(outcome.ended, Ended::Cancelled, "{outcome:?}");
            at
        };
        times.push(clock().now().saturating_duration_since(ended));
        assert_eq!((marked(&mark), there("kills-many")), (vec![], vec![]), "round {round} left something");
    }
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    loudly(&format!("{} containers ended: p50 {half:?}, p99 {most:?}", times.len()));
    // Other tests run beside this one; the figure of a quiet machine is in the docs.
    assert!(most < Duration::from_secs(3), "p99 {most:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_waits_for_any_more_leaves_no_container() {
    let Some(Tier { docker, folder }) = tier("kills-dropped").await else { return };
    for round in 0..6_u64 {
        let mark = format!("container-dropped-{}-{round}", std::process::id());
        let cx = cx(MINUTE);
        let prepared = docker.prepare(&cx, stubborn(&mark)).await.unwrap();
        let call = docker.invoke(&cx, &prepared, Call::new("stubborn", json!(null)));
        if round == 0 {
            tokio::select! {
                outcome = call => panic!("it ended: {outcome:?}"),
                () = runs(&mark) => (),
            }
        } else {
            // Also before it is made, and while it is.
            assert!(tokio::time::timeout(Duration::from_millis(round * 40), call).await.is_err());
        }
        eventually("it is gone", async || (docker.view() == View::default()).then_some(())).await;
        assert_eq!((marked(&mark), there("kills-dropped")), (vec![], vec![]), "round {round}");
    }
    let files = std::fs::read_dir(folder.path().join("kills-dropped")).unwrap().count();
    assert_eq!(files, 0, "its files are there still");
}

/// The variables by which the next test is told to be the host that dies: what its tool carries, where its directory and
/// its engine are.
const VICTIM: [&str; 3] = ["SYZYGY_TEST_VICTIM_MARK", "SYZYGY_TEST_VICTIM_FOLDER", "SYZYGY_TEST_VICTIM_ENGINE"];

/// A host that runs a tool until it is killed.
async fn be_the_victim([mark, folder, socket]: [String; 3]) {
    let containers = Containers { socket: socket.into(), ..defaults().docker };
    let (life, private, system) = ("kills-first".to_owned(), Vec::new(), defaults().jail.system);
    let own = Config { folder: folder.into(), life, private, system, containers };
    let docker = Docker::open(own, clock()).await.unwrap();
    once(&docker, stubborn(&mark), json!(null)).await;
}

// 210.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_host_left_is_removed_by_its_next_life_and_nothing_else_is() {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let victim = VICTIM.map(|name| std::env::var(name).unwrap_or_default());
    if !victim[0].is_empty() {
        return be_the_victim(victim).await;
    }
    let (Some(own), Some(Tier { docker: other, .. })) = (containers(), tier("kills-other").await) else { return };
    let folder = tempfile::tempdir().unwrap();
    let marks = ["dead", "alive"].map(|name| format!("container-{name}-{}", std::process::id()));
    let name = "sandbox::containers::kills::what_a_killed_host_left_is_removed_by_its_next_life_and_nothing_else_is";
    let told = [marks[0].clone(), folder.path().display().to_string(), own.socket.display().to_string()];
    let mut host = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .envs(VICTIM.into_iter().zip(told))
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let cx = cx(MINUTE);
    let prepared = other.prepare(&cx, stubborn(&marks[1])).await.unwrap();
    let next = async {
        runs(&marks[0]).await;
        runs(&marks[1]).await;
        host.kill().await.unwrap();
        // Nobody takes the engine's children with them.
        assert_eq!((marked(&marks[0]).len(), there("kills-first").len()), (4, 1));
        let docker = Docker::open(config(&folder, "kills-second", own), clock()).await.unwrap();
        assert_eq!(docker.sweep().await, 1);
        assert_eq!((marked(&marks[0]), there("kills-first")), (vec![], vec![]));
        assert_eq!(docker.sweep().await, 0);
        assert!(!folder.path().join("kills-first").exists(), "its files are there still");
        assert_eq!((marked(&marks[1]).len(), there("kills-other").len()), (4, 1), "another host's was touched");
        cx.cancel();
    };
    let (outcome, ()) = tokio::join!(other.invoke(&cx, &prepared, Call::new("stubborn", json!(null))), next);
    assert_eq!(outcome.ended, Ended::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_no_time_takes_what_the_engine_takes() {
    let Some(Tier { docker, .. }) = tier("starts").await else { return };
    let cx = cx(MINUTE);
    let mut spec = Spec::command("true", &["/bin/true"], super::super::limits());
    spec.speech = syzygy::sandbox::Speech::Plain;
    let prepared = docker.prepare(&cx, spec).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..number("SYZYGY_CONTAINER_STARTS", 10) {
        let outcome = docker.invoke(&cx, &prepared, Call::new("true", json!(null))).await;
        assert_eq!(outcome.answer, Ok(json!({"stdout": "", "exit": 0})));
        times.push(outcome.usage.wall);
    }
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    loudly(&format!("{} containers from start to result: p50 {half:?}, p99 {most:?}", times.len()));
    // Not optimised and beside other tests; the figure of a quiet machine is in the docs.
    assert!(half < Duration::from_secs(5), "p50 {half:?}");
}
