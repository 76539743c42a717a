//! Tools as MCP lists them. The order is that of their ids, so that the same tools are always the same list.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{JsonObject, MetaObject, Prompt, PromptArgument, Resource, ResourceTemplate, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::shape::{KEYWORD, Kind, Shape};
use crate::tds;
use crate::tds::tool::SideEffects;

/// Where facts of ours stand in `_meta`.
pub(super) const VERSION: &str = "syzygy/version";
pub(super) const DEPRECATED: &str = "syzygy/deprecated";

/// One page of a list.
pub(super) struct Page {
    pub(super) tools: Vec<Arc<tds::Tool>>,
    pub(super) next: Option<String>,
}

/// The tools of these kinds that follow a cursor, which is the id of the last one that was shown.
pub(super) fn page(
    mut tools: Vec<Arc<tds::Tool>>,
    kinds: &[Kind],
    cursor: Option<&str>,
    most: usize,
) -> Result<Page, ErrorData> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if let Some(cursor) = cursor
        && (cursor.is_empty() || cursor.len() > 64 || !cursor.bytes().all(sign))
    {
        return Err(ErrorData::invalid_params("could not go on from this cursor: it is none of ours", None));
    }
    tools.retain(|tool| {
        cursor.is_none_or(|cursor| tool.id.as_str() > cursor) && kinds.contains(&Shape::of(tool).kind())
    });
    tools.sort_by(|one, other| one.id.cmp(&other.id));
    let more = tools.len() > most;
    tools.truncate(most);
    let next = tools.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Page { tools, next })
}

/// A schema as MCP wants it: an object, without what is ours.
fn schema(schema: &Value) -> Option<Arc<JsonObject>> {
    let mut map = schema.as_object()?.clone();
    map.remove(KEYWORD);
    Some(Arc::new(map))
}

/// A tool. Revisions before 2026-07-28 know only outputs that are objects.
pub(super) fn tool(tool: &tds::Tool, modern: bool) -> Tool {
    let shape = Shape::of(tool);
    let empty = || Arc::new(JsonObject::from_iter([("type".to_owned(), json!("object"))]));
    let input = schema(&tool.interface.input.0).unwrap_or_else(empty);
    let mut made = Tool::new(tool.id.to_string(), tool.description.clone(), input);
    made.title = Some(tool.name.to_string());
    let output = &tool.interface.output.0;
    let is_object = output.get("type").is_some_and(|kind| kind == "object");
    if !shape.content && (is_object || modern) {
        made.output_schema = schema(output);
    }
    let reads = tool.side_effects == SideEffects::None;
    let hints = ToolAnnotations::new().read_only(reads).open_world(!tool.egress.is_empty());
    made.annotations = Some(if reads { hints } else { hints.idempotent(tool.side_effects == SideEffects::Idempotent) });
    made.meta = Some(meta(tool));
    made
}

fn meta(tool: &tds::Tool) -> MetaObject {
    let mut meta = MetaObject::new();
    meta.0.insert(VERSION.to_owned(), json!(tool.version));
    if let Some(deprecation) = &tool.deprecation {
        meta.0.insert(DEPRECATED.to_owned(), json!(deprecation));
    }
    meta
}

/// The inputs of a tool: name, description, whether it is required.
fn inputs(tool: &tds::Tool) -> Vec<(String, Option<String>, bool)> {
    let schema = &tool.interface.input.0;
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let described = properties.map(|(name, own)| {
        let description = own.get("description").and_then(Value::as_str).map(str::to_owned);
        (name.clone(), description, required.is_some_and(|names| names.iter().any(|one| one == name)))
    });
    described.collect()
}

/// A tool as a prompt.
pub(super) fn prompt(tool: &tds::Tool) -> Prompt {
    let argument = |(name, description, required): (String, Option<String>, bool)| {
        let made = PromptArgument::new(name).with_required(required);
        match description {
            Some(description) => made.with_description(description),
            None => made,
        }
    };
    let arguments: Vec<PromptArgument> = inputs(tool).into_iter().map(argument).collect();
    let made = Prompt::new(tool.id.to_string(), Some(tool.description.clone()), Some(arguments));
    made.with_title(tool.name.to_string()).with_meta(meta(tool))
}

/// A tool as a resource.
pub(super) fn resource(tool: &tds::Tool) -> Option<Resource> {
    let own = Shape::of(tool).resource?;
    let made = Resource::new(own.uri, tool.id.to_string()).with_title(tool.name.to_string());
    let made = made.with_description(tool.description.clone()).with_meta(meta(tool));
    Some(match own.mime_type {
        Some(mime_type) => made.with_mime_type(mime_type),
        None => made,
    })
}

/// A tool as a resource with a place for each input.
pub(super) fn template(tool: &tds::Tool) -> Option<ResourceTemplate> {
    let own = Shape::of(tool).resource?;
    let made = ResourceTemplate::new(own.uri, tool.id.to_string()).with_title(tool.name.to_string());
    let made = made.with_description(tool.description.clone()).with_meta(meta(tool));
    Some(match own.mime_type {
        Some(mime_type) => made.with_mime_type(mime_type),
        None => made,
    })
}

/// What an input may be that begins so: the choices and examples of its schema.
pub(super) fn completions(tool: &tds::Tool, input: &str, begun: &str) -> Vec<String> {
    let own = tool.interface.input.0.get("properties").and_then(|properties| properties.get(input));
    let listed = ["enum", "examples"].iter().filter_map(|word| own?.get(word)?.as_array()).flatten();
    let texts = listed.filter_map(Value::as_str).filter(|text| text.starts_with(begun));
    texts.map(str::to_owned).collect()
}

/// As what a tool is offered.
pub(super) fn kind(tool: &tds::Tool) -> Kind {
    Shape::of(tool).kind()
}

/// Where a tool is that is offered as a resource.
pub(super) fn uri(tool: &tds::Tool) -> Option<String> {
    Some(Shape::of(tool).resource?.uri)
}
