//! What happens to one item is decided one after the other (IN2), and nobody hears of it before it is stored (IN1).

use std::time::Duration;

use super::support::{item, run};
use crate::actors::inbox::handle::Error;
use crate::actors::inbox::state::{Ask, Effect, Now, State, What};
use crate::actors::tests::{BEGIN, SECOND, later};
use crate::types::Timestamp;
use crate::ziggy::review::{Happened, Item, ItemStatus, Objection, Opinion, Verdict};

fn verdict(author: &str, opinion: Opinion) -> What {
    let (author, at) = (author.to_owned(), Timestamp::default());
    let verdict = Verdict { author, at, opinion, comment: None, edited: Vec::new(), revision: 0 };
    What::Judge { verdict, edits: None }
}

/// Both clocks, so long after the beginning.
fn at(since: Duration) -> Now {
    Now { wall: later(since), since_us: u64::try_from(since.as_micros()).unwrap() }
}

fn ask(what: What, reply: &'static str) -> Ask<&'static str> {
    Ask { what, reply: Some(reply) }
}

/// Who was answered, with how the item stands or why not.
fn answers(effects: &[Effect<&'static str>]) -> Vec<(&'static str, Result<ItemStatus, String>)> {
    let answered = |effect: &Effect<&'static str>| match effect {
        Effect::Answer { reply, answer } => {
            let answer: &Result<Item, Error> = answer;
            Some((*reply, answer.as_ref().map(|item| item.status).map_err(ToString::to_string)))
        }
        _ => None,
    };
    effects.iter().filter_map(answered).collect()
}

/// What is to be stored, as the kinds of its events.
fn stores(effects: &[Effect<&'static str>]) -> Vec<Vec<&'static str>> {
    let stored = |effect: &Effect<&'static str>| match effect {
        Effect::Store { happened, .. } => Some(happened.iter().map(Happened::kind).collect()),
        _ => None,
    };
    effects.iter().filter_map(stored).collect()
}

fn closes(effects: &[Effect<&'static str>]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Closed { .. }))
}

fn opened(number: u64, quorum: u32) -> (State<&'static str>, Item) {
    let item = item(number, quorum, 60, BEGIN);
    (State::new(8, vec![item.clone()], at(Duration::ZERO)), item)
}

#[test]
fn nobody_is_answered_before_it_is_stored_and_the_next_is_decided_from_that() {
    let (mut state, item) = opened(1, 1);
    let first = state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "ann"), at(Duration::ZERO));
    assert_eq!(stores(&first), [["hitl.verdict", "hitl.closed"]]);
    assert!(answers(&first).is_empty());
    let second = state.ask(&item.id, ask(verdict("bob", Opinion::Deny), "bob"), at(Duration::ZERO));
    assert!(second.is_empty(), "it waits");
    let after = state.stored(&item.id, Ok(()), at(Duration::ZERO));
    let told = answers(&after);
    assert_eq!(told[0], ("ann", Ok(ItemStatus::Approved)));
    assert_eq!(told[1].0, "bob");
    assert!(told[1].1.as_ref().unwrap_err().contains("it is approved since"), "{told:?}");
    assert!(closes(&after));
    assert_eq!((state.view().open, state.view().approved), (0, 1));
}

#[test]
fn what_was_not_stored_has_not_happened() {
    let (mut state, item) = opened(1, 1);
    state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "ann"), at(Duration::ZERO));
    state.ask(&item.id, ask(verdict("bob", Opinion::Deny), "bob"), at(Duration::ZERO));
    let after = state.stored(&item.id, Err("disk full".to_owned()), at(Duration::ZERO));
    assert!(answers(&after)[0].1.as_ref().unwrap_err().contains("disk full"));
    assert_eq!(stores(&after), [["hitl.verdict", "hitl.closed"]], "the denial is decided from what was before");
    let after = state.stored(&item.id, Ok(()), at(Duration::ZERO));
    assert_eq!(answers(&after), [("bob", Ok(ItemStatus::Denied))]);
}

#[test]
fn one_item_too_many_is_refused_and_one_of_the_same_id_too() {
    let mut state = State::new(2, vec![item(1, 1, 60, BEGIN)], at(Duration::ZERO));
    let open = |number| What::Open { item: Box::new(item(number, 1, 60, BEGIN)), with: Vec::new() };
    let id = |number| item(number, 1, 60, BEGIN).id;
    let again = state.ask(&id(1), ask(open(1), "one"), at(Duration::ZERO));
    assert!(answers(&again)[0].1.as_ref().unwrap_err().contains("already"));
    let second = state.ask(&id(2), ask(open(2), "two"), at(Duration::ZERO));
    assert_eq!(stores(&second), [["hitl.opened"]]);
    let third = state.ask(&id(3), ask(open(3), "three"), at(Duration::ZERO));
    assert!(answers(&third)[0].1.as_ref().unwrap_err().contains("review.open_most"));
    assert_eq!((state.view().open, state.view().refused), (2, 1));
    // One that could not be stored leaves no trace.
    let failed = state.stored(&id(2), Err("disk full".to_owned()), at(Duration::ZERO));
    assert!(answers(&failed)[0].1.is_err() && !closes(&failed));
    assert_eq!(state.view().open, 1);
}

#[test]
fn the_time_of_an_item_is_over_once() {
    let (mut state, item) = opened(1, 1);
    assert_eq!(state.next_end_us(at(Duration::ZERO)), Some(60_000_000));
    assert!(state.look(at(59 * SECOND)).is_empty());
    let late = state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "ann"), at(60 * SECOND));
    assert!(answers(&late)[0].1.as_ref().unwrap_err().contains("its time was over"), "IT5");
    let over = state.look(at(60 * SECOND));
    assert_eq!(stores(&over), [["hitl.expired", "hitl.closed"]]);
    assert_eq!(state.next_end_us(at(60 * SECOND)), None, "nobody looks again while that is stored");
    assert!(state.look(at(61 * SECOND)).is_empty());
    let after = state.stored(&item.id, Ok(()), at(61 * SECOND));
    assert!(closes(&after) && stores(&after).is_empty());
    assert_eq!(state.view().expired, 1);
}

// IS1.
#[test]
fn a_wall_that_is_set_back_gives_nobody_more_time_and_one_that_is_set_forward_less() {
    /// A day, in microseconds.
    const DAY: i64 = 86_400_000_000;
    let moved = |since: Duration, by: i64| Now { wall: Timestamp(later(since).0 + by), ..at(since) };
    let (mut state, item) = opened(1, 1);
    assert_eq!(state.next_end_us(moved(10 * SECOND, -DAY)), Some(50_000_000));
    assert!(state.look(moved(59 * SECOND, -DAY)).is_empty());
    let over = state.look(moved(60 * SECOND, -DAY));
    assert_eq!(stores(&over), [["hitl.expired", "hitl.closed"]]);
    let closes_at = |effect: &Effect<&'static str>| match effect {
        Effect::Store { happened, .. } => happened.iter().find_map(|happened| match happened {
            Happened::Closed { at, .. } => Some(*at),
            _ => None,
        }),
        _ => None,
    };
    assert_eq!(over.iter().find_map(closes_at), Some(item.deadline), "what is on record makes sense");
    assert!(closes(&state.stored(&item.id, Ok(()), moved(60 * SECOND, -DAY))));

    let (mut state, _) = opened(1, 1);
    assert_eq!(stores(&state.look(moved(SECOND, DAY))), [["hitl.expired", "hitl.closed"]]);

    // A start on a wall that was set back counts what the rule gives, and no more.
    let mut state: State<&'static str> = State::new(8, vec![item], moved(Duration::ZERO, -DAY));
    assert!(state.look(moved(59 * SECOND, -DAY)).is_empty());
    assert_eq!(stores(&state.look(moved(60 * SECOND, -DAY))), [["hitl.expired", "hitl.closed"]]);
}

#[test]
fn the_open_item_of_a_run_goes_with_it() {
    let (mut state, item) = opened(7, 2);
    assert_eq!(state.of_run(run(8)), None);
    let id = state.of_run(run(7)).unwrap();
    state.ask(&id, ask(What::Cancel { by: "ann".to_owned() }, "ann"), at(Duration::ZERO));
    let after = state.stored(&id, Ok(()), at(Duration::ZERO));
    assert_eq!(answers(&after), [("ann", Ok(ItemStatus::Cancelled))]);
    let gone = state.ask(&item.id, ask(verdict("bob", Opinion::Approve), "bob"), at(Duration::ZERO));
    assert_eq!(answers(&gone)[0].1, Err(Error::NotOpen(item.id).to_string()));
}

#[test]
fn a_quorum_takes_different_people() {
    let (mut state, item) = opened(1, 2);
    state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "ann"), at(Duration::ZERO));
    let first = state.stored(&item.id, Ok(()), at(Duration::ZERO));
    assert_eq!(answers(&first), [("ann", Ok(ItemStatus::Open))]);
    let twice = state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "again"), at(Duration::ZERO));
    let expected = Error::Objection(Objection::Twice("ann".to_owned())).to_string();
    assert_eq!(answers(&twice), [("again", Err(expected))]);
    state.ask(&item.id, ask(verdict("bob", Opinion::Approve), "bob"), at(Duration::ZERO));
    let second = state.stored(&item.id, Ok(()), at(Duration::ZERO));
    assert_eq!(answers(&second), [("bob", Ok(ItemStatus::Approved))]);
}
