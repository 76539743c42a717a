//! What the inbox knows: the open items, and what waits to happen to each. Pure.
//!
//! Invariants:
//! - IS1: an item is open for no longer than its rule gives people, also if the clock on the wall is set back meanwhile:
//!   a life of the inbox counts down on the clock that never goes back, and a start counts what was left then.

use std::collections::{BTreeMap, VecDeque};

use super::View;
use super::handle::Error;
use crate::store::NewEvent;
use crate::types::planted::{Bug, planted};
use crate::types::{Hash, RunId, Timestamp};
use crate::ziggy::review::{Happened, Item, ItemStatus, Verdict};

/// Something that is to happen to an item. `W` is who waits for the answer; nobody waits for an expiry.
pub(super) struct Ask<W> {
    pub(super) what: What,
    pub(super) reply: Option<W>,
}

pub(super) enum What {
    /// It comes in, with events of its run that belong into the same append.
    Open { item: Box<Item>, with: Vec<NewEvent> },
    /// Somebody says what they think. The verdict's revision is what they have seen.
    Judge { verdict: Verdict, edits: Option<Hash> },
    /// Somebody asks somebody else.
    Delegate { to: String, by: String, comment: Option<String> },
    /// Its run was cancelled.
    Cancel { by: String },
    /// Its time may be over.
    Expire,
    /// Somebody ends its time.
    End { by: String },
}

/// What both clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// The one on the wall, which people see and which may be set.
    pub(super) wall: Timestamp,
    /// Microseconds on the one that never goes back.
    pub(super) since_us: u64,
}

/// What is to be done.
pub(super) enum Effect<W> {
    /// Store this about the item, and say when it is stored (IN1).
    Store { item: Box<Item>, happened: Vec<Happened>, with: Vec<NewEvent> },
    /// Answer.
    Answer { reply: W, answer: Box<Result<Item, Error>> },
    /// Tell whoever listens that an item is closed, of a run or of a call.
    Closed { of_a_call: bool },
}

/// An item that is open, or on its way to be.
struct Entry<W> {
    /// As the journal has it; none while it comes in.
    item: Option<Item>,
    /// When its time is over on the clock that never goes back (IS1).
    ends_us: u64,
    /// What is on its way to the journal, and who waits for it (IN2).
    storing: Option<(Vec<Happened>, Option<W>)>,
    /// What comes after that.
    waiting: VecDeque<Ask<W>>,
}

pub(super) struct State<W> {
    open_most: usize,
    open: BTreeMap<String, Entry<W>>,
    view: View,
}

impl<W> State<W> {
    /// With these items, as a restart finds them.
    pub(super) fn new(open_most: usize, items: Vec<Item>, now: Now) -> State<W> {
        let entry = |item: Item| {
            let ends_us = now.since_us.saturating_add(left_us(&item, now.wall));
            (item.id.clone(), Entry { item: Some(item), ends_us, storing: None, waiting: VecDeque::new() })
        };
        let open = items.into_iter().filter(|item| item.status == ItemStatus::Open).map(entry).collect();
        State { open_most, open, view: View::default() }
    }

    pub(super) fn view(&self) -> View {
        View { open: self.open.len(), ..self.view }
    }

    /// Microseconds until the time of the first item is over to which nothing is happening, by whichever clock is first.
    pub(super) fn next_end_us(&self, now: Now) -> Option<u64> {
        let still = self.open.values().filter(|entry| entry.storing.is_none());
        still.filter_map(|entry| entry.left_us(now)).min()
    }

    /// The id of the open item of a run.
    pub(super) fn of_run(&self, run: RunId) -> Option<String> {
        let mut of_run = self.open.iter().filter(|(id, _)| id.starts_with(&run.to_string()));
        of_run.next_back().map(|(id, _)| id.clone())
    }

    /// Something is to happen to an item: at once, or after what is happening to it.
    pub(super) fn ask(&mut self, id: &str, ask: Ask<W>, now: Now) -> Vec<Effect<W>> {
        if let What::Open { .. } = &ask.what {
            return self.come_in(id, ask);
        }
        match self.open.get_mut(id) {
            None => answer(ask.reply, Err(Error::NotOpen(id.to_owned()))),
            Some(entry) if entry.storing.is_some() => {
                entry.waiting.push_back(ask);
                Vec::new()
            }
            Some(entry) => entry.take_up(ask, now),
        }
    }

    fn come_in(&mut self, id: &str, ask: Ask<W>) -> Vec<Effect<W>> {
        let Ask { what: What::Open { item, with }, reply } = ask else { return Vec::new() };
        if self.open.contains_key(id) {
            return answer(reply, Err(Error::Exists(id.to_owned())));
        }
        if self.open.len() >= self.open_most {
            self.view.refused += 1;
            return answer(reply, Err(Error::Full(self.open_most)));
        }
        let happened = vec![Happened::Opened { opened: item.clone() }];
        let storing = Some((happened.clone(), reply));
        self.open.insert(id.to_owned(), Entry { item: None, ends_us: u64::MAX, storing, waiting: VecDeque::new() });
        vec![Effect::Store { item, happened, with }]
    }

    /// The journal has what was stored about an item, or not. What waited behind it is taken up.
    pub(super) fn stored(&mut self, id: &str, stored: Result<(), String>, now: Now) -> Vec<Effect<W>> {
        let Some(entry) = self.open.get_mut(id) else { return Vec::new() };
        let Some((happened, reply)) = entry.storing.take() else { return Vec::new() };
        let mut effects = match stored {
            Ok(()) => {
                if let [Happened::Opened { opened }] = happened.as_slice() {
                    entry.ends_us = now.since_us.saturating_add(left_us(opened, now.wall));
                }
                entry.item = happened.iter().fold(entry.item.take(), Item::after);
                let item = entry.item.clone().ok_or_else(|| Error::NotOpen(id.to_owned()));
                answer(reply, item)
            }
            Err(reason) => answer(reply, Err(Error::NotStored(reason))),
        };
        while entry.storing.is_none()
            && let Some(next) = entry.waiting.pop_front()
        {
            effects.extend(match entry.item {
                Some(_) => entry.take_up(next, now),
                None => answer(next.reply, Err(Error::NotOpen(id.to_owned()))),
            });
        }
        if entry.storing.is_none() && entry.item.as_ref().is_none_or(|item| item.status != ItemStatus::Open) {
            let item = self.open.remove(id).and_then(|entry| entry.item);
            self.count(item.as_ref().map(|item| item.status));
            effects.extend(item.map(|item| Effect::Closed { of_a_call: item.kind.is_of_a_call() }));
        }
        effects
    }

    fn count(&mut self, status: Option<ItemStatus>) {
        match status {
            Some(ItemStatus::Approved) => self.view.approved += 1,
            Some(ItemStatus::Denied) => self.view.denied += 1,
            Some(ItemStatus::Expired) => self.view.expired += 1,
            Some(ItemStatus::Cancelled) => self.view.cancelled += 1,
            Some(ItemStatus::Open) | None => {}
        }
    }

    /// Everything whose time is over.
    pub(super) fn look(&mut self, now: Now) -> Vec<Effect<W>> {
        let over = |entry: &Entry<W>| entry.left_us(now) == Some(0);
        let due: Vec<String> = self.open.iter().filter(|(_, entry)| over(entry)).map(|(id, _)| id.clone()).collect();
        due.iter().flat_map(|id| self.ask(id, Ask { what: What::Expire, reply: None }, now)).collect()
    }
}

/// What is left of an item's time: never more than its rule gives.
fn left_us(item: &Item, wall: Timestamp) -> u64 {
    let given = item.deadline.0.saturating_sub(item.opened_at.0);
    u64::try_from(item.deadline.0.saturating_sub(wall.0).min(given)).unwrap_or(0)
}

impl<W> Entry<W> {
    /// What is left of its time by whichever clock is first; none if it is not there yet.
    fn left_us(&self, now: Now) -> Option<u64> {
        let by_the_wall = left_us(self.item.as_ref()?, now.wall);
        if planted(Bug::WaitsOnTheWall) {
            return Some(by_the_wall);
        }
        Some(by_the_wall.min(self.ends_us.saturating_sub(now.since_us)))
    }

    /// Decides on something that is to happen to the item as it is now (IN2).
    fn take_up(&mut self, ask: Ask<W>, now: Now) -> Vec<Effect<W>> {
        let Ask { what, reply } = ask;
        let over = self.left_us(now) == Some(0);
        let (Some(item), now) = (&self.item, now.wall) else { return Vec::new() };
        let decided = match what {
            What::Judge { verdict, edits } => item.judge(verdict, edits, now),
            What::Delegate { to, by, comment } => item.delegate(to, by, comment, now),
            What::Cancel { by } => Ok(item.cancel(&by, now)),
            // On a wall that was set back its deadline is still to come, and it is closed then.
            What::Expire if over => Ok(item.expire(now.max(item.deadline))),
            What::Expire => Ok(Vec::new()),
            What::End { by } => item.expire_by(by, now),
            What::Open { .. } => Ok(Vec::new()),
        };
        match decided {
            Err(objection) => answer(reply, Err(Error::Objection(objection))),
            Ok(happened) if happened.is_empty() => answer(reply, Ok(item.clone())),
            Ok(happened) => {
                let item = Box::new(item.clone());
                self.storing = Some((happened.clone(), reply));
                vec![Effect::Store { item, happened, with: Vec::new() }]
            }
        }
    }
}

fn answer<W>(reply: Option<W>, answer: Result<Item, Error>) -> Vec<Effect<W>> {
    reply.map(|reply| Effect::Answer { reply, answer: Box::new(answer) }).into_iter().collect()
}
