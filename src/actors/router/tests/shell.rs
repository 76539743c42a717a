//! When a new table is there, and that it is on the record.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{candidate, observed, ranked, ziggy};
use crate::actors::crown::{self, Change, GovernanceProjection};
use crate::actors::router::record::{Built, Changed, Recorded, Set, kind, registry, table};
use crate::actors::router::{Handle, TablesProjection};
use crate::actors::runtime::{self, Launch};
use crate::actors::tests::{SECOND, Watched, cx, journal, later, read, soon, start, world};
use crate::inference::Health;
use crate::store::{Disk, Event, Journal, Memory};
use crate::supervision::Root;
use crate::types::{Cx, Hash, World};
use crate::ziggy::route::{Fib, build};
use crate::ziggy::{Action, Override, privacy};

struct Bench {
    world: World,
    journal: Arc<Memory>,
    crown: crown::Handle,
    router: Handle,
    runtime: Arc<Watched>,
    _root: Root,
}

/// A router over `a` (the better one, whose runtime is watched) and `b`.
async fn bench() -> Bench {
    bench_with(ziggy()).await
}

async fn bench_with(ziggy: crate::ziggy::Config) -> Bench {
    let world = world();
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection), Arc::new(TablesProjection)]);
    let governing = read(json!({ "watch_every_s": 60, "alerts_kept": 4, "overrides_most": 4 }));
    let (crown, governor) = crown::Handle::launch(journal.clone(), governing, &world);
    let runtime = Watched::new("a");
    let driving = read(
        json!({ "waiting": 4, "concurrency": 1, "health_every_s": 10, "health_within_s": 5, "unreachable_every_s": 1, "repair_again_s": 0 }),
    );
    let launch = Launch { runtime: runtime.clone(), child: None };
    let (driver, driver_child) = runtime::Handle::launch(launch, driving, &world);
    let routing = read(
        json!({ "rebuild_every_ms": 1_000, "waiting": 64, "snapshot_every_s": 3_600, "candidates_most": 100, "deltas_most": 8 }),
    );
    let candidates = vec![candidate("a", 0.9), candidate("b", 0.5)];
    let (router, child) = Handle::launch(
        candidates,
        vec![driver],
        crown.clone(),
        journal.clone(),
        (routing, &ziggy, &privacy::Config::default()),
        &world,
    );
    let (root, _) = start(vec![governor, driver_child, child], &world).await;
    Bench { world, journal, crown, router, runtime, _root: root }
}

impl Bench {
    fn cx(&self) -> Cx {
        cx(&self.world, 600 * SECOND)
    }

    /// The first table that is as wanted, and how long it took on the clock that stands still.
    async fn until(&self, wanted: impl Fn(&Fib) -> bool) -> (Arc<Fib>, Duration) {
        let (mut news, before) = (self.journal.subscribe(), self.world.clock.now());
        let table = async {
            while !wanted(&self.router.fib()) {
                news.recv().await.unwrap();
            }
            self.router.fib()
        };
        (soon(table).await, self.world.clock.now() - before)
    }

    async fn built(&self) -> Vec<Event> {
        let events = self.journal.read(1, 1_000).await.unwrap();
        events.into_iter().filter(|event| event.kind == "fib.built").collect()
    }
}

// RO2.
#[tokio::test(start_paused = true)]
async fn a_change_of_governance_is_in_the_next_table_at_once() {
    let bench = bench().await;
    assert_eq!(ranked(&bench.router.fib()), ["a", "b"]);
    let withdraw = Change::Weight { candidate: "a".to_owned(), percent: Some(0) };
    bench.crown.change(&bench.cx(), withdraw).await.unwrap();
    let (fib, took) = bench.until(|fib| ranked(fib) == ["b"]).await;
    assert_eq!((fib.governance, took), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_goes_down_loses_its_routes_and_gets_them_back() {
    let bench = bench().await;
    bench.runtime.is_now(Health::Down { reason: "no answer".to_owned() });
    let (_, took) = bench.until(|fib| ranked(fib) == ["b"]).await;
    assert!(took <= 10 * SECOND, "{took:?} is more than the time between two looks");
    bench.runtime.is_now(Health::Ready);
    bench.until(|fib| ranked(fib) == ["a", "b"]).await;
}

// RO2.
#[tokio::test(start_paused = true)]
async fn what_was_only_observed_is_gathered_for_a_while() {
    let bench = bench().await;
    let cx = bench.cx();
    for _ in 0..3 {
        bench.router.observe(&cx, observed("a", false));
    }
    let (fib, took) = bench.until(|fib| ranked(fib) == ["b", "a"]).await;
    assert_eq!(took, SECOND);
    // RO1: the published table is what Ziggy makes of the published RIB under the governance it names. Nobody is kept in
    // place by this config, so the table before changes nothing.
    let rib = bench.router.rib();
    assert_eq!(*fib, build(&rib, &bench.crown.governance(), &ziggy().rules(), None, fib.at));
}

#[tokio::test(start_paused = true)]
async fn every_new_table_is_on_the_record_and_the_same_one_is_not_again() {
    let bench = bench().await;
    let cx = bench.cx();
    let first = bench.router.rebuild(&cx).await.unwrap();
    assert_eq!(bench.router.rebuild(&cx).await.unwrap(), first);
    let withdraw = Change::Weight { candidate: "a".to_owned(), percent: Some(0) };
    bench.crown.change(&cx, withdraw).await.unwrap();
    let (second, _) = bench.until(|fib| ranked(fib) == ["b"]).await;
    let built: Vec<Built> = bench.built().await.iter().map(|event| event.body.parse().unwrap()).collect();
    assert_eq!(built.iter().map(|built| built.version).collect::<Vec<_>>(), [first, second.version]);
    // RO3: by its version it is found again, and what it was made from makes it once more.
    assert_eq!(table(&*bench.journal, second.version).await.unwrap().as_ref(), Some(&*second));
    assert_eq!(table(&*bench.journal, Hash::of(b"nothing")).await.unwrap(), None);
    let events = bench.journal.read(1, 1_000).await.unwrap();
    let bases = events.iter().filter(|event| event.kind == kind::BASIS);
    let basis = bases.filter_map(|event| event.body.parse::<Recorded>()).find(|one| one.basis_hash == built[1].basis);
    assert_eq!(basis.unwrap().basis.unwrap().under(&ziggy().rules()), *second);
    // Both name the registry, which stands there once.
    let set: Vec<Set> =
        events.iter().filter(|one| one.kind == kind::REGISTRY).filter_map(|one| one.body.parse()).collect();
    assert_eq!(set.len(), 1);
    assert!(built.iter().all(|built| built.registry == Some(set[0].registry_hash)));
    let found = registry(&*bench.journal, second.version).await.unwrap().unwrap();
    assert_eq!((found.hash(), &found.rules), (set[0].registry_hash, &ziggy().rules()));
    assert_eq!(found.providers.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(registry(&*bench.journal, Hash::of(b"nothing")).await.unwrap(), None);
    let changed = events.iter().filter(|event| event.kind == kind::CHANGED);
    let changed: Vec<Changed> = changed.map(|event| event.body.parse().unwrap()).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].changes[0].words(), "a left its routes: its weight is zero.");
}

#[tokio::test(start_paused = true)]
async fn who_failed_too_often_comes_back_although_nobody_is_asked_meanwhile() {
    let mut config = ziggy();
    config.live.penalty_half_life_s = 10;
    let bench = bench_with(config).await;
    let cx = bench.cx();
    (0..3).for_each(|_| bench.router.observe(&cx, observed("a", false)));
    bench.until(|fib| ranked(fib) == ["b", "a"]).await;
    let (fib, took) = bench.until(|fib| fib.rows.iter().all(|row| row.dampened.is_none())).await;
    // 3 000 are below 750 after two half-lives of ten seconds, one of which was spent on gathering.
    assert!((18..=21).contains(&took.as_secs()), "{took:?}");
    assert_eq!(fib.rows.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_comes_back_when_the_override_against_it_expires() {
    let bench = bench().await;
    let cx = bench.cx();
    for candidate in ["a", "b"] {
        let action = Action::Disable { candidate: candidate.to_owned() };
        let lives = if candidate == "a" { 30 * SECOND } else { 20 * SECOND };
        let expires = later(lives);
        let one = Override { author: "ada".to_owned(), reason: "maintenance".to_owned(), expires, action };
        bench.crown.change(&cx, Change::Override(one)).await.unwrap();
    }
    bench.until(|fib| ranked(fib).is_empty()).await;
    // Nobody is asked meanwhile, so nothing is observed that would build a new table.
    let (_, first) = bench.until(|fib| ranked(fib) == ["b"]).await;
    let (_, second) = bench.until(|fib| ranked(fib) == ["a", "b"]).await;
    assert_eq!((first.as_secs(), second.as_secs()), (20, 10));
}
