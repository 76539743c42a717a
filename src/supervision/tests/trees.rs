//! Groups of real actors, and supervisors under supervisors.

use super::*;

fn three(diary: &Diary, strategy: Strategy) -> (Tree, [Address<Say>; 3]) {
    let made = ["a", "b", "c"].map(|id| probe(id, diary));
    let addresses = [0, 1, 2].map(|index: usize| made[index].address.clone());
    (tree(strategy).children(made.map(|made| made.child)), addresses)
}

#[tokio::test(start_paused = true)]
async fn a_crash_restarts_what_the_strategy_says_in_order() {
    let table = [
        (Strategy::OneForOne, "drop b, start b"),
        (Strategy::RestForOne, "drop b, stop c, drop c, start b, start c"),
        (Strategy::OneForAll, "drop b, stop c, drop c, stop a, drop a, start a, start b, start c"),
    ];
    for (strategy, expected) in table {
        let diary = Diary::default();
        let (tree, addresses) = three(&diary, strategy);
        let (root, _) = start(tree).await;
        assert_eq!(diary.take(), "start a, start b, start c");
        addresses[1].cast(&cx(), Say::Panic(None)).await.unwrap();
        diary.wait_until(|lines| lines.join(", ") == expected).await;
        for address in &addresses {
            assert_eq!(soon(count(address)).await, 1);
        }
        diary.take();
        root.shutdown(&cx()).await.unwrap();
        assert_eq!(diary.text(), "stop c, drop c, stop b, drop b, stop a, drop a");
    }
}

/// A supervisor that gives up is a failed child of the level above, which starts it again with all its children.
#[tokio::test(start_paused = true)]
async fn a_supervisor_that_gives_up_is_restarted_by_the_level_above() {
    let diary = Diary::default();
    let (before, inner) = (probe("a", &diary), probe("b", &diary));
    let subtree = Tree::new("sub", Strategy::OneForOne).intensity(1, 60 * SECOND).child(inner.child);
    let subtree = Child::tree(subtree).backoff(Backoff::NONE);
    let (_root, registry) = start(tree(Strategy::OneForOne).child(before.child).child(subtree)).await;
    diary.take();
    for _ in 0..2 {
        inner.address.cast(&cx(), Say::Fail).await.unwrap();
        diary.wait_for("start b", 1).await;
        assert_eq!(diary.take(), "drop b, start b");
    }
    assert_eq!(soon(count(&inner.address)).await, 1);
    let sub = registry.node("host/sub", now()).unwrap();
    assert_eq!((sub.restarts, sub.status), (1, Status::Up));
    assert_eq!(sub.last_failure.unwrap(), "more than 1 restarts within 60 s");
}

#[tokio::test(start_paused = true)]
async fn a_root_that_gives_up_ends_everything_and_says_so() {
    let diary = Diary::default();
    let (tree, addresses) = three(&diary, Strategy::OneForOne);
    let handle = tree.handle();
    let (root, registry) = start(tree.intensity(0, SECOND)).await;
    diary.take();
    addresses[1].cast(&cx(), Say::Fail).await.unwrap();
    assert_eq!(root.ended().await, Exit::Failed("more than 0 restarts within 1 s".to_owned()));
    assert_eq!(diary.text(), "drop b, stop c, drop c, stop a, drop a");
    assert_eq!(addresses[0].cast(&cx(), Say::Fail).await.unwrap_err().failure, Failure::Gone);
    assert!(matches!(handle.restart(&cx(), "a").await, Err(Error::Delivery(Failure::Gone))));
    assert_eq!(registry.node("host", now()).unwrap().status, Status::Ended);
    root.shutdown(&cx()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_ends_with_its_significant_child() {
    let diary = Diary::default();
    let (first, last) = (probe("a", &diary), probe("b", &diary));
    let last_child = last.child.restart(Restart::Transient).significant();
    let tree = tree(Strategy::OneForOne).auto_shutdown(AutoShutdown::AnySignificant);
    let (root, _) = start(tree.child(first.child).child(last_child)).await;
    last.address.cast(&cx(), Say::End).await.unwrap();
    assert_eq!(root.ended().await, Exit::Normal);
    assert_eq!(diary.text(), "start a, start b, stop b, drop b, stop a, drop a");
}

#[tokio::test(start_paused = true)]
async fn a_subtree_that_is_stopped_while_it_starts_ends_what_it_has_started() {
    let diary = Diary::default();
    let (first, second) = (probe("a", &diary), probe("b", &diary));
    second.hooks.0.lock().stuck_start = true;
    let children = [first.child, second.child.shutdown(Shutdown::After(SECOND))];
    let subtree = Child::tree(Tree::new("sub", Strategy::OneForAll).children(children));
    let outer = tree(Strategy::OneForOne);
    let handle = outer.handle();
    let (root, registry) = start(outer).await;
    let adding = handle.clone();
    let added = async { adding.add(&cx(), subtree).await };
    let removed = async {
        diary.wait_for("start b", 1).await;
        handle.remove(&cx(), "sub").await.unwrap();
    };
    let (added, ()) = tokio::join!(added, removed);
    assert!(matches!(added, Err(Error::Delivery(Failure::Gone))), "{added:?}");
    assert_eq!(diary.text(), "start a, start b, drop b, stop a, drop a");
    assert!(registry.node("host/sub", now()).is_none() && registry.node("host/sub/a", now()).is_none());
    root.shutdown(&cx()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_subtree_with_a_child_that_cannot_start_cannot_start() {
    let diary = Diary::default();
    let (first, second) = (probe("a", &diary), probe("b", &diary));
    second.hooks.0.lock().fail_starts = 1;
    let subtree = Tree::new("sub", Strategy::OneForOne).child(first.child).child(second.child);
    let outer = tree(Strategy::OneForOne);
    let handle = outer.handle();
    let (_root, registry) = start(outer).await;
    let failed = handle.add(&cx(), Child::tree(subtree)).await.unwrap_err();
    assert_eq!(failed.to_string(), "could not start \"sub\": no luck");
    assert_eq!(diary.text(), "start a, start b, drop b, stop a, drop a");
    assert_eq!(registry.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_past_its_deadline_kills_the_rest() {
    let diary = Diary::default();
    let (first, second) = (probe("a", &diary), probe("b", &diary));
    second.hooks.0.lock().stuck_stop = true;
    let inner = Tree::new("sub", Strategy::OneForOne)
        .child(first.child)
        .child(second.child.shutdown(Shutdown::After(3_600 * SECOND)));
    let subtree = Child::tree(inner).shutdown(Shutdown::After(3_600 * SECOND));
    let (root, _) = start(tree(Strategy::OneForOne).child(subtree)).await;
    let before = now();
    let cx = Cx::housekeeping(before, 2 * SECOND);
    assert_eq!(root.shutdown(&cx).await, Err(Failure::TimedOut));
    assert_eq!(now() - before, 2 * SECOND);
    assert_eq!(root.ended().await, Exit::Stopped);
    let text = diary.text();
    assert!(text.starts_with("start a, start b, stop b, ") && text.contains("drop a") && text.contains("drop b"));
    assert!(!text.contains("stop a"), "killed, not stopped: {text}");
    assert_eq!(now() - before, 2 * SECOND, "a kill is not a matter of patience");
}

/// SU1 also holds for the children of a supervisor that is killed: it sees them end first.
#[tokio::test(start_paused = true)]
async fn a_subtree_that_is_killed_ends_after_its_children() {
    let diary = Diary::default();
    let (first, second) = (probe("a", &diary), probe("b", &diary));
    let inner = Tree::new("sub", Strategy::RestForOne).child(first.child).child(second.child);
    let outer = tree(Strategy::OneForOne).child(Child::tree(inner).shutdown(Shutdown::Kill));
    let handle = outer.handle();
    let (_root, _) = start(outer).await;
    diary.take();
    handle.restart(&cx(), "sub").await.unwrap();
    let text = diary.take();
    assert!(text == "drop a, drop b, start a, start b" || text == "drop b, drop a, start a, start b", "{text}");
}
