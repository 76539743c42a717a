//! The contract: it describes every route, and does not move unseen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::openapi::contract;
use crate::api::routes::table;

fn described() -> Value {
    let mut contract = serde_json::to_value(contract("0.0.0")).unwrap();
    contract.sort_all_objects();
    contract
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let contract = described();
    let routes: BTreeSet<(String, String)> =
        table().iter().map(|route| (route.path.to_owned(), route.method.to_ascii_lowercase())).collect();
    let paths = contract["paths"].as_object().unwrap();
    let operations: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())))
        .collect();
    assert_eq!(routes, operations);
}

#[test]
fn every_reference_leads_somewhere_and_every_route_names_its_problems() {
    let contract = described();
    let text = contract.to_string();
    for reference in text.split("\"$ref\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(contract.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let open = crate::api::auth::OPEN.contains(&path.as_str());
            assert!(open || operation["responses"]["4XX"].is_object(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
}

#[test]
fn the_contract_does_not_move_unseen() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&described()).unwrap());
}
