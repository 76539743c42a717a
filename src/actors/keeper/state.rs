//! What the keeper knows: the journal's last view. Pure.

use crate::store::View;

#[derive(Default)]
pub(super) struct State {
    view: View,
}

impl State {
    /// Takes in a view. An error if the journal has failed for good.
    pub(super) fn look(&mut self, view: View) -> Result<(), String> {
        self.view = view;
        match &self.view.failed {
            Some(reason) => Err(format!("the journal has failed: {reason}")),
            None => Ok(()),
        }
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }
}
