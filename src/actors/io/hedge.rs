//! One attempt, and a second beside it when the first is slower than it is 95 times of 100.
//!
//! After "The Tail at Scale" (Dean and Barroso, 2013): a second request after the 95th percentile costs one in twenty
//! twice and takes the longest waits away. It is sent only before the first token, only to a candidate the ladder would
//! step to anyway, only if both fit the budget, and only while its provider's budget for tries beyond the first allows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::admission::Missed;
use super::ladder::{Climb, InLine};
use super::pipeline::{Done, Piece, Pipeline, Run};
use crate::ziggy::ladder::{self, Came, Rung, Step};

/// Who of several speaks to the caller: the first that has something to say.
pub(super) struct Speech(watch::Sender<u32>);

/// Nobody has spoken.
const NOBODY: u32 = 0;

impl Speech {
    pub(super) fn new() -> Speech {
        Speech(watch::Sender::new(NOBODY))
    }

    /// Whether this one may speak: nobody has yet, or it was this one.
    fn claim(&self, number: u32) -> bool {
        self.0.send_if_modified(|who| {
            let first = *who == NOBODY;
            if first {
                *who = number;
            }
            first
        });
        *self.0.borrow() == number
    }

    /// Returns who speaks, once somebody does.
    async fn speaker(&self) -> u32 {
        // The sender is here, so the wait cannot fail.
        self.0.subscribe().wait_for(|who| *who != NOBODY).await.map_or(NOBODY, |who| *who)
    }

    /// Whether somebody has spoken. From now on nobody has.
    pub(super) fn end(&self) -> bool {
        self.0.send_replace(NOBODY) != NOBODY
    }
}

/// One request to one candidate, maybe beside another.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    number: u32,
    speech: &'a Speech,
    in_line: &'a Mutex<Option<InLine>>,
    admitted: &'a AtomicU64,
    /// Whether nobody else is left.
    pub(super) last_resort: bool,
}

impl Attempt<'_> {
    /// Whether its text is shown.
    pub(super) fn speaks(&self) -> bool {
        self.speech.claim(self.number)
    }

    /// It has a place, so it gives up the one in line.
    pub(super) fn admitted(&self) {
        self.in_line.lock().take();
        self.admitted.fetch_add(1, Ordering::AcqRel);
    }
}

impl Pipeline {
    /// Sends a piece of work to a candidate, and to a second one if the first is unusually slow and hedging is on. A
    /// failure names whose it was.
    pub(super) async fn attempt(
        &self,
        run: &Run<'_>,
        piece: &Piece,
        id: &str,
        climb: &mut Climb<'_>,
    ) -> Result<Done, (String, Missed)> {
        let hedge = self.hedge(run, piece, id, climb);
        let (speech, in_line, admitted) = (Speech::new(), Mutex::new(climb.in_line.take()), AtomicU64::new(0));
        let last_resort = climb.came.get(id) == Some(&Came::Out);
        let first = Attempt { number: 1, speech: &speech, in_line: &in_line, admitted: &admitted, last_resort };
        let result = match hedge {
            None => self.hop(run, piece, id, first).await.map_err(|missed| (id.to_owned(), missed)),
            Some((after, step)) => self.both(run, piece, climb, (id, first), (after, step)).await,
        };
        climb.spoke |= speech.end();
        climb.in_line = in_line.into_inner();
        // The places it gave back itself are no reason to ask again.
        climb.freed += admitted.into_inner();
        result
    }

    /// After how long to ask whom besides, if at all.
    fn hedge(&self, run: &Run<'_>, piece: &Piece, id: &str, climb: &Climb<'_>) -> Option<(Duration, Step)> {
        if !self.parts.ladder.hedge {
            return None;
        }
        let after = Duration::from_micros(self.parts.crown.p95_us(id)?);
        let mut situation = self.situation(run, piece, climb);
        situation.came.insert(id.to_owned(), Came::Barred);
        let cost = |id: &str| climb.legal.iter().find(|one| one.candidate == id).map(|one| one.cost_max);
        let step = ladder::next(&self.parts.ladder, &climb.decision.destination, &situation);
        let peer = matches!(step.rung, Rung::Local | Rung::Private | Rung::Partner | Rung::External);
        let second = step.candidate.as_deref().filter(|_| peer)?;
        let fits = cost(id)? + cost(second)? <= run.purse.left().money;
        let runtime = self.parts.router.rib().candidates.get(second)?.runtime.clone();
        let reason = format!("{id} is slower to begin than it is 95 times of 100");
        (fits && self.parts.crown.may_retry(&runtime)).then_some((after, Step { reason, passed: Vec::new(), ..step }))
    }

    /// The first, and after a while the second beside it. Whoever speaks first or answers first wins, and the other is
    /// dropped, which stops its work and gives its place back.
    async fn both(
        &self,
        run: &Run<'_>,
        piece: &Piece,
        climb: &mut Climb<'_>,
        first: (&str, Attempt<'_>),
        second: (Duration, Step),
    ) -> Result<Done, (String, Missed)> {
        let ((id, attempt), (after, step)) = (first, second);
        let of = |who: &str| {
            let who = who.to_owned();
            move |missed: Missed| (who, missed)
        };
        let mut one = Box::pin(self.hop(run, piece, id, attempt));
        tokio::select! {
            biased;
            result = &mut one => return result.map_err(of(id)),
            _ = attempt.speech.speaker() => return one.await.map_err(of(id)),
            () = tokio::time::sleep(after) => {}
        }
        let Some(other) = step.candidate.clone() else { return one.await.map_err(of(id)) };
        if let Some(candidate) = self.parts.router.rib().candidates.get(&other) {
            self.parts.crown.hedged(&candidate.runtime);
        }
        self.record_step(run, piece, climb, &step).await.map_err(|error| (other.clone(), Missed::from(error)))?;
        let mut two = Box::pin(self.hop(run, piece, &other, Attempt { number: 2, last_resort: false, ..attempt }));
        let (missed, rest) = tokio::select! {
            result = &mut one => match result {
                Ok(done) => return Ok(done),
                Err(missed) => ((id, missed), two.await.map_err(of(&other))),
            },
            result = &mut two => match result {
                Ok(done) => return Ok(done),
                Err(missed) => ((other.as_str(), missed), one.await.map_err(of(id))),
            },
            speaker = attempt.speech.speaker() => {
                if speaker == 2 {
                    drop(one);
                    return two.await.map_err(of(&other));
                }
                drop(two);
                return one.await.map_err(of(id));
            }
        };
        self.missed(climb, missed.0, missed.1);
        rest
    }
}
