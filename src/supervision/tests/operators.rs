//! What a handle can do to a running supervisor, and what the registry shows of it.

use super::*;

async fn running() -> (Root, Handle, Arc<Registry>) {
    let tree = tree(Strategy::OneForOne);
    let handle = tree.handle();
    let (root, registry) = start(tree).await;
    (root, handle, registry)
}

#[tokio::test(start_paused = true)]
async fn children_are_added_and_removed_while_it_runs() {
    let diary = Diary::default();
    let (root, handle, registry) = running().await;
    let Made { child, address, .. } = probe("a", &diary);
    handle.add(&cx(), child).await.unwrap();
    assert_eq!(count(&address).await, 1);
    let again = handle.add(&cx(), probe("a", &diary).child).await.unwrap_err();
    assert_eq!(again.to_string(), "could not add a child named \"a\": there is one already");
    handle.remove(&cx(), "a").await.unwrap();
    assert_eq!(diary.take(), "start a, stop a, drop a");
    assert!(registry.node("host/a", now()).is_none());
    assert_eq!(address.cast(&cx(), Say::Fail).await.unwrap_err().failure, Failure::Gone);
    assert!(matches!(handle.remove(&cx(), "a").await, Err(Error::Unknown(id)) if id == "a"));
    handle.add(&cx(), probe("a", &diary).child).await.unwrap();
    root.shutdown(&cx()).await.unwrap();
    assert_eq!(diary.text(), "start a, stop a, drop a");
}

#[tokio::test(start_paused = true)]
async fn children_are_added_up_to_a_number_and_no_further() {
    let diary = Diary::default();
    let tree = Tree::new("host", Strategy::OneForOne).children_most(2).child(probe("a", &diary).child);
    let handle = tree.handle();
    let (root, _registry) = start(tree).await;
    handle.add(&cx(), probe("b", &diary).child).await.unwrap();
    let refused = handle.add(&cx(), probe("c", &diary).child).await.unwrap_err();
    assert_eq!(
        (refused.class(), refused.to_string().contains("there are 2 already")),
        (crate::types::Class::Exhausted, true)
    );
    handle.remove(&cx(), "b").await.unwrap();
    handle.add(&cx(), probe("c", &diary).child).await.unwrap();
    let table = Tree::new("host", Strategy::OneForOne).children_most(0).child(probe("a", &diary).child);
    let refused = Root::start(table, world(), Registry::new()).await.err().unwrap();
    assert!(refused.to_string().contains("children_most"), "{refused}");
    root.shutdown(&cx()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_child_that_cannot_start_is_not_added() {
    let diary = Diary::default();
    let (_root, handle, registry) = running().await;
    let Made { child, address, hooks } = probe("a", &diary);
    hooks.0.lock().fail_starts = 1;
    let failed = handle.add(&cx(), child).await.unwrap_err();
    assert_eq!(failed.to_string(), "could not start \"a\": no luck");
    assert_eq!(registry.len(), 1);
    assert_eq!(address.try_cast(&cx(), Say::Fail).unwrap_err().failure, Failure::Gone);
    handle.add(&cx(), probe("a", &diary).child).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ids_that_would_break_a_path_are_refused() {
    let diary = Diary::default();
    let (_root, handle, _) = running().await;
    let odd = Child::tree(Tree::new("a/b", Strategy::OneForOne));
    assert!(matches!(handle.add(&cx(), odd).await, Err(Error::BadId(id)) if id == "a/b"));
    let twice = tree(Strategy::OneForOne).child(probe("a", &diary).child).child(probe("a", &diary).child);
    assert!(matches!(Root::start(twice, world(), Registry::new()).await, Err(Error::Exists(id)) if id == "a"));
}

#[tokio::test(start_paused = true)]
async fn a_held_child_keeps_its_mail_until_it_is_released() {
    let diary = Diary::default();
    let (_root, handle, registry) = running().await;
    let Made { child, address, .. } = probe("a", &diary);
    handle.add(&cx(), child).await.unwrap();
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    address.try_cast(&cx(), Say::Note(7)).unwrap();
    handle.hold(&cx(), "a").await.unwrap();
    assert_eq!(registry.node("host/a", now()).unwrap().status, Status::Held);
    assert_eq!(address.try_cast(&cx(), Say::Fail).unwrap_err().failure, Failure::Restarting);
    let late = Cx::housekeeping(now(), SECOND);
    assert_eq!(address.cast(&late, Say::Fail).await.unwrap_err().failure, Failure::Restarting);
    handle.release(&cx(), "a").await.unwrap();
    diary.wait_for("7", 1).await;
    assert_eq!(diary.text(), "start a, waits, stop a, drop a, start a, 7");
}

#[tokio::test(start_paused = true)]
async fn an_ordered_restart_returns_when_the_new_life_is_up() {
    let diary = Diary::default();
    let (_root, handle, registry) = running().await;
    let Made { child, address, .. } = probe("a", &diary);
    handle.add(&cx(), child).await.unwrap();
    assert_eq!(count(&address).await, 1);
    handle.restart(&cx(), "a").await.unwrap();
    assert_eq!(diary.text(), "start a, stop a, drop a, start a");
    assert_eq!(registry.node("host/a", now()).unwrap().status, Status::Up);
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_with_its_deadline_and_is_forgotten() {
    let diary = Diary::default();
    let (_root, handle, _) = running().await;
    let Made { child, hooks, .. } = probe("a", &diary);
    hooks.0.lock().stuck_start = true;
    let late = Cx::housekeeping(now(), SECOND);
    assert!(matches!(handle.add(&late, child).await, Err(Error::Delivery(Failure::TimedOut))));
    let cancelled = cx();
    cancelled.cancel();
    let answer = handle.restart(&cancelled, "a").await;
    assert!(matches!(answer, Err(Error::Delivery(Failure::Cancelled))), "{answer:?}");
    handle.remove(&cx(), "a").await.unwrap();
    assert_eq!(diary.text(), "start a, drop a");
}

#[tokio::test(start_paused = true)]
async fn a_handle_says_whether_its_supervisor_will_come() {
    let tree = Tree::new("never", Strategy::OneForOne);
    let handle = tree.handle();
    assert!(matches!(handle.restart(&cx(), "a").await, Err(Error::Delivery(Failure::Restarting))));
}

/// What was added to a supervisor does not outlive it: neither in the registry nor as a promise to its callers.
#[tokio::test(start_paused = true)]
async fn added_children_are_gone_when_their_supervisor_is_restarted() {
    let diary = Diary::default();
    let fixed = probe("fixed", &diary);
    let inner = Tree::new("sub", Strategy::OneForOne).intensity(0, SECOND).child(fixed.child);
    let handle = inner.handle();
    let (_root, registry) = start(tree(Strategy::OneForOne).child(Child::tree(inner).backoff(Backoff::NONE))).await;
    let added = probe("added", &diary);
    handle.add(&cx(), added.child).await.unwrap();
    assert_eq!(registry.len(), 4);
    fixed.address.cast(&cx(), Say::Fail).await.unwrap();
    diary.wait_for("start fixed", 2).await;
    assert_eq!(soon(count(&fixed.address)).await, 1);
    assert_eq!(added.address.cast(&cx(), Say::Fail).await.unwrap_err().failure, Failure::Gone);
    assert_eq!(registry.len(), 3);
    assert!(matches!(handle.hold(&cx(), "added").await, Err(Error::Unknown(_))));
}

#[tokio::test(start_paused = true)]
async fn a_temporary_child_leaves_the_table_when_it_ends() {
    let diary = Diary::default();
    let (_root, handle, registry) = running().await;
    for round in 1..4 {
        let Made { child, address, .. } = probe("a", &diary);
        handle.add(&cx(), child.restart(Restart::Temporary)).await.unwrap();
        address.cast(&cx(), Say::Fail).await.unwrap();
        diary.wait_for("drop a", round).await;
        let waiting = address.call(&cx(), Say::Count).await.unwrap_err();
        assert_eq!(waiting.failure, Failure::Gone);
        assert_eq!(registry.len(), 1);
    }
}
