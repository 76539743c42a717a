//! A kill right before and right after every commit of a life with all that must not happen twice or be forgotten: a
//! tool, money, a memory and a person's word.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::host::{BEGINNING, Host, exported, verified};
use crate::program::{configure, good};
use crate::raw::{self, END, EVENTS, counted, said};
use crate::support::eventually;

/// Lives tried side by side: as many as the smallest machine has cores.
const AT_ONCE: usize = 2;

/// What the endpoint says that it used for each question.
const USED: u64 = 42;

/// A model that calls a tool when it is asked to add, and answers everything else at once. It outlives the hosts, and
/// counts how often it was asked.
struct Model {
    _serving: tokio::task::JoinSet<()>,
    url: String,
    asked: Arc<AtomicU64>,
}

impl Model {
    async fn start() -> Model {
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let (serving, url) = raw::serving(move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let adds = body.contains("two and three") && !body.contains("\"role\":\"tool\"");
            let call = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":\
                        {\"name\":\"sum\",\"arguments\":\"{\\\"terms\\\":[2,3]}\"}}]},\"finish_reason\":null}]}\n\n";
            let said = if adds { call.to_owned() } else { said("Done.") };
            (format!("{EVENTS}{said}{}{END}", counted(USED - 2, 2)).into_bytes(), false)
        })
        .await;
        Model { _serving: serving, url, asked }
    }

    fn configure(&self, data: &Path, more: &str) {
        std::fs::create_dir_all(data).unwrap();
        let text = format!(
            "{more}\n[budgets]\nlimits = [{{ scope = \"tenant:*\", window = \"total\", tokens = 1000000 }}]\n\
             [inference.runtimes.local]\nkind = \"openai\"\nmodel = \"raw\"\nbase_url = \"{}\"\ntier = \"local\"\n\
             tools = true\ncontext_tokens = 8192\nmax_tokens = 64\nprice = {{ input = 1000000, output = 1000000 }}\n\
             [[review.rules]]\nname = \"all\"\nkind = \"policy\"\naction = \"before\"\ndeadline_s = 600\nquorum = 1\n\
             on_expiry = \"deny\"\nkeywords = [\"xylophone\"]\n",
            self.url
        );
        configure(data, &text);
    }
}

/// What a client holds against the hosts it spoke with.
#[derive(Debug, Default)]
struct Heard {
    learned: Option<String>,
    added: Option<String>,
    parked: Option<String>,
    approved: bool,
    built: bool,
}

/// Lives the life, as far as the host does.
async fn live(host: &Host, heard: &mut Heard) -> Option<()> {
    let answered = |(status, body): (u16, Value)| {
        assert_eq!(status, 200, "{body}");
        body["run_id"].as_str().map(str::to_owned)
    };
    let remember = json!({ "prompt": "Remember that my favourite colour is teal.", "agent": "zoi" });
    heard.learned = answered(host.post("/route", &remember).await?);
    let add = json!({ "prompt": "Add two and three.", "agent": "marvin" });
    heard.added = answered(host.post("/route", &add).await?);
    let build = json!({ "prompt": "Build a xylophone.", "agent": "marvin", "detach": true });
    let (status, body) = host.post("/route", &build).await?;
    assert_eq!(status, 202, "{body}");
    let run = body["run_id"].as_str().unwrap().to_owned();
    heard.parked = Some(run.clone());
    reaches(host, &run, &["parked"]).await?;
    let (status, body) = host.post(&format!("/hitl/{run}-1/approve"), &json!({})).await?;
    assert_eq!(status, 200, "{body}");
    heard.approved = true;
    reaches(host, &run, &["completed"]).await?;
    heard.built = true;
    Some(())
}

/// Returns when a run has one of these states, or the host has died.
async fn reaches(host: &Host, run: &str, states: &[&str]) -> Option<()> {
    eventually("the run goes on", async || {
        let Some(row) = host.row(run).await else { return Some(None) };
        states.contains(&row["status"].as_str().unwrap()).then_some(Some(()))
    })
    .await
}

/// The events of a whole life.
async fn events() -> u64 {
    let (home, model) = (tempfile::tempdir().unwrap(), Model::start().await);
    let data = &home.path().join("data");
    model.configure(data, "");
    let host = Host::start(data).await;
    live(&host, &mut Heard::default()).await.unwrap();
    let events = exported(data).await.len() as u64;
    if super::host::number("SYZYGY_TEST_SHOWS", 0) > 0 {
        super::host::loudly(&exported(data).await.join("\n"));
    }
    host.stop().await;
    events
}

async fn killed_at(key: &str, event: u64) {
    let what = format!("{key} = {event}");
    let (home, model) = (tempfile::tempdir().unwrap(), Model::start().await);
    let data = &home.path().join("data");
    model.configure(data, &format!("[store]\n{what}\n"));
    let (mut host, mut heard) = (Host::spawn(data), Heard::default());
    if host.ready().await.is_some() {
        let _ = live(&host, &mut heard).await;
    }
    // The last events of a life may come in one commit, and the life is over before the host dies of them.
    host.kill().await;
    let again = verified(data, &what).await + 1 + event % BEGINNING;
    model.configure(data, &format!("[store]\n{key} = {again}\n"));
    Host::begun_and_killed(data).await;
    let what = format!("{what}, and {again} in the life after it");
    verified(data, &what).await;
    model.configure(data, "");
    let host = Host::start(data).await;
    kept(&host, &heard, &model, &what, data).await;
    host.stop().await;
    good(data, &["audit", "verify"]).await;
}

/// Whether this host, the next after a kill, keeps what was promised.
async fn kept(host: &Host, heard: &Heard, model: &Model, what: &str, data: &Path) {
    let mut rows = host.runs().await;
    for run in [&heard.learned, &heard.added].into_iter().flatten() {
        assert_eq!(rows[run]["status"], "completed", "{what}: run {run} was answered");
    }
    // What a person said is carried out once, and what waits for a person waits on.
    if let Some(run) = &heard.parked {
        let status = rows.get(run).unwrap_or_else(|| panic!("{what}: run {run} is lost"))["status"].clone();
        assert!(!heard.built || status == "completed", "{what}: {status}");
        if status == "parked" && !heard.approved {
            let said = host.post(&format!("/hitl/{run}-1/approve"), &json!({})).await.unwrap();
            assert!([200, 409].contains(&said.0), "{what}: {said:?}");
        }
        reaches(host, run, &["completed", "interrupted"]).await.unwrap();
        rows = host.runs().await;
    }
    let export: Vec<Value> = exported(data).await.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |run: &str, kind: &str| export.iter().filter(|one| one["run"] == run && one["kind"] == kind).count();
    for (run, row) in &rows {
        let ends = ["run.completed", "run.failed", "run.cancelled", "run.interrupted"];
        let ended: usize = ends.iter().map(|kind| of(run, kind)).sum();
        assert_eq!((of(run, "run.accepted"), ended), (1, 1), "{what}: {row}");
        for kind in ["hop.served", "tool.called", "memory.delta", "run.resumed"] {
            assert!(of(run, kind) <= 1, "{what}: {kind} twice in {run}");
        }
        assert!(["completed", "interrupted"].contains(&row["status"].as_str().unwrap()), "{what}: {row}");
    }
    charged(host, model, what, &export).await;
    if heard.learned.is_some() {
        let ask = json!({ "prompt": "What is my favourite colour?", "agent": "zoi" });
        let (status, answer) = host.post("/route", &ask).await.unwrap();
        assert_eq!(status, 200, "{what}: {answer}");
        assert!(answer["recalled"].to_string().contains("teal"), "{what}: {answer}");
    }
}

/// What was used is charged, once, and nothing is reserved by the dead.
async fn charged(host: &Host, model: &Model, what: &str, export: &[Value]) {
    let budgets: Value = serde_json::from_str(&host.get("/budgets").await).unwrap();
    let row =
        budgets["budgets"].as_array().unwrap().iter().find(|row| row["scope"].as_str().unwrap().starts_with("tenant:"));
    let (mut sum, mut seen) = (0, BTreeSet::new());
    for event in export {
        let body = &event["body"];
        let settled = if event["kind"] == "budget.charged" { body } else { &body["spent"] };
        if let (Some(tokens), Some(hold)) = (settled["charged"]["tokens"].as_u64(), settled["hold"].as_u64()) {
            assert!(seen.insert((event["run"].to_string(), hold)), "{what}: hold {hold} is charged twice");
            sum += tokens;
        }
    }
    let asked = model.asked.load(Ordering::SeqCst) * USED;
    assert!(sum >= asked, "{what}: {sum} tokens were charged, {asked} were used");
    let (spent, reserved) =
        row.map_or((0, 0), |row| (row["spent"].as_u64().unwrap(), row["reserved"].as_u64().unwrap()));
    assert_eq!((spent, reserved), (sum, 0), "{what}: {budgets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_position_does_nothing_twice_and_forgets_nothing() {
    let last = events().await;
    assert!((20..80).contains(&last), "the life has {last} events");
    let points = ["crash_before_event", "crash_after_event"];
    let lives = points.iter().flat_map(|key| (1..=last).map(move |event| killed_at(key, event)));
    stream::iter(lives).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}
