//! Everything to the right of IO, on watched runtimes and a journal in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use crate::actors::agent::{self, Definition, MemoryProjection};
use crate::actors::crown::GovernanceProjection;
use crate::actors::inbox::{self, InboxProjection};
use crate::actors::io::{Answer, BudgetsProjection, Error, Handle, Parts, Progress, RunRow, RunsProjection, Task};
use crate::actors::router::TablesProjection;
use crate::actors::runtime::{self, Launch};
use crate::actors::tests::{BEGIN, SECOND, Watched, configs, cx, journal, read, soon, start, stop, world};
use crate::actors::{crown, executor, router};
use crate::field::Mailroom;
use crate::inference::{Lexical, Runtime};
use crate::store::{Disk, Event, Journal, Memory};
use crate::supervision::{Child, Root, Strategy, Tree};
use crate::types::{Budget, Class, Cx, Money, RunId, World};
use crate::ziggy::route::Candidate;
use crate::ziggy::{IntentModel, ladder, privacy};

/// Longer than any run of these tests may take.
pub(super) const LONG: Duration = Duration::from_secs(300);

pub(super) struct Bench {
    pub(super) world: World,
    pub(super) journal: Arc<Memory>,
    pub(super) io: Handle,
    pub(super) inbox: inbox::Handle,
    pub(super) crown: crown::Handle,
    root: Root,
}

/// One agent for each runtime, named as it is, the first the best.
pub(super) async fn bench(runtimes: &[Arc<Watched>]) -> Bench {
    bench_on(&Disk::default(), runtimes).await
}

pub(super) async fn bench_on(disk: &Disk, runtimes: &[Arc<Watched>]) -> Bench {
    bench_with(disk, runtimes, configs::inbox()).await
}

/// The same with these rules of when people are asked.
pub(super) async fn bench_with(disk: &Disk, runtimes: &[Arc<Watched>], reviewing: inbox::Config) -> Bench {
    bench_of(disk, runtimes, reviewing, configs::ladder()).await
}

/// The same with this ladder.
pub(super) async fn bench_under(disk: &Disk, runtimes: &[Arc<Watched>], ladder: ladder::Config) -> Bench {
    bench_of(disk, runtimes, configs::inbox(), ladder).await
}

async fn bench_of(disk: &Disk, runtimes: &[Arc<Watched>], reviewing: inbox::Config, ladder: ladder::Config) -> Bench {
    let world = world();
    let journal = journal(
        disk,
        &world,
        vec![
            Arc::new(RunsProjection),
            Arc::new(GovernanceProjection),
            Arc::new(MemoryProjection),
            Arc::new(BudgetsProjection),
            Arc::new(InboxProjection),
            Arc::new(TablesProjection),
        ],
    );
    let governing = read(json!({ "watch_every_s": 600, "alerts_kept": 4, "overrides_most": 4 }));
    let (crown, governor) = crown::Handle::launch(journal.clone(), governing, &world);
    let (executor, executor_child) =
        executor::Handle::of_functions("native", Vec::new(), journal.clone(), configs::executor(), &world).unwrap();
    let mut children = vec![governor, executor_child];
    let (mut agents, mut candidates, mut drivers) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (place, runtime) in runtimes.iter().enumerate() {
        let made = agent(place, runtime, &executor, &journal, &world);
        candidates.push(made.candidate);
        drivers.push(made.driver);
        agents.insert(made.agent.profile().name.clone(), made.agent);
        children.extend(made.children);
    }
    let routing = read(
        json!({ "rebuild_every_ms": 1_000, "waiting": 64, "snapshot_every_s": 3_600, "candidates_most": 100, "deltas_most": 8 }),
    );
    let (router, router_child) = router::Handle::launch(
        candidates,
        drivers,
        crown.clone(),
        journal.clone(),
        (routing, &configs::ziggy(), &privacy::Config::default()),
        &world,
    );
    let outbound = Arc::new(Mailroom::default());
    let waiting = inbox::Parts { journal: journal.clone(), crown: crown.clone(), outbound, keys: BTreeMap::new() };
    let (inbox, inbox_child) = inbox::Handle::launch(waiting, reviewing, &world);
    let parts = Parts {
        journal: journal.clone(),
        embedder: Arc::new(Lexical),
        intents: Arc::new(IntentModel::default()),
        chunk: configs::ziggy().chunk,
        inbox: inbox.clone(),
        router,
        crown: crown.clone(),
        agents: Arc::new(agents),
        ladder: Arc::new(ladder),
        privacy: Arc::default(),
    };
    let config = read(json!({
        "pool": 2, "runs_most": 8, "chunks_at_once": 2, "task_bytes_max": 100_000, "tasks_bytes_max": 150_000, "prompt_bytes_max": 4_000,
        "chunks_most": 8, "run_within_s": 60, "answer_tokens": 64, "answer_bytes_max": 100_000, "durable_answers": true,
    }));
    let (io, io_child) = Handle::launch(parts, config, &world);
    children.extend([router_child, inbox_child, io_child]);
    let (root, _) = start(children, &world).await;
    Bench { world, journal, io, inbox, crown, root }
}

struct Made {
    agent: agent::Handle,
    candidate: Candidate,
    driver: runtime::Handle,
    children: [Child; 2],
}

fn agent(
    place: usize,
    runtime: &Arc<Watched>,
    executor: &executor::Handle,
    journal: &Arc<Memory>,
    world: &World,
) -> Made {
    let seen = runtime.capabilities();
    let launch = Launch { runtime: runtime.clone(), child: None };
    let (driver, driver_child) = runtime::Handle::launch(launch, configs::runtime(), world);
    let profile: agent::Profile = read(json!({
        "name": seen.name, "description": "a test agent", "enabled": true, "runtime": seen.name,
        "capabilities": ["general"], "system": "Be brief.", "tools": [], "remembers": false, "recall_most": 0,
        "recall_prompt": "{facts} {prompt}", "learn_prompt": "{prompt}",
        "concurrency": 8, "waiting": 8, "max_turns": 4, "max_answer_tokens": 256, "max_tokens": 32_768,
        "work_within_s": 20, "temperature": 0.0, "quality": 0.5, "weight": 100, "assumed_first_token_ms": 100,
        "assumed_token_ms": 10,
    }));
    let parts = agent::Parts {
        runtime: Some(driver.clone()),
        runtimes: Arc::default(),
        executor: executor.clone(),
        workspace: None,
        embedder: Arc::new(Lexical),
        journal: journal.clone(),
        memory: configs::memory(),
        answer_bytes_max: 100_000,
    };
    let (agent, child) = agent::Handle::launch(Definition::prompted(profile), parts, world);
    let quality = 0.9 - 0.2 * f64::from(u32::try_from(place).unwrap());
    let candidate = Candidate {
        tier: seen.tier,
        price: seen.price,
        context_tokens: seen.context_tokens,
        // As if nobody knew how it counts.
        appetite: agent.profile().appetite(false, true, seen.tools),
        cap: Some(8),
        ..configs::candidate(&seen.name, quality, BEGIN)
    };
    // Two rows of one id would clash, and an agent is called as its runtime here.
    let below = Tree::new(format!("runtime-{place}"), Strategy::OneForOne).child(driver_child);
    let children = [child, Child::tree(below)];
    Made { agent, candidate, driver, children }
}

pub(super) fn task(prompt: &str) -> Task {
    Task { prompt: prompt.to_owned(), ..Task::default() }
}

impl Bench {
    pub(super) fn cx(&self, within: Duration) -> Cx {
        cx(&self.world, within)
    }

    pub(super) async fn route(&self, cx: &Cx, task: Task) -> Result<Answer, Error> {
        let (news, _unread) = mpsc::channel::<Progress>(256);
        self.io.route(cx, task, news).await
    }

    pub(super) async fn ask(&self, prompt: &str) -> Result<Answer, Error> {
        soon(self.route(&self.cx(50 * SECOND), task(prompt))).await
    }

    /// Gives a task to whoever may spend so much money and so many tokens.
    pub(super) async fn ask_for(&self, task: Task, money: i64, tokens: u64) -> Result<Answer, Error> {
        let cx = self.cx(50 * SECOND).with_budget(Budget { money: Money(money), tokens });
        soon(self.route(&cx, task)).await
    }

    /// The events of every run, run by run in the order in which they came in.
    pub(super) async fn runs(&self) -> Vec<(RunId, Vec<Event>)> {
        let mut runs: Vec<(RunId, Vec<Event>)> = Vec::new();
        for event in self.journal.read(1, 10_000).await.unwrap() {
            let Some(run) = event.run else { continue };
            match runs.iter_mut().find(|(known, _)| *known == run) {
                Some((_, events)) => events.push(event),
                None => runs.push((run, vec![event])),
            }
        }
        runs
    }

    pub(super) async fn row(&self, run: RunId) -> RunRow {
        let row = self.journal.row(RunsProjection::NAME, &run.to_string()).await.unwrap();
        read(row.unwrap())
    }

    /// Returns when a run has ended, with the kind of its last event, once it is certain that no other follows.
    pub(super) async fn ending(&self, run: RunId) -> (String, Class) {
        let mut news = self.journal.subscribe();
        let last = async {
            loop {
                let events = self.journal.read_run(run, 1_000).await.unwrap();
                let ended: Vec<&Event> = events.iter().filter(|event| ends(&event.kind)).collect();
                assert!(ended.len() <= 1, "{ended:?}");
                if let Some(last) = ended.first() {
                    assert_eq!(events.last().map(|event| event.seq), Some(last.seq), "nothing follows the end");
                    let class = last.body.value()["class"].as_str().and_then(Class::from_word);
                    return (last.kind.clone(), class.unwrap_or(Class::Internal));
                }
                news.recv().await.unwrap();
            }
        };
        soon(last).await
    }

    pub(super) async fn end(self) {
        stop(&self.root, &self.world).await;
        self.journal.close().await.unwrap();
    }
}

pub(super) fn ends(kind: &str) -> bool {
    ["run.completed", "run.failed", "run.cancelled", "run.interrupted"].contains(&kind)
}
