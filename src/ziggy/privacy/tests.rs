//! Where data may be, by whom it is of and what a task says.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use super::Config;
use crate::types::sensitive::Kind;
use crate::types::{Place, PrivacyClass, TrustTier};
use crate::ziggy::classify::Input;
use crate::ziggy::{Classification, IntentModel, classify};

fn config() -> Config {
    let regions = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let tenants = [("acme".to_owned(), regions(&["ch"])), ("far".to_owned(), regions(&["us"]))].into();
    Config { region: " eu ".to_owned(), residency: regions(&["eu", "ch"]), tenants, ..Config::default() }
}

#[test]
fn a_tenant_and_a_task_tighten_what_holds_for_everybody() {
    let config = config();
    let allows = |tenant: &str, named: &[&str], region: &str| {
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        config.of_task(tenant, &named).map(|found| found.allows(&Place::of(TrustTier::Local).in_region(region)))
    };
    assert_eq!((allows("anybody", &[], "eu"), allows("anybody", &[], "us")), (Ok(true), Ok(false)));
    assert_eq!((allows("acme", &[], "ch"), allows("acme", &[], "eu")), (Ok(true), Ok(false)));
    assert_eq!((allows("anybody", &["eu", "us"], "eu"), allows("anybody", &["eu"], "ch")), (Ok(true), Ok(false)));
    let none = allows("acme", &["us"], "us").unwrap_err();
    assert_eq!(
        none,
        "the task may only be in us, and data of acme may only be in ch, so no region is left; name one of these"
    );
    assert!(Config::default().of_task("anybody", &[]).unwrap().allows(&Place::of(TrustTier::External)));
    assert_eq!((config.here(), Config::default().here()), (Some("eu"), None));
}

#[test]
fn regions_that_cannot_be_are_all_said() {
    let mut config = config();
    config.residency.push(" ".to_owned());
    let keys: Vec<String> = config.impossible().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["residency", "tenants.far"]);
    assert!(config.impossible()[1].1.contains("eu, ch"), "{:?}", config.impossible());
}

fn classified(text: &str, said: PrivacyClass) -> Classification {
    let model: IntentModel = toml::from_str(include_str!("../../../config/intents.toml")).unwrap();
    classify(&Input { said: text, text, caller_class: said, embedding: None }, &model)
}

#[test]
fn stand_ins_let_a_task_go_as_far_as_the_rest_of_it_may() {
    let config = Config {
        replace: [Kind::Email, Kind::Card].into(),
        replace_for: [("strict".to_owned(), [].into())].into(),
        ..Config::default()
    };
    let routed = |tenant: &str, said: PrivacyClass, text: &str| {
        let mut class = classified(text, said);
        config.replace(tenant, said, &mut class);
        (class.privacy, class.routed())
    };
    use PrivacyClass::*;
    let (mail, mail_and_phone) = ("Mail ada@example.com", "Mail ada@example.com or call +49 30 901820");
    assert_eq!(routed("acme", Public, mail), (Confidential, Public));
    assert_eq!(routed("acme", Public, "Card 4111 1111 1111 1111"), (Restricted, Public));
    assert_eq!(routed("acme", Internal, mail), (Confidential, Internal), "what the caller says stays");
    assert_eq!(routed("acme", Confidential, mail), (Confidential, Confidential));
    assert_eq!(routed("acme", Public, mail_and_phone), (Confidential, Confidential), "the telephone number stays");
    assert_eq!(routed("strict", Public, mail), (Confidential, Confidential), "its own policy counts");
    assert_eq!(routed("acme", Public, "What is the capital of France?"), (Public, Public));
}

#[test]
fn secrets_cannot_be_replaced_and_the_configuration_says_so() {
    let config = Config { replace: [Kind::Email, Kind::Password].into(), ..Config::default() };
    let wrong = config.impossible();
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].0, "replace");
    assert!(wrong[0].1.contains("`social_security`") && !wrong[0].1.contains("`password`"), "{wrong:?}");
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.key());
    }
}
