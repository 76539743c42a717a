//! How tools are listed.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::Config;
use super::super::offer;
use super::super::shape::{Kind, Resource, Shape};
use super::support::{NEW, OLD, Pipe, config, mcp};
use crate::adapters::tests::support::{Bench, described, fixtures};

// AD3.
#[tokio::test]
async fn a_list_comes_in_pages_and_each_tool_once() {
    let small = Config { page_max: 7, ..config() };
    let adapter = mcp(Bench::new(fixtures()), small);
    let mut client = Pipe::open(&adapter, OLD, json!({})).await;
    let (mut names, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let params = cursor.as_ref().map_or(json!({}), |cursor| json!({ "cursor": cursor }));
        let answer = client.ask("tools/list", params).await;
        let page = answer["result"]["tools"].as_array().unwrap();
        assert!(page.len() <= 7);
        names.extend(page.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match answer["result"]["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let all: Vec<String> = fixtures()
        .iter()
        .filter(|tool| offer::kind(tool) == Kind::Tool && tool.id.as_str() != "test_dynamic_tool")
        .map(|tool| tool.id.to_string())
        .collect();
    assert_eq!((names, pages), (all.clone(), all.len().div_ceil(7)));
    let wrong = client.ask("tools/list", json!({ "cursor": "not one" })).await;
    assert_eq!(wrong["error"]["code"], -32_602);
}

#[test]
fn a_tool_is_shown_with_what_a_client_should_know() {
    let tools = fixtures();
    let tool = |id: &str| tools.iter().find(|tool| tool.id.as_str() == id).unwrap();
    let shown = serde_json::to_value(offer::tool(tool("greet"), false)).unwrap();
    assert_eq!(shown["title"], "Greeting");
    assert_eq!(shown["inputSchema"]["required"], json!(["name"]));
    assert_eq!(shown["annotations"], json!({ "readOnlyHint": true, "openWorldHint": false }));
    assert_eq!(shown["_meta"], json!({ "syzygy/version": "1.0.0" }));
    // Before 2026-07-28 an output is an object.
    assert_eq!(shown.get("outputSchema"), None);
    let modern = serde_json::to_value(offer::tool(tool("greet"), true)).unwrap();
    assert_eq!(modern["outputSchema"], json!({ "type": "string" }));
    let own = serde_json::to_value(offer::tool(tool("slow_compute"), true)).unwrap();
    assert!(!own.to_string().contains("x-mcp"), "{own}");
}

#[tokio::test]
async fn prompts_resources_and_templates_are_listed_apart() {
    let adapter = mcp(Bench::new(fixtures()), config());
    let mut client = Pipe::open(&adapter, NEW, json!({})).await;
    let mut seen = BTreeSet::new();
    for (method, key, count) in [
        ("tools/list", "tools", 35),
        ("prompts/list", "prompts", 5),
        ("resources/list", "resources", 3),
        ("resources/templates/list", "resourceTemplates", 1),
    ] {
        let answer = client.ask(method, json!({})).await;
        let list = answer["result"][key].as_array().unwrap();
        assert_eq!((list.len(), &answer["result"]["cacheScope"]), (count, &json!("private")), "{method}");
        for entry in list {
            assert!(seen.insert(entry["name"].as_str().unwrap().to_owned()), "{entry} is in two lists");
        }
    }
    for (reference, argument, values) in [
        (
            json!({ "type": "ref/prompt", "name": "test_prompt_with_arguments" }),
            "arg1",
            json!(["paris", "park", "party"]),
        ),
        (json!({ "type": "ref/resource", "uri": "test://template/{id}/data" }), "id", json!([])),
    ] {
        let params = json!({ "ref": reference, "argument": { "name": argument, "value": "par" } });
        let answer = client.ask("completion/complete", params).await;
        assert_eq!(answer["result"]["completion"]["values"], values, "{answer}");
    }
}

fn resource(uri: &str) -> Resource {
    Resource { uri: uri.to_owned(), mime_type: None }
}

#[test]
fn a_place_is_taken_apart_by_its_template() {
    let place = |form: &str, uri: &str| resource(form).inputs(uri).map(Value::Object);
    assert_eq!(place("a://x/{id}/data", "a://x/12/data"), Some(json!({ "id": "12" })));
    assert_eq!(place("a://{one}-{two}", "a://1-2"), Some(json!({ "one": "1", "two": "2" })));
    assert_eq!(place("a://x", "a://x"), Some(json!({})));
    for (form, uri) in [
        ("a://x/{id}/data", "a://x/1/2/data"),
        ("a://x/{id}/data", "a://x//data"),
        ("a://x/{id}/data", "a://x/1/data/more"),
        ("a://x", "a://y"),
        ("a://{broken", "a://1"),
    ] {
        assert_eq!(place(form, uri), None, "{form} {uri}");
    }
}

proptest! {
    #[test]
    fn what_a_template_makes_it_takes_apart(value in "[a-z0-9 %é]{1,12}", form in "[a-z:{}/-]{0,16}", uri in "[a-z:/-]{0,16}") {
        let made = format!("a://x/{value}/data");
        let inputs = resource("a://x/{id}/data").inputs(&made).unwrap();
        prop_assert_eq!(inputs.get("id").and_then(Value::as_str), Some(value.as_str()));
        // Whatever an author writes, it is an answer.
        let _ = resource(&form).inputs(&uri);
    }
}

#[test]
fn an_author_who_says_something_unknown_has_a_tool() {
    let mut tool = described("a.b", json!({ "type": "object" }));
    tool.interface.output.0 = json!({ "x-mcp": { "resource": { "uri": "a://b" }, "colour": "red" } });
    assert_eq!(Shape::of(&tool), Shape::default());
}
