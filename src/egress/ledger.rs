//! The record of an invocation: what it asked for, what became of it, and how much went each way.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::error::{Reason, Refusal};
use super::policy::Limits;
use super::rule::Transport;
use crate::types::{Clock, Timestamp};

/// One request or tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// When it came.
    pub at: Timestamp,
    /// How it was to go out, if that could be read.
    pub transport: Option<Transport>,
    /// The host it was for.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The method, if it is seen.
    pub method: Option<String>,
    /// The path as it was judged and sent, with the query unless that is hidden.
    pub path: Option<String>,
    /// The address that was connected to.
    pub address: Option<IpAddr>,
    /// The status of the server's answer.
    pub status: Option<u16>,
    /// Bytes that went to the server, heads included, before TLS.
    pub sent: u64,
    /// Bytes that came from it.
    pub received: u64,
    /// Secrets that were put in, by name.
    pub secrets: Vec<String>,
    /// Why it was refused or broken off, if it was.
    pub refusal: Option<Refusal>,
    /// How long it took.
    pub took: Duration,
}

/// Why a proxy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Its owner closed it.
    Closed,
    /// The deadline passed.
    Deadline,
    /// The invocation was cancelled.
    Cancelled,
}

/// What an invocation did to the world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// In the order in which they ended.
    pub exchanges: Vec<Exchange>,
    /// Exchanges that are only counted, since there were too many.
    pub omitted: u64,
    /// Requests, refused ones included.
    pub requests: u64,
    /// Bytes to the world.
    pub sent: u64,
    /// Bytes from the world.
    pub received: u64,
    /// Why it ended, if it has.
    pub ended: Option<Ended>,
}

impl Report {
    /// Hosts that were connected to, each once, in alphabetical order.
    pub fn hosts(&self) -> Vec<String> {
        let reached = self.exchanges.iter().filter(|exchange| exchange.address.is_some());
        sorted(reached.filter_map(|exchange| exchange.host.clone()))
    }

    /// Secrets that were used, by name, each once, in alphabetical order.
    pub fn secrets(&self) -> Vec<String> {
        sorted(self.exchanges.iter().flat_map(|exchange| exchange.secrets.iter().cloned()))
    }

    /// What was refused or broken off.
    pub fn refusals(&self) -> impl Iterator<Item = (&Exchange, &Refusal)> {
        self.exchanges.iter().filter_map(|exchange| exchange.refusal.as_ref().map(|refusal| (exchange, refusal)))
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The report as it grows.
pub(super) struct Ledger {
    report: Mutex<Report>,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Ledger {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Ledger {
        Ledger { report: Mutex::default(), limits, clock }
    }

    pub(super) fn report(&self) -> Report {
        self.report.lock().clone()
    }

    /// Only the first reason counts.
    pub(super) fn end(&self, why: Ended) {
        self.report.lock().ended.get_or_insert(why);
    }

    /// Begins a line for a connection that has said something.
    pub(super) fn begin(self: &Arc<Ledger>) -> Entry {
        let line = Exchange {
            at: self.clock.wall(),
            transport: None,
            host: None,
            port: None,
            method: None,
            path: None,
            address: None,
            status: None,
            sent: 0,
            received: 0,
            secrets: Vec::new(),
            refusal: None,
            took: Duration::ZERO,
        };
        let began = self.clock.now();
        Entry { ledger: Arc::clone(self), line: Mutex::new(Line { line, began, open: true, silent: true }) }
    }
}

struct Line {
    line: Exchange,
    began: Instant,
    open: bool,
    /// Nothing has come over the connection: there is nothing to record.
    silent: bool,
}

/// A line of the ledger. It is filed when it is dropped, whoever drops it.
pub(super) struct Entry {
    ledger: Arc<Ledger>,
    line: Mutex<Line>,
}

impl Entry {
    /// Counts a request against the limit.
    pub(super) fn count(&self) -> Result<(), Refusal> {
        self.line.lock().silent = false;
        let most = self.ledger.limits.requests_max;
        let mut report = self.ledger.report.lock();
        report.requests += 1;
        if report.requests > most {
            return Err(Refusal::new(Reason::TooManyRequests, format!("the invocation has made its {most} requests")));
        }
        Ok(())
    }

    /// Writes into the line.
    pub(super) fn note(&self, write: impl FnOnce(&mut Exchange)) {
        write(&mut self.line.lock().line);
    }

    /// Counts bytes to the server, which its rule limits to so many.
    pub(super) fn sent(&self, bytes: usize, most: u64) -> Result<(), Refusal> {
        let bytes = bytes as u64;
        let mut line = self.line.lock();
        if line.line.sent + bytes > most {
            return Err(Refusal::new(Reason::RequestTooLarge, format!("the request has more than {most} bytes")));
        }
        let mut report = self.ledger.report.lock();
        let total = self.ledger.limits.sent_bytes_max;
        if report.sent + bytes > total {
            return Err(Refusal::new(Reason::TotalTooLarge, format!("the invocation has sent its {total} bytes")));
        }
        line.line.sent += bytes;
        report.sent += bytes;
        Ok(())
    }

    /// Counts bytes from the server, which its rule limits to so many. They are counted even if they are too many: they
    /// have come.
    pub(super) fn received(&self, bytes: usize, most: u64) -> Result<(), Refusal> {
        let mut line = self.line.lock();
        let mut report = self.ledger.report.lock();
        line.line.received += bytes as u64;
        report.received += bytes as u64;
        let total = self.ledger.limits.received_bytes_max;
        if line.line.received > most {
            return Err(Refusal::new(Reason::ResponseTooLarge, format!("the answer has more than {most} bytes")));
        }
        if report.received > total {
            return Err(Refusal::new(Reason::TotalTooLarge, format!("the invocation has received its {total} bytes")));
        }
        Ok(())
    }

    /// It was refused or broken off.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let mut line = self.line.lock();
        line.silent = false;
        line.line.refusal = Some(refusal);
    }

    /// It has come to its end, well or not.
    pub(super) fn finish(&self) {
        self.line.lock().open = false;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let line = self.line.get_mut();
        if line.silent {
            return;
        }
        if line.open && line.line.refusal.is_none() {
            line.line.refusal = Some(Refusal::new(Reason::Ended, "the invocation ended first"));
        }
        let mut exchange = line.line.clone();
        exchange.took = self.ledger.clock.now().saturating_duration_since(line.began);
        log(&exchange);
        let mut report = self.ledger.report.lock();
        if report.exchanges.len() < self.ledger.limits.records_max {
            report.exchanges.push(exchange);
        } else {
            report.omitted += 1;
        }
    }
}

/// Names, sizes and reasons; neither headers nor bodies, and no query.
fn log(exchange: &Exchange) {
    let host = exchange.host.as_deref().unwrap_or_default();
    let path = exchange.path.as_deref().and_then(|path| path.split('?').next()).unwrap_or_default();
    let method = exchange.method.as_deref().unwrap_or_default();
    let (sent, received, status) = (exchange.sent, exchange.received, exchange.status.unwrap_or(0));
    match &exchange.refusal {
        Some(refusal) => {
            let reason = refusal.reason.word();
            tracing::warn!(host, method, path, reason, sent, received, "a request of a tool was refused");
        }
        None => tracing::debug!(host, method, path, status, sent, received, "a request of a tool was made"),
    }
}
