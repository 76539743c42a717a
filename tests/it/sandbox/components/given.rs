//! What a component is given and what it is not: imports, environment, memory; and what no component is.

use std::time::Duration;

use serde_json::{Value, json};
use syzygy::sandbox::wasm::{Folder, Shelf};
use syzygy::sandbox::{Call, Egress, Exit, Input, Sandbox, Spec, Speech};
use syzygy::types::{Class, Hash};

use super::super::{cx, once};
use super::{Source, Tier, command, limits, spec, suite_command, suite_tool, tool};
use crate::support::MINUTE;

/// Why a component is not prepared.
async fn refusal(component: &[u8], change: impl FnOnce(&mut Spec)) -> (String, Class) {
    let tier = Tier::new([component.to_vec()]).await;
    let mut spec = spec("tool", component, limits());
    change(&mut spec);
    let error = tier.wasm.prepare(&cx(MINUTE), spec).await.unwrap_err();
    (error.to_string(), error.class())
}

#[tokio::test]
async fn sockets_and_whatever_else_is_not_offered_are_refused_by_name() {
    let component = wat::parse_str(
        r#"(component
          (import "wasi:sockets/instance-network@0.2.0" (instance (export "network" (type (sub resource)))))
          (import "wasi:http/types@0.2.0" (instance (export "fields" (type (sub resource)))))
          (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func (param "status" (result)))))))"#,
    );
    let (text, class) = refusal(&component.unwrap(), |_| ()).await;
    let expected = "could not prepare tool: the wasm tier cannot give it the import \
                    `wasi:sockets/instance-network@0.2.0`, give it the import `wasi:http/types@0.2.0`";
    assert_eq!((text.as_str(), class), (expected, Class::Denied));
}

#[tokio::test]
async fn what_is_no_component_is_invalid_and_says_why() {
    let wat = |text: &str| wat::parse_str(text).unwrap();
    let cases = [
        (b"rubbish".to_vec(), "it is no component"),
        (Vec::new(), "it is no component"),
        (wat("(module)"), "it is no component"),
        (wat("(component)"), "it exports neither"),
        (
            wat("(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) \
              (func (export \"invoke\") (canon lift (core func $i \"f\"))))"),
            "it is no component",
        ),
        (wat("(component (core module $m (memory i64 1)) (core instance (instantiate $m)))"), "it is no component"),
        (
            wat(
                "(component (import \"wasi:cli/exit@0.2.0\" (instance (export \"exit\" (func (param \"status\" u32))))))",
            ),
            "it is no component",
        ),
    ];
    for (component, expected) in cases {
        let (text, class) = refusal(&component, |_| ()).await;
        assert!(text.contains(expected) && class == Class::Invalid, "{text}");
    }
}

#[tokio::test]
async fn what_it_cannot_keep_it_refuses() {
    let echo = suite_command("echo");
    let (text, class) = refusal(&echo, |spec| spec.egress = Egress::Socket("proxy.sock".into())).await;
    assert_eq!(
        (text.as_str(), class),
        ("could not prepare tool: the wasm tier cannot give the program a way out", Class::Denied)
    );
    let (text, _) = refusal(&echo, |spec| spec.limits.memory = Some(1 << 40)).await;
    assert!(text.contains("sandbox.wasm.memory_bytes is 268435456"), "{text}");
    assert!(refusal(&echo, |spec| spec.limits.open_files = Some(3)).await.0.contains("to less than 4"));
    assert!(refusal(&echo, |spec| spec.limits.processes = Some(0)).await.0.contains("no process"));
    let (text, class) = refusal(&echo, |spec| spec.directory = Some("/work/../etc".to_owned())).await;
    assert!(text.contains("no absolute path") && class == Class::Invalid, "{text}");
    let (text, class) = refusal(&suite_tool("echo"), |spec| spec.speech = Speech::Plain).await;
    assert!(text.contains("does not print its result") && class == Class::Invalid, "{text}");
    let unknown = |spec: &mut Spec| spec.program = syzygy::sandbox::Program::Component(Hash::ZERO);
    assert_eq!(refusal(&echo, unknown).await.1, Class::NotFound);
}

#[tokio::test]
async fn a_component_whose_bytes_are_others_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let (echo, hangs) = (suite_command("echo"), suite_command("hangs"));
    let hash = Hash::of(&echo);
    let shelf = Folder(folder.path().to_owned());
    assert_eq!(shelf.bytes(hash).await.unwrap(), None);
    std::fs::write(folder.path().join(format!("{hash}.wasm")), &hangs).unwrap();
    assert_eq!(shelf.bytes(hash).await.unwrap(), Some(hangs));
    let own = folder.path().join("calls");
    let components = super::defaults().wasm;
    let config = syzygy::sandbox::wasm::Config { folder: own, private: Vec::new(), components };
    let wasm = syzygy::sandbox::wasm::Wasm::open(config, std::sync::Arc::new(shelf), super::clock()).await.unwrap();
    let error = wasm.prepare(&cx(MINUTE), spec("echo", &echo, limits())).await.unwrap_err();
    assert_eq!(error.class(), Class::Corrupt, "{error}");
    std::fs::write(folder.path().join(format!("{hash}.wasm")), &echo).unwrap();
    assert_eq!(once(&wasm, spec("echo", &echo, limits()), json!(7)).await.answer, Ok(json!(7)));
}

#[tokio::test]
async fn a_component_may_come_with_its_tool_and_is_no_input_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let body = "(drop (call $dir (i32.const 0))) (call $verdict (i32.ne (i32.load (i32.const 20)) (i32.const 1)))";
    let component = command(Source { body, files: true, ..Source::default() });
    let source = folder.path().join("tool.wasm");
    std::fs::write(&source, &component).unwrap();
    let tier = Tier::new([]).await;
    let mut spec = spec("own", &component, limits());
    assert_eq!(tier.wasm.prepare(&cx(MINUTE), spec.clone()).await.unwrap_err().class(), Class::NotFound);
    spec.inputs.push(Input { name: "tool.wasm".to_owned(), hash: Hash::of(&component), source, executable: false });
    assert_eq!(once(&tier.wasm, spec.clone(), json!(null)).await.answer, Ok(Value::Null));
    // A file that is one stands where its name says.
    let other = folder.path().join("other");
    std::fs::write(&other, "x").unwrap();
    spec.inputs.push(Input { name: "a/b".to_owned(), hash: Hash::of(b"x"), source: other, executable: false });
    assert_eq!(once(&tier.wasm, spec, json!(null)).await.answer, Ok(json!("broke")), "there are two directories now");
}

#[tokio::test]
async fn a_program_that_knows_nothing_of_the_protocol_is_taken_as_it_is() {
    let plain = command(Source { body: "(call $print @\"hello\\n\") (call $exit (i32.const 1))", ..Source::default() });
    let tier = Tier::new([plain.clone()]).await;
    let mut spec = spec("plain", &plain, limits());
    spec.speech = Speech::Plain;
    let outcome = once(&tier.wasm, spec, json!(null)).await;
    assert_eq!(outcome.answer, Ok(json!({"stdout": "hello\n", "exit": 1})));
    assert_eq!(outcome.effects.exit, Some(Exit::Code(1)));
}

#[tokio::test]
async fn the_environment_is_that_of_the_description() {
    let body = r#"(call $get-environment (i32.const 16)) (local.set $a (i32.load (i32.const 16)))
        (call $print @"{\"type\":\"result\",\"value\":\"")
        (call $print (i32.load (local.get $a)) (i32.load offset=4 (local.get $a)))
        (call $print @"=") (call $print (i32.load offset=8 (local.get $a)) (i32.load offset=12 (local.get $a)))
        (call $print @"\"}\n")"#;
    let component = command(Source { body, ..Source::default() });
    let tier = Tier::new([component.clone()]).await;
    let mut spec = spec("environment", &component, limits());
    spec.environment.insert("OWN".to_owned(), "1".to_owned());
    assert_eq!(once(&tier.wasm, spec, json!(null)).await.answer, Ok(json!("OWN=1")));
}

#[tokio::test]
async fn memory_and_time_that_were_used_are_told() {
    let body = "(drop (memory.grow (i32.const 96))) (loop $more (local.set $a (i32.add (local.get $a) (i32.const 1))) \
                (br_if $more (i32.lt_u (local.get $a) (i32.const 20000000)))) (call $held)";
    let component = command(Source { body, ..Source::default() });
    let tier = Tier::new([component.clone()]).await;
    let outcome = once(&tier.wasm, spec("uses", &component, limits()), json!(null)).await;
    assert_eq!(outcome.answer, Ok(Value::Null));
    assert_eq!(outcome.usage.memory_peak / 65_536, 100, "{}", outcome.usage.memory_peak);
    assert!(outcome.usage.cpu > Duration::from_millis(1) && outcome.usage.cpu <= outcome.usage.wall);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_there_is_room_for_are_refused_and_the_rest_goes_on() {
    let (hangs, echo) = (suite_tool("hangs"), suite_tool("echo"));
    let tier = Tier::with([hangs.clone(), echo.clone()], |config| {
        (config.components.instances_max, config.components.threads) = (2, 1);
    });
    let tier = tier.await;
    let cx = cx(MINUTE);
    let slow = tier.wasm.prepare(&cx, spec("hangs", &hangs, limits())).await.unwrap();
    let quick = tier.wasm.prepare(&cx, spec("echo", &echo, limits())).await.unwrap();
    let busy = async {
        tokio::join!(
            tier.wasm.invoke(&cx, &slow, Call::new("a", json!(1))),
            tier.wasm.invoke(&cx, &slow, Call::new("b", json!(2))),
        )
    };
    let more = async {
        while tier.wasm.view().running < 2 {
            tokio::task::yield_now().await;
        }
        let third = tier.wasm.invoke(&cx, &quick, Call::new("c", json!(3))).await;
        tier.wasm.kill("a").await;
        let fourth = tier.wasm.invoke(&cx, &quick, Call::new("d", json!(4))).await;
        cx.cancel();
        (third, fourth)
    };
    let (_, (third, fourth)) = tokio::join!(busy, more);
    assert_eq!(third.answer.unwrap_err().class, Class::Exhausted);
    assert_eq!(fourth.answer, Ok(json!(4)));
}

#[tokio::test]
async fn compiled_ones_are_kept_as_many_as_may_be_and_made_again_when_they_are_needed() {
    let components: Vec<Vec<u8>> = (0..4).map(|at| tool(&format!("(call $ok @\"{at}\")"))).collect();
    let tier = Tier::with(components.clone(), |config| config.components.compiled_max = 2).await;
    let cx = cx(MINUTE);
    let mut prepared = Vec::new();
    for component in &components {
        prepared.push(tier.wasm.prepare(&cx, spec("many", component, limits())).await.unwrap());
    }
    for (at, one) in prepared.iter().enumerate() {
        assert_eq!(tier.wasm.invoke(&cx, one, Call::new("many", json!(null))).await.answer, Ok(json!(at)));
    }
}

#[tokio::test]
async fn a_tool_that_is_described_as_a_component_runs_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let component = tool(r#"(call $ok @"{\"id\": 7}")"#);
    let source = folder.path().join("tool.wasm");
    std::fs::write(&source, &component).unwrap();
    let described = json!({
        "tds": 1, "id": "note.add", "name": "Add a note", "version": "1.2.0",
        "description": "Adds a note to a book of notes. Use it when somebody wants something written down.",
        "capabilities": ["query"], "side_effects": "none", "isolation": "wasm",
        "interface": {
            "input": { "type": "object", "properties": { "text": { "type": "string", "maxLength": 100 } },
                       "required": ["text"], "additionalProperties": false },
            "output": { "type": "object", "properties": { "id": { "type": "integer" } }, "required": ["id"] },
        },
        "run": { "component": { "file": "tool.wasm" } },
    });
    let described = syzygy::tds::read(syzygy::tds::Format::Json, &described.to_string());
    let described = described.unwrap_or_else(|report| panic!("{report}")).tool;
    assert!(syzygy::lap::tiers(&described).contains(&syzygy::sandbox::Tier::Wasm));
    let file =
        syzygy::lap::File { path: "tool.wasm".to_owned(), hash: Hash::of(&component), source, executable: false };
    let ready = syzygy::lap::Ready::new(std::sync::Arc::new(described), vec![file]).unwrap();
    let spec = syzygy::lap::spec(&ready, None, Vec::new(), None).unwrap();
    // What its description bounds is asked for, and the tier keeps all of it.
    assert!(spec.limits.cpu.is_some() && spec.limits.open_files.is_some());
    let outcome = once(&Tier::new([]).await.wasm, spec, json!({"input": {"text": "milk"}, "host": {}})).await;
    assert_eq!(outcome.answer, Ok(json!({"id": 7})), "{}", outcome.stderr);
}
