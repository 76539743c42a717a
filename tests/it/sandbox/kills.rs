//! Tools that are ended, again and again: how long it takes, and whether anything is left.
//!
//! `SYZYGY_JAIL_KILLS` says how many, 1,000 for the figure of the docs.

use std::time::Duration;

use serde_json::json;
use syzygy::sandbox::{Call, Ended, Resource, Sandbox, Spec};

use super::{MARK, clock, cx, jail, loudly, marked, shell};
use crate::support::MINUTE;

/// A shell that ignores who asks it to end, with children that do too, one of them in a session of its own.
pub(super) const STUBBORN: &str =
    "trap '' TERM INT HUP; (setsid sleep 1000 &) ; sleep 1000 & sleep 1000 & wait; sleep 1000";

pub(super) fn number(variable: &str, otherwise: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let named = std::env::var(variable);
    named.ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn stubborn(mark: &str) -> Spec {
    let mut spec = shell("stubborn", STUBBORN);
    spec.environment.insert(MARK.to_owned(), mark.to_owned());
    spec
}

/// The time below which so many of a hundred are.
pub(super) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_whose_time_is_over_is_gone_at_once_and_leaves_nothing() {
    let Some(jail) = jail().await else { return };
    let mark = "kills";
    let kills = number("SYZYGY_JAIL_KILLS", 50);
    let mut times = Vec::new();
    for round in 0..kills {
        let within = Duration::from_millis(60);
        let mut spec = stubborn(mark);
        spec.limits.wall = if round % 2 == 0 { within } else { MINUTE };
        let cx = cx(MINUTE);
        let prepared = jail.prepare(&cx, spec).await.unwrap();
        let began = clock().now();
        let ended = if round % 2 == 0 {
            let outcome = jail.invoke(&cx, &prepared, Call::new("stubborn", json!(null))).await;
            assert_eq!(outcome.ended, Ended::Limit(Resource::Wall), "{outcome:?}");
            began + within
        } else {
            let cancel = async {
                // As long as it takes to be in the middle of it.
                let _ = tokio::time::timeout(within, std::future::pending::<()>()).await;
                cx.cancel();
                clock().now()
            };
            let (outcome, at) = tokio::join!(jail.invoke(&cx, &prepared, Call::new("stubborn", json!(null))), cancel);
            assert_eq!(outcome.ended, Ended::Cancelled, "{outcome:?}");
            at
        };
        times.push(clock().now().saturating_duration_since(ended));
        assert_eq!(marked(mark), Vec::<i32>::new(), "round {round} left something");
    }
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    loudly(&format!("{kills} jails ended: p50 {half:?}, p99 {most:?}, longest {:?}", times[times.len() - 1]));
    // Other tests run beside this one; the figure of a quiet machine is in the docs.
    assert!(most < Duration::from_millis(500), "p99 {most:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_waits_for_any_more_leaves_nothing() {
    let Some(jail) = jail().await else { return };
    let mark = "dropped";
    for _ in 0..10 {
        let cx = cx(MINUTE);
        let prepared = jail.prepare(&cx, stubborn(mark)).await.unwrap();
        let call = jail.invoke(&cx, &prepared, Call::new("stubborn", json!(null)));
        assert!(tokio::time::timeout(Duration::from_millis(60), call).await.is_err());
        assert_eq!(jail.view().running, 0);
    }
    crate::support::eventually("what was dropped is gone", async || marked(mark).is_empty().then_some(())).await;
}

/// The variable by which the next test is told to be the host that dies, and what its tool carries.
const VICTIM: &str = "SYZYGY_TEST_VICTIM";

// SB3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_killed_takes_its_jails_with_it() {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let victim = std::env::var(VICTIM);
    if let Ok(mark) = victim {
        let Some(jail) = jail().await else { return };
        super::once(&jail, stubborn(&mark), json!(null)).await;
        return;
    }
    if jail().await.is_none() {
        return;
    }
    let mark = format!("victim-{}", std::process::id());
    let name = "sandbox::kills::a_host_that_is_killed_takes_its_jails_with_it";
    let mut host = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env(VICTIM, &mark)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // The shell and its three children.
    let all = async || (marked(&mark).len() >= 4).then_some(());
    crate::support::eventually("the tool of the host that will die runs", all).await;
    host.kill().await.unwrap();
    crate::support::eventually("it is gone", async || marked(&mark).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_no_time_is_done_in_little() {
    let Some(jail) = jail().await else { return };
    let cx = cx(MINUTE);
    let prepared = jail.prepare(&cx, {
        let mut spec = Spec::command("true", &["/bin/true"], super::limits());
        spec.speech = syzygy::sandbox::Speech::Plain;
        spec
    });
    let prepared = prepared.await.unwrap();
    let mut times = Vec::new();
    for _ in 0..number("SYZYGY_JAIL_STARTS", 30) {
        let outcome = jail.invoke(&cx, &prepared, Call::new("true", json!(null))).await;
        assert_eq!(outcome.answer, Ok(json!({"stdout": "", "exit": 0})));
        times.push(outcome.usage.wall);
    }
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    loudly(&format!("{} jails from start to result: p50 {half:?}, p99 {most:?}", times.len()));
    // Not optimised and beside other tests; the figure of a quiet machine is in the docs.
    assert!(half < Duration::from_millis(500), "p50 {half:?}");
}
