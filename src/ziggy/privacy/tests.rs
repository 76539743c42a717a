//! Where data may be, by whom it is of and what a task says.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use super::Config;
use crate::types::{Place, TrustTier};

fn config() -> Config {
    let regions = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let tenants = [("acme".to_owned(), regions(&["ch"])), ("far".to_owned(), regions(&["us"]))].into();
    Config { region: " eu ".to_owned(), residency: regions(&["eu", "ch"]), tenants }
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
