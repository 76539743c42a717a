//! P1 to P4: the way back from quarantine.

use proptest::prelude::*;

use super::at;
use crate::types::{RunId, Timestamp};
use crate::ziggy::govern::probation::{Phase, Policy, Probation, Step, Trial, takes_part};

const POLICY: Policy = Policy { after_s: 10, share: 10, trials: 3, ceiling_s: 60 };

#[test]
fn a_wait_then_a_trial_then_release() {
    let mut way = Probation::begin(&POLICY, at(0));
    assert_eq!((way.tick(at(9)), way.outcome(true, &POLICY, at(9))), (Step::Stay, Step::Stay));
    assert_eq!(way.tick(at(-500)), Step::Stay, "a clock that goes back ends no wait");
    assert_eq!(way.tick(at(10)), Step::Begin);
    assert_eq!(way.trial(&POLICY), Some(Trial { share: 10, successes: 0, needed: 3 }));
    let steps = [true, true, true].map(|ok| way.outcome(ok, &POLICY, at(11)));
    assert_eq!(steps, [Step::Counted, Step::Counted, Step::Release]);
}

#[test]
fn each_failure_doubles_the_wait_up_to_the_ceiling() {
    let mut way = Probation::begin(&POLICY, at(0));
    let (mut now, mut waits) = (10, Vec::new());
    for _ in 0..5 {
        assert_eq!(way.tick(at(now)), Step::Begin);
        assert_eq!(way.outcome(true, &POLICY, at(now)), Step::Counted);
        assert_eq!(way.outcome(false, &POLICY, at(now)), Step::Back);
        waits.push(way.wait_s);
        assert_eq!(way.tick(at(now + i64::try_from(way.wait_s).unwrap() - 1)), Step::Stay);
        now += i64::try_from(way.wait_s).unwrap();
    }
    assert_eq!(waits, [20, 40, 60, 60, 60]);
}

#[test]
fn the_share_of_runs_is_kept_and_a_run_always_answers_the_same() {
    for share in [1, 10, 50, 100] {
        let trial = Trial { share, successes: 0, needed: 3 };
        // Ids of one millisecond differ in their lower half only.
        let runs =
            (0..20_000_u64).map(|number| RunId::from_pair(0x0197_0000_0000_7000, number.wrapping_mul(0x9e37_79b9)));
        let taken = runs.filter(|run| takes_part(&trial, *run, "a@local")).count();
        let expected = 200 * share as usize;
        assert!(taken.abs_diff(expected) <= expected / 10 + 60, "{taken} of 20000 at {share} %");
    }
    let trial = Trial { share: 50, successes: 0, needed: 3 };
    let run = RunId::from_pair(1, 2);
    assert_eq!(takes_part(&trial, run, "a"), takes_part(&trial, run, "a"));
    let differ = (0..100).filter(|number| {
        let run = RunId::from_pair(7, *number);
        takes_part(&trial, run, "a") != takes_part(&trial, run, "b")
    });
    assert!(differ.count() > 20, "two candidates have two halves");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    /// P1, P2, P3 under any order of answers and any clock.
    #[test]
    fn nobody_comes_back_unproved(
        steps in proptest::collection::vec((0_u8..3, -100_i64..400), 1..200),
        after_s in 1_u64..50, trials in 1_u32..6, ceiling_s in 50_u64..200,
    ) {
        let policy = Policy { after_s, share: 10, trials, ceiling_s };
        let mut way = Probation::begin(&policy, at(0));
        let mut in_a_row = 0;
        for (what, seconds) in steps {
            let now = at(seconds);
            let before = way;
            let step = if what == 2 { way.tick(now) } else { way.outcome(what == 1, &policy, now) };
            match (before.phase, step) {
                (Phase::Waiting { until }, Step::Begin) => {
                    prop_assert!(now >= until);
                    in_a_row = 0;
                }
                (Phase::OnTrial { .. }, Step::Counted) => in_a_row += 1,
                (Phase::OnTrial { .. }, Step::Release) => {
                    prop_assert_eq!(in_a_row + 1, trials);
                    return Ok(());
                }
                (Phase::OnTrial { .. }, Step::Back) => {
                    prop_assert_eq!(way.wait_s, (before.wait_s * 2).min(ceiling_s));
                    let until = Timestamp(now.0 + i64::try_from(way.wait_s).unwrap() * 1_000_000);
                    prop_assert_eq!(way.phase, Phase::Waiting { until });
                }
                (_, other) => prop_assert_eq!(other, Step::Stay),
            }
        }
    }
}
