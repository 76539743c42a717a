//! The whole host: classification, `/route` with the scripted runtime, start to ready, idle memory.
//!
//! What watching costs: hosts side by side, one with nobody looking, one with the watchdog, one that logs, one that exports
//! every span; the same requests in turn.
//!
//! `cargo bench --bench host`. The host is the real binary on a real journal; its CPU time and memory are read from
//! the kernel. The floor of a request is `/healthz` of the same host in the same run: HTTP without any work.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark prints what it saw and stops if it cannot"
)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use syzygy::host::real_world;
use syzygy::inference::models::{Catalog, Config, Store};
use syzygy::inference::{Embedder, WordLlama};
use syzygy::types::{Cx, PrivacyClass};
use syzygy::ziggy::{Input, IntentModel, classify};

/// Requests of one round; with five rounds a percentile of 99 stands on fifty of them.
const REQUESTS: usize = 1_000;
/// Rounds of each kind, interleaved so that a busy moment hits both.
const ROUNDS: usize = 5;
/// The longest that half of the texts may take, in microseconds.
const AIM_US: f64 = 200.0;
/// Starts that are timed.
const STARTS: usize = 7;

fn main() {
    // The client is built without a provider of its own; a second installation would be an error that changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        classification().await;
        let data = tempfile::tempdir().unwrap();
        start_to_ready(data.path()).await;
        route(data.path()).await;
        drop(data);
        watching().await;
    });
}

/// What is classified, with its name.
fn texts() -> [(&'static str, String); 3] {
    [
        ("short", "What is the capital of France?".to_owned()),
        ("1 kB", "Please summarise the following report about the harbour of Lisbon. ".repeat(15)),
        ("10 kB", "The ships come in at night and leave before the sun is up, as they always did. ".repeat(128)),
    ]
}

/// Classification by rules alone, and as a host does it: with the vector of the text, made by the static embedding.
async fn classification() {
    let intents: IntentModel = toml::from_str(include_str!("../config/intents.toml")).unwrap();
    let embedder = wordllama();
    let cx = Cx::housekeeping(tokio::time::Instant::now(), Duration::from_secs(3_600));
    let vectors = embedder.embed(&cx, intents.texts()).await.unwrap();
    let model = intents.with_vectors(embedder.name(), vectors).unwrap();
    println!("classify (aim 200 us)        p50 us   p99 us   of the aim");
    for (name, text) in &texts() {
        for how in ["rules", "embedded and classified"] {
            let mut times = Vec::new();
            for _ in 0..2_000 {
                let began = Instant::now();
                let vector = match how {
                    "rules" => None,
                    _ => embedder.embed(&cx, vec![text.clone()]).await.unwrap().pop(),
                };
                let caller_class = PrivacyClass::Public;
                let input = Input { said: text, text, caller_class, embedding: vector.as_deref() };
                std::hint::black_box(classify(std::hint::black_box(&input), &model));
                times.push(began.elapsed());
            }
            let (p50, p99) = (micros(percentile(&mut times, 50)), micros(percentile(&mut times, 99)));
            println!("  {:30} {p50:7.1}  {p99:7.1}   {:.2}", format!("{name}, {how}"), p50 / AIM_US);
        }
    }
}

/// What `syzygy models pull` or `make parts` fetched.
fn wordllama() -> WordLlama {
    let named = std::env::var("SYZYGY_TEST_PARTS");
    let parts = named.unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/parts").to_owned());
    let nobody_pulls = Config { pip: Vec::new(), pull_timeout_s: 1 };
    let store = Store::new(Path::new(&parts), Catalog::read(Catalog::BUILT_IN).unwrap(), nobody_pulls);
    let installed = store.locate("wordllama-256").unwrap_or_else(|error| panic!("run `make parts` first: {error}"));
    WordLlama::load(&installed, real_world().clock).unwrap()
}

async fn start_to_ready(data: &Path) {
    let mut times = Vec::new();
    let mut memory = 0;
    for _ in 0..STARTS {
        let began = Instant::now();
        let host = Host::start(data).await;
        times.push(began.elapsed());
        memory = host.resident_kib();
    }
    let (median, worst) = (percentile(&mut times, 50), percentile(&mut times, 100));
    println!("start to ready, no models    median {:.0} ms, worst {:.0} ms", millis(median), millis(worst));
    println!("idle memory, no models       {:.1} MB resident", memory as f64 / 1024.0);
}

async fn route(data: &Path) {
    let host = Host::start(data).await;
    let task = serde_json::json!({ "prompt": "What is six times seven?" });
    let (mut floor, mut routed) = (Sample::default(), Sample::default());
    // The first requests fill caches and connections.
    host.round(&task, true, 100).await;
    for _ in 0..ROUNDS {
        floor.add(host.round(&task, false, REQUESTS).await);
        routed.add(host.round(&task, true, REQUESTS).await);
    }
    println!("one client, one after another     p50 us   p99 us  CPU us/request");
    floor.print("/healthz");
    routed.print("/route, scripted, recorded");
    let added = percentile(&mut routed.times, 50).saturating_sub(percentile(&mut floor.times, 50));
    println!("  added p50 {:.0} us; CPU ratio {:.1}", micros(added), routed.cpu_us() / floor.cpu_us());
    println!(
        "memory after {} runs          {:.1} MB resident",
        ROUNDS * REQUESTS + 100,
        host.resident_kib() as f64 / 1024.0
    );
}

/// The same requests to hosts that differ in who looks: each run is some ten spans and as many lines at `info`.
async fn watching() {
    let sink = wiremock::MockServer::builder().disable_request_recording().start().await;
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(wiremock::ResponseTemplate::new(200))
        .mount(&sink)
        .await;
    let exported = format!("log = \"info\"\notlp_endpoint = \"{}/v1/traces\"\n", sink.uri());
    let ways = [
        ("nobody looks", "log = \"off\"\n[supervision]\nhandle_limit_ms = 0\n".to_owned()),
        ("watchdog", "log = \"off\"\n".to_owned()),
        ("watchdog, log at info", "log = \"info\"\n".to_owned()),
        ("watchdog, log, spans exported", exported),
    ];
    let task = serde_json::json!({ "prompt": "What is six times seven?" });
    let mut hosts = Vec::new();
    for (name, looks) in ways {
        let data = tempfile::tempdir().unwrap();
        let host = Host::start_with(data.path(), &looks).await;
        host.round(&task, true, 100).await;
        hosts.push((name, data, host, Sample::default()));
    }
    for _ in 0..ROUNDS {
        for (_, _, host, sample) in &mut hosts {
            sample.add(host.round(&task, true, REQUESTS).await);
        }
    }
    println!("what watching costs a /route      p50 us   p99 us  CPU us/request");
    let alone = hosts[0].3.cpu_us();
    for (name, _, _, sample) in &mut hosts {
        sample.print(name);
        println!("    {:+.1} % CPU of one at which nobody looks", (sample.cpu_us() / alone - 1.0) * 100.0);
    }
}

#[derive(Default)]
struct Sample {
    times: Vec<Duration>,
    cpu: Duration,
}

impl Sample {
    fn add(&mut self, other: Sample) {
        self.times.extend(other.times);
        self.cpu += other.cpu;
    }

    fn cpu_us(&self) -> f64 {
        micros(self.cpu) / self.times.len() as f64
    }

    fn print(&mut self, name: &str) {
        let (p50, p99) = (percentile(&mut self.times, 50), percentile(&mut self.times, 99));
        println!("  {name:30} {:7.0}  {:7.0}  {:7.0}", micros(p50), micros(p99), self.cpu_us());
    }
}

/// The real binary, with a runtime that says one thing. Ended and waited for when it is dropped, however that comes.
struct Host {
    process: Process,
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Host {
    async fn start(data: &Path) -> Host {
        Host::start_with(data, "log = \"error\"\n").await
    }

    /// A host with this in its `[telemetry]` and after it.
    async fn start_with(data: &Path, telemetry: &str) -> Host {
        let _ = std::fs::remove_file(data.join("host.json"));
        let config = data.join("bench.toml");
        let runtime = "kind = \"scripted\"\nanswer = \"Forty-two.\"\ntier = \"local\"\n";
        std::fs::write(&config, format!("[inference.runtimes.local]\n{runtime}[telemetry]\n{telemetry}")).unwrap();
        let process = Process(
            Command::new(env!("CARGO_BIN_EXE_syzygy"))
                .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
                .arg(data)
                .arg("--config")
                .arg(&config)
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let client = reqwest::Client::builder().build().unwrap();
        loop {
            let described = std::fs::read(data.join("host.json")).ok();
            let described =
                described.and_then(|text| serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&text).ok());
            if let Some(url) = described.as_ref().and_then(|described| described["url"].as_str()) {
                let url = url.trim_end_matches('/').to_owned();
                if client.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success()) {
                    let token = std::fs::read_to_string(data.join("operator.token")).unwrap().trim().to_owned();
                    return Host { process, client, url, token };
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn round(&self, task: &serde_json::Value, route: bool, requests: usize) -> Sample {
        let mut times = Vec::with_capacity(requests);
        let cpu = self.cpu();
        for _ in 0..requests {
            let began = Instant::now();
            let request = if route {
                self.client.post(format!("{}/route", self.url)).bearer_auth(&self.token).json(task)
            } else {
                self.client.get(format!("{}/healthz", self.url))
            };
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            answer.bytes().await.unwrap();
            times.push(began.elapsed());
        }
        Sample { times, cpu: self.cpu() - cpu }
    }

    /// User and system time of the process: fields 14 and 15 of its stat, in ticks of 10 ms (Linux's USER_HZ is 100).
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.0.id())).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
