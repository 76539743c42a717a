//! The shell around the router's state: builds tables, publishes them, and writes each new one down.

use std::sync::Arc;
use std::time::Duration;

use super::handle::Parts;
use super::message::Message;
use super::record::{self, Registry};
use super::state::{Built, State};
use crate::actors::runtime;
use crate::supervision::{Actor, Context, Envelope, Fault};
use crate::types::{Cx, Hash, Timestamp};
use crate::ziggy::route::Rib;

pub(super) struct Shell {
    parts: Parts,
    state: State,
    /// When the timer ends that waits for a new price, if one runs.
    repricing: Option<Timestamp>,
    /// How long the last build took.
    took: Duration,
}

/// A timer that waits for a price ends after a day at the latest, so that a clock which was set is seen.
const PRICES_LOOKED_AT: Duration = Duration::from_secs(24 * 3600);

/// Observations are gathered for so many times as long as a build takes at least: of very many agents one takes seconds,
/// and a host has other things to do.
const GATHER_BUILDS: u32 = 8;

/// A table that cannot be queued for the journal within this time is a fault worth a log line.
const RECORD_WITHIN: Duration = Duration::from_secs(10);

impl Shell {
    pub(super) fn new(parts: Parts) -> Shell {
        // What was observed before a restart of this actor is still in the published RIB.
        let rib = Rib::clone(&parts.published.rib.load());
        let state = State::new(rib, &parts.config, Registry::clone(&parts.registry));
        Shell { parts, state, repricing: None, took: Duration::ZERO }
    }

    fn build(&mut self, context: &mut Context<Message>) -> Hash {
        let (governance, now) = (self.parts.crown.governance(), context.world().clock.wall());
        let began = context.now();
        for reason in self.state.announce(&governance, &self.parts.places, now) {
            tracing::warn!(reason, "a candidate that was announced is not served");
        }
        let views = self.parts.runtimes.iter().map(runtime::Handle::view);
        self.state.health(&views.map(|view| (view.capabilities, view.health)).collect::<Vec<_>>());
        let treasury = self.parts.crown.treasury();
        let prices = self.parts.runtimes.iter().map(runtime::Handle::name);
        let prices = prices.filter_map(|name| Some((name.to_owned(), treasury.price(name)?)));
        self.state.prices(&prices.collect());
        self.state.in_flight(|candidate| self.parts.crown.in_flight(candidate));
        if self.parts.scribe.is_awaited() {
            self.state.write_again();
        }
        let Built { fib, writing, changed } = self.state.build(&governance, now);
        if let Some(wait) = self.state.next_expiry(&governance, now) {
            context.after(wait, Message::Expired);
        }
        self.wake_for_price(now, context);
        self.took = context.now().saturating_duration_since(began);
        let version = fib.version;
        self.parts.published.rib.store(Arc::new(self.state.rib().clone()));
        self.parts.published.fib.store(fib);
        context.publish(self.state.view());
        if writing.is_some() || changed.is_some() {
            let (journal, source) = (Arc::clone(&self.parts.journal), context.path().to_owned());
            let scribe = Arc::clone(&self.parts.scribe);
            let cx = Cx::housekeeping(context.now(), RECORD_WITHIN);
            context.jot(&cx, async move {
                if let Err(error) = record::write(&journal, &scribe, &source, writing, changed).await {
                    tracing::error!(%error, "a routing table could not be recorded");
                }
            });
        }
        version
    }

    /// Builds again when the next dated price comes in force, also if nothing is observed until then.
    fn wake_for_price(&mut self, now: Timestamp, context: &mut Context<Message>) {
        let Some(next) = self.parts.crown.treasury().next_price(now) else { return };
        if self.repricing.is_some_and(|wakes| now < wakes) {
            return;
        }
        let wait = Duration::from_micros(next.0.abs_diff(now.0)).min(PRICES_LOOKED_AT);
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        self.repricing = Some(Timestamp(now.0.saturating_add(micros)));
        context.after(wait, Message::Changed);
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        context.follow(self.parts.crown.watch(), || Message::Changed);
        for runtime in &self.parts.runtimes {
            context.follow(runtime.watch_health(), || Message::Changed);
        }
        self.build(context);
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Observe(feedback) => {
                if self.state.observe(&feedback, context.world().clock.wall()) {
                    let gather = Duration::from_millis(self.parts.config.rebuild_every_ms);
                    context.after(gather.max(self.took.saturating_mul(GATHER_BUILDS)), Message::Gathered);
                }
            }
            Message::Rebuild { reply } => reply.send(self.build(context)),
            Message::Gathered | Message::Changed => {
                self.build(context);
            }
            Message::Expired => {
                self.state.expired();
                self.build(context);
            }
        }
        Ok(())
    }
}
