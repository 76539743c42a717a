//! Answers of a gigabyte, from an endpoint on a real socket and from code in the host, told over HTTP to readers that are
//! quick and to one that does not read: they are stopped at the limit and marked, memory does not grow with them, and the
//! journal does not hold them. Memory is that of a process of its own, held against what it was before in the same run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use syzygy::actors::agent::{Assignment, Definition, Kit, Work};
use syzygy::config::{Flag, Inputs, load};
use syzygy::host::Host;
use syzygy::inference::{
    Capabilities, Completion, Delta, Error, Finish, Health, Pacing, Request, Runtime, Scripted, Usage,
};
use syzygy::prelude::async_trait;
use syzygy::supervision::{Fault, Node, Status};
use syzygy::types::{Cleared, Cx};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::program::{Running, configure, good, json};
use crate::raw::{self, END, EVENTS, said};
use crate::support::{MINUTE, agent, end, eventually};

const MIB: u64 = 1 << 20;
const GIGABYTE: u64 = 1 << 30;

/// Bytes of an answer at the most, by the defaults.
const LIMIT: u64 = 131_072;

/// What a producer may have got rid of when it is stopped: the buffers of a socket and of its reader.
const ON_THE_WAY: u64 = 32 * MIB;

/// What memory may grow by while gigabytes come: buffers, and what an allocator keeps.
const GROWTH: u64 = 48 * MIB;

/// An endpoint that goes on for a gigabyte if it is asked to, and counts what it got rid of.
struct Flood {
    _serving: JoinSet<()>,
    url: String,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    sent: AtomicU64,
    /// Floods that have begun, and those of them that are over.
    begun: AtomicU64,
    over: watch::Sender<u64>,
}

impl Flood {
    async fn begin() -> Flood {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (mut serving, told) = (JoinSet::new(), Arc::<Told>::default());
        let shared = Arc::clone(&told);
        serving.spawn(async move {
            let mut served = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let told = Arc::clone(&shared);
                served.spawn(async move { told.serve(stream).await });
            }
        });
        Flood { _serving: serving, url, told }
    }

    /// Bytes it got rid of, once nothing is under way any more.
    async fn sent(&self) -> u64 {
        let told = &self.told;
        let all_over = |over: &u64| *over == told.begun.load(Ordering::Acquire);
        tokio::time::timeout(MINUTE, told.over.subscribe().wait_for(all_over)).await.unwrap().unwrap();
        told.sent.swap(0, Ordering::AcqRel)
    }
}

impl Told {
    async fn serve(&self, mut stream: TcpStream) {
        let Some(request) = raw::request(&mut stream).await else { return };
        if request.starts_with("GET ") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
            return;
        }
        let asked = |what: &str| request.contains(what);
        let events = said(&"word ".repeat(3_000)).repeat(4);
        let (head, block) = if asked("flood: events") {
            (EVENTS.to_owned(), events)
        } else if asked("flood: one event") {
            (format!("{EVENTS}data: "), "x".repeat(65_536))
        } else if asked("flood: no events") {
            (
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n".to_owned(),
                " ".repeat(65_536),
            )
        } else {
            // A million and a half that end well, or a word.
            let text = if asked("plenty") { said(&"word ".repeat(3_000)).repeat(100) } else { said("Fine.") };
            let _ = stream.write_all(format!("{EVENTS}{text}{END}").as_bytes()).await;
            return;
        };
        self.begun.fetch_add(1, Ordering::AcqRel);
        let mut sent = 0;
        let mut going = stream.write_all(head.as_bytes()).await.is_ok();
        while going && sent < GIGABYTE {
            going = stream.write_all(block.as_bytes()).await.is_ok();
            sent += block.len() as u64;
            self.sent.fetch_add(block.len() as u64, Ordering::AcqRel);
        }
        self.over.send_modify(|over| *over += 1);
    }
}

/// What a reader was told in the end.
struct Heard {
    /// Bytes of the text that was shown.
    text: u64,
    /// Name and facts of the last event.
    last: (String, Value),
}

/// Where a host answers, and the token it takes.
struct Door {
    url: String,
    token: String,
}

impl Door {
    fn of(data: &Path, address: Option<std::net::SocketAddr>) -> Door {
        let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
        let url = match address {
            Some(address) => format!("http://{address}"),
            None => serde_json::from_str::<Value>(&read("host.json")).unwrap()["url"].as_str().unwrap().to_owned(),
        };
        Door { url, token: read("operator.token").trim().to_owned() }
    }

    /// Asks for a stream, and begins to read it when `until` is there.
    async fn stream(&self, agent: &str, prompt: &str, until: impl Future<Output = ()>) -> Heard {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(3 * MINUTE).build().unwrap();
        let body = json!({ "prompt": prompt, "agent": agent }).to_string();
        let request = client.post(format!("{}/route", self.url)).bearer_auth(&self.token).body(body);
        let request = request.header("accept", "text/event-stream").header("content-type", "application/json");
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        until.await;
        let (mut heard, mut name, mut line) =
            (Heard { text: 0, last: (String::new(), Value::Null) }, String::new(), Vec::new());
        while let Some(chunk) = response.chunk().await.unwrap() {
            for byte in chunk {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                let whole = String::from_utf8(std::mem::take(&mut line)).unwrap();
                if let Some(event) = whole.strip_prefix("event: ") {
                    name = event.to_owned();
                } else if let Some(facts) = whole.strip_prefix("data: ") {
                    let facts: Value = serde_json::from_str(facts).unwrap();
                    heard.text += facts["text"].as_str().filter(|_| name == "text").map_or(0, |text| text.len() as u64);
                    heard.last = (name.clone(), facts);
                }
            }
        }
        heard
    }
}

impl Heard {
    /// Whether it ended in an error with these words in it.
    fn failed(&self, words: &str) {
        let (name, facts) = &self.last;
        assert!(name == "error" && facts.to_string().contains(words), "{words:?} is not in {name}: {facts}");
    }
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    found.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// Memory a process has now.
fn resident(process: u32) -> u64 {
    memory(process, "VmRSS")
}

/// The most it ever had.
fn peak(process: u32) -> u64 {
    memory(process, "VmHWM")
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let size = |entry: std::fs::DirEntry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => bytes_below(&entry.path()),
        _ => entry.metadata().map_or(0, |file| file.len()),
    };
    entries.map(size).sum()
}

fn up(node: &Value) {
    assert_eq!(node["status"], "up", "{node}");
    node["children"].as_array().into_iter().flatten().for_each(up);
}

/// The tree is up, the chain is whole, and the next one is served.
async fn well(data: &Path, door: &Door) {
    let fine = door.stream("marvin", "How are you?", async {}).await;
    assert_eq!((fine.last.0.as_str(), &fine.last.1["answer"]), ("answer", &json!("Fine.")));
    let tree = json(data, &["tree"]).await;
    tree["actors"].as_array().unwrap().iter().for_each(up);
    assert!(good(data, &["audit", "verify"]).await.starts_with("The chain is whole: "));
}

fn over(flood: &Flood, limits: &str) -> String {
    format!(
        "{limits}\n[inference.runtimes.local]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"{}\"\ntier = \"local\"\n\
         tools = false\ncontext_tokens = 4096\nmax_tokens = 64\nprice = {{ input = 0, output = 0 }}\n",
        flood.url
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_sends_a_gigabyte_is_stopped_and_nothing_of_it_stays() {
    let (data, flood) = (tempfile::tempdir().unwrap(), Flood::begin().await);
    let data = data.path();
    configure(data, &over(&flood, ""));
    let host = Running::start(data).await;
    let door = Door::of(data, None);
    well(data, &door).await;
    let floor = resident(host.id());

    let words = "at most 131072 are taken (io.answer_bytes_max)";
    let quick = door.stream("marvin", "flood: events", async {}).await;
    quick.failed(words);
    assert!(quick.text > 0 && quick.text <= LIMIT, "{} bytes were shown", quick.text);
    let sent = flood.sent().await;
    assert!(sent < ON_THE_WAY, "{sent} bytes were taken");
    // Nothing is read before the endpoint was stopped.
    let mut ends = flood.told.over.subscribe();
    let stopped = async { drop(tokio::time::timeout(MINUTE, ends.changed()).await.unwrap()) };
    let slow = door.stream("marvin", "flood: events", stopped).await;
    slow.failed(words);
    assert!(slow.text > 0 && slow.text <= LIMIT, "{} bytes were shown", slow.text);
    let sent = flood.sent().await;
    assert!(sent < ON_THE_WAY, "{sent} bytes were taken");

    door.stream("marvin", "flood: one event", async {}).await.failed("an event has more than 1048576 bytes");
    assert!(flood.sent().await < 8 * ON_THE_WAY);
    let grown = peak(host.id()).saturating_sub(floor);
    assert!(grown < GROWTH, "{} MiB more than before", grown / MIB);

    door.stream("marvin", "flood: no events", async {}).await.failed("the answer has more than 67108864 bytes");
    assert!(flood.sent().await < GIGABYTE);
    let grown = peak(host.id()).saturating_sub(floor);
    assert!(grown < 4 * 64 * MIB, "{} MiB more than before", grown / MIB);

    let kept = bytes_below(data);
    assert!(kept < 16 * MIB, "{} MiB are on disk", kept / MIB);
    well(data, &door).await;
    host.stop().await;
}

/// Answers that are cut at two mebibytes each: more than memory may grow by flows through to the reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat_while_much_more_than_it_holds_flows_through_a_raised_limit() {
    const ANSWERS: u64 = 20;
    /// What is held of one answer is not held of the next. A busy machine has more of one on its way at a time.
    const FLAT: u64 = 32 * MIB;
    let (data, flood) = (tempfile::tempdir().unwrap(), Flood::begin().await);
    let data = data.path();
    configure(data, &over(&flood, "[io]\nanswer_bytes_max = 2097152\n[store]\nevent_bytes_max = 16777216\n"));
    let host = Running::start(data).await;
    let door = Door::of(data, None);
    let whole = door.stream("marvin", "plenty", async {}).await;
    assert_eq!((whole.last.0.as_str(), whole.text), ("answer", 1_500_000));
    // Without the blank at its end.
    assert_eq!(whole.last.1["answer"].as_str().map(str::len), Some(1_499_999));
    door.stream("marvin", "flood: events", async {}).await.failed("at most 2097152");
    // The most of what came before, since that is what the most of what comes now is held against.
    let (floor, disk) = (peak(host.id()), bytes_below(data));

    let mut shown = 0;
    for _ in 0..ANSWERS {
        let heard = door.stream("marvin", "flood: events", async {}).await;
        heard.failed("at most 2097152 are taken (io.answer_bytes_max)");
        shown += heard.text;
    }
    assert!(shown > FLAT, "{} MiB were shown", shown / MIB);
    assert!(flood.sent().await < GIGABYTE);
    let grown = peak(host.id()).saturating_sub(floor);
    assert!(grown < FLAT, "{} MiB more than before, of {} MiB", grown / MIB, shown / MIB);
    let kept = bytes_below(data).saturating_sub(disk);
    assert!(kept < 8 * MIB, "{} MiB more are on disk", kept / MIB);
    well(data, &door).await;
    host.stop().await;
}

/// An agent in code that returns a gigabyte. Zeroes that nobody wrote take no memory until somebody copies them.
struct Talker;

fn zeroes() -> String {
    String::from_utf8(vec![0; 1 << 30]).unwrap()
}

#[async_trait]
impl Work for Talker {
    async fn work(&self, _cx: &Cx, _task: Assignment, _kit: Kit) -> Result<String, Fault> {
        Ok(zeroes())
    }
}

/// A runtime in code that says a gigabyte piece by piece, or all at once after having said nothing.
struct Speaker {
    capabilities: Capabilities,
    at_once: bool,
    said: watch::Sender<u64>,
    inside: watch::Sender<u64>,
}

impl Speaker {
    fn new(name: &str, at_once: bool) -> Speaker {
        let capabilities = Scripted::saying(name, "").capabilities();
        Speaker { capabilities, at_once, said: watch::Sender::new(0), inside: watch::Sender::new(0) }
    }
}

/// Says that a generation is over, also one that was dropped.
struct Leaves(watch::Sender<u64>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.send_modify(|over| *over += 1);
    }
}

#[async_trait]
impl Runtime for Speaker {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn health(&self, _cx: &Cx) -> Health {
        Health::Ready
    }

    async fn generate(
        &self,
        _cx: &Cx,
        _request: Cleared<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        let _leaves = Leaves(self.inside.clone());
        let piece = "x".repeat(4_096);
        while !self.at_once && *self.said.borrow() < GIGABYTE {
            let _ = news.send(Delta::Text { text: piece.clone() }).await;
            self.said.send_modify(|said| *said += piece.len() as u64);
        }
        let text = if self.at_once { zeroes() } else { String::new() };
        let usage = Usage::new(1, 1);
        Ok(Completion { text, tool_calls: Vec::new(), finish: Finish::Stop, usage, pacing: Pacing::default() })
    }
}

fn all_up(nodes: &[Node]) {
    for node in nodes {
        assert_eq!(node.status, Status::Up, "{}: {:?}", node.path, node.last_failure);
        all_up(&node.children);
    }
}

async fn serving(data: &Path, speaker: Arc<Speaker>) -> Host {
    let flag = |key: &str, value: &str| Flag { name: key.to_owned(), key: key.to_owned(), value: value.to_owned() };
    let flags = vec![flag("api.listen", "127.0.0.1:0"), flag("host.data_dir", &data.display().to_string())];
    let config = load(&Inputs { flags, ..Inputs::default() }).unwrap().config;
    let builder = Host::builder().config(config).data_dir(data).serve().without_bundled_agents();
    let builder = builder.agent(Definition::code("talker", "Bad company.", &["general"], Talker).runtime("good"));
    let builder = builder.agent(agent("good")).agent(agent("steady")).agent(agent("sudden"));
    let builder = builder.runtime(Scripted::saying("good", "Fine.")).runtime(Shared(speaker));
    builder.runtime(Speaker::new("sudden", true)).start().await.unwrap()
}

/// A runtime that a test looks at, too.
struct Shared(Arc<Speaker>);

#[async_trait]
impl Runtime for Shared {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn health(&self, cx: &Cx) -> Health {
        self.0.health(cx).await
    }

    async fn generate(
        &self,
        cx: &Cx,
        request: Cleared<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        self.0.generate(cx, request, news).await
    }
}

/// The variable that tells a process of this test that it is the one whose memory is measured.
const ALONE: &str = "SYZYGY_TEST_ALONE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_in_the_host_that_says_a_gigabyte_is_stopped_and_nobody_copies_it() {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let alone = std::env::var_os(ALONE).is_some();
    if alone {
        return alone_with_code().await;
    }
    // The memory of this process is that of every test in it, so the work is done in another.
    let name = "gigabyte::code_in_the_host_that_says_a_gigabyte_is_stopped_and_nobody_copies_it";
    let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
    let again = again.args(["--exact", name, "--nocapture"]).env(ALONE, "1").kill_on_drop(true);
    let output = tokio::time::timeout(3 * MINUTE, again.output()).await.unwrap().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{error}");
}

async fn alone_with_code() {
    let (data, own) = (tempfile::tempdir().unwrap(), std::process::id());
    let speaker = Arc::new(Speaker::new("steady", false));
    let host = serving(data.path(), Arc::clone(&speaker)).await;
    let door = Door::of(data.path(), host.address());
    let fine = async || {
        let fine = door.stream("good", "How are you?", async {}).await;
        assert_eq!((fine.last.0.as_str(), &fine.last.1["answer"]), ("answer", &json!("Fine.")));
        all_up(&host.tree());
    };
    fine().await;
    let floor = resident(own);
    for whole in ["talker", "sudden"] {
        let heard = door.stream(whole, "Do what you do.", async {}).await;
        heard.failed("1073741824 bytes: at most 131072 are taken (io.answer_bytes_max)");
        assert_eq!(heard.text, 0);
        fine().await;
    }
    let mut ends = speaker.inside.subscribe();
    for slow in [false, true] {
        let stopped = async {
            // A reader that does not read does not keep it from being stopped either.
            if slow {
                drop(tokio::time::timeout(MINUTE, ends.changed()).await.unwrap());
            }
        };
        let heard = door.stream("steady", "Do what you do.", stopped).await;
        heard.failed("at most 131072 are taken (io.answer_bytes_max)");
        assert!(heard.text > 0 && heard.text <= LIMIT, "{} bytes were shown", heard.text);
        eventually("the runtime was stopped", async || (*ends.borrow_and_update() > u64::from(slow)).then_some(()))
            .await;
        fine().await;
    }
    let said = *speaker.said.borrow();
    assert!(said < 16 * LIMIT, "{said} bytes were said");
    let grown = peak(own).saturating_sub(floor);
    assert!(grown < GROWTH, "{} MiB more than before", grown / MIB);
    let kept = bytes_below(data.path());
    assert!(kept < 16 * MIB, "{} MiB are on disk", kept / MIB);
    end(host).await;
}
