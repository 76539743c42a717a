//! Two real providers of the same model, one in this process and one llama.cpp server behind a line that is made slow,
//! limited, dead, unsteady and dear: traffic moves, comes back, and `syzygy why` tells why.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::program::{Running, configure, good, json};
use crate::raw;
use crate::support::{eventually, part, real_models};

/// What the line does with a question.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// It waits before it passes it on.
    Slow(Duration),
    /// It says 429, and to come back in a second.
    Limited,
    /// It hangs up.
    Dead,
    /// It hangs up on every second question, and looks well to who only looks.
    Unsteady,
}

/// The line to the server, and how often something was asked of it in vain.
#[derive(Clone)]
struct Line {
    mood: Arc<Mutex<Mood>>,
    wasted: Arc<AtomicU32>,
    /// Questions since it is unsteady.
    asked: Arc<AtomicU32>,
}

impl Line {
    fn is(&self, mood: Mood) {
        *self.mood.lock() = mood;
        self.wasted.store(0, Ordering::SeqCst);
    }

    async fn carry(self, mut stream: TcpStream, server: String, http: reqwest::Client) {
        let Some(request) = raw::request(&mut stream).await else { return };
        let mood = *self.mood.lock();
        let asks = request.starts_with("POST ");
        let mood = match mood {
            Mood::Unsteady if asks && self.asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) => Mood::Dead,
            Mood::Unsteady => Mood::Well,
            other => other,
        };
        if asks && matches!(mood, Mood::Dead | Mood::Limited) {
            self.wasted.fetch_add(1, Ordering::SeqCst);
        }
        match mood {
            Mood::Dead => return,
            Mood::Limited if asks => {
                let _ = stream.write_all(b"HTTP/1.1 429 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n").await;
                return;
            }
            // The line is slow; nobody waits for it to become quick.
            Mood::Slow(by) if asks => _ = tokio::time::timeout(by, std::future::pending::<()>()).await,
            _ => {}
        }
        let path = request.split(' ').nth(1).unwrap().to_owned();
        let body = request.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        let url = format!("{server}{path}");
        let sent =
            if asks { http.post(url).header("content-type", "application/json").body(body) } else { http.get(url) };
        let Ok(answer) = sent.send().await else { return };
        let (status, kind) = (answer.status(), answer.headers().get("content-type").cloned());
        let kind = kind.map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
        let head = format!("HTTP/1.1 {} Said\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n", status.as_u16());
        let body = answer.bytes().await.unwrap_or_default();
        let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    }
}

/// A llama.cpp server over the model of the tests, if it can be had here, and where it is.
async fn server(model: &Path) -> Option<(Child, String)> {
    let python = part("llama-server", "venv/bin/python")?;
    part("llama-server", "venv/.complete")?;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/llama-server.py");
    let mut command = Command::new(python);
    command.arg(script).arg(model).arg(port.to_string()).kill_on_drop(true);
    let process = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Some((process, format!("http://127.0.0.1:{port}")))
}

/// The host's configuration: everything is forgiven and forgotten within seconds instead of minutes, and the server costs
/// this much for a million tokens.
fn settings(line: &str, price: u64) -> String {
    format!(
        "[router]\nrebuild_every_ms = 100\n[runtime]\nhealth_every_s = 1\n\
         [ziggy.live]\nlatency_half_life_s = 1\npenalty_half_life_s = 4\nsuppress = 1500\n\
         [ziggy.score]\nequal_within = 0\n[ziggy.score.anchors]\ntypical_output_tokens = 8\nlatency_good_ms = 1500\nlatency_bad_ms = 8000\n\
         [limit.circuit]\nopen_ms = 500\nopen_most_ms = 1000\n\
         [inference.runtimes.local]\nkind = \"embedded\"\nmodel = \"smollm2-135m-instruct\"\ncontext_tokens = 2048\n\
         max_tokens = 8\nprice = {{ input = 0, output = 0 }}\n\
         [inference.runtimes.line]\nkind = \"openai\"\nmodel = \"smollm2\"\nbase_url = \"{line}/v1\"\ntier = \"private\"\n\
         tools = false\ncontext_tokens = 2048\nmax_tokens = 8\nprice = {{ input = {price}, output = {price} }}\n"
    )
}

/// Asks once; who served, and in which run. Nobody may hear of a failure.
async fn ask(data: &Path) -> (String, String) {
    let answer = json(data, &["ask", "What is the capital of France?", "--max-tokens", "8"]).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&answer["served_by"][0]), text(&answer["run_id"]))
}

/// Asks until this one serves, as often as that may take.
async fn until(data: &Path, who: &str, most: usize) -> String {
    for _ in 0..most {
        let (served, run) = ask(data).await;
        if served == who {
            return run;
        }
    }
    panic!("{who} did not serve within {most} requests: {}", good(data, &["why-not", "general/public", who]).await);
}

/// What the program says, however its lines are broken.
async fn told(data: &Path, arguments: &[&str]) -> String {
    good(data, arguments).await.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the table says of a candidate that may serve: its place, and one part of its score in millionths.
async fn stands(data: &Path, who: &str, part: &str) -> (u64, u64) {
    let told = json(data, &["why-not", "general/public", who]).await;
    let considered = &told["considered"];
    assert_eq!(considered["verdict"], "legal", "{told}");
    (considered["place"].as_u64().unwrap(), considered["parts"][part].as_u64().unwrap())
}

/// What the table said of a candidate when a run was decided: one number of its score.
async fn stood(data: &Path, run: &str, who: &str, what: &str) -> f64 {
    let why = told(data, &["why", run]).await;
    let said = why.split_once(&format!("{who}: score")).map(|(_, rest)| format!("score{rest}"));
    let number = said.as_deref().and_then(|said| said.split_once(&format!("{what} "))).map(|(_, rest)| rest);
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let number = number.and_then(|rest| rest[..end(rest)].parse().ok());
    number.unwrap_or_else(|| panic!("there is no {what} of {who} in {why}"))
}

const NEAR: &str = "marvin@local";
const FAR: &str = "far@line";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_moves_between_two_real_providers_and_comes_back_and_why_tells_the_story() {
    let Some(models) = real_models() else { return };
    let Some((_server, url)) = server(&models.join("smollm2-135m-instruct/model.gguf")).await else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    eventually("the server is ready", async || {
        let answer = http.get(format!("{url}/health")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
    })
    .await;
    let line = Line { mood: Arc::new(Mutex::new(Mood::Well)), wasted: Arc::default(), asked: Arc::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut carrying = JoinSet::new();
    let carrier = line.clone();
    carrying.spawn(async move {
        let mut carried = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            carried.spawn(carrier.clone().carry(stream, url.clone(), http.clone()));
        }
    });
    let home = tempfile::tempdir().unwrap();
    let data = home.path();
    std::os::unix::fs::symlink(&models, data.join("models")).unwrap();
    std::fs::create_dir_all(data.join("agents")).unwrap();
    let agent = include_str!("../../config/agents/marvin.toml");
    let agent =
        agent.replace("name = \"marvin\"", "name = \"far\"").replace("runtime = \"local\"", "runtime = \"line\"");
    std::fs::write(data.join("agents/far.toml"), agent.replace("quality = 0.5", "quality = 0.59")).unwrap();
    configure(data, &settings(&address, 0));
    let host = Running::start(data).await;
    until(data, FAR, 20).await;

    slow(data, &line).await;
    limited(data, &line).await;
    dead(data, &line).await;
    unsteady(data, &line).await;
    let (_, cheap) = stands(data, FAR, "cost").await;
    host.stop().await;
    dear(data, &address, cheap).await;
    good(data, &["audit", "verify"]).await;
}

async fn slow(data: &Path, line: &Line) {
    let quick = stood(data, &until(data, FAR, 20).await, FAR, "latency").await;
    line.is(Mood::Slow(Duration::from_secs(6)));
    let run = until(data, NEAR, 8).await;
    line.is(Mood::Well);
    let why = told(data, &["why", &run]).await;
    assert!(why.contains(&format!("{NEAR} serves general/public")), "{why}");
    // What the table said when that was decided: a second later half of it is forgotten.
    let slow = stood(data, &run, FAR, "latency").await;
    assert!(slow < quick, "the score of its latency fell from {quick} to {slow}: {why}");
    let scores = (stood(data, &run, NEAR, "score").await, stood(data, &run, FAR, "score").await);
    assert!(scores.0 > scores.1, "{scores:?}: {why}");
    let again = stood(data, &until(data, FAR, 60).await, FAR, "latency").await;
    assert!(again > slow, "the score of its latency rose from {slow} to {again}");
}

async fn limited(data: &Path, line: &Line) {
    line.is(Mood::Limited);
    let (served, run) = ask(data).await;
    assert_eq!(served, NEAR);
    let why = told(data, &["why", &run]).await;
    assert!(why.contains(FAR) && why.contains("rate limiting") && why.contains("Step to"), "{why}");
    // It said when to come back, so nobody asks it before.
    let wasted = line.wasted.load(Ordering::SeqCst);
    assert_eq!(wasted, 1);
    line.is(Mood::Well);
    until(data, FAR, 60).await;
}

async fn dead(data: &Path, line: &Line) {
    line.is(Mood::Dead);
    let (served, run) = ask(data).await;
    assert_eq!(served, NEAR);
    let why = told(data, &["why", &run]).await;
    // Where the model here is slow, whoever looks at its health may have found it dead before anybody asked it.
    let told = [format!("{FAR} failed"), "Step to".to_owned(), format!("{FAR}: excluded, because it cannot work")];
    assert!(told.iter().any(|words| why.contains(words)), "{why}");
    for _ in 0..9 {
        assert_eq!(ask(data).await.0, NEAR);
    }
    let wasted = line.wasted.load(Ordering::SeqCst);
    // None at all, where its health was known before anybody asked.
    assert!(wasted <= 4, "{wasted} attempts of ten were wasted");
    line.is(Mood::Well);
    until(data, FAR, 60).await;
}

async fn unsteady(data: &Path, line: &Line) {
    line.is(Mood::Unsteady);
    let mut suppressed = None;
    for _ in 0..16 {
        ask(data).await;
        let told = json(data, &["why-not", "general/public", FAR]).await;
        if told["considered"]["dampened"].is_object() {
            suppressed = Some(told["words"].to_string());
        }
    }
    let Some(suppressed) = suppressed else { panic!("it failed often enough to be suppressed") };
    assert!(suppressed.contains(&format!("{NEAR} comes before it")), "{suppressed}");
    assert!(suppressed.contains("ranked last for penalty ") && suppressed.contains(" until "), "{suppressed}");
    // Eight, if it were not held back for its failures.
    let wasted = line.wasted.load(Ordering::SeqCst);
    assert!((2..=5).contains(&wasted), "{wasted} attempts of sixteen were wasted");
    line.is(Mood::Well);
    until(data, FAR, 60).await;
}

/// The same host, once the server has become dear.
async fn dear(data: &Path, address: &str, cheap: u64) {
    configure(data, &settings(address, 20_000_000));
    let host = Running::start(data).await;
    let run = until(data, NEAR, 5).await;
    let why = told(data, &["why", &run]).await;
    assert!(why.contains(&format!("{NEAR} serves general/public")), "{why}");
    let away = told(data, &["why-not", "general/public", FAR]).await;
    assert!(away.contains(&format!("but {NEAR} comes before it: it is number 2")), "{away}");
    // What it is expected to cost, and the most, which is what would be reserved.
    assert!(away.contains("an expected $0.0") && away.contains("in the worst case"), "{away}");
    let (_, dear) = stands(data, FAR, "cost").await;
    assert!(dear < cheap, "the score of its cost fell from {cheap} to {dear}");
    assert_eq!(stands(data, NEAR, "cost").await, (1, 1_000_000), "that of the other is what it was");
    host.stop().await;
}
