//! An agent's memory between the journal and the prompt. The memory engine itself joins in the next commit.

use crate::store::{self, Journal, NewEvent};
use crate::types::{Cx, Timestamp, World};

pub(super) struct Recollection;

/// What one assignment taught.
pub(super) struct Learned;

impl Learned {
    pub(super) fn is_empty(&self) -> bool {
        true
    }

    pub(super) fn events(&self, _cx: &Cx, _source: &str) -> Vec<NewEvent> {
        Vec::new()
    }

    pub(super) fn texts(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Recollection {
    pub(super) fn texts(said: &str) -> Vec<String> {
        vec![said.to_owned()]
    }

    pub(super) async fn load(
        _journal: &dyn Journal,
        _agent: &str,
        _embedder: String,
        _at_once: usize,
    ) -> Result<Recollection, store::Error> {
        Ok(Recollection)
    }

    pub(super) fn recall(&self, _said: &str, _vectors: &[Vec<f32>], _most: usize, _now: Timestamp) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn learn(&self, _said: &str, _vectors: &[Vec<f32>], _cx: &Cx, _world: &World) -> Learned {
        Learned
    }

    pub(super) fn apply(&mut self, _learned: Learned) {}

    pub(super) fn len(&self) -> u64 {
        0
    }
}
