//! Types policies against the schema of a tool: what they name has to exist, and to be of the type they take it for.

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use serde_json::{Value, json};

use super::facts::Kind;
use super::problem::Problem;
use super::shape::Shape;
use super::source::{Reach, Rule, diagnose};

fn attributes(pairs: &[(&str, &str)]) -> Value {
    let kind = |kind: &str| match kind {
        "Texts" => json!({ "type": "Set", "element": { "type": "String" } }),
        "Texts?" => json!({ "type": "Set", "element": { "type": "String" }, "required": false }),
        kind => json!({ "type": kind }),
    };
    Value::Object(pairs.iter().map(|(name, word)| ((*name).to_owned(), kind(word))).collect())
}

/// What is in the context of a call besides its arguments.
const CIRCUMSTANCES: &[(&str, &str)] =
    &[("scopes", "Texts"), ("privacy", "String"), ("privacy_level", "Long"), ("residency", "Texts?"), ("now", "Long")];

/// What is known of a call only when it is made.
const OF_THE_CALL: &[(&str, &str)] = &[("personal_data", "Boolean"), ("approved", "Boolean")];

/// The schema for a tool whose arguments have this shape, in Cedar's JSON format.
pub(super) fn schema(arguments: &Shape) -> Value {
    let caller = attributes(&[("name", "String"), ("tenant", "String"), ("roles", "Texts")]);
    let tool = attributes(&[
        ("id", "String"),
        ("version", "String"),
        ("side_effects", "String"),
        ("scopes", "Texts"),
        ("tags", "Texts"),
        ("roles", "Texts"),
        ("regions", "Texts"),
        ("egress", "Texts"),
        ("privacy", "String"),
        ("privacy_level", "Long"),
        ("tier", "String"),
        ("tier_level", "Long"),
        ("pii_input", "String"),
        ("pii_output", "String"),
        ("approval", "Boolean"),
    ]);
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    let mut types = serde_json::Map::new();
    for kind in &kinds {
        let record = json!({ "type": "Record", "attributes": caller });
        types.insert((*kind).to_owned(), json!({ "memberOfTypes": ["Role", "Tenant"], "shape": record }));
    }
    for group in ["Role", "Tenant", "Tag"] {
        types.insert(group.to_owned(), json!({}));
    }
    let record = json!({ "type": "Record", "attributes": tool });
    types.insert("Tool".to_owned(), json!({ "memberOfTypes": ["Tag"], "shape": record }));
    let known = attributes(CIRCUMSTANCES);
    let mut call = attributes(&[CIRCUMSTANCES, OF_THE_CALL].concat());
    call["args"] = arguments.cedar().unwrap_or_else(|| json!({ "type": "Record", "attributes": {} }));
    let action = |context: &Value| {
        let context = json!({ "type": "Record", "attributes": context });
        json!({ "appliesTo": { "principalTypes": kinds, "resourceTypes": ["Tool"], "context": context } })
    };
    json!({ "": { "entityTypes": types, "actions": { "invoke": action(&call), "list": action(&known) } } })
}

/// Types these policies. What is wrong is added to the problems.
pub(super) fn check(tool: &str, arguments: &Shape, rules: &[&Rule], set: &PolicySet, problems: &mut Vec<Problem>) {
    let schema = match Schema::from_json_value(schema(arguments)) {
        Ok(schema) => schema,
        Err(error) => {
            // The names of arguments are the tool's, and Cedar reserves some.
            problems.push(Problem {
                source: format!("the input schema of {tool}"),
                line: 1,
                column: 1,
                policy: None,
                tool: Some(tool.to_owned()),
                says: format!("its arguments cannot be described to the policy engine: {error}"),
            });
            return;
        }
    };
    let result = Validator::new(schema).validate(set, ValidationMode::Strict);
    let find = |id: &str| rules.iter().find(|rule| &*rule.id == id);
    for error in result.validation_errors() {
        let Some(rule) = find(error.policy_id().as_ref()) else { continue };
        let (at, mut says) = diagnose(error);
        for path in rule.want.paths() {
            let Some(("args", path)) = path.split_first().map(|(first, rest)| (first.as_str(), rest)) else { continue };
            if let Some((path, why)) = arguments.opaque_at(path) {
                says.push_str(&format!("; argument {} cannot be named: {why}", path.join(".")));
                break;
            }
        }
        problems.push(rule.problem(at, Some(tool), says));
    }
    for warning in result.validation_warnings() {
        let Some(rule) = find(warning.policy_id().as_ref()) else { continue };
        // A policy for all tools may well never apply to one of them; one for this tool alone that never applies is wrong.
        let own = matches!(&rule.reach, Reach::Tool(id) if id == tool);
        if own && matches!(warning, cedar_policy::ValidationWarning::ImpossiblePolicy(_)) {
            let (at, _) = diagnose(warning);
            problems.push(rule.problem(at, Some(tool), "it can never apply to the only tool it is for".to_owned()));
        }
    }
}
