//! The suite of well-behaved and badly behaved tools that every tier passes, in its own way of running them.

use std::time::Duration;

use serde_json::{Value, json};
use syzygy::sandbox::{
    Call, Ended, Failure, Killed, Level, Limits, Line, Native, Outcome, Puppet, Resource, Sandbox, Script, Spec, Tier,
};
use syzygy::types::{Class, Cx};
use tokio::sync::mpsc;

use super::components::{self, suite_command, suite_limits, suite_tool};
use super::containers;
use super::{clock, cx, jail, limits, python, wrapped_jail};
use crate::support::MINUTE;

/// What a tool of the suite does. Every tier has one of each.
const TOOLS: [&str; 7] = ["echo", "chunks", "fails", "long", "floods", "hangs", "wrong"];

/// Bytes a tool of the suite may print.
const PRINTS: u64 = 1 << 20;

/// Bytes of the text of `long`: more than any text may have.
const LONG: usize = 100_000;

/// A tier with the tools of the suite.
struct Stage {
    sandbox: Box<dyn Sandbox>,
    spec: fn(&str) -> Spec,
    _folder: Option<tempfile::TempDir>,
}

impl Stage {
    async fn run(&self, cx: &Cx, tool: &str, call: Call, change: impl FnOnce(&mut Limits)) -> Outcome {
        let mut spec = (self.spec)(tool);
        change(&mut spec.limits);
        let prepared = self.sandbox.prepare(cx, spec).await.unwrap();
        self.sandbox.invoke(cx, &prepared, call).await
    }

    async fn call(&self, tool: &str, input: Value) -> Outcome {
        self.run(&cx(MINUTE), tool, Call::new(tool, input), |_| ()).await
    }
}

fn native() -> Stage {
    let tier = Native::new(super::defaults().native, clock())
        .with("echo", |input, _| Ok(input))
        .with("chunks", |_, voice| {
            voice.chunk("one");
            voice.log(Level::Warn, "two");
            voice.remember(json!({"three": 3}));
            Ok(json!("end"))
        })
        .with("fails", |_, _| Err(Failure::new(Class::NotFound, "could not find it")))
        .with("long", |_, voice| {
            voice.chunk("x".repeat(LONG));
            Ok(json!(null))
        })
        .with("floods", |_, voice| {
            while !voice.stopped() {
                voice.chunk("x".repeat(10_000));
            }
            Ok(json!(null))
        })
        .with("hangs", |_, voice| {
            while !voice.stopped() {
                std::thread::yield_now();
            }
            Ok(json!(null))
        })
        .with("wrong", |_, _| Err(Failure::new(Class::Internal, "could not believe it")));
    Stage { sandbox: Box::new(tier), spec: |tool| Spec::native(tool, Limits::talking(MINUTE, PRINTS)), _folder: None }
}

fn line(value: Value) -> String {
    format!("{value}\n")
}

fn puppet() -> Stage {
    let chunk = |text: String| line(json!({"type": "chunk", "text": text}));
    let chunks = [
        chunk("one".to_owned()),
        line(json!({"type": "log", "level": "warn", "text": "two"})),
        line(json!({"type": "memory_delta", "delta": {"three": 3}})),
        line(json!({"type": "result", "value": "end"})),
    ];
    let null = line(json!({"type": "result", "value": null}));
    let error = line(json!({"type": "error", "class": "not_found", "message": "could not find it"}));
    let flood = (0..200).fold(Script::default(), |script, _| script.prints(chunk("x".repeat(10_000))));
    let tier = Puppet::new(Tier::Jail, clock())
        .with("echo", Script::default().echoes())
        .with("chunks", Script::default().prints(chunks.concat()))
        .with("fails", Script::default().prints(error).exits(1))
        .with("long", Script::default().prints(chunk("x".repeat(LONG))).prints(null.clone()))
        .with("floods", flood.hangs())
        .with("hangs", Script::default().hangs())
        .with("wrong", Script::default().prints(null).exits(3));
    Stage {
        sandbox: Box::new(tier),
        spec: |tool| Spec::command(tool, &[tool], Limits::talking(MINUTE, PRINTS)),
        _folder: None,
    }
}

/// The tools as programs, for every tier that runs programs.
fn program(tool: &str) -> Spec {
    let body = match tool {
        "echo" => "say(type='result', value=given)",
        "chunks" => {
            "say(type='chunk', text='one'); say(type='log', level='warn', text='two'); \
             say(type='memory_delta', delta={'three': 3}); say(type='result', value='end')"
        }
        "fails" => "say(type='error', **{'class': 'not_found'}, message='could not find it'); sys.exit(1)",
        "long" => "say(type='chunk', text='x' * 100_000); say(type='result', value=None)",
        "floods" => "while True: say(type='chunk', text='x' * 10_000)",
        "hangs" => "while True: time.sleep(1)",
        _ => "say(type='result', value=None); sys.exit(3)",
    };
    let text = format!(
        "import json, sys, time\ngiven = json.load(sys.stdin)\ndef say(**line): print(json.dumps(line), flush=True)\n{body}"
    );
    let mut spec = python(tool, &text);
    spec.limits = Limits { stdout: PRINTS, ..limits() };
    spec
}

/// The tools as components with a `main`.
fn as_command(tool: &str) -> Spec {
    components::spec(tool, &suite_command(tool), Limits { stdout: PRINTS, ..suite_limits() })
}

/// The tools as components of the WIT world.
fn as_tool(tool: &str) -> Spec {
    components::spec(tool, &suite_tool(tool), Limits { stdout: PRINTS, ..suite_limits() })
}

async fn components(make: fn(&str) -> Vec<u8>, spec: fn(&str) -> Spec) -> Stage {
    // The directory is made when a component asks for files, which these do not.
    let tier = components::Tier::new(TOOLS.map(make)).await;
    Stage { sandbox: Box::new(tier.wasm), spec, _folder: None }
}

async fn all(life: &str) -> Vec<Stage> {
    let mut stages = vec![native(), puppet()];
    for jail in [jail().await, wrapped_jail().await].into_iter().flatten() {
        stages.push(Stage { sandbox: Box::new(jail), spec: program, _folder: None });
    }
    // Its directory goes with the stage.
    if let Some(containers::Tier { docker, folder }) = containers::tier(life).await {
        stages.push(Stage { sandbox: Box::new(docker), spec: program, _folder: Some(folder) });
    }
    stages.push(components(suite_command, as_command).await);
    stages.push(components(suite_tool, as_tool).await);
    stages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tier_returns_what_a_tool_says() {
    for stage in all("suite-returns").await {
        let input = json!({"text": "ä\n\u{0}\"", "list": [1, 2.5, null]});
        let outcome = stage.call("echo", input.clone()).await;
        assert_eq!((outcome.answer, outcome.ended), (Ok(input.clone()), Ended::Finished));
        assert_eq!(outcome.usage.stdin, input.to_string().len() as u64);
        let (stream, mut heard) = mpsc::channel(8);
        let call = Call { stream: Some(stream), ..Call::new("chunks", json!(null)) };
        let outcome = stage.run(&cx(MINUTE), "chunks", call, |_| ()).await;
        let expected = vec![
            Line::Chunk { text: "one".to_owned(), cut: 0 },
            Line::Log { level: Level::Warn, text: "two".to_owned(), cut: 0 },
            Line::MemoryDelta { delta: json!({"three": 3}) },
        ];
        assert_eq!((outcome.answer, &outcome.lines), (Ok(json!("end")), &expected));
        for line in expected {
            assert_eq!(heard.recv().await, Some(line));
        }
        assert_eq!(heard.recv().await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tier_returns_a_failure_as_one() {
    for stage in all("suite-failure").await {
        let failed = stage.call("fails", json!(null)).await;
        assert_eq!(failed.answer, Err(Failure::new(Class::NotFound, "could not find it")));
        assert_eq!(failed.ended, Ended::Finished);
        let wrong = stage.call("wrong", json!(null)).await;
        assert_eq!(wrong.answer.unwrap_err().class, Class::Internal);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tier_cuts_what_is_long_and_ends_what_does_not_stop() {
    for stage in all("suite-long").await {
        let long = stage.call("long", json!(null)).await;
        let [Line::Chunk { text, cut }] = &long.lines[..] else { panic!("{:?}", long.lines) };
        assert_eq!((*cut, long.answer), ((LONG - (64 << 10)) as u64, Ok(json!(null))));
        assert!(text.ends_with("… [cut: 34464 bytes]"));
        let flood = stage.call("floods", json!(null)).await;
        assert_eq!(flood.ended, Ended::Limit(Resource::Stdout));
        assert_eq!(flood.answer.unwrap_err().class, Class::Exhausted);
        let kept: usize = flood.lines.iter().map(|line| serde_json::to_string(line).unwrap().len()).sum();
        assert!(kept as u64 <= PRINTS + 100_000, "{kept} bytes were kept");
        let call = Call::new("e", json!("x".repeat(100)));
        let refused = stage.run(&cx(MINUTE), "echo", call, |limits| limits.stdin = 50).await;
        assert_eq!((refused.ended, refused.answer.unwrap_err().class), (Ended::Refused, Class::Exhausted));
    }
}

// SB2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tier_ends_a_tool_for_whoever_may_end_it() {
    let soon = Duration::from_millis(200);
    for stage in all("suite-ends").await {
        let call = |id: &str| Call::new(id, json!(null));
        let wall = stage.run(&cx(MINUTE), "hangs", call("a"), |limits| limits.wall = soon).await;
        assert_eq!(wall.ended, Ended::Limit(Resource::Wall));
        assert_eq!(wall.answer.unwrap_err().class, Class::Timeout);
        assert!(wall.usage.wall >= soon);
        let deadline = stage.run(&cx(soon), "hangs", call("b"), |_| ()).await;
        assert_eq!(deadline.ended, Ended::Deadline);
        let cancelled = cx(MINUTE);
        let (outcome, ()) =
            tokio::join!(stage.run(&cancelled, "hangs", call("c"), |_| ()), async { cancelled.cancel() });
        assert_eq!((outcome.ended, outcome.answer.unwrap_err().class), (Ended::Cancelled, Class::Cancelled));
        let asked = cx(MINUTE);
        let kill = async {
            loop {
                match stage.sandbox.kill("d").await {
                    Killed::Unknown => tokio::task::yield_now().await,
                    killed => return killed,
                }
            }
        };
        let (outcome, killed) = tokio::join!(stage.run(&asked, "hangs", call("d"), |_| ()), kill);
        assert_eq!(outcome.ended, Ended::Killed);
        // A function of the host is told, and ends when it pleases.
        let native = stage.sandbox.capabilities().tier == Tier::Native;
        assert!(killed == Killed::Gone || (native && killed == Killed::Stuck));
        assert_eq!(stage.sandbox.kill("d").await, Killed::Unknown);
        assert_eq!(stage.sandbox.view().running, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tier_runs_many_at_a_time_and_one_of_a_name() {
    for stage in all("suite-many").await {
        let cx = cx(MINUTE);
        let prepared = stage.sandbox.prepare(&cx, (stage.spec)("echo")).await.unwrap();
        let calls = (0..12).map(|at| stage.sandbox.invoke(&cx, &prepared, Call::new(format!("{at}"), json!(at))));
        let outcomes = futures::future::join_all(calls).await;
        for (at, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome.answer, Ok(json!(at)));
        }
        let hangs = stage.sandbox.prepare(&cx, (stage.spec)("hangs")).await.unwrap();
        let twice = async {
            let second = stage.sandbox.invoke(&cx, &hangs, Call::new("x", json!(null))).await;
            cx.cancel();
            second
        };
        let (first, second) = tokio::join!(stage.sandbox.invoke(&cx, &hangs, Call::new("x", json!(null))), twice);
        assert_eq!((first.ended, second.ended), (Ended::Cancelled, Ended::Refused));
        assert_eq!(second.answer.unwrap_err().class, Class::Conflict);
    }
}

// SB1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tier_refuses_what_it_cannot_keep_and_names_all_of_it() {
    for stage in all("suite-refuses").await {
        assert!(TOOLS.iter().all(|tool| stage.sandbox.capabilities().lacks(&(stage.spec)(tool)).is_empty()));
        let mut spec = (stage.spec)("echo");
        spec.limits.cpu = Some(MINUTE);
        spec.program = syzygy::sandbox::Program::Component(syzygy::types::Hash::ZERO);
        let lacks = stage.sandbox.capabilities().lacks(&spec);
        match stage.sandbox.prepare(&cx(MINUTE), spec).await {
            Ok(_) => assert!(lacks.is_empty(), "it said that it lacks {lacks:?}"),
            // It could, if there were such a component.
            Err(error) if lacks.is_empty() => assert_eq!(error.class(), Class::NotFound),
            Err(error) => {
                assert!(lacks.iter().all(|lack| error.to_string().contains(&lack.to_string())), "{error}: {lacks:?}");
                assert_eq!(error.class(), Class::Denied);
            }
        }
    }
}
