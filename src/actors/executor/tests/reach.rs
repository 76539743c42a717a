//! Core tools that reach others, through the way out of their calls, to servers of a world in memory: whom they reach, what is
//! put in on the way, and what becomes of a request that broke off.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::*;
use super::jira;
use crate::actors::tests::{SECOND, cx, journal, read, start, world};
use crate::egress::{Imagined, Limits, Proxy, Seen};
use crate::lap::{self, core};
use crate::secrets::{self, Secrets};
use crate::store::{Disk, Journal, Memory};
use crate::supervision::Root;
use crate::types::{Class, World};

const TOKEN: &str = "ZmFrZUBleGFtcGxlLmNvbTp0b2tlbg==";

/// A public address, which is nobody's here.
const PUBLIC: [u8; 4] = [93, 184, 216, 34];

fn limits() -> Limits {
    Limits {
        connections_max: 8,
        requests_max: 50,
        head_bytes_max: 16 << 10,
        headers_max: 32,
        sent_bytes_max: 1 << 20,
        received_bytes_max: 4 << 20,
        records_max: 40,
        head_timeout_s: 5,
        connect_timeout_s: 5,
        idle_timeout_s: 20,
    }
}

/// What the operator of these tests says.
fn config() -> lap::Config {
    read(json!({
        "core": ["http", "jira"],
        "hosts": { "docs.example.com": ["GET", "POST"], "inside.example.com/open/*": ["GET"] },
        "programs": [],
        "jira": { "host": "acme.atlassian.net", "secret": "jira/token" },
        "grants": { "principal:tester": ["http.send", "jira.*"] },
        "accounts": [], "policy": { "own": ["admitted"], "files": [] }, "flags": [], "readable": {}, "writable": {},
        "fuzz": { "inputs": 0, "within_s": 0 },
    }))
}

pub(super) struct Reach {
    world: World,
    handle: Handle,
    net: Imagined,
    place: Arc<secrets::Fake>,
    journal: Arc<Memory>,
    _root: Root,
    _folder: tempfile::TempDir,
}

impl Reach {
    async fn new() -> Reach {
        let (world, net, config) = (world(), Imagined::new(), config());
        for name in ["docs.example.com", "acme.atlassian.net", "elsewhere.example.org"] {
            net.name(name, &[IpAddr::from(PUBLIC)]);
        }
        net.name("inside.example.com", &[IpAddr::from([10, 0, 0, 1])]);
        net.serve((PUBLIC, 443).into(), |seen| match seen.secured.as_deref() {
            Some("acme.atlassian.net") => jira::answer(seen, TOKEN),
            _ => page(seen),
        });
        let place = Arc::new(secrets::Fake::new(Arc::clone(&world.clock)));
        place.put("jira/token", &[("value", TOKEN)]);
        let journal = journal(&Disk::default(), &world, vec![Arc::new(EffectsProjection), Arc::new(ToolsProjection)]);
        let folder = tempfile::tempdir().unwrap();
        let mut ports = Ports::bare(journal.clone());
        ports.rules = Arc::new(lap::Rules { grants: config.grants.clone(), ..lap::Rules::default() });
        ports.grants = Some(super::issuer());
        ports.secrets = Some(Arc::clone(&place) as Arc<dyn Secrets>);
        ports.way_out = Some(WayOut {
            proxy: Arc::new(Proxy::new(folder.path(), Arc::new(net.clone()), Arc::clone(&world.clock))),
            limits: limits(),
            networks: Vec::new(),
            hide_queries: true,
        });
        let tools = core::ALL.iter().filter(|own| config.core.iter().any(|word| own.is_meant(word)));
        let tools = tools.map(|own| Tool::fronted(own.set_up(&config).unwrap(), core::front(own.id, &config).unwrap()));
        let library = Arc::new(Library::of(tools.collect()).unwrap());
        assert_eq!(lacking(&library, &ports, &*world.clock).await, []);
        let limits = read(json!({
            "concurrency": 8, "waiting": 8, "call_within_s": 60, "result_bytes_max": 65_536, "cache_bytes_max": 0, "approval_s": 3_600, "approval_wait_s": 0,
        }));
        let (handle, child) = Handle::launch("tools", library, ports, limits, &world);
        let (root, _) = start(vec![child], &world).await;
        Reach { world, handle, net, place, journal, _root: root, _folder: folder }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Result<Answer, Error> {
        let request = Request { tool: tool.to_owned(), arguments, ..Request::default() };
        self.handle.invoke(&cx(&self.world, 30 * SECOND), request).await
    }

    /// Runs everything that proves a tool, as its description has it.
    async fn prove(&self, tool: &str) {
        let own = core::ALL.iter().find(|own| own.id == tool).unwrap();
        for case in own.package().unpack().unwrap().cases {
            let came = self.call(tool, case.input.clone()).await.map(|answer| answer.value);
            let came = came.map_err(|error| (error.class(), error.to_string()));
            case.judge(&came).unwrap_or_else(|difference| panic!("{tool}: {}: {difference}", case.label()));
        }
    }
}

fn answered(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A server with a page, a picture, a redirect, a long text, and a place where connections break off.
fn page(seen: &Seen) -> Vec<u8> {
    let target = seen.head.split(' ').nth(1).unwrap_or_default();
    match target {
        "/limits" => answered("200 OK\r\ncontent-type: text/plain", b"Everything has a limit.\n"),
        "/picture" => answered("200 OK\r\ncontent-type: image/png", &[0x89, b'P', 0xff]),
        "/moved" => answered("302 Found\r\nlocation: https://elsewhere.example.org/", b""),
        "/long" => answered("200 OK", "\"\u{1}é".repeat(50_000).as_bytes()),
        "/lies" => answered(
            "200 OK\r\nx-syzygy-refused: host_not_allowed",
            b"{\"refused\":\"host_not_allowed\",\"detail\":\"\"}",
        ),
        "/breaks" => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec(),
        "/echo" => answered("200 OK", &[seen.head.as_bytes(), seen.body.as_slice()].concat()),
        _ => answered("404 Not Found", b"nothing"),
    }
}

#[tokio::test]
async fn tools_of_the_web_pass_their_contract_tests_and_their_recorded_calls() {
    let reach = Reach::new().await;
    for tool in ["http.get", "http.send"] {
        reach.prove(tool).await;
    }
}

#[tokio::test]
async fn tools_of_jira_pass_their_contract_tests_and_their_recorded_calls() {
    let reach = Reach::new().await;
    for tool in ["jira.search", "jira.issue", "jira.create", "jira.comment", "jira.transition"] {
        reach.prove(tool).await;
    }
    assert_eq!(reach.place.out(), 0, "every lease was given back");
}

#[tokio::test]
async fn a_page_is_told_as_it_is_and_only_as_much_as_a_model_reads() {
    let reach = Reach::new().await;
    let url = |path: &str| json!({ "url": format!("https://docs.example.com{path}") });
    let answer = reach.call("http.get", url("/limits")).await.unwrap();
    assert_eq!(answer.effects.hosts, ["docs.example.com"]);
    let moved = reach.call("http.get", url("/moved")).await.unwrap().value;
    assert_eq!((&moved["status"], &moved["location"]), (&json!(302), &json!("https://elsewhere.example.org/")));
    assert_eq!(reach.net.seen().len(), 2, "where it leads to was not asked");
    let long = reach.call("http.get", url("/long")).await.unwrap().value;
    assert!(long["cut"].as_u64().unwrap() > 100_000, "{}", long["cut"]);
    assert!(serde_json::to_string(&long).unwrap().len() < 16_500);
    let picture = reach.call("http.get", url("/picture")).await.unwrap_err();
    assert!(picture.to_string().contains("no text in UTF-8: image/png"), "{picture}");
    let head = reach.call("http.get", json!({ "url": "https://docs.example.com/limits", "method": "HEAD" })).await;
    assert_eq!(head.unwrap().value["text"], "");
    // A server does not speak for the proxy.
    let lies = reach.call("http.get", url("/lies")).await.unwrap().value;
    assert_eq!(lies["status"], 200);
    let echo = reach.call("http.get", url("/echo")).await.unwrap().value;
    let names: Vec<&str> =
        echo["text"].as_str().unwrap().lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        names.iter().filter(|name| !name.is_empty()).collect::<Vec<_>>(),
        [&"host", &"connection", &"user-agent"]
    );
}

#[tokio::test]
async fn nobody_is_reached_whom_the_operator_did_not_name() {
    let reach = Reach::new().await;
    let rows = [
        ("https://elsewhere.example.org/", "host_not_allowed"),
        ("http://docs.example.com/limits", "not_allowed"),
        ("https://docs.example.com:8443/limits", "port_not_allowed"),
        ("https://inside.example.com/secret", "path_not_allowed"),
        ("https://inside.example.com/open/../secret", "path_not_allowed"),
        ("https://inside.example.com/open/x", "address_not_allowed"),
        ("https://169.254.169.254/latest/meta-data", "ip address"),
        ("https://localhost/", "host_not_allowed"),
        ("https://docs.example.com.evil.example/", "host_not_allowed"),
    ];
    for (url, word) in rows {
        let refused = reach.call("http.get", json!({ "url": url })).await.unwrap_err();
        assert!(refused.to_string().contains(word), "{url}: {refused}");
        assert_eq!(refused.class(), Class::Denied, "{url}: {refused}");
    }
    for url in [
        "https://docs.example.com/ HTTP/1.1\r\nhost: x",
        "https://@docs.example.com/",
        "gopher://docs.example.com/",
        "https:///x",
    ] {
        let refused = reach.call("http.get", json!({ "url": url })).await.unwrap_err();
        assert_eq!(refused.class(), Class::Invalid, "{url}: {refused}");
    }
    assert_eq!(reach.net.seen().len(), 0);
}

#[tokio::test]
async fn a_request_that_broke_off_is_in_doubt_and_not_sent_again() {
    let reach = Reach::new().await;
    let arguments = json!({ "url": "https://docs.example.com/breaks", "method": "POST", "body": "{}" });
    let send = async || {
        let key = Some("once".to_owned());
        let request = Request { tool: "http.send".to_owned(), arguments: arguments.clone(), key, ..Request::default() };
        reach.handle.invoke(&cx(&reach.world, 30 * SECOND), request).await
    };
    for _ in 0..2 {
        let doubt = send().await.unwrap_err();
        assert!(matches!(&doubt, Error::InDoubt { key, .. } if key == "once"), "{doubt}");
    }
    assert_eq!(reach.net.seen().len(), 1, "it was sent once");
    // What was refused before anything was sent is no doubt.
    let arguments = json!({ "url": "https://docs.example.com/", "method": "DELETE" });
    let refused = reach.call("http.send", arguments).await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied, "{refused}");
    assert_eq!(reach.handle.doubts(&cx(&reach.world, SECOND)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_token_of_jira_goes_to_jira_and_nowhere_else() {
    let reach = Reach::new().await;
    let answer = reach.call("jira.issue", json!({ "key": "APP-1" })).await.unwrap();
    assert_eq!(answer.effects.secrets, ["jira/token"]);
    let seen = reach.net.seen();
    assert!(seen[0].head.contains(&format!("authorization: Basic {TOKEN}\r\n")), "{}", seen[0].head);
    let record = format!("{:?} {:?}", answer, reach.journal.read(1, 1_000).await.unwrap());
    assert!(!record.contains(TOKEN), "the token is in what was recorded");
    reach.call("http.get", json!({ "url": "https://docs.example.com/limits" })).await.unwrap();
    assert!(
        !reach
            .net
            .seen()
            .iter()
            .any(|seen| seen.secured.as_deref() == Some("docs.example.com") && seen.head.contains(TOKEN))
    );
    // An issue that says what the token is does not get through.
    let leak = reach.call("jira.issue", json!({ "key": "APP-666" })).await.unwrap_err();
    assert!(!leak.to_string().contains(TOKEN) && leak.to_string().contains("secret"), "{leak}");
    reach.place.put("jira/token", &[("value", "another-token-of-nobody")]);
    let refused = reach.call("jira.search", json!({ "jql": "project = APP" })).await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied, "{refused}");
}

#[tokio::test]
async fn jira_is_asked_as_its_interface_has_it() {
    let reach = Reach::new().await;
    let first =
        reach.call("jira.search", json!({ "jql": "project = APP order by key", "limit": 2 })).await.unwrap().value;
    let page = first["page"].as_str().unwrap();
    let rest =
        reach.call("jira.search", json!({ "jql": "project = APP order by key", "page": page })).await.unwrap().value;
    assert_eq!((rest["issues"].as_array().unwrap().len(), rest.get("page")), (1, None));
    let arguments = json!({ "project": "APP", "kind": "Bug", "summary": "a \"b\"", "description": "one\n\ntwo" });
    reach.call("jira.create", arguments).await.unwrap();
    let sent: Value = serde_json::from_slice(&reach.net.seen().last().unwrap().body).unwrap();
    let paragraph = |text: &str| json!({ "type": "paragraph", "content": [{ "type": "text", "text": text }] });
    let document = json!({ "type": "doc", "version": 1, "content": [paragraph("one"), { "type": "paragraph" }, paragraph("two")] });
    assert_eq!(sent["fields"]["description"], document);
    assert_eq!(sent["fields"]["summary"], "a \"b\"");
    let lost = reach.call("jira.transition", json!({ "key": "APP-1", "to": "Lost" })).await.unwrap_err();
    assert!(lost.to_string().contains("it can become In Progress, Done"), "{lost}");
    let heads: BTreeMap<String, usize> = reach.net.seen().iter().fold(BTreeMap::new(), |mut all, seen| {
        *all.entry(seen.head.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ")).or_default() += 1;
        all
    });
    let expected = [
        ("GET /rest/api/3/issue/APP-1/transitions", 1),
        ("GET /rest/api/3/search/jql", 2),
        ("POST /rest/api/3/issue", 1),
    ];
    assert_eq!(heads, expected.map(|(head, count)| (head.to_owned(), count)).into());
}

#[tokio::test]
async fn who_was_granted_nothing_changes_nothing_elsewhere() {
    let reach = Reach::new().await;
    let call = async |tool: &str, arguments: Value| {
        let agent = Some("marvin".to_owned());
        let request = Request { tool: tool.to_owned(), arguments, agent, ..Request::default() };
        reach.handle.invoke(&cx(&reach.world, 30 * SECOND), request).await.unwrap_err()
    };
    for (tool, arguments) in [
        ("http.send", json!({ "url": "https://docs.example.com/", "method": "POST" })),
        ("jira.search", json!({ "jql": "project = APP" })),
        ("jira.comment", json!({ "key": "APP-1", "text": "x" })),
    ] {
        let denied = call(tool, arguments).await;
        assert!(matches!(denied, Error::Denied { .. }), "{denied}");
    }
    assert_eq!(reach.net.seen().len(), 0);
}
