//! What an io actor knows: the runs under way and who waits for each. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::View;
use crate::types::{Cx, RunId};

/// `W` is who waits: a reply port in the shell, a number in tests.
pub(super) struct State<W> {
    runs_most: usize,
    /// In order, so that what is written about all of them does not depend on chance.
    runs: BTreeMap<RunId, Run<W>>,
    view: View,
}

struct Run<W> {
    cx: Cx,
    ending: Ending,
    waiting: Vec<W>,
}

/// Who writes down how a run ended: the first to claim it, be it the run's own work or the actor that stops under it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<AtomicBool>);

impl Ending {
    /// IO1: true for one of all who ask.
    pub(super) fn claim(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl<W> State<W> {
    pub(super) fn new(runs_most: usize) -> State<W> {
        State { runs_most, runs: BTreeMap::new(), view: View::default() }
    }

    pub(super) fn view(&self) -> View {
        View { running: self.runs.len(), ..self.view }
    }

    /// Takes a run in, with who waits for it. Gives the waiter back if there are too many.
    pub(super) fn open(&mut self, run: RunId, cx: Cx, waiter: Option<W>) -> Result<(), Option<W>> {
        if self.runs.len() >= self.runs_most {
            self.view.refused += 1;
            return Err(waiter);
        }
        self.runs.insert(run, Run { cx, ending: Ending::default(), waiting: waiter.into_iter().collect() });
        Ok(())
    }

    /// One more waits. Gives the waiter back if the run is not under way.
    pub(super) fn wait(&mut self, run: RunId, waiter: W) -> Result<(), W> {
        match self.runs.get_mut(&run) {
            Some(known) => {
                known.waiting.push(waiter);
                Ok(())
            }
            None => Err(waiter),
        }
    }

    /// Whether a run is under way, and whether its work was told to stop.
    pub(super) fn told_to_stop(&self, run: RunId) -> Option<bool> {
        self.runs.get(&run).map(|known| known.cx.is_cancelled())
    }

    /// A run is not under way any more and has not ended: it waits for people, or goes on after that.
    pub(super) fn let_go(&mut self, run: RunId) -> Vec<W> {
        self.runs.remove(&run).map(|known| known.waiting).unwrap_or_default()
    }

    /// Tells the run's work to stop; the run itself ends when the work has.
    pub(super) fn cancel(&self, run: RunId) -> bool {
        self.runs.get(&run).map(|known| known.cx.cancel()).is_some()
    }

    /// The ending of a run; an unclaimed one of its own if the run is not under way.
    pub(super) fn ending(&self, run: RunId) -> Ending {
        self.runs.get(&run).map(|known| known.ending.clone()).unwrap_or_default()
    }

    /// The runs under way whose work has not begun to write down how they ended. From now on it does not.
    pub(super) fn interrupt(&self) -> Vec<RunId> {
        self.runs.iter().filter(|(_, known)| known.ending.claim()).map(|(run, _)| *run).collect()
    }

    /// IO1: a run ends once; everybody who waits for it is given back.
    pub(super) fn ended(&mut self, run: RunId, completed: bool) -> Vec<W> {
        let Some(known) = self.runs.remove(&run) else { return Vec::new() };
        if completed {
            self.view.completed += 1;
        } else {
            self.view.failed += 1;
        }
        known.waiting
    }
}
