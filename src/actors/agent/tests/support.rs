//! One agent with everything around it faked: a watched runtime, tools, a journal in memory.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::sync::mpsc;

use crate::actors::agent::{Assignment, Definition, Error, Handle, MemoryProjection, Outcome, Parts, Profile};
use crate::actors::executor::{self, Tool, core_tools};
use crate::actors::runtime::{self, Launch};
use crate::actors::tests::{SECOND, Watched, configs, cx, journal, read, soon, start, stop, world};
use crate::inference::{Delta, Lexical};
use crate::store::{Disk, Memory};
use crate::supervision::{Registry, Root};
use crate::types::{Cx, World};

/// A general agent that may call the core tools.
pub(super) fn profile(name: &str) -> Profile {
    read(json!({
        "name": name, "description": "a test agent", "enabled": true, "runtime": "local",
        "capabilities": ["general"], "system": "Be brief.", "tools": ["count", "sum", "break", "door"], "remembers": false,
        "recall_most": 4, "recall_prompt": "Known: {facts} {prompt}", "learn_prompt": "Noted: {facts} {prompt}", "concurrency": 2, "waiting": 8, "max_turns": 4, "max_answer_tokens": 256,
        "max_tokens": 32_768, "work_within_s": 20, "temperature": 0.0, "quality": 0.5, "weight": 100,
        "assumed_first_token_ms": 100, "assumed_token_ms": 10,
    }))
}

pub(super) struct Bench {
    pub(super) world: World,
    pub(super) journal: Arc<Memory>,
    pub(super) runtime: Arc<Watched>,
    pub(super) agent: Handle,
    pub(super) root: Root,
    pub(super) registry: Arc<Registry>,
}

pub(super) async fn bench(profile: Profile, runtime: Arc<Watched>) -> Bench {
    bench_on(&Disk::default(), world(), Definition::prompted(profile), runtime).await
}

pub(super) async fn bench_on(disk: &Disk, world: World, definition: Definition, runtime: Arc<Watched>) -> Bench {
    let journal = journal(disk, &world, vec![Arc::new(MemoryProjection)]);
    let launch = Launch { runtime: runtime.clone(), child: None };
    let (driver, driver_child) = runtime::Handle::launch(launch, configs::runtime(), &world);
    let mut tools = core_tools(Arc::clone(&world.clock));
    let breaks = |_cx, _arguments: serde_json::Value| async { panic!("told to break") };
    tools.push(Tool::new("break", "Breaks.", json!({ "type": "object" }), breaks));
    tools.push(discreet());
    let (executor, executor_child) =
        executor::Handle::of_functions("native", tools, journal.clone(), configs::executor(), &world).unwrap();
    let parts = Parts {
        runtimes: Arc::new([("local".to_owned(), driver.clone())].into()),
        runtime: Some(driver),
        executor,
        workspace: None,
        embedder: Arc::new(Lexical),
        journal: journal.clone(),
        memory: configs::memory(),
        answer_bytes_max: 100_000,
    };
    let (agent, child) = Handle::launch(definition, parts, &world);
    let (root, registry) = start(vec![driver_child, executor_child, child], &world).await;
    Bench { world, journal, runtime, agent, root, registry }
}

impl Bench {
    pub(super) fn cx(&self, within: Duration) -> Cx {
        cx(&self.world, within)
    }

    pub(super) async fn work(&self, cx: &Cx, prompt: &str) -> Result<Outcome, Error> {
        let (news, _unread) = mpsc::channel::<Delta>(8);
        let (prompt, said) = (prompt.to_owned(), prompt.to_owned());
        soon(self.agent.work(
            cx,
            Assignment { runtime: self.agent.profile().runtime.clone(), prompt, said, max_tokens: None, news },
        ))
        .await
    }

    pub(super) async fn ask(&self, prompt: &str) -> Result<Outcome, Error> {
        self.work(&self.cx(50 * SECOND), prompt).await
    }

    /// What became of each, all asked at once, in words.
    pub(super) async fn all(&self, prompts: &[&str]) -> Vec<String> {
        let worded = |answer: Result<Outcome, Error>| match answer {
            Ok(outcome) => outcome.text,
            Err(error) => error.class().word().to_owned(),
        };
        join_all(prompts.iter().map(|prompt| self.ask(prompt))).await.into_iter().map(worded).collect()
    }

    /// Stops everything and lets go of the disk.
    pub(super) async fn end(self) {
        use crate::store::Journal;
        stop(&self.root, &self.world).await;
        self.journal.close().await.unwrap();
    }
}

/// A tool of which the description says what is not to be on record.
fn discreet() -> Tool {
    let text = json!({ "type": "string" });
    let input = json!({ "type": "object", "properties": { "word": text, "side": text } });
    let output = json!({ "type": "object", "properties": { "key": text, "open": { "type": "boolean" } } });
    let words = json!({
        "tds": crate::tds::tool::STANDARD, "id": "door", "name": "Door", "version": "1.0.0",
        "description": "Opens a door to whoever knows the word.", "capabilities": ["query"], "side_effects": "none",
        "isolation": "native", "interface": { "input": input, "output": output },
        "run": { "native": { "function": "door" } },
        "observability": { "redact": ["/input/word", "/output/key"] },
    });
    let tool = crate::tds::read(crate::tds::Format::Json, &words.to_string()).unwrap().tool;
    Tool::described(tool, |_cx, envelope| async move {
        Ok(json!({ "key": format!("opened with {}", envelope["input"]["word"]), "open": true }))
    })
}
