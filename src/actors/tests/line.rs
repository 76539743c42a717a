//! The line against a model: a count and a queue.

use std::collections::VecDeque;

use proptest::prelude::*;

use crate::actors::line::{Arrival, Line};

#[test]
fn who_came_first_goes_first() {
    let mut line = Line::new(1, 2);
    assert_eq!(line.arrive("a"), Arrival::Enters("a"));
    assert_eq!(line.arrive("b"), Arrival::Waits);
    assert_eq!(line.arrive("c"), Arrival::Waits);
    assert_eq!(line.arrive("d"), Arrival::Refused("d"));
    assert_eq!((line.inside(), line.waiting()), (1, 2));
    assert_eq!(line.leave(), Some("b"));
    assert_eq!(line.leave(), Some("c"));
    assert_eq!((line.inside(), line.waiting()), (1, 0));
    assert_eq!(line.leave(), None);
    assert_eq!((line.inside(), line.waiting()), (0, 0));
}

#[test]
fn a_line_without_places_has_one() {
    let mut line = Line::new(0, 0);
    assert_eq!(line.arrive(1), Arrival::Enters(1));
    assert_eq!(line.arrive(2), Arrival::Refused(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// LN1 and LN2, over any comings and goings.
    #[test]
    fn never_too_many_inside_and_nobody_waits_beside_a_free_place(
        places in 1_u32..5,
        most in 0_usize..5,
        comings in prop::collection::vec(any::<bool>(), 0..80),
    ) {
        let mut line = Line::new(places, most);
        let (mut inside, mut waiting) = (0_u32, VecDeque::new());
        for (who, comes) in comings.into_iter().enumerate() {
            if comes {
                let expected = match (inside < places, waiting.len() < most) {
                    (true, _) => Arrival::Enters(who),
                    (false, true) => Arrival::Waits,
                    (false, false) => Arrival::Refused(who),
                };
                match &expected {
                    Arrival::Enters(_) => inside += 1,
                    Arrival::Waits => waiting.push_back(who),
                    Arrival::Refused(_) => {}
                }
                prop_assert_eq!(line.arrive(who), expected);
            } else if inside > 0 {
                let next = waiting.pop_front();
                inside -= u32::from(next.is_none());
                prop_assert_eq!(line.leave(), next);
            }
            prop_assert_eq!((line.inside(), line.waiting() as usize), (inside, waiting.len()));
            prop_assert!(line.inside() <= places);
            prop_assert!(line.waiting() == 0 || line.inside() == places);
        }
    }
}
