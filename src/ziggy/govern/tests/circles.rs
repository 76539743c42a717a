//! TJ1 to TJ3: cycles of every length are found with the last turn of their third time, and nothing else is.

use proptest::prelude::*;
use serde_json::json;

use crate::types::{Hash, ToolCall};
use crate::ziggy::govern::trajectory::{Cycle, LONGEST, TIMES, Trajectory, fingerprint};

fn turn(name: u64) -> Hash {
    Hash::of(&name.to_le_bytes())
}

#[test]
fn a_cycle_of_any_length_is_found_at_the_end_of_its_third_time() {
    for length in 1..=LONGEST {
        for before in 0..5 {
            let mut trajectory = Trajectory::new();
            for name in 0..before {
                assert_eq!(trajectory.turn(turn(1_000 + name)), None);
            }
            for place in 0..length * TIMES {
                let found = trajectory.turn(turn((place % length) as u64));
                let last = place + 1 == length * TIMES;
                let expected = last.then(|| Cycle { turns: length, times: TIMES, turn: turn(length as u64 - 1) });
                assert_eq!(found, expected, "length {length}, after {before} others, turn {place}");
            }
        }
    }
}

#[test]
fn a_cycle_that_is_longer_is_not_looked_for() {
    let mut trajectory = Trajectory::new();
    for place in 0..100 {
        assert_eq!(trajectory.turn(turn(place % (LONGEST as u64 + 1))), None);
    }
}

#[test]
fn a_turn_is_its_calls_with_their_arguments_and_nothing_else() {
    let call = |id: &str, name: &str, arguments| ToolCall { id: id.to_owned(), name: name.to_owned(), arguments };
    let one = call("1", "sum", json!({ "a": 1, "b": 2 }));
    let same = call("2", "sum", serde_json::from_str(r#"{"b":2,"a":1}"#).unwrap());
    let print =
        |calls: &[&ToolCall], text| fingerprint(&calls.iter().map(|one| (*one).clone()).collect::<Vec<_>>(), text);
    assert_eq!(print(&[&one], "Let me see."), print(&[&same], "Once more."));
    let others = [call("1", "sum", json!({ "a": 1, "b": 3 })), call("1", "mul", json!({ "a": 1, "b": 2 }))];
    others.iter().for_each(|other| assert_ne!(print(&[&one], ""), print(&[other], "")));
    assert_ne!(print(&[&one, &others[0]], ""), print(&[&others[0], &one], ""), "the order of calls matters");
    assert_ne!(print(&[], "Yes."), print(&[], "No."));
}

/// Looks at everything each time.
fn slowly(turns: &[Hash]) -> Option<usize> {
    (1..=LONGEST).find(|length| {
        let needed = length * TIMES;
        turns.len() >= needed && turns[turns.len() - needed..].windows(length + 1).all(|some| some[0] == some[*length])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn what_is_found_is_what_a_look_at_all_turns_finds(names in proptest::collection::vec(0_u64..3, 1..60)) {
        let mut trajectory = Trajectory::new();
        let mut turns = Vec::new();
        for name in names {
            turns.push(turn(name));
            let found = trajectory.turn(turn(name)).map(|cycle| cycle.turns);
            prop_assert_eq!(found, slowly(&turns));
        }
    }
}
