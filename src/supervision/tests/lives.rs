//! One actor from start to end: crash, panic, hooks, kill, drain.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_crash_is_followed_by_a_new_life_behind_the_same_address() {
    for wrong in [|| Say::Fail, || Say::Panic(None)] {
        let diary = Diary::default();
        let (_root, address, registry) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
        assert_eq!(count(&address).await, 1);
        address.cast(&cx(), wrong()).await.unwrap();
        diary.wait_for("start a", 2).await;
        assert_eq!(soon(count(&address)).await, 1, "a new life begins to count anew");
        assert_eq!(diary.text(), "start a, drop a, start a");
        let node = registry.node("host/a", now()).unwrap();
        assert_eq!((node.restarts, node.status), (1, Status::Up));
        assert!(node.last_failure.unwrap().starts_with("told to"));
    }
}

/// SU1: the state of a life is gone, whatever ends it, before the next one is made.
#[tokio::test(start_paused = true)]
async fn a_life_is_dropped_before_the_next_begins() {
    let diary = Diary::default();
    let Made { child, address, .. } = probe("a", &diary);
    let tree = tree(Strategy::OneForOne).child(child);
    let handle = tree.handle();
    let (_root, _) = start(tree).await;
    for say in [|| Say::Fail, || Say::Panic(None), || Say::End] {
        diary.take();
        address.cast(&cx(), say()).await.unwrap();
        diary.wait_for("start a", 1).await;
        assert!(diary.take().ends_with("drop a, start a"));
    }
    handle.restart(&cx(), "a").await.unwrap();
    assert_eq!(diary.take(), "stop a, drop a, start a");
}

/// SU1 on several threads, with a state that takes its time to be dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_drop_holds_up_the_next_life() {
    struct Slow(Diary, Diary);
    impl Actor for Slow {
        type Message = Say;
        async fn start(&mut self, _context: &mut Context<Say>) -> Result<(), Fault> {
            self.0.note("start");
            Ok(())
        }
        async fn handle(&mut self, envelope: Envelope<Say>, context: &mut Context<Say>) -> Result<(), Fault> {
            match envelope.message {
                Say::Fail => Err("told to fail".into()),
                Say::End => {
                    context.end();
                    Ok(())
                }
                Say::FailAfter(_) => {
                    self.1.note("stuck");
                    std::future::pending().await
                }
                _ => panic!("told to panic"),
            }
        }
    }
    impl Drop for Slow {
        fn drop(&mut self) {
            (0..2_000).for_each(|_| std::thread::yield_now());
            self.0.note("drop");
        }
    }
    let (diary, stuck) = (Diary::default(), Diary::default());
    let address = Address::new(Mailbox::new(9, Overflow::Wait), &world());
    let of_lives = (diary.clone(), stuck.clone());
    let mut child =
        Child::actor("slow", &address, move || Slow(of_lives.0.clone(), of_lives.1.clone())).backoff(Backoff::NONE);
    // On a busy machine the drop takes seconds, and it is not to be left behind for that.
    child.rules.kill_grace = 3_600 * SECOND;
    let tree = tree(Strategy::OneForOne).child(child.shutdown(Shutdown::After(Duration::from_millis(1))));
    let handle = tree.handle();
    let (root, _) = start(tree).await;
    for round in 0..30 {
        match round % 4 {
            0 => address.cast(&cx(), Say::Fail).await.unwrap(),
            1 => address.cast(&cx(), Say::Panic(None)).await.unwrap(),
            2 => address.cast(&cx(), Say::End).await.unwrap(),
            _ => {
                address.cast(&cx(), Say::FailAfter(SECOND)).await.unwrap();
                stuck.wait_for("stuck", round / 4 + 1).await;
                handle.restart(&cx(), "slow").await.unwrap();
            }
        }
        diary.wait_for("start", round + 2).await;
    }
    root.shutdown(&cx()).await.unwrap();
    assert_eq!(diary.text(), ["start, drop"; 31].join(", "));
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_question_was_lost_in_a_crash_hears_so() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    let lost = soon(address.call(&cx(), |reply| Say::Panic(Some(reply)))).await.unwrap_err();
    assert_eq!(lost.failure, Failure::Restarting);
    assert!(lost.message.is_none(), "it was begun, so it is not handed back");
    assert_eq!(soon(count(&address)).await, 1, "nor is it sent again to the next life");
    assert_eq!(diary.text(), "start a, drop a, start a");
}

#[tokio::test(start_paused = true)]
async fn mail_that_waits_is_handled_by_the_next_life() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Fail).unwrap();
    address.try_cast(&cx(), Say::Note(1)).unwrap();
    address.try_cast(&cx(), Say::Note(2)).unwrap();
    diary.wait_for("2", 1).await;
    assert_eq!(diary.text(), "start a, drop a, start a, 1, 2");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_later_is_tried_again() {
    let diary = Diary::default();
    let Made { child, address, hooks } = probe("a", &diary);
    let (_root, _) = start(tree(Strategy::OneForOne).child(child)).await;
    *hooks.0.lock() = Wrongs { fail_starts: 2, panic_starts: 1, ..Wrongs::default() };
    address.cast(&cx(), Say::Fail).await.unwrap();
    assert_eq!(soon(count(&address)).await, 1);
    assert_eq!(diary.text().matches("start a").count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_root_whose_first_start_fails_says_why_and_leaves_nothing() {
    for panics in [false, true] {
        let diary = Diary::default();
        let (first, second) = (probe("a", &diary), probe("b", &diary));
        if panics {
            second.hooks.0.lock().panic_starts = 1;
        } else {
            second.hooks.0.lock().fail_starts = 1;
        }
        let tree = tree(Strategy::OneForOne).child(first.child).child(second.child);
        let failed = Root::start(tree, world(), Registry::new()).await.err().unwrap();
        let reason = if panics { "a panic in start" } else { "no luck" };
        assert_eq!(failed.to_string(), format!("could not start \"host\": {reason}"));
        assert_eq!(diary.text(), "start a, start b, drop b, stop a, drop a");
        assert_eq!(first.address.cast(&cx(), Say::Fail).await.unwrap_err().failure, Failure::Gone);
    }
}

#[tokio::test(start_paused = true)]
async fn a_root_nobody_waits_for_any_longer_stops_itself() {
    let diary = Diary::default();
    let (first, second) = (probe("a", &diary), probe("b", &diary));
    second.hooks.0.lock().stuck_start = true;
    let tree = tree(Strategy::OneForOne).child(first.child).child(second.child);
    let starting = Root::start(tree, world(), Registry::new());
    tokio::select! {
        _ = starting => panic!("a stuck start hook has returned"),
        () = diary.wait_for("start b", 1) => {}
    }
    diary.wait_for("drop a", 1).await;
    assert_eq!(diary.text(), "start a, start b, drop b, stop a, drop a");
}

#[tokio::test(start_paused = true)]
async fn a_stuck_start_hook_is_killed_when_its_time_is_over() {
    let diary = Diary::default();
    let Made { child, hooks, .. } = probe("a", &diary);
    hooks.0.lock().stuck_start = true;
    let tree = tree(Strategy::OneForOne).child(child.start_limit(3 * SECOND));
    let before = now();
    let failed = Root::start(tree, world(), Registry::new()).await.err().unwrap();
    assert_eq!(failed.to_string(), "could not start \"host\": did not start within 3 s");
    assert!((3 * SECOND..4 * SECOND).contains(&(now() - before)));
    assert_eq!(diary.text(), "start a, drop a");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_message_at_hand_and_begins_no_other() {
    let diary = Diary::default();
    let (root, address, _) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    address.try_cast(&cx(), Say::Note(1)).unwrap();
    diary.wait_for("waits", 1).await;
    let before = now();
    root.shutdown(&cx()).await.unwrap();
    assert_eq!(now() - before, SECOND);
    assert_eq!(diary.text(), "start a, waits, stop a, drop a");
}

#[tokio::test(start_paused = true)]
async fn a_drain_handles_all_the_mail_there_is_and_takes_no_more() {
    let diary = Diary::default();
    let Made { child, address, .. } = probe("a", &diary);
    let (root, _) = start(tree(Strategy::OneForOne).child(child.shutdown(Shutdown::Drain(5 * SECOND)))).await;
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    (0..100).for_each(|number| address.try_cast(&cx(), Say::Note(number)).unwrap());
    diary.wait_for("waits", 1).await;
    let late = async {
        while address.try_cast(&cx(), Say::Note(1_000)).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(async { root.shutdown(&cx()).await.unwrap() }, late);
    let text = diary.text();
    assert!(text.contains(", 98, 99") && text.ends_with("stop a, drop a"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_stop_hook_does_not_stop_the_stop() {
    let diary = Diary::default();
    let (first, second) = (probe("a", &diary), probe("b", &diary));
    second.hooks.0.lock().panic_stop = true;
    let (root, _) = start(tree(Strategy::OneForAll).child(first.child).child(second.child)).await;
    root.shutdown(&cx()).await.unwrap();
    assert_eq!(diary.text(), "start a, start b, stop b, drop b, stop a, drop a");
    assert_eq!(root.ended().await, Exit::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_stop_hook_is_killed_after_its_grace() {
    let diary = Diary::default();
    let Made { child, hooks, .. } = probe("a", &diary);
    hooks.0.lock().stuck_stop = true;
    let (root, _) = start(tree(Strategy::OneForOne).child(child.shutdown(Shutdown::After(2 * SECOND)))).await;
    let before = now();
    root.shutdown(&cx()).await.unwrap();
    assert_eq!(now() - before, 2 * SECOND);
    assert_eq!(diary.text(), "start a, stop a, drop a");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_killed_by_rule_runs_no_stop_hook() {
    let diary = Diary::default();
    let Made { child, address, .. } = probe("a", &diary);
    let (root, _) = start(tree(Strategy::OneForOne).child(child.shutdown(Shutdown::Kill))).await;
    address.try_cast(&cx(), Say::Wait(3_600 * SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    root.shutdown(&cx()).await.unwrap();
    assert_eq!(diary.text(), "start a, waits, drop a");
}

/// SU3, and an end of its own: a transient child ends for good, with its hook, and its address says so.
#[tokio::test(start_paused = true)]
async fn an_actor_ends_by_its_own_decision() {
    let diary = Diary::default();
    let Made { child, address, .. } = probe("a", &diary);
    let (_root, registry) = start(tree(Strategy::OneForOne).child(child.restart(Restart::Transient))).await;
    address.try_cast(&cx(), Say::End).unwrap();
    address.try_cast(&cx(), Say::Note(1)).unwrap();
    let waiting = address.call(&cx(), Say::Count).await.unwrap_err();
    assert_eq!(waiting.failure, Failure::Gone);
    assert_eq!(diary.text(), "start a, stop a, drop a");
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.status, node.dropped), (Status::Ended, 2));
}

/// A handler that blocks its thread cannot be killed; it is left behind, counted, and can no longer take mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_is_left_behind() {
    let diary = Diary::default();
    let Made { mut child, address, .. } = probe("a", &diary);
    child = child.shutdown(Shutdown::Kill);
    child.rules.kill_grace = Duration::from_millis(20);
    let tree = tree(Strategy::OneForOne).child(child);
    let handle = tree.handle();
    let (_root, registry) = start(tree).await;
    let gate = Arc::new(std::sync::Barrier::new(2));
    let (inside, entered) = (Arc::clone(&gate), diary.clone());
    let block = Say::Do(Box::new(move |_| {
        entered.note("blocks");
        inside.wait();
    }));
    address.try_cast(&cx(), block).unwrap();
    diary.wait_for("blocks", 1).await;
    handle.restart(&cx(), "a").await.unwrap();
    assert_eq!(registry.node("host/a", now()).unwrap().left_behind, 1);
    assert_eq!(diary.text(), "start a, blocks, start a");
    // The new life is busy and mail waits when the old one wakes up: it must not take it.
    let (second, entered) = (Arc::new(std::sync::Barrier::new(2)), diary.clone());
    let inside = Arc::clone(&second);
    let block = Say::Do(Box::new(move |_| {
        entered.note("blocks too");
        inside.wait();
    }));
    address.try_cast(&cx(), block).unwrap();
    diary.wait_for("blocks too", 1).await;
    address.try_cast(&cx(), Say::Note(7)).unwrap();
    gate.wait();
    diary.wait_for("drop a", 1).await;
    let text = diary.text();
    second.wait();
    assert_eq!(text, "start a, blocks, start a, blocks too, drop a");
    diary.wait_for("7", 1).await;
    assert_eq!(count(&address).await, 3, "the mail goes to the new life");
    assert_eq!(registry.node("host/a", now()).unwrap().status, Status::Up);
    assert_eq!(diary.text().matches("start a").count(), 2, "the end of an old life is nobody's failure");
}

/// It cannot be killed, so it is seen, said to block its thread, and left behind with a new life.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_is_seen_and_left_behind() {
    let diary = Diary::default();
    let Made { mut child, address, .. } = probe("a", &diary);
    child = child.handle_limit(Duration::from_millis(20));
    child.rules.kill_grace = Duration::from_millis(20);
    let (_root, registry) = start(tree(Strategy::OneForOne).child(child)).await;
    let gate = Arc::new(std::sync::Barrier::new(2));
    let (inside, entered) = (Arc::clone(&gate), diary.clone());
    let block = Say::Do(Box::new(move |_| {
        entered.note("blocks");
        inside.wait();
    }));
    address.try_cast(&cx(), block).unwrap();
    diary.wait_for("start a", 2).await;
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.stuck, node.left_behind), (1, 1));
    assert_eq!(diary.text(), "start a, blocks, start a");
    gate.wait();
    diary.wait_for("drop a", 1).await;
    assert_eq!(count(&address).await, 1, "the new life works");
}
