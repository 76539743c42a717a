//! Each signal at its threshold and just below, whom an action reaches, and what rules may never do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::at;
use crate::types::Timestamp;
use crate::ziggy::Value;
use crate::ziggy::fixed::Millionths;
use crate::ziggy::govern::{
    Act, AlertRule, Counts, Judgement, Known, Mailbox, Measure, Memory, Observed, Rule, Samples, Severity, Signal,
    Upkeep, When, govern, rule,
};
use crate::ziggy::plan::Grows;

fn rule(of: &str, watch: Signal, act: Act) -> Rule {
    let (name, of) = ("r".to_owned(), of.to_owned());
    Rule { name, watch, of, act, severity: Severity::Warning, cooldown_s: 60 }
}

fn known(candidates: &[&str]) -> Vec<Known> {
    let row = |candidate: &&str| {
        let (agent, runtime) = candidate.split_once('@').unwrap();
        Known {
            candidate: (*candidate).to_owned(),
            agent: format!("host/agents/{agent}"),
            runtime: format!("host/runtimes/{runtime}"),
            concurrency: 2,
            waiting: 4,
            weight: 100,
            grows: Grows::Concurrency,
            capabilities: vec!["general".to_owned()],
            placed: true,
        }
    };
    candidates.iter().map(row).collect()
}

/// What is seen, with nothing in it.
struct World {
    samples: Samples,
    mailboxes: Vec<Mailbox>,
    budgets: BTreeMap<String, u64>,
    known: Vec<Known>,
    out: BTreeSet<String>,
    memory: Memory,
}

impl World {
    fn new(candidates: &[&str]) -> World {
        World {
            samples: Samples::new(1, 600, 100, vec![1_000]),
            mailboxes: Vec::new(),
            budgets: BTreeMap::new(),
            known: known(candidates),
            out: BTreeSet::new(),
            memory: Memory::default(),
        }
    }

    fn answers(&mut self, candidate: &str, good: u64, slow: u64, bad: u64, now: Timestamp) {
        let late = self.samples.slow(2_000_000);
        let counts = |served, slow, failed| Counts { served, slow, failed, ..Counts::default() };
        self.samples.candidate(candidate, None, &counts(good, [0; 4], 0), now);
        for _ in 0..slow {
            self.samples.candidate(candidate, None, &counts(1, late, 0), now);
        }
        self.samples.candidate(candidate, None, &counts(0, [0; 4], bad), now);
    }

    fn judge(&self, rules: &[Rule], now: Timestamp) -> Judgement {
        let World { samples, mailboxes, budgets, known, out, memory } = self;
        let observed = Observed { samples, mailboxes, budgets, known, out, own: "host/crown/governor" };
        govern(rules, &observed, memory, now)
    }

    /// Who is found by one rule, and to whom it is done.
    fn found(&self, rule: &Rule, now: Timestamp) -> Vec<(String, Vec<String>)> {
        let actions = self.judge(std::slice::from_ref(rule), now).actions;
        actions.into_iter().map(|action| (action.subject, action.targets)).collect()
    }
}

fn errors(least: u64, share: u32) -> Signal {
    Signal::Errors { window_s: 60, least, share: Millionths(share) }
}

// G3.
#[test]
fn failures_count_by_share_of_enough_answers_within_the_window() {
    let mut world = World::new(&["a@x", "b@x"]);
    world.answers("a@x", 5, 0, 5, at(0));
    world.answers("b@x", 6, 0, 4, at(0));
    let half = rule("*", errors(10, 500_000), Act::Alert);
    let judgement = world.judge(std::slice::from_ref(&half), at(1));
    let evidence = &judgement.actions[0].evidence;
    assert_eq!(
        (judgement.actions.len(), evidence.value, evidence.threshold, evidence.samples),
        (1, 500_000, 500_000, 10)
    );
    assert_eq!(evidence.words, "5 of 10 answers of a@x failed within 60 s");
    assert!(world.found(&rule("*", errors(11, 500_000), Act::Alert), at(1)).is_empty(), "too few");
    assert!(world.found(&half, at(62)).is_empty(), "too long ago");
    assert_eq!(world.found(&rule("b@*", errors(10, 400_000), Act::Alert), at(1))[0].0, "b@x");
    let together = rule("**", errors(20, 450_000), Act::Shed { below: Value::Normal, for_s: 9 });
    assert_eq!(world.found(&together, at(1)), [("**".to_owned(), Vec::new())]);
}

#[test]
fn a_latency_objective_burns_over_both_windows_or_not_at_all() {
    let slow = |burn| {
        let objective = Millionths(900_000);
        Signal::Slow { window_s: 60, short_s: 5, least: 10, within_ms: 1_000, objective, burn }
    };
    let mut world = World::new(&["a@x"]);
    world.answers("a@x", 10, 10, 0, at(0));
    // Half is late and a tenth may be: five times too many.
    assert_eq!(world.judge(&[rule("*", slow(5_000_000), Act::Alert)], at(1)).actions[0].evidence.value, 5_000_000);
    assert!(world.found(&rule("*", slow(5_000_001), Act::Alert), at(1)).is_empty());
    assert!(world.found(&rule("*", slow(5_000_000), Act::Alert), at(20)).is_empty(), "it is not so any more");
    world.answers("a@x", 0, 0, 5, at(20));
    assert_eq!(world.found(&rule("*", slow(5_000_000), Act::Alert), at(20)).len(), 1, "a failure is late too");
}

#[test]
fn budgets_loops_restarts_and_mailboxes_are_found_at_their_thresholds() {
    let mut world = World::new(&["a@x"]);
    world.budgets.insert("tenant:acme".to_owned(), 2_000_000);
    let budget = |burn| rule("tenant:*", Signal::Budget { burn }, Act::Alert);
    assert_eq!(world.found(&budget(2_000_000), at(0))[0].0, "tenant:acme");
    assert!(world.found(&budget(2_000_001), at(0)).is_empty());
    for _ in 0..3 {
        let counts = Counts { repeated: 1, ..Counts::default() };
        world.samples.candidate("a@x", None, &counts, at(0));
    }
    let loops = |times| rule("*", Signal::Repeated { window_s: 60, times }, Act::Alert);
    assert_eq!((world.found(&loops(3), at(1)).len(), world.found(&loops(4), at(1)).len()), (1, 0));
    world.samples.restarts("host/agents/a", 2, at(0));
    world.samples.restarts("host/agents/b", 2, at(0));
    let restarts = |of: &str, times| rule(of, Signal::Restarts { window_s: 60, times }, Act::Alert);
    assert_eq!(world.found(&restarts("host/agents/a", 2), at(1))[0].0, "host/agents/a");
    assert_eq!(world.found(&restarts("host/agents/*", 2), at(1)).len(), 2, "each by itself");
    assert_eq!(world.found(&restarts("host/agents/**", 4), at(1))[0].0, "host/agents", "all together");
    assert!(world.found(&restarts("host/agents/*", 3), at(1)).is_empty());
    let mailbox = |path: &str, oldest_ms| Mailbox { path: path.to_owned(), oldest_ms, depth: 2 };
    world.mailboxes = vec![mailbox("host/io/1", 500), mailbox("host/io/2", 900), mailbox("host/iota", 5_000)];
    let aged = |of: &str| rule(of, Signal::Mailbox { oldest_ms: 900 }, Act::Alert);
    assert_eq!(world.found(&aged("host/io/*"), at(0))[0].0, "host/io/2");
    assert_eq!(world.found(&aged("host/io/**"), at(0))[0].0, "host/io");
}

// G5.
#[test]
fn an_action_reaches_the_candidate_or_those_on_a_path() {
    let mut world = World::new(&["a@x", "a@y", "b@y"]);
    let throttle = Act::Throttle { percent: Some(10), cap: None, for_s: 5 };
    world.samples.restarts("host/agents/a", 5, at(0));
    world.samples.restarts("host/runtimes/y", 5, at(0));
    let restarts = |of: &str, act: &Act| rule(of, Signal::Restarts { window_s: 60, times: 5 }, act.clone());
    assert_eq!(world.found(&restarts("host/agents/a", &throttle), at(1))[0].1, ["a@x", "a@y"]);
    assert_eq!(world.found(&restarts("host/runtimes/y", &throttle), at(1))[0].1, ["a@y", "b@y"]);
    assert_eq!(world.found(&restarts("host/agents/a", &Act::Restart), at(1))[0].1, ["host/agents/a"]);
    world.answers("b@y", 0, 0, 20, at(0));
    assert_eq!(world.found(&rule("*", errors(5, 1), Act::Restart), at(1))[0].1, ["host/agents/b"]);
    assert_eq!(world.found(&rule("*", errors(5, 1), Act::Quarantine), at(1))[0].1, ["b@y"]);
}

#[test]
fn nobody_is_taken_out_as_the_last_and_the_governor_does_not_end_itself() {
    let mut world = World::new(&["a@x", "b@x"]);
    world.answers("a@x", 0, 0, 20, at(0));
    world.answers("b@x", 0, 0, 20, at(0));
    let out = rule("*", errors(5, 1), Act::Quarantine);
    let actions = world.judge(std::slice::from_ref(&out), at(1)).actions;
    assert_eq!((actions[0].targets.as_slice(), &actions[0].spared), (&["a@x".to_owned()][..], &None));
    assert_eq!(
        (actions[1].targets.len(), actions[1].spared.as_deref()),
        (0, Some("nobody else would be left to serve general"))
    );
    world.out.insert("a@x".to_owned());
    let actions = world.judge(&[out], at(1)).actions;
    assert!(actions.iter().all(|action| action.targets.is_empty()), "a@x is out already, and b@x is the last");
    for path in ["host/crown", "host/crown/governor"] {
        world.samples.restarts(path, 9, at(0));
        let again = rule(path, Signal::Restarts { window_s: 60, times: 9 }, Act::Restart);
        let action = world.judge(&[again], at(1)).actions.remove(0);
        assert_eq!((action.targets.len(), action.spared.as_deref()), (0, Some("it would end the governor with it")));
    }
}

#[test]
fn who_alone_offers_something_or_has_a_place_is_the_last() {
    let mut world = World::new(&["a@x", "b@x", "c@x"]);
    world.known[1].capabilities = vec!["memory".to_owned()];
    world.known[2].placed = false;
    world.answers("a@x", 0, 0, 20, at(0));
    let out = rule("*", errors(5, 1), Act::Quarantine);
    let actions = world.judge(std::slice::from_ref(&out), at(1)).actions;
    assert_eq!(
        (actions[0].targets.len(), actions[0].spared.as_deref()),
        (0, Some("nobody else would be left to serve general"))
    );
    world.known[2].placed = true;
    assert_eq!(world.judge(&[out], at(1)).actions[0].targets, ["a@x"]);
}

#[test]
fn a_rule_acts_again_on_the_same_only_after_its_cooldown_and_holds_all_the_while() {
    let mut world = World::new(&["a@x", "b@x"]);
    let rules = [rule("*", errors(5, 1), Act::Alert)];
    world.answers("a@x", 0, 0, 20, at(0));
    let first = world.judge(&rules, at(1));
    world.memory.note(&first.actions, at(1));
    world.answers("b@x", 0, 0, 20, at(2));
    let second = world.judge(&rules, at(3));
    assert_eq!((second.actions.len(), second.actions[0].subject.as_str(), second.holding.len()), (1, "b@x", 2));
    world.memory.note(&second.actions, at(3));
    assert_eq!(world.judge(&rules, at(-1_000)).actions.len(), 0, "a clock that went back ends no cooldown");
    world.answers("a@x", 0, 0, 20, at(61));
    assert_eq!(world.judge(&rules, at(61)).actions.len(), 1);
    world.memory.forget(&rules, at(63));
    assert_eq!(world.memory, Memory::default());
}

#[test]
fn patterns_stand_for_anything_where_a_star_is() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("*", "a@x", true),
        ("a@x", "a@x", true),
        ("a@x", "a@xy", false),
        ("a@*", "a@x", true),
        ("*@x", "a@x", true),
        ("*@x", "a@xy", false),
        ("a*b*c", "a--b--c", true),
        ("a*b*c", "a--c--b", false),
        ("ab*ba", "aba", false),
    ] {
        assert_eq!(rule::matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn rules_that_cannot_work_say_what_would() {
    let slow =
        Signal::Slow { window_s: 10, short_s: 11, least: 0, within_ms: 1, objective: Millionths(1_000_000), burn: 1 };
    let wrong = [
        (rule("", errors(0, 0), Act::Alert), vec!["of: ", "watch.least: ", "watch.share: "]),
        (rule("*", slow, Act::Alert), vec!["watch.short_s: ", "watch.least: ", "watch.objective: "]),
        (
            rule(
                "*",
                Signal::Restarts { window_s: 999, times: 0 },
                Act::Throttle { percent: None, cap: None, for_s: 0 },
            ),
            vec!["watch.window_s: ", "watch.times: ", "`percent` or `cap`", "act.for_s: ", "of: a path"],
        ),
        (rule("*", Signal::Budget { burn: 0 }, Act::Restart), vec!["watch.burn: ", "act.action: alert or shed"]),
        (Rule { name: "A b".to_owned(), ..rule("*", errors(1, 1), Act::Alert) }, vec!["name: lowercase letters"]),
    ];
    for (rule, expected) in wrong {
        let said = rule.impossible(100);
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for ((key, said), expected) in said.iter().zip(expected) {
            let said = format!("{key}: {said}");
            assert!(said.contains(expected), "{said} lacks {expected}");
        }
    }
    assert!(rule("*", errors(1, 1), Act::Alert).impossible(100).is_empty());
    assert!(Rule::examples().iter().all(|one| one.impossible(1).is_empty()));
    assert!(AlertRule::examples().iter().all(|one| one.impossible().is_empty()));
}

// U1 and U2.
#[test]
fn an_alert_rule_says_what_has_held_long_enough_and_no_longer() {
    let events = When::Event { kind: "run.failed".to_owned(), window_s: 60, at_least: 2 };
    let metric = When::Metric { name: "syzygy_journal_queued".to_owned(), above: 10.5 };
    let alert = |when, for_s| AlertRule {
        name: "r".to_owned(),
        when,
        for_s,
        severity: Severity::Notice,
        labels: BTreeMap::new(),
    };
    let rules = [alert(events, 0), alert(metric, 10)];
    assert!(rules.iter().all(|rule| rule.impossible().is_empty()));
    let mut samples = Samples::new(1, 600, 10, Vec::new());
    let queued = |value: u64| Measure { name: "syzygy_journal_queued", subject: "journal".to_owned(), value };
    let mut upkeep = Upkeep::default();
    let mut look = |samples: &Samples, queued_now: u64, now| {
        let found = upkeep.look(&rules, samples, &[queued(queued_now)], now);
        found.into_iter().map(|one| one.rule).collect::<Vec<_>>()
    };
    samples.event("run.failed", at(0));
    assert!(look(&samples, 11_000_000, at(0)).is_empty());
    samples.event("run.failed", at(1));
    assert_eq!(look(&samples, 11_000_000, at(9)), [0]);
    assert_eq!(look(&samples, 11_000_000, at(10)), [0, 1]);
    assert_eq!(look(&samples, 10_500_000, at(11)), [0], "not above any more");
    assert_eq!(look(&samples, 11_000_000, at(12)), [0], "and from there on it has to hold anew");
    assert_eq!(look(&samples, 11_000_000, at(-500)), [0, 1][..1], "a clock that went back makes nothing due");
    let unknown = alert(When::Metric { name: "syzygy_nothing".to_owned(), above: f64::NAN }, 0).impossible();
    assert!(unknown.len() == 2 && unknown[0].1.contains("syzygy_mailbox_depth"), "{unknown:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// G1, G2, G4 for any failures at any time.
    #[test]
    fn rules_spare_the_last_and_keep_their_cooldown(
        steps in proptest::collection::vec((0_usize..3, 0_u64..5, 0_u64..5, -20_i64..200), 1..60),
    ) {
        let names = ["a@x", "b@x", "c@y"];
        let mut world = World::new(&names);
        let rules = [rule("*", errors(3, 300_000), Act::Quarantine)];
        let mut last: BTreeMap<String, Timestamp> = BTreeMap::new();
        for (who, good, bad, seconds) in steps {
            let now = at(seconds);
            world.answers(names[who], good, 0, bad, now);
            let judgement = world.judge(&rules, now);
            prop_assert_eq!(&judgement, &world.judge(&rules, now));
            for action in &judgement.actions {
                if let Some(before) = last.insert(action.subject.clone(), now) {
                    prop_assert!(now.0 - before.0 >= 60_000_000);
                }
                world.out.extend(action.targets.iter().cloned());
            }
            world.memory.note(&judgement.actions, now);
            prop_assert!(world.out.len() < names.len());
        }
    }
}
