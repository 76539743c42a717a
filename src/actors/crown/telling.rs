//! Whom CROWN tells: the journal, the log, and webhooks; and what people say about alerts.

use std::sync::Arc;
use std::time::Duration;

use super::Severity;
use super::actor::{STORE_WITHIN, Shell};
use super::book::{Entry, Report, Silence, kind, webhook_subject};
use super::handle::Error;
use super::message::Message;
use super::webhook::{Round, Sender, gave_up, pause};
use crate::store::{Durability, NewEvent};
use crate::supervision::{Context, Reply};
use crate::types::Cx;

/// One go at a webhook: every letter of it has its own limit.
const ROUND_WITHIN: Duration = Duration::from_secs(3_600);

impl Shell {
    /// CR6: writes down what is new, and tells when it is there.
    pub(super) fn record(&mut self, entries: Vec<Entry>, context: &mut Context<Message>) {
        if entries.is_empty() {
            return;
        }
        for (kind, alert) in entries.iter().filter(|(kind, _)| *kind == kind::RAISED) {
            tracing::warn!(subject = alert.subject, kind = alert.kind, "{}: {}", kind, alert.message);
        }
        let (told, events) = (self.hear_of(&entries), self.events(&entries, context));
        self.note(events, told, None, context);
        self.show(context);
    }

    /// Writes down what is to be told, and tells it once it can be read back: a round before that would find nothing, and
    /// nobody would look again.
    fn note(&mut self, events: Vec<NewEvent>, told: Vec<bool>, freed: Option<usize>, context: &mut Context<Message>) {
        let journal = Arc::clone(&self.parts.journal);
        let cx = Cx::housekeeping(context.now(), STORE_WITHIN);
        let store = async move { journal.append(events, Durability::Durable).await.map(drop) };
        context.job(&cx, store, move |outcome| {
            let failed = match outcome {
                Ok(stored) => stored.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = failed {
                tracing::error!(error, "an alert could not be recorded");
            }
            // Also then, since it may be written later.
            Message::Due { told, freed }
        });
    }

    /// There is something to tell these, and this one may be told again.
    pub(super) fn due(&mut self, told: &[bool], freed: Option<usize>, context: &mut Context<Message>) {
        for (line, told) in self.lines.iter_mut().zip(told) {
            line.due |= told;
        }
        if let Some(line) = freed.and_then(|place| self.lines.get_mut(place)) {
            line.busy = false;
        }
        self.tell(context);
        self.show(context);
    }

    pub(super) fn hear_of(&self, entries: &[Entry]) -> Vec<bool> {
        let told = |name: &String| entries.iter().any(|(_, alert)| alert.told.contains(name));
        self.parts.alerts.webhooks.iter().map(|webhook| told(&webhook.name)).collect()
    }

    pub(super) fn events(&self, entries: &[Entry], context: &Context<Message>) -> Vec<NewEvent> {
        entries.iter().map(|(kind, alert)| NewEvent::new(kind, None, context.path(), alert)).collect()
    }

    /// Writes down what somebody said and answers when it is on disk.
    fn answer<T: Send + 'static>(
        &self,
        events: Vec<NewEvent>,
        answer: T,
        reply: Reply<Result<T, Error>>,
        context: &mut Context<Message>,
    ) {
        let journal = Arc::clone(&self.parts.journal);
        let cx = Cx::housekeeping(context.now(), STORE_WITHIN);
        context.jot(&cx, async move {
            let stored = journal.append(events, Durability::Durable).await;
            reply.send(stored.map(|_| answer).map_err(|error| Error::Journal(error.to_string())));
        });
        self.show(context);
    }

    pub(super) fn acknowledge(
        &mut self,
        id: u64,
        author: &str,
        reply: Reply<Result<(), Error>>,
        context: &mut Context<Message>,
    ) {
        match self.book.acknowledge(id, author, context.world().clock.wall()) {
            None => reply.send(Err(Error::NoAlert(id))),
            Some(entries) if entries.is_empty() => reply.send(Ok(())),
            Some(entries) => {
                let events = self.events(&entries, context);
                self.answer(events, (), reply, context);
            }
        }
    }

    pub(super) fn silence(
        &mut self,
        silence: Silence,
        reply: Reply<Result<Silence, Error>>,
        context: &mut Context<Message>,
    ) {
        match self.book.silence(silence, context.world().clock.wall()) {
            Err(reason) => reply.send(Err(Error::Invalid(reason))),
            Ok(silence) => {
                let event = NewEvent::new(kind::SILENCED, None, context.path(), &silence);
                self.answer(vec![event], silence, reply, context);
            }
        }
    }

    pub(super) fn unsilence(&mut self, id: u64, reply: Reply<Result<(), Error>>, context: &mut Context<Message>) {
        match self.book.unsilence(id) {
            None => reply.send(Err(Error::NoSilence(id))),
            Some(silence) => {
                let event = NewEvent::new(kind::UNSILENCED, None, context.path(), &silence);
                self.answer(vec![event], (), reply, context);
            }
        }
    }

    /// Begins a round for every webhook that has something to hear and does not rest.
    pub(super) fn tell(&mut self, context: &mut Context<Message>) {
        for place in 0..self.lines.len() {
            let (Some(webhook), Some(line)) = (self.parts.alerts.webhooks.get(place), self.lines.get_mut(place)) else {
                return;
            };
            if line.busy || !line.due || line.rests_until.is_some_and(|until| context.now() < until) {
                continue;
            }
            (line.busy, line.due) = (true, false);
            let sender = Sender {
                webhook: webhook.clone(),
                journal: Arc::clone(&self.parts.journal),
                outbound: Arc::clone(&self.parts.outbound),
                key: self.parts.keys.get(&webhook.name).cloned(),
                clock: Arc::clone(&context.world().clock),
                source: context.path().to_owned(),
            };
            let cx = Cx::housekeeping(context.now(), ROUND_WITHIN);
            let job_cx = cx.clone();
            context.job(&cx, sender.round(job_cx), move |outcome| Message::Told {
                webhook: place,
                round: outcome.unwrap_or_else(|error| Err(error.to_string())),
            });
        }
    }

    /// A round has ended.
    pub(super) fn told(&mut self, place: usize, round: Result<Round, String>, context: &mut Context<Message>) {
        let chance = context.world().random.next();
        let (Some(webhook), Some(line)) = (self.parts.alerts.webhooks.get(place), self.lines.get_mut(place)) else {
            return;
        };
        line.busy = false;
        let round = match round {
            Ok(round) => round,
            Err(reason) => {
                // The journal's trouble and not the receiver's: it costs no attempt, but it takes a rest.
                tracing::warn!(webhook = webhook.name, reason, "letters could not be read or noted as delivered");
                let wait = pause(webhook, 1, chance);
                (line.due, line.rests_until) = (true, Some(context.now() + wait));
                return context.after(wait, Message::Again { webhook: place });
            }
        };
        line.due |= round.more || round.failed.is_some();
        line.attempts = if round.delivered > 0 { 0 } else { line.attempts };
        let Some((letter, reason)) = round.failed else {
            return self.tell(context);
        };
        line.attempts += 1;
        if line.attempts >= webhook.attempts {
            let (name, attempts) = (webhook.name.clone(), std::mem::take(&mut line.attempts));
            return self.give_up(&name, letter, attempts, &reason, context);
        }
        let wait = pause(webhook, line.attempts, chance);
        line.rests_until = Some(context.now() + wait);
        context.after(wait, Message::Again { webhook: place });
    }

    fn give_up(&mut self, name: &str, letter: u64, attempts: u32, reason: &str, context: &mut Context<Message>) {
        let event = gave_up(name, letter, attempts, reason, context.path());
        let message = format!("it was not told of event {letter} in {attempts} attempts, and will not be: {reason}");
        let report = Report::of(Severity::Warning, "webhook_failed", &webhook_subject(name), message);
        let entries = self.book.raise(report, context.world().clock.wall());
        let mut events = vec![event];
        events.extend(self.events(&entries, context));
        // The next round begins when the rows do not have the letter any more.
        let place = self.parts.alerts.webhooks.iter().position(|webhook| webhook.name == name);
        if let Some(line) = place.and_then(|place| self.lines.get_mut(place)) {
            line.busy = true;
        }
        self.note(events, self.hear_of(&entries), place, context);
    }
}
