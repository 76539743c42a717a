//! What an executor knows: its line and its counters. Pure.

use super::View;
use super::likeness::Learning;
use crate::actors::line::{Arrival, Line};

/// `W` is what waits: the work itself in the shell, a number in tests.
pub(super) struct State<W> {
    line: Line<W>,
    view: View,
    /// What is known of what tools are for.
    pub(super) learning: Learning,
}

impl<W> State<W> {
    pub(super) fn new(tools: usize, concurrency: u32, waiting_most: usize) -> State<W> {
        let (line, view) = (Line::new(concurrency, waiting_most), View { tools, ..View::default() });
        State { line, view, learning: Learning::default() }
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    pub(super) fn call(&mut self, work: W) -> Arrival<W> {
        let arrival = self.line.arrive(work);
        self.count();
        arrival
    }

    /// What there is by now.
    pub(super) fn know(&mut self, tools: usize, cached: usize) {
        (self.view.tools, self.view.cached) = (tools, cached);
    }

    /// Counts a result and gives the place to the next in line.
    pub(super) fn called(&mut self, succeeded: bool) -> Option<W> {
        if succeeded {
            self.view.succeeded += 1;
        } else {
            self.view.failed += 1;
        }
        let next = self.line.leave();
        self.count();
        next
    }

    fn count(&mut self) {
        (self.view.running, self.view.waiting) = (self.line.inside(), self.line.waiting());
    }
}
