//! How tables stand in the journal: whole and as changes, found again, and never torn apart when old events leave.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{candidate, observed, ziggy};
use crate::actors::router::record::{
    Built, Lines, Recorded, Registry, Scribe, Writing, joined, kind, registry, table, write,
};
use crate::actors::router::{Config, TablesProjection};
use crate::actors::tests::{SECOND, journal, later, world};
use crate::rat::{Ties, due};
use crate::store::{Disk, Event, Journal, Memory, Retention, RowQuery};
use crate::types::{Hash, Timestamp};
use crate::ziggy::route::{Basis, Fib, Rib};
use crate::ziggy::{Governance, privacy};

/// A journal, and who writes tables into it: whole every nine, or after an hour.
struct Desk {
    journal: Arc<Memory>,
    shared: Arc<dyn Journal>,
    scribe: Scribe,
    lines: Lines,
    registry: (Hash, Arc<Registry>),
}

const CONFIG: Config =
    Config { rebuild_every_ms: 1_000, waiting: 64, snapshot_every_s: 3_600, candidates_most: 100, deltas_most: 8 };

fn desk() -> Desk {
    let journal = journal(&Disk::default(), &world(), vec![Arc::new(TablesProjection)]);
    let registry = Registry {
        providers: std::collections::BTreeMap::new(),
        rules: ziggy().rules(),
        privacy: privacy::Config::default(),
    };
    let lines = Lines::default();
    Desk {
        shared: journal.clone(),
        journal,
        scribe: Scribe::new(&CONFIG, lines.clone()),
        lines,
        registry: (registry.hash(), Arc::new(registry)),
    }
}

/// So many agents, each a little worse than the one before.
fn crowd(count: u32) -> Rib {
    Rib::of((0..count).map(|number| candidate(&format!("agent-{number:05}"), 0.9 - f64::from(number) / 1e6))).unwrap()
}

impl Desk {
    async fn write(&self, rib: &Rib, passed: Duration) -> (Arc<Fib>, Basis) {
        let basis = Basis { rib: rib.clone(), governance: Governance::default(), at: later(passed) };
        let fib = Arc::new(basis.under(&ziggy().rules()));
        let writing = Writing { fib: Arc::clone(&fib), basis: basis.clone(), registry: self.registry.clone() };
        write(&self.shared, &self.scribe, "host/router", Some(writing), None).await.unwrap();
        self.journal.flush().await.unwrap();
        (fib, basis)
    }

    async fn events(&self) -> Vec<Event> {
        self.journal.read(1, 100_000).await.unwrap()
    }

    async fn built(&self) -> Vec<Built> {
        let events = self.events().await;
        events.iter().filter(|event| event.kind == kind::BUILT).filter_map(|event| event.body.parse()).collect()
    }

    async fn found(&self, version: Hash) -> Option<Fib> {
        table(&*self.journal, version).await.unwrap()
    }

    async fn rows(&self) -> usize {
        let query =
            RowQuery { projection: TablesProjection::NAME, prefix: "", reverse: false, after: None, limit: 999 };
        self.journal.rows(query).await.unwrap().len()
    }
}

fn bytes(events: &[Event]) -> usize {
    events.iter().map(|event| event.body.text().len()).sum()
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_long_stands_in_several_events_and_is_found_until_they_leave() {
    let desk = desk();
    let (fib, basis) = desk.write(&crowd(400), SECOND).await;
    let events = desk.events().await;
    assert!(events.len() > 4 && events.iter().all(|event| event.body.text().len() < 262_144), "{}", events.len());
    assert_eq!(desk.found(fib.version).await.as_ref(), Some(&*fib));
    let set = events.iter().position(|event| event.kind == kind::REGISTRY).unwrap();
    let made_from = events.iter().position(|event| event.kind == kind::BASIS).unwrap();
    assert_eq!(joined::<Basis>(&events[set + 1..made_from]), Some(basis));
    // RO4: what has left is not found and leaves no row, however many tables there were.
    let mut versions = vec![fib.version];
    for number in 0..40 {
        let small = Rib::of([candidate(&format!("agent-{number}"), 0.5)]).unwrap();
        versions.push(desk.write(&small, SECOND * (2 + number)).await.0.version);
    }
    let through = desk.journal.view().last_seq;
    let last = Rib::of([candidate("last", 0.5)]).unwrap();
    desk.write(&last, SECOND * 50).await;
    desk.journal.compact(through, "archive").await.unwrap();
    for version in &versions {
        assert_eq!(desk.found(*version).await, None);
    }
    assert_eq!(desk.rows().await, 85, "a hash and a number for each of 42 tables, and a registry");
    for number in 0..3 {
        desk.write(&last, SECOND * (60 + number)).await;
    }
    assert!(desk.rows().await <= 8, "{} rows are left", desk.rows().await);
}

// RO3, with RO7.
#[tokio::test(start_paused = true)]
async fn of_two_thousand_agents_one_that_changed_costs_a_few_kilobytes() {
    let (desk, mut rib) = (desk(), crowd(2_000));
    let (first, _) = desk.write(&rib, SECOND).await;
    let whole = bytes(&desk.events().await);
    assert!(whole > 2_000_000, "{whole} bytes");
    let mut written = vec![first];
    for number in 0..20_u32 {
        let before = desk.journal.view().last_seq;
        let feedback = observed(&format!("agent-{:05}", number * 97), false);
        assert!(rib.observe(&feedback, &ziggy().live, later(SECOND * (2 + number))));
        written.push(desk.write(&rib, SECOND * (2 + number)).await.0);
        let new = desk.journal.read(before + 1, 1_000).await.unwrap();
        if (number + 1) % 9 == 0 {
            assert!(bytes(&new) > whole / 2, "the tenth stands there whole");
        } else {
            assert!(new.len() == 2 && bytes(&new) < 6_000, "{} events of {} bytes", new.len(), bytes(&new));
        }
    }
    let depths: Vec<u32> = desk.built().await.iter().map(|built| built.depth).collect();
    assert_eq!(depths, (0..=8).chain(0..=8).chain(0..=2).collect::<Vec<_>>());
    for fib in &written {
        assert_eq!(desk.found(fib.version).await.as_ref(), Some(&**fib));
        assert!(registry(&*desk.journal, fib.version).await.unwrap().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_ends_when_it_is_old_when_it_is_long_and_when_nobody_knows_whether_it_was_written() {
    let (desk, mut rib) = (desk(), crowd(100));
    let mut at = async |seconds: u32, changed: u32| {
        for number in 0..changed {
            rib.observe(&observed(&format!("agent-{number:05}"), false), &ziggy().live, later(SECOND * seconds));
        }
        desk.write(&rib, SECOND * seconds).await;
        desk.built().await.last().unwrap().depth
    };
    assert_eq!([at(0, 1).await, at(1, 1).await, at(2, 1).await], [0, 1, 2]);
    assert_eq!(at(3, 50).await, 0, "half of it changed");
    assert_eq!([at(3_602, 1).await, at(3_603, 1).await], [1, 0], "an hour has passed");
    // Whoever is stopped while the journal has no room writes the next one whole.
    desk.journal.fail_next_commit("the disk is full");
    let basis = Basis { rib: crowd(3), governance: Governance::default(), at: later(SECOND) };
    let writing = Writing { fib: Arc::new(basis.under(&ziggy().rules())), basis, registry: desk.registry.clone() };
    let _ = write(&desk.shared, &desk.scribe, "host/router", Some(writing), None).await;
    assert!(desk.journal.view().failed.is_some());
}

/// What the retention would let go, if there may be this many events.
async fn crowded(desk: &Desk, most: u64) -> Option<u64> {
    let said = json!({ "days": 0, "events_most": most, "segment_events": 4, "look_every_s": 1 });
    let retention: Retention = serde_json::from_value(said).unwrap();
    due(&*desk.journal, &retention, &desk.lines, Timestamp::default()).await.unwrap()
}

// RO7.
#[tokio::test(start_paused = true)]
async fn what_leaves_takes_no_table_from_those_that_stay() {
    let (desk, mut rib) = (desk(), crowd(60));
    let mut seed = 7_u32;
    let (mut written, mut gone, mut seconds): (Vec<Arc<Fib>>, usize, u32) = (Vec::new(), 0, 0);
    for round in 0..120 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seconds += 1 + seed % 600;
        let feedback = observed(&format!("agent-{:05}", seed / 7 % 60), seed.is_multiple_of(2));
        rib.observe(&feedback, &ziggy().live, later(SECOND * seconds));
        written.push(desk.write(&rib, SECOND * seconds).await.0);
        let Some(through) = crowded(&desk, 12).await else { continue };
        assert!(through > desk.journal.view().archived, "round {round} lets nothing go");
        desk.journal.compact(through, "archive").await.unwrap();
        gone += 1;
        let kept = desk.journal.read(through + 1, 100_000).await.unwrap();
        let kept = kept.iter().filter(|event| event.kind == kind::BUILT);
        for built in kept.filter_map(|event| event.body.parse::<Built>()) {
            let found = desk.found(built.version).await;
            assert!(found.is_some_and(|fib| fib.version == built.version), "round {round}: {:?}", built.version);
            assert!(registry(&*desk.journal, built.version).await.unwrap().is_some(), "round {round}");
        }
    }
    assert!(gone > 5, "{gone} cuts");
    assert!(desk.journal.view().last_seq - desk.journal.view().archived < 60, "nothing waits for ever");
}

// RO7.
#[tokio::test(start_paused = true)]
async fn old_events_that_wait_for_a_new_line_make_the_next_table_one() {
    let (desk, mut rib) = (desk(), crowd(60));
    let mut next = async |seconds: u32| {
        rib.observe(&observed("agent-00007", false), &ziggy().live, later(SECOND * seconds));
        desk.write(&rib, SECOND * seconds).await.0.version
    };
    for seconds in 0..4 {
        next(seconds).await;
    }
    let line = desk.journal.view().last_seq;
    assert_eq!(desk.lines.cut(&*desk.journal, line + 5).await.unwrap(), Some(line + 5), "nothing after it needs any");
    assert!(!desk.scribe.is_awaited());
    assert_eq!(desk.lines.cut(&*desk.journal, 4).await.unwrap(), None);
    assert!(desk.scribe.is_awaited());
    let version = next(5).await;
    assert!(!desk.scribe.is_awaited());
    let built = desk.built().await.pop().unwrap();
    assert_eq!((built.version, built.depth, built.complete), (version, 0, true));
    assert_eq!(desk.lines.cut(&*desk.journal, 4).await.unwrap(), Some(line), "the line goes as one");
    desk.journal.compact(line, "archive").await.unwrap();
    assert!(desk.found(version).await.is_some());
    next(6).await;
    assert_eq!(desk.built().await.pop().unwrap().depth, 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_table_was_let_go_is_not_made_up() {
    let (desk, mut rib) = (desk(), crowd(60));
    desk.write(&rib, SECOND).await;
    let through = desk.journal.view().last_seq;
    let mut versions = Vec::new();
    for seconds in 2..5 {
        rib.observe(&observed("agent-00007", false), &ziggy().live, later(SECOND * seconds));
        versions.push(desk.write(&rib, SECOND * seconds).await.0.version);
    }
    // Against all ties.
    desk.journal.compact(through, "archive").await.unwrap();
    for version in versions {
        assert_eq!(desk.found(version).await, None);
    }
    let events = desk.journal.read(through + 1, 100).await.unwrap();
    let recorded = events.iter().filter_map(|event| event.body.parse::<Recorded>());
    assert!(recorded.count() == 3);
}
