//! What the proxy does over every network: the imagined one and the real one pass the same suite.

use super::*;

/// What the server of the suite answers, by the path it is asked for.
fn respond(head: &str) -> Vec<u8> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    match path {
        "/v1/moved" => {
            b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0\r\n\r\n".to_vec()
        }
        "/v1/chunks" => {
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n".to_vec()
        }
        "/v1/close" => b"HTTP/1.0 200 OK\r\n\r\nuntil the end".to_vec(),
        "/v1/large" => ok(&"x".repeat(300 << 10)),
        "/v1/none" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/v1/early" => [b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".to_vec(), ok("late")].concat(),
        "/v1/hop" => {
            b"HTTP/1.1 200 OK\r\nconnection: x-mine, close\r\nx-mine: 1\r\nkeep-alive: 5\r\ncontent-length: 2\r\n\r\nok"
                .to_vec()
        }
        _ if head.starts_with("HEAD") => b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n".to_vec(),
        _ => ok("hello"),
    }
}

/// A passage whose rules let it to the server at this port, over TLS.
async fn suite(bench: &Bench, port: u16, seen: impl Fn() -> Vec<String>) {
    let passage = bench.open(policy(vec![rule(HOST, port, Transport::Tls)], vec![key("authorization")]));
    let place = format!("{HOST}:{port}");

    let answer = get(&passage, "/v1/a?q=1", &place).await;
    assert_eq!((answer.status, answer.body.as_slice(), answer.whole), (200, &b"hello"[..], true));
    assert!(answer.head.contains("x-own: yes\r\n"), "{}", answer.head);
    let head = seen().pop().unwrap();
    assert!(head.starts_with("GET /v1/a?q=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {place}\r\n")), "{head}");
    assert!(head.contains(&format!("\r\nauthorization: Bearer {KEY}\r\n")), "EG4: {head}");

    let absolute = format!(
        "GET https://{place}/v1/%61/../b HTTP/1.1\r\nHost: {place}\r\nX-A: 1\r\nConnection: x-a\r\nAuthorization: own\r\n\r\n"
    );
    assert_eq!(ask(&passage, &absolute).await.status, 200);
    let head = seen().pop().unwrap();
    assert!(head.starts_with("GET /v1/b HTTP/1.1\r\n"), "EG3: {head}");
    assert!(!head.contains("x-a:") && !head.contains("own"), "{head}");

    bodies(&passage, &place, &seen).await;
    answers(&passage, &place).await;
    let calls = seen().len();
    let rows = refusals(&passage, &place, port).await;
    assert_eq!(seen().len(), calls + 1, "EG1: only the large answer was asked for");

    let (socket, made) = (passage.socket().to_owned(), seen().len());
    let report = passage.close().await;
    assert!(!socket.exists() && bench.is_empty(), "EG5");
    judge(&report, port, (made, rows));
}

/// Bodies in both forms, and what comes after one.
async fn bodies(passage: &Passage, place: &str, seen: &impl Fn() -> Vec<String>) {
    let chunked = format!(
        "POST /v1/c HTTP/1.1\r\nhost: {place}\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"
    );
    assert_eq!(ask(passage, &chunked).await.status, 200);
    let fixed = format!(
        "POST /v1/c HTTP/1.1\r\nhost: {place}\r\ncontent-length: 4\r\n\r\nbodyGET /v1/smuggled HTTP/1.1\r\n\r\n"
    );
    assert_eq!(ask(passage, &fixed).await.status, 200);
    assert!(seen().last().unwrap().ends_with("\r\n\r\nbody"), "one request over one connection");
    assert!(seen().iter().all(|head| !head.contains("smuggled")));
}

/// Answers in every form.
async fn answers(passage: &Passage, place: &str) {
    let rows: [(&str, u16, &[u8]); 6] = [
        ("/v1/chunks", 200, b"abcdefg"),
        ("/v1/close", 200, b"until the end"),
        ("/v1/none", 204, b""),
        ("/v1/early", 200, b"late"),
        ("/v1/hop", 200, b"ok"),
        ("/v1/moved", 302, b""),
    ];
    for (path, status, body) in rows {
        let answer = get(passage, path, place).await;
        assert_eq!((answer.status, answer.body.as_slice(), answer.whole), (status, body, true), "{path}");
        assert!(!answer.head.contains("x-mine") && !answer.head.contains("keep-alive"), "{}", answer.head);
    }
    let moved = get(passage, "/v1/moved", place).await;
    assert!(
        moved.head.contains("location: https://elsewhere.example/\r\n"),
        "a redirect is passed on, and not followed"
    );
    let head_only = raw(passage.socket(), format!("HEAD /v1/h HTTP/1.1\r\nhost: {place}\r\n\r\n").as_bytes()).await;
    assert!(String::from_utf8_lossy(&head_only).contains("content-length: 12345\r\n"));
}

/// What is refused, and how many requests that were, but for two whose bodies are too large.
async fn refusals(passage: &Passage, place: &str, port: u16) -> usize {
    assert_eq!(get(passage, "/v1/large", place).await.refused(), "response_too_large");
    let long = format!("POST /v1/c HTTP/1.1\r\nhost: {place}\r\ncontent-length: 70000\r\n\r\n");
    assert_eq!(ask(passage, &long).await.refused(), "request_too_large");
    let rows = [
        (format!("GET /v2/a HTTP/1.1\r\nhost: {place}\r\n\r\n"), "path_not_allowed"),
        (format!("GET /v1/..%2f..%2fadmin HTTP/1.1\r\nhost: {place}\r\n\r\n"), "path_not_allowed"),
        (format!("PUT /v1/a HTTP/1.1\r\nhost: {place}\r\n\r\n"), "method_not_allowed"),
        (format!("TRACE /v1/a HTTP/1.1\r\nhost: {place}\r\n\r\n"), "method_not_allowed"),
        (format!("GET http://{place}/v1/a HTTP/1.1\r\nhost: {place}\r\n\r\n"), "transport_not_allowed"),
        (format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\n"), "transport_not_allowed"),
        (format!("GET /v1/a HTTP/1.1\r\nhost: {HOST}\r\n\r\n"), "port_not_allowed"),
        (format!("GET /v1/a HTTP/1.1\r\nhost: evil.example:{port}\r\n\r\n"), "host_not_allowed"),
        (format!("GET https://{place}/v1/a HTTP/1.1\r\nhost: evil.example\r\n\r\n"), "host_mismatch"),
        (format!("GET /v1/%zz HTTP/1.1\r\nhost: {place}\r\n\r\n"), "path_unreadable"),
        (format!("POST /v1/a HTTP/1.1\r\nhost: {place}\r\nx-http-method-override: PUT\r\n\r\n"), "header_not_allowed"),
    ];
    for (request, reason) in &rows {
        let answer = ask(passage, request).await;
        assert_eq!(answer.refused(), *reason, "{request}");
        assert!(answer.status >= 400 && answer.whole);
    }
    rows.len()
}

/// The record of the suite: so many requests were made, and so many refused at once.
fn judge(report: &Report, port: u16, (made, rows): (usize, usize)) {
    assert_eq!(
        (report.ended, report.hosts(), report.secrets()),
        (Some(Ended::Closed), vec![HOST.to_owned()], vec!["team/key".to_owned()])
    );
    assert_eq!((report.exchanges.len(), report.refusals().count()), (made + rows + 1, rows + 2));
    assert_eq!(report.requests, report.exchanges.len() as u64);
    let first = &report.exchanges[0];
    assert_eq!((first.path.as_deref(), first.status, first.method.as_deref()), (Some("/v1/a"), Some(200), Some("GET")));
    assert_eq!((first.address, first.port), ("127.0.0.1".parse().ok(), Some(port)));
    assert_eq!(report.sent, report.exchanges.iter().map(|exchange| exchange.sent).sum::<u64>());
    assert_eq!(report.received, report.exchanges.iter().map(|exchange| exchange.received).sum::<u64>());
    assert_eq!(first.received, ok("hello").len() as u64);
}

#[tokio::test]
async fn the_imagined_network_passes_the_suite() {
    let world = Imagined::new();
    world.name(HOST, &["127.0.0.1".parse().unwrap()]);
    world.serve("127.0.0.1:8443".parse().unwrap(), |seen| respond(&seen.head));
    let seen = || world.seen().iter().map(|seen| seen.head.clone() + &String::from_utf8_lossy(&seen.body)).collect();
    suite(&Bench::new(Arc::new(world.clone())), 8443, seen).await;
    let secured = |seen: Seen| seen.secured.as_deref() == Some(HOST);
    assert!(world.seen().into_iter().all(secured));
}

#[tokio::test]
async fn the_real_network_passes_the_suite() {
    let server = serve("127.0.0.1:0", &[HOST], respond).await;
    suite(&Bench::new(server.network(Names::here())), server.port(), || server.seen()).await;
}

#[tokio::test]
async fn plain_requests_go_out_in_the_clear_and_without_secrets() {
    let server = serve("127.0.0.1:0", &[], respond).await;
    let bench = Bench::new(server.network(Names::here()));
    let both = vec![rule(HOST, server.port(), Transport::Plain), rule(HOST, 443, Transport::Tls)];
    let passage = bench.open(policy(both, vec![key("authorization")]));
    let place = format!("{HOST}:{}", server.port());
    let answer = get(&passage, &format!("http://{place}/v1/a"), &place).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
    assert!(!server.seen()[0].contains(KEY), "EG4");
    assert_eq!(get(&passage, "http:///v1/a", &place).await.refused(), "malformed");
}
