//! What happens to one item is decided one after the other (IN2), and nobody hears of it before it is stored (IN1).

use super::support::{item, run};
use crate::actors::inbox::handle::Error;
use crate::actors::inbox::state::{Ask, Effect, State, What};
use crate::actors::tests::{BEGIN, SECOND, later};
use crate::types::Timestamp;
use crate::ziggy::review::{Happened, Item, ItemStatus, Objection, Opinion, Verdict};

fn verdict(author: &str, opinion: Opinion) -> What {
    let (author, at) = (author.to_owned(), Timestamp::default());
    let verdict = Verdict { author, at, opinion, comment: None, edited: Vec::new(), revision: 0 };
    What::Judge { verdict, edits: None }
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
    effects.iter().any(|effect| matches!(effect, Effect::Closed))
}

fn opened(number: u64, quorum: u32) -> (State<&'static str>, Item) {
    let item = item(number, quorum, 60, BEGIN);
    (State::new(8, vec![item.clone()]), item)
}

#[test]
fn nobody_is_answered_before_it_is_stored_and_the_next_is_decided_from_that() {
    let (mut state, item) = opened(1, 1);
    let first = state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "ann"), BEGIN);
    assert_eq!(stores(&first), [["hitl.verdict", "hitl.closed"]]);
    assert!(answers(&first).is_empty());
    let second = state.ask(&item.id, ask(verdict("bob", Opinion::Deny), "bob"), BEGIN);
    assert!(second.is_empty(), "it waits");
    let after = state.stored(&item.id, Ok(()), BEGIN);
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
    state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "ann"), BEGIN);
    state.ask(&item.id, ask(verdict("bob", Opinion::Deny), "bob"), BEGIN);
    let after = state.stored(&item.id, Err("disk full".to_owned()), BEGIN);
    assert!(answers(&after)[0].1.as_ref().unwrap_err().contains("disk full"));
    assert_eq!(stores(&after), [["hitl.verdict", "hitl.closed"]], "the denial is decided from what was before");
    let after = state.stored(&item.id, Ok(()), BEGIN);
    assert_eq!(answers(&after), [("bob", Ok(ItemStatus::Denied))]);
}

#[test]
fn one_item_too_many_is_refused_and_one_of_the_same_id_too() {
    let mut state = State::new(2, vec![item(1, 1, 60, BEGIN)]);
    let open = |number| What::Open { item: Box::new(item(number, 1, 60, BEGIN)), with: Vec::new() };
    let id = |number| item(number, 1, 60, BEGIN).id;
    let again = state.ask(&id(1), ask(open(1), "one"), BEGIN);
    assert!(answers(&again)[0].1.as_ref().unwrap_err().contains("already"));
    let second = state.ask(&id(2), ask(open(2), "two"), BEGIN);
    assert_eq!(stores(&second), [["hitl.opened"]]);
    let third = state.ask(&id(3), ask(open(3), "three"), BEGIN);
    assert!(answers(&third)[0].1.as_ref().unwrap_err().contains("review.open_most"));
    assert_eq!((state.view().open, state.view().refused), (2, 1));
    // One that could not be stored leaves no trace.
    let failed = state.stored(&id(2), Err("disk full".to_owned()), BEGIN);
    assert!(answers(&failed)[0].1.is_err() && !closes(&failed));
    assert_eq!(state.view().open, 1);
}

#[test]
fn the_time_of_an_item_is_over_once() {
    let (mut state, item) = opened(1, 1);
    assert_eq!(state.next_deadline(), Some(later(60 * SECOND)));
    assert!(state.look(later(59 * SECOND)).is_empty());
    let late = state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "ann"), later(60 * SECOND));
    assert!(answers(&late)[0].1.as_ref().unwrap_err().contains("its time was over"), "IT5");
    let over = state.look(later(60 * SECOND));
    assert_eq!(stores(&over), [["hitl.expired", "hitl.closed"]]);
    assert_eq!(state.next_deadline(), None, "nobody looks again while that is stored");
    assert!(state.look(later(61 * SECOND)).is_empty());
    let after = state.stored(&item.id, Ok(()), later(61 * SECOND));
    assert!(closes(&after) && stores(&after).is_empty());
    assert_eq!(state.view().expired, 1);
}

#[test]
fn the_open_item_of_a_run_goes_with_it() {
    let (mut state, item) = opened(7, 2);
    assert_eq!(state.of_run(run(8)), None);
    let id = state.of_run(run(7)).unwrap();
    state.ask(&id, ask(What::Cancel { by: "ann".to_owned() }, "ann"), BEGIN);
    let after = state.stored(&id, Ok(()), BEGIN);
    assert_eq!(answers(&after), [("ann", Ok(ItemStatus::Cancelled))]);
    let gone = state.ask(&item.id, ask(verdict("bob", Opinion::Approve), "bob"), BEGIN);
    assert_eq!(answers(&gone)[0].1, Err(Error::NotOpen(item.id).to_string()));
}

#[test]
fn a_quorum_takes_different_people() {
    let (mut state, item) = opened(1, 2);
    state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "ann"), BEGIN);
    let first = state.stored(&item.id, Ok(()), BEGIN);
    assert_eq!(answers(&first), [("ann", Ok(ItemStatus::Open))]);
    let twice = state.ask(&item.id, ask(verdict("ann", Opinion::Approve), "again"), BEGIN);
    let expected = Error::Objection(Objection::Twice("ann".to_owned())).to_string();
    assert_eq!(answers(&twice), [("again", Err(expected))]);
    state.ask(&item.id, ask(verdict("bob", Opinion::Approve), "bob"), BEGIN);
    let second = state.stored(&item.id, Ok(()), BEGIN);
    assert_eq!(answers(&second), [("bob", Ok(ItemStatus::Approved))]);
}
