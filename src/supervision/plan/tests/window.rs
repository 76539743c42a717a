//! The restart window against a model that keeps every restart there ever was.

use proptest::prelude::*;

use super::*;

/// Over the limit if more restarts than allowed, this one included, are younger than the period. A limit of nothing in
/// no time still counts the restart itself.
fn naive(all: &[Instant], intensity: Intensity) -> Verdict {
    let now = all[all.len() - 1];
    let recent = all.iter().filter(|time| now - **time < intensity.period).count().max(1);
    if recent > intensity.restarts as usize { Verdict::GiveUp } else { Verdict::Restart }
}

proptest! {
    #[test]
    fn says_what_the_naive_model_says(
        restarts in 0u32..6,
        period in 0u64..2_000,
        gaps in prop::collection::vec(prop_oneof![Just(0u64), 0u64..700, Just(2_000u64)], 1..60),
    ) {
        let intensity = Intensity { restarts, period: Duration::from_millis(period) };
        let (mut times, mut all, mut now) = (VecDeque::new(), Vec::new(), Instant::now());
        for gap in gaps {
            now += Duration::from_millis(gap);
            all.push(now);
            prop_assert_eq!(restart_window(&mut times, now, intensity), naive(&all, intensity));
            prop_assert!(times.iter().all(|time| *time == now || now - *time < intensity.period));
        }
    }
}

#[test]
fn a_restart_one_period_old_no_longer_counts() {
    let intensity = Intensity { restarts: 1, period: SECOND };
    let (mut times, now) = (VecDeque::new(), Instant::now());
    assert_eq!(restart_window(&mut times, now, intensity), Verdict::Restart);
    assert_eq!(restart_window(&mut times, now + SECOND, intensity), Verdict::Restart);
    assert_eq!(restart_window(&mut times, now + SECOND + SECOND / 2, intensity), Verdict::GiveUp);
}
