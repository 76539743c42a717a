//! Tests of rules (RV1 to RV3) and of what may happen to an item (IT1 to IT5): tables, then properties.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    Condition, Edits, Happened, Item, ItemStatus, Kind, Need, Objection, OnExpiry, Opinion, Rule, Situation, Stage,
    Verdict, may_withhold, review,
};
use crate::types::{Hash, Money, PrivacyClass, RunId, Timestamp};
use crate::ziggy::{Intent, Millionths};

/// A rule without a condition, which no config may have and which holds for everything.
fn rule(name: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        kind: Kind::Policy,
        action: Stage::Before,
        deadline_s: 60,
        quorum: 1,
        on_expiry: OnExpiry::Deny,
        delegate: None,
        class: None,
        intents: Vec::new(),
        confidence_below: None,
        agents: Vec::new(),
        cost_over: None,
        keywords: Vec::new(),
        nobody: false,
    }
}

fn situation(text: &str) -> Situation<'_> {
    Situation {
        privacy: PrivacyClass::Internal,
        intent: Intent::Write,
        confidence: Millionths(400_000),
        agents: vec!["marvin".to_owned()],
        cost: Money(500),
        text,
        nobody: None,
    }
}

fn holds(rule: &Rule, situation: &Situation<'_>) -> Option<Vec<Condition>> {
    review(std::slice::from_ref(rule), rule.action, situation).map(|mut need| need.reasons.remove(0).conditions)
}

#[test]
fn a_rule_holds_exactly_if_each_of_its_conditions_does() {
    let here = situation("Write a Press\n release,  please");
    let nobody = Situation { nobody: Some("nobody is there".to_owned()), ..here.clone() };
    let base = rule("r");
    let rows = [
        (Rule { class: Some(PrivacyClass::Internal), ..base.clone() }, true),
        (Rule { class: Some(PrivacyClass::Confidential), ..base.clone() }, false),
        (Rule { intents: vec![Intent::Plan, Intent::Write], ..base.clone() }, true),
        (Rule { intents: vec![Intent::Plan], ..base.clone() }, false),
        (Rule { confidence_below: Some(Millionths(400_001)), ..base.clone() }, true),
        (Rule { confidence_below: Some(Millionths(400_000)), ..base.clone() }, false),
        (Rule { agents: vec!["zoi".to_owned(), "marvin".to_owned()], ..base.clone() }, true),
        (Rule { agents: vec!["zoi".to_owned()], ..base.clone() }, false),
        (Rule { cost_over: Some(Money(499)), ..base.clone() }, true),
        (Rule { cost_over: Some(Money(500)), ..base.clone() }, false),
        (Rule { keywords: vec!["press release".to_owned()], ..base.clone() }, true),
        (Rule { keywords: vec!["PRESS-RELEASE".to_owned()], ..base.clone() }, true),
        (Rule { keywords: vec!["lease".to_owned()], ..base.clone() }, false),
        (Rule { keywords: vec!["press".to_owned()], cost_over: Some(Money(500)), ..base.clone() }, false),
        (Rule { nobody: true, ..base.clone() }, false),
    ];
    for (rule, expected) in rows {
        assert_eq!(holds(&rule, &here).is_some(), expected, "{rule:?}");
    }
    assert!(holds(&Rule { nobody: true, ..base.clone() }, &nobody).is_some());
    let unspaced = Rule { keywords: vec!["秘密".to_owned()], ..base.clone() };
    assert!(holds(&unspaced, &situation("这是秘密文件")).is_some());
    assert_eq!(review(&[base], Stage::After, &here), None, "it is of another stage");
}

#[test]
fn of_several_rules_the_strictest_terms_count() {
    let first = Rule { delegate: None, on_expiry: OnExpiry::Approve, deadline_s: 100, ..rule("first") };
    let second = Rule { kind: Kind::Publication, quorum: 3, deadline_s: 200, ..rule("second") };
    let third =
        Rule { delegate: Some("ann".to_owned()), deadline_s: 50, on_expiry: OnExpiry::Approve, ..rule("third") };
    let need = review(&[first, second, third], Stage::Before, &situation("")).unwrap();
    assert_eq!((need.kind, need.deadline_s, need.quorum), (Kind::Policy, 50, 3));
    assert_eq!((need.on_expiry, need.delegate.as_deref()), (OnExpiry::Deny, Some("ann")));
    assert_eq!(
        need.reasons.iter().map(|reason| reason.rule.as_str()).collect::<Vec<_>>(),
        ["first", "second", "third"]
    );
}

// Z3.
#[test]
fn a_need_holds_nothing_of_the_text_and_says_what_held() {
    let text = "the secret is xylophone, in a press release";
    let rule = Rule {
        keywords: vec!["press release".to_owned()],
        class: Some(PrivacyClass::Internal),
        cost_over: Some(Money(10)),
        ..rule("press")
    };
    let need = review(&[rule], Stage::Before, &situation(text)).unwrap();
    assert!(!serde_json::to_string(&need).unwrap().contains("xylophone"), "RV3");
    let words = need.reasons[0].words();
    assert_eq!(
        words,
        "Rule \"press\" holds: the task is internal (at least internal), and it costs $0.000500 (more than $0.000010), \
         and \"press release\" stands in it."
    );
}

#[test]
fn an_answer_is_shown_while_it_grows_only_if_no_rule_could_withhold_it() {
    let after = |rule: Rule| [Rule { action: Stage::After, ..rule }];
    let here = situation("");
    assert!(!may_withhold(&[rule("before")], &here));
    assert!(may_withhold(&after(Rule { keywords: vec!["x".to_owned()], ..rule("words") }), &here));
    assert!(may_withhold(&after(Rule { agents: vec!["zoi".to_owned()], ..rule("agent") }), &here));
    assert!(may_withhold(&after(Rule { cost_over: Some(Money(9_000)), ..rule("cost") }), &here));
    let private = Rule { class: Some(PrivacyClass::Restricted), keywords: vec!["x".to_owned()], ..rule("class") };
    assert!(!may_withhold(&after(private), &here), "it cannot hold for this task");
}

#[test]
fn everything_that_is_wrong_with_a_rule_is_found_at_once() {
    let bad = Rule {
        name: "two words".to_owned(),
        deadline_s: 0,
        quorum: 0,
        action: Stage::After,
        on_expiry: OnExpiry::Approve,
        delegate: Some(" ".to_owned()),
        confidence_below: Some(Millionths(0)),
        agents: vec![String::new()],
        cost_over: Some(Money(-1)),
        keywords: vec!["!".to_owned()],
        nobody: true,
        ..rule("")
    };
    let keys: BTreeSet<&str> = bad.impossible().into_iter().map(|(key, _)| key).collect();
    let expected =
        ["name", "deadline_s", "quorum", "keywords", "agents", "delegate", "confidence_below", "cost_over", "nobody"];
    assert_eq!(keys, expected.into_iter().chain(["on_expiry"]).collect());
    let nothing: Vec<&str> = rule("nothing").impossible().into_iter().map(|(key, _)| key).collect();
    assert_eq!(nothing, ["class"], "a rule without a condition");
    assert_eq!(Rule { class: Some(PrivacyClass::Public), ..rule("all") }.impossible(), []);
}

fn item(quorum: u32, on_expiry: OnExpiry) -> Item {
    let need = Need {
        kind: Kind::Publication,
        stage: Stage::After,
        deadline_s: 10,
        quorum,
        on_expiry,
        delegate: None,
        reasons: Vec::new(),
    };
    let run = RunId::from_pair(1, 2);
    Item::new(format!("{run}-1"), run, need, Hash::ZERO, vec!["/answer".to_owned()], Timestamp(0))
}

fn verdict(author: &str, opinion: Opinion, edited: bool, revision: u32) -> Verdict {
    let edited = if edited { vec!["/answer".to_owned()] } else { Vec::new() };
    Verdict { author: author.to_owned(), at: Timestamp(0), opinion, comment: None, edited, revision }
}

fn after(item: Item, happened: &[Happened]) -> Item {
    happened.iter().fold(Some(item), Item::after).unwrap()
}

#[test]
fn an_edit_makes_a_revision_that_nobody_else_has_approved() {
    let first = item(2, OnExpiry::Deny);
    let approved =
        after(first.clone(), &first.judge(verdict("ann", Opinion::Approve, false, 0), None, Timestamp(1)).unwrap());
    assert_eq!(approved.approvals(), BTreeSet::from(["ann"]));
    let place = Some(Hash::of(b"other"));
    let edited = approved.judge(verdict("bob", Opinion::Approve, true, 0), place, Timestamp(2)).unwrap();
    let edited = after(approved, &edited);
    assert_eq!((edited.approvals(), edited.revision, edited.edits), (BTreeSet::from(["bob"]), 1, place));
    let stale = edited.judge(verdict("ann", Opinion::Approve, false, 0), None, Timestamp(3)).unwrap_err();
    assert_eq!(stale, Objection::Changed { seen: 0, now: 1 });
    let done = edited.judge(verdict("ann", Opinion::Approve, false, 1), None, Timestamp(3)).unwrap();
    let done = after(edited, &done);
    assert_eq!((done.status, done.goes_on, done.edits), (ItemStatus::Approved, true, place));
    assert_eq!(done.closer().map(|verdict| verdict.author.as_str()), Some("ann"));
}

// IT2.
#[test]
fn ending_the_time_of_an_item_by_hand_approves_nothing() {
    for quorum in [1, 3] {
        let open = item(quorum, OnExpiry::Approve);
        let by_hand = after(open.clone(), &open.expire_by("ann".to_owned(), Timestamp(1)).unwrap());
        assert_eq!((by_hand.status, by_hand.goes_on), (ItemStatus::Expired, false), "one person is no quorum");
        assert_eq!(by_hand.closed_by_whom(), Some("ann"));
        let deadline = open.deadline;
        let in_time = after(open.clone(), &open.expire(deadline));
        assert_eq!((in_time.status, in_time.goes_on, in_time.closed_by_whom()), (ItemStatus::Expired, true, None));
    }
}

#[test]
fn edits_are_of_what_may_be_changed_and_to_something() {
    let item = item(1, OnExpiry::Deny);
    let edits = |pointer: &str, text: &str| Edits::from([(pointer.to_owned(), text.to_owned())]);
    assert_eq!(item.may_change(&edits("/answer", "new")), Ok(()));
    assert!(matches!(item.may_change(&edits("/task", "new")), Err(Objection::NotEditable { .. })));
    assert_eq!(item.may_change(&edits("/answer", "\n")), Err(Objection::Empty("/answer".to_owned())));
}

/// What may be tried on an item.
#[derive(Debug, Clone)]
enum Try {
    Judge { author: usize, opinion: Opinion, edited: bool, stale: bool },
    Delegate,
    Cancel,
    Expire,
    End,
}

fn tries() -> impl Strategy<Value = Vec<(Try, i64)>> {
    let one = prop_oneof![
        6 => (0..4_usize, any::<bool>(), prop::bool::weighted(0.3), prop::bool::weighted(0.1)).prop_map(
            |(author, approve, edited, stale)| {
                let opinion = if approve { Opinion::Approve } else { Opinion::Deny };
                Try::Judge { author, opinion, edited: edited && approve, stale }
            }
        ),
        1 => Just(Try::Delegate),
        1 => Just(Try::Cancel),
        2 => Just(Try::Expire),
        1 => Just(Try::End),
    ];
    prop::collection::vec((one, 0..3_000_000_i64), 0..12)
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let one = (1..100_u64, 1..5_u32, any::<bool>(), any::<bool>(), 0..3_u32).prop_map(
        |(deadline_s, quorum, deny, private, sure)| Rule {
            deadline_s,
            quorum,
            on_expiry: if deny { OnExpiry::Deny } else { OnExpiry::Approve },
            class: private.then_some(PrivacyClass::Internal),
            confidence_below: (sure > 0).then_some(Millionths(sure * 300_000)),
            ..rule("r")
        },
    );
    prop::collection::vec(one, 0..6)
}

proptest! {
    /// RV2: one more rule never makes a need weaker, wherever it stands among the others.
    #[test]
    fn one_more_rule_makes_no_need_weaker(rules in rules(), more in rules(), place in 0..6_usize) {
        let before = review(&rules, Stage::Before, &situation(""));
        let mut all = rules.clone();
        for rule in more {
            all.insert(place.min(all.len()), rule);
        }
        let with = review(&all, Stage::Before, &situation(""));
        if let Some(before) = before {
            let with = with.unwrap();
            prop_assert!(with.deadline_s <= before.deadline_s && with.quorum >= before.quorum);
            prop_assert!(with.on_expiry >= before.on_expiry);
        }
    }

    /// IT1 to IT5, whatever is tried in whatever order; and what is in memory is what the journal's events make.
    #[test]
    fn whatever_is_tried_an_item_keeps_its_promises(quorum in 1..4_u32, deny in any::<bool>(), tries in tries()) {
        let on_expiry = if deny { OnExpiry::Deny } else { OnExpiry::Approve };
        let mut now = item(quorum, on_expiry);
        let (mut time, mut closings, mut folded) = (0, 0, Some(now.clone()));
        let mut by_hand = false;
        for (tried, passed) in tries {
            time += passed;
            let (before, at) = (now.clone(), Timestamp(time));
            let happened = match tried {
                Try::Judge { author, opinion, edited, stale } => {
                    let revision = if stale { before.revision + 1 } else { before.revision };
                    let verdict = verdict(&format!("p{author}"), opinion, edited, revision);
                    let judged = before.judge(verdict, Some(Hash::of(b"new")), at);
                    prop_assert!(!stale || judged.is_err());
                    prop_assert!(at < before.deadline || judged.is_err(), "IT5");
                    judged.unwrap_or_default()
                }
                Try::Delegate => before.delegate("ann".into(), "bob".into(), None, at).unwrap_or_default(),
                Try::Cancel => before.cancel("ann", at),
                Try::Expire => before.expire(at),
                Try::End => {
                    let ended = before.expire_by("ann".into(), at);
                    by_hand |= ended.is_ok();
                    prop_assert!(at < before.deadline || ended.is_err(), "IT5");
                    ended.unwrap_or_default()
                }
            };
            prop_assert!(before.status == ItemStatus::Open || happened.is_empty(), "IT1");
            let denied = happened.iter().any(|one| matches!(one, Happened::Judged { verdict, .. } if verdict.opinion == Opinion::Deny));
            closings += happened.iter().filter(|one| matches!(one, Happened::Closed { .. })).count();
            for one in &happened {
                let text = serde_json::to_string(one).unwrap();
                folded = Item::after(folded, &serde_json::from_str(&text).unwrap());
            }
            now = after(before, &happened);
            prop_assert_eq!(folded.as_ref(), Some(&now));
            prop_assert!(!denied || now.status == ItemStatus::Denied, "IT3");
        }
        prop_assert_eq!(closings, usize::from(now.status != ItemStatus::Open), "IT1");
        let approvals: BTreeSet<&str> = now
            .verdicts
            .iter()
            .filter(|verdict| verdict.opinion == Opinion::Approve && verdict.revision == now.revision)
            .map(|verdict| verdict.author.as_str())
            .collect();
        match now.status {
            ItemStatus::Approved => prop_assert!(approvals.len() == quorum as usize && now.goes_on, "IT2"),
            // By hand nobody approves.
            ItemStatus::Expired => prop_assert_eq!(now.goes_on, !deny && !by_hand, "IT2"),
            ItemStatus::Open => prop_assert!(approvals.len() < quorum as usize && !now.goes_on),
            _ => prop_assert!(!now.goes_on),
        }
    }
}
