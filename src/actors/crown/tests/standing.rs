//! What rules hold for a while: the strictest counts, and in the end everything is as it was or as people want it.

use proptest::prelude::*;

use super::config;
use crate::actors::crown::standing::Standing;
use crate::actors::crown::state::State;
use crate::actors::crown::{Change, Known};
use crate::actors::tests::{BEGIN, SECOND, later};
use crate::types::Timestamp;
use crate::ziggy::govern::{Act, Action, Evidence, Severity, probation};
use crate::ziggy::plan::Grows;
use crate::ziggy::{Governance, Shed, Value};

fn evidence() -> Evidence {
    let (signal, words) = ("errors".to_owned(), "many".to_owned());
    Evidence { signal, value: 9, threshold: 5, samples: 20, window_s: 60, words }
}

fn action(rule: &str, act: Act, targets: &[&str]) -> Action {
    let targets = targets.iter().map(|one| (*one).to_owned()).collect();
    let (rule, subject, severity) = (rule.to_owned(), "s".to_owned(), Severity::Warning);
    Action { rule, subject, act, targets, severity, evidence: evidence(), spared: None }
}

fn throttle(rule: &str, percent: Option<u32>, cap: Option<u32>, for_s: u64) -> Action {
    action(rule, Act::Throttle { percent, cap, for_s }, &["a"])
}

fn known(weight: u32, concurrency: u32) -> Vec<Known> {
    vec![Known {
        candidate: "a".to_owned(),
        agent: "host/a".to_owned(),
        runtime: String::new(),
        concurrency,
        waiting: 0,
        weight,
        grows: Grows::Copies,
        capabilities: vec!["general".to_owned()],
        placed: true,
    }]
}

struct Bench {
    state: State,
    standing: Standing,
}

impl Bench {
    fn new() -> Bench {
        Bench { state: State::new(config(), Governance::default()), standing: Standing::default() }
    }

    fn act(&mut self, action: &Action, now: Timestamp) {
        self.standing.act(action, None, &known(80, 10), now);
        self.settle(now);
    }

    fn settle(&mut self, now: Timestamp) {
        self.standing.expire(now);
        let changes = self.standing.changes(self.state.governance());
        self.make(&changes, now);
    }

    fn make(&mut self, changes: &[Change], now: Timestamp) {
        let next = self.state.plan(changes, now).unwrap();
        self.state.adopt(next);
    }

    fn weight(&self) -> Option<u32> {
        self.state.governance().weights.get("a").copied()
    }

    fn cap(&self) -> Option<u32> {
        self.state.governance().caps.get("a").copied()
    }
}

fn at(seconds: u32) -> Timestamp {
    later(seconds * SECOND)
}

#[test]
fn the_strictest_of_several_counts_and_the_last_gives_back_what_was() {
    let mut bench = Bench::new();
    bench.act(&throttle("mild", Some(50), Some(20), 100), at(0));
    assert_eq!((bench.weight(), bench.cap()), (Some(40), Some(10)), "of its own 80 and 10, and never more");
    bench.act(&throttle("hard", Some(25), Some(2), 10), at(1));
    assert_eq!((bench.weight(), bench.cap()), (Some(20), Some(2)));
    bench.settle(at(11));
    assert_eq!((bench.weight(), bench.cap()), (Some(40), Some(10)));
    bench.settle(at(99));
    assert_eq!(bench.weight(), Some(40));
    bench.settle(at(100));
    assert_eq!((bench.weight(), bench.cap()), (None, None));
    assert_eq!(bench.standing, Standing::default());
}

// ST3.
#[test]
fn what_a_person_sets_meanwhile_stays() {
    let mut bench = Bench::new();
    let set = |percent| Change::Weight { candidate: "a".to_owned(), percent };
    bench.make(&[set(Some(70))], at(0));
    bench.act(&throttle("r", Some(25), None, 100), at(0));
    assert_eq!(bench.weight(), Some(20));
    bench.make(&[set(Some(90))], at(1));
    bench.settle(at(2));
    assert_eq!(bench.weight(), Some(90), "the rule lets go");
    bench.settle(at(200));
    assert_eq!(bench.weight(), Some(90));
    bench.act(&throttle("r", Some(25), None, 100), at(201));
    bench.settle(at(400));
    assert_eq!(bench.weight(), Some(90), "and gives back what the person set");
}

#[test]
fn shedding_ends_and_never_weakens_what_a_person_sheds() {
    let mut bench = Bench::new();
    let shed = |below| action("shed", Act::Shed { below, for_s: 10 }, &[]);
    bench.act(&shed(Value::Normal), at(0));
    assert_eq!(bench.state.governance().shed, Shed::Below(Value::Normal));
    bench.settle(at(10));
    assert_eq!(bench.state.governance().shed, Shed::Nothing);
    bench.make(&[Change::Shed { shed: Shed::Everything }], at(11));
    bench.act(&shed(Value::Interactive), at(12));
    assert_eq!(bench.state.governance().shed, Shed::Everything);
    bench.settle(at(30));
    assert_eq!(bench.state.governance().shed, Shed::Everything);
}

#[test]
fn a_quarantined_candidate_comes_back_by_trial_or_by_hand() {
    let policy = probation::Policy { after_s: 10, share: 20, trials: 2, ceiling_s: 15 };
    let mut bench = Bench::new();
    let out = action("loops", Act::Quarantine, &["a"]);
    let moved = bench.standing.act(&out, Some(&policy), &known(100, 1), at(0));
    assert_eq!(moved[0].step, "waiting");
    let quarantine = Change::Quarantine { candidate: "a".to_owned(), reason: "loops".to_owned() };
    bench.make(std::slice::from_ref(&quarantine), at(0));
    let go = |bench: &mut Bench, outcomes: &[bool], now| {
        let outcomes: Vec<(String, bool)> = outcomes.iter().map(|ok| ("a".to_owned(), *ok)).collect();
        let (moved, changes) = bench.standing.advance(&outcomes, &policy, bench.state.governance(), now);
        bench.make(&changes, now);
        moved.into_iter().map(|one| one.step).collect::<Vec<_>>()
    };
    let none: [String; 0] = [];
    assert_eq!(go(&mut bench, &[true, true], at(9)), none, "what comes before a trial counts for nothing");
    assert_eq!(go(&mut bench, &[true, true], at(10)), ["trial"]);
    let governance = bench.state.governance().clone();
    assert!(governance.quarantine("a", None, at(10)).is_none() && governance.trials["a"].share == 20);
    assert_eq!(go(&mut bench, &[true], at(11)), ["success"]);
    assert_eq!(go(&mut bench, &[false, true, true], at(12)), ["back"]);
    assert!(bench.state.governance().quarantine("a", None, at(12)).is_some(), "out again");
    assert_eq!(go(&mut bench, &[], at(26)), none, "the wait has doubled, up to fifteen seconds");
    assert_eq!(go(&mut bench, &[], at(27)), ["trial"]);
    assert_eq!(go(&mut bench, &[true, true], at(28)), ["released"]);
    assert!(bench.state.governance().quarantined.is_empty() && bench.state.governance().trials.is_empty());
    assert!(bench.standing.probations.is_empty());
    bench.standing.act(&out, Some(&policy), &known(100, 1), at(30));
    bench.make(&[quarantine, Change::Unquarantine { candidate: "a".to_owned() }], at(30));
    assert_eq!(go(&mut bench, &[], at(90)), none);
    assert!(bench.standing.probations.is_empty(), "a person let it back");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// ST1, ST2: with nobody else at the levers, what counts is always the strictest in force, and in the end nothing is left.
    #[test]
    fn throttles_leave_no_trace(
        steps in proptest::collection::vec((0_u8..4, 1_u32..=100, 1_u32..=12, 1_u64..30, 0_u32..10), 1..40),
    ) {
        let mut bench = Bench::new();
        let mut now = 0;
        for (rule, percent, cap, for_s, passes) in steps {
            now += passes;
            bench.settle(at(now));
            bench.act(&throttle(&format!("r{rule}"), Some(percent), Some(cap), for_s), at(now));
            let least = |read: fn(&crate::actors::crown::InForce) -> Option<u32>| {
                bench.standing.in_force.iter().filter_map(read).min()
            };
            prop_assert_eq!(bench.weight(), least(|one| one.percent));
            prop_assert_eq!(bench.cap(), least(|one| one.cap));
        }
        bench.settle(at(now + 60));
        prop_assert_eq!((bench.weight(), bench.cap()), (None, None));
        prop_assert_eq!(&bench.standing, &Standing::default());
        let _ = BEGIN;
    }
}
