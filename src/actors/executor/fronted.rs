//! Calls of which a front makes steps: each is done in the tool's sandbox or through its way out, and all of them share the
//! time of one call.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::attempt::Attempt;
use super::library::Library;
use super::ports::Ports;
use super::request::Request;
use crate::egress::{self, Passage};
use crate::lap::{self, Caller, Came, Command, Front, STEPS_MOST, Step};
use crate::sandbox::{Call, Ended, Failure, Outcome, Program, Sandbox, Spec, Speech};
use crate::tds::tool::Run;
use crate::types::{Class, Clock, Cx};

/// Bytes a program behind a front may print: it is the front that makes an answer of the right length of it.
const PRINTED_MOST: u64 = 8 << 20;

/// Everything the steps of a call are done with.
pub(super) struct Walk<'a> {
    pub(super) front: &'a dyn Front,
    /// None if the steps only send.
    pub(super) tier: Option<&'a dyn Sandbox>,
    /// What every program of it runs under.
    pub(super) spec: Spec,
    pub(super) passage: Option<&'a Passage>,
}

impl Attempt<'_> {
    /// Does what the front says, until it has an answer.
    pub(super) async fn walk(&self, walk: &Walk<'_>, envelope: &Value) -> Outcome {
        let began = self.clock.now();
        let until = (began + walk.spec.limits.wall).min(self.cx.deadline());
        let endless = Failure::new(Class::Internal, format!("it took more than {STEPS_MOST} steps"));
        let mut whole = Outcome::nothing(Ended::Finished, endless);
        let mut came = Vec::new();
        for number in 0..STEPS_MOST {
            let done = match walk.front.next(envelope, &came) {
                Err(failure) => Err(failure),
                Ok(Step::Answer(value)) => {
                    whole.answer = Ok(value);
                    break;
                }
                Ok(Step::Run(command)) => self.run_step(walk, command, (number, until), &mut whole).await,
                Ok(Step::Send(message)) => self.send_step(walk, &message, until, &mut whole).await,
            };
            match done {
                Ok(step) => came.push(step),
                Err(failure) => {
                    whole.answer = Err(failure);
                    break;
                }
            }
        }
        whole.usage.wall = self.clock.now() - began;
        whole
    }

    async fn run_step(
        &self,
        walk: &Walk<'_>,
        command: Command,
        (number, until): (usize, Instant),
        whole: &mut Outcome,
    ) -> Result<Came, Failure> {
        let Some(tier) = walk.tier else { return Err(Failure::new(Class::Internal, "it has no sandbox")) };
        let left = until.saturating_duration_since(self.clock.now()).max(Duration::from_millis(1));
        let mut spec = walk.spec.clone();
        spec.program = Program::Command(command.argv);
        spec.speech = Speech::Plain;
        spec.directory = command.directory;
        spec.environment.extend(command.environment);
        spec.limits.wall = left;
        spec.limits.stdout = PRINTED_MOST;
        let prepared = tier.prepare(self.cx, spec).await;
        let prepared = prepared.map_err(|error| Failure::new(error.class(), error.to_string()))?;
        let call = Call::new(format!("{}-{number}", self.id), Value::Null);
        let outcome = tier.invoke(self.cx, &prepared, call).await;
        add(whole, &outcome);
        let printed = outcome.answer?;
        let stdout = printed["stdout"].as_str().unwrap_or_default().to_owned();
        Ok(Came::Printed { stdout, stderr: outcome.stderr, exit: printed["exit"].as_i64().unwrap_or(-1) })
    }

    async fn send_step(
        &self,
        walk: &Walk<'_>,
        message: &egress::Message,
        until: Instant,
        whole: &mut Outcome,
    ) -> Result<Came, Failure> {
        let nowhere = || Failure::new(Class::Denied, "it may reach nobody: no rule of its description names a host");
        let passage = walk.passage.ok_or_else(nowhere)?;
        let sent = tokio::select! {
            biased;
            () = self.cx.cancelled() => {
                whole.ended = Ended::Cancelled;
                return Err(Failure::new(Class::Cancelled, "its caller gave up"));
            }
            sent = timeout_at(until, passage.send(message)) => sent,
        };
        let Ok(sent) = sent else {
            whole.ended = Ended::Deadline;
            return Err(Failure::new(Class::Timeout, "its time was over"));
        };
        whole.usage.stdin += message.body.len() as u64;
        let reply = sent.map_err(|unsent| {
            if unsent.may_have_arrived {
                // Nobody knows what the server made of it.
                whole.ended = Ended::Failed;
            }
            Failure::new(unsent.class(), unsent.to_string())
        })?;
        whole.usage.stdout += reply.body.len() as u64;
        Ok(Came::Answered(reply))
    }
}

/// What a step did and used counts as the call's.
fn add(whole: &mut Outcome, step: &Outcome) {
    whole.ended = step.ended;
    whole.stderr.clone_from(&step.stderr);
    whole.effects.written.extend(step.effects.written.iter().cloned());
    whole.effects.written.sort_unstable();
    whole.effects.written.dedup();
    whole.effects.written_all &= step.effects.written_all;
    whole.effects.exit = step.effects.exit;
    let (all, own) = (&mut whole.usage, &step.usage);
    all.cpu += own.cpu;
    all.memory_peak = all.memory_peak.max(own.memory_peak);
    all.processes_peak = all.processes_peak.max(own.processes_peak);
    all.stdin += own.stdin;
    all.stdout += own.stdout;
    all.stderr += own.stderr;
}

/// How long one tool is tried when a host starts.
const TRIED_WITHIN: Duration = Duration::from_secs(10);

/// Which tools with a front cannot be run on this machine, and why: their tier is not there, or the program is not.
pub async fn lacking(library: &Library, ports: &Ports, clock: &dyn Clock) -> Vec<(String, String)> {
    let (mut lacking, mut known) = (Vec::new(), BTreeMap::<Vec<String>, Option<String>>::new());
    for entry in library.newest() {
        let Some(front) = entry.front() else { continue };
        let (cx, request) = (Cx::housekeeping(clock.now(), TRIED_WITHIN), Request::default());
        let id = format!("probe-{}", entry.ready.tool.id);
        // A probe needs nothing of the host, and so no grant.
        let (caller, grant) = (Caller::of(cx.principal()), None);
        let attempt = Attempt {
            ports,
            ready: &entry.ready,
            front: Some(&**front),
            request: &request,
            caller: &caller,
            grant,
            cx: &cx,
            clock,
            id,
        };
        let command = front.probe().unwrap_or_default();
        let reason = match known.get(&command.argv) {
            Some(reason) => reason.clone(),
            None => {
                let reason = attempt.probe(&**front).await.err();
                if !command.argv.is_empty() {
                    known.insert(command.argv, reason.clone());
                }
                reason
            }
        };
        lacking.extend(reason.map(|reason| (entry.ready.tool.id.to_string(), reason)));
    }
    lacking
}

impl Attempt<'_> {
    /// Whether this machine has what the tool needs.
    async fn probe(&self, front: &dyn Front) -> Result<(), String> {
        if let Some(lack) = front.lacks() {
            return Err(lack);
        }
        if matches!(self.ready.tool.run, Run::Native(_)) {
            return self.reaches();
        }
        let tier = self.tier()?;
        let Some(command) = front.probe() else { return Ok(()) };
        let name = command.argv.first().cloned().unwrap_or_default();
        let spec = lap::spec(self.ready, None, Vec::new(), None)?;
        let walk = Walk { front, tier: Some(&*tier), spec, passage: None };
        let until = self.clock.now() + TRIED_WITHIN;
        let mut whole = Outcome::nothing(Ended::Finished, Failure::new(Class::Internal, ""));
        match self.run_step(&walk, command, (0, until), &mut whole).await {
            Ok(Came::Printed { exit: 0, .. }) => Ok(()),
            Ok(Came::Printed { stderr, exit, .. }) => Err(format!(
                "{name} does not run in a {}: exit code {exit}: {}",
                tier.capabilities().tier,
                stderr.trim()
            )),
            Ok(Came::Answered(_)) => Err(format!("{name} is no program")),
            Err(failure) => Err(format!("{name} does not run in a {}: {failure}", tier.capabilities().tier)),
        }
    }

    /// Whether there is anybody whom it may reach.
    fn reaches(&self) -> Result<(), String> {
        if self.ready.tool.egress.is_empty() {
            return Err("it may reach nobody: no host is named for it ([tools.hosts])".to_owned());
        }
        if self.ports.way_out.is_none() {
            return Err("this host lets nothing out ([egress] enabled, and a data directory)".to_owned());
        }
        if !self.ready.tool.secrets.is_empty() && self.ports.secrets.is_none() {
            return Err("it needs a secret, and no place of secrets is configured ([secrets])".to_owned());
        }
        Ok(())
    }
}
