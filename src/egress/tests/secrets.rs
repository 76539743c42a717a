//! Secrets go out and do not come in: not in an answer, a record, an error or the log.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::types::secret::Scanner;

/// Everything that is logged, whatever its level and whoever logs it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = writeln!(self.0.lock(), "{field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn base64ish(text: &str) -> String {
    // The key of the tests, in base64 behind `user:`.
    assert_eq!(text, KEY);
    "dXNlcjpzay1saXZlLTAxMjM0NTY3ODlhYmNkZWY=".to_owned()
}

fn echo(head: &str) -> Vec<u8> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let header = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
    match path {
        "/v1/body" => ok(&format!("you sent {header}, thank you")),
        "/v1/hex" => ok(&KEY.bytes().map(|byte| format!("{byte:02X}")).collect::<String>()),
        "/v1/base64" => ok(&base64ish(KEY)),
        "/v1/head" => format!("HTTP/1.1 200 OK\r\nx-echo: {header}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
        "/v1/reason" => format!("HTTP/1.1 200 {KEY}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
        "/v1/pieces" => {
            let (one, two) = KEY.split_at(9);
            let (a, b) = (one.len(), two.len());
            format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{a:x}\r\n{one}\r\n{b:x}\r\n{two}\r\n0\r\n\r\n"
            )
            .into_bytes()
        }
        "/v1/packed" => b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b".to_vec(),
        "/v1/cut" => format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{}", &KEY[..12]).into_bytes(),
        _ => ok("nothing of it"),
    }
}

#[tokio::test]
async fn a_secret_is_seen_by_its_server_and_by_nobody_else() {
    let log = Log::default();
    // With one subscriber alone tracing asks the thread that comes to a line first whether anybody reads it, and that may be
    // a thread of another test. With two it asks both.
    let _second = tracing::Dispatch::new(Log::default());
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = serve("127.0.0.1:0", &[HOST], echo).await;
    let bench = Bench::new(server.network(Names::here()));
    let scanner = Scanner::new([&Secret::new(KEY)]);
    let policy = policy(vec![rule(HOST, server.port(), Transport::Tls)], vec![key("authorization")]);
    assert!(scanner.find(format!("{policy:?}").as_bytes()).is_none());
    let passage = bench.open(policy);
    let place = format!("{HOST}:{}", server.port());
    let rows = [
        ("/v1/body", Reason::SecretReturned),
        ("/v1/hex", Reason::SecretReturned),
        ("/v1/base64", Reason::SecretReturned),
        ("/v1/head", Reason::SecretReturned),
        ("/v1/reason", Reason::SecretReturned),
        ("/v1/pieces", Reason::SecretReturned),
        ("/v1/packed", Reason::AnswerPacked),
        ("/v1/cut", Reason::Cut),
    ];
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: {place}\r\naccept-encoding: gzip\r\n\r\n");
    for (path, _) in &rows {
        let seen = raw(passage.socket(), request(path).as_bytes()).await;
        assert!(scanner.find(&seen).is_none(), "EG4: {path}: {}", String::from_utf8_lossy(&seen));
        let answer = Answer::of(&seen);
        assert!(answer.status != 200 || !answer.whole, "{path}: {answer:?}");
    }
    let good = raw(passage.socket(), request("/v1/good").as_bytes()).await;
    assert_eq!(Answer::of(&good).body, b"nothing of it");
    let sent = server.seen();
    assert_eq!(sent.iter().filter(|head| head.contains(KEY)).count(), rows.len() + 1, "each request carried it");
    assert!(sent.iter().all(|head| head.contains("accept-encoding: identity\r\n") && !head.contains("gzip")));

    let report = passage.close().await;
    let reasons: Vec<Reason> = report.refusals().map(|(_, refusal)| refusal.reason).collect();
    assert_eq!(reasons, rows.map(|(_, reason)| reason));
    let journal = serde_json::to_string(&report).unwrap();
    assert!(scanner.find(journal.as_bytes()).is_none(), "{journal}");
    let text = log.0.lock().clone();
    assert!(
        text.contains("a request of a tool was refused") && text.contains("a request of a tool was made"),
        "{text}"
    );
    assert!(scanner.find(text.as_bytes()).is_none(), "{text}");
}

#[tokio::test]
async fn a_secret_goes_to_its_own_hosts_and_to_none_whose_certificate_is_not_theirs() {
    let server = serve("127.0.0.1:0", &["other.example.com"], echo).await;
    let bench = Bench::new(server.network(Names::here()));
    let rules = vec![rule(HOST, server.port(), Transport::Tls), rule("*.example.com", server.port(), Transport::Tls)];
    let passage = bench.open(policy(rules, vec![key("x-key")]));
    let other = format!("other.example.com:{}", server.port());
    assert_eq!(get(&passage, "/v1/a", &other).await.status, 200);
    let wrong = get(&passage, "/v1/a", &format!("{HOST}:{}", server.port())).await;
    assert_eq!(wrong.refused(), "tls_failed");
    assert!(server.seen().iter().all(|head| !head.contains(KEY)), "EG4: {:?}", server.seen());
    let stranger = serve("127.0.0.1:0", &[HOST], echo).await;
    let bench = Bench::new(server.network(Names::here()));
    let passage = bench.open(policy(vec![rule(HOST, stranger.port(), Transport::Tls)], vec![key("x-key")]));
    let unknown = get(&passage, "/v1/a", &format!("{HOST}:{}", stranger.port())).await;
    assert_eq!(unknown.refused(), "tls_failed", "its authority is nobody's");
}

#[test]
fn secrets_that_could_get_lost_are_refused_before_anything_opens() {
    let tls = || vec![rule(HOST, 443, Transport::Tls)];
    let with = |change: &dyn Fn(&mut Injection)| {
        let mut injection = key("authorization");
        change(&mut injection);
        vec![injection]
    };
    let plain = vec![rule(HOST, 80, Transport::Plain)];
    let tunnel = || vec![rule(HOST, 443, Transport::Tls), rule("*.example.com", 444, Transport::Tunnel)];
    let wide = with(&|one| one.hosts = vec!["*.example.com".parse().unwrap()]);
    let rows = [
        (plain, with(&|_| {})),
        (tunnel(), with(&|_| {})),
        (tls(), wide),
        (tls(), with(&|one| one.hosts.clear())),
        (tls(), with(&|one| one.header = "host".to_owned())),
        (tls(), with(&|one| one.header = "Authorization".to_owned())),
        (tls(), with(&|one| one.header = "a: b\r\nc".to_owned())),
        (tls(), with(&|one| one.prefix = "a\r\nb: ".to_owned())),
        (tls(), with(&|one| one.secret = Secret::new("line\nbreak-in-it"))),
        (tls(), with(&|one| one.secret = Secret::new("short"))),
        (tls(), [with(&|_| {}), with(&|one| one.name = "second".to_owned())].concat()),
    ];
    for (place, (rules, injections)) in rows.into_iter().enumerate() {
        let shown = injections[0].secret.reveal().to_owned();
        let error = Policy::new(rules, injections, limits(), true).unwrap_err();
        assert_eq!(error.class(), Class::Invalid, "row {place}: {error}");
        assert!(!error.to_string().contains(&shown), "{error}");
    }
}
