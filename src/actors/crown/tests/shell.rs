//! The promises of the actor and of its permits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use tokio::sync::Notify;

use super::{config, disable};
use crate::actors::crown::{Asked, Change, Error, GovernanceProjection, Handle};
use crate::actors::runtime::Hears;
use crate::actors::tests::{SECOND, cx, journal, later, soon, start, stop, world};
use crate::inference::{Capabilities, Left, Pacing, Provider, Runtime, Scripted, accounts};
use crate::store::{Disk, Journal, Memory};
use crate::supervision::{
    Actor, Address, Child, Context, Envelope, Fault, Mailbox, Overflow, Restart, Root, Shutdown, Status, Strategy, Tree,
};
use crate::types::{Class, World};
use crate::ziggy::limit::{self, Refused, RetryConfig, Verdict};
use crate::ziggy::{Admission, Refusal, Shed, Value};

struct Bench {
    world: World,
    journal: Arc<Memory>,
    crown: Handle,
    root: Root,
}

async fn bench_on(disk: &Disk) -> Bench {
    let world = world();
    let journal = journal(disk, &world, vec![Arc::new(GovernanceProjection)]);
    let (crown, child) = Handle::launch(journal.clone(), config(), &world);
    let (root, _) = start(vec![child], &world).await;
    Bench { world, journal, crown, root }
}

impl Bench {
    async fn change(&self, change: Change) -> Result<u64, Error> {
        soon(self.crown.change(&cx(&self.world, 30 * SECOND), change)).await
    }
}

fn cap(candidate: &str, cap: u32) -> Change {
    Change::Cap { candidate: candidate.to_owned(), cap: Some(cap) }
}

// CR1.
#[tokio::test(start_paused = true)]
async fn a_change_is_in_the_journal_with_its_author_before_it_is_in_force() {
    let bench = bench_on(&Disk::default()).await;
    let mut news = bench.journal.subscribe();
    assert_eq!(bench.change(cap("a", 3)).await.unwrap(), 1);
    // The answer came after the commit, so the news of it is here already.
    let event = news.try_recv().unwrap();
    let body = event.body.value();
    assert_eq!((event.kind.as_str(), &body["author"]), ("governance.changed", &"tester".into()));
    assert_eq!(body["governance"], serde_json::to_value(&*bench.crown.governance()).unwrap());
    assert_eq!(bench.crown.governance().caps["a"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_change_the_journal_does_not_take_changes_nothing() {
    let bench = bench_on(&Disk::default()).await;
    bench.change(cap("a", 3)).await.unwrap();
    bench.journal.fail_next_commit("disk full");
    let error = bench.change(cap("a", 9)).await.unwrap_err();
    assert!(matches!(&error, Error::Journal(reason) if reason.contains("disk full")), "{error}");
    assert_eq!(error.class(), Class::Unavailable);
    assert_eq!((bench.crown.governance().version, bench.crown.governance().caps["a"]), (1, 3));
}

// CR1.
#[tokio::test(start_paused = true)]
async fn changes_that_come_at_once_are_made_one_after_another_and_none_is_lost() {
    let bench = bench_on(&Disk::default()).await;
    let changes = (0..20).map(|number| bench.change(cap(&format!("c{number:02}"), number)));
    let versions: Vec<u64> = join_all(changes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(versions, (1..=20).collect::<Vec<u64>>());
    let events = bench.journal.read(1, 100).await.unwrap();
    let journaled: Vec<u64> =
        events.iter().map(|event| event.body.value()["governance"]["version"].as_u64().unwrap()).collect();
    assert_eq!(journaled, versions);
    assert_eq!(bench.crown.governance().caps.len(), 20);
    let wrong = Change::Weight { candidate: "a".to_owned(), percent: Some(5_000) };
    assert_eq!(bench.change(wrong).await.unwrap_err().class(), Class::Invalid);
}

#[tokio::test(start_paused = true)]
async fn the_governance_before_a_restart_is_in_force_after_it() {
    let disk = Disk::default();
    let before = {
        let bench = bench_on(&disk).await;
        bench.change(cap("a", 2)).await.unwrap();
        bench.change(Change::Override(disable("b", later(3_600 * SECOND)))).await.unwrap();
        bench.change(Change::Shed { shed: Shed::Below(Value::Normal) }).await.unwrap();
        let governance = bench.crown.governance();
        stop(&bench.root, &bench.world).await;
        bench.journal.close().await.unwrap();
        governance
    };
    let bench = bench_on(&disk).await;
    assert_eq!(bench.crown.governance(), before);
    assert_eq!(bench.change(cap("a", 4)).await.unwrap(), before.version + 1);
}

#[tokio::test(start_paused = true)]
async fn admission_follows_the_governance_of_the_moment() {
    let bench = bench_on(&Disk::default()).await;
    let admit = |value| bench.crown.admit("a", Some(2), value);
    let (first, kept) = admit(Value::Normal);
    assert_eq!(first, Admission::Admitted { governance: 0, left: Some(1) });
    let second = admit(Value::Normal);
    assert!(second.0.admitted() && !admit(Value::Normal).0.admitted());
    drop((kept, second));
    assert_eq!(bench.crown.in_flight("a"), 0, "CR3: dropped permits give their places back");
    bench.change(Change::Override(disable("a", later(10 * SECOND)))).await.unwrap();
    assert!(!admit(Value::Normal).0.admitted());
    tokio::time::advance(11 * SECOND).await;
    assert!(admit(Value::Normal).0.admitted(), "the override has expired");
    bench.change(Change::Shed { shed: Shed::Below(Value::Interactive) }).await.unwrap();
    assert!(!admit(Value::Normal).0.admitted() && admit(Value::Interactive).0.admitted());
    assert_eq!(bench.crown.in_flight("a"), 0, "what is refused takes no place");
}

// CR2.
#[tokio::test(start_paused = true)]
async fn a_cap_is_never_exceeded_however_many_ask_at_once() {
    const CAP: u32 = 7;
    let bench = bench_on(&Disk::default()).await;
    let (inside, most, served) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let (crown, count) = (&bench.crown, (&inside, &most, &served));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(move || {
                let (inside, most, served) = count;
                for _ in 0..500 {
                    let (admission, permit) = crown.admit("a", Some(CAP), Value::Normal);
                    assert_eq!(admission.admitted(), permit.is_some());
                    if permit.is_some() {
                        let now = inside.fetch_add(1, Ordering::AcqRel) + 1;
                        most.fetch_max(now, Ordering::AcqRel);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::AcqRel);
                        served.fetch_add(1, Ordering::AcqRel);
                    }
                }
            });
        }
    });
    let (most, served) = (most.into_inner(), served.into_inner());
    assert!((1..=CAP).contains(&most), "{most} at a time");
    assert!(served >= 500, "only {served} were served");
    assert_eq!(crown.in_flight("a"), 0);
}

/// An actor that fails when it is told anything.
struct Frail;

impl Actor for Frail {
    type Message = ();

    async fn handle(&mut self, _envelope: Envelope<()>, _context: &mut Context<()>) -> Result<(), Fault> {
        Err("too much".into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_tree_is_an_alert_that_can_be_acknowledged() {
    let world = world();
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection)]);
    let (crown, governor) = Handle::launch(journal.clone(), config(), &world);
    let frail = Address::new(Mailbox::new(4, Overflow::Refuse), &world);
    let (_root, _) = start(vec![governor, Child::actor("frail", &frail, || Frail)], &world).await;
    let mut news = journal.subscribe();
    let cx = cx(&world, 60 * SECOND);
    frail.try_cast(&cx, ()).unwrap();
    let event = soon(news.recv()).await.unwrap();
    assert_eq!(event.kind, "alert.raised");
    let alerts = crown.alerts(&cx).await.unwrap();
    assert_eq!(alerts.len(), 1);
    let (alert, raised) = (&alerts[0], event.body.value());
    assert_eq!((alert.subject.as_str(), alert.message.as_str()), ("host/frail", "restarted 1 times: too much"));
    assert_eq!(raised, serde_json::to_value(alert).unwrap());
    crown.acknowledge(&cx, alert.id).await.unwrap();
    assert_eq!(crown.alerts(&cx).await.unwrap()[0].acknowledged_by.as_deref(), Some("tester"));
    let unknown = crown.acknowledge(&cx, 77).await.unwrap_err();
    assert_eq!((unknown.class(), unknown.to_string().as_str()), (Class::NotFound, "could not find alert 77"));
}

/// Ends when it is told anything, and stops no sooner than its gate lets it, if it has one.
struct Leaver(Option<Arc<Notify>>);

impl Actor for Leaver {
    type Message = ();

    async fn handle(&mut self, _envelope: Envelope<()>, context: &mut Context<()>) -> Result<(), Fault> {
        context.end();
        Ok(())
    }

    async fn stop(&mut self, _context: &mut Context<()>) {
        if let Some(gate) = &self.0 {
            gate.notified().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_because_the_host_stops_is_no_alert() {
    let world = world();
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection)]);
    let (_crown, governor) = Handle::launch(journal.clone(), config(), &world);
    let gate = Arc::new(Notify::new());
    let leaver = |id: &str, gate: Option<&Arc<Notify>>| {
        let (address, gate) = (Address::new(Mailbox::new(4, Overflow::Refuse), &world), gate.cloned());
        let child = Child::actor(id, &address, move || Leaver(gate.clone())).restart(Restart::Transient);
        (child.shutdown(Shutdown::After(60 * SECOND)), address)
    };
    let (slow, _) = leaver("slow", Some(&gate));
    let ((first, told), (last, _)) = (leaver("first", None), leaver("last", None));
    // Children of a supervisor that has stopped have ended, while those of one that is stopping wait for what it decides.
    let below = Child::tree(Tree::new("below", Strategy::OneForOne).child(last));
    let (root, registry) = start(vec![governor, slow, first, below], &world).await;
    let mut news = journal.subscribe();
    // One that ends while the host goes on is an alert.
    told.try_cast(&cx(&world, SECOND), ()).unwrap();
    let event = soon(news.recv()).await.unwrap();
    assert_eq!((event.kind.as_str(), event.body.value()["subject"].as_str()), ("alert.raised", Some("host/first")));
    let show = |path: &str| registry.node(path, world.clock.now()).unwrap();
    let looks = async {
        // Three looks fall into the stop, since the one it waits for takes longer.
        let _ = tokio::time::timeout(SECOND / 2, std::future::pending::<()>()).await;
        let before = show("host/governor").handled;
        let _ = tokio::time::timeout(3 * SECOND, std::future::pending::<()>()).await;
        let seen = (show("host").status, show("host/below/last").status, show("host/slow").status);
        assert_eq!(seen, (Status::Stopping, Status::Ended, Status::Stopping));
        assert_eq!(show("host/governor").handled - before, 3);
        gate.notify_one();
    };
    tokio::join!(stop(&root, &world), looks);
    let more: Vec<String> = std::iter::from_fn(|| news.try_recv().ok()).map(|event| event.kind.clone()).collect();
    assert_eq!(more, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn runtimes_with_one_key_share_what_is_left_for_trying_again_and_those_with_one_model_all_else() {
    let bench = bench_on(&Disk::default()).await;
    let retry = RetryConfig { attempts: 3, tokens: 10, token_per_answer: 100, first_ms: 100, most_ms: 2_000 };
    let crown = bench.crown.clone().limited(limit::Config { retry, ..limit::Config::unlimited() });
    let mut runtimes = BTreeMap::new();
    for (name, model, key) in [("a", "m", "K"), ("b", "m", "K"), ("c", "n", "K"), ("d", "m", "L")] {
        let provider = Some(Provider { address: "http://there".to_owned(), key: Some(key.to_owned()) });
        let seen = Scripted::saying(name, "").capabilities();
        runtimes.insert(name.to_owned(), Capabilities { provider, model: model.to_owned(), ..seen });
    }
    let found = accounts(&runtimes);
    let named = |name: &str| (found[name].same.as_str(), found[name].provider.as_str());
    assert_eq!([named("a"), named("b"), named("c"), named("d")], [("a", "a"), ("a", "a"), ("c", "a"), ("d", "d")]);
    crown.count_as_one(found);
    let ask = |runtime: &'static str| {
        let candidate = format!("agent@{runtime}");
        let (candidate, value) = (candidate.as_str(), Value::Normal);
        crown.ask(&Asked { candidate, runtime, cap: None, value, tokens: 10, last_resort: false })
    };
    while crown.may_retry("d") {
        ask("d").1.unwrap().settle(Verdict::Failed);
    }
    assert!(crown.may_retry("a"), "another key is another budget");
    while crown.may_retry("c") {
        ask("a").1.unwrap().settle(Verdict::Failed);
    }
    assert!(!crown.may_retry("a") && !crown.may_retry("b"));
    crown.heard("b", Some(Some(SECOND)), &Pacing::default());
    let paused = |runtime| !ask(runtime).0.admitted();
    assert_eq!(["a", "b", "c", "d"].map(paused), [true, true, false, false], "the pause is the model's");
}

// CR7.
#[tokio::test(start_paused = true)]
async fn what_a_provider_asks_for_holds_for_everybody_who_uses_it() {
    let bench = bench_on(&Disk::default()).await;
    let ask = |candidate, runtime| {
        let asked = Asked { candidate, runtime, cap: None, value: Value::Normal, tokens: 10, last_resort: false };
        bench.crown.ask(&asked)
    };
    let refusal = |admission| match admission {
        Admission::Refused { reason: Refusal::Limited(refused), .. } => Some(refused),
        _ => None,
    };
    let first = ask("a@lab", "lab").1.unwrap();
    // RT5: as the runtime passes it on, before the answer.
    bench.crown.heard("lab", Some(Some(2 * SECOND)), &Pacing::default());
    first.settle(Verdict::Overloaded);
    for candidate in ["a@lab", "b@lab"] {
        let refused = refusal(ask(candidate, "lab").0).unwrap();
        assert_eq!(refused, Refused::Paused { again_us: 2_000_000 });
    }
    assert!(ask("c@other", "other").1.is_some(), "another provider is another matter");
    tokio::time::advance(2 * SECOND).await;
    assert!(ask("a@lab", "lab").1.is_some());
    let left = Left { remaining: 0, resets_after: 5 * SECOND };
    bench.crown.heard("lab", None, &Pacing { requests: Some(left), tokens: None });
    let refused = refusal(ask("b@lab", "lab").0).unwrap();
    assert!(matches!(refused, Refused::Allowance { again_us: 5_000_000, .. }), "{refused:?}");
    // Governance is asked first.
    bench.change(cap("b@lab", 0)).await.unwrap();
    assert!(matches!(ask("b@lab", "lab").0, Admission::Refused { reason: Refusal::Full { .. }, .. }));
}

#[tokio::test(start_paused = true)]
async fn what_governance_refuses_is_counted_by_no_limiter() {
    let bench = bench_on(&Disk::default()).await;
    let once = limit::Rates { requests_per_minute: 1, tokens_per_minute: 0, burst_s: 60 };
    let rates = BTreeMap::from([("lab".to_owned(), once)]);
    let crown = bench.crown.clone().limited(limit::Config { rates, ..limit::Config::unlimited() });
    let ask = || {
        let (candidate, runtime, value) = ("a@lab", "lab", Value::Normal);
        crown.ask(&Asked { candidate, runtime, cap: None, value, tokens: 10, last_resort: false })
    };
    bench.change(cap("a@lab", 0)).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(ask().0, Admission::Refused { reason: Refusal::Full { .. }, .. }));
    }
    bench.change(Change::Cap { candidate: "a@lab".to_owned(), cap: None }).await.unwrap();
    let first = ask().1;
    assert!(first.is_some(), "the only one of this minute is still there");
    assert!(matches!(ask().0, Admission::Refused { reason: Refusal::Limited(Refused::Rate { .. }), .. }));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_misses_none_that_becomes_free() {
    let bench = bench_on(&Disk::default()).await;
    let seen = bench.crown.freed();
    drop(bench.crown.admit("a", Some(1), Value::Normal));
    soon(bench.crown.freed_since(seen)).await;
    let (seen, held) = (bench.crown.freed(), bench.crown.admit("a", Some(1), Value::Normal));
    let free = async {
        tokio::task::yield_now().await;
        drop(held);
    };
    tokio::join!(soon(bench.crown.freed_since(seen)), free);
}
