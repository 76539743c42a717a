//! A question as another configuration puts it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::restated::{Asked, Named, restated};
use crate::types::sensitive::Kind;
use crate::types::{Budget, Money, PrivacyClass, Timestamp};
use crate::ziggy::classify::{Input, classify};
use crate::ziggy::route::{Capability, Decision, Destination, Fib, Request, decide};
use crate::ziggy::{IntentModel, privacy};

fn within(regions: &[&str]) -> privacy::Config {
    privacy::Config { residency: named(regions), ..privacy::Config::default() }
}

fn named(regions: &[&str]) -> Vec<String> {
    regions.iter().map(ToString::to_string).collect()
}

fn decision(privacy: PrivacyClass, residency: &[&str]) -> Decision {
    let request = Request {
        destination: Destination { capability: Capability::new("general"), privacy },
        tokens_in: 1,
        bytes_in: None,
        tokens_out_max: 1,
        budget: Budget { money: Money(1), tokens: 10 },
        session: None,
        pin: None,
        tenant: Some("acme/ann".to_owned()),
        modalities: Vec::new(),
        residency: named(residency),
        seed: None,
        at: Timestamp(0),
    };
    decide(&empty(), &request)
}

fn empty() -> Fib {
    let rules = crate::actors::tests::configs::ziggy().rules();
    let basis = crate::ziggy::route::Basis {
        rib: crate::ziggy::route::Rib::default(),
        governance: crate::ziggy::Governance::default(),
        at: Timestamp(0),
    };
    basis.under(&rules)
}

fn asked(residency: &[&str]) -> Asked {
    Asked { task: Named { residency: named(residency), ..Named::default() }, class: None }
}

#[test]
fn regions_are_those_of_the_other_configuration_and_what_the_task_named_stays() {
    let (eu, both) = (within(&["eu"]), within(&["eu", "us"]));
    let own = BTreeMap::from([("acme".to_owned(), named(&["us"]))]);
    let acme = privacy::Config { tenants: own, ..both.clone() };
    let anywhere = privacy::Config::default();
    // What the task named, what was in force, the configuration of the time, the other one, and what comes out.
    for (task, was, then, other, expected) in [
        (&[][..], &[][..], Some(&anywhere), &eu, &["eu"][..]),
        (&[], &["eu"], Some(&eu), &anywhere, &[]),
        (&[], &["eu"], Some(&eu), &acme, &["us"]),
        (&["eu"], &["eu"], Some(&both), &anywhere, &["eu"]),
        (&["us"], &["us"], Some(&both), &eu, &[""]),
        // Something else had kept it in one of them.
        (&[], &["eu"], Some(&both), &anywhere, &["eu"]),
        (&[], &["eu"], None, &anywhere, &["eu"]),
        (&[], &["eu"], Some(&eu), &eu, &["eu"]),
    ] {
        let again = restated(&decision(PrivacyClass::Public, was), &asked(task), then, other);
        assert_eq!(again.request.residency, named(expected), "{task:?} {was:?} {then:?} {other:?}");
    }
}

#[test]
fn what_has_stand_ins_is_of_another_class_and_what_was_raised_otherwise_is_not() {
    let plain = privacy::Config::default();
    let replacing = privacy::Config { replace: BTreeSet::from([Kind::Email]), ..plain.clone() };
    let text = "Write to ann@example.com, please.";
    let input = Input { said: text, text, caller_class: PrivacyClass::Public, embedding: None };
    let class = classify(&input, &IntentModel::default());
    let found = class.privacy;
    assert!(found > PrivacyClass::Public);
    let mut asked = Asked { class: Some(class), ..Asked::default() };
    let is =
        |asked: &Asked, was, then, other| restated(&decision(was, &[]), asked, then, other).request.destination.privacy;
    assert_eq!(is(&asked, found, Some(&plain), &replacing), PrivacyClass::Public);
    assert_eq!(is(&asked, PrivacyClass::Public, Some(&replacing), &plain), found);
    assert_eq!(is(&asked, found, Some(&plain), &plain), found);
    let raised = PrivacyClass::Restricted;
    assert_eq!(is(&asked, raised, Some(&plain), &replacing), raised, "the configuration has not made it so");
    assert_eq!(is(&asked, found, None, &replacing), found, "nobody knows what made it so");
    asked.task.privacy = PrivacyClass::Internal;
    assert_eq!(is(&asked, found, Some(&plain), &replacing), PrivacyClass::Internal.min(found), "its caller said so");
}
