//! Versions on trial: whom they serve, and what becomes of those that are not as good as they have to be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::health::{Allowance, Health};
use super::super::stage::chosen;
use super::super::*;
use crate::actors::tests::{SECOND, cx, journal, read, soon, start, world};
use crate::lap::{Caller, Ready, Rules};
use crate::sandbox::{Puppet, Script, Tier};
use crate::store::{Disk, Event, Journal, Memory};
use crate::supervision::Root;
use crate::tds::tool::{Quota, Range, Slo, Version};
use crate::tds::{self, Format};
use crate::types::{Class, Cx, Principal, World};

fn described(version: &str, change: impl FnOnce(&mut Value)) -> Ready {
    let mut value = json!({
        "tds": 1, "id": "text.count", "name": "Count", "version": version,
        "description": "Does what the script of a test says, and is never run otherwise.",
        "capabilities": ["query"], "side_effects": "none", "isolation": "jail",
        "interface": {
            "input": { "type": "object" },
            "output": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] },
        },
        "run": { "program": { "argv": ["tool"] } },
        "slo": { "success_percent": 90, "p95_ms": 1_000, "window_s": 60, "calls_least": 10 },
    });
    change(&mut value);
    let tool = tds::read(Format::Json, &value.to_string()).unwrap_or_else(|report| panic!("{report}")).tool;
    Ready::new(Arc::new(tool), Vec::new()).unwrap()
}

fn says(n: u32) -> Script {
    Script::default().prints(json!({ "type": "result", "value": { "n": n } }).to_string())
}

fn fails() -> Script {
    Script::default().prints(json!({ "type": "error", "class": "unavailable", "message": "down" }).to_string()).exits(1)
}

struct Bench {
    world: World,
    handle: Handle,
    journal: Arc<Memory>,
    _root: Root,
}

/// An executor with these versions, each played by its script.
async fn bench(versions: Vec<(Ready, Stage, Script)>) -> Bench {
    let world = world();
    let journal = journal(&Disk::default(), &world, vec![Arc::new(EffectsProjection), Arc::new(ToolsProjection)]);
    let library = Arc::new(Library::of(Vec::new()).unwrap());
    let mut jail = Puppet::new(Tier::Jail, Arc::clone(&world.clock));
    for (ready, stage, script) in versions {
        jail = jail.with(&ready.label(), script);
        library.put(library.entry(ready, stage).unwrap());
    }
    let mut ports = Ports::bare(journal.clone());
    ports.tiers = BTreeMap::from([(Tier::Jail, Arc::new(jail) as Arc<_>)]);
    ports.folder = Some(std::env::temp_dir());
    ports.rules = Arc::new(Rules { flags: vec!["new-count".to_owned()], ..Rules::default() });
    let config = read(json!({
        "concurrency": 32, "waiting": 32, "call_within_s": 60, "result_bytes_max": 1_000, "cache_bytes_max": 0, "approval_s": 3_600, "approval_wait_s": 0,
    }));
    let (handle, child) = Handle::launch("tools", library, ports, config, &world);
    let (root, _) = start(vec![child], &world).await;
    Bench { world, handle, journal, _root: root }
}

impl Bench {
    fn cx(&self) -> Cx {
        cx(&self.world, 30 * SECOND)
    }

    async fn call(&self, agent: Option<&str>, version: Option<&str>) -> Result<Answer, Error> {
        let request = Request {
            tool: "text.count".to_owned(),
            arguments: json!({}),
            agent: agent.map(ToOwned::to_owned),
            required: version.map(|range| range.parse().unwrap()),
            ..Request::default()
        };
        soon(self.handle.invoke(&self.cx(), request)).await
    }

    async fn events(&self, kind: &str) -> Vec<Event> {
        self.journal.flush().await.unwrap();
        let all = self.journal.read(1, 1_000).await.unwrap();
        all.into_iter().filter(|event| event.kind == kind).collect()
    }

    fn stage(&self, version: &str) -> Stage {
        let versions = self.handle.library().versions("text.count");
        versions.into_iter().find(|one| one.ready.tool.version.to_string() == version).unwrap().stage
    }
}

fn for_agent(name: &str) -> Stage {
    Stage::Canary(Canary { agents: vec![name.to_owned()], ..Canary::default() })
}

#[tokio::test(start_paused = true)]
async fn a_version_on_trial_serves_whom_it_is_meant_for_and_nobody_else() {
    let bench = bench(vec![
        (described("1.0.0", |_| {}), Stage::Active, says(1)),
        (described("1.1.0", |_| {}), for_agent("zoi"), says(2)),
    ])
    .await;
    assert_eq!(bench.call(None, None).await.unwrap().version, "1.0.0");
    assert_eq!(bench.call(Some("marvin"), None).await.unwrap().version, "1.0.0");
    assert_eq!(bench.call(Some("zoi"), None).await.unwrap().version, "1.1.0");
    // Whoever asks for exactly this one gets it, and who asks for a range does not get it by accident.
    assert_eq!(bench.call(None, Some("=1.1.0")).await.unwrap().version, "1.1.0");
    assert_eq!(bench.call(None, Some("^1.0")).await.unwrap().version, "1.0.0");
    let list = bench.handle.list(&Caller::default());
    assert_eq!(list[0].ready.tool.version.to_string(), "1.0.0");
    // A flag of the host's configuration opens it for everybody.
    let flagged = |flag: &str| Stage::Canary(Canary { flag: Some(flag.to_owned()), ..Canary::default() });
    let version = || "1.1.0".parse::<Version>().unwrap();
    soon(bench.handle.stage(&bench.cx(), "text.count", version(), flagged("other"))).await.unwrap();
    assert_eq!(bench.call(Some("zoi"), None).await.unwrap().version, "1.0.0");
    soon(bench.handle.stage(&bench.cx(), "text.count", version(), flagged("new-count"))).await.unwrap();
    assert_eq!(bench.call(None, None).await.unwrap().version, "1.1.0");
    soon(bench.handle.stage(&bench.cx(), "text.count", version(), Stage::Active)).await.unwrap();
    assert_eq!(bench.call(Some("marvin"), None).await.unwrap().version, "1.1.0");
    assert_eq!(bench.events("tool.staged").await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_burns_its_slo_is_taken_back_by_itself() {
    let bench = bench(vec![
        (described("1.0.0", |_| {}), Stage::Active, says(1)),
        (described("1.1.0", |_| {}), for_agent("zoi"), fails()),
    ])
    .await;
    for _ in 0..9 {
        assert_eq!(bench.call(Some("zoi"), None).await.unwrap_err().class(), Class::Unavailable);
        assert_eq!(bench.call(Some("marvin"), None).await.unwrap().version, "1.0.0");
    }
    assert!(matches!(bench.stage("1.1.0"), Stage::Canary(_)), "nine calls say nothing yet");
    assert!(bench.call(Some("zoi"), None).await.is_err());
    let Stage::Quarantined { reason } = bench.stage("1.1.0") else { panic!("it is still on trial") };
    assert!(reason.starts_with("0 of 100 calls succeeded, and 90 should"), "{reason}");
    assert_eq!(bench.call(Some("zoi"), None).await.unwrap().version, "1.0.0");
    assert_eq!(bench.events("tool.staged").await[0].body.value()["stage"]["stage"], "quarantined");
    let error = bench.call(None, Some("=1.1.0")).await.unwrap_err();
    assert!(error.to_string().contains("1.1.0 (taken out: 0 of 100"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_in_general_use_steps_back_and_the_last_one_stays() {
    let slow = says(2).waits(Duration::from_millis(1_500));
    let bench = bench(vec![
        (described("1.0.0", |_| {}), Stage::Active, fails()),
        (described("1.1.0", |_| {}), Stage::Active, slow),
    ])
    .await;
    for _ in 0..10 {
        assert_eq!(bench.call(None, None).await.unwrap().version, "1.1.0");
    }
    let Stage::Quarantined { reason } = bench.stage("1.1.0") else { panic!("it is still in use") };
    assert!(reason.contains("took up to 1500 ms, and 1000 ms is the most"), "{reason}");
    for _ in 0..20 {
        assert!(bench.call(None, None).await.is_err());
    }
    assert_eq!(bench.stage("1.0.0"), Stage::Active, "there is no other");
    let take_out = Stage::Quarantined { reason: "why not".to_owned() };
    let version = "1.0.0".parse::<Version>().unwrap();
    let refused = soon(bench.handle.stage(&bench.cx(), "text.count", version, take_out)).await.unwrap_err();
    assert!(refused.to_string().contains("the only version in general use"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_is_to_blame_for_does_not_count() {
    let wrong = Script::default().prints(json!({ "type": "error", "class": "invalid", "message": "no" }).to_string());
    let bench = bench(vec![
        (described("1.0.0", |_| {}), Stage::Active, says(1)),
        (described("1.1.0", |_| {}), Stage::Active, wrong.exits(1)),
    ])
    .await;
    for _ in 0..30 {
        assert_eq!(bench.call(None, None).await.unwrap_err().class(), Class::Invalid);
    }
    assert_eq!(bench.stage("1.1.0"), Stage::Active);
    assert_eq!(soon(bench.handle.pulses(&bench.cx(), "text.count")).await.unwrap(), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_calls_as_often_as_the_quota_says_and_the_others_too() {
    let few = |value: &mut Value| value["quota"] = json!({ "calls_per_minute": 6 });
    let bench = bench(vec![(described("1.0.0", few), Stage::Active, says(1))]).await;
    for _ in 0..6 {
        bench.call(None, None).await.unwrap();
    }
    let refused = bench.call(None, None).await.unwrap_err();
    assert_eq!(refused.class(), Class::Exhausted);
    assert!(refused.to_string().contains("6 times in a minute; there is room again in 10000 ms"), "{refused}");
    let other = bench.cx();
    let other = Cx::new(other.trace(), Principal::new("acme/ann", &[]), other.deadline(), other.budget());
    let request = Request { tool: "text.count".to_owned(), arguments: json!({}), ..Request::default() };
    soon(bench.handle.invoke(&other, request)).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    bench.call(None, None).await.unwrap();
    assert!(bench.call(None, None).await.is_err());
}

#[test]
fn a_share_is_the_same_runs_each_time_and_about_as_many_as_it_says() {
    let canary = Canary { share_percent: 20, ..Canary::default() };
    let seats: Vec<String> = (0..2_000).map(|number| format!("run {number}")).collect();
    let served = |seat: &&String| canary.serves("text.count", &Asker { seat, ..Asker::default() });
    let first: Vec<&String> = seats.iter().filter(served).collect();
    assert!((320..480).contains(&first.len()), "{} of 2000", first.len());
    assert_eq!(first, seats.iter().filter(served).collect::<Vec<_>>());
    let none = Canary::default();
    assert!(!seats.iter().any(|seat| none.serves("text.count", &Asker { seat, ..Asker::default() })));
}

#[test]
fn only_calls_of_the_window_count_and_enough_of_them() {
    let slo = Slo { success_percent: 50, p95_ms: None, window_s: 60, calls_least: 4 };
    let (mut health, began) = (Health::default(), world().clock.now());
    for _ in 0..10 {
        health.saw(began, false, Duration::ZERO);
    }
    assert!(health.broken(&slo, began).is_some());
    let later = began + Duration::from_secs(61);
    assert_eq!(health.broken(&slo, later), None, "they are too long ago");
    for good in [true, false, false] {
        health.saw(later, good, Duration::ZERO);
    }
    assert_eq!(health.broken(&slo, later), None, "three are too few");
    health.saw(later, false, Duration::ZERO);
    assert!(health.broken(&slo, later).unwrap().starts_with("25 of 100"));
}

proptest! {
    /// In any minute no more than a minute's worth beyond what came before, whenever calls come.
    #[test]
    fn no_minute_has_more_than_twice_the_quota_and_none_is_wasted(
        most in 1_u64..50, pauses in prop::collection::vec(0_u64..4_000, 1..400)
    ) {
        let (quota, began) = (Quota { calls_per_minute: most }, world().clock.now());
        let (mut room, mut now, mut taken) = (Allowance::default(), began, Vec::new());
        for pause in pauses {
            now += Duration::from_millis(pause);
            match room.take(&quota, now) {
                Ok(()) => taken.push(now),
                Err(wait) => prop_assert!(wait > Duration::ZERO && wait <= Duration::from_secs(60)),
            }
        }
        // Over any stretch: what fits at once, and what comes back meanwhile.
        for (place, from) in taken.iter().enumerate() {
            for (more, until) in taken[place..].iter().enumerate() {
                let back = until.duration_since(*from).as_secs_f64() * most as f64 / 60.0;
                prop_assert!((more + 1) as f64 <= most as f64 + back + 1.0, "{} in {back}", more + 1);
            }
        }
    }

    /// What serves is what was asked for; one that was taken out never does, one on trial only whom it is meant for.
    #[test]
    fn nobody_is_served_by_what_is_not_meant_for_them(
        stages in prop::collection::vec(0_u8..3, 1..8), range in 0_usize..4, agent in any::<bool>()
    ) {
        let stage = |kind: &u8| match kind {
            0 => Stage::Active,
            1 => Stage::Canary(Canary { agents: vec!["zoi".to_owned()], ..Canary::default() }),
            _ => Stage::Quarantined { reason: "it failed".to_owned() },
        };
        let versions: BTreeMap<Version, Stage> =
            stages.iter().enumerate().map(|(n, kind)| (format!("1.{n}.0").parse().unwrap(), stage(kind))).collect();
        let required: Option<Range> = [None, Some("^1.2"), Some("=1.1.0"), Some("<1.3")][range].map(|text| text.parse().unwrap());
        let asker = Asker { agent: agent.then_some("zoi"), ..Asker::default() };
        let found = chosen("t", &versions, required.as_ref(), Some(&asker));
        let usual = versions.iter().rev().find(|(version, stage)| {
            **stage == Stage::Active && required.as_ref().is_none_or(|range| range.takes(version))
        });
        match found.map(|version| (version, &versions[version])) {
            None => prop_assert!(usual.is_none()),
            Some((version, stage)) => {
                prop_assert!(required.as_ref().is_none_or(|range| range.takes(version)));
                match stage {
                    Stage::Active => prop_assert_eq!(Some(version), usual.map(|(version, _)| version)),
                    Stage::Canary(_) => prop_assert!(agent || range == 2),
                    Stage::Quarantined { .. } => prop_assert!(false, "it was taken out"),
                }
            }
        }
    }
}
