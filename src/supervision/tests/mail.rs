//! Delivery: lanes, deadlines, cancellation, and the five failures with what they hand back.

use super::*;

fn handed_back(undelivered: &Undelivered<Say>) -> bool {
    matches!(undelivered.message, Some(Say::Note(1)))
}

#[tokio::test(start_paused = true)]
async fn a_control_message_overtakes_a_thousand_user_messages() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(1_000, Overflow::Refuse)).await;
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    (0..1_000).for_each(|number| address.try_cast(&cx(), Say::Note(number)).unwrap());
    [7_777, 7_778].into_iter().for_each(|number| address.control(&cx(), Say::Note(number)).unwrap());
    assert_eq!(address.call_control(&cx(), Say::Count).await.unwrap(), 4);
    assert!(diary.text().starts_with("start a, waits, 7777, 7778"), "and not each other");
    diary.wait_for("999", 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_control_lane_has_a_limit_too() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(1, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    (0..256).for_each(|number| address.control(&cx(), Say::Note(number)).unwrap());
    let refused = address.control(&cx(), Say::Note(1)).unwrap_err();
    assert!(refused.failure == Failure::Busy && handed_back(&refused));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_begun_is_finished_although_its_sender_cancels_it() {
    let diary = Diary::default();
    let (_root, address, registry) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    let cancelled = cx();
    address.try_cast(&cancelled, Say::Wait(2 * SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    cancelled.cancel();
    assert_eq!(count(&address).await, 2);
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.longest_handler_micros, node.restarts, node.dropped), (2_000_000, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn mail_of_one_sender_is_handled_in_the_order_it_was_sent() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(3, Overflow::Wait)).await;
    diary.take();
    for number in 0..200 {
        address.cast(&cx(), Say::Note(number)).await.unwrap();
    }
    diary.wait_for("199", 1).await;
    let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(diary.text(), expected.join(", "));
}

// SU6.
#[tokio::test(start_paused = true)]
async fn an_address_nobody_is_behind_yet_says_restarting_and_hands_the_message_back() {
    let address: Address<Say> = Address::new(Mailbox::new(9, Overflow::Refuse), &world());
    let refused = address.try_cast(&cx(), Say::Note(1)).unwrap_err();
    assert!(refused.failure == Failure::Restarting && handed_back(&refused));
    let refused = address.cast(&cx(), Say::Note(1)).await.unwrap_err();
    assert!(refused.failure == Failure::Restarting && handed_back(&refused));
    let waits: Address<Say> = Address::new(Mailbox::new(9, Overflow::Wait), &world());
    let before = now();
    let refused = waits.cast(&Cx::housekeeping(before, SECOND), Say::Note(1)).await.unwrap_err();
    assert!(refused.failure == Failure::Restarting && handed_back(&refused));
    assert!(now() - before >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_reaches_an_actor_that_starts_later() {
    let diary = Diary::default();
    let Made { child, address, .. } = probe("a", &diary);
    let cx = cx();
    let sent = address.cast(&cx, Say::Note(1));
    let (sent, _running) = tokio::join!(sent, start(tree(Strategy::OneForOne).child(child)));
    sent.unwrap();
    diary.wait_for("1", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_mailbox_times_out_and_hands_the_message_back() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(1, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Wait(10 * SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    address.try_cast(&cx(), Say::Note(0)).unwrap();
    let before = now();
    let late = address.cast(&Cx::housekeeping(before, SECOND), Say::Note(1)).await.unwrap_err();
    assert!(late.failure == Failure::TimedOut && handed_back(&late));
    assert!((SECOND..SECOND + SECOND / 10).contains(&(now() - before)));
    let cancelled = cx();
    let cast = address.cast(&cancelled, Say::Note(1));
    let cancel = async {
        tokio::task::yield_now().await;
        cancelled.cancel();
    };
    let (given_up, ()) = tokio::join!(cast, cancel);
    let given_up = given_up.unwrap_err();
    assert!(given_up.failure == Failure::Cancelled && handed_back(&given_up));
}

#[tokio::test(start_paused = true)]
async fn a_context_that_is_over_sends_nothing() {
    let diary = Diary::default();
    let (_root, address, registry) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    let over = Cx::housekeeping(now(), Duration::ZERO);
    let refused = address.try_cast(&over, Say::Note(1)).unwrap_err();
    assert!(refused.failure == Failure::TimedOut && handed_back(&refused));
    let cancelled = cx();
    cancelled.cancel();
    let refused = address.cast(&cancelled, Say::Note(1)).await.unwrap_err();
    assert!(refused.failure == Failure::Cancelled && handed_back(&refused));
    assert_eq!(count(&address).await, 1);
    assert_eq!(registry.node("host/a", now()).unwrap().expired, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_deadline_and_with_its_cancellation() {
    let diary = Diary::default();
    let (_root, address, registry) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Wait(10 * SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    let before = now();
    let late = address.call(&Cx::housekeeping(before, SECOND), Say::Count).await.unwrap_err();
    assert_eq!(late.failure, Failure::TimedOut);
    assert!(late.message.is_none(), "the mailbox had taken it");
    assert!((SECOND..SECOND + SECOND / 10).contains(&(now() - before)));
    let cancelled = cx();
    let cancel = async {
        tokio::task::yield_now().await;
        cancelled.cancel();
    };
    let (given_up, ()) = tokio::join!(address.call(&cancelled, Say::Count), cancel);
    assert_eq!(given_up.unwrap_err().failure, Failure::Cancelled);
    assert_eq!(count(&address).await, 2, "neither was handled");
    assert_eq!(registry.node("host/a", now()).unwrap().expired, 2);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_gone_says_so_to_old_and_new_callers() {
    let diary = Diary::default();
    let (root, address, _) = alone(&diary, Mailbox::new(1, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    let cx = cx();
    let (asked, queued) = (address.call(&cx, Say::Count), address.cast(&cx, Say::Note(1)));
    let (asked, queued, stopped) = tokio::join!(asked, queued, root.shutdown(&cx));
    stopped.unwrap();
    assert_eq!(asked.unwrap_err().failure, Failure::Gone);
    let queued = queued.unwrap_err();
    assert!(queued.failure == Failure::Gone && handed_back(&queued));
    let late = address.try_cast(&cx, Say::Note(1)).unwrap_err();
    assert!(late.failure == Failure::Gone && handed_back(&late));
    assert_eq!(diary.text(), "start a, waits, stop a, drop a");
}

/// The drop of a message may send another one: no lock is held meanwhile.
#[tokio::test(start_paused = true)]
async fn a_message_that_sends_when_it_is_dropped_blocks_nobody() {
    struct Last(Address<Say>, u32);
    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.0.try_cast(&cx(), Say::Note(self.1));
        }
    }
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(2, Overflow::DropOldest)).await;
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    let last = Last(address.clone(), 5);
    address.try_cast(&cx(), Say::Do(Box::new(move |_| drop(last)))).unwrap();
    address.try_cast(&cx(), Say::Note(2)).unwrap();
    address.try_cast(&cx(), Say::Note(3)).unwrap();
    diary.wait_for("5", 1).await;
    let late = Cx::housekeeping(now(), SECOND / 2);
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    diary.wait_for("waits", 2).await;
    let last = Last(address.clone(), 6);
    address.try_cast(&late, Say::Do(Box::new(move |_| drop(last)))).unwrap();
    diary.wait_for("6", 1).await;
}

/// The registry's counters tell every message that was not handled.
#[tokio::test(start_paused = true)]
async fn what_is_not_handled_is_counted() {
    let diary = Diary::default();
    let (root, address, registry) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Wait(2 * SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    address.try_cast(&Cx::housekeeping(now(), SECOND), Say::Note(1)).unwrap();
    assert_eq!(count(&address).await, 2);
    address.try_cast(&cx(), Say::Wait(2 * SECOND)).unwrap();
    diary.wait_for("waits", 2).await;
    (0..3).for_each(|number| address.try_cast(&cx(), Say::Note(number)).unwrap());
    address.control(&cx(), Say::Note(3)).unwrap();
    root.shutdown(&cx()).await.unwrap();
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.handled, node.expired, node.dropped), (3, 1, 4));
    // Who is gone handles nothing, and says how much of that there was.
    address.try_cast(&cx(), Say::Note(4)).unwrap_err();
    address.cast(&cx(), Say::Note(5)).await.unwrap_err();
    assert_eq!(registry.node("host/a", now()).unwrap().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_and_what_dies_with_its_handler_is_counted() {
    let diary = Diary::default();
    let (root, address, registry) = alone(&diary, Mailbox::new(1, Overflow::Wait)).await;
    address.try_cast(&cx(), Say::Wait(2 * SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    address.try_cast(&cx(), Say::Note(1)).unwrap();
    address.try_cast(&cx(), Say::Note(2)).unwrap_err();
    let late = address.cast(&Cx::housekeeping(now(), SECOND), Say::Note(3)).await.unwrap_err();
    assert_eq!(late.failure, Failure::TimedOut);
    assert_eq!(count(&address).await, 3);
    address.try_cast(&cx(), Say::Panic(None)).unwrap();
    diary.wait_for("start a", 2).await;
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.refused, node.expired, node.dropped), (1, 1, 1));
    root.shutdown(&cx()).await.unwrap();
}
