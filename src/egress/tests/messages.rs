//! Heads and bodies: what two readers read differently is refused.

use proptest::prelude::*;

use super::*;
use crate::egress::body::Body;
use crate::egress::head::Length;

const GOOD: &str = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";

fn reason(head: &str) -> Option<Reason> {
    head::request(head.as_bytes(), &limits()).err().map(|refusal| refusal.reason)
}

#[test]
fn requests_that_smuggle_are_refused() {
    assert_eq!(reason(GOOD), None);
    let with = |line: &str| format!("POST / HTTP/1.1\r\nhost: a.example\r\n{line}\r\n\r\n");
    let bad = [
        with("content-length: 5\r\ntransfer-encoding: chunked"),
        with("content-length: 5\r\ncontent-length: 5"),
        with("content-length: 5\r\nContent-Length: 6"),
        with("content-length: +5"),
        with("content-length: 5, 5"),
        with("content-length: 0x5"),
        with("content-length: 9999999999999999999"),
        with("content-length:"),
        with("content_length: 5"),
        with("transfer-encoding: gzip, chunked"),
        with("transfer-encoding: chunked, identity"),
        with("transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        with("transfer-encoding: xchunked"),
        with("transfer-encoding:\u{b}chunked"),
        with("Transfer-Encoding : chunked"),
        with("transfer-encoding: chunked\r\n x: folded"),
        with("x: a\r\n\tfolded"),
        with("host: b.example"),
        with("x: a\nhost: b.example"),
        with("x: a\rhost: b.example"),
        with("x: a\0b"),
        with(": nameless"),
        with("no colon"),
        with("expect: something"),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: \r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: a@b.example\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\nhost: a.example\r\n\r\n".to_owned(),
        "GET / HTTP/2.0\r\nhost: a.example\r\n\r\n".to_owned(),
        "GET /\r\nhost: a.example\r\n\r\n".to_owned(),
        "GET  / HTTP/1.1\r\nhost: a.example\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nhost: a.example\r\n\r\n".to_owned(),
        "G(T / HTTP/1.1\r\nhost: a.example\r\n\r\n".to_owned(),
        format!("\r\n{GOOD}"),
        format!(" {GOOD}"),
        "PRI * HTTP/2.0\r\n\r\n".to_owned(),
    ];
    for head in bad {
        assert_eq!(reason(&head), Some(Reason::Malformed), "{head:?}");
    }
    for header in ["X-HTTP-Method-Override: PUT", "x-original-url: /admin", "Forwarded: host=b", "x-forwarded-host: b"]
    {
        assert_eq!(reason(&with(header)), Some(Reason::HeaderNotAllowed), "{header}");
    }
}

#[test]
fn what_belongs_to_one_connection_stays_there() {
    let head = "GET / HTTP/1.1\r\nHost: A.example:8080\r\nConnection: X-Mine, content-length, keep-alive\r\nX-Mine: 1\r\n\
        Proxy-Authorization: Basic x\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nKeep-Alive: 5\r\n\
        Content-Length: 3\r\nAccept: */*\r\n\r\n";
    let read = head::request(head.as_bytes(), &limits()).unwrap();
    assert_eq!(read.headers, [("accept".to_owned(), b"*/*".to_vec())]);
    assert_eq!(read.length, Length::Bytes(3));
    assert_eq!(read.host, Authority::read("a.example:8080").unwrap());
}

/// The data of a body in pieces of this size, and whether it is done.
fn read(length: Length, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, bool, usize), &'static str> {
    let (mut body, mut out, mut used) = (Body::new(length), Vec::new(), 0);
    for piece in bytes.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() && !body.is_done() {
            let step = body.take(rest)?;
            out.extend_from_slice(&rest[step.data]);
            rest = &rest[step.used..];
            used += step.used;
        }
    }
    Ok((out, body.is_done(), used))
}

#[test]
fn bodies_end_where_they_say() {
    assert_eq!(read(Length::Bytes(3), b"abcdef", 9), Ok((b"abc".to_vec(), true, 3)));
    assert_eq!(read(Length::Bytes(9), b"abcdef", 9), Ok((b"abcdef".to_vec(), false, 6)));
    assert_eq!(read(Length::None, b"abc", 9), Ok((Vec::new(), true, 0)));
    assert_eq!(read(Length::Close, b"abc", 9), Ok((b"abc".to_vec(), false, 3)));
    assert_eq!(
        read(Length::Chunks, b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nX", 99),
        Ok((b"abc0123456789".to_vec(), true, 29))
    );
    let bad: [&[u8]; 9] = [
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n",
        b"3;a=b\r\nabc\r\n",
        b"-3\r\nabc\r\n",
        b" 3\r\nabc\r\n",
        b"0x3\r\nabc\r\n",
        b"\r\n",
        b"123456789\r\n",
        b"0\r\ntrailer: x\r\n\r\n",
    ];
    for bytes in bad {
        assert!(read(Length::Chunks, bytes, 99).is_err(), "{:?}", String::from_utf8_lossy(bytes));
    }
}

proptest! {
    #[test]
    fn chunks_are_read_as_they_were_written_in_whatever_pieces(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6), piece in 1usize..17,
    ) {
        let mut bytes = Vec::new();
        for part in &parts {
            bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let length = bytes.len();
        bytes.extend_from_slice(b"the next request");
        prop_assert_eq!(read(Length::Chunks, &bytes, piece), Ok((parts.concat(), true, length)));
    }

    #[test]
    fn no_bytes_break_a_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for (_, read) in fuzz::TRAFFIC {
            read(&bytes);
        }
    }

    #[test]
    fn no_words_break_a_reader(words in proptest::collection::vec(
        prop_oneof![
            Just("GET "), Just("/"), Just("%2e"), Just("%25"), Just(".."), Just("\\"), Just(";"), Just(" HTTP/1.1"),
            Just("\r\n"), Just("host: a"), Just("content-length: 1"), Just("transfer-encoding: chunked"), Just("\n"),
            Just("0"), Just("f"), Just(":"), Just("*"), Just("?"),
        ], 0..40,
    )) {
        for (_, read) in fuzz::TRAFFIC {
            read(words.concat().as_bytes());
        }
    }
}
