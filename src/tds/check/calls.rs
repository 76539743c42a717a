//! Examples, contract tests and golden fixtures: calls that must satisfy the tool's own schemas.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::pointer;
use super::super::problem::Reporter;
use super::super::schema::Checker;
use super::super::tool::{Expect, Name, Tool};
use crate::types::Class;

/// The compiled schemas of a tool.
struct Schemas {
    input: Checker,
    output: Checker,
    host: Checker,
}

impl Schemas {
    /// Compiles them; what cannot be compiled although it was guarded is told.
    fn of(reporter: &mut Reporter<'_>, tool: &Tool) -> Option<Schemas> {
        let interface = &tool.interface;
        let mut compiled = |at: &str, schema: &Value| match Checker::compile(schema) {
            Ok(checker) => Some(checker),
            Err(error) => {
                reporter.error(at, format!("a schema that cannot be used: {error}"), "");
                None
            }
        };
        if let Some(chunk) = &interface.chunk {
            compiled("/interface/chunk", &chunk.0)?;
        }
        Some(Schemas {
            input: compiled("/interface/input", &interface.input.0)?,
            output: compiled("/interface/output", &interface.output.0)?,
            host: compiled("/interface/host", &interface.host_schema())?,
        })
    }
}

pub(super) fn check(reporter: &mut Reporter<'_>, tool: &Tool) {
    if tool.interface.input.0.get("type").and_then(Value::as_str) != Some("object") {
        let expected = "type = \"object\": a model fills in arguments by their names";
        reporter.error("/interface/input", "an input that is no object", expected);
    }
    let Some(schemas) = Schemas::of(reporter, tool) else { return };
    for (index, example) in tool.interface.examples.iter().enumerate() {
        let at = pointer::item("/interface/examples", index);
        schemas.input.report(reporter, &format!("{at}/input"), &example.input);
        if let Some(output) = &example.output {
            schemas.output.report(reporter, &format!("{at}/output"), output);
        }
    }
    contracts(reporter, tool, &schemas);
    if tool.tests.contract.is_empty() && tool.tests.golden.is_empty() {
        reporter.warn("", "no tests", "[[tests.contract]] or [[tests.golden]]: without one it cannot be published");
    }
}

fn contracts(reporter: &mut Reporter<'_>, tool: &Tool, schemas: &Schemas) {
    let mut names: BTreeSet<&Name> = BTreeSet::new();
    for (index, test) in tool.tests.contract.iter().enumerate() {
        let at = pointer::item("/tests/contract", index);
        if !names.insert(&test.name) {
            reporter.error(&format!("{at}/name"), format!("a second test named {}", test.name), "a name of its own");
        }
        // What a tool does with a wrong input may be tested too.
        if test.expect != Some(Expect::Error(Class::Invalid)) {
            schemas.input.report(reporter, &format!("{at}/input"), &test.input);
        }
        if !test.host.is_empty() {
            let host = test.host.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            schemas.host.report(reporter, &format!("{at}/host"), &Value::Object(host));
        }
        match &test.expect {
            Some(Expect::Output(output)) => {
                schemas.output.report(reporter, &format!("{at}/expect/output"), output);
            }
            Some(Expect::Contains(part)) if !part.is_object() => {
                let found = super::super::schema::described(part);
                reporter.error(&format!("{at}/expect/contains"), found, "a table: keys that the answer has at least");
            }
            _ => {}
        }
    }
    for (index, golden) in tool.tests.golden.iter().enumerate() {
        if !names.insert(&golden.name) {
            let at = format!("/tests/golden/{index}/name");
            reporter.error(&at, format!("a second test named {}", golden.name), "a name of its own");
        }
    }
}

/// Reports what is wrong with a golden fixture.
pub(crate) fn fixture(reporter: &mut Reporter<'_>, tool: &Tool) {
    let Some(schemas) = Schemas::of(reporter, tool) else { return };
    let document = reporter.document();
    let Some(map) = document.value().as_object() else {
        reporter.error("", super::super::schema::described(document.value()), "an object with `input` and `output`");
        return;
    };
    let known: BTreeMap<&str, &Checker> =
        BTreeMap::from([("input", &schemas.input), ("output", &schemas.output), ("host", &schemas.host)]);
    for (key, value) in map {
        let at = pointer::join("", key);
        match known.get(key.as_str()) {
            Some(checker) => checker.report(reporter, &at, value),
            None => reporter.unknown(super::super::problem::Severity::Error, &at, &["input", "output", "host"]),
        }
    }
    let host = !tool.interface.host.is_empty();
    for key in ["input", "output", "host"].into_iter().filter(|key| *key != "host" || host) {
        if !map.contains_key(key) {
            reporter.error("", format!("lacks the key {key:?}"), "a whole call: what went in and what came out");
        }
    }
}
