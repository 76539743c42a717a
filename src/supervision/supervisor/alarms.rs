//! The timers of one supervisor: many alarms, one sleeping job.
//!
//! A job per timer would leave thousands asleep while a large pool starts or stops, nearly all of them for nothing.

use std::collections::BTreeSet;

use ractor::ActorRef;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Message;
use crate::supervision::plan::Token;

/// Alarms nobody waits for any more are cleared away when they are most of them, but not for fewer than this.
const CLEAR_FROM: usize = 64;

#[derive(Default)]
pub(super) struct Alarms {
    set: BTreeSet<(Instant, Token)>,
    /// The time the sleeper wakes up at.
    armed: Option<Instant>,
    sleeper: JoinSet<()>,
}

impl Alarms {
    pub(super) fn set(&mut self, at: Instant, token: Token) {
        self.set.insert((at, token));
    }

    /// Takes out what is due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Token> {
        self.armed = None;
        let mut due = Vec::new();
        while let Some((at, token)) = self.set.first().copied().filter(|(at, _)| *at <= now) {
            self.set.remove(&(at, token));
            due.push(token);
        }
        due
    }

    /// Sees to it that the supervisor hears of the first alarm. `expected` is how many are still waited for.
    pub(super) fn arm(
        &mut self,
        now: Instant,
        target: &ActorRef<Message>,
        expects: impl Fn(Token) -> bool,
        expected: usize,
    ) {
        if self.set.len() > CLEAR_FROM.max(2 * expected) {
            self.set.retain(|(_, token)| expects(*token));
        }
        while self.set.first().is_some_and(|(_, token)| !expects(*token)) {
            self.set.pop_first();
        }
        let Some((first, _)) = self.set.first().copied() else { return };
        if self.armed.is_some_and(|armed| armed <= first) {
            return;
        }
        self.armed = Some(first);
        self.sleeper.abort_all();
        while self.sleeper.try_join_next().is_some() {}
        let (target, wait) = (target.clone(), first.saturating_duration_since(now));
        self.sleeper.spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = target.send_message(Message::Alarm);
        });
    }
}
