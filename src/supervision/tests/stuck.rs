//! Handlers over their limit: seen, reported, killed and restarted by rule, or left behind.

use super::*;

/// A probe whose handler may take a second.
fn watched(diary: &Diary, then: Stuck) -> Made {
    let made = probe("a", diary);
    Made { child: made.child.watch(Some(Watch { limit: SECOND, then })), ..made }
}

#[tokio::test(start_paused = true)]
async fn a_handler_over_its_limit_is_reported_with_what_it_does_then_killed_and_restarted() {
    let diary = Diary::default();
    let Made { child, address, .. } = watched(&diary, Stuck::Restart);
    let (root, registry) = start(tree(Strategy::OneForOne).child(child)).await;
    let run = crate::types::RunId::new(&world());
    let budget = crate::types::Budget { money: crate::types::Money::ZERO, tokens: 0 };
    let trace = crate::types::TraceId(0xabc);
    let asked = Cx::new(trace, crate::types::Principal::host(), now() + 60 * SECOND, budget).with_run(run);
    address.cast(&asked, Say::Wait(3_600 * SECOND)).await.unwrap();
    address.cast(&cx(), Say::Note(1)).await.unwrap();
    diary.wait_for("waits", 1).await;
    let began = now();
    let doing = registry.node("host/a", began).unwrap().doing.unwrap();
    assert_eq!((doing.run, doing.trace), (Some(run), Some(trace.to_string())));
    diary.wait_for("1", 1).await;
    assert!((SECOND..SECOND + SECOND / 4).contains(&(now() - began)), "{:?}", now() - began);
    assert_eq!(diary.text(), "start a, waits, drop a, start a, 1", "killed without its stop hook, and its mail kept");
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.stuck, node.restarts, node.status), (1, 1, Status::Up));
    let report = node.last_stuck.unwrap();
    assert_eq!(node.last_failure.as_ref(), Some(&report));
    for part in ["tests::Say", "over its limit of 1s", &run.to_string(), &trace.to_string()] {
        assert!(report.contains(part), "{report:?} does not say {part:?}");
    }
    root.shutdown(&cx()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_only_reported_goes_on_and_is_reported_once() {
    let diary = Diary::default();
    let Made { child, address, .. } = watched(&diary, Stuck::Report);
    let (_root, registry) = start(tree(Strategy::OneForOne).child(child)).await;
    let gate = Arc::new(Notify::new());
    address.cast(&cx(), Say::Until(Arc::clone(&gate))).await.unwrap();
    tokio::time::sleep(30 * SECOND).await;
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.stuck, node.restarts, node.status), (1, 0, Status::Stuck));
    gate.notify_one();
    assert_eq!(count(&address).await, 2);
    assert_eq!(registry.node("host/a", now()).unwrap().status, Status::Up);
    address.cast(&cx(), Say::Wait(2 * SECOND)).await.unwrap();
    assert_eq!(count(&address).await, 4);
    assert_eq!(registry.node("host/a", now()).unwrap().stuck, 2, "each message counts for itself");
    assert_eq!(diary.text(), "start a, waits, waits");
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_that_of_the_child_or_else_of_the_tree_it_is_launched_in() {
    let diary = Diary::default();
    let [own, inner, free] = ["a", "b", "c"].map(|id| probe(id, &diary));
    let sub = Tree::new("sub", Strategy::OneForOne).intensity(9, SECOND).child(inner.child);
    let launched = tree(Strategy::OneForOne)
        .watch(Some(Watch { limit: 10 * SECOND, then: Stuck::Report }))
        .child(own.child.handle_limit(SECOND))
        .child(Child::tree(sub))
        .child(free.child.watch(None));
    let handle = launched.handle();
    let (_root, registry) = start(launched).await;
    let added = probe("d", &diary);
    handle.add(&cx(), added.child).await.unwrap();
    let long = Cx::housekeeping(now(), 3_600 * SECOND);
    for address in [&own.address, &inner.address, &free.address, &added.address] {
        address.cast(&long, Say::Wait(30 * SECOND)).await.unwrap();
    }
    let stuck = |at: &str| registry.node(at, now()).unwrap().stuck;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(["host/a", "host/sub/b", "host/c", "host/d"].map(stuck), [1, 0, 0, 0]);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(["host/a", "host/sub/b", "host/c", "host/d"].map(stuck), [1, 1, 0, 1]);
    assert_eq!(registry.node("host/a", now()).unwrap().restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_actor_counts_as_a_failure_and_takes_its_group_along() {
    let diary = Diary::default();
    let Made { child, address, .. } = watched(&diary, Stuck::Restart);
    let second = probe("b", &diary);
    let (_root, registry) = start(tree(Strategy::RestForOne).child(child).child(second.child)).await;
    address.cast(&cx(), Say::Wait(3_600 * SECOND)).await.unwrap();
    diary.wait_for("start b", 2).await;
    assert_eq!(diary.text(), "start a, start b, waits, drop a, stop b, drop b, start a, start b");
    assert_eq!(registry.node("host/a", now()).unwrap().restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn an_actor_stuck_again_and_again_makes_its_supervisor_give_up() {
    let diary = Diary::default();
    let Made { child, address, .. } = watched(&diary, Stuck::Restart);
    let tree = Tree::new("host", Strategy::OneForOne).intensity(2, 60 * SECOND).child(child);
    let (root, _) = start(tree).await;
    let long = Cx::housekeeping(now(), 3_600 * SECOND);
    for _ in 0..3 {
        address.cast(&long, Say::Wait(3_600 * SECOND)).await.unwrap();
    }
    assert_eq!(soon(root.ended()).await, Exit::Failed("more than 2 restarts within 60 s".to_owned()));
    assert_eq!(diary.text().matches("start a").count(), 3);
}

/// What a killed life left noted of its last message is not held against the next.
#[tokio::test(start_paused = true)]
async fn a_new_life_is_not_blamed_for_the_message_of_the_old() {
    let diary = Diary::default();
    let made = watched(&diary, Stuck::Restart);
    let tree = tree(Strategy::OneForOne).child(made.child.shutdown(Shutdown::Kill));
    let handle = tree.handle();
    let (_root, registry) = start(tree).await;
    made.address.cast(&cx(), Say::Wait(3_600 * SECOND)).await.unwrap();
    diary.wait_for("waits", 1).await;
    handle.restart(&cx(), "a").await.unwrap();
    tokio::time::sleep(60 * SECOND).await;
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.stuck, node.busy_micros, node.status), (0, None, Status::Up));
    assert_eq!(diary.text(), "start a, waits, drop a, start a");
}
