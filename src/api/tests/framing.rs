//! Where requests begin and end: what passes has one reading, however the network cuts it.

use proptest::prelude::*;

use crate::api::framing::{Framing, Limits, Refusal};

const LIMITS: Limits = Limits { head_bytes_max: 256, headers_max: 4 };

fn read(bytes: &[u8]) -> (Vec<u8>, Result<(), Refusal>) {
    let (mut framing, mut out) = (Framing::new(LIMITS), Vec::new());
    let taken = framing.take_all(bytes, &mut out);
    (out, taken)
}

/// A request with these lines after its first, and then these bytes.
fn post(lines: &str, rest: &str) -> String {
    format!("POST /a HTTP/1.1\r\nhost: h\r\n{lines}\r\n{rest}")
}

/// What servers and proxies have been known to cut in different ways, and why it is refused.
pub(super) fn ambiguous() -> Vec<(String, &'static str)> {
    let smuggled = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let line = |line: &str| format!("{line}\r\nhost: localhost\r\n\r\n{smuggled}");
    let with = |lines: &str, body: &str| format!("POST /a HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n{body}{smuggled}");
    vec![
        (with("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), "and a transfer-encoding"),
        (with("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n"), "and a transfer-encoding"),
        (with("content-length: 4\r\ncontent-length: 5\r\n", "abcd"), "more than one content-length"),
        (with("content-length: 4\r\ncontent-length: 4\r\n", "abcd"), "more than one content-length"),
        (with("content-length: 4, 4\r\n", "abcd"), "content-length is no number"),
        (with("content-length: +4\r\n", "abcd"), "content-length is no number"),
        (with("content-length: -1\r\n", ""), "content-length is no number"),
        (with("content-length: 0x4\r\n", "abcd"), "content-length is no number"),
        (with("content-length:\r\n", ""), "content-length is no number"),
        (with("content-length: 99999999999999999999\r\n", ""), "content-length is no number"),
        (with("content-length : 4\r\n", "abcd"), "name of a header"),
        (with("transfer-encoding: xchunked\r\n", ""), "not `chunked`"),
        (with("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), "not `chunked`"),
        (with("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"), "not `chunked`"),
        (with("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), "more than one transfer"),
        (with("transfer-encoding:\u{b}chunked\r\n", "0\r\n\r\n"), "control character"),
        (with("transfer-encoding : chunked\r\n", "0\r\n\r\n"), "name of a header"),
        (with("a: b\r\n c: d\r\n", ""), "folded"),
        (with("a: b\r\n\tc: d\r\n", ""), "folded"),
        (with("a: b\nc: d\r\n", ""), "line feed alone"),
        (with("a: b\rc: d\r\n", ""), "control character"),
        (with("a: b\0\r\n", ""), "control character"),
        (with("no colon\r\n", ""), "no colon"),
        (with(": empty\r\n", ""), "name of a header"),
        (with("host: other\r\n", ""), "exactly one header `host`"),
        (with("authorization: Bearer a\r\nauthorization: Bearer b\r\n", ""), "more than one header `authorization`"),
        (with("authorization: Bearer a\r\nAuthorization: Bearer a\r\n", ""), "more than one header `authorization`"),
        (with("authorization:\r\nx: y\r\nauthorization: Bearer a\r\n", ""), "more than one header `authorization`"),
        (with("content-type: text/plain\r\nContent-Type: application/json\r\n", ""), "header `content-type`"),
        (with("origin: http://localhost\r\nORIGIN: http://evil.example\r\n", ""), "more than one header `origin`"),
        (format!("GET /a HTTP/1.1\r\n\r\n{smuggled}"), "exactly one header `host`"),
        (format!("GET /a HTTP/1.1\nhost: localhost\n\n{smuggled}"), "line feed alone"),
        (format!("\r\n\r\n{smuggled}"), "request line"),
        (line("GET  /a HTTP/1.1"), "request line"),
        (line("GET /a b HTTP/1.1"), "request line"),
        (line("GET /a"), "request line"),
        (line("GET\t/a\tHTTP/1.1"), "request line"),
        (line("G(T /a HTTP/1.1"), "method is no word"),
        (line("GET http://elsewhere/a HTTP/1.1"), "plain ASCII"),
        (line("CONNECT elsewhere:80 HTTP/1.1"), "plain ASCII"),
        (line("OPTIONS * HTTP/1.1"), "plain ASCII"),
        (line("GET /\u{e9} HTTP/1.1"), "plain ASCII"),
        (line("GET /a HTTP/2.0"), "version"),
        (line("GET /a http/1.1"), "version"),
        (line("PRI * HTTP/2.0"), "plain ASCII"),
        (format!("GET /a HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"), "HTTP/1.0"),
    ]
}

/// Chunked bodies that end somewhere else for somebody else.
pub(super) fn bad_chunks() -> Vec<(&'static str, &'static str)> {
    vec![
        ("zz\r\n", "hexadecimal"),
        ("-1\r\n", "hexadecimal"),
        ("0x5\r\nhello\r\n", "hexadecimal"),
        (" 5\r\nhello\r\n", "hexadecimal"),
        ("5 \r\nhello\r\n", "hexadecimal"),
        ("5;a=b\r\nhello\r\n", "hexadecimal"),
        ("5\nhello\r\n", "hexadecimal"),
        ("\r\n", "hexadecimal"),
        ("100000000000000000\r\n", "hexadecimal"),
        ("5\r\nhelloworld\r\n", "where its size says"),
        ("5\r\nhello\n", "where its size says"),
        ("5\rxhello", "where its size says"),
        ("0\r\nx: smuggled\r\n\r\n", "trailers"),
        ("0\r\n\n", "trailers"),
    ]
}

// FR1 and FR2.
#[test]
fn what_has_more_than_one_reading_is_refused_and_nothing_of_it_let_through() {
    for (bytes, why) in ambiguous() {
        let (out, taken) = read(bytes.as_bytes());
        let Err(Refusal::Malformed(said)) = taken else { panic!("{taken:?} for {bytes:?}") };
        assert!(said.contains(why), "{said:?} for {bytes:?}");
        assert_eq!(out, b"", "{bytes:?}");
    }
    for (body, why) in bad_chunks() {
        let bytes = post("transfer-encoding: chunked\r\n", body);
        let (out, taken) = read(bytes.as_bytes());
        let Err(Refusal::BadChunk(said)) = taken else { panic!("{taken:?} for {bytes:?}") };
        assert!(said.contains(why) && out.len() < bytes.len(), "{said:?} for {bytes:?}");
    }
    let (out, taken) = read(b"GET / HTTP/1.1\r\nhost: h\r\na: \xff\r\n\r\n");
    assert_eq!((out, taken), (Vec::new(), Err(Refusal::Malformed("the head is not UTF-8"))));
}

// FR3.
#[test]
fn a_head_has_as_many_bytes_and_headers_as_the_limits_say_and_no_more() {
    let exact = |bytes: usize| {
        let bare = post("a: \r\n", "").len();
        post(&format!("a: {}\r\n", "x".repeat(bytes - bare)), "")
    };
    assert_eq!(read(exact(256).as_bytes()).1, Ok(()));
    assert_eq!(read(exact(257).as_bytes()).1, Err(Refusal::HeadTooLong(256)));
    assert_eq!(read(&[b'a'; 300]).1, Err(Refusal::HeadTooLong(256)), "without an end");
    assert_eq!(read(post("a: 1\r\nb: 1\r\nc: 1\r\n", "").as_bytes()).1, Ok(()));
    assert_eq!(read(post("a: 1\r\nb: 1\r\nc: 1\r\nd: 1\r\n", "").as_bytes()).1, Err(Refusal::TooManyHeaders(4)));
}

fn requests() -> impl Strategy<Value = String> {
    let body = "[ -~\r\n]{0,40}";
    let sized = body.prop_map(|body| post(&format!("content-length: {}\r\n", body.len()), &body));
    let chunks = prop::collection::vec("[ -~\r\n]{1,20}", 0..4).prop_map(|chunks| {
        let body: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
        post("Transfer-Encoding: Chunked\r\n", &format!("{body}0\r\n\r\n"))
    });
    prop_oneof![Just("GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()), sized, chunks]
}

// FR4.
#[test]
fn nothing_is_taken_beyond_the_end_of_a_request() {
    let (mut framing, mut out) = (Framing::new(LIMITS), Vec::new());
    let first = post("content-length: 2\r\n", "ab");
    let both = format!("{first}GET /b HTTP/1.1\r\n");
    assert!(framing.between());
    assert_eq!(framing.take(both.as_bytes(), &mut out), Ok(first.len()));
    assert_eq!((framing.between(), framing.heads(), out.as_slice()), (true, 1, first.as_bytes()));
    assert_eq!(framing.take(&both.as_bytes()[first.len()..], &mut out), Ok(17));
    assert_eq!((framing.between(), framing.heads(), out.as_slice()), (false, 1, first.as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn good_requests_pass_unchanged_wherever_the_network_cuts_them(
        all in prop::collection::vec(requests(), 1..4),
        cuts in prop::collection::vec(0usize..400, 0..8),
    ) {
        let bytes = all.concat().into_bytes();
        let (mut framing, mut out) = (Framing::new(LIMITS), Vec::new());
        let mut places: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        places.sort_unstable();
        places.push(bytes.len());
        let mut from = 0;
        for to in places {
            prop_assert_eq!(framing.take_all(&bytes[from..to], &mut out), Ok(()));
            from = to;
        }
        prop_assert!(!framing.in_head());
        prop_assert_eq!(out, bytes);
    }

    #[test]
    fn any_bytes_have_the_same_reading_wherever_the_network_cuts_them(
        bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), any::<u8>()], 0..200),
        head in prop::bool::ANY,
        cut in 0usize..300,
    ) {
        let mut all = if head { post("transfer-encoding: chunked\r\n", "").into_bytes() } else { Vec::new() };
        all.extend(bytes);
        let whole = read(&all);
        let (mut framing, mut out) = (Framing::new(LIMITS), Vec::new());
        let cut = cut.min(all.len());
        let first = framing.take_all(&all[..cut], &mut out);
        let taken = first.and_then(|()| framing.take_all(&all[cut..], &mut out));
        prop_assert_eq!((out, taken), whole);
    }
}
