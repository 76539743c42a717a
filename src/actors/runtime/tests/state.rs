//! The pure state: what is counted, and what is news.

use crate::actors::line::Arrival;
use crate::actors::runtime::state::{Outcome, State};
use crate::inference::{Health, Runtime, Scripted, Usage};

fn state(concurrency: u32, waiting: usize) -> State<u32> {
    State::new(Scripted::saying("local", "").capabilities(), concurrency, waiting)
}

#[test]
fn the_view_counts_who_runs_who_waits_and_how_it_ended() {
    let mut state = state(2, 1);
    assert_eq!(state.generate(1), Arrival::Enters(1));
    assert_eq!(state.generate(2), Arrival::Enters(2));
    assert_eq!(state.generate(3), Arrival::Waits);
    assert_eq!(state.generate(4), Arrival::Refused(4));
    assert_eq!((state.view().running, state.view().waiting), (2, 1));
    let usage = Usage::new(3, 5);
    assert_eq!(state.generated(Outcome::Served(usage)), Some(3));
    assert_eq!(state.generated(Outcome::Failed), None);
    assert_eq!(state.generated(Outcome::Cancelled), None);
    let view = state.view();
    assert_eq!((view.running, view.waiting, view.served, view.failed), (0, 0, 1, 1));
    assert_eq!((view.input_tokens, view.output_tokens), (3, 5));
}

#[test]
fn only_a_change_of_health_is_news_and_an_answer_proves_health() {
    let mut state = state(1, 1);
    let down = Health::Down { reason: "no disk".to_owned() };
    assert!(state.probed(down.clone()));
    assert!(!state.probed(down.clone()));
    assert_eq!(state.view().health, down);
    state.generate(1);
    state.generated(Outcome::Failed);
    assert_eq!(state.view().health, down);
    state.generate(2);
    state.generated(Outcome::Served(Usage::default()));
    assert_eq!(state.view().health, Health::Ready);
}
