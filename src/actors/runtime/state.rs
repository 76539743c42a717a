//! What a runtime actor knows: its line, its counters, its health. Pure.

use super::View;
use crate::actors::line::{Arrival, Line};
use crate::inference::{Capabilities, Health, Usage};

/// How a generation ended, as far as the counters care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With a completion.
    Served(Usage),
    /// With an error.
    Failed,
    /// Because nobody waited any longer.
    Cancelled,
}

/// `W` is what waits: the work itself in the shell, a number in tests.
pub(super) struct State<W> {
    line: Line<W>,
    view: View,
    /// A repair runs, or one has failed not long ago.
    repairing: bool,
    /// A look was asked for, or one was not long ago.
    looking: bool,
}

impl<W> State<W> {
    pub(super) fn new(capabilities: Capabilities, concurrency: u32, waiting_most: usize) -> State<W> {
        State {
            line: Line::new(concurrency, waiting_most),
            view: View::of(capabilities),
            repairing: false,
            looking: false,
        }
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// RT2: takes a place, or a place in the line, or is refused.
    pub(super) fn generate(&mut self, work: W) -> Arrival<W> {
        let arrival = self.line.arrive(work);
        self.count();
        arrival
    }

    /// Counts what a generation brought and gives its place to the next in line.
    pub(super) fn generated(&mut self, outcome: Outcome) -> Option<W> {
        match outcome {
            Outcome::Served(usage) => {
                self.view.served += 1;
                // A runtime may claim anything.
                self.view.input_tokens = self.view.input_tokens.saturating_add(usage.input_tokens);
                self.view.output_tokens = self.view.output_tokens.saturating_add(usage.output_tokens);
                self.view.health = Health::Ready;
            }
            Outcome::Failed => self.view.failed += 1,
            Outcome::Cancelled => {}
        }
        let next = self.line.leave();
        self.count();
        next
    }

    /// Notes what a look at its health found. Says whether that is news.
    pub(super) fn probed(&mut self, health: Health) -> bool {
        let news = self.view.health != health;
        self.view.health = health;
        news
    }

    /// RT8: whether a look should be taken now, since something failed or nobody answered.
    pub(super) fn look(&mut self) -> bool {
        !std::mem::replace(&mut self.looking, true)
    }

    /// RT8: the pause after a look is over. Says whether another is needed.
    pub(super) fn look_again(&mut self) -> bool {
        self.looking = matches!(self.view.health, Health::Unreachable { .. });
        self.looking
    }

    /// RT4: whether a repair should start now.
    pub(super) fn repair(&mut self) -> bool {
        !std::mem::replace(&mut self.repairing, true)
    }

    /// A repair ended well, or long enough ago: another may start.
    pub(super) fn may_repair(&mut self) {
        self.repairing = false;
    }

    fn count(&mut self) {
        (self.view.running, self.view.waiting) = (self.line.inside(), self.line.waiting());
    }
}
