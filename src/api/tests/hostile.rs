//! Hostile bytes over real connections: what is cut off, what is told, and that nothing is read as two requests.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::framing::{ambiguous, bad_chunks};
use super::support::{Answer, TestHost, Wanted};
use crate::api::Config;

fn with(change: impl FnOnce(&mut Config)) -> Wanted {
    let mut wanted = Wanted::default();
    change(&mut wanted.config);
    wanted
}

/// Everything the host sends back until it closes.
async fn exchange(host: &TestHost, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(20), reading).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

// API5.
#[tokio::test]
async fn what_could_be_two_requests_is_none() {
    let host = TestHost::start(Wanted::default()).await;
    for (bytes, why) in ambiguous() {
        let text = exchange(&host, bytes.as_bytes()).await;
        let answer = Answer::parse(text.as_bytes());
        assert_eq!((answers(&text), answer.status, answer.code().as_str()), (1, 400, "malformed_request"), "{bytes:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{text}");
        assert_eq!(answer.headers["connection"], "close");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_body_that_is_cut_wrongly_is_told_how_whatever_is_in_it() {
    let host = TestHost::start(Wanted::default()).await;
    let smuggled = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (body, why) in bad_chunks() {
        let head = "POST /route HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        let token = host.operator();
        let bytes =
            format!("{head}authorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n{body}{smuggled}");
        let text = exchange(&host, bytes.as_bytes()).await;
        let answer = Answer::parse(text.as_bytes());
        assert_eq!((answers(&text), answer.status, answer.code().as_str()), (1, 400, "malformed_request"), "{body:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{body:?}: {text}");
        assert_eq!(answer.headers["connection"], "close", "{body:?}");
    }
    // Its JSON may be perfect.
    let whole = "11\r\n{\"text\": \"a b c\"}\r\n0\r\n\r\n";
    for (body, code, why) in [
        (whole.to_owned(), "", ""),
        (whole.replacen("11", "11;a=b", 1), "malformed_request", "hexadecimal"),
        (whole.replacen("11\r\n", "11\n", 1), "malformed_request", "hexadecimal"),
        (whole.replacen("11", "000000000011", 1), "malformed_request", "hexadecimal"),
        (whole.replace("0\r\n", "0\r\nx: y\r\n"), "malformed_request", "trailers"),
        (whole.replacen("11", "12", 1), "malformed_request", "where its size says"),
    ] {
        let headers = host.headers(&[("host", "localhost"), ("connection", "close"), ("transfer-encoding", "chunked")]);
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = exchange(&host, format!("POST /chunk HTTP/1.1\r\n{lines}\r\n{body}").as_bytes()).await;
        let answer = Answer::parse(text.as_bytes());
        if code.is_empty() {
            assert_eq!(answer.status, 200, "{body:?}: {text}");
            continue;
        }
        assert_eq!((answers(&text), answer.status, answer.code().as_str()), (1, 400, code), "{body:?}: {text}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{body:?}: {text}");
    }
    host.stop().await;
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row_and_a_bad_one_ends_it() {
    let host = TestHost::start(Wanted::default()).await;
    let good = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let text = exchange(&host, format!("{good}{good}{last}{good}").as_bytes()).await;
    assert_eq!((answers(&text), text.matches("200 OK").count()), (3, 3), "{text}");
    let old = "GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n";
    let text = exchange(&host, format!("{old}{good}").as_bytes()).await;
    assert_eq!(text.matches("200 OK").count(), 1, "{text}");

    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(good.as_bytes()).await.unwrap();
    let mut first = vec![0; 12];
    stream.read_exact(&mut first).await.unwrap();
    stream.write_all(format!("GET /healthz HTTP/1.1\nhost: localhost\n\n{good}").as_bytes()).await.unwrap();
    let text = rest(&mut stream).await;
    assert!(!text.contains("200 OK") && text.contains("400 Bad Request"), "{text}");
    host.stop().await;
}

// API2.
#[tokio::test]
async fn heads_that_are_too_large_or_too_slow_are_told_so() {
    let host = TestHost::start(with(|config| config.head_timeout_s = 1)).await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\na: {}\r\n\r\n", "x".repeat(5_000));
    let long = Answer::parse(exchange(&host, head.as_bytes()).await.as_bytes());
    assert_eq!((long.status, long.code().as_str()), (431, "head_too_large"));
    assert!(long.json()["detail"].as_str().unwrap().contains("api.head_bytes_max"));
    let many: String = (0..40).map(|number| format!("h{number}: 1\r\n")).collect();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    let many = Answer::parse(exchange(&host, head.as_bytes()).await.as_bytes());
    assert_eq!((many.status, many.code().as_str()), (431, "head_too_large"));
    assert!(many.json()["detail"].as_str().unwrap().contains("api.headers_max"));
    // A byte now and then buys no more time.
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut bytes = Vec::new();
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(100));
    writer.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n").await.unwrap();
    let dripping = async {
        loop {
            tick.tick().await;
            if writer.write_all(b"a: b\r\n").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        read = reader.read_to_end(&mut bytes) => drop(read),
        () = dripping => unreachable!(),
    }
    let slow = Answer::parse(&bytes);
    assert_eq!((slow.status, slow.code().as_str()), (408, "head_timeout"));
    host.stop().await;
}

#[tokio::test]
async fn who_reads_nothing_of_an_answer_gives_the_place_back() {
    let host = TestHost::start(with(|config| (config.write_timeout_s, config.connections_per_peer_max) = (1, 1))).await;
    let ask = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut deaf = TcpStream::connect(host.address).await.unwrap();
    // More than the system buffers for a reader that sleeps.
    let asking = async {
        while deaf.write_all(ask.repeat(64).as_bytes()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let served = async {
        while exchange(&host, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    let both = async { tokio::join!(asking, served) };
    tokio::time::timeout(std::time::Duration::from_secs(60), both).await.unwrap();
    host.stop().await;
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let host = TestHost::start(with(|config| (config.idle_timeout_s, config.head_timeout_s) = (1, 1))).await;
    assert_eq!(exchange(&host, b"").await, "");
    let once = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let text = exchange(&host, once.as_bytes()).await;
    assert_eq!((answers(&text), text.matches("200 OK").count()), (1, 1), "closed after the last answer: {text}");
    host.stop().await;
}

// PE1.
#[tokio::test]
async fn one_connection_too_many_is_closed_and_its_place_comes_back() {
    let host = TestHost::start(with(|config| config.connections_per_peer_max = 2)).await;
    let ask = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut first = TcpStream::connect(host.address).await.unwrap();
    let mut second = TcpStream::connect(host.address).await.unwrap();
    assert_eq!(exchange(&host, ask).await, "");
    first.write_all(ask).await.unwrap();
    assert!(rest(&mut first).await.contains("200 OK"), "those that are open are served");
    drop(first);
    while !exchange(&host, ask).await.contains("200 OK") {}
    second.write_all(ask).await.unwrap();
    assert!(rest(&mut second).await.contains("200 OK"));
    host.stop().await;
}

#[tokio::test]
async fn one_hundred_megabytes_are_refused_before_they_are_sent() {
    let host = TestHost::start(Wanted::default()).await;
    let token = host.operator();
    let head = format!(
        "POST /route HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: 100000000\r\n\r\n"
    );
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = [0; 12];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 413", "not even 100 Continue");
    host.stop().await;
}

#[tokio::test]
async fn bodies_that_would_have_to_be_unpacked_are_refused() {
    let host = TestHost::start(Wanted::default()).await;
    for coding in ["gzip", "br", "zstd", "deflate", "identity, gzip"] {
        let answer = host.raw("POST", "/chunk", &host.headers(&[("content-encoding", coding)]), b"x").await;
        assert_eq!((answer.status, answer.code().as_str()), (415, "wrong_encoding"), "{coding}");
        assert_eq!(answer.headers["accept-encoding"], "identity");
    }
    let body = br#"{"text": "a"}"#;
    let plain = host.raw("POST", "/chunk", &host.headers(&[("content-encoding", "identity")]), body).await;
    assert_eq!(plain.status, 200, "{}", plain.body);
    host.stop().await;
}

#[tokio::test]
async fn json_is_read_as_deep_as_the_limit_and_no_deeper() {
    let host = TestHost::start(Wanted::default()).await;
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let ask = async |text: String| host.raw("POST", "/chunk", &host.headers(&[]), text.as_bytes()).await.code();
    assert_eq!(ask(nested(16)).await, "invalid_request", "deep enough for the parser to look at");
    assert_eq!(ask(nested(17)).await, "too_large");
    assert_eq!(ask("[".repeat(5_000)).await, "too_large");
    assert_eq!(ask(format!("{{\"text\": {}", nested(17))).await, "too_large");
    let text = json!({ "text": format!("\\\" {} \"", "[{".repeat(50)) });
    assert_eq!(host.post("/chunk", text).await.status, 200, "brackets in a text are no levels");
    host.stop().await;
}

#[tokio::test]
async fn a_whole_number_is_one_however_it_is_written() {
    let host = TestHost::start(Wanted::default()).await;
    let ask = async |path: &str, text: &str| host.raw("POST", path, &host.headers(&[]), text.as_bytes()).await;
    let cut = ask("/chunk", r#"{"text": "a", "max_tokens": 64.0, "overlap_tokens": 1.6E+1}"#).await;
    assert_eq!(cut.status, 200, "{}", cut.body);
    let made =
        ask("/assemble", r#"{"parts": [{"chunk": -0.0, "text": "4.0 \"5.0\" \\"}, {"chunk": 1, "text": "6e0"}]}"#)
            .await;
    assert!(made.body.contains(r#"4.0 \"5.0\" \\"#) && made.body.contains("6e0"), "{}", made.body);
    for (text, word) in [
        (r#"{"text": "a", "max_tokens": 64.5}"#, "floating point `64.5`"),
        (r#"{"text": "a", "max_tokens": -64.0}"#, "integer `-64`"),
        (r#"{"text": "a", "max_tokens": 1e10}"#, "integer `10000000000`"),
        (r#"{"text": "a", "max_tokens": 1e30}"#, "floating point"),
        (r#"{"text": "a", "max_tokens": 64.0, "text": "b"}"#, "duplicate field `text` at line 1 column 40"),
        (r#"{"text": 4.0}"#, "expected a string"),
    ] {
        let refused = ask("/chunk", text).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_request"), "{text}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(word), "{text}: {}", refused.body);
    }
    assert_eq!(ask("/chunk", r#"{"text": "a", "max_tokens": 64.0"#).await.code(), "malformed_json");
    host.stop().await;
}

#[tokio::test]
async fn two_answers_to_who_asks_are_none_and_two_traces_neither() {
    let host = TestHost::start(Wanted::default()).await;
    let (good, wrong) = (format!("Bearer {}", host.operator()), "Bearer syz_wrong".to_owned());
    for (first, second) in [(&good, &wrong), (&wrong, &good), (&good, &good)] {
        let headers =
            [("host", "localhost".to_owned()), ("authorization", first.clone()), ("Authorization", second.clone())];
        let answer = host.raw("GET", "/tree", &headers, b"").await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed_request"), "{}", answer.body);
        assert_eq!(answer.headers["connection"], "close");
    }
    let trace = |digit: &str| format!("00-{}-b7ad6b7169203331-01", digit.repeat(32));
    let headers = host.headers(&[("traceparent", &trace("a")), ("traceparent", &trace("b"))]);
    let answer = host.raw("GET", "/tree", &headers, b"").await;
    let said = &answer.headers["traceparent"];
    assert!(answer.status == 200 && !said.contains("aaaa") && !said.contains("bbbb"), "{said}");
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_text_is_refused_wherever_it_stands() {
    let host = TestHost::start(Wanted::default()).await;
    for path in ["/runs/%ff", "/runs/%ff/why", "/runs?prefix=%ff", "/runs?prefix=%e", "/runs?prefix=%zz", "/runs/%00"] {
        let answer = host.get(path).await;
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(["invalid_request", "unknown_run"].contains(&answer.code().as_str()), "{path}: {answer:?}");
    }
    assert_eq!(host.get("/runs?prefix=%C3%A9").await.json()["runs"], Value::Array(Vec::new()));
    let deleted = host.ask("DELETE", "/tokens/%ff", None).await;
    assert_eq!(deleted.code(), "invalid_request");
    let body = host.raw("POST", "/chunk", &host.headers(&[]), b"{\"text\": \"\xff\xfe\"}").await;
    assert_eq!((body.status, body.code().as_str()), (400, "malformed_json"));
    let lone = host.raw("POST", "/chunk", &host.headers(&[]), br#"{"text": "\ud800"}"#).await;
    assert_eq!((lone.status, lone.code().as_str()), (400, "malformed_json"));
    let head =
        Answer::parse(exchange(&host, b"GET /tree HTTP/1.1\r\nhost: localhost\r\nx: \xff\r\n\r\n").await.as_bytes());
    assert_eq!(head.code(), "malformed_request");
    let token = host.ask_as(Some("syz_\u{e9}"), "GET", "/tree", None).await;
    assert_eq!(token.code(), "unauthenticated");
    host.stop().await;
}

#[tokio::test]
async fn pages_of_other_places_are_refused() {
    let wanted = with(|config| {
        config.allowed_hosts = vec!["syzygy.example".to_owned()];
        config.allowed_origins = vec!["https://console.example".to_owned()];
    });
    let host = TestHost::start(wanted).await;
    let ask = async |name: &str, origin: &str| {
        let token = format!("Bearer {}", host.operator());
        let headers = [("host", name.to_owned()), ("origin", origin.to_owned()), ("authorization", token)];
        let answer = host.raw("GET", "/tree", &headers, b"").await;
        if answer.status == 200 { "200".to_owned() } else { answer.code() }
    };
    for origin in
        ["http://evil.example", "null", "", "http://localhost:3000", "https://localhost", "http://localhost.evil"]
    {
        assert_eq!(ask("localhost", origin).await, "wrong_origin", "{origin}");
    }
    assert_eq!(ask("localhost:7171", "http://localhost:7171").await, "200");
    assert_eq!(ask("localhost", "https://console.example").await, "200");
    assert_eq!(ask("syzygy.example", "http://syzygy.example").await, "200");
    assert_eq!(ask("syzygy.example:80", "http://syzygy.example:80").await, "200");
    assert_eq!(ask("evil.example", "http://evil.example").await, "wrong_host", "rebinding gives both");
    host.stop().await;
}
