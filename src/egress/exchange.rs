//! One connection of a tool: its request is read, judged, sent and answered, and nothing comes after it.

use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::body::Body;
use super::decide::{Ask, decide};
use super::dial::dial;
use super::error::{Reason, Refusal};
use super::head::{self, AnswerHead, Length, RequestHead};
use super::host::Authority;
use super::ledger::Entry;
use super::path::Target;
use super::policy::Injection;
use super::proxy::Shared;
use super::rule::{Method, Rule, Transport};
use super::tunnel;
use super::wire::Wire;

/// Answers before the answer that are skipped, such as `103 Early Hints`.
const EARLY_MAX: usize = 8;

/// How long a refused tool may go on sending, so that it reads why before its connection is gone, and how much.
const DRAIN: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 1 << 20;

/// The tool's side of a connection.
pub(super) struct Tool {
    pub(super) wire: Wire<OwnedReadHalf>,
    pub(super) writer: OwnedWriteHalf,
    /// Whether the tool has an answer, or the beginning of one.
    pub(super) answered: bool,
}

impl Tool {
    pub(super) async fn write(&mut self, bytes: &[u8], within: Duration) -> Result<(), Refusal> {
        self.answered = true;
        write(&mut self.writer, bytes, within).await.map_err(|why| Refusal::new(Reason::Cut, format!("the tool {why}")))
    }
}

/// Writes all of these, or says in words why not.
pub(super) async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    within: Duration,
) -> Result<(), String> {
    let whole = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    match timeout(within, whole).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("took no more: {error}")),
        Err(_) => Err(format!("took nothing for {} s", within.as_secs())),
    }
}

/// Serves one connection from its first byte to its last.
pub(super) async fn serve(shared: &Shared, stream: UnixStream) {
    let (reader, writer) = stream.into_split();
    let mut tool = Tool { wire: Wire::new(reader), writer, answered: false };
    let entry = shared.ledger.begin();
    if let Err(refusal) = converse(shared, &mut tool, &entry).await {
        let answer = (!tool.answered).then(|| refused(&refusal));
        entry.refuse(refusal);
        if let Some(answer) = answer {
            let _ = tool.write(&answer, shared.policy.limits.idle()).await;
            let _ = tool.writer.shutdown().await;
            let _ = timeout(DRAIN, drain(&mut tool)).await;
        }
    }
    entry.finish();
    // The record is whole before the tool sees the end of its connection.
    drop(entry);
    let _ = tool.writer.shutdown().await;
}

async fn drain(tool: &mut Tool) {
    let mut seen = 0;
    while seen < DRAIN_BYTES && tool.wire.more(DRAIN).await.is_ok_and(|more| more) {
        let held = tool.wire.held().len();
        tool.wire.use_up(held);
        seen += held;
    }
}

/// What a tool is told whose request was not made.
pub(super) fn refused(refusal: &Refusal) -> Vec<u8> {
    let word = refusal.reason.word();
    let body = json!({ "refused": word, "detail": refusal.detail }).to_string();
    let status = refusal.reason.status();
    let head = format!(
        "HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {}\r\nx-syzygy-refused: {word}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

async fn converse(shared: &Shared, tool: &mut Tool, entry: &Entry) -> Result<(), Refusal> {
    let limits = &shared.policy.limits;
    let head = tool.wire.head(limits.head_bytes_max, limits.head()).await;
    let Some(bytes) = head? else { return Ok(()) };
    entry.count()?;
    let request = head::request(&bytes, limits)?;
    if request.method == "CONNECT" {
        return tunnel::run(shared, tool, entry, &request).await;
    }
    let ask = asked(&request)?;
    let Some((method, target)) = &ask.request else { return Err(Refusal::new(Reason::Malformed, "there is no path")) };
    entry.note(|line| {
        line.transport = Some(ask.transport);
        line.host = Some(ask.host.to_string());
        line.port = Some(ask.port);
        line.method = Some(method.word().to_owned());
        let whole = if shared.policy.hide_queries { target.path().to_owned() } else { target.to_string() };
        line.path = Some(whole);
    });
    let rule = decide(&shared.policy.rules, &ask)?;
    exchange(shared, tool, entry, &request, &ask, rule).await
}

/// What a request asks for: `http://host/path` in the clear, `https://host/path` or `/path` over TLS.
fn asked(request: &RequestHead) -> Result<Ask, Refusal> {
    let malformed = |what: &str| Refusal::new(Reason::Malformed, what);
    let method = Method::from_word(&request.method).ok_or_else(|| {
        Refusal::new(Reason::MethodNotAllowed, format!("the method {:?} is not sent", request.method))
    })?;
    let (transport, rest, usual) = if request.target.starts_with('/') {
        (Transport::Tls, request.target.as_str(), 443)
    } else if let Some(rest) = request.target.strip_prefix("http://") {
        (Transport::Plain, rest, 80)
    } else if let Some(rest) = request.target.strip_prefix("https://") {
        (Transport::Tls, rest, 443)
    } else {
        return Err(malformed("the target is no path, and begins with neither http:// nor https://"));
    };
    let cut = if request.target.starts_with('/') { 0 } else { rest.find(['/', '?']).unwrap_or(rest.len()) };
    let (named, path) = rest.split_at(cut);
    let header = Authority { port: Some(request.host.port.unwrap_or(usual)), ..request.host.clone() };
    let place = if request.target.starts_with('/') {
        header
    } else {
        let named = Authority::read(named).ok_or_else(|| malformed("the request line names no host"))?;
        let named = Authority { port: Some(named.port.unwrap_or(usual)), ..named };
        if named != header {
            return Err(Refusal::new(Reason::HostMismatch, "the request line names one host, and the header another"));
        }
        named
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let target = Target::read(&path).map_err(|what| Refusal::new(Reason::PathUnreadable, what))?;
    Ok(Ask { transport, host: place.host, port: place.port.unwrap_or(usual), request: Some((method, target)) })
}

async fn exchange(
    shared: &Shared,
    tool: &mut Tool,
    entry: &Entry,
    request: &RequestHead,
    ask: &Ask,
    rule: &Rule,
) -> Result<(), Refusal> {
    let (limits, policy) = (&shared.policy.limits, &shared.policy);
    if let Length::Bytes(bytes) = request.length
        && bytes > rule.request_bytes
    {
        let most = rule.request_bytes;
        return Err(Refusal::new(Reason::RequestTooLarge, format!("the request has {bytes} bytes, at most {most}")));
    }
    let applies = |injection: &&Injection| {
        ask.transport == Transport::Tls && injection.hosts.iter().any(|pattern| pattern.covers(&ask.host))
    };
    let injections: Vec<&Injection> = policy.injections.iter().filter(applies).collect();
    let head = composed(request, ask, &injections, !policy.injections.is_empty());
    let stream = dial(shared.network.as_ref(), rule, &ask.host, limits, entry).await?;
    entry.note(|line| line.secrets = injections.iter().map(|injection| injection.name.clone()).collect());
    let (reader, mut writer) = tokio::io::split(stream);
    if request.expects && request.length != Length::None {
        let go_on = b"HTTP/1.1 100 \r\n\r\n";
        write(&mut tool.writer, go_on, limits.idle()).await.map_err(|why| Refusal::new(Reason::Cut, why))?;
    }
    let (mut answer, Tool { wire, writer: out, answered }) = (Wire::new(reader), tool);
    let mut upload = pin!(upload(shared, wire, &mut writer, entry, (&head, request.length, rule)));
    let to_head = request.method == "HEAD";
    let mut download = pin!(download(shared, &mut answer, out, answered, entry, (to_head, rule)));
    tokio::select! {
        biased;
        done = &mut download => done,
        sent = &mut upload => match sent {
            // A server that takes no more may have answered already, and says why.
            Ok(()) | Err(Upload::Closed) => download.await,
            Err(Upload::Refused(refusal)) => Err(refusal),
        },
    }
}

/// The head as it is sent. What the tool sent of a header that carries a secret is left out, whatever it was.
fn composed(request: &RequestHead, ask: &Ask, injections: &[&Injection], looked_at: bool) -> Zeroizing<Vec<u8>> {
    // Room for all of it at once: a vector that grows leaves secrets where it was.
    let injected =
        injections.iter().map(|one| one.header.len() + one.prefix.len() + one.secret.len() + 4).sum::<usize>();
    let own = request.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let (method, target) = ask
        .request
        .as_ref()
        .map_or((request.method.as_str(), String::new()), |(method, target)| (method.word(), target.to_string()));
    let usual = if ask.transport == Transport::Tls { 443 } else { 80 };
    let host = if ask.port == usual { ask.host.to_string() } else { format!("{}:{}", ask.host, ask.port) };
    let first = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    // Whatever framing adds is shorter than this.
    let mut head = Zeroizing::new(Vec::with_capacity(first.len() + own + injected + 128));
    head.extend_from_slice(first.as_bytes());
    match request.length {
        Length::Bytes(bytes) => head.extend_from_slice(format!("content-length: {bytes}\r\n").as_bytes()),
        Length::Chunks => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Length::None | Length::Close => {}
    }
    if looked_at {
        head.extend_from_slice(b"accept-encoding: identity\r\n");
    }
    let replaced = |name: &str| {
        (looked_at && name == "accept-encoding") || injections.iter().any(|injection| injection.header == name)
    };
    for (name, value) in request.headers.iter().filter(|(name, _)| !replaced(name)) {
        [name.as_bytes(), b": ", value, b"\r\n"].iter().for_each(|part| head.extend_from_slice(part));
    }
    for injection in injections {
        let secret = injection.secret.reveal().as_bytes();
        let parts = [injection.header.as_bytes(), b": ", injection.prefix.as_bytes(), secret, b"\r\n"];
        parts.iter().for_each(|part| head.extend_from_slice(part));
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Why an upload did not come to its end.
enum Upload {
    /// The server takes no more.
    Closed,
    /// It must not go on.
    Refused(Refusal),
}

impl From<Refusal> for Upload {
    fn from(refusal: Refusal) -> Upload {
        Upload::Refused(refusal)
    }
}

async fn upload(
    shared: &Shared,
    wire: &mut Wire<OwnedReadHalf>,
    writer: &mut (impl AsyncWrite + Unpin),
    entry: &Entry,
    (head, length, rule): (&[u8], Length, &Rule),
) -> Result<(), Upload> {
    let idle = shared.policy.limits.idle();
    // What a rule limits is the body; the head has its own limit.
    let most = rule.request_bytes.saturating_add(head.len() as u64);
    entry.sent(head.len(), most)?;
    write(writer, head, idle).await.map_err(|_| Upload::Closed)?;
    let mut body = Body::new(length);
    while !body.is_done() {
        if wire.held().is_empty() && !wire.more(idle).await? {
            return Err(Upload::Refused(Refusal::new(Reason::Cut, "the request ended within its body")));
        }
        let step = body.take(wire.held()).map_err(|what| Refusal::new(Reason::Malformed, what))?;
        if !step.data.is_empty() {
            entry.sent(step.data.len(), most)?;
            let piece = framed(&wire.held()[step.data], length == Length::Chunks);
            write(writer, &piece, idle).await.map_err(|_| Upload::Closed)?;
        }
        wire.use_up(step.used);
    }
    if length == Length::Chunks {
        write(writer, LAST_CHUNK, idle).await.map_err(|_| Upload::Closed)?;
    }
    Ok(())
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Data as it is, or as a chunk.
fn framed(data: &[u8], chunk: bool) -> Vec<u8> {
    if !chunk {
        return data.to_vec();
    }
    let mut piece = format!("{:x}\r\n", data.len()).into_bytes();
    piece.extend_from_slice(data);
    piece.extend_from_slice(b"\r\n");
    piece
}

async fn download(
    shared: &Shared,
    answer: &mut Wire<impl AsyncRead + Unpin>,
    out: &mut OwnedWriteHalf,
    answered: &mut bool,
    entry: &Entry,
    (to_head, rule): (bool, &Rule),
) -> Result<(), Refusal> {
    let (limits, policy) = (&shared.policy.limits, &shared.policy);
    let (head, bytes) = first(shared, answer, entry, to_head).await?;
    entry.note(|line| line.status = Some(head.status));
    if let Length::Bytes(bytes) = head.length
        && bytes > rule.response_bytes
    {
        let most = rule.response_bytes;
        return Err(Refusal::new(Reason::ResponseTooLarge, format!("the answer has {bytes} bytes, at most {most}")));
    }
    let returned = || Refusal::new(Reason::SecretReturned, "the server sent a secret back");
    let watched = !policy.scanner.is_empty();
    if watched && policy.scanner.find(&bytes).is_some() {
        return Err(returned());
    }
    let packed = |(name, value): &head::Header| name == "content-encoding" && !value.eq_ignore_ascii_case(b"identity");
    if watched && head.headers.iter().any(packed) {
        return Err(Refusal::new(Reason::AnswerPacked, "the answer is packed, though that was not asked for"));
    }
    let cut = |why: String| Refusal::new(Reason::Cut, format!("the tool {why}"));
    *answered = true;
    write(out, &answer_head(&head), limits.idle()).await.map_err(cut)?;
    let chunked = matches!(head.length, Length::Chunks | Length::Close);
    let (mut body, mut watch) = (Body::new(head.length), policy.scanner.watch());
    let mut received = 0;
    while !body.is_done() {
        if answer.held().is_empty() && !answer.more(limits.idle()).await? {
            if body.may_end() {
                break;
            }
            return Err(Refusal::new(Reason::Cut, "the answer ended within its body"));
        }
        let step = body.take(answer.held()).map_err(|what| Refusal::new(Reason::AnswerMalformed, what))?;
        received += step.data.len() as u64;
        entry.received(step.data.len(), u64::MAX)?;
        if received > rule.response_bytes {
            let most = rule.response_bytes;
            return Err(Refusal::new(Reason::ResponseTooLarge, format!("the answer has more than {most} bytes")));
        }
        let free = watch.pass(&answer.held()[step.data]).map_err(|_| returned())?;
        if !free.is_empty() {
            write(out, &framed(&free, chunked), limits.idle()).await.map_err(cut)?;
        }
        answer.use_up(step.used);
    }
    let mut rest = watch.rest();
    rest = if rest.is_empty() { rest } else { framed(&rest, chunked) };
    if chunked {
        rest.extend_from_slice(LAST_CHUNK);
    }
    write(out, &rest, limits.idle()).await.map_err(cut)
}

/// The head of the answer that counts, read and as it came.
async fn first(
    shared: &Shared,
    answer: &mut Wire<impl AsyncRead + Unpin>,
    entry: &Entry,
    to_head: bool,
) -> Result<(AnswerHead, Vec<u8>), Refusal> {
    let limits = &shared.policy.limits;
    for _ in 0..EARLY_MAX {
        let bytes =
            answer.head(limits.head_bytes_max, limits.idle()).await.map_err(|refusal| match refusal.reason {
                Reason::HeadTooLarge | Reason::Malformed => Refusal { reason: Reason::AnswerMalformed, ..refusal },
                Reason::HeadTimeout => Refusal { reason: Reason::Idle, ..refusal },
                _ => refusal,
            })?;
        let bytes = bytes.ok_or_else(|| Refusal::new(Reason::Cut, "the server hung up before it answered"))?;
        entry.received(bytes.len(), u64::MAX)?;
        let head = head::answer(&bytes, to_head, limits)?;
        match head.status {
            101 => return Err(Refusal::new(Reason::AnswerMalformed, "the server speaks another protocol unasked")),
            100..=199 => {}
            _ => return Ok((head, bytes)),
        }
    }
    Err(Refusal::new(Reason::AnswerMalformed, format!("there are more than {EARLY_MAX} answers before the answer")))
}

fn answer_head(head: &AnswerHead) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {} \r\nconnection: close\r\n", head.status).into_bytes();
    match head.length {
        Length::Bytes(bytes) => out.extend_from_slice(format!("content-length: {bytes}\r\n").as_bytes()),
        Length::Chunks | Length::Close => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Length::None => {}
    }
    // Whether a request was refused is for the proxy to say.
    for (name, value) in head.headers.iter().filter(|(name, _)| name != "x-syzygy-refused") {
        [name.as_bytes(), b": ", value, b"\r\n"].iter().for_each(|part| out.extend_from_slice(part));
    }
    out.extend_from_slice(b"\r\n");
    out
}
