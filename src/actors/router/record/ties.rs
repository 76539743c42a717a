//! Where the journal may be cut: never between a table that is written as a change and what it is a change of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::{BY_NUMBER, Place, TablesProjection, by_number};
use crate::rat::Ties;
use crate::store::{self, Journal, RowQuery};

/// The lines of tables in a journal. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// Whether old events wait for a new line to begin, since they may not leave without the others of theirs.
    awaited: Arc<AtomicBool>,
}

/// Rows read at a time.
const PAGE: usize = 256;

impl Lines {
    /// Whether somebody waits for a new line.
    pub(super) fn awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// A new one has begun, with all that its tables need.
    pub(super) fn begun(&self) {
        self.awaited.store(false, Ordering::Release);
    }

    /// The next table from `after` on, in this direction, that every later one can do without what stands before; and
    /// whether there were others on the way to it.
    async fn complete(
        &self,
        journal: &dyn Journal,
        after: u64,
        reverse: bool,
    ) -> Result<(Option<Place>, bool), store::Error> {
        let (mut after, mut others) = (by_number(after), false);
        loop {
            let query = RowQuery {
                projection: TablesProjection::NAME,
                prefix: BY_NUMBER,
                reverse,
                after: Some(&after),
                limit: PAGE,
            };
            let rows = journal.rows(query).await?;
            let Some((last, _)) = rows.last() else { return Ok((None, others)) };
            let next = last.clone();
            for place in rows.iter().filter_map(|(_, row)| serde_json::from_value::<Place>(row.clone()).ok()) {
                if reverse && place.seq <= journal.view().archived {
                    return Ok((None, others));
                }
                if place.complete {
                    return Ok((Some(place), others));
                }
                others = true;
            }
            after = next;
        }
    }
}

#[async_trait]
impl Ties for Lines {
    async fn cut(&self, journal: &dyn Journal, through: u64) -> Result<Option<u64>, store::Error> {
        let archived = journal.view().archived;
        let before = |place: Place| place.seq.saturating_sub(place.with + 1);
        // The first event after the cut may be the last of a table.
        let (last, _) = self.complete(journal, through.saturating_add(2), true).await?;
        if let Some(cut) = last.map(before).filter(|cut| *cut > archived) {
            return Ok(Some(cut));
        }
        let (mut next, others) = self.complete(journal, through, false).await?;
        if !others && next.is_none_or(|place| before(place) >= through) {
            return Ok(Some(through));
        }
        // A table that is longer than a segment may begin where the journal does.
        while let Some(place) = next.filter(|place| before(*place) <= archived) {
            next = self.complete(journal, place.seq, false).await?.0;
        }
        let cut = next.map(before);
        if cut.is_none() {
            self.awaited.store(true, Ordering::Release);
        }
        Ok(cut)
    }
}
