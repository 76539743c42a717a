//! Candidates on trial after quarantine: runs that take part in a trial ask them first.

use serde::{Deserialize, Serialize};

use super::handle::Error;
use super::record::{Hop, Recorder, kind};
use crate::actors::crown;
use crate::ziggy::route::Reason;

/// Body of [`kind::TRIED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which chunk, from 0.
    pub chunk: usize,
    /// Who is on trial.
    pub candidate: String,
    /// Percent of the runs that take part.
    pub share: u32,
    /// Successes in a row so far.
    pub successes: u32,
    /// Successes in a row that release it.
    pub needed: u32,
}

/// Puts whoever is on trial before the others, if this run takes part, and writes that down. Nobody goes before whom a
/// person has pinned.
pub(super) async fn first(
    crown: &crown::Handle,
    record: &Recorder,
    hop: &Hop,
    ladder: &mut [String],
) -> Result<(), Error> {
    if hop.decision.reasons.iter().any(|reason| matches!(reason, Reason::OperatorPin { .. })) {
        return Ok(());
    }
    let Some(crown::OnTrial { candidate, trial }) = crown.on_trial(record.run, ladder) else { return Ok(()) };
    let (share, successes, needed) = (trial.share, trial.successes, trial.needed);
    let tried = Tried { chunk: hop.chunk, candidate, share, successes, needed };
    record.write(vec![record.event(kind::TRIED, &tried)]).await
}
