//! A tunnel: the tool makes its own TLS, and the proxy reads whom it means to speak with before it connects anywhere.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::decide::{Ask, decide};
use super::dial::dial;
use super::error::{Reason, Refusal};
use super::exchange::{Tool, write};
use super::head::{Length, RequestHead};
use super::hello::{self, HELLO_MAX};
use super::host::{Authority, Host};
use super::ledger::Entry;
use super::network::Stream;
use super::proxy::Shared;
use super::rule::{Rule, Transport};

/// The alert `unrecognized_name` (RFC 6066): what a TLS client understands of a refusal.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

pub(super) async fn run(shared: &Shared, tool: &mut Tool, entry: &Entry, request: &RequestHead) -> Result<(), Refusal> {
    let malformed = |what: &str| Refusal::new(Reason::Malformed, what);
    let Some(Authority { host, port: Some(port) }) = Authority::read(&request.target) else {
        return Err(malformed("a tunnel is asked for with a host and a port"));
    };
    entry.note(|line| {
        line.transport = Some(Transport::Tunnel);
        line.host = Some(host.to_string());
        line.port = Some(port);
    });
    // The header may leave the port out, and clients do.
    if request.host.host != host || request.host.port.is_some_and(|own| own != port) {
        return Err(Refusal::new(Reason::HostMismatch, "the request line names one host, and the header another"));
    }
    if request.length != Length::None {
        return Err(malformed("a request for a tunnel has a body"));
    }
    let ask = Ask { transport: Transport::Tunnel, host, port, request: None };
    let rule = decide(&shared.policy.rules, &ask)?;
    let limits = &shared.policy.limits;
    tool.write(b"HTTP/1.1 200 \r\n\r\n", limits.idle()).await?;
    let greeted = greeting(shared, tool, &ask.host).await;
    let stream = match greeted {
        Ok(()) => dial(shared.network.as_ref(), rule, &ask.host, limits, entry).await,
        Err(refusal) => Err(refusal),
    };
    match stream {
        Ok(stream) => pipe(shared, tool, entry, rule, stream).await,
        Err(refusal) => {
            let _ = tool.write(&ALERT, limits.idle()).await;
            Err(refusal)
        }
    }
}

/// Reads the first message of TLS, which has to name the host of the tunnel. What was read stays with the tool's side.
async fn greeting(shared: &Shared, tool: &mut Tool, host: &Host) -> Result<(), Refusal> {
    let within = shared.policy.limits.head();
    let late = |_| Refusal::new(Reason::HeadTimeout, format!("TLS did not begin within {} s", within.as_secs()));
    let name = timeout(within, async {
        loop {
            if let Some(name) = hello::server_name(tool.wire.held())? {
                return Ok(name);
            }
            if tool.wire.held().len() > HELLO_MAX {
                return Err(Refusal::new(Reason::NotTls, format!("its first message has more than {HELLO_MAX} bytes")));
            }
            if !tool.wire.more(within).await? {
                return Err(Refusal::new(Reason::NotTls, "the tunnel ended before TLS began"));
            }
        }
    });
    let name = name.await.map_err(late)??;
    if Host::read(&name).as_ref() == Some(host) {
        return Ok(());
    }
    // The name is the tool's own word, and short.
    let detail = format!("the tunnel is for {host}, and its TLS names {:?}", name.chars().take(64).collect::<String>());
    Err(Refusal::new(Reason::ServerNameMismatch, detail))
}

/// Carries bytes both ways, until both sides have ended or one is over its limit.
async fn pipe(
    shared: &Shared,
    tool: &mut Tool,
    entry: &Entry,
    rule: &Rule,
    stream: Box<dyn Stream>,
) -> Result<(), Refusal> {
    let idle = shared.policy.limits.idle();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut piece = vec![0; 16 << 10];
    let (mut up, mut down) = (true, true);
    while up || down {
        let held = tool.wire.held().len();
        if held > 0 {
            entry.sent(held, rule.request_bytes)?;
            let sent = write(&mut writer, tool.wire.held(), idle).await;
            sent.map_err(|why| Refusal::new(Reason::Cut, format!("the server {why}")))?;
            tool.wire.use_up(held);
        }
        tokio::select! {
            more = tool.wire.more(idle), if up => match more {
                Ok(true) => {}
                Ok(false) => {
                    up = false;
                    let _ = writer.shutdown().await;
                }
                Err(refusal) => return Err(refusal),
            },
            read = reader.read(&mut piece), if down => match read {
                Ok(0) => {
                    down = false;
                    let _ = tool.writer.shutdown().await;
                }
                Ok(read) => {
                    entry.received(read, rule.response_bytes)?;
                    tool.write(&piece[..read], idle).await?;
                }
                Err(error) => return Err(Refusal::new(Reason::Cut, format!("the server broke off: {error}"))),
            },
            () = sleep(idle) => {
                return Err(Refusal::new(Reason::Idle, format!("nothing moved for {} s", idle.as_secs())));
            }
        }
    }
    Ok(())
}
