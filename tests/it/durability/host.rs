//! A host as a process that may die at any moment, what a client may hold against it, and whether it keeps that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::program::{command, configure};
use crate::support::{MINUTE, eventually};

/// A data directory whose host answers everything with a fixed text, with these lines in its configuration.
pub(super) fn configured(data: &Path, more: &str) {
    std::fs::create_dir_all(data).unwrap();
    configure(
        data,
        &format!(
            "{more}\n[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Forty-two.\"\ntier = \"local\"\n"
        ),
    );
}

/// What hosts have acknowledged over all their lives.
#[derive(Default)]
pub(super) struct Promised {
    /// Runs whose id was handed out.
    pub(super) accepted: BTreeSet<String>,
    /// Runs whose answer was given.
    pub(super) answered: BTreeSet<String>,
}

impl Promised {
    fn add(&mut self, other: Promised) {
        self.accepted.extend(other.accepted);
        self.answered.extend(other.answered);
    }
}

/// Events of a journal whose chain holds.
pub(super) async fn verified(data: &Path, what: &str) -> u64 {
    let (exit, out, error) = crate::program::run(data, &["audit", "verify", "-o", "json"]).await;
    assert_eq!(exit, 0, "{what}: {out}{error}");
    let found: Value = serde_json::from_str(&out).unwrap();
    found["verified"].as_u64().unwrap()
}

/// Events at the beginning of a life that follows a kill, at one of which it is killed again: what was unfinished is
/// marked, what was reserved is charged, the start is written down.
pub(super) const BEGINNING: u64 = 4;

/// A host that runs.
pub(super) struct Host {
    process: Child,
    data: PathBuf,
    url: Option<String>,
    http: reqwest::Client,
}

impl Host {
    /// Starts one and does not wait for it.
    pub(super) fn spawn(data: &Path) -> Host {
        Host::spawn_as(command(data, &["up", "--listen", "127.0.0.1:0"]), data)
    }

    /// Starts one by this command. What it says goes to `up.log` beside the data directory.
    pub(super) fn spawn_as(mut up: Command, data: &Path) -> Host {
        let log = std::fs::File::create(log_of(data)).unwrap();
        let process = up.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        // Fails if another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(MINUTE).build().unwrap();
        Host { process, data: data.to_owned(), url: None, http }
    }

    /// Where it answers, once it does. None if it has died.
    pub(super) async fn ready(&mut self) -> Option<String> {
        let mut again = tokio::time::interval(Duration::from_millis(5));
        let found = async {
            loop {
                again.tick().await;
                if self.process.try_wait().unwrap().is_some() {
                    return None;
                }
                let text = std::fs::read_to_string(self.data.join("host.json")).unwrap_or_default();
                let Ok(said) = serde_json::from_str::<Value>(&text) else { continue };
                let url = said["url"].as_str().unwrap().to_owned();
                let own = said["pid"].as_u64() == self.process.id().map(u64::from);
                let ready = format!("{url}/readyz");
                if own && self.http.get(ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
                    return Some(url);
                }
            }
        };
        let found = tokio::time::timeout(MINUTE, found).await.unwrap_or_else(|_| panic!("not ready: {}", self.log()));
        self.url.clone_from(&found);
        found
    }

    /// Starts one that must come up.
    pub(super) async fn start(data: &Path) -> Host {
        let mut host = Host::spawn(data);
        assert!(host.ready().await.is_some(), "{}", host.log());
        host
    }

    /// What it has said on stderr.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(log_of(&self.data)).unwrap()
    }

    /// Ends it as a power cut does.
    pub(super) async fn kill(mut self) {
        let _ = self.process.start_kill();
        self.died().await;
    }

    /// Waits for its end.
    pub(super) async fn died(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(MINUTE, self.process.wait()).await;
        ended.unwrap_or_else(|_| panic!("it lives: {}", self.log())).unwrap()
    }

    /// Starts one that is killed while it begins, or when it has begun.
    pub(super) async fn begun_and_killed(data: &Path) {
        let mut host = Host::spawn(data);
        match host.ready().await {
            Some(_) => host.kill().await,
            None => drop(host.died().await),
        }
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.data.join("operator.token")).unwrap().trim().to_owned()
    }

    async fn try_get(&self, path: &str) -> reqwest::Result<String> {
        let url = format!("{}{path}", self.url.as_ref().unwrap());
        self.http.get(url).bearer_auth(self.token()).send().await?.error_for_status()?.text().await
    }

    /// What it answers to this, whatever it is; none if it has died before it did.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let url = format!("{}{path}", self.url.as_ref()?);
        let answer = self.http.post(url).bearer_auth(self.token()).json(body).send().await.ok()?;
        let status = answer.status().as_u16();
        // What did not arrive whole was not acknowledged.
        Some((status, answer.json().await.ok()?))
    }

    /// The row of a run; none if it has died.
    pub(super) async fn row(&self, run: &str) -> Option<Value> {
        serde_json::from_str(&self.try_get(&format!("/runs/{run}")).await.ok()?).ok()
    }

    pub(super) async fn get(&self, path: &str) -> String {
        self.try_get(path).await.unwrap_or_else(|error| panic!("{path}: {error}: {}", self.log()))
    }

    /// Starts clients that give one task after another until the host is gone, odd ones without waiting for answers.
    /// `told` hears of each acknowledgement.
    pub(super) fn load(&self, clients: usize, text: &str, told: &tokio::sync::watch::Sender<u64>) -> Clients {
        let mut working = JoinSet::new();
        for client in 0..clients {
            let (http, token, told) = (self.http.clone(), self.token(), told.clone());
            let url = format!("{}/route", self.url.as_ref().unwrap());
            let text = text.to_owned();
            working.spawn(async move {
                let (mut promised, detach) = (Promised::default(), client % 2 == 1);
                for number in 0_u64.. {
                    let task = json!({ "prompt": format!("{client} {number} {text}"), "detach": detach });
                    let sent = http.post(&url).bearer_auth(&token).json(&task).send().await;
                    let Ok(answer) = sent else { break };
                    let status = answer.status();
                    // What did not arrive whole was not acknowledged.
                    let Ok(body) = answer.json::<Value>().await else { break };
                    if !status.is_success() {
                        break;
                    }
                    let run = body["run_id"].as_str().unwrap().to_owned();
                    if detach { &mut promised.accepted } else { &mut promised.answered }.insert(run);
                    told.send_modify(|count| *count += 1);
                }
                promised
            });
        }
        Clients(working)
    }

    /// Checks that this host, the first after a crash, keeps every promise of those before. Returns the runs that were
    /// interrupted.
    pub(super) async fn keeps(&self, promised: &Promised, what: &str) -> BTreeSet<String> {
        let rows = self.runs().await;
        let export = self.get("/audit/export").await;
        let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in export.lines().skip(1) {
            let event: Value = serde_json::from_str(line).unwrap();
            if let (Some(run), Some(kind)) = (event["run"].as_str(), event["kind"].as_str()) {
                *counted.entry((run.to_owned(), kind.to_owned())).or_default() += 1;
            }
        }
        let count = |run: &str, kind: &str| counted.get(&(run.to_owned(), kind.to_owned())).copied().unwrap_or(0);
        for run in promised.accepted.union(&promised.answered) {
            assert!(rows.contains_key(run), "{what}: run {run} was acknowledged and is lost");
        }
        let mut interrupted = BTreeSet::new();
        for (run, row) in &rows {
            let ends = ["run.completed", "run.failed", "run.cancelled", "run.interrupted"];
            let ended: usize = ends.iter().map(|kind| count(run, kind)).sum();
            assert_eq!((count(run, "run.accepted"), ended), (1, 1), "{what}: run {run} begins and ends once: {row}");
            assert!(count(run, "hop.served") <= 1, "{what}: run {run} was done twice");
            let status = row["status"].as_str().unwrap();
            assert!(["completed", "interrupted", "cancelled"].contains(&status), "{what}: {row}");
            assert!(!promised.answered.contains(run) || status == "completed", "{what}: it was answered: {row}");
            if status == "interrupted" {
                assert_eq!(row["reason"], "the host stopped before the run had ended", "{what}");
                interrupted.insert(run.clone());
            }
        }
        interrupted
    }

    /// Every run it lists, by id.
    pub(super) async fn runs(&self) -> BTreeMap<String, Value> {
        let (mut rows, mut after) = (BTreeMap::new(), String::new());
        loop {
            let page: Value = serde_json::from_str(&self.get(&format!("/runs?limit=500{after}")).await).unwrap();
            let listed = page["runs"].as_array().unwrap();
            rows.extend(listed.iter().map(|row| (row["run_id"].as_str().unwrap().to_owned(), row.clone())));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return rows,
            }
        }
    }

    /// Waits until nothing is under way, and stops.
    pub(super) async fn stop(mut self) {
        let id = i32::try_from(self.process.id().unwrap()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let status = self.died().await;
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

/// Clients at work.
pub(super) struct Clients(JoinSet<Promised>);

impl Clients {
    /// Adds what they hold against the host, once all have found it gone.
    pub(super) async fn ended(self, promised: &mut Promised) {
        let all = tokio::time::timeout(MINUTE, self.0.join_all()).await.unwrap();
        all.into_iter().for_each(|one| promised.add(one));
    }
}

/// Where a host's words go: beside its data, which may be full, read-only or compared byte by byte.
fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// A number from the environment, or the usual one.
pub(super) fn number(name: &str, usual: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap())
}

/// Says something that the harness does not hide, as it does what a passing test prints.
pub(super) fn loudly(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Every event of the journal, as `audit export` has it.
pub(super) async fn exported(data: &Path) -> Vec<String> {
    crate::program::good(data, &["audit", "export"]).await.lines().skip(1).map(str::to_owned).collect()
}

/// Waits until every run of the host has ended.
pub(super) async fn settled(host: &Host) {
    eventually("all runs have ended", async || {
        host.runs().await.values().all(|row| row["status"] != "running").then_some(())
    })
    .await;
}
