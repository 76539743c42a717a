//! Pointers into a call: whether the schemas know of what they name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::keywords::{self, Applied};
use super::super::pointer;
use super::super::problem::Reporter;
use super::super::tool::{Name, Tool, ValuePointer};

pub(super) fn check(reporter: &mut Reporter<'_>, tool: &Tool) {
    let redact: Vec<&ValuePointer> = tool.observability.redact.iter().collect();
    let written = written(reporter, "/observability/redact");
    for pointer in &redact {
        let at = place(&written, pointer, "/observability/redact");
        tell(reporter, tool, &at, pointer);
    }
    for (name, pointer) in &tool.observability.trace {
        let at = pointer::join("/observability/trace", name.as_str());
        tell(reporter, tool, &at, pointer);
        if redact.iter().any(|hidden| covers(hidden, pointer)) {
            let found = format!("{pointer} in a trace, though it is redacted");
            reporter.error(&at, found, "a value that may be shown");
        }
    }
    for (name, pointer) in tool.compensation.iter().flat_map(|compensation| &compensation.arguments) {
        tell(reporter, tool, &pointer::join("/compensation/arguments", name.as_str()), pointer);
    }
}

/// The texts of a list as its author ordered them; in the types it is a set.
fn written(reporter: &Reporter<'_>, at: &str) -> Vec<String> {
    let items = reporter.document().value().pointer(at).and_then(Value::as_array);
    items.into_iter().flatten().map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
}

fn place(written: &[String], pointer: &ValuePointer, at: &str) -> String {
    let index = written.iter().position(|text| text == pointer.as_str()).unwrap_or_default();
    pointer::item(at, index)
}

fn tell(reporter: &mut Reporter<'_>, tool: &Tool, at: &str, pointer: &ValuePointer) {
    if !exists(tool, pointer) {
        reporter.error(at, format!("{pointer}, which points to nothing"), "a value that the schemas describe");
    }
}

/// Whether what is hidden at one pointer includes the other.
fn covers(hidden: &ValuePointer, shown: &ValuePointer) -> bool {
    let (hidden, shown) = (steps(hidden), steps(shown));
    let same = hidden.iter().zip(&shown).all(|(one, other)| one == other || one == "*" || other == "*");
    // What is shown may also be something that holds what is hidden.
    same && !hidden.is_empty() && !shown.is_empty()
}

fn steps(pointer: &ValuePointer) -> Vec<String> {
    pointer::steps(pointer.as_str()).unwrap_or_default()
}

fn exists(tool: &Tool, pointer: &ValuePointer) -> bool {
    let steps = steps(pointer);
    let Some((first, rest)) = steps.split_first() else { return false };
    let interface = &tool.interface;
    match first.as_str() {
        "input" => known(&interface.input.0, &interface.input.0, rest, &mut BTreeSet::new()),
        "output" => known(&interface.output.0, &interface.output.0, rest, &mut BTreeSet::new()),
        "chunk" => interface.chunk.as_ref().is_some_and(|chunk| known(&chunk.0, &chunk.0, rest, &mut BTreeSet::new())),
        _ => match rest {
            [] => !interface.host.is_empty(),
            [name] => interface.host.keys().map(Name::as_str).any(|known| known == name || name == "*"),
            _ => false,
        },
    }
}

/// Whether a schema, or one that applies where it does, describes what the steps lead to.
fn known<'s>(root: &'s Value, schema: &'s Value, steps: &[String], seen: &mut BTreeSet<(*const Value, usize)>) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let Some(map) = schema.as_object() else { return false };
    if !seen.insert((std::ptr::from_ref(schema), steps.len())) {
        return false;
    }
    let referred = map.get("$ref").and_then(Value::as_str).and_then(|text| keywords::referred(root, text));
    if referred.is_some_and(|target| known(root, target, steps, seen)) {
        return true;
    }
    keywords::parts(map).into_iter().any(|part| {
        let name = part.pointer.trim_start_matches('/');
        // These say what may not be, or what names look like.
        if name == "not" || name == "propertyNames" || *part.schema == Value::Bool(false) {
            return false;
        }
        let index = step.parse::<usize>().ok();
        match part.applied {
            Applied::Here => known(root, part.schema, steps, seen),
            Applied::Property(key) => (key == step || step == "*") && known(root, part.schema, rest, seen),
            Applied::AnyProperty => known(root, part.schema, rest, seen),
            Applied::Item(at) => (index == Some(at) || step == "*") && known(root, part.schema, rest, seen),
            Applied::AnyItem => (index.is_some() || step == "*") && known(root, part.schema, rest, seen),
            Applied::Definition => false,
        }
    })
}

/// Whether every input has a value there.
pub(super) fn is_required(tool: &Tool, pointer: &ValuePointer) -> bool {
    let root = &tool.interface.input.0;
    let steps = steps(pointer);
    let Some(steps) = steps.get(1..).filter(|steps| !steps.is_empty()) else { return false };
    let mut at = root;
    for step in steps {
        let Some(map) = at.as_object() else { return false };
        let required = keywords::list(map, "required").iter().any(|name| name.as_str() == Some(step));
        let Some(below) = map.get("properties").and_then(|properties| properties.get(step)).filter(|_| required) else {
            return false;
        };
        let referred = below.get("$ref").and_then(Value::as_str).and_then(|text| keywords::referred(root, text));
        at = referred.unwrap_or(below);
    }
    true
}
