//! What a full mailbox does, and that it is never more than full.

use super::*;

/// A probe that is busy for a while, so that mail waits.
async fn busy(diary: &Diary, capacity: usize, overflow: Overflow<Say>) -> (Root, Address<Say>, Arc<Registry>) {
    let (root, address, registry) = alone(diary, Mailbox::new(capacity, overflow)).await;
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    diary.wait_for("waits", 1).await;
    diary.take();
    (root, address, registry)
}

fn note(address: &Address<Say>, number: u32) -> Result<(), Failure> {
    let sent = address.try_cast(&cx(), Say::Note(number));
    if let Err(Undelivered { message, .. }) = &sent {
        assert!(matches!(message, Some(Say::Note(other)) if *other == number), "handed back");
    }
    sent.map_err(Failure::from)
}

#[tokio::test(start_paused = true)]
async fn wait_waits_for_room_in_the_order_of_arrival() {
    let diary = Diary::default();
    let (_root, address, _) = busy(&diary, 2, Overflow::Wait).await;
    assert_eq!([1, 2, 3].map(|number| note(&address, number)), [Ok(()), Ok(()), Err(Failure::Busy)]);
    let cx = cx();
    let late = [4, 5, 6, 7].map(|number| address.cast(&cx, Say::Note(number)));
    for sent in futures::future::join_all(late).await {
        sent.unwrap();
    }
    diary.wait_until(|lines| lines.len() == 6).await;
    assert_eq!(diary.text(), "1, 2, 4, 5, 6, 7");
}

// SU6.
#[tokio::test(start_paused = true)]
async fn refuse_hands_the_message_back() {
    let diary = Diary::default();
    let (_root, address, registry) = busy(&diary, 1, Overflow::Refuse).await;
    assert_eq!([note(&address, 1), note(&address, 2)], [Ok(()), Err(Failure::Busy)]);
    let refused = address.cast(&cx(), Say::Note(3)).await.unwrap_err();
    assert!(refused.failure == Failure::Busy && matches!(refused.message, Some(Say::Note(3))));
    diary.wait_for("1", 1).await;
    assert_eq!(registry.node("host/a", now()).unwrap().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_keeps_the_newest_and_tells_a_caller_whose_question_it_dropped() {
    let diary = Diary::default();
    let (_root, address, registry) = busy(&diary, 2, Overflow::DropOldest).await;
    let cx = cx();
    let asked = address.call(&cx, Say::Count);
    let others = async {
        tokio::task::yield_now().await;
        (1..4).for_each(|number| note(&address, number).unwrap());
    };
    let (answer, ()) = tokio::join!(asked, others);
    assert_eq!(answer.unwrap_err().failure, Failure::Restarting);
    diary.wait_for("3", 1).await;
    assert_eq!(diary.text(), "2, 3");
    assert_eq!(registry.node("host/a", now()).unwrap().dropped, 2);
}

#[tokio::test(start_paused = true)]
async fn conflate_replaces_a_message_of_the_same_kind() {
    fn tens(say: &Say) -> u64 {
        match say {
            Say::Note(number) => u64::from(number / 10),
            _ => u64::MAX,
        }
    }
    let diary = Diary::default();
    let (_root, address, registry) = busy(&diary, 2, Overflow::Conflate(tens)).await;
    let sent = [10, 20, 11, 30, 21].map(|number| note(&address, number));
    assert_eq!(sent, [Ok(()), Ok(()), Ok(()), Err(Failure::Busy), Ok(())]);
    diary.wait_for("21", 1).await;
    assert_eq!(diary.text(), "11, 21");
    let node = registry.node("host/a", now()).unwrap();
    assert_eq!((node.dropped, node.refused), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_without_capacity_holds_one() {
    let diary = Diary::default();
    let (_root, address, _) = busy(&diary, 0, Overflow::DropOldest).await;
    assert_eq!([note(&address, 1), note(&address, 2)], [Ok(()), Ok(())]);
    assert_eq!(address.depth(), 1);
    diary.wait_for("2", 1).await;
}

/// A sender that is woken because there is room, but was cancelled meanwhile, passes the room on to the next in line.
#[tokio::test(start_paused = true)]
async fn room_that_a_cancelled_sender_does_not_use_goes_to_the_next_in_line() {
    // Which of two things that came together a sender looks at first is chance, so once would prove little.
    for _ in 0..32 {
        let diary = Diary::default();
        let (_root, address, _) = alone(&diary, Mailbox::new(1, Overflow::Wait)).await;
        let gate = Arc::new(Notify::new());
        address.try_cast(&cx(), Say::Until(Arc::clone(&gate))).unwrap();
        diary.wait_for("waits", 1).await;
        let (cancelled, other) = (cx(), Cx::housekeeping(now(), 30 * SECOND));
        let cancels = cancelled.clone();
        address.try_cast(&cx(), Say::Do(Box::new(move |_| cancels.cancel()))).unwrap();
        let (first, second) = (address.cast(&cancelled, Say::Note(1)), address.cast(&other, Say::Note(2)));
        let opens = async {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            gate.notify_one();
        };
        // Polls them in this order each time, unlike tokio's join, so that the first is the first in line.
        let (first, second, ()) = futures::future::join3(first, second, opens).await;
        assert_eq!(first.unwrap_err().failure, Failure::Cancelled);
        second.unwrap();
    }
}

/// SU5, with senders on several threads, of which some give up while they wait: never more than the capacity, nothing
/// lost, and nobody left waiting beside free room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_senders_never_overfills_a_mailbox_and_loses_no_wake_up() {
    const CAPACITY: usize = 4;
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(CAPACITY, Overflow::Wait)).await;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..64u32 {
        let address = address.clone();
        senders.spawn(async move {
            let mut delivered = 0u32;
            for round in 0..200 {
                let cx = cx();
                let cast = address.cast(&cx, Say::Do(Box::new(|_| ())));
                if (sender + round) % 5 == 0 {
                    // Gives up after one look, in line or not.
                    delivered += u32::from(futures::FutureExt::now_or_never(cast).is_some_and(|sent| sent.is_ok()));
                } else {
                    tokio::time::timeout(30 * SECOND, cast).await.unwrap().unwrap();
                    delivered += 1;
                }
                assert!(address.depth() <= CAPACITY, "{}", address.depth());
            }
            delivered
        });
    }
    let delivered: u32 = senders.join_all().await.into_iter().sum();
    assert_eq!(count(&address).await, delivered + 1);
}
