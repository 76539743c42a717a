//! Tables written down: whole, or as what they have otherwise than the one written before.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Mutex;

use super::{BY_HASH, BY_NUMBER, Built, Changed, Part, Place, Recorded, Registry, Set, TablesProjection, kind};
use super::{Lines, by_hash, by_number};
use crate::actors::router::Config;
use crate::store::{self, Durability, Journal, NewEvent, RowQuery};
use crate::types::{Hash, Timestamp};
use crate::ziggy::route::{Basis, BasisDelta, Digests, Fib, FibDelta};

/// The longest table that stands in its event, and the longest part, in bytes: an eighth of what an event may have by
/// default, so that it has room when its quotes are escaped.
const INLINE_MOST: usize = 131_072;

/// Rows looked at for one table that is written: far more than the three that it adds, so that what has left is found soon.
const LOOKED_AT: usize = 64;

/// A change is written if it is so many times shorter than the whole table was, since whoever reads it has to read that
/// too; and the registry with each whole table if it is.
const SHORTER: usize = 4;

/// Tables that are written whole, one after the other, without the registry, where it is not much shorter than they are.
const WITHOUT_REGISTRY_MOST: u32 = 32;

/// A table that is to be written down, with what it was made from.
pub(in crate::actors::router) struct Writing {
    pub(in crate::actors::router) fib: Arc<Fib>,
    pub(in crate::actors::router) basis: Basis,
    /// The registry's hash, and the registry.
    pub(in crate::actors::router) registry: (Hash, Arc<Registry>),
}

/// What was written down last: known to every life of the router, so that no two lines are mixed.
pub(in crate::actors::router) struct Scribe {
    lines: Lines,
    deltas_most: u32,
    /// Microseconds after which a table is written whole again, and the registry with it.
    again: i64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The line that is open; none before the first table, and after one that may not have reached the journal.
    open: Option<Open>,
    digests: Digests,
    /// The registry that was written last, when, and how many tables were written whole since.
    registry: Option<(Hash, Timestamp, u32)>,
}

/// A line that can be gone on with.
struct Open {
    fib: Arc<Fib>,
    basis: Basis,
    basis_hash: Hash,
    /// When its first table was made.
    began: Timestamp,
    depth: u32,
    /// Bytes of its first table, and of all changes since.
    whole: usize,
    changes: usize,
}

/// A table as it is going to be written: in JSON, and as what stands in the event if it is short.
struct Written {
    table: Texts<Fib, FibDelta>,
    basis: Texts<Basis, BasisDelta>,
}

/// The JSON of one of two, and the value itself.
enum Texts<W, D> {
    Whole(String, W),
    Delta(String, D),
}

impl<W: Serialize, D: Serialize> Texts<W, D> {
    // Neither has a map with keys that are no strings, so both have a JSON form.
    fn whole(value: W) -> Texts<W, D> {
        Texts::Whole(serde_json::to_string(&value).unwrap_or_default(), value)
    }

    fn delta(value: D) -> Texts<W, D> {
        Texts::Delta(serde_json::to_string(&value).unwrap_or_default(), value)
    }

    fn text(&self) -> &str {
        match self {
            Texts::Whole(text, _) | Texts::Delta(text, _) => text,
        }
    }

    /// What stands in the event, if it stands in no parts before it.
    fn inline(self, parts: usize) -> (Option<W>, Option<D>) {
        match self {
            _ if parts > 0 => (None, None),
            Texts::Whole(_, value) => (Some(value), None),
            Texts::Delta(_, value) => (None, Some(value)),
        }
    }
}

impl Written {
    fn bytes(&self) -> usize {
        self.table.text().len() + self.basis.text().len()
    }
}

impl Open {
    /// What a table has otherwise than the last of this line, if the line may go on and that is much shorter than all.
    fn change(&self, scribe: &Scribe, writing: &Writing) -> Option<Written> {
        let old = writing.basis.at.0.saturating_sub(self.began.0) >= scribe.again;
        if old || self.depth >= scribe.deltas_most {
            return None;
        }
        let table = Texts::delta(FibDelta::between(&self.fib, &writing.fib));
        let basis = Texts::delta(BasisDelta::between(&self.basis, &writing.basis));
        let written = Written { table, basis };
        let short = written.bytes().saturating_mul(SHORTER) <= self.whole;
        (short && self.changes + written.bytes() <= self.whole).then_some(written)
    }
}

impl Scribe {
    pub(in crate::actors::router) fn new(config: &Config, lines: Lines) -> Scribe {
        let again = i64::try_from(config.snapshot_every_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Scribe { lines, deltas_most: config.deltas_most, again, state: Mutex::default() }
    }

    /// Whether somebody waits for a new line to begin.
    pub(in crate::actors::router) fn is_awaited(&self) -> bool {
        self.lines.awaited()
    }

    /// The events that hold a table, and the line as it is once they are in the journal.
    fn events(&self, state: &mut State, writing: Writing, gone: Gone, source: &str) -> (Vec<NewEvent>, Open) {
        let before = state.open.take().filter(|_| !self.lines.awaited());
        let basis_hash = state.digests.of(&writing.basis);
        let change = before.as_ref().and_then(|open| Some((open, open.change(self, &writing)?)));
        let Writing { fib, basis, registry: (registry, set) } = writing;
        let (base, depth) = match &change {
            Some((open, _)) => (Some((open.fib.version, open.basis_hash)), open.depth + 1),
            None => (None, 0),
        };
        let (began, sums) = match &change {
            Some((open, written)) => (open.began, Some((open.whole, open.changes + written.bytes()))),
            None => (fib.at, None),
        };
        let written = change
            .map(|(_, written)| written)
            .unwrap_or_else(|| Written { table: Texts::whole(Fib::clone(&fib)), basis: Texts::whole(basis.clone()) });
        let (whole, changes) = sums.unwrap_or_else(|| (written.bytes(), 0));
        let mut events = Vec::new();
        let complete = depth == 0 && self.set(state, written.bytes(), (registry, &set), (fib.at, source), &mut events);
        let Written { table, basis: made_from } = written;
        let parts = pieces(made_from.text(), source, &mut events);
        let (inline, delta) = made_from.inline(parts);
        let recorded = Recorded { basis_hash, basis: inline, base: base.map(|base| base.1), delta, parts };
        events.push(NewEvent::new(kind::BASIS, None, source, &recorded));
        let parts = pieces(table.text(), source, &mut events);
        let (inline, delta) = table.inline(parts);
        let built = Built {
            version: fib.version,
            basis: basis_hash,
            at: fib.at,
            candidates: fib.rows.len(),
            destinations: fib.routes.len(),
            fib: inline,
            base: base.map(|base| base.0),
            delta,
            depth,
            parts,
            with: events.len(),
            forgotten: gone.hashes,
            left: gone.numbers,
            registry: Some(registry),
            complete,
        };
        events.push(NewEvent::new(kind::BUILT, None, source, &built));
        (events, Open { fib, basis, basis_hash, began, depth, whole, changes })
    }

    /// Writes the registry before a table of so many bytes that is written whole, if it is much shorter or has to be
    /// there. Says whether it is.
    fn set(
        &self,
        state: &mut State,
        bytes: usize,
        (hash, set): (Hash, &Registry),
        (now, source): (Timestamp, &str),
        events: &mut Vec<NewEvent>,
    ) -> bool {
        let text = serde_json::to_string(set).unwrap_or_default();
        if let Some((known, at, count)) = &mut state.registry {
            let young = now.0.saturating_sub(at.0) < self.again && *count < WITHOUT_REGISTRY_MOST;
            if *known == hash && young && text.len() * SHORTER > bytes && !self.lines.awaited() {
                *count += 1;
                return false;
            }
        }
        let parts = pieces(&text, source, events);
        let short = (parts == 0).then(|| set.clone());
        events.push(NewEvent::new(kind::REGISTRY, None, source, &Set { registry_hash: hash, registry: short, parts }));
        state.registry = Some((hash, now, 0));
        true
    }
}

/// Writes tables and changes down, everything in one append: parts stand directly before what they are parts of.
pub(in crate::actors::router) async fn write(
    journal: &Arc<dyn Journal>,
    scribe: &Scribe,
    source: &str,
    writing: Option<Writing>,
    changed: Option<Changed>,
) -> Result<(), store::Error> {
    let changed = changed.map(|changed| NewEvent::new(kind::CHANGED, None, source, &changed));
    let Some(writing) = writing else {
        return journal.append(changed.into_iter().collect(), Durability::Behind).await.map(drop);
    };
    let mut state = scribe.state.lock().await;
    let gone = Gone::of(&**journal, writing.fib.version, writing.registry.0).await?;
    let (mut events, open) = scribe.events(&mut state, writing, gone, source);
    events.extend(changed);
    // Whoever is stopped while this waits leaves no line and no registry that anybody could rely on.
    let registry = state.registry.take();
    journal.append(events, Durability::Behind).await?;
    if open.depth == 0 && registry.is_some_and(|(_, _, count)| count == 0) {
        scribe.lines.begun();
    }
    (state.registry, state.open) = (registry, Some(open));
    Ok(())
}

/// Cuts what is long into events; returns how many.
fn pieces(text: &str, source: &str, events: &mut Vec<NewEvent>) -> usize {
    if text.len() <= INLINE_MOST {
        return 0;
    }
    let (before, mut rest) = (events.len(), text);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(INLINE_MOST));
        events.push(NewEvent::new(kind::PART, None, source, &Part { text: piece.to_owned() }));
        rest = after;
    }
    events.len() - before
}

/// Some of the rows whose events have left the journal.
#[derive(Default)]
struct Gone {
    hashes: Vec<Hash>,
    numbers: Vec<u64>,
}

impl Gone {
    /// Where to look among hashes is as good as chance, since a hash says it: so each row is come upon, and a host that
    /// begins anew need not know how far the one before it was. Among numbers, those that left stand first.
    async fn of(journal: &dyn Journal, version: Hash, registry: Hash) -> Result<Gone, store::Error> {
        let archived = journal.view().archived;
        if archived == 0 {
            return Ok(Gone::default());
        }
        let first = by_hash(version);
        let query = RowQuery {
            projection: TablesProjection::NAME,
            prefix: BY_HASH,
            reverse: false,
            after: Some(&first),
            limit: LOOKED_AT,
        };
        let mut rows = journal.rows(query).await?;
        if rows.len() < LOOKED_AT {
            rows.extend(journal.rows(RowQuery { after: None, limit: LOOKED_AT - rows.len(), ..query }).await?);
        }
        let left = |row| serde_json::from_value(row).ok().filter(|place: &Place| place.seq <= archived);
        let hashes = rows.into_iter().filter_map(|(key, row)| {
            let hash: Hash = key.strip_prefix(BY_HASH)?.parse().ok()?;
            left(row).filter(|_| ![version, registry].contains(&hash)).map(|_| hash)
        });
        let hashes: BTreeSet<Hash> = hashes.collect();
        let rows = journal.rows(RowQuery { prefix: BY_NUMBER, after: Some(&by_number(0)), ..query }).await?;
        let numbers = rows.into_iter().filter_map(|(_, row)| left(row).map(|place| place.seq));
        Ok(Gone { hashes: hashes.into_iter().collect(), numbers: numbers.collect() })
    }
}
