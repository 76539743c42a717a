//! Tests of notices: signatures against the vectors of RFC 4231, both backends against the same suite, and the wire.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::sync::Arc;
use std::time::Duration;

use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::sign::hmac;
use super::{Error, Http, Mailroom, Notice, Outbound, SIGNATURE, cleared, signature, usual_tier};
use crate::types::{Class, Cleared, Cx, Place, Secret, Timestamp, TrustTier};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// <https://www.rfc-editor.org/rfc/rfc4231>, cases 1, 2, 6 (a key longer than a block) and 7.
#[test]
fn signatures_are_those_of_the_standard() {
    let long = [0xaa; 131];
    let rows: [(&[u8], &[u8], &str); 4] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            &long,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &long,
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
              hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, text, expected) in rows {
        assert_eq!(hex(&hmac(key, &[text])), expected);
        let (one, other) = text.split_at(3);
        assert_eq!(hex(&hmac(key, &[one, other])), expected, "parts are one text");
    }
}

// F1.
#[test]
fn a_signature_is_of_its_time_and_its_bytes_and_never_shows_its_key() {
    let (key, at) = (Secret::new("secret"), Timestamp(1_750_000_000_500_000));
    let said = signature(&key, at, "{}");
    let own = hex(&hmac(b"secret", &[b"1750000000.{}"]));
    assert_eq!(said, format!("t=1750000000,v1={own}"));
    assert_ne!(signature(&key, Timestamp(at.0 + 1_000_000), "{}"), said);
    assert_ne!(signature(&key, at, "{ }"), said);
    assert_eq!(format!("{key:?}"), "Secret(..)");
}

fn notice(url: &str) -> Notice {
    Notice {
        url: url.to_owned(),
        key: Some(Secret::new("secret")),
        id: "7".to_owned(),
        event: "hitl.opened".to_owned(),
        at: Timestamp(1_750_000_000_000_000),
        body: "{\"item\":\"1\"}".to_owned(),
    }
}

/// The notice, for a receiver that may hear of the host.
fn sealed(notice: Notice) -> Cleared<Notice> {
    cleared(notice, &Place::of(usual_tier())).unwrap()
}

// F3.
#[test]
fn what_a_receiver_may_not_see_leaves_as_a_label_or_not_at_all() {
    let body = r#"{"at":1750000000000000,"say":["ask ada@example.com","card 4111 1111 1111 1111"]}"#;
    let said = |tier| cleared(Notice { body: body.to_owned(), ..notice("") }, &Place::of(tier));
    assert_eq!(said(TrustTier::Local).unwrap().get().body, body);
    let hidden = r#"{"at":1750000000000000,"say":["ask [email]","card [card]"]}"#;
    for tier in [TrustTier::Private, TrustTier::Partner] {
        assert_eq!(said(tier).unwrap().get().body, hidden, "a card is for this machine alone");
    }
    let withheld = said(TrustTier::External).unwrap_err();
    assert_eq!((withheld.class(), withheld.passes()), (Class::Denied, false));
    let text = cleared(Notice { body: "no JSON: ada@example.com".to_owned(), ..notice("") }, &Place::of(usual_tier()));
    assert_eq!(text.unwrap().get().body, "no JSON: [email]");
}

#[expect(clippy::disallowed_methods, reason = "a deadline on the machine's own clock")]
fn cx(within: Duration) -> Cx {
    Cx::housekeeping(tokio::time::Instant::now(), within)
}

/// A backend whose receiver answers this status.
async fn receiver(status: u16) -> (MockServer, Http) {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status).insert_header("location", "http://127.0.0.1:1/");
    Mock::given(method("POST")).and(path("/hook")).respond_with(answer).mount(&server).await;
    (server, Http::new().unwrap())
}

/// What every backend does, whatever its receiver answers.
async fn suite(backend: Arc<dyn Outbound>, url: &str, expected: Result<(), Error>) {
    let cx = cx(Duration::from_secs(20));
    assert_eq!(backend.deliver(&cx, &sealed(notice(url))).await, expected);
    if let Err(error) = expected {
        assert!(error.to_string().starts_with("could not deliver"), "{error}");
    }
}

// F2.
#[tokio::test]
async fn an_answer_is_believed_by_its_status_alone() {
    let rows = [(200, true, false), (204, true, false), (302, false, false), (404, false, false), (500, false, true)];
    for (status, arrives, passes) in rows.into_iter().chain([(429, false, true), (408, false, true)]) {
        let expected = if arrives { Ok(()) } else { Err(Error::Status(status)) };
        let (server, http) = receiver(status).await;
        suite(Arc::new(http), &format!("{}/hook", server.uri()), expected.clone()).await;
        suite(Arc::new(Mailroom::answering([expected.clone()])), "http://anywhere", expected.clone()).await;
        assert_eq!(expected.is_err_and(|error| error.passes()), passes, "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "it is sent once, and followed nowhere");
    }
}

#[tokio::test]
async fn a_notice_says_what_it_is_and_is_signed() {
    let server = MockServer::start().await;
    let said = signature(&Secret::new("secret"), notice("").at, &notice("").body);
    Mock::given(header("x-syzygy-delivery", "7"))
        .and(header("x-syzygy-event", "hitl.opened"))
        .and(header("content-type", "application/json"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let http = Http::new().unwrap();
    let cx = cx(Duration::from_secs(20));
    http.deliver(&cx, &sealed(notice(&server.uri()))).await.unwrap();
    let unsigned = Notice { key: None, ..notice(&server.uri()) };
    http.deliver(&cx, &sealed(unsigned)).await.unwrap();
    let came = server.received_requests().await.unwrap();
    assert_eq!(came[0].headers.get(SIGNATURE).unwrap().to_str().unwrap(), said);
    assert_eq!(String::from_utf8_lossy(&came[0].body), notice("").body);
    assert!(came[1].headers.get(SIGNATURE).is_none());
}

#[tokio::test]
async fn who_is_not_there_or_has_no_address_is_told_apart() {
    let http = Http::new().unwrap();
    let cx = cx(Duration::from_secs(20));
    let gone = http.deliver(&cx, &sealed(notice("http://127.0.0.1:1/hook?key=hidden"))).await.unwrap_err();
    assert!(gone.passes() && !gone.to_string().contains("hidden"), "{gone}");
    for nowhere in ["nowhere", "ftp://127.0.0.1/"] {
        let error = http.deliver(&cx, &sealed(notice(nowhere))).await.unwrap_err();
        assert!(!error.passes(), "{error}");
    }
    let silent = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_secs(600));
    Mock::given(method("POST")).respond_with(late).mount(&silent).await;
    let error = http.deliver(&self::cx(Duration::from_millis(50)), &sealed(notice(&silent.uri()))).await.unwrap_err();
    assert!(error.passes() && error.to_string().contains("in time"), "{error}");
}
