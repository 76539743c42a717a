//! The actors behind the interface: runtimes, tools, agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::support::{BEGIN, Rows};
use crate::actors::agent::{self, Definition, Profile};
use crate::actors::tests::{configs, read};
use crate::actors::{executor, io, runtime};
use crate::inference::{Lexical, Scripted};
use crate::store::Journal;
use crate::supervision::{Child, Strategy, Tree};
use crate::types::{Timestamp, World};
use crate::ziggy::route::{Candidate, Capability};

pub(super) fn runtime(runtime: Scripted, world: &World) -> (runtime::Handle, Child) {
    runtime::Handle::launch(runtime::Launch { runtime: Arc::new(runtime), child: None }, configs::runtime(), world)
}

/// The tools every host has, and one that nobody was granted.
pub(super) fn tools(journal: &Arc<dyn Journal>, world: &World) -> (executor::Handle, Child) {
    let locked = read(json!({
        "tds": 1, "id": "locked.away", "name": "Locked away", "version": "1.0.0",
        "description": "Adds numbers in secret.", "capabilities": ["query"], "side_effects": "none",
        "isolation": "native", "interface": { "input": { "type": "object" }, "output": {} },
        "run": { "native": { "function": "locked.away" } }, "auth": { "scopes": ["locked.open"] },
    }));
    let locked = executor::Tool::described(locked, async |_, _| Ok(json!({})));
    let tools = executor::core_tools(Arc::clone(&world.clock)).into_iter().chain([locked]);
    let library = Arc::new(executor::Library::of(tools.collect()).unwrap());
    let mut ports = executor::Ports::bare(Arc::clone(journal));
    ports.embedder = Some(Arc::new(Lexical));
    executor::Handle::launch("tools", library, ports, configs::executor(), world)
}

/// The agents by name, and the row of the tree they are.
pub(super) fn agents(
    profiles: [(Profile, runtime::Handle); 2],
    executor: &executor::Handle,
    journal: &Arc<dyn Journal>,
    world: &World,
) -> (BTreeMap<String, agent::Handle>, Rows) {
    let (mut handles, mut tree) = (BTreeMap::new(), Tree::new("agents", Strategy::OneForOne));
    let named = profiles.iter().map(|(profile, runtime)| (profile.runtime.clone(), runtime.clone()));
    let runtimes = Arc::new(named.collect::<BTreeMap<_, _>>());
    for (profile, runtime) in profiles {
        let (executor, journal) = (executor.clone(), Arc::clone(journal));
        let (memory, embedder) = (configs::memory(), Arc::new(Lexical));
        let (runtime, runtimes) = (Some(runtime), Arc::clone(&runtimes));
        let answer_bytes_max = 100_000;
        let workspace = None;
        let parts =
            agent::Parts { runtime, runtimes, executor, workspace, embedder, journal, memory, answer_bytes_max };
        let name = profile.name.clone();
        let (handle, child) = agent::Handle::launch(Definition::prompted(profile), parts, world);
        handles.insert(name, handle);
        tree = tree.child(child);
    }
    (handles, vec![Child::tree(tree)])
}

pub(super) fn candidate(profile: &Profile, runtime: &runtime::Handle) -> Candidate {
    let seen = runtime.capabilities();
    Candidate {
        id: format!("{0}@{0}", profile.name),
        runtime: profile.runtime.clone(),
        capabilities: profile.capabilities.iter().map(|name| Capability::new(name)).collect(),
        tier: seen.tier,
        price: seen.price,
        context_tokens: seen.context_tokens,
        weight: profile.weight,
        cap: Some(8),
        ..configs::candidate(&profile.name, f64::from(profile.quality), Timestamp(BEGIN))
    }
}

/// How tasks are taken in: few at a time, and short ones.
pub(super) fn taking_in() -> io::Config {
    read(json!({
        "pool": 1, "runs_most": 8, "chunks_at_once": 2, "task_bytes_max": 8_000, "tasks_bytes_max": 20_000, "prompt_bytes_max": 4_000,
        "chunks_most": 16, "run_within_s": 30, "answer_tokens": 64, "answer_bytes_max": 100_000, "durable_answers": true,
    }))
}
