//! Requests of components: that they go to the proxy and nowhere else, that it alone decides, and that they end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use syzygy::egress::{Internet, Reason, System, Transport, Trust};
use syzygy::lap;
use syzygy::sandbox::{Call, Egress, Ended, Outcome, Resource, Sandbox};
use syzygy::types::Hash;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::timeout;

use super::super::kills::{number, percentile};
use super::super::{cx, once};
use super::way::{Bare, HOST, KEY, Way, component, fetch, ok, request, rule, run, world};
use super::{Tier, clock, limits, spec, suite_tool};
use crate::support::{MINUTE, eventually};

/// Numbers of `error-code`, in the order of `wasi:http`.
const CONNECTION_TERMINATED: u8 = 7;
const CONNECTION_READ_TIMEOUT: u8 = 9;
const CONNECTION_LIMIT_REACHED: u8 = 11;
const HTTP_REQUEST_DENIED: u8 = 15;
const HTTP_REQUEST_METHOD_INVALID: u8 = 18;
const HTTP_REQUEST_URI_INVALID: u8 = 19;

fn said(outcome: &Outcome) -> &str {
    let text = outcome.answer.as_ref().ok().and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{:?} {}", outcome.answer, outcome.stderr))
}

fn error(number: u8) -> String {
    format!("error {number}")
}

#[tokio::test]
async fn what_a_component_asks_goes_to_the_proxy_and_the_answer_comes_back() {
    let net = world(|head| if head.starts_with("POST") { ok("taken") } else { ok("hello") });
    let rules = || vec![rule(HOST, 443, Transport::Tls), rule(HOST, 80, Transport::Plain)];
    let way = Way::new(Arc::new(net.clone()), rules(), false);
    assert_eq!(said(&run(&fetch(0, 1, HOST, "/v1/x?y=1"), way.egress()).await), "200 hello");
    let way = Way::new(Arc::new(net.clone()), rules(), false);
    assert_eq!(said(&run(&fetch(0, 0, HOST, "/v1/plain"), way.egress()).await), "200 hello");
    let body = format!(
        "(local.set $a {}) (call $request-body (local.get $a) (i32.const 64)) (local.set $b (i32.load (i32.const 68)))
         (call $body-write (local.get $b) (i32.const 64)) (local.set $c (i32.load (i32.const 68)))
         (local.set $a (call $send (local.get $a)))
         (call $print-to (local.get $c) @\"a body \") (call $print-to (local.get $c) @\"in pieces\")
         (call $drop-output (local.get $c)) (call $body-finish (local.get $b) (i32.const 0) (i32.const 0) (i32.const 64))
         (call $tell (call $await (local.get $a)))",
        request(2, 1, HOST, "/v1/post")
    );
    let way = Way::new(Arc::new(net.clone()), rules(), false);
    assert_eq!(said(&run(&body, way.egress()).await), "200 taken");
    let seen = net.seen();
    let came: Vec<_> = seen.iter().map(|one| (one.head.lines().next().unwrap(), one.secured.as_deref())).collect();
    let expected = [
        ("GET /v1/x?y=1 HTTP/1.1", Some(HOST)),
        ("GET /v1/plain HTTP/1.1", None),
        ("POST /v1/post HTTP/1.1", Some(HOST)),
    ];
    assert_eq!(came, expected);
    assert_eq!(seen[2].body, b"a body in pieces");
    let report = way.passage.close().await;
    let line = &report.exchanges[0];
    assert_eq!((line.host.as_deref(), line.status, line.refusal.as_ref()), (Some(HOST), Some(200), None));
}

#[tokio::test]
async fn what_no_rule_allows_is_refused_and_the_component_hears_the_word() {
    let net = world(|_| ok("never"));
    let cases = [
        (fetch(0, 1, "elsewhere.example.org", "/v1/x"), Reason::HostNotAllowed),
        (fetch(0, 1, "api.example.com:8443", "/v1/x"), Reason::PortNotAllowed),
        (fetch(0, 0, "api.example.com:443", "/v1/x"), Reason::TransportNotAllowed),
        (fetch(3, 1, HOST, "/v1/x"), Reason::MethodNotAllowed),
        (fetch(0, 1, HOST, "/v2/x"), Reason::PathNotAllowed),
        (fetch(0, 1, HOST, "/v1/../v2/x"), Reason::PathNotAllowed),
    ];
    for (body, reason) in cases {
        let way = Way::new(Arc::new(net.clone()), vec![rule(HOST, 443, Transport::Tls)], false);
        let outcome = run(&body, way.egress()).await;
        assert_eq!(said(&outcome), format!("{} {reason}", reason.status()), "{body}");
        let report = way.passage.close().await;
        assert_eq!(report.exchanges[0].refusal.as_ref().map(|refusal| refusal.reason), Some(reason));
    }
    assert_eq!(net.seen(), []);
}

#[tokio::test]
async fn a_tool_without_rules_sends_nothing_and_is_told_so() {
    let outcome = run(&fetch(0, 1, HOST, "/v1/x"), Egress::None).await;
    assert_eq!(said(&outcome), error(HTTP_REQUEST_DENIED));
    // Nor does it if the way out is gone.
    let gone = Egress::Socket("/nonexistent/proxy.sock".into());
    assert_eq!(said(&run(&fetch(0, 1, HOST, "/v1/x"), gone).await), error(CONNECTION_TERMINATED));
}

#[tokio::test]
async fn a_secret_reaches_the_server_and_never_the_component() {
    let net = world(|head| match head.split(' ').nth(1) {
        Some("/v1/echo") => ok(head.lines().find(|line| line.starts_with("authorization")).unwrap_or("none")),
        _ => ok("fine"),
    });
    let rules = || vec![rule(HOST, 443, Transport::Tls)];
    let own = "(if (i32.eqz (call $header @\"authorization\" @\"Bearer mine\")) (then (unreachable)))";
    let way = Way::new(Arc::new(net.clone()), rules(), true);
    let outcome = run(&format!("{own} {}", fetch(0, 1, HOST, "/v1/x")), way.egress()).await;
    assert_eq!(said(&outcome), "200 fine");
    let way = Way::new(Arc::new(net.clone()), rules(), true);
    let echoed = run(&fetch(0, 1, HOST, "/v1/echo"), way.egress()).await;
    assert_eq!(said(&echoed), "200 !cut");
    assert!(!format!("{outcome:?}{echoed:?}").contains(KEY));
    let report = way.passage.close().await;
    assert_eq!(report.exchanges[0].refusal.as_ref().map(|refusal| refusal.reason), Some(Reason::SecretReturned));
    for seen in net.seen() {
        let lines: Vec<_> = seen.head.lines().filter(|line| line.starts_with("authorization")).collect();
        assert_eq!(lines, [format!("authorization: Bearer {KEY}")]);
    }
    assert_eq!(net.seen().len(), 2);
}

/// From the description to the server: the rules, the program and the socket are what the host makes of it.
#[tokio::test]
async fn a_tool_that_is_described_with_rules_reaches_whom_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let component = component(&fetch(0, 1, HOST, "/v1/x"));
    let source = folder.path().join("tool.wasm");
    std::fs::write(&source, &component).unwrap();
    let described = json!({
        "tds": 1, "id": "page.read", "name": "Read a page", "version": "1.0.0",
        "description": "Reads a page of one server. Use it when somebody asks what stands there.",
        "capabilities": ["query"], "side_effects": "none", "isolation": "wasm",
        "interface": {
            "input": { "type": "object", "properties": {}, "additionalProperties": false },
            "output": { "type": "string", "maxLength": 1_000 },
        },
        "run": { "component": { "file": "tool.wasm" } },
        "egress": [{ "host": HOST, "paths": ["/v1/*"] }],
    });
    let described = syzygy::tds::read(syzygy::tds::Format::Json, &described.to_string());
    let described = described.unwrap_or_else(|report| panic!("{report}")).tool;
    let hash = Hash::of(&component);
    let file = lap::File { path: "tool.wasm".to_owned(), hash, source, executable: false };
    let rules = lap::rules(&described, &[]).unwrap();
    let ready = lap::Ready::new(Arc::new(described), vec![file]).unwrap();
    let net = world(|_| ok("a page"));
    let way = Way::new(Arc::new(net.clone()), rules, true);
    let spec = lap::spec(&ready, None, Vec::new(), Some(way.passage.socket())).unwrap();
    let outcome = once(&Tier::new([]).await.wasm, spec, json!({"input": {}, "host": {}})).await;
    assert_eq!(said(&outcome), "200 a page");
    let report = way.passage.close().await;
    assert_eq!(report.exchanges[0].secrets, ["team/key"]);
}

#[tokio::test]
async fn no_header_and_no_spelling_of_a_host_leads_elsewhere() {
    let net = world(|_| ok("here"));
    let cases = [
        // The host is not for a component to say twice: the header is not taken, and the request goes where it is addressed.
        ("(drop (call $header @\"Host\" @\"elsewhere.example.org\"))", 0, HOST, "200 here".to_owned()),
        ("(drop (call $header @\"Connection\" @\"authorization\"))", 0, HOST, "200 here".to_owned()),
        ("(drop (call $header @\"Transfer-Encoding\" @\"chunked\"))", 0, HOST, "200 here".to_owned()),
        ("(drop (call $header @\"X-Forwarded-Host\" @\"x\"))", 0, HOST, "403 header_not_allowed".to_owned()),
        ("(drop (call $header @\"a\\0d\\0ahost: x\" @\"x\"))", 0, HOST, "200 here".to_owned()),
        ("(drop (call $header @\"a\" @\"x\\0d\\0ahost: x\"))", 0, HOST, "200 here".to_owned()),
        ("", 0, "api.example.com@elsewhere.example.org", error(HTTP_REQUEST_URI_INVALID)),
        ("", 0, "elsewhere.example.org@api.example.com", error(HTTP_REQUEST_URI_INVALID)),
        ("", 5, HOST, error(HTTP_REQUEST_METHOD_INVALID)),
    ];
    for (before, method, host, expected) in cases {
        let way = Way::new(Arc::new(net.clone()), vec![rule(HOST, 443, Transport::Tls)], false);
        let outcome = run(&format!("{before} {}", fetch(method, 1, host, "/v1/x")), way.egress()).await;
        assert_eq!(said(&outcome), expected, "{before} {host}");
    }
    let seen = net.seen();
    assert_eq!(seen.len(), 5);
    for one in seen {
        let hosts: Vec<_> = one.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("host:")).collect();
        assert_eq!((hosts, one.secured.as_deref()), (vec!["host: api.example.com"], Some(HOST)));
    }
}

#[tokio::test]
async fn of_a_thousand_requests_at_once_as_many_are_open_as_may_be() {
    let bare = Bare::new();
    // It asks for a thousand and then counts those that were refused for their number; the others stay open.
    let body = format!(
        "(loop $more
           (i32.store (i32.add (i32.const 131072) (i32.shl (local.get $a) (i32.const 2))) (call $send {}))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $a) (i32.const 1000))))
         (loop $next
           (local.set $a (i32.sub (local.get $a) (i32.const 1)))
           (local.set $c (i32.load (i32.add (i32.const 131072) (i32.shl (local.get $a) (i32.const 2)))))
           (if (i32.ge_u (local.get $a) (i32.const 8)) (then
             (if (i32.ne (call $await (local.get $c)) (i32.const -1)) (then (unreachable)))
             (local.set $b (i32.add (local.get $b) (i32.eq (global.get $why) (i32.const {CONNECTION_LIMIT_REACHED}))))))
           (br_if $next (local.get $a)))
         (call $print @\"{{\\\"type\\\":\\\"result\\\",\\\"value\\\":\") (call $print-number (local.get $b)) (call $print @\"}}\\n\")",
        request(0, 1, HOST, "/v1/x")
    );
    let serve = async {
        let mut open = Vec::new();
        while let Ok((stream, _)) = bare.listener.accept().await {
            open.push(stream);
        }
        open
    };
    let outcome = tokio::select! {
        outcome = run(&body, bare.egress()) => outcome,
        _ = serve => unreachable!(),
    };
    assert_eq!(outcome.answer, Ok(json!(992)), "{}", outcome.stderr);
}

/// Writes until nobody takes anything for a while, and says how much that was.
async fn flood(stream: &mut UnixStream) -> usize {
    let (mut taken, piece) = (0, [b'x'; 4_096]);
    while let Ok(Ok(written)) = timeout(Duration::from_millis(300), stream.write(&piece)).await {
        taken += written;
        assert!(taken < 64 << 20, "somebody reads it all");
    }
    taken
}

#[tokio::test]
async fn what_a_component_does_not_read_is_not_held_for_it() {
    let bare = Bare::new();
    let body = format!(
        "(local.set $a (call $fetch {})) (local.set $b (call $stream-of (local.get $a)))
         (call $read (local.get $b) (i64.const 1) (i32.const 16)) (call $sleep (i64.const 60000000000))",
        request(0, 1, HOST, "/v1/x")
    );
    let component = component(&body);
    let tier = Tier::new([component.clone()]).await;
    let mut spec = spec("web", &component, limits());
    spec.egress = bare.egress();
    let cx = cx(MINUTE);
    let prepared = tier.wasm.prepare(&cx, spec).await.unwrap();
    let serve = async {
        let (mut stream, _) = bare.listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await.unwrap();
        let taken = flood(&mut stream).await;
        cx.cancel();
        (taken, stream)
    };
    let (outcome, (taken, mut stream)) =
        tokio::join!(tier.wasm.invoke(&cx, &prepared, Call::new("web", json!(null))), serve);
    assert_eq!(outcome.ended, Ended::Cancelled);
    // What the kernel keeps between two sockets, and what is read ahead.
    assert!(taken < 1 << 20, "{taken}");
    // And with the component its connection went.
    assert!(stream.write_all(b"x").await.is_err());
}

#[tokio::test]
async fn a_body_without_end_is_refused_in_the_middle_and_the_component_hears_why() {
    let net = world(|_| ok("never"));
    let way = Way::new(Arc::new(net.clone()), vec![rule(HOST, 443, Transport::Tls)], false);
    let body = format!(
        "(local.set $a {}) (call $request-body (local.get $a) (i32.const 64)) (local.set $b (i32.load (i32.const 68)))
         (call $body-write (local.get $b) (i32.const 64)) (local.set $c (i32.load (i32.const 68)))
         (local.set $a (call $send (local.get $a)))
         (loop $more
           (call $write (local.get $c) (i32.const 65536) (i32.const 4096) (i32.const 16))
           (br_if $more (i32.eqz (i32.load8_u (i32.const 16)))))
         (call $tell (call $await (local.get $a)))",
        request(2, 1, HOST, "/v1/post")
    );
    let outcome = run(&body, way.egress()).await;
    assert_eq!(said(&outcome), "413 request_too_large");
    let report = way.passage.close().await;
    assert!(report.exchanges[0].sent <= 512 << 10, "{:?}", report.exchanges);
    // Nobody was given a request that is not whole.
    assert_eq!(net.seen(), []);
}

#[tokio::test]
async fn a_component_may_say_how_long_it_waits_and_goes_on_afterwards() {
    let bare = Bare::new();
    // One after the other, more often than there are places.
    let body = format!(
        "(loop $more
           (local.set $b (call $new-options))
           (drop (call $set-first-byte-timeout (local.get $b) (i32.const 1) (i64.const 20000000)))
           (call $handle {} (i32.const 1) (local.get $b) (i32.const 64))
           (if (i32.load8_u (i32.const 64)) (then (unreachable)))
           (local.set $c (i32.load (i32.const 72)))
           (if (i32.ne (call $await (local.get $c)) (i32.const -1)) (then (unreachable)))
           (if (i32.ne (global.get $why) (i32.const {CONNECTION_READ_TIMEOUT})) (then (unreachable)))
           (call $drop-future (local.get $c))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $a) (i32.const 10))))
         (call $held)",
        request(0, 1, HOST, "/v1/x")
    );
    let serve = async {
        let mut open = Vec::new();
        while let Ok((stream, _)) = bare.listener.accept().await {
            open.push(stream);
        }
    };
    let outcome = tokio::select! {
        outcome = run(&body, bare.egress()) => outcome,
        () = serve => unreachable!(),
    };
    assert_eq!(outcome.answer, Ok(json!(null)), "{}", outcome.stderr);
}

#[tokio::test]
async fn an_answer_that_stops_in_its_middle_is_cut_when_the_component_says() {
    let bare = Bare::new();
    let body = format!(
        "(local.set $b (call $new-options))
         (drop (call $set-between-bytes-timeout (local.get $b) (i32.const 1) (i64.const 500000000)))
         (call $handle {} (i32.const 1) (local.get $b) (i32.const 64))
         (call $tell (call $await (i32.load (i32.const 72))))",
        request(0, 1, HOST, "/v1/x")
    );
    let serve = async {
        let (mut stream, _) = bare.listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = run(&body, bare.egress()) => outcome,
        () = serve => unreachable!(),
    };
    assert_eq!(said(&outcome), "200 half!cut");
}

/// Ends a component in the middle of a request, by its time or by its caller, and says how late it was gone. When the caller
/// is told so, the connection to the proxy is closed.
async fn ended_in_the_middle(tier: &Tier, component: &[u8], bare: &Bare, by_wall: bool) -> Duration {
    let wall = Duration::from_millis(400);
    let mut spec = spec("web", component, limits());
    (spec.limits.wall, spec.egress) = (if by_wall { wall } else { MINUTE }, bare.egress());
    let cx = cx(MINUTE);
    let prepared = tier.wasm.prepare(&cx, spec).await.unwrap();
    let began = clock().now();
    let serve = async {
        let (mut stream, _) = timeout(MINUTE, bare.listener.accept()).await.unwrap().unwrap();
        let heard = stream.read(&mut [0; 4_096]).await.unwrap();
        if !by_wall {
            // A busy machine may have come no further within the wall time.
            assert!(heard > 0);
            cx.cancel();
        }
        (stream, clock().now())
    };
    let (outcome, (stream, at)) = tokio::join!(tier.wasm.invoke(&cx, &prepared, Call::new("web", json!(null))), serve);
    let (ended, due) = if by_wall { (Ended::Limit(Resource::Wall), began + wall) } else { (Ended::Cancelled, at) };
    let late = clock().now().saturating_duration_since(due);
    assert_eq!(outcome.ended, ended);
    // Nobody is waited for: one that is still open would block.
    let read = std::io::Read::read(&mut stream.into_std().unwrap(), &mut [0; 16]);
    assert_eq!(read.map_err(|error| error.kind()), Ok(0));
    late
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_is_ended_takes_its_open_requests_with_it() {
    let bare = Bare::new();
    let (component, hangs) = (component(&fetch(0, 1, HOST, "/v1/x")), suite_tool("hangs"));
    // The tier's one thread is wanted by another component all the time, so nothing there ends as soon as it is told to.
    let tier = Tier::with([component.clone(), hangs.clone()], |config| config.components.threads = 1).await;
    let beside = cx(MINUTE);
    let hog = tier.wasm.prepare(&beside, spec("hangs", &hangs, limits())).await.unwrap();
    let rounds = async {
        let mut times = Vec::new();
        for round in 0..number("SYZYGY_JAIL_KILLS", 20) {
            times.push(ended_in_the_middle(&tier, &component, &bare, round % 2 == 0).await);
        }
        beside.cancel();
        times
    };
    let (_, mut times) = tokio::join!(tier.wasm.invoke(&beside, &hog, Call::new("hangs", json!(null))), rounds);
    let most = percentile(&mut times, 99);
    super::super::loudly(&format!("components ended in the middle of a request: p99 {most:?}"));
    // Other tests run beside this one; the figure of a quiet machine is in the docs.
    assert!(most < Duration::from_millis(500), "p99 {most:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_call_is_over_the_server_sees_its_connection_close() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let mut here = rule("127.0.0.1", port, Transport::Plain);
    here.networks = vec!["127.0.0.1/32".parse().unwrap()];
    let network = Arc::new(Internet::new(Arc::new(System), &Trust::System).unwrap());
    let way = Way::new(network, vec![here], false);
    let component = component(&fetch(0, 0, &format!("127.0.0.1:{port}"), "/v1/x"));
    let tier = Tier::new([component.clone()]).await;
    let mut spec = spec("web", &component, limits());
    (spec.limits.wall, spec.egress) = (Duration::from_millis(300), way.egress());
    let cx = cx(MINUTE);
    let prepared = tier.wasm.prepare(&cx, spec).await.unwrap();
    let call = async {
        let outcome = tier.wasm.invoke(&cx, &prepared, Call::new("web", json!(null))).await;
        way.passage.close().await;
        outcome
    };
    let serve = async {
        let (mut stream, _) = server.accept().await.unwrap();
        let mut heard = Vec::new();
        // Until the other side is gone.
        stream.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let (outcome, heard) = tokio::join!(call, serve);
    assert_eq!(outcome.ended, Ended::Limit(Resource::Wall));
    assert!(heard.starts_with(b"GET /v1/x HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&heard));
}

#[tokio::test]
async fn a_call_that_is_dropped_closes_its_requests_too() {
    let bare = Bare::new();
    let body = fetch(0, 1, HOST, "/v1/x");
    let mut call = Box::pin(run(&body, bare.egress()));
    let mut stream = tokio::select! {
        outcome = &mut call => panic!("{:?}", outcome.answer),
        came = bare.listener.accept() => came.unwrap().0,
    };
    drop(call);
    let closed = async || {
        let mut rest = [0; 4_096];
        (stream.read(&mut rest).await.ok()? == 0).then_some(())
    };
    eventually("the connection is closed", closed).await;
}
