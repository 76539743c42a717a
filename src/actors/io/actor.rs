//! The shell around IO's state: every run is one job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Answer;
use super::handle::Error;
use super::message::{Arrival, Message, Waiter};
use super::pipeline::Pipeline;
use super::record::bury;
use super::state::{Ending, State};
use crate::supervision::{Actor, Context, Envelope, Failure, Fault, JobError, Reply};
use crate::types::planted::{Bug, planted};
use crate::types::{Cx, RunId};
use crate::ziggy::review::Item;

pub(super) struct Shell {
    pipeline: Arc<Pipeline>,
    state: State<Waiter>,
    open: Open,
}

/// The runs under way in one io actor, kept outside of it, so that its next life knows what the last one left behind.
#[derive(Clone, Default)]
pub(super) struct Open(Arc<Mutex<BTreeMap<RunId, Ending>>>);

impl Open {
    /// The runs a dead life left. From now on none of its work writes down how they ended.
    fn left(&self) -> Vec<RunId> {
        let open = self.0.lock();
        open.iter().for_each(|(_, ending)| _ = ending.claim());
        open.keys().copied().collect()
    }
}

impl Shell {
    pub(super) fn new(pipeline: Arc<Pipeline>, open: Open) -> Shell {
        let state = State::new(pipeline.config().runs_most);
        Shell { pipeline, state, open }
    }

    /// Takes a run in. Gives the waiter back if there are too many.
    fn open(&mut self, arrival: &Arrival, waiter: Option<Waiter>) -> Result<(), Option<Waiter>> {
        self.state.open(arrival.run, arrival.cx.clone(), waiter)?;
        self.open.0.lock().insert(arrival.run, self.state.ending(arrival.run));
        Ok(())
    }

    /// IO1: a run ends once; everybody who waits for it is given back.
    fn close(&mut self, run: RunId, completed: bool) -> Vec<Waiter> {
        self.open.0.lock().remove(&run);
        self.state.ended(run, completed)
    }

    /// A run is not under way any more and has not ended.
    fn let_go(&mut self, run: RunId) -> Vec<Waiter> {
        self.open.0.lock().remove(&run);
        self.state.let_go(run)
    }

    /// Acts on a closed item. Until that is done nobody else says how its run goes on.
    fn settle(&mut self, item: Box<Item>, reply: Reply<Result<(), Error>>, context: &mut Context<Message>) {
        let (run, cx) = (item.run, Cx::housekeeping(context.now(), self.run_limit()).with_run(item.run));
        let taken = self.state.told_to_stop(run).is_some() || self.state.open(run, cx.clone(), None).is_err();
        if taken {
            return reply.send(Err(self.busy()));
        }
        let ending = self.state.ending(run);
        ending.claim();
        self.open.0.lock().insert(run, ending);
        let (pipeline, source) = (Arc::clone(&self.pipeline), context.path().to_owned());
        // Not under the run's own context: what is cancelled meanwhile must still be settled.
        let cx = Cx::housekeeping(context.now(), self.run_limit());
        let work = async move { pipeline.settle(&item, &source).await };
        context.job(&cx, work, move |outcome| {
            let outcome = outcome.unwrap_or_else(|error| Err(job_error(error)));
            Message::Settled { run, outcome, reply }
        });
    }

    /// A run goes on after people have decided, or has ended by what they decided.
    fn settled(&mut self, run: RunId, arrival: Option<Box<Arrival>>, context: &mut Context<Message>) {
        let cancelled = self.state.told_to_stop(run).unwrap_or(false);
        let waiting = self.let_go(run);
        let Some(arrival) = arrival else {
            return waiting.into_iter().for_each(|waiter| waiter.send(Err(Error::NotRunning(run))));
        };
        if cancelled {
            arrival.cx.cancel();
        }
        // It takes the place that its settlement has left.
        let _ = self.open(&arrival, None);
        for waiter in waiting {
            let _ = self.state.wait(run, waiter);
        }
        self.work(arrival, true, context);
    }

    fn busy(&self) -> Error {
        Error::Busy { limit: self.pipeline.config().runs_most }
    }

    fn run_limit(&self) -> Duration {
        Duration::from_secs(self.pipeline.config().run_within_s) + ENDING_GRACE
    }

    /// Writes the task down before its run is handed out (IO2).
    fn accept(&mut self, arrival: Box<Arrival>, reply: Reply<Result<RunId, Error>>, context: &mut Context<Message>) {
        let run = arrival.run;
        if self.open(&arrival, None).is_err() {
            return reply.send(Err(self.busy()));
        }
        let (pipeline, source) = (Arc::clone(&self.pipeline), context.path().to_owned());
        // Not under the run's own context: a run that is cancelled while it is stored must still end on the record.
        let cx = Cx::housekeeping(context.now(), self.run_limit());
        let store = async move {
            let stored = pipeline.store_accepted(&arrival, &source).await;
            (arrival, stored)
        };
        context.job(&cx, store, move |outcome| match outcome {
            Ok((arrival, Ok(()))) => Message::Accepted { arrival, reply },
            Ok((_, Err(error))) => Message::Refused { run, reply, error },
            Err(error) => Message::Refused { run, reply, error: job_error(error) },
        });
    }

    fn work(&mut self, arrival: Box<Arrival>, recorded: bool, context: &mut Context<Message>) {
        let (pipeline, source, run) = (Arc::clone(&self.pipeline), context.path().to_owned(), arrival.run);
        // The job outlives the run's own deadline and cancellation, since it must still write down how the run ended.
        let job_cx = Cx::housekeeping(context.now(), self.run_limit());
        let ending = self.state.ending(run);
        let work = async move { pipeline.run(*arrival, source, recorded, ending).await };
        context.job(&job_cx, work, move |outcome| Message::Ended { run, outcome: outcome.map(Box::new) });
    }

    fn ended(
        &mut self,
        run: RunId,
        outcome: Result<Box<Result<Answer, Error>>, JobError>,
        context: &mut Context<Message>,
    ) {
        let result = match outcome {
            Ok(result) => *result,
            Err(error) => {
                let result = Err(job_error(error));
                let (pipeline, source) = (Arc::clone(&self.pipeline), context.path().to_owned());
                let (cx, written) = (Cx::housekeeping(context.now(), ENDING_GRACE), result.clone());
                if self.state.ending(run).claim() {
                    context.jot(&cx, async move { drop(pipeline.record_ending(run, &source, &written).await) });
                }
                result
            }
        };
        let waiting = match &result {
            Err(Error::Parked(_)) => self.let_go(run),
            result => self.close(run, result.is_ok()),
        };
        for waiter in waiting {
            match planted(Bug::ReplyIsLost) {
                true => std::mem::forget(waiter),
                false => waiter.send(result.clone()),
            }
        }
    }
}

/// Time to write down how a run ended, after its own time was up.
const ENDING_GRACE: Duration = Duration::from_secs(10);

fn job_error(error: JobError) -> Error {
    match error {
        JobError::TimedOut => Error::Delivery(Failure::TimedOut),
        JobError::Cancelled => Error::Cancelled,
        JobError::Panicked(_) | JobError::TooMany(_) => Error::Broken(error.to_string()),
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        let left = self.open.left();
        if !left.is_empty() && !planted(Bug::LeftBehind) {
            bury(&self.pipeline.parts.journal, left, context.path()).await?;
            self.open.0.lock().clear();
        }
        context.publish(&self.state.view());
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Route { mut arrival, reply } => {
                arrival.cx = arrival.cx.on_the_way_of(&envelope.cx);
                match self.open(&arrival, Some(reply)) {
                    Ok(()) => self.work(arrival, false, context),
                    Err(reply) => reply.into_iter().for_each(|reply| reply.send(Err(self.busy()))),
                }
            }
            Message::Accept { arrival, reply } => self.accept(arrival, reply, context),
            Message::Accepted { arrival, reply } => {
                reply.send(Ok(arrival.run));
                self.work(arrival, true, context);
            }
            Message::Refused { run, reply, error } => {
                reply.send(Err(error.clone()));
                self.close(run, false).into_iter().for_each(|waiter| waiter.send(Err(error.clone())));
            }
            Message::Wait { run, reply } => {
                if let Err(reply) = self.state.wait(run, reply) {
                    reply.send(Err(Error::NotRunning(run)));
                }
            }
            Message::Settle { item, reply } => self.settle(item, reply, context),
            Message::Settled { run, outcome, reply } => {
                let (arrival, answer) = match outcome {
                    Ok(arrival) => (arrival, Ok(())),
                    Err(error) => (None, Err(error)),
                };
                self.settled(run, arrival, context);
                reply.send(answer);
            }
            Message::Cancel { run, reply } => reply.send(self.state.cancel(run)),
            Message::Ended { run, outcome } => self.ended(run, outcome, context),
        }
        context.publish(&self.state.view());
        Ok(())
    }

    /// What is still under way when the host stops is interrupted, and on the record as such.
    async fn stop(&mut self, context: &mut Context<Message>) {
        self.pipeline.interrupt(self.state.interrupt(), context.path()).await;
    }
}
