//! The same call through every adapter is the same call: the same tool, the same arguments, the same class of error, the same
//! value.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::cell::RefCell;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::support::{Bench, Reached, cx, described};
use crate::adapters::mcp::tests::support::{NEW, OLD, Pipe, config, mcp};
use crate::adapters::{Answer, Call, Caller, Refusal, Reply, Toolbox, openai};
use crate::tds::Tool;
use crate::types::Class;

/// What a call came to, as far as every protocol can say it.
type Came = Result<Value, Class>;

/// Tools that echo, one with keys that may be left out, one that is open, one for each class that refuses.
fn tools() -> Vec<Arc<Tool>> {
    let closed = json!({
        "type": "object",
        "required": ["text"],
        "additionalProperties": false,
        "properties": {
            "text": { "type": "string", "maxLength": 4 },
            "count": { "type": "integer", "minimum": 0, "maximum": 9 },
            "flag": { "type": "boolean" },
            "list": { "type": "array", "items": { "type": "number" }, "maxItems": 2 },
            "inner": { "type": "object", "properties": { "x": { "type": "integer" } }, "additionalProperties": false },
        },
    });
    let open = json!({ "type": "object", "properties": { "text": { "type": "string" } } });
    let refusing = Class::ALL.map(|class| described(&format!("refuse.{}", class.word()), json!({ "type": "object" })));
    [described("echo.closed", closed), described("echo__open.x", open)]
        .into_iter()
        .chain(refusing)
        .map(Arc::new)
        .collect()
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3_i64..12).prop_map(Value::from),
        Just(json!(2.5)),
        "[a-z\"\\\\é\n]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[x-z]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Arguments that fit now and then: known keys with values of their kind or of any.
fn arguments() -> impl Strategy<Value = Map<String, Value>> {
    let fits = |key: &str| match key {
        "text" => "[a-z]{0,4}".prop_map(Value::from).boxed(),
        "count" => (0..10).prop_map(Value::from).boxed(),
        "flag" => any::<bool>().prop_map(Value::from).boxed(),
        "list" => prop::collection::vec((0..5).prop_map(Value::from), 0..3).prop_map(Value::from).boxed(),
        _ => (0..5).prop_map(|x| json!({ "x": x })).boxed(),
    };
    let one = prop::sample::select(vec!["text", "count", "flag", "list", "inner"])
        .prop_flat_map(move |key| (Just(key.to_owned()), prop_oneof![4 => fits(key), 1 => value()]));
    let odd = ("[a-z]{1,5}", value());
    let text = prop_oneof![6 => "[a-z]{0,4}".prop_map(|text| Some(Value::from(text))), 1 => Just(None)];
    (text, prop::collection::vec(prop_oneof![9 => one, 1 => odd], 0..4)).prop_map(|(text, more)| {
        let mut map: Map<String, Value> = more.into_iter().collect();
        map.extend(text.map(|text| ("text".to_owned(), text)));
        map
    })
}

fn name() -> impl Strategy<Value = String> {
    let refusing = Class::ALL.map(|class| format!("refuse.{}", class.word())).to_vec();
    prop_oneof![
        6 => Just("echo.closed".to_owned()),
        3 => Just("echo__open.x".to_owned()),
        2 => prop::sample::select(refusing),
        1 => Just("no.such".to_owned()),
    ]
}

/// Everybody, over the same toolbox.
struct Everybody {
    bench: Arc<Bench>,
    old: Pipe,
    new: Pipe,
}

impl Everybody {
    async fn new() -> Everybody {
        let bench = Bench::new(tools());
        for class in Class::ALL {
            bench.refuse(&format!("refuse.{}", class.word()), Refusal::new(class, "could not do it"));
        }
        let adapter = mcp(bench.clone(), config());
        let (old, new) = (Pipe::open(&adapter, OLD, json!({})).await, Pipe::open(&adapter, NEW, json!({})).await);
        Everybody { bench, old, new }
    }

    async fn plain(&self, name: &str, arguments: &Value) -> Came {
        let call = Call { name: name.to_owned(), arguments: arguments.clone(), ..Call::default() };
        self.done(call).await.map(|answer| answer.value).map_err(|refusal| refusal.class)
    }

    async fn done(&self, call: Call) -> Result<Answer, Refusal> {
        match self.bench.call(&cx("somebody"), &Caller::default(), call, None).await? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Asks(_) => Err(Refusal::new(Class::Internal, "nothing asks here")),
        }
    }

    async fn openai(&self, name: &str, arguments: &Value) -> Came {
        let function = json!({ "name": openai::to_safe(name), "arguments": arguments.to_string() });
        let entry = json!({ "id": "c", "type": "function", "function": function });
        let named = openai::named(&entry).unwrap();
        let tool = self.bench.find(&cx("somebody"), &Caller::default(), &named, None).await;
        let call = match tool {
            Some(tool) => openai::call(&entry, &tool),
            None => Err(Refusal::unknown(&named)),
        };
        let answer = match call {
            Ok(call) => self.done(call).await,
            Err(refusal) => Err(refusal),
        };
        let message = openai::message(&entry, &answer);
        let content: Value = serde_json::from_str(message["content"].as_str().unwrap()).unwrap();
        match content.pointer("/error/class").filter(|_| answer.is_err()) {
            Some(class) => Err(Class::from_word(class.as_str().unwrap()).unwrap()),
            None => Ok(content),
        }
    }
}

async fn over_mcp(pipe: &mut Pipe, name: &str, arguments: &Value) -> Came {
    let answer = pipe.call(name, arguments.clone()).await;
    let class = ["/result/_meta/syzygy~1class", "/error/data/syzygy~1class"].iter().find_map(|at| answer.pointer(at));
    match class {
        Some(class) => Err(Class::from_word(class.as_str().unwrap()).unwrap()),
        None => Ok(answer["result"]["structuredContent"].clone()),
    }
}

/// What reached the toolbox, without by which way.
fn essence(reached: Vec<Reached>) -> Vec<(String, Call, Option<Class>)> {
    reached.into_iter().map(|one| (one.principal, one.call, one.class)).collect()
}

// AD1 and AD2.
#[test]
fn the_same_call_is_the_same_whoever_passes_it_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let everybody = RefCell::new(runtime.block_on(Everybody::new()));
    let seen = RefCell::new((0, 0, 0));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let tried = runner.run(&(name(), arguments()), |(name, arguments)| {
        let arguments = Value::Object(arguments);
        let mut all = everybody.borrow_mut();
        let Everybody { bench, .. } = &*all;
        let bench = Arc::clone(bench);
        runtime.block_on(async {
            let plain = (all.plain(&name, &arguments).await, essence(bench.reached()));
            let openai = (all.openai(&name, &arguments).await, essence(bench.reached()));
            let old = (over_mcp(&mut all.old, &name, &arguments).await, essence(bench.reached()));
            let new = (over_mcp(&mut all.new, &name, &arguments).await, essence(bench.reached()));
            // Whoever asks for what is not there is refused before it reaches the toolbox, or by it.
            let known = name != "no.such";
            for other in [openai, old, new] {
                prop_assert_eq!(&other.0, &plain.0);
                if known {
                    prop_assert_eq!(&other.1, &plain.1);
                }
            }
            let mut seen = seen.borrow_mut();
            match plain.0 {
                Ok(_) => seen.0 += 1,
                Err(Class::Invalid) => seen.1 += 1,
                Err(_) => seen.2 += 1,
            }
            Ok(())
        })
    });
    tried.unwrap();
    let (good, invalid, refused) = seen.into_inner();
    assert!(good > 20 && invalid > 20 && refused > 10, "it was no fair test: {good} {invalid} {refused}");
}
