//! The shell around a runtime's state: runs generations as jobs, and keeps the child process.

use std::sync::Arc;
use std::time::Duration;

use super::Config;
use super::exit;
use super::handle::{Error, Launch, Shown};
use super::message::{Done, Message, Work};
use super::state::{Outcome, State};
use crate::actors::line::Arrival;
use tokio::sync::oneshot;

use crate::inference::{self, Completion, Health, Usage};
use crate::supervision::{Actor, Context, Envelope, Fault, JobError};
use crate::types::{Class, Cx};

pub(super) struct Shell {
    launch: Arc<Launch>,
    config: Config,
    state: State<Box<Work>>,
    shown: Arc<Shown>,
    child: Option<ChildProcess>,
}

impl Shell {
    pub(super) fn new(launch: Arc<Launch>, config: Config, shown: Arc<Shown>) -> Shell {
        let state = State::new(launch.runtime.capabilities(), config.concurrency, config.waiting);
        Shell { launch, config, state, shown, child: None }
    }

    fn show(&self, context: &Context<Message>) {
        context.publish(self.state.view());
        let view = self.state.view();
        // First what is shown, then the news of it: who hears the news looks at once.
        self.shown.view.send_replace(view.clone());
        self.shown.health.send_if_modified(|shown| {
            let news = *shown != view.health;
            shown.clone_from(&view.health);
            news
        });
    }

    fn refuse(&self, work: Work) {
        let runtime = self.state.view().capabilities.name.clone();
        work.reply.send(Err(Error::Full { runtime, waiting: self.config.waiting }));
    }

    fn run(&self, work: Work, context: &mut Context<Message>) {
        let Work { cx, request, news, reply } = work;
        let (runtime, work_cx) = (Arc::clone(&self.launch.runtime), cx.clone());
        // RT6: whatever led here, this is where it goes out.
        let place = runtime.capabilities().place();
        let generate = async move {
            let leaves = exit::leave(&work_cx, request, &place)?;
            exit::generate(runtime, work_cx, leaves, news).await
        };
        context.job(&cx, generate, move |outcome| {
            let result = match outcome {
                Ok(result) => result,
                Err(JobError::TimedOut) => Err(inference::Error::TimedOut { usage: Usage::default() }),
                Err(JobError::Cancelled) => Err(inference::Error::Cancelled { usage: Usage::default() }),
                Err(other) => Err(inference::Error::Internal(other.to_string())),
            };
            Message::Generated(Box::new(Done { reply, result: result.map_err(Error::from) }))
        });
    }

    fn probe(&self, regular: bool, context: &mut Context<Message>) {
        let within = Duration::from_secs(self.config.health_within_s);
        let cx = Cx::housekeeping(context.now(), within);
        let (runtime, probe_cx) = (Arc::clone(&self.launch.runtime), cx.clone());
        let probed = move |outcome| Message::Probed { outcome, regular };
        context.job(&cx, async move { runtime.health(&probe_cx).await }, probed);
    }

    /// RT4: has what was found damaged repaired, if the operator wants that and nobody is at it.
    fn repair(&mut self, context: &mut Context<Message>) {
        if self.config.repair_again_s == 0 || !self.state.repair() {
            return;
        }
        let cx = Cx::housekeeping(context.now(), REPAIR_LIMIT);
        let (runtime, repair_cx) = (Arc::clone(&self.launch.runtime), cx.clone());
        context.job(&cx, async move { runtime.repair(&repair_cx).await }, Message::Repaired);
    }

    fn repaired(&mut self, outcome: Result<Result<bool, inference::Error>, JobError>, context: &mut Context<Message>) {
        let failed = match outcome {
            Ok(Ok(anything)) => {
                self.state.may_repair();
                if anything {
                    tracing::info!(actor = context.path(), "what the runtime found damaged was repaired");
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let again_s = self.config.repair_again_s;
        tracing::warn!(actor = context.path(), error = failed, again_s, "what the runtime found damaged stays so");
        context.after(Duration::from_secs(again_s), Message::RepairAgain);
    }

    fn generated(&mut self, done: Done, context: &mut Context<Message>) {
        let Done { reply, result } = done;
        let outcome = match &result {
            Ok(completion) => Outcome::Served(completion.usage),
            // What it was not sent says nothing of it.
            Err(error) if matches!(error.class(), Class::Cancelled | Class::Denied) => Outcome::Cancelled,
            Err(_) => Outcome::Failed,
        };
        match &result {
            Err(Error::Runtime(inference::Error::Damaged { .. })) => self.repair(context),
            Err(Error::Runtime(inference::Error::Unavailable { .. })) if self.state.look() => {
                self.probe(false, context)
            }
            _ => {}
        }
        self.pass_on(&result);
        reply.send(result);
        if let Some(work) = self.state.generated(outcome) {
            self.run(*work, context);
        }
    }

    /// RT5: what the provider said of itself, to whoever wants to know.
    fn pass_on(&self, result: &Result<Completion, Error>) {
        let Some(hears) = self.shown.hears.get() else { return };
        let runtime = &self.state.view().capabilities.name;
        match result {
            Ok(completion) if completion.pacing.is_silent() => {}
            Ok(completion) => hears.heard(runtime, None, &completion.pacing),
            Err(Error::Runtime(inference::Error::RateLimited { retry_after, pacing, .. })) => {
                hears.heard(runtime, Some(*retry_after), pacing);
            }
            Err(_) => {}
        }
    }

    fn probed(&mut self, outcome: Result<Health, JobError>, regular: bool, context: &mut Context<Message>) -> bool {
        let health = outcome.unwrap_or_else(|error| Health::Down { reason: error.to_string() });
        if let Some(reason) = health.fault() {
            if self.state.view().health.fault().is_none() {
                tracing::warn!(actor = context.path(), reason, "the runtime cannot be used");
            }
            self.repair(context);
        }
        if regular {
            context.after(Duration::from_secs(self.config.health_every_s), Message::Probe);
        }
        if !regular || (matches!(health, Health::Unreachable { .. }) && self.state.look()) {
            context.after(Duration::from_secs(self.config.unreachable_every_s), Message::LookAgain);
        }
        self.state.probed(health)
    }

    /// RT3: the process lives in a job of this actor, so it never outlives the actor, and the actor fails with it.
    fn start_child(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        let Some(command) = &self.launch.child else { return Ok(()) };
        let (mut process, grace) = (command.spawn(&self.state.view().capabilities.name)?, command.stop_grace());
        let (stop, told) = oneshot::channel();
        let (gone, ended) = oneshot::channel();
        self.child = Some(ChildProcess { stop, ended });
        // A process may live as long as the host; the deadline of its job is only there because every job has one.
        let cx = Cx::housekeeping(context.now(), CHILD_LIMIT);
        let job_cx = cx.clone();
        let live = async move {
            let lives = async {
                match process.ready(&job_cx).await {
                    Ok(()) => process.wait().await.to_string(),
                    Err(error) => error.to_string(),
                }
            };
            let last = tokio::select! { biased; last = lives => Some(last), _ = told => None };
            if last.is_none() {
                let _ = process.stop(grace).await;
            }
            let _ = gone.send(());
            last
        };
        context.job(&cx, live, |outcome| match outcome {
            Ok(last) => Message::ChildEnded(last.unwrap_or_else(|| "it was told to".to_owned())),
            Err(error) => Message::ChildEnded(error.to_string()),
        });
        Ok(())
    }
}

/// The runtime's own process: how to ask it to end, and how to hear that it has.
struct ChildProcess {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

/// More than any download takes that will ever end; fetching has a limit of its own in the config.
const REPAIR_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Ten years.
const CHILD_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        self.start_child(context)?;
        self.probe(true, context);
        self.show(context);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Generate(mut work) => {
                work.cx = work.cx.on_the_way_of(&envelope.cx);
                match self.state.generate(work) {
                    Arrival::Enters(work) => self.run(*work, context),
                    Arrival::Waits => {}
                    Arrival::Refused(work) => self.refuse(*work),
                }
            }
            Message::Generated(done) => self.generated(*done, context),
            Message::Probe => {
                self.probe(true, context);
                return Ok(());
            }
            Message::LookAgain => {
                if self.state.look_again() {
                    self.probe(false, context);
                }
                return Ok(());
            }
            Message::Probed { outcome, regular } => {
                if !self.probed(outcome, regular, context) {
                    return Ok(());
                }
            }
            Message::Repaired(outcome) => self.repaired(outcome, context),
            Message::RepairAgain => self.state.may_repair(),
            Message::ChildEnded(last) => return Err(format!("the runtime's process ended: {last}").into()),
        }
        self.show(context);
        Ok(())
    }

    async fn stop(&mut self, _context: &mut Context<Message>) {
        if let Some(ChildProcess { stop, ended }) = self.child.take() {
            let _ = stop.send(());
            // Bounded by the command's own grace, and after that by the supervisor's.
            let _ = ended.await;
        }
    }
}
