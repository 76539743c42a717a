//! A tier for tests: it does what its script says, on tokio's clock, and runs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;

use super::capability::{Capabilities, Keeper};
use super::error::Error;
use super::outcome::{Ended, Exit, Failure, Line, Outcome, failure_of};
use super::protocol::{Bounds, Reader};
use super::running::Running;
use super::spec::{ProgramKind, Resource, Spec, Speech, Tier};
use super::{Call, Killed, Prepared, Sandbox, View};
use crate::types::{Class, Clock, Cx};

/// What a scripted tool does next.
#[derive(Debug, Clone)]
enum Step {
    /// It prints this.
    Print(Vec<u8>),
    /// It prints a result that is its input.
    Echo,
    /// It waits on tokio's clock.
    Wait(Duration),
    /// It never comes back.
    Hang,
}

/// Whether something is true of what a tool reads.
pub type Test = fn(&Value) -> bool;

/// What a scripted tool does, and how it ends.
#[derive(Debug, Clone, Default)]
pub struct Script {
    steps: Vec<Step>,
    exit: i32,
    /// What it does instead with inputs of which this is true.
    instead: Vec<(Test, Script)>,
}

impl Script {
    /// It prints this.
    pub fn prints(mut self, text: impl Into<Vec<u8>>) -> Script {
        self.steps.push(Step::Print(text.into()));
        self
    }

    /// It answers with its input.
    pub fn echoes(mut self) -> Script {
        self.steps.push(Step::Echo);
        self
    }

    /// It takes so long.
    pub fn waits(mut self, time: Duration) -> Script {
        self.steps.push(Step::Wait(time));
        self
    }

    /// It does not come back.
    pub fn hangs(mut self) -> Script {
        self.steps.push(Step::Hang);
        self
    }

    /// It ends with this code.
    pub fn exits(mut self, code: i32) -> Script {
        self.exit = code;
        self
    }

    /// It does this instead, if this is true of what it reads.
    pub fn when(mut self, test: Test, other: Script) -> Script {
        self.instead.push((test, other));
        self
    }

    /// What it does with this input.
    fn with(&self, input: &Value) -> &Script {
        self.instead.iter().find(|(test, _)| test(input)).map_or(self, |(_, other)| other)
    }
}

/// A tier of scripts, one for each tool. Every call is kept.
pub struct Puppet {
    capabilities: Capabilities,
    scripts: BTreeMap<String, Script>,
    clock: Arc<dyn Clock>,
    running: Running,
    calls: Mutex<Vec<(Spec, Value)>>,
}

impl Puppet {
    /// One that passes for this tier and claims to be able to do everything.
    pub fn new(tier: Tier, clock: Arc<dyn Clock>) -> Puppet {
        use Resource::{Cpu, Disk, Growth, Lines, Memory, OpenFiles, Processes, Stderr, Stdin, Stdout, Wall};
        let limits = [Wall, Cpu, Memory, Processes, Disk, OpenFiles, Stdin, Stdout, Stderr, Lines, Growth];
        let capabilities = Capabilities {
            tier,
            programs: vec![ProgramKind::Command, ProgramKind::Native, ProgramKind::Image, ProgramKind::Component],
            limits: limits.into_iter().map(|resource| (resource, Keeper::Host)).collect(),
            inputs: true,
            grants: true,
            egress: true,
            environment: true,
            plain: true,
            notes: vec!["a script; nothing is run".to_owned()],
        };
        let (scripts, running, calls) = Default::default();
        Puppet { capabilities, scripts, clock, running, calls }
    }

    /// The same with a script for this tool.
    pub fn with(mut self, tool: &str, script: Script) -> Puppet {
        self.scripts.insert(tool.to_owned(), script);
        self
    }

    /// What was called so far, and with what.
    pub fn calls(&self) -> Vec<(Spec, Value)> {
        self.calls.lock().clone()
    }

    async fn play(&self, prepared: &Prepared, call: &Call, outcome: &mut Outcome) -> Ended {
        let script = self.scripts.get(&prepared.spec.tool).map(|script| script.with(&call.input).clone());
        let script = script.unwrap_or_default();
        let mut reader = Reader::new(prepared.spec.speech, Bounds::default());
        for step in script.steps {
            let text = match step {
                Step::Print(text) => text,
                Step::Echo if prepared.spec.speech == Speech::Plain => call.input.to_string().into_bytes(),
                Step::Echo => serde_json::json!({ "type": "result", "value": call.input }).to_string().into_bytes(),
                Step::Wait(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
                Step::Hang => std::future::pending().await,
            };
            outcome.usage.stdout += text.len() as u64;
            if outcome.usage.stdout > prepared.spec.limits.stdout {
                return Ended::Limit(Resource::Stdout);
            }
            let before = outcome.lines.len();
            if let Err(resource) = reader.feed(&text, &mut outcome.lines) {
                return Ended::Limit(resource);
            }
            tell(call, &outcome.lines[before..]).await;
        }
        let before = outcome.lines.len();
        outcome.effects.exit = Some(Exit::Code(script.exit));
        outcome.answer = reader.finish(Exit::Code(script.exit), &mut outcome.lines);
        tell(call, &outcome.lines[before..]).await;
        Ended::Finished
    }
}

/// Tells whoever listens. Who has left is told nothing.
pub(super) async fn tell(call: &Call, lines: &[Line]) {
    if let Some(stream) = &call.stream {
        for line in lines {
            let _ = stream.send(line.clone()).await;
        }
    }
}

#[async_trait]
impl Sandbox for Puppet {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, _cx: &Cx, spec: Spec) -> Result<Prepared, Error> {
        self.capabilities.check(&spec)?;
        if !self.scripts.contains_key(&spec.tool) {
            return Err(Error::Missing { tool: spec.tool, reason: "there is no script for it".to_owned() });
        }
        Ok(Prepared { spec: Arc::new(spec), tier: self.capabilities.tier, places: Arc::default(), user: 0 })
    }

    async fn invoke(&self, cx: &Cx, prepared: &Prepared, call: Call) -> Outcome {
        let began = self.clock.now();
        let Some(place) = self.running.enter(&call.id) else {
            let failure = Failure::new(Class::Conflict, "could not call the tool: a call of this id runs");
            return Outcome::nothing(Ended::Refused, failure);
        };
        let stdin = call.input.to_string().len() as u64;
        if stdin > prepared.spec.limits.stdin {
            let failure = Failure::new(Class::Exhausted, "could not call the tool: its input is too long");
            return Outcome::nothing(Ended::Refused, failure);
        }
        self.calls.lock().push((Spec::clone(&prepared.spec), call.input.clone()));
        let unanswered = Failure::new(Class::Internal, "the tool gave no answer");
        let mut outcome = Outcome::nothing(Ended::Finished, unanswered);
        outcome.usage.stdin = stdin;
        outcome.ended = tokio::select! {
            biased;
            ended = place.stop(cx, prepared, began) => ended,
            ended = self.play(prepared, &call, &mut outcome) => ended,
        };
        if let Some(failure) = failure_of(outcome.ended) {
            outcome.answer = Err(failure);
        }
        outcome.usage.wall = self.clock.now() - began;
        outcome
    }

    async fn kill(&self, id: &str) -> Killed {
        self.running.kill(id).await
    }

    fn view(&self) -> View {
        View { running: self.running.count(), abandoned: 0 }
    }
}
