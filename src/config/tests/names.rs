//! Names that nobody has are told with their place, and nothing is refused for them.

use super::{load, with_file};
use crate::config::bundled_agents;

const TEXT: &str = r#"[inference.runtimes.lab]
kind = "scripted"
answer = "Yes."
tier = "private"
region = "ch"

[budgets]
limits = [
    { scope = "provider:nobody", window = "day", requests = 1 },
    { scope = "destination:nonsense", window = "day", requests = 1 },
    { scope = "destination:cde/public", window = "day", requests = 1 },
    { scope = "agent:marvn", window = "day", requests = 1 },
    { scope = "model:gpt", window = "day", requests = 1 },
    { scope = "tenant:acme/anna", window = "day", requests = 1 },
    { scope = "provider:lab", window = "day", requests = 1 },
    { scope = "destination:code/public", window = "day", requests = 1 },
    { scope = "agent:*", window = "day", requests = 1 },
    { scope = "principal:acme/anna", window = "day", requests = 1 },
]

[limit.rates.nobody]
requests_per_minute = 1
tokens_per_minute = 1
burst_s = 1

[limit.rates."marvin@lab"]
requests_per_minute = 1
tokens_per_minute = 1
burst_s = 1

[[ziggy.policies]]
destination = "cde/*"
prefer = ["runtime:nobody", "agent-nobody", "runtime:lab", "region:ch", "region:moon", "tier:local", "marvin@lab", "zoi"]

[ladder.destinations."cde/public"]
off = []

[privacy.replace_for]
"acme/anna" = ["email"]
"#;

#[test]
fn names_that_nobody_has_are_told_with_their_place() {
    let (_folder, inputs) = with_file(TEXT);
    let loaded = load(&inputs).unwrap();
    let file = format!("{}:", inputs.file.unwrap().display());
    let said: Vec<String> = loaded
        .unknown_names(&bundled_agents().unwrap())
        .iter()
        .map(|one| one.to_string().replace(&file, "").split(", expected").next().unwrap().to_owned())
        .collect();
    let expected = [
        "9: budgets.limits.0.scope: found \"provider:nobody\"",
        "10: budgets.limits.1.scope: found \"destination:nonsense\"",
        "11: budgets.limits.2.scope: found \"destination:cde/public\"",
        "12: budgets.limits.3.scope: found \"agent:marvn\"",
        "13: budgets.limits.4.scope: found \"model:gpt\"",
        "14: budgets.limits.5.scope: found \"tenant:acme/anna\"",
        "21: limit.rates.nobody: found \"nobody\"",
        "35: ladder.destinations.cde/public: found \"cde/public\"",
        "32: ziggy.policies.0.destination: found \"cde/*\"",
        "33: ziggy.policies.0.prefer: found \"runtime:nobody\"",
        "33: ziggy.policies.0.prefer: found \"agent-nobody\"",
        "33: ziggy.policies.0.prefer: found \"region:moon\"",
        "39: privacy.replace_for.acme/anna: found \"acme/anna\"",
    ];
    assert_eq!(said, expected, "{said:#?}");
}

#[test]
fn the_defaults_name_nobody_who_is_not_there() {
    let (_folder, inputs) = with_file("");
    assert_eq!(load(&inputs).unwrap().unknown_names(&bundled_agents().unwrap()), []);
}
