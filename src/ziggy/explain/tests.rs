//! What a person reads.

use super::*;
use crate::types::{Modality, Money, PrivacyClass, TrustTier};
use crate::ziggy::{Input, IntentModel, Value, classify};

// Z3.
#[test]
fn a_classification_reads_as_sentences_without_values() {
    let text = "Remember that my e-mail is ada@example.com";
    let input = Input { said: text, text, caller_class: PrivacyClass::Internal, embedding: None };
    let words = classify(&input, &IntentModel::default()).words().join("\n");
    for said in
        ["understood as: remember", "Privacy class confidential.", "Found 1 x e-mail address", "\"remember that\""]
    {
        assert!(words.contains(said), "{said:?} is missing in:\n{words}");
    }
    assert!(!words.contains("ada@"));
}

// XP2.
#[test]
fn every_broken_rule_says_what_would_satisfy_it() {
    let reason = || "it is down".to_owned();
    let table = [
        (Constraint::Capability { needed: route::Capability::new("code") }, "does not offer code", "offers code"),
        (
            Constraint::Privacy { class: PrivacyClass::Restricted, tier: TrustTier::External },
            "restricted data may not go to the external tier",
            "it runs at the local tier or closer, or the task loses what makes it restricted",
        ),
        (Constraint::Disabled { author: None, reason: reason() }, "switched off", "enabled in the config"),
        (Constraint::Disabled { author: Some("ada".into()), reason: reason() }, "ada switched", "override of ada"),
        (
            Constraint::Modality { needed: Modality::Image },
            "cannot read image",
            "can read image, or the task comes without",
        ),
        (
            Constraint::Residency { allowed: vec!["eu".into(), "ch".into()], region: None },
            "the data may be in eu, ch only, and nobody said where it is",
            "it is in eu or ch and its region says so",
        ),
        (Constraint::WeightZero, "weight is zero", "raised above zero"),
        (Constraint::Quarantined { reason: reason() }, "quarantined", "releases it"),
        (Constraint::Unhealthy { reason: reason() }, "cannot work: it is down", "can work again"),
        (Constraint::Context { needed: 9, has: 5 }, "9 tokens do not fit its context of 5", "holds 9 tokens"),
        (Constraint::Budget { cost: Money(9), budget: Money(5) }, "may cost $0.000009", "at least $0.000009"),
        (Constraint::Tokens { needed: 9, budget: 5 }, "exceed the budget of 5", "at least 9 tokens"),
    ];
    for (constraint, is, would) in table {
        assert!(broken(&constraint).contains(is), "{}", broken(&constraint));
        assert!(remedy(&constraint).contains(would), "{}", remedy(&constraint));
    }
}

#[test]
fn what_is_expected_and_the_worst_case_are_told_apart() {
    let most = Money(335);
    assert_eq!(costs(None, most), "at most $0.000335");
    assert_eq!(costs(Some(Money(20)), most), "an expected $0.000020, and at most $0.000335 in the worst case");
}

#[test]
fn who_is_refused_at_the_door_is_not_said_to_serve() {
    let door = |candidate: &str, refusal| Door { candidate: candidate.to_owned(), refusal, until: None, trial: None };
    let full = || Some(Refusal::Full { in_flight: 4, cap: 4 });
    let said = doors_words(&[door("a", full()), door("b", None)]).join(" ");
    assert!(said.starts_with("a is legal, but not admitted now: 4 requests are in flight"), "{said}");
    assert!(said.ends_with("b would be sent it now."), "{said}");
    let nobody = doors_words(&[door("a", full())]).join(" ");
    assert!(nobody.ends_with("Nobody who may serve it is admitted now."), "{nobody}");
    assert!(doors_words(&[door("a", None), door("b", full())]).iter().all(|words| words.starts_with("b is legal")));
    let trial = Door { trial: Some(5), ..door("a", None) };
    assert!(doors_words(&[trial])[0].contains("5 % of the runs"));
}

#[test]
fn admissions_say_what_to_do() {
    let refused = |reason| Admission::Refused { governance: 7, reason }.words().join(" ");
    assert!(refused(Refusal::Full { in_flight: 4, cap: 4 }).contains("raise the cap"));
    assert!(refused(Refusal::Shed { value: Value::Normal, shed: Shed::Everything }).contains("draining"));
    let shed = Refusal::Shed { value: Value::Background, shed: Shed::Below(Value::Normal) };
    assert!(refused(shed).contains("background work is shed under load; normal work is still served"));
    let left = Admission::Admitted { governance: 7, left: Some(2) };
    assert_eq!(left.words(), ["Admitted under governance 7; 2 more may start."]);
}
