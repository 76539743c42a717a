//! Each limiter alone, against a model of what it has to keep, then all of them as one.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;

use super::*;

fn at(micros: u64) -> Timestamp {
    Timestamp(i64::try_from(micros).unwrap())
}

const SECOND: u64 = 1_000_000;

fn config() -> Config {
    Config {
        concurrency: ConcurrencyConfig { algorithm: Algorithm::Gradient2, initial: 20, least: 4, most: 200 },
        circuit: CircuitConfig { failures: 3, open_ms: 1_000, open_most_ms: 8_000, forget_ms: 60_000 },
        throttle: ThrottleConfig { requests_per_accept: 2_000_000, window_s: 120, least: 10 },
        retry: RetryConfig { attempts: 3, tokens: 10, token_per_answer: 100, first_ms: 100, most_ms: 2_000 },
        pause_ms: 1_000,
        rates: BTreeMap::new(),
    }
}

const FREE: Rates = Rates { requests_per_minute: 0, tokens_per_minute: 0, burst_s: 0 };

/// One candidate with its provider, and what is asked of them.
struct Bench {
    config: Config,
    candidate: Candidate,
    provider: Provider,
    rates: (Rates, Rates),
}

impl Bench {
    fn new(config: Config) -> Bench {
        let (candidate, provider) = (Candidate::new(&config), Provider::default());
        Bench { config, candidate, provider, rates: (FREE, FREE) }
    }

    fn send(&mut self, tokens: u64, now: u64) -> Result<Sent, Refused> {
        let ask = Ask { tokens, chance: u64::MAX, last_resort: false };
        let rates = (&self.rates.0, &self.rates.1);
        self.candidate.send(&mut self.provider, &self.config, rates, ask, at(now))
    }

    fn settle(&mut self, sent: Sent, verdict: Verdict, now: u64) {
        let rates = (&self.rates.0, &self.rates.1);
        self.candidate.settle(&mut self.provider, &self.config, rates, (sent, verdict), at(now));
    }

    fn fails(&mut self, now: u64) {
        let sent = self.send(1, now).unwrap();
        self.settle(sent, Verdict::Failed, now);
    }
}

const OK: Verdict = Verdict::Answered { latency_us: 1_000, tokens: 1 };

proptest! {
    /// LI3, against the definition: in no stretch of time more than the burst and what the time brings.
    #[test]
    fn a_rate_admits_its_burst_and_what_the_time_brings(
        per_minute in 1_u32..100_000,
        burst_s in 0_u32..120,
        arrivals in prop::collection::vec((0_u64..2 * SECOND, 1_u64..50), 1..200),
    ) {
        let (mut gcra, mut now, mut taken) = (Gcra::default(), 1, Vec::new());
        let burst = (u64::from(per_minute) * u64::from(burst_s) / 60).max(1);
        for (gap, cost) in arrivals {
            now += gap;
            let cost = cost.min(burst);
            let wait = gcra.wait(per_minute, burst_s, cost, at(now));
            if wait == 0 {
                gcra.take(per_minute, cost, at(now));
                taken.push((now, cost));
            } else {
                // Exactly then it conforms, and not a microsecond before.
                prop_assert_eq!(gcra.wait(per_minute, burst_s, cost, at(now + wait)), 0);
                prop_assert!(gcra.wait(per_minute, burst_s, cost, at(now + wait - 1)) > 0);
            }
        }
        for first in 0..taken.len() {
            let mut sum = 0;
            for (when, cost) in &taken[first..] {
                sum += cost;
                // The interval is rounded down to whole nanoseconds, which admits one more in some thousands at most.
                let interval = 60_000_000_000 / u64::from(per_minute);
                let brought = (when - taken[first].0) * 1_000 / interval;
                prop_assert!(sum <= burst + brought + 1, "{sum} of {burst} and {brought}");
            }
        }
    }

    /// LI5: between its bounds, whatever is observed, and down after losses, by either way.
    #[test]
    fn a_limit_stays_between_its_bounds(
        vegas in any::<bool>(),
        seen in prop::collection::vec((1_u64..u64::from(u32::MAX), 1_u32..300, 0_u8..10), 1..500),
    ) {
        let algorithm = if vegas { Algorithm::Vegas } else { Algorithm::Gradient2 };
        let config = ConcurrencyConfig { algorithm, initial: 20, least: 4, most: 200 };
        let mut limit = Concurrency::new(&config);
        for (latency, in_flight, kind) in seen {
            let before = limit.limit();
            if kind == 0 {
                limit.lost(&config);
                prop_assert!(limit.limit() <= before);
            } else {
                limit.answered(&config, latency, in_flight);
            }
            prop_assert!((4..=200).contains(&limit.limit()));
        }
    }

    /// LI7 against gRFC A6 in plain arithmetic.
    #[test]
    fn a_retry_budget_stops_at_half_and_comes_back(outcomes in prop::collection::vec(any::<bool>(), 1..300)) {
        let config = config().retry;
        let (mut budget, mut tokens) = (RetryBudget::full(&config), 10.0_f64);
        for ok in outcomes {
            if ok { budget.answered(&config) } else { budget.failed() }
            tokens = if ok { (tokens + 0.1).min(10.0) } else { (tokens - 1.0).max(0.0) };
            prop_assert!((budget.left() as f64 / 1_000.0 - tokens).abs() < 1e-6);
            prop_assert_eq!(budget.allows(&config), budget.left() > 5_000);
        }
    }

    /// Full jitter is anything up to the bound, and the bound doubles up to the most.
    #[test]
    fn a_wait_is_anything_up_to_its_bound(attempt in 1_u32..100, chance in any::<u64>()) {
        let config = config().retry;
        let bound = 100_000_u64.saturating_mul(1 << (attempt - 1).min(20)).min(2_000_000);
        prop_assert!(full_jitter(&config, attempt, chance) <= bound);
        prop_assert_eq!(full_jitter(&config, attempt, 0), 0);
        prop_assert_eq!(full_jitter(&config, attempt, u64::MAX), bound);
    }

    /// LI4: nothing before its time, then one at a time, and after a good one everybody; against a list of what happened.
    #[test]
    fn a_circuit_lets_one_through_at_a_time(steps in prop::collection::vec((0_u64..3_000, 0_u8..4), 1..300)) {
        let config = config().circuit;
        let (mut circuit, mut now) = (Circuit::default(), 1);
        let mut trial = false;
        for (gap, kind) in steps {
            now += gap * 1_000;
            match circuit.against(at(now)) {
                Some(Some(wait)) => {
                    prop_assert!(!trial, "a time is told only while nobody is on trial");
                    prop_assert_eq!(circuit.against(at(now + wait)), None);
                    prop_assert!(circuit.against(at(now + wait - 1)).is_some());
                }
                Some(None) => prop_assert!(trial),
                None if kind > 0 => {
                    prop_assert!(!trial);
                    trial = circuit.sent(at(now));
                    if kind == 1 && trial {
                        // It stays on trial for a while.
                        continue;
                    }
                    match kind {
                        2 => circuit.failed(&config, trial, at(now)),
                        _ => circuit.answered(trial, at(now)),
                    }
                    trial = false;
                    continue;
                }
                None => {}
            }
            if trial {
                match kind {
                    0 => continue,
                    1 => circuit.undecided(true, at(now)),
                    2 => circuit.failed(&config, true, at(now)),
                    _ => circuit.answered(true, at(now)),
                }
                trial = false;
            }
        }
    }

    /// LI1, LI2, LI5 and LI6 over random work: counts are those of a model, refusals change nothing, and what is
    /// settled leaves nothing behind.
    #[test]
    fn what_is_settled_leaves_nothing_behind(
        steps in prop::collection::vec((0_u64..200_000, 0_u8..6, 0_usize..64, 1_u64..5_000), 1..400),
    ) {
        let mut bench = Bench::new(config());
        bench.rates = (
            Rates { requests_per_minute: 6_000, tokens_per_minute: 0, burst_s: 10 },
            Rates { requests_per_minute: 0, tokens_per_minute: 600_000, burst_s: 30 },
        );
        let (mut now, mut out, mut paused) = (1, Vec::new(), 0);
        for (gap, kind, which, number) in steps {
            now += gap;
            let before = (bench.candidate.clone(), bench.provider.clone());
            match kind {
                0 | 1 => match bench.send(number, now) {
                    Ok(sent) => {
                        prop_assert!(now >= paused, "LI6");
                        prop_assert!(sent.in_flight <= before.0.limit(), "LI5");
                        out.push(sent);
                    }
                    Err(refused) => {
                        prop_assert!(refused.again_us() != Some(0), "{refused:?}");
                        prop_assert_eq!(&before, &(bench.candidate.clone(), bench.provider.clone()), "LI1");
                    }
                },
                2 if number < 100 => {
                    bench.provider.heard(&Heard { wait_us: Some(number * 10_000), ..Heard::default() }, at(now));
                    paused = paused.max(now + number * 10_000);
                }
                _ if out.is_empty() => {}
                _ => {
                    let sent = out.swap_remove(which % out.len());
                    let verdict = match kind {
                        2 | 3 => Verdict::Answered { latency_us: number * 10, tokens: number.min(sent.tokens) },
                        4 => Verdict::Failed,
                        _ if number % 3 == 0 => Verdict::Overloaded,
                        _ if number % 3 == 1 => Verdict::Late,
                        _ => Verdict::Unknown,
                    };
                    bench.settle(sent, verdict, now);
                }
            }
            prop_assert_eq!(bench.candidate.in_flight() as usize, out.len(), "LI2");
            prop_assert_eq!(bench.provider.requests_on_the_way as usize, out.len(), "LI2");
            let tokens: u64 = out.iter().map(|sent| sent.tokens).sum();
            prop_assert_eq!(bench.provider.tokens_on_the_way, tokens, "LI2");
        }
    }
}

#[test]
fn an_open_circuit_waits_twice_as_long_each_time_and_forgets() {
    let mut bench = Bench::new(config());
    (0..3).for_each(|_| bench.fails(10));
    let mut now = 10;
    for expected in [1, 2, 4, 8, 8] {
        assert_eq!(bench.send(1, now), Err(Refused::Circuit { again_us: Some(expected * SECOND) }));
        now += expected * SECOND;
        let trial = bench.send(1, now).unwrap();
        assert!(trial.trial);
        assert_eq!(bench.send(1, now), Err(Refused::Circuit { again_us: None }), "one at a time");
        bench.settle(trial, Verdict::Failed, now);
    }
    now += 8 * SECOND;
    let trial = bench.send(1, now).unwrap();
    bench.settle(trial, OK, now);
    (0..3).for_each(|_| bench.fails(now));
    assert_eq!(bench.send(1, now), Err(Refused::Circuit { again_us: Some(8 * SECOND) }), "it counts on");
    now += 8 * SECOND;
    let trial = bench.send(1, now).unwrap();
    bench.settle(trial, OK, now);
    now += 60 * SECOND;
    (0..3).for_each(|_| bench.fails(now));
    assert_eq!(bench.send(1, now), Err(Refused::Circuit { again_us: Some(SECOND) }), "a good minute is forgiven");
}

#[test]
fn what_has_nowhere_else_to_go_passes_an_open_circuit_and_closes_it_if_it_is_answered() {
    let mut bench = Bench::new(config());
    (0..3).for_each(|_| bench.fails(10));
    let before = bench.send(1, 10).unwrap_err();
    let mut resort = || {
        let ask = Ask { tokens: 1, chance: u64::MAX, last_resort: true };
        bench.candidate.send(&mut bench.provider, &bench.config, (&FREE, &FREE), ask, at(10)).unwrap()
    };
    let (one, other) = (resort(), resort());
    assert!(one.last_resort && !one.trial);
    bench.settle(one, Verdict::Failed, 10);
    assert_eq!(bench.send(1, 10).unwrap_err(), before, "a failure that was to be expected changes nothing");
    bench.settle(other, OK, 10);
    assert!(bench.send(1, 10).is_ok());
}

#[test]
fn a_trial_nobody_waited_for_is_tried_by_the_next() {
    let mut bench = Bench::new(config());
    (0..3).for_each(|_| bench.fails(10));
    let trial = bench.send(1, 2 * SECOND).unwrap();
    bench.settle(trial, Verdict::Unknown, 2 * SECOND);
    assert!(bench.send(1, 2 * SECOND).unwrap().trial);
}

#[test]
fn a_provider_that_refuses_half_is_asked_less_and_one_that_answers_is_not() {
    let (config, mut throttle) = (config().throttle, Throttle::default());
    for place in 0..100 {
        throttle.sent(&config, at(place));
        if place % 4 == 0 {
            throttle.accepted(&config, at(place));
        }
    }
    // (100 - 2 * 25) / 101.
    assert_eq!(throttle.probability(&config, 0, at(100)), crate::ziggy::Millionths(495_049));
    (0..25).for_each(|place| throttle.accepted(&config, at(place)));
    assert_eq!(throttle.probability(&config, 0, at(100)), crate::ziggy::Millionths::ZERO);
    assert_eq!(throttle.counts(&config, at(121 * SECOND)), (0, 0), "two minutes later nothing of it counts");
}

#[test]
fn what_was_not_sent_after_all_counts_for_nothing() {
    let mut bench = Bench::new(config());
    let one = Rates { requests_per_minute: 1, tokens_per_minute: 60, burst_s: 1 };
    bench.rates = (one, one);
    for _ in 0..3 {
        let sent = bench.send(1, SECOND).unwrap();
        bench.settle(sent, Verdict::NotSent, SECOND);
    }
    let sent = bench.send(1, SECOND).unwrap();
    bench.settle(sent, Verdict::Unknown, SECOND);
    assert!(bench.send(1, SECOND).is_err(), "what was sent counts");
}

#[test]
fn a_burst_on_its_way_is_not_taken_for_refused() {
    let (config, mut throttle) = (config().throttle, Throttle::default());
    (0..50).for_each(|_| throttle.sent(&config, at(1)));
    assert_eq!(throttle.probability(&config, 50, at(2)), crate::ziggy::Millionths::ZERO);
    // Their time is over, and none was accepted: 50 / 51.
    assert_eq!(throttle.probability(&config, 0, at(3)), crate::ziggy::Millionths(980_392));
}

#[test]
fn a_throttled_candidate_is_refused_by_chance() {
    let mut bench = Bench::new(config());
    for _ in 0..20 {
        let sent = bench.send(1, 10).unwrap();
        bench.settle(sent, Verdict::Overloaded, 10);
    }
    let ask = |chance| Ask { tokens: 1, chance, last_resort: false };
    let (config, free) = (bench.config.clone(), (&FREE, &FREE));
    let refused = bench.candidate.send(&mut bench.provider, &config, free, ask(0), at(10)).unwrap_err();
    assert!(matches!(refused, Refused::Throttle { sent: 20, accepted: 0, .. }), "{refused:?}");
    assert!(bench.candidate.send(&mut bench.provider, &config, free, ask(u64::MAX), at(10)).is_ok());
}

#[test]
fn what_the_provider_says_is_left_holds_until_it_counts_anew() {
    let mut bench = Bench::new(config());
    let on_the_way = bench.send(100, 10).unwrap();
    bench.send(100, 10).unwrap();
    let said = Heard {
        wait_us: None,
        requests: Some(Allowance { remaining: 3, resets_us: SECOND }),
        tokens: Some(Allowance { remaining: 1_000, resets_us: 5 * SECOND }),
    };
    bench.provider.heard(&said, at(10));
    // It answers one; the other may not have been counted, so two are left, and 900 tokens.
    let refused = bench.send(901, 10).unwrap_err();
    let expected = Refused::Allowance { unit: Unit::Tokens, left: 900, needed: 901, again_us: 5 * SECOND };
    assert_eq!(refused, expected);
    bench.send(300, 10).unwrap();
    bench.send(300, 10).unwrap();
    let refused = bench.send(1, 10).unwrap_err();
    assert_eq!(refused, Refused::Allowance { unit: Unit::Requests, left: 0, needed: 1, again_us: SECOND });
    bench.send(300, 10 + SECOND).unwrap();
    bench.settle(on_the_way, OK, 10 + SECOND);
    assert!(bench.send(5_000, 10 + 5 * SECOND).is_ok(), "it counts anew");
}

#[test]
fn tokens_that_were_not_used_are_given_back() {
    let mut bench = Bench::new(config());
    bench.rates.1 = Rates { requests_per_minute: 0, tokens_per_minute: 6_000, burst_s: 10 };
    let sent = bench.send(1_000, 10).unwrap();
    assert!(
        matches!(bench.send(1_000, 10), Err(Refused::Rate { unit: Unit::Tokens, again_us, .. }) if again_us == 10 * SECOND)
    );
    bench.settle(sent, Verdict::Answered { latency_us: 10, tokens: 0 }, 10);
    assert!(bench.send(1_000, 10).is_ok());
}

#[test]
fn the_95th_percentile_is_the_nearest_rank() {
    let mut recent = Recent::default();
    (1..=19).for_each(|latency| recent.saw(latency));
    assert_eq!(recent.p95_us(), None);
    recent.saw(20);
    assert_eq!(recent.p95_us(), Some(19));
    (0..64).for_each(|_| recent.saw(7));
    assert_eq!(recent.p95_us(), Some(7), "older ones are gone");
}

/// A server that works on so many at a time and lines up the rest: its latency grows with what is in flight.
fn latency(in_flight: u32, places: u32) -> u64 {
    100_000 * u64::from(in_flight.max(places)) / u64::from(places)
}

#[test]
fn vegas_finds_what_a_server_of_even_work_can_do_at_once() {
    let config = ConcurrencyConfig { algorithm: Algorithm::Vegas, initial: 20, least: 1, most: 1_000 };
    let mut limit = Concurrency::new(&config);
    for _ in 0..2_000 {
        let in_flight = limit.limit();
        limit.answered(&config, latency(in_flight, 50), in_flight);
    }
    assert!((50..=65).contains(&limit.limit()), "{}", limit.limit());
}

#[test]
fn gradient_grows_while_nothing_slows_down_and_shrinks_when_answers_take_longer() {
    let config = ConcurrencyConfig { algorithm: Algorithm::Gradient2, initial: 20, least: 4, most: 200 };
    let mut limit = Concurrency::new(&config);
    for _ in 0..100 {
        let in_flight = limit.limit();
        limit.answered(&config, 100_000, in_flight);
    }
    // 0.8 of a request more with each answer: a fifth of the four that may queue.
    assert_eq!(limit.limit(), 100);
    for _ in 0..20 {
        let in_flight = limit.limit();
        limit.answered(&config, 400_000, in_flight);
    }
    assert!((10..=25).contains(&limit.limit()), "{}", limit.limit());
}

#[test]
fn a_limit_that_is_not_used_does_not_grow() {
    let config = ConcurrencyConfig { algorithm: Algorithm::Gradient2, initial: 20, least: 4, most: 200 };
    let mut limit = Concurrency::new(&config);
    (0..1_000).for_each(|_| limit.answered(&config, 1_000, 3));
    assert_eq!(limit.limit(), 20);
    (0..5).for_each(|_| limit.lost(&config));
    assert_eq!(limit.limit(), 11);
}

#[test]
fn refusals_say_what_would_help() {
    let all = [
        Refused::Circuit { again_us: Some(1_500_000) },
        Refused::Circuit { again_us: None },
        Refused::Paused { again_us: 30_000 },
        Refused::Allowance { unit: Unit::Tokens, left: 1, needed: 2, again_us: 5 },
        Refused::Rate { unit: Unit::Requests, per_minute: 60, again_us: 1_000_000 },
        Refused::Throttle { sent: 9, accepted: 1, again_us: 5 },
        Refused::Concurrency { in_flight: 4, limit: 4 },
    ];
    for refused in &all {
        let text = serde_json::to_string(refused).unwrap();
        assert_eq!(&serde_json::from_str::<Refused>(&text).unwrap(), refused);
        assert!(refused.words().ends_with('.'), "{}", refused.words());
    }
    assert!(all[0].words().contains("1.500 s"));
    assert!(all[4].words().contains("limit.rates"));
}
