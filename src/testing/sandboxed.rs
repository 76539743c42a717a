//! A sandbox in the simulation's weather: it may fail, hang or be slow before it begins a tool, or run it and lose what came
//! of it. What it began is kept, for nobody else can say what was really done.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use super::weather::{Breakdown, Weather};
use crate::sandbox::{
    Call, Capabilities, Ended, Error, Failure, Killed, Outcome, Prepared, Running, Sandbox, Spec, View, failure_of,
};
use crate::types::{Class, Clock, Cx};

/// A tool that was begun.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    /// Which one, with its version.
    pub(super) tool: String,
    /// What it was given.
    pub(super) input: Value,
}

/// All tools that were begun in a simulation, in order. As long as what its hosts are asked to do.
pub(super) type Deeds = Arc<Mutex<Vec<Deed>>>;

pub(super) struct Shaky {
    inner: Arc<dyn Sandbox>,
    clock: Arc<dyn Clock>,
    weather: Arc<Weather>,
    deeds: Deeds,
    /// What hangs or has not begun yet; the rest is on the table of the sandbox within.
    held: Running,
}

impl Shaky {
    pub(super) fn new(inner: Arc<dyn Sandbox>, clock: Arc<dyn Clock>, weather: Arc<Weather>, deeds: Deeds) -> Shaky {
        Shaky { inner, clock, weather, deeds, held: Running::default() }
    }

    /// Runs the tool. From here on it may have done what it does.
    async fn perform(&self, cx: &Cx, prepared: &Prepared, call: Call) -> Outcome {
        self.deeds.lock().push(Deed { tool: prepared.spec().tool.clone(), input: call.input.clone() });
        self.inner.invoke(cx, prepared, call).await
    }

    /// Does something in the place of the tool, for as long as the call may take. Says why it had to end, if it had to.
    async fn instead(
        &self,
        cx: &Cx,
        (prepared, id): (&Prepared, &str),
        work: impl Future<Output = ()>,
    ) -> Option<Ended> {
        let began = self.clock.now();
        let Some(place) = self.held.enter(id) else { return Some(Ended::Refused) };
        tokio::select! {
            biased;
            ended = place.stop(cx, prepared, began) => Some(ended),
            () = work => None,
        }
    }

    /// Begins late. The call ends when it would have ended without that.
    async fn late(&self, cx: &Cx, prepared: &Prepared, call: Call, until: Instant) -> Outcome {
        let over = self.clock.now() + prepared.spec().limits.wall;
        match self.instead(cx, (prepared, &call.id), tokio::time::sleep_until(until)).await {
            Some(ended) => nothing(ended),
            None => self.perform(&cx.child().with_deadline(over), prepared, call).await,
        }
    }
}

/// A call that came to nothing, since it was ended so.
fn nothing(ended: Ended) -> Outcome {
    let failure = failure_of(ended).unwrap_or_else(|| Failure::new(Class::Internal, "the simulation took it away"));
    Outcome::nothing(ended, failure)
}

#[async_trait]
impl Sandbox for Shaky {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn prepare(&self, cx: &Cx, spec: Spec) -> Result<Prepared, Error> {
        self.inner.prepare(cx, spec).await
    }

    async fn invoke(&self, cx: &Cx, prepared: &Prepared, call: Call) -> Outcome {
        match self.weather.breakdown() {
            None => self.perform(cx, prepared, call).await,
            Some(Breakdown::Fails) => nothing(Ended::Failed),
            Some(Breakdown::Hangs) => {
                let ended = self.instead(cx, (prepared, &call.id), std::future::pending()).await;
                nothing(ended.unwrap_or(Ended::Failed))
            }
            Some(Breakdown::Cuts) => {
                self.perform(cx, prepared, call).await;
                nothing(Ended::Failed)
            }
            Some(Breakdown::Slow(time)) => self.late(cx, prepared, call, self.clock.now() + time).await,
        }
    }

    async fn kill(&self, id: &str) -> Killed {
        match self.held.kill(id).await {
            Killed::Unknown => self.inner.kill(id).await,
            killed => killed,
        }
    }

    fn view(&self) -> View {
        let View { running, abandoned } = self.inner.view();
        View { running: running + self.held.count(), abandoned }
    }
}
