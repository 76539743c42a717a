//! The pure state: which runs are under way, and who waits.

use proptest::prelude::*;

use crate::actors::io::View;
use crate::actors::io::state::State;
use crate::actors::tests::{SECOND, cx, world};
use crate::types::RunId;

#[test]
fn a_run_ends_once_and_everybody_who_waits_is_given_back() {
    let world = world();
    let (one, other) = (RunId::new(&world), RunId::new(&world));
    let mut state = State::new(2);
    assert_eq!(state.open(one, cx(&world, SECOND), Some(1)), Ok(()));
    assert_eq!(state.open(other, cx(&world, SECOND), None), Ok(()));
    assert_eq!(state.open(RunId::new(&world), cx(&world, SECOND), Some(9)), Err(Some(9)));
    assert_eq!(state.wait(one, 2), Ok(()));
    assert_eq!(state.wait(RunId::new(&world), 3), Err(3));
    assert_eq!(state.view(), View { running: 2, completed: 0, failed: 0, refused: 1 });
    assert_eq!(state.ended(one, true), [1, 2]);
    assert_eq!(state.ended(one, true), [0; 0]);
    assert_eq!(state.ended(other, false), [0; 0]);
    assert_eq!(state.view(), View { running: 0, completed: 1, failed: 1, refused: 1 });
}

#[test]
fn cancelling_tells_the_work_and_leaves_the_run() {
    let world = world();
    let (run, cx) = (RunId::new(&world), cx(&world, SECOND));
    let mut state = State::new(1);
    state.open(run, cx.clone(), Some(1)).unwrap();
    assert!(!state.cancel(RunId::new(&world)) && !cx.is_cancelled());
    assert!(state.cancel(run) && cx.is_cancelled());
    assert_eq!(state.ended(run, false), [1]);
    assert!(!state.cancel(run));
}

#[test]
fn the_end_of_a_run_is_written_down_by_one() {
    let world = world();
    let (done, cut) = (RunId::new(&world), RunId::new(&world));
    let mut state = State::new(2);
    state.open(done, cx(&world, SECOND), Some(1)).unwrap();
    state.open(cut, cx(&world, SECOND), Some(2)).unwrap();
    assert!(state.ending(done).claim(), "its work is done, and says so");
    assert_eq!(state.interrupt(), [cut]);
    assert!(!state.ending(cut).claim() && state.interrupt().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whoever was taken in is given back exactly once, and never more runs are under way than allowed.
    #[test]
    fn nobody_who_waits_is_lost(most in 1_usize..4, deeds in prop::collection::vec((0_usize..6, 0_u8..3), 1..60)) {
        let world = world();
        let runs: Vec<RunId> = (0..6).map(|_| RunId::new(&world)).collect();
        let (mut state, mut open) = (State::new(most), std::collections::BTreeSet::new());
        let (mut taken, mut given) = (Vec::new(), Vec::new());
        for (waiter, (which, deed)) in deeds.into_iter().enumerate() {
            match deed {
                0 if !open.contains(&which) => match state.open(runs[which], cx(&world, SECOND), Some(waiter)) {
                    Ok(()) => {
                        open.insert(which);
                        taken.push(waiter);
                    }
                    Err(back) => prop_assert_eq!((back, open.len()), (Some(waiter), most)),
                },
                1 => match state.wait(runs[which], waiter) {
                    Ok(()) => taken.push(waiter),
                    Err(back) => prop_assert_eq!((back, open.contains(&which)), (waiter, false)),
                },
                _ => {
                    given.extend(state.ended(runs[which], true));
                    open.remove(&which);
                }
            }
            prop_assert_eq!(state.view().running, open.len());
        }
        runs.iter().for_each(|run| given.extend(state.ended(*run, false)));
        given.sort_unstable();
        prop_assert_eq!(given, taken);
    }
}
