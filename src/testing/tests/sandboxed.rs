//! Sandboxes in the simulation's weather: what callers hear of a call, and what was really done.

#![expect(clippy::panic, reason = "a failed test panics")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::actors::executor;
use crate::sandbox::{Call, Ended, Killed, Limits, Outcome, Prepared, Puppet, Resource, Sandbox, Script, Spec, Tier};
use crate::testing::clock::SimulatedClock;
use crate::testing::sandboxed::{Deeds, Shaky};
use crate::testing::weather::Weather;
use crate::testing::{Faults, Simulated, Simulation, Soak, errands};
use crate::types::{Clock, Cx};

/// Each time.
const ALWAYS: u32 = 1_000_000;

const SECOND: Duration = Duration::from_secs(1);

/// How long a tool may take.
const WALL: Duration = Duration::from_secs(10);

struct Stage {
    clock: Arc<SimulatedClock>,
    shaky: Shaky,
    deeds: Deeds,
    prepared: Prepared,
}

/// A tool that takes a second and says what it was given, in this weather.
async fn stage(faults: Faults) -> Stage {
    let (weather, deeds) = (Arc::new(Weather::new(1, faults)), Deeds::default());
    let clock = Arc::new(SimulatedClock::begin(Arc::clone(&weather)));
    let puppet = Puppet::new(Tier::Jail, clock.clone()).with("echo", Script::default().waits(SECOND).echoes());
    let shaky = Shaky::new(Arc::new(puppet), clock.clone(), weather, Arc::clone(&deeds));
    let spec = Spec::command("echo", &["echo"], Limits::talking(WALL, 10_000));
    let prepared = shaky.prepare(&Cx::housekeeping(clock.now(), 60 * SECOND), spec).await.unwrap();
    Stage { clock, shaky, deeds, prepared }
}

impl Stage {
    /// A call that may take so long.
    fn cx(&self, within: Duration) -> Cx {
        Cx::housekeeping(self.clock.now(), within)
    }

    async fn call(&self, cx: &Cx) -> Outcome {
        self.shaky.invoke(cx, &self.prepared, Call::new("a", json!("milk"))).await
    }

    /// What was done, whatever was heard of it.
    fn done(&self) -> Vec<Value> {
        self.deeds.lock().iter().map(|deed| deed.input.clone()).collect()
    }
}

// TS3.
#[tokio::test(start_paused = true)]
async fn a_sandbox_in_fair_weather_is_the_one_within() {
    let stage = stage(Faults::none()).await;
    let outcome = stage.call(&stage.cx(60 * SECOND)).await;
    assert_eq!((outcome.ended, outcome.answer), (Ended::Finished, Ok(json!("milk"))));
    assert_eq!((outcome.usage.wall, stage.done()), (SECOND, vec![json!("milk")]));
    assert_eq!(stage.shaky.capabilities().tier, Tier::Jail);
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_fails_has_done_nothing_and_one_that_cuts_has_and_both_say_the_same() {
    let fails = stage(Faults { sandbox_fails: ALWAYS, ..Faults::none() }).await;
    let cuts = stage(Faults { sandbox_cuts: ALWAYS, ..Faults::none() }).await;
    let failed = fails.call(&fails.cx(60 * SECOND)).await;
    let cut = cuts.call(&cuts.cx(60 * SECOND)).await;
    assert_eq!((failed.ended, failed.answer.is_err()), (Ended::Failed, true));
    assert_eq!((cut.ended, cut.answer.is_err()), (Ended::Failed, true));
    assert_eq!((fails.done(), cuts.done()), (vec![], vec![json!("milk")]));
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_hangs_ends_with_its_time_its_caller_or_a_kill_and_does_nothing() {
    let stage = stage(Faults { sandbox_hangs: ALWAYS, ..Faults::none() }).await;
    let began = stage.clock.now();
    assert_eq!(stage.call(&stage.cx(60 * SECOND)).await.ended, Ended::Limit(Resource::Wall));
    assert_eq!(stage.clock.now() - began, WALL);
    assert_eq!(stage.call(&stage.cx(3 * SECOND)).await.ended, Ended::Deadline);
    let cx = stage.cx(60 * SECOND);
    let (left, ()) = tokio::join!(stage.call(&cx), async { cx.cancel() });
    assert_eq!(left.ended, Ended::Cancelled);
    let cx = stage.cx(60 * SECOND);
    let killing = async {
        assert_eq!(stage.shaky.view().running, 1);
        stage.shaky.kill("a").await
    };
    let (killed, gone) = tokio::join!(stage.call(&cx), killing);
    assert_eq!((killed.ended, gone), (Ended::Killed, Killed::Gone));
    assert_eq!((stage.shaky.kill("a").await, stage.shaky.view().running), (Killed::Unknown, 0));
    assert!(stage.done().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_sandbox_does_the_work_late_and_in_no_more_time_than_there_is() {
    let stage = stage(Faults { sandbox_slow: ALWAYS, sandbox_slow_ms: 60_000, ..Faults::none() }).await;
    let (mut finished, mut ended) = (0, 0);
    for _ in 0..40 {
        let began = stage.clock.now();
        let outcome = stage.call(&stage.cx(60 * SECOND)).await;
        assert!(stage.clock.now() - began <= WALL);
        match outcome.ended {
            Ended::Finished => finished += 1,
            Ended::Deadline | Ended::Limit(Resource::Wall) => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(finished > 0 && ended > 0, "{finished} finished, {ended} ended");
}

/// The sandbox does its work, and half of the time nobody hears of it.
#[test]
fn what_a_sandbox_has_lost_is_not_done_again_by_the_next_host() {
    let mut doubted = 0;
    for seed in 0..5 {
        let faults = Faults { sandbox_cuts: ALWAYS / 2, ..Faults::none() };
        let simulation = Simulation::new(seed).unwrap().sandbox(errands::sandbox).faults(faults);
        let scenario = async |host: Simulated| {
            errands::publish(&host).await;
            let tests = host.deeds().lock().len();
            let call = async |key: &str| {
                let request = errands::request(Some(key));
                host.with(async |host, cx| host.tools().invoke(&cx, request).await.map(|answer| answer.value)).await
            };
            let keys = ["a", "b", "c", "d"];
            let mut before = Vec::new();
            for key in keys {
                before.push(call(key).await?);
            }
            host.crash().await;
            for (key, before) in keys.iter().zip(&before) {
                let after = call(key).await?;
                match before {
                    Ok(value) => assert_eq!(after.unwrap(), *value),
                    Err(executor::Error::InDoubt { .. }) => {
                        doubted += 1;
                        assert!(matches!(after, Err(executor::Error::InDoubt { .. })), "{after:?}");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(host.deeds().lock().len() - tests, keys.len());
            Ok(())
        };
        simulation.run(scenario).unwrap();
    }
    assert!((1..20).contains(&doubted), "{doubted} of 20");
}

/// Errands are run, lost and come back to in each soak: what is promised of them is promised of something.
#[test]
fn a_soak_sees_errands_done_lost_settled_and_asked_for_again() {
    let mut counted = std::collections::BTreeMap::<String, u32>::new();
    for seed in 0..4 {
        let played = || {
            let simulation = Simulation::new(seed).unwrap().faults(Faults::rough());
            simulation.soak(Soak { callers: 5, tasks_each: 5 }).unwrap()
        };
        let (report, again) = (played(), played());
        // TS1.
        assert!(report.journal == again.journal, "seed {seed} wrote two journals");
        assert_eq!(report.violations, [], "seed {seed}");
        for line in String::from_utf8(report.journal).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let kind = event["kind"].as_str().unwrap_or_default();
            if kind.starts_with("effect.") {
                *counted.entry(kind.to_owned()).or_default() += 1;
            }
        }
    }
    let kinds: Vec<&str> = counted.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["effect.begun", "effect.doubted", "effect.ended", "effect.settled"], "{counted:?}");
    assert!(counted.values().all(|times| *times >= 10), "{counted:?}");
}
