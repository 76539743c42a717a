//! A small whole host on scripted runtimes and a journal in memory, and a bare HTTP client to look at its answers with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::actors::{agents, candidate, runtime, taking_in, tools};
use crate::actors::agent::{Assignment, Definition, Kit, MemoryProjection, Profile, Work};
use crate::actors::crown::{GovernanceProjection, Opening};
use crate::actors::inbox::{self, InboxProjection};
use crate::actors::io::RunsProjection;
use crate::actors::router::TablesProjection;
use crate::actors::tests::{configs, read};
use crate::actors::{crown, io, router};
use crate::api::tokens::{OPERATOR_FILE, TOKENS_FILE};
use crate::api::{self, Config, Scope, Token, Tokens};
use crate::field::Mailroom;
use crate::inference::{Lexical, Scripted, Step};
use crate::lap;
use crate::store::{Disk, Journal, Memory};
use crate::supervision::{Child, Registry, Root, Strategy, Tree};
use crate::telemetry::Metrics;
use crate::types::{Clock, Cx, Hash, Price, Seeded, Timestamp, TrustTier, World};
use crate::ziggy::budget::{self, BurnConfig, Ledger, Limit, PriceList};
use crate::ziggy::{self, IntentModel, Millionths, privacy};

/// When tests begin.
pub(crate) const BEGIN: i64 = 1_750_000_000_000_000;

/// Real time for deadlines; a wall that moves a millisecond each time it is looked at, so that runs have an order.
struct TestClock(AtomicI64);

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "a clock is what this is")]
    fn now(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

pub(crate) fn world() -> World {
    World { clock: Arc::new(TestClock(AtomicI64::new(BEGIN))), random: Arc::new(Seeded::new(7)) }
}

/// The interface's limits for tests.
pub(crate) fn config() -> Config {
    read(json!({
        "listen": "127.0.0.1:0",
        "allow_plain": false,
        "allowed_hosts": [],
        "allowed_origins": [],
        "tls": { "certificate": "", "key": "", "client_ca": "" },
        "body_bytes_max": 10_000,
        "json_depth_max": 16,
        "head_bytes_max": 4_096,
        "headers_max": 32,
        "head_timeout_s": 5,
        "read_timeout_s": 5,
        "write_timeout_s": 5,
        "idle_timeout_s": 5,
        "request_timeout_s": 30,
        "requests_max": 16,
        "bodies_bytes_max": 25_000,
        "connections_max": 64,
        "connections_per_peer_max": 64,
        "token_failures_max": 200,
        "token_failures_window_s": 60,
        "keep_alive_s": 1,
        "drain_s": 5,
        "request_cost_max": 1_000_000,
        "request_tokens_max": 100_000,
    }))
}

/// Candidates that are nearly as good are equal, as they are in a host.
fn ziggy_config() -> ziggy::Config {
    let mut config = configs::ziggy();
    config.score.equal_within = Millionths(20_000);
    (config.live.suppress, config.live.ceiling) = (3_000, 12_000);
    config
}

/// Stands for code where only the limits that code has by default are wanted.
struct NoCode;

#[async_trait::async_trait]
impl Work for NoCode {
    async fn work(&self, _cx: &Cx, _assignment: Assignment, _kit: Kit) -> Result<String, crate::supervision::Fault> {
        Err("it is prompted".into())
    }
}

fn profile(name: &str, runtime: &str, capabilities: &[&str]) -> Profile {
    let Definition { profile, .. } = Definition::code(name, "a test agent", capabilities, NoCode).runtime(runtime);
    Profile { system: "Be brief.".to_owned(), assumed_first_token_ms: 100, assumed_token_ms: 10, ..profile }
}

/// What a test changes about its host.
pub(crate) struct Wanted {
    /// The runtime of `near`, on this machine and free.
    pub(crate) near: Scripted,
    /// The interface's limits.
    pub(crate) config: Config,
    /// What may be spent.
    pub(crate) budgets: Vec<Limit>,
    /// When people are asked.
    pub(crate) review: inbox::Config,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            near: Scripted::saying("near", "Forty-two."),
            config: config(),
            budgets: Vec::new(),
            review: configs::inbox(),
        }
    }
}

impl Wanted {
    /// The local runtime says this.
    pub(crate) fn steps(steps: Vec<Step>) -> Wanted {
        Wanted { near: Scripted::new("near", move |_| steps.clone()), ..Wanted::default() }
    }
}

/// A running host with two agents: `near` (local, general, free) and `far` (external, general and translate, priced).
pub(crate) struct TestHost {
    pub(crate) data: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) journal: Arc<dyn Journal>,
    root: Root,
    world: World,
}

/// Longer than anything a test waits for.
const LIMIT: Duration = Duration::from_secs(20);

impl TestHost {
    pub(crate) async fn start(wanted: Wanted) -> TestHost {
        TestHost::start_in(tempfile::tempdir().unwrap(), wanted).await.unwrap()
    }

    /// A host on this data directory, or why it does not start.
    pub(crate) async fn start_in(data: TempDir, wanted: Wanted) -> Result<TestHost, crate::supervision::Error> {
        let Wanted { near, config, budgets, review } = wanted;
        let world = world();
        let projections: Vec<Arc<dyn crate::store::Projection>> = vec![
            Arc::new(RunsProjection),
            Arc::new(GovernanceProjection),
            Arc::new(MemoryProjection),
            Arc::new(InboxProjection),
            Arc::new(TablesProjection),
        ];
        let journal: Arc<dyn Journal> =
            Memory::open(&Disk::default(), &configs::store(), world.clone(), projections).unwrap();
        let registry = Registry::new();
        let (parts, tree) = assemble(Base {
            world: world.clone(),
            journal: Arc::clone(&journal),
            near,
            data: data.path().to_owned(),
            config,
            review,
            registry: Arc::clone(&registry),
        });
        let budgets =
            budget::Config { limits: budgets, accounts_most: 100, burn: BurnConfig { fast: 14_400, slow: 6_000 } };
        parts.crown.treasury().open(Opening {
            ledger: Ledger::new(&budgets, Timestamp(BEGIN)),
            since: Timestamp(BEGIN),
            first: 0,
            prices: PriceList::default(),
            providers: BTreeMap::new(),
        });
        let (handle, child) = api::launch(parts);
        let tree = Tree::new("host", Strategy::OneForOne).children(tree).child(child);
        let root = Root::start(tree, world.clone(), registry).await?;
        let address = handle.address().unwrap();
        Ok(TestHost { data, address, journal, root, world })
    }

    /// The operator's token.
    pub(crate) fn operator(&self) -> String {
        std::fs::read_to_string(self.data.path().join(OPERATOR_FILE)).unwrap().trim().to_owned()
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.root.shutdown(&Cx::housekeeping(self.world.clock.now(), LIMIT)).await.unwrap();
        self.data
    }

    /// Stops it while the test goes on looking at it.
    pub(crate) async fn shutdown(&self) {
        self.root.shutdown(&Cx::housekeeping(self.world.clock.now(), LIMIT)).await.unwrap();
    }

    /// Asks as the operator.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.ask_as(Some(&self.operator()), method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, Some(&body)).await
    }

    pub(crate) async fn ask_as(&self, token: Option<&str>, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut headers = Vec::new();
        if let Some(token) = token {
            headers.push(("authorization", format!("Bearer {token}")));
        }
        let text = body.map(Value::to_string).unwrap_or_default();
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        self.raw(method, path, &headers, text.as_bytes()).await
    }

    /// Sends exactly these headers, besides those of framing.
    pub(crate) async fn raw(&self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
        let mut stream = self.send(method, path, headers, body).await;
        let mut bytes = Vec::new();
        tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        Answer::parse(&bytes)
    }

    /// Sends a request and leaves the answer to be read.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> TcpStream {
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // A host that refuses by the head may close before it has the body.
        let _ = stream.write_all(body).await;
        stream
    }

    /// The headers of the operator, with these.
    pub(crate) fn headers<'a>(&self, more: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
        let mut headers = vec![
            ("authorization", format!("Bearer {}", self.operator())),
            ("content-type", "application/json".to_owned()),
        ];
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        headers
    }
}

pub(super) type Rows = Vec<Child>;

/// What requests share, on a host whose actors do not run.
pub(in crate::api) fn app(data: &Path) -> Arc<api::app::App> {
    let world = world();
    let journal: Arc<dyn Journal> =
        Memory::open(&Disk::default(), &configs::store(), world.clone(), vec![Arc::new(RunsProjection)]).unwrap();
    let (near, data, registry) = (Scripted::saying("near", ""), data.to_owned(), Registry::new());
    let (parts, _) =
        assemble(Base { world, journal, near, data, config: config(), review: configs::inbox(), registry });
    Arc::new(api::app::App::new(parts, tokio::sync::watch::channel(None).0))
}

/// Nothing is granted, and no core tool is there.
fn folders() -> lap::Config {
    lap::Config {
        fuzz: lap::Fuzz::default(),
        core: Vec::new(),
        hosts: BTreeMap::new(),
        programs: Vec::new(),
        jira: Default::default(),
        grants: BTreeMap::new(),
        flags: Vec::new(),
        accounts: Vec::new(),
        policy: lap::policy::Config { own: vec!["admitted".to_owned()], files: Vec::new() },
        readable: BTreeMap::new(),
        writable: BTreeMap::new(),
    }
}

/// What a host is made of.
struct Base {
    world: World,
    journal: Arc<dyn Journal>,
    near: Scripted,
    data: PathBuf,
    config: Config,
    review: inbox::Config,
    registry: Arc<Registry>,
}

fn assemble(base: Base) -> (api::Parts, Rows) {
    let Base { world, journal, near, data, config, review, registry } = base;
    let plan = json!({ "window_s": 60, "utilisation": 800_000, "wait_ms": 1_000, "least": 1 });
    let crown_config = read(json!({ "watch_every_s": 60, "alerts_kept": 10, "overrides_most": 4, "plan": plan }));
    let (crown, governor) = crown::Handle::launch(Arc::clone(&journal), crown_config, &world);
    let far = Scripted::saying("far", "From afar.").in_tier(TrustTier::External);
    let far = far.at_price(Price::new(1_000_000, 2_000_000));
    let (near, near_child) = runtime(near, &world);
    let (far, far_child) = runtime(far, &world);
    let runtimes = Tree::new("runtimes", Strategy::OneForOne).child(near_child).child(far_child);
    let profiles = [
        (profile("near", "near", &["general"]), near.clone()),
        (profile("far", "far", &["general", "translate"]), far.clone()),
    ];
    let candidates = profiles.iter().map(|(profile, runtime)| candidate(profile, runtime)).collect();
    let (tools, tools_child) = tools(&journal, &world);
    let (agents, mut rows) = agents(profiles, &tools, &journal, &world);
    rows.insert(0, tools_child);
    rows.splice(0..0, [governor, Child::tree(runtimes)]);
    let routing = read(json!({
        "rebuild_every_ms": 10, "waiting": 64, "snapshot_every_s": 3_600, "candidates_most": 100, "deltas_most": 8,
    }));
    let (ziggy, privacy) = (ziggy_config(), privacy::Config::default());
    let configs = (routing, &ziggy, &privacy);
    let (router, router_child) =
        router::Handle::launch(candidates, vec![near, far], crown.clone(), Arc::clone(&journal), configs, &world);
    let waiting = inbox::Parts {
        journal: Arc::clone(&journal),
        crown: crown.clone(),
        outbound: Arc::new(Mailroom::default()),
        keys: BTreeMap::new(),
    };
    let (inbox, inbox_child) = inbox::Handle::launch(waiting, review, &world);
    let io_parts = io::Parts {
        journal: Arc::clone(&journal),
        embedder: Arc::new(Lexical),
        intents: Arc::new(IntentModel::default()),
        chunk: ziggy_config().chunk,
        inbox: inbox.clone(),
        router: router.clone(),
        crown: crown.clone(),
        agents: Arc::new(agents),
        ladder: Arc::new(configs::ladder()),
        privacy: Arc::default(),
    };
    let (io, io_child) = io::Handle::launch(io_parts, taking_in(), &world);
    rows.extend([router_child, inbox_child, io_child]);
    let (metrics, chunk) = (Arc::new(Metrics::new()), ziggy_config().chunk);
    let (version, data_dir) = ("0.0.0-test", data);
    let folders = folders();
    let parts = api::Parts {
        io,
        inbox,
        router,
        crown,
        tools,
        folders,
        privacy: privacy::Config::default(),
        journal,
        registry,
        world,
        metrics,
        version,
        chunk,
        data_dir,
        config,
        mounts: Vec::new(),
    };
    (parts, rows)
}

/// A data directory with these tokens besides the operator's: name, text, scopes, expiry.
pub(crate) fn data_with(tokens: &[(&str, &str, &[Scope], Option<i64>)]) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let mut known = Tokens::open(data.path()).unwrap();
    for (name, text, scopes, expires) in tokens {
        known.tokens.push(Token {
            name: (*name).to_owned(),
            hash: Hash::of(text.as_bytes()),
            scopes: scopes.to_vec(),
            expires: expires.map(Timestamp),
        });
    }
    write_private(&data.path().join(TOKENS_FILE), &serde_json::to_string(&known).unwrap());
    data
}

/// Replaces a file and keeps its permissions.
pub(crate) fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// An HTTP answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let body = if chunked { unchunk(body) } else { body.to_owned() };
        Answer { status, headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The code of a problem, after a look at its shape.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        let code = problem["code"].as_str().unwrap().to_owned();
        assert_eq!(problem["type"], format!("urn:syzygy:error:{code}"));
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        code
    }

    /// The events of a stream: name and data.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        for block in self.body.split("\n\n") {
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
            };
            if let (Some(name), Some(data)) = (field("event:"), field("data:")) {
                events.push((name, serde_json::from_str(&data).unwrap()));
            }
        }
        events
    }
}

fn unchunk(body: &str) -> String {
    let (mut text, mut rest) = (String::new(), body);
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        text.push_str(&more[..size]);
        rest = &more[size + 2..];
    }
    text
}
