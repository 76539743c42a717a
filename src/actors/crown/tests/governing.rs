//! CROWN by itself: rules act on what the journal tells, with evidence, for as long as they say, and across restarts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::sync::broadcast;

use crate::actors::crown::{AlertState, AlertsConfig, Asked, Config, GovernanceProjection, Handle, Known, Parts};
use crate::actors::tests::{SECOND, cx, journal, later, read, soon, start, stop, world};
use crate::field::{self, Notice, Outbound};
use crate::store::{Disk, Durability, Event, Journal, Memory, NewEvent};
use crate::supervision::{Actor, Address, Child, Context, Envelope, Fault, Mailbox, Overflow, Registry, Root};
use crate::types::{Class, Cleared, Cx, RunId, Secret, World};
use crate::ziggy::plan::Grows;
use crate::ziggy::{Admission, Refusal, Value};

fn config(rules: Json) -> Config {
    read(json!({
        "watch_every_s": 1, "alerts_kept": 10, "overrides_most": 2, "rules": rules,
        "observe": { "step_s": 1, "for_s": 600, "subjects_most": 20 },
        "probation": { "after_s": 5, "share": 50, "trials": 2, "ceiling_s": 60 },
        "plan": { "window_s": 60, "utilisation": 800_000, "wait_ms": 1_000, "least": 1 },
    }))
}

fn alerts(webhooks: Json) -> AlertsConfig {
    read(json!({ "quiet_s": 30, "silences_most": 4, "rules": [], "webhooks": webhooks }))
}

/// A carrier that does what it is told and remembers what it carried.
#[derive(Default)]
struct Carrier {
    answers: Mutex<VecDeque<Result<(), String>>>,
    carried: Mutex<Vec<Notice>>,
}

#[async_trait]
impl Outbound for Carrier {
    async fn deliver(&self, _cx: &Cx, notice: &Cleared<Notice>) -> Result<(), field::Error> {
        self.carried.lock().push(notice.get().clone());
        let answer = self.answers.lock().pop_front().unwrap_or(Ok(()));
        answer.map_err(field::Error::Unreachable)
    }
}

struct Bench {
    world: World,
    journal: Arc<Memory>,
    crown: Handle,
    root: Root,
    registry: Arc<Registry>,
    news: broadcast::Receiver<Arc<Event>>,
    carrier: Arc<Carrier>,
}

async fn bench(disk: &Disk, config: Config, alerts: AlertsConfig, more: Vec<Child>, world: World) -> Bench {
    carried_by(Carrier::default(), disk, (config, alerts), more, world).await
}

/// The same with a carrier that knows from the start what it will do.
async fn carried_by(
    carrier: Carrier,
    disk: &Disk,
    (config, alerts): (Config, AlertsConfig),
    more: Vec<Child>,
    world: World,
) -> Bench {
    let journal = journal(disk, &world, vec![Arc::new(GovernanceProjection)]);
    let carrier = Arc::new(carrier);
    let parts = Parts {
        journal: journal.clone(),
        config,
        alerts,
        outbound: carrier.clone(),
        keys: [("ops".to_owned(), Secret::new("secret"))].into(),
    };
    let (crown, child) = Handle::launch_with(parts, &world);
    let known = |name: &str| Known {
        candidate: format!("{name}@x"),
        agent: format!("host/{name}"),
        runtime: "host/x".to_owned(),
        concurrency: 4,
        waiting: 4,
        weight: 100,
        grows: Grows::Concurrency,
        capabilities: vec!["general".to_owned()],
        placed: true,
    };
    crown.know(vec![known("a"), known("b")]);
    let news = journal.subscribe();
    let children = std::iter::once(child).chain(more).collect();
    let (root, registry) = start(children, &world).await;
    // The ear counts from here on.
    tokio::task::yield_now().await;
    Bench { world, journal, crown, root, registry, news, carrier }
}

impl Bench {
    async fn tell(&self, kind: &str, run: RunId, body: Json) {
        let event = NewEvent::new(kind, Some(run), "test", &body);
        self.journal.append(vec![event], Durability::Durable).await.unwrap();
    }

    /// A request that was answered, or not.
    async fn answer(&self, candidate: &str, run: RunId, ok: bool) {
        self.tell("hop.decided", run, json!({ "chunk": 0, "decision": { "destination": "general/public" } })).await;
        let admission = json!({ "admission": "admitted", "governance": 0, "left": null });
        self.tell("hop.admitted", run, json!({ "chunk": 0, "candidate": candidate, "admission": admission })).await;
        if ok {
            let usage = json!({ "input_tokens": 10, "output_tokens": 5 });
            let body = json!({
                "chunk": 0, "candidate": candidate, "cost": 3, "outcome": { "usage": usage, "took_us": 0 },
            });
            self.tell("hop.served", run, body).await;
        } else {
            let body = json!({ "chunk": 0, "candidate": candidate, "class": "unavailable", "reason": "down" });
            self.tell("hop.failed", run, body).await;
        }
    }

    /// The next event of this kind.
    async fn next(&mut self, kind: &str) -> Json {
        let news = &mut self.news;
        let found = async move {
            loop {
                let event = news.recv().await.unwrap();
                if event.kind == kind {
                    return event.body.value();
                }
            }
        };
        soon(found).await
    }

    async fn end(self) {
        stop(&self.root, &self.world).await;
        self.journal.close().await.unwrap();
    }
}

fn run(number: u64) -> RunId {
    RunId::from_pair(1, number)
}

fn loops() -> Json {
    json!([{
        "name": "loops", "watch": { "signal": "repeated", "window_s": 60, "times": 2 }, "of": "*",
        "act": { "action": "quarantine" }, "severity": "critical", "cooldown_s": 600,
    }])
}

#[tokio::test(start_paused = true)]
async fn who_goes_round_in_circles_is_taken_out_and_comes_back_by_proving_itself() {
    let (disk, world) = (Disk::default(), world());
    let mut one = bench(&disk, config(loops()), alerts(json!([])), Vec::new(), world.clone()).await;
    for number in 0..2 {
        one.tell("trajectory.repeated", run(number), json!({ "candidate": "a@x", "what": "sum" })).await;
    }
    let acted = one.next("crown.acted").await;
    assert_eq!((&acted["rule"], &acted["targets"]), (&json!("loops"), &json!(["a@x"])));
    assert_eq!((&acted["evidence"]["value"], &acted["evidence"]["threshold"]), (&json!(2), &json!(2)));
    assert_eq!(one.next("alert.raised").await["kind"], "loops");
    let reason = one.crown.governance().quarantined["a@x"].clone();
    assert!(reason.contains("rule loops: 2 runs of a@x went round in circles"), "{reason}");
    assert!(matches!(one.crown.admit("a@x", None, Value::Normal).0, Admission::Refused { .. }));
    one.end().await;
    // CR4: another host on the same journal, the wait of which goes on.
    let mut two = bench(&disk, config(loops()), alerts(json!([])), Vec::new(), world).await;
    let asked = cx(&two.world, 500 * SECOND);
    assert_eq!(two.crown.standings(&asked).await.unwrap().on_the_way.len(), 1);
    assert!(two.crown.governance().quarantined.contains_key("a@x"));
    assert_eq!(two.next("crown.probation").await["step"], "trial");
    tokio::task::yield_now().await;
    let takes = |number: &u64| two.crown.governance().trial_of("a@x", run(*number), later(SECOND)).is_some();
    let (inside, outside) = ((100..).find(takes).unwrap(), (100..).find(|number| !takes(number)).unwrap());
    let mut ladder = ["b@x".to_owned(), "a@x".to_owned()];
    assert_eq!(two.crown.on_trial(run(inside), &mut ladder).map(|one| one.candidate), Some("a@x".to_owned()));
    assert_eq!(ladder, ["a@x", "b@x"]);
    assert_eq!(two.crown.on_trial(run(outside), &mut ladder), None);
    let (runtime, value) = ("x", Value::Normal);
    let asked = Asked { candidate: "a@x", runtime, cap: None, value, tokens: 0, last_resort: false };
    assert!(two.crown.admit_run(run(inside), &asked).0.admitted());
    let (refused, _) = two.crown.admit_run(run(outside), &asked);
    assert!(matches!(refused, Admission::Refused { reason: Refusal::Trial { share: 50 }, .. }), "{refused:?}");
    two.answer("a@x", run(inside), true).await;
    assert_eq!(two.next("crown.probation").await["step"], "success");
    two.answer("a@x", run(inside + 1), false).await;
    assert_eq!(two.next("crown.probation").await["step"], "back");
    assert_eq!(two.next("crown.probation").await["step"], "trial", "after twice the wait");
    for number in 0..2 {
        two.answer("a@x", run(200 + number), true).await;
    }
    assert_eq!(two.next("crown.probation").await["step"], "released");
    tokio::task::yield_now().await;
    assert!(two.crown.governance().quarantined.is_empty() && two.crown.governance().trials.is_empty());
    two.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_throttled_for_a_while_and_the_alert_is_over_with_it() {
    let rules = json!([{
        "name": "failing", "watch": { "signal": "errors", "window_s": 5, "least": 4, "share": 500_000 }, "of": "*",
        "act": { "action": "throttle", "percent": 25, "cap": 1, "for_s": 10 }, "severity": "warning", "cooldown_s": 60,
    }]);
    let mut one = bench(&Disk::default(), config(rules), alerts(json!([])), Vec::new(), world()).await;
    for number in 0..4 {
        one.answer("a@x", run(number), number < 2).await;
    }
    let changed = one.next("governance.changed").await;
    assert_eq!((&changed["author"], &changed["governance"]["weights"]), (&json!("crown"), &json!({ "a@x": 25 })));
    assert_eq!(changed["governance"]["caps"], json!({ "a@x": 1 }));
    let raised = one.next("alert.raised").await;
    let words = raised["message"].as_str().unwrap();
    assert!(words.starts_with("2 of 4 answers of a@x failed within 5 s; for 10 s its score counts 25 %"), "{words}");
    one.next("alert.resolved").await;
    one.next("crown.lifted").await;
    tokio::task::yield_now().await;
    assert!(one.crown.governance().weights.is_empty() && one.crown.governance().caps.is_empty());
    let (loads, seconds) = one.crown.loads(60);
    let load = loads.iter().find(|load| load.destination == "general/public").unwrap();
    assert_eq!((load.counts.arrived, load.counts.served, load.counts.failed, load.counts.cost), (4, 2, 2, 6));
    assert!((1..=60).contains(&seconds), "{seconds}");
    one.end().await;
}

// CR6.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_not_done() {
    let mut one = bench(&Disk::default(), config(loops()), alerts(json!([])), Vec::new(), world()).await;
    for number in 0..2 {
        one.tell("trajectory.repeated", run(number), json!({ "candidate": "a@x", "what": "sum" })).await;
    }
    one.journal.fail_next_commit("disk full");
    tokio::time::advance(2 * SECOND).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(one.crown.governance().quarantined.is_empty(), "CR5");
    assert!(one.journal.view().failed.is_some(), "it was tried");
    assert!(one.news.try_recv().is_ok());
    drop(one);
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
async fn an_actor_is_restarted_through_its_supervisor() {
    let rules = json!([{
        "name": "fresh", "watch": { "signal": "restarts", "window_s": 60, "times": 2 }, "of": "host/frail",
        "act": { "action": "restart" }, "severity": "warning", "cooldown_s": 600,
    }]);
    let world = world();
    let frail = Address::new(Mailbox::new(4, Overflow::Refuse), &world);
    let child = Child::actor("frail", &frail, || Frail);
    let mut one = bench(&Disk::default(), config(rules), alerts(json!([])), vec![child], world).await;
    let asked = cx(&one.world, 500 * SECOND);
    let restarts = |one: &Bench| one.registry.node("host/frail", one.world.clock.now()).unwrap().restarts;
    for times in 1..=2 {
        frail.try_cast(&asked, ()).unwrap();
        while restarts(&one) < times {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }
    let acted = one.next("crown.acted").await;
    assert_eq!((&acted["act"]["action"], &acted["targets"]), (&json!("restart"), &json!(["host/frail"])));
    let again = async {
        while restarts(&one) < 3 {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    };
    soon(again).await;
    one.end().await;
}

#[tokio::test(start_paused = true)]
async fn alerts_and_silences_are_there_again_after_a_restart() {
    let (disk, world) = (Disk::default(), world());
    let one = bench(&disk, config(json!([])), alerts(json!([])), Vec::new(), world.clone()).await;
    let asked = cx(&one.world, 5_000 * SECOND);
    let matcher = [("kind".to_owned(), "loops".to_owned())];
    let until = later(4_000 * SECOND);
    let kept = one.crown.silence(&asked, matcher.clone().into(), until, "a move".to_owned()).await.unwrap();
    assert_eq!((kept.id, kept.author.as_str()), (1, "tester"));
    let refused = one.crown.silence(&asked, [].into(), until, "r".to_owned()).await.unwrap_err();
    assert_eq!(refused.class(), Class::Invalid);
    one.end().await;
    let mut two = bench(&disk, config(loops()), alerts(json!([])), Vec::new(), world.clone()).await;
    assert_eq!(two.crown.silences(&asked).await.unwrap(), std::slice::from_ref(&kept));
    for number in 0..2 {
        two.tell("trajectory.repeated", run(number), json!({ "candidate": "a@x", "what": "sum" })).await;
    }
    assert_eq!(two.next("alert.raised").await["silenced_by"], 1);
    two.crown.acknowledge(&asked, 1).await.unwrap();
    let before = two.crown.alerts(&asked).await.unwrap();
    two.crown.unsilence(&asked, 1).await.unwrap();
    assert_eq!(two.crown.unsilence(&asked, 1).await.unwrap_err().class(), Class::NotFound);
    two.end().await;
    let mut three = bench(&disk, config(loops()), alerts(json!([])), Vec::new(), world).await;
    assert_eq!(three.crown.alerts(&asked).await.unwrap(), before);
    assert!(three.crown.silences(&asked).await.unwrap().is_empty());
    assert_eq!(three.next("alert.resolved").await["id"], 1, "a host that has heard nothing holds nothing");
    let over = &three.crown.alerts(&asked).await.unwrap()[0];
    assert_eq!((over.state, over.acknowledged_by.as_deref()), (AlertState::Resolved, Some("tester")));
    three.end().await;
}

fn webhook() -> Json {
    json!([{
        "name": "ops", "url": "http://there", "secret_env": "S", "least": "notice", "within_s": 5, "attempts": 3,
        "wait_s": 1, "wait_most_s": 4,
    }])
}

// W2.
#[tokio::test(start_paused = true)]
async fn a_webhook_is_told_in_order_again_and_again_until_it_has_it() {
    let (disk, world) = (Disk::default(), world());
    let mut one = bench(&disk, config(loops()), alerts(webhook()), Vec::new(), world).await;
    one.carrier.answers.lock().extend([Err("refused".to_owned()), Err("refused".to_owned()), Ok(())]);
    for number in 0..2 {
        one.tell("trajectory.repeated", run(number), json!({ "candidate": "a@x", "what": "sum" })).await;
    }
    let told = one.next("webhook.delivered").await;
    assert_eq!(told["webhook"], "ops");
    {
        let carried = one.carrier.carried.lock();
        assert_eq!(carried.len(), 3, "two that were refused and one that was not");
        let names: Vec<&str> = carried.iter().map(|notice| notice.id.as_str()).collect();
        assert!(names[0].starts_with("ops-") && names.iter().all(|name| *name == names[0]), "{names:?}");
        let body: Json = serde_json::from_str(&carried[2].body).unwrap();
        assert_eq!((&body["event"], &body["alert"]["kind"]), (&json!("alert.raised"), &json!("loops")));
        assert_eq!(carried[2].key, Some(Secret::new("secret")));
    }
    one.end().await;
}

// W1 and W3.
#[tokio::test(start_paused = true)]
async fn a_letter_outlives_the_host_and_is_given_up_in_words() {
    let (disk, world) = (Disk::default(), world());
    let mut one = bench(&disk, config(loops()), alerts(webhook()), Vec::new(), world.clone()).await;
    one.carrier.answers.lock().extend(vec![Err("refused".to_owned()); 2]);
    for number in 0..2 {
        one.tell("trajectory.repeated", run(number), json!({ "candidate": "a@x", "what": "sum" })).await;
    }
    one.next("alert.raised").await;
    while one.carrier.carried.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    let first = one.carrier.carried.lock()[0].id.clone();
    one.end().await;
    let failing = Carrier::default();
    failing.answers.lock().extend(vec![Err("gone".to_owned()); 3]);
    let configs = (config(loops()), alerts(webhook()));
    let mut two = carried_by(failing, &disk, configs, Vec::new(), world).await;
    let lost = two.next("webhook.gave_up").await;
    assert_eq!((&lost["attempts"], &lost["reason"]), (&json!(3), &json!("could not deliver the notice: gone")));
    let failed = two.next("alert.raised").await;
    assert_eq!((&failed["kind"], &failed["told"]), (&json!("webhook_failed"), &json!([])), "it is not told of itself");
    assert!(two.carrier.carried.lock().iter().take(3).all(|notice| notice.id == first));
    // What lay behind it comes next: that the alert of the host before is over.
    two.next("webhook.delivered").await;
    let last: Json = serde_json::from_str(&two.carrier.carried.lock()[3].body).unwrap();
    assert_eq!(last["event"], "alert.resolved");
    two.end().await;
}

// H1 and H2.
#[tokio::test(start_paused = true)]
async fn every_event_counts_once_also_for_who_fell_behind_and_none_of_the_host_before() {
    const EVENTS: u64 = 1_500;
    let (disk, world) = (Disk::default(), world());
    let mut rules = loops();
    rules[0]["watch"]["times"] = json!(EVENTS);
    let before = bench(&disk, config(rules.clone()), alerts(json!([])), Vec::new(), world.clone()).await;
    before.tell("trajectory.repeated", run(0), json!({ "candidate": "a@x", "what": "sum" })).await;
    before.end().await;
    let mut one = bench(&disk, config(rules), alerts(json!([])), Vec::new(), world).await;
    let body = json!({ "candidate": "a@x", "what": "sum" });
    let event = |number| NewEvent::new("trajectory.repeated", Some(run(number)), "test", &body);
    for first in (1..=EVENTS).step_by(100) {
        one.journal.append((first..first + 100).map(event).collect(), Durability::Behind).await.unwrap();
    }
    let behind = one.news.try_recv();
    assert!(matches!(behind, Err(broadcast::error::TryRecvError::Lagged(_))), "{behind:?}");
    let acted = one.next("crown.acted").await;
    assert_eq!((&acted["evidence"]["value"], &acted["evidence"]["threshold"]), (&json!(EVENTS), &json!(EVENTS)));
    one.end().await;
}
