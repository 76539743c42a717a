//! A toolbox of tests: it checks arguments, does what the fixture is for, and remembers what reached it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::adapters::{Answer, Call, Caller, Refusal, Reply, Toolbox};
use crate::sandbox::Line;
use crate::tds::{self, Checker, Format, Tool};
use crate::types::{Budget, Class, Cx, Money, Principal, Seeded, TraceId, World};

/// The tools of `tests/fixtures/mcp`, by their ids.
pub(crate) fn fixtures() -> Vec<Arc<Tool>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mcp");
    let mut tools: Vec<Arc<Tool>> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let checked =
                tds::read(Format::Toml, &text).unwrap_or_else(|report| panic!("{}: {report}", path.display()));
            assert_eq!(
                path.file_stem().unwrap().to_str(),
                Some(checked.tool.id.as_str()),
                "a file is named as its tool"
            );
            Arc::new(checked.tool)
        })
        .collect();
    tools.sort_by(|one, other| one.id.cmp(&other.id));
    tools
}

/// A tool that takes this and answers anything.
pub(crate) fn described(id: &str, input: Value) -> Tool {
    let text = json!({
        "tds": 1,
        "id": id,
        "name": "Test",
        "version": "1.0.0",
        "description": "A tool of a test.",
        "capabilities": ["query"],
        "side_effects": "none",
        "isolation": "native",
        "interface": { "input": input, "output": {} },
        "run": { "native": { "function": "test" } },
    });
    tds::read(Format::Json, &text.to_string()).unwrap_or_else(|report| panic!("{report}")).tool
}

/// What reached the toolbox and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reached {
    pub(crate) principal: String,
    pub(crate) caller: Caller,
    pub(crate) call: Call,
    /// Of a refusal.
    pub(crate) class: Option<Class>,
    /// Whether it was given up before it was done.
    pub(crate) cancelled: bool,
}

/// A tool and the checker of its input.
type Held = (Arc<Tool>, Checker);

pub(crate) struct Bench {
    tools: BTreeMap<String, Held>,
    /// Tools that are not on the list now.
    hidden: Mutex<Vec<&'static str>>,
    changes: watch::Sender<u64>,
    reached: Mutex<Vec<Reached>>,
    /// What a call of this tool comes to, if it is not a fixture.
    refusals: Mutex<BTreeMap<String, Refusal>>,
}

impl Bench {
    pub(crate) fn new(tools: Vec<Arc<Tool>>) -> Arc<Bench> {
        let held = |tool: Arc<Tool>| {
            let checker = Checker::compile(&tool.interface.input.0).unwrap();
            (tool.id.to_string(), (tool, checker))
        };
        Arc::new(Bench {
            tools: tools.into_iter().map(held).collect(),
            hidden: Mutex::new(vec!["test_dynamic_tool", "test_dynamic_prompt"]),
            changes: watch::channel(0).0,
            reached: Mutex::default(),
            refusals: Mutex::default(),
        })
    }

    /// Puts a tool onto the list, or takes it off.
    pub(crate) fn toggle(&self, id: &'static str) {
        let mut hidden = self.hidden.lock();
        match hidden.iter().position(|own| *own == id) {
            Some(at) => drop(hidden.remove(at)),
            None => hidden.push(id),
        }
        drop(hidden);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Has a tool refuse from now on.
    pub(crate) fn refuse(&self, id: &str, refusal: Refusal) {
        self.refusals.lock().insert(id.to_owned(), refusal);
    }

    /// What reached it since this was asked last.
    pub(crate) fn reached(&self) -> Vec<Reached> {
        std::mem::take(&mut *self.reached.lock())
    }

    fn visible(&self, id: &str) -> Option<&Held> {
        self.tools.get(id).filter(|_| !self.hidden.lock().contains(&id))
    }

    async fn perform(
        &self,
        cx: &Cx,
        caller: &Caller,
        call: &Call,
        lines: Option<mpsc::Sender<Line>>,
    ) -> Result<Reply, Refusal> {
        let (tool, checker) = self.visible(&call.name).ok_or_else(|| Refusal::unknown(&call.name))?;
        if let Some(range) = call.required.as_ref().filter(|range| !range.takes(&tool.version)) {
            let reason = format!("could not find {} in {range}: there is {}", tool.id, tool.version);
            return Err(Refusal::new(Class::NotFound, reason));
        }
        if let Some(first) = checker.mismatches(&call.arguments).first() {
            let reason = format!("could not take {}: {} is {}", call.name, first.pointer, first.found);
            return Err(Refusal::new(Class::Invalid, reason));
        }
        if let Some(refusal) = self.refusals.lock().get(&call.name) {
            return Err(refusal.clone());
        }
        super::behaviour::perform(self, cx, (caller, call), lines).await
    }
}

#[async_trait]
impl Toolbox for Bench {
    async fn list(&self, _cx: &Cx, _caller: &Caller) -> Vec<Arc<Tool>> {
        let shown = self.tools.keys().filter_map(|id| self.visible(id));
        shown.map(|(tool, _)| Arc::clone(tool)).collect()
    }

    async fn call(
        &self,
        cx: &Cx,
        caller: &Caller,
        call: Call,
        lines: Option<mpsc::Sender<Line>>,
    ) -> Result<Reply, Refusal> {
        let done = self.perform(cx, caller, &call, lines).await;
        let class = done.as_ref().err().map(|refusal| refusal.class);
        let (principal, caller) = (cx.principal().name.clone(), caller.clone());
        self.reached.lock().push(Reached { principal, caller, call, class, cancelled: cx.is_cancelled() });
        done
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// An answer with this value.
pub(crate) fn answer(value: Value) -> Result<Reply, Refusal> {
    let version = "1.0.0".parse().unwrap();
    Ok(Reply::Answer(Answer { value, warnings: Vec::new(), version, decision: "decision-1".to_owned() }))
}

/// The context of somebody with an hour.
pub(crate) fn cx(name: &str) -> Cx {
    let budget = Budget { money: Money(1_000_000), tokens: 1_000 };
    Cx::new(TraceId(7), Principal::new(name, &[]), now() + std::time::Duration::from_secs(3_600), budget)
}

#[expect(clippy::disallowed_methods, reason = "tests measure nothing by it")]
fn now() -> Instant {
    Instant::now()
}

pub(crate) fn world() -> World {
    World { clock: Arc::new(Real), random: Arc::new(Seeded::new(7)) }
}

struct Real;

impl crate::types::Clock for Real {
    fn now(&self) -> Instant {
        now()
    }

    fn wall(&self) -> crate::types::Timestamp {
        crate::types::Timestamp(1_750_000_000_000_000)
    }
}
