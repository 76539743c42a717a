//! One attempt at a call: a tier is chosen, secrets are leased, a way out is opened, the tool is run, and everything is
//! given back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::fronted::Walk;
use super::library::Entry;
use super::ports::Ports;
use super::request::Request;
use crate::egress::{Injection, Passage, Policy};
use crate::lap::grant::{self, Audience, Errand, Issuer, Pass, Refusal, Token};
use crate::lap::{self, Caller, Front, Ready, Redactor};
use crate::sandbox::{Call, Ended, Failure, Input, Level, Line, Outcome, Prepared, Sandbox, Speech, Tier};
use crate::secrets::{self, Lease};
use crate::tds::Tool;
use crate::tds::tool::{Deliver, LogLevel, PersonalData, Run, Secret as Wanted};
use crate::types::secret::Scanner;
use crate::types::sensitive::redact;
use crate::types::{Class, Clock, Cx, Hash, Timestamp};

/// Lines a tool may be ahead of whoever hears them.
const AHEAD: usize = 64;

/// How long a lease is tried to be given back at the end of its call.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// What one attempt came to.
pub(super) struct Tried {
    pub(super) outcome: Box<Outcome>,
    /// Where it ran, if it was begun.
    pub(super) tier: Option<Tier>,
    /// The grant under which the host did something for it.
    pub(super) grant: Option<Hash>,
}

impl Tried {
    pub(super) fn refused(class: Class, reason: impl Into<String>) -> Tried {
        Tried {
            outcome: Box::new(Outcome::nothing(Ended::Refused, Failure::new(class, reason))),
            tier: None,
            grant: None,
        }
    }
}

/// Runs a function of the host that may wait, within its own time and the caller's.
pub(super) async fn function(entry: &Entry, cx: &Cx, envelope: Value, clock: &dyn Clock) -> Tried {
    let Some(function) = &entry.function else { return Tried::refused(Class::Internal, "there is no function") };
    let began = clock.now();
    let own = began + Duration::from_millis(entry.ready.tool.limits.timeout_ms);
    let work = timeout_at(own.min(cx.deadline()), function.call(cx.clone(), envelope));
    let (answer, ended) = tokio::select! {
        biased;
        () = cx.cancelled() => (Err(Failure::new(Class::Cancelled, "its caller gave up")), Ended::Cancelled),
        answer = work => match answer {
            Ok(Ok(value)) => (Ok(value), Ended::Finished),
            Ok(Err(failure)) => (Err(failure), Ended::Finished),
            Err(_) => (Err(Failure::new(Class::Timeout, "its time was over")), Ended::Deadline),
        },
    };
    let mut outcome = Outcome::nothing(ended, Failure::new(Class::Internal, ""));
    outcome.answer = answer;
    outcome.usage.wall = clock.now() - began;
    Tried { outcome: Box::new(outcome), tier: Some(Tier::Native), grant: None }
}

/// The grant of a call that needs anything of the host, for as long as its caller waits; none for one that does not.
///
/// # Errors
/// It cannot be issued.
pub(super) fn grant(
    issuer: Option<&Issuer>,
    errand: &Errand<'_>,
    cx: &Cx,
    clock: &dyn Clock,
) -> Result<Option<Token>, grant::Error> {
    let Some(issuer) = issuer.filter(|_| !Audience::of(errand.tool).is_empty()) else { return Ok(None) };
    let left = cx.deadline().saturating_duration_since(clock.now());
    let until = clock.wall().0.saturating_add(i64::try_from(left.as_micros()).unwrap_or(i64::MAX));
    issuer.issue(errand, Timestamp(until)).map(Some)
}

/// One attempt in a sandbox.
pub(super) struct Attempt<'a> {
    pub(super) ports: &'a Ports,
    pub(super) ready: &'a Ready,
    /// What makes steps of the call, if the tool's program or server knows nothing of tools.
    pub(super) front: Option<&'a dyn Front>,
    pub(super) request: &'a Request,
    /// Who calls.
    pub(super) caller: &'a Caller,
    /// What was issued for the call, if it needs anything of the host.
    pub(super) grant: Option<&'a Token>,
    pub(super) cx: &'a Cx,
    pub(super) clock: &'a dyn Clock,
    /// Unique among all that run.
    pub(super) id: String,
}

/// Secrets of a call: leases, and the folder of those that are files.
#[derive(Default)]
struct Leased {
    leases: Vec<Lease>,
    injections: Vec<Injection>,
    inputs: Vec<Input>,
    /// Gone with the call.
    _folder: Option<tempfile::TempDir>,
}

impl Attempt<'_> {
    /// Runs the tool on what it reads.
    pub(super) async fn run(&self, envelope: Value) -> Tried {
        // Steps that only send need no sandbox: the host makes them, and its proxy stands between.
        let sends_only = self.front.is_some() && matches!(self.ready.tool.run, Run::Native(_));
        let tier = match (sends_only, self.tier()) {
            (true, _) => None,
            (false, Ok(tier)) => Some(tier),
            (false, Err(reason)) => return Tried::refused(Class::Unavailable, reason),
        };
        let leased = match self.lease(&envelope).await {
            Ok(leased) => leased,
            Err(tried) => return tried,
        };
        let scanner = Scanner::new(leased.leases.iter().flat_map(|lease| lease.fields().map(|(_, secret)| secret)));
        let tried = self.with(tier, &leased, &scanner, envelope).await;
        self.give_back(leased.leases).await;
        tried
    }

    /// The weakest of the tiers the tool may be run in that can be used here and can do all it asks for. A tier that
    /// cannot is passed over, never made to do less.
    pub(super) fn tier(&self) -> Result<Arc<dyn Sandbox>, String> {
        let allowed = lap::tiers(&self.ready.tool);
        // Which socket it will be is not known yet, only that there will be one.
        let socket = (!self.ready.tool.egress.is_empty()).then(|| std::path::Path::new("/"));
        let mut spec = lap::spec(self.ready, self.request.workspace.as_ref(), Vec::new(), socket)?;
        if self.front.is_some() {
            spec.speech = Speech::Plain;
        }
        let mut reasons = Vec::new();
        for tier in &allowed {
            match self.ports.tiers.get(tier) {
                None => {
                    let why = self.ports.unusable.get(tier).map_or("it is not there", String::as_str);
                    reasons.push(format!("{tier}: {why}"));
                }
                Some(sandbox) => match sandbox.capabilities().check(&spec) {
                    Ok(()) => return Ok(Arc::clone(sandbox)),
                    Err(error) => reasons.push(format!("{tier}: {error}")),
                },
            }
        }
        Err(format!("it may only be run in a tier that cannot be had here: {}", reasons.join("; ")))
    }

    async fn with(&self, tier: Option<Arc<dyn Sandbox>>, leased: &Leased, scanner: &Scanner, envelope: Value) -> Tried {
        let passage = match self.passage(&leased.injections, &envelope) {
            Ok(passage) => passage,
            Err(tried) => return tried,
        };
        let socket = passage.as_ref().map(Passage::socket);
        let spec = match lap::spec(self.ready, self.request.workspace.as_ref(), leased.inputs.clone(), socket) {
            Ok(spec) => spec,
            Err(reason) => return Tried::refused(Class::NotFound, reason),
        };
        let name = tier.as_ref().map_or(Tier::Native, |tier| tier.capabilities().tier);
        let mut outcome = match (self.front, &tier) {
            (Some(front), _) => {
                let walk = Walk { front, tier: tier.as_deref(), spec, passage: passage.as_ref() };
                self.sifted(scanner, self.walk(&walk, &envelope).await)
            }
            (None, Some(tier)) => match tier.prepare(self.cx, spec).await {
                Ok(prepared) => self.invoke(&**tier, &prepared, scanner, envelope).await,
                Err(error) => return Tried::refused(error.class(), error.to_string()),
            },
            (None, None) => return Tried::refused(Class::Internal, "there is no tier"),
        };
        let files = leased.leases.iter().filter(|_| !leased.inputs.is_empty());
        let mut used: Vec<String> = files.map(|lease| lease.path().to_string()).collect();
        if let Some(passage) = passage {
            let report = passage.close().await;
            outcome.effects.hosts = report.hosts();
            used.extend(report.secrets());
        }
        used.sort_unstable();
        used.dedup();
        outcome.effects.secrets = used;
        Tried { outcome: Box::new(outcome), tier: Some(name), grant: self.grant.map(Token::hash) }
    }

    /// Runs it, hands on what it says, and keeps back what holds a secret.
    async fn invoke(&self, tier: &dyn Sandbox, prepared: &Prepared, scanner: &Scanner, envelope: Value) -> Outcome {
        let (lines, mut heard) = mpsc::channel(AHEAD);
        let mut call = Call::new(self.id.clone(), envelope);
        call.stream = self.request.lines.is_some().then_some(lines);
        let tool = &self.ready.tool;
        let forward = async {
            let mut veil = Veil::of(tool);
            while let Some(line) = heard.recv().await {
                let Some(out) = &self.request.lines else { continue };
                for line in veil.pass(clean(scanner, line)) {
                    // Whoever listened may have left; the tool goes on.
                    let _ = out.send(line).await;
                }
            }
            if let (Some(last), Some(out)) = (veil.rest(), &self.request.lines) {
                let _ = out.send(last).await;
            }
        };
        let (outcome, ()) = tokio::join!(tier.invoke(self.cx, prepared, call), forward);
        self.sifted(scanner, outcome)
    }

    /// What came of it, without what nobody may see of it.
    fn sifted(&self, scanner: &Scanner, mut outcome: Outcome) -> Outcome {
        let tool = &self.ready.tool;
        let mut veil = Veil::of(tool);
        let lines = std::mem::take(&mut outcome.lines);
        outcome.lines = lines.into_iter().flat_map(|line| veil.pass(clean(scanner, line))).collect();
        outcome.lines.extend(veil.rest());
        if scanner.is_empty() {
            return outcome;
        }
        if holds(scanner, &outcome.stderr) {
            outcome.stderr = WITHHELD.to_owned();
        }
        let text = match &outcome.answer {
            Ok(value) => value.to_string(),
            Err(failure) => failure.message.clone(),
        };
        if holds(scanner, &text) {
            outcome.answer = Err(Failure::new(Class::Denied, "its answer held a secret it was given"));
        }
        outcome
    }

    /// That the call's grant is good for this part of what is about to be run (GR4).
    fn pass(&self, audience: Audience, envelope: &Value) -> Result<Pass, Tried> {
        let Some(issuer) = &self.ports.grants else {
            let reason = "it needs secrets or a way out, and this host issues no grants for them";
            return Err(Tried::refused(Class::Unavailable, reason));
        };
        let refused = |refusal: Refusal| Tried::refused(refusal.class(), refusal.to_string());
        let token = self.grant.ok_or(Refusal::Malformed).map_err(refused)?;
        let (tool, caller) = (&self.ready.tool, self.caller);
        let errand = Errand { tool, arguments: &envelope["input"], caller, class: self.cx.privacy() };
        issuer.check(token, &errand, audience, self.clock.wall()).map_err(refused)
    }

    /// Leases what the tool needs, until the call's deadline.
    async fn lease(&self, envelope: &Value) -> Result<Leased, Tried> {
        let mut leased = Leased::default();
        let wanted = &self.ready.tool.secrets;
        if wanted.is_empty() {
            return Ok(leased);
        }
        let pass = self.pass(Audience::Secrets, envelope)?;
        for secret in wanted {
            if let Err(tried) = self.lease_one(&pass, secret, &mut leased).await {
                self.give_back(leased.leases).await;
                return Err(tried);
            }
        }
        Ok(leased)
    }

    async fn lease_one(&self, _: &Pass, wanted: &Wanted, leased: &mut Leased) -> Result<(), Tried> {
        let refused = |error: secrets::Error| Tried::refused(error.class(), error.to_string());
        let Some(secrets) = &self.ports.secrets else {
            let path = &wanted.path;
            let reason = format!("it needs the secret {path}, and no place of secrets is configured ([secrets])");
            return Err(Tried::refused(Class::Unavailable, reason));
        };
        let path = wanted.path.as_str().parse().map_err(refused)?;
        let lease = secrets.lease(self.cx, &path).await.map_err(refused)?;
        // It is in the book from here on, also if something below fails.
        leased.leases.push(lease);
        let lease = &leased.leases[leased.leases.len() - 1];
        let secret = lease.secret().map_err(refused)?.clone();
        match &wanted.deliver {
            Deliver::Header(header) => {
                let hosts = header.hosts.iter().map(|host| host.as_str().parse());
                let hosts = hosts.collect::<Result<_, crate::egress::Error>>();
                leased.injections.push(Injection {
                    name: wanted.path.to_string(),
                    header: header.name.to_string(),
                    prefix: header.prefix.clone(),
                    secret,
                    hosts: hosts.map_err(|error| Tried::refused(error.class(), error.to_string()))?,
                });
            }
            Deliver::File(file) => {
                let input = self.file(file.name.as_str(), secret.reveal().as_bytes(), &mut leased._folder);
                leased.inputs.push(input.map_err(|reason| Tried::refused(Class::Unavailable, reason))?);
            }
        }
        Ok(())
    }

    /// A file with a secret, in a folder that ends with the call.
    fn file(&self, name: &str, bytes: &[u8], folder: &mut Option<tempfile::TempDir>) -> Result<Input, String> {
        let Some(parent) = &self.ports.folder else {
            return Err("a host without a data directory hands over no secrets as files".to_owned());
        };
        let failed = |cause: std::io::Error| format!("could not hand over a secret as a file: {cause}");
        if folder.is_none() {
            *folder = Some(tempfile::Builder::new().prefix("call-").tempdir_in(parent).map_err(failed)?);
        }
        let Some(folder) = folder else { return Err("there is no folder".to_owned()) };
        let source = folder.path().join(name);
        std::fs::write(&source, bytes).map_err(failed)?;
        Ok(Input { name: name.to_owned(), hash: Hash::of(bytes), source, executable: false })
    }

    /// Gives leases back. One that cannot be is found by a sweep, so it holds nobody up.
    async fn give_back(&self, leases: Vec<Lease>) {
        let Some(secrets) = &self.ports.secrets else { return };
        // The call may be over by now; what it took is given back all the same.
        let cx = Cx::housekeeping(self.clock.now(), GIVE_BACK_WITHIN);
        for lease in leases {
            let path = lease.path().clone();
            if let Err(error) = secrets.revoke(&cx, lease).await {
                tracing::warn!(%path, %error, "a secret could not be given back and is left to the next sweep");
            }
        }
    }

    /// The way out, if the tool may go out at all.
    fn passage(&self, injections: &[Injection], envelope: &Value) -> Result<Option<Passage>, Tried> {
        if self.ready.tool.egress.is_empty() {
            return Ok(None);
        }
        let Some(way) = &self.ports.way_out else {
            return Err(Tried::refused(Class::Unavailable, "it goes out, and this host lets nothing out"));
        };
        let open = |_: Pass| {
            let rules = lap::rules(&self.ready.tool, &way.networks)?;
            let policy = Policy::new(rules, injections.to_vec(), way.limits.clone(), way.hide_queries)?;
            way.proxy.open(self.cx, policy)
        };
        let pass = self.pass(Audience::Egress, envelope)?;
        open(pass).map(Some).map_err(|error| Tried::refused(error.class(), error.to_string()))
    }
}

/// Keeps personal data of what a tool says from whoever listens.
struct Veil {
    rule: PersonalData,
    /// How loud a log line must be to be kept.
    keeps: LogLevel,
    redactor: Redactor,
}

impl Veil {
    fn of(tool: &Tool) -> Veil {
        let (rule, keeps) = (tool.policy.pii.output, tool.observability.log_level);
        Veil { rule, keeps, redactor: Redactor::default() }
    }

    /// What may be said now. Parts of an answer are one text, so that nothing gets through by lying across two of them.
    fn pass(&mut self, line: Line) -> Vec<Line> {
        if matches!(&line, Line::Log { level, .. } if loudness(*level) > self.keeps) {
            return Vec::new();
        }
        if self.rule == PersonalData::Allow {
            return vec![line];
        }
        match line {
            Line::Chunk { text, cut } => {
                let text = self.redactor.push(&text);
                if text.is_empty() && cut == 0 { Vec::new() } else { vec![Line::Chunk { text, cut }] }
            }
            Line::Log { level, text, cut } => vec![Line::Log { level, text: redact(&text).into_owned(), cut }],
            Line::Noise { text, cut } => vec![Line::Noise { text: redact(&text).into_owned(), cut }],
            Line::MemoryDelta { delta } => match lap::clean(PersonalData::Redact, &delta) {
                Ok(delta) => vec![Line::MemoryDelta { delta: delta.into_owned() }],
                Err(_) => Vec::new(),
            },
        }
    }

    /// What was held back.
    fn rest(&mut self) -> Option<Line> {
        let text = self.redactor.rest();
        (!text.is_empty()).then_some(Line::Chunk { text, cut: 0 })
    }
}

/// The word of a description for how loud a line is.
fn loudness(level: Level) -> LogLevel {
    match level {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
    }
}

/// What stands in the place of a text that held a secret.
const WITHHELD: &str = "[withheld: it held a secret]";

fn holds(scanner: &Scanner, text: &str) -> bool {
    scanner.find(text.as_bytes()).is_some()
}

fn clean(scanner: &Scanner, line: Line) -> Line {
    let text = match &line {
        Line::Chunk { text, .. } | Line::Log { text, .. } | Line::Noise { text, .. } => text.clone(),
        Line::MemoryDelta { delta } => delta.to_string(),
    };
    if scanner.is_empty() || !holds(scanner, &text) {
        return line;
    }
    let withheld = WITHHELD.to_owned();
    match line {
        Line::Chunk { cut, .. } => Line::Chunk { text: withheld, cut },
        Line::Log { level, cut, .. } => Line::Log { level, text: withheld, cut },
        Line::MemoryDelta { .. } | Line::Noise { .. } => Line::Noise { text: withheld, cut: 0 },
    }
}
