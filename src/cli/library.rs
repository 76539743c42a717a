//! The tables of a journal that no host has to have open, made again from what stands in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::Error;
use super::replay::failed;
use super::restated::{Accepted, Asked, Named};
use crate::actors::io::record::{Served, kind as hops};
use crate::actors::router::record::{Built, Rebuilt, Registry, Set, Written, joined, kind as tables};
use crate::inference::Usage;
use crate::store::{Event, Reader, Sound};
use crate::types::{Hash, RunId, Timestamp};
use crate::ziggy::Classification;
use crate::ziggy::route::{Basis, Fib};

/// Events read at a time: a few megabytes.
const PAGE: usize = 1_000;

/// Tables that are kept once they were read. Decisions come in order, so those of a table are near each other.
const KEPT: usize = 64;

/// A table, with what it was made from and the registry of that time if those are still there.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) fib: Arc<Fib>,
    pub(super) basis: Option<Arc<Basis>>,
    pub(super) registry: Option<Arc<Registry>>,
}

/// Events that were written at once and say something together.
#[derive(Clone, Copy)]
struct Spot {
    /// The event before the first of them.
    before: (u64, Hash),
    count: usize,
}

/// One table, where it was written.
struct Shelf {
    spot: Spot,
    version: Hash,
    /// How many tables of its line stand before it.
    depth: u32,
}

/// The tables of a journal, read when they are asked for.
pub(super) struct Library {
    reader: Reader,
    sound: Sound,
    /// In the order in which they were written.
    shelves: Vec<Shelf>,
    /// The last place of each.
    built: BTreeMap<Hash, usize>,
    registries: BTreeMap<Hash, Spot>,
    /// What runs were asked to do, where that says anything of data.
    asked: BTreeMap<RunId, Asked>,
    /// What answers took, by run and chunk.
    used: BTreeMap<(RunId, usize), Usage>,
    read: BTreeMap<Hash, Result<Known, String>>,
    /// The table that was made last and its place: the next one of its line is made from it.
    last: Option<(usize, Rebuilt)>,
}

impl Library {
    pub(super) fn of(reader: Reader, sound: Sound) -> Library {
        Library {
            reader,
            sound,
            shelves: Vec::new(),
            built: BTreeMap::new(),
            registries: BTreeMap::new(),
            asked: BTreeMap::new(),
            used: BTreeMap::new(),
            read: BTreeMap::new(),
            last: None,
        }
    }

    /// Reads the whole journal once: notes where tables are, and returns the decisions since some time.
    pub(super) async fn gather(&mut self, since: &Timestamp) -> Result<Vec<Event>, Error> {
        let (mut seq, mut hash) = (self.sound.from - 1, self.sound.previous);
        let mut decided = Vec::new();
        // What the events are, one after the other, that are written with a table: parts, the registry, the basis.
        let mut with: Vec<((u64, Hash), bool)> = Vec::new();
        while seq < self.sound.to {
            let most = PAGE.min(usize::try_from(self.sound.to - seq).unwrap_or(PAGE));
            let events = self.reader.after(seq, hash, most).await.map_err(failed)?;
            if events.is_empty() {
                break;
            }
            for event in events {
                let previous = (seq, hash);
                (seq, hash) = (event.seq, event.hash);
                let kind = event.kind.as_str();
                if matches!(kind, tables::PART | tables::BASIS | tables::REGISTRY) {
                    with.push((previous, kind == tables::PART));
                    if kind == tables::REGISTRY {
                        self.note_registry(&event, &with);
                    }
                    continue;
                }
                if kind == tables::BUILT {
                    self.note_table(&event, with.first().map_or(previous, |(first, _)| *first), with.len() + 1);
                }
                with.clear();
                match kind {
                    hops::ACCEPTED | hops::CLASSIFIED => self.take_down(&event),
                    hops::SERVED if event.at >= *since => self.take_note(&event),
                    hops::DECIDED if event.at >= *since => decided.push(event),
                    _ => {}
                }
            }
        }
        Ok(decided)
    }

    fn note_table(&mut self, event: &Event, before: (u64, Hash), count: usize) {
        let Some(Built { version, depth, .. }) = event.body.parse() else { return };
        self.built.insert(version, self.shelves.len());
        self.shelves.push(Shelf { spot: Spot { before, count }, version, depth });
    }

    fn note_registry(&mut self, event: &Event, with: &[((u64, Hash), bool)]) {
        let Some(Set { registry_hash, parts, .. }) = event.body.parse() else { return };
        let first = with.len().checked_sub(parts + 1).map(|place| with[place].0);
        let spot = first.map(|before| Spot { before, count: parts + 1 });
        self.registries.extend(spot.map(|spot| (registry_hash, spot)));
    }

    /// Notes what an answer took.
    fn take_note(&mut self, event: &Event) {
        if let (Some(run), Some(served)) = (event.run, event.body.parse::<Served>()) {
            self.used.insert((run, served.chunk), served.outcome.usage);
        }
    }

    /// What the answer to a part of a run took, if one came of it.
    pub(super) fn used(&self, run: RunId, chunk: usize) -> Option<Usage> {
        self.used.get(&(run, chunk)).copied()
    }

    /// Notes what a task says of its data, and what was found in it.
    fn take_down(&mut self, event: &Event) {
        let Some(run) = event.run else { return };
        let (task, class) = match event.kind.as_str() {
            hops::ACCEPTED => (event.body.parse::<Accepted>().map(|accepted| accepted.task), None),
            _ => (None, event.body.parse::<Classification>().filter(|class| !class.findings.is_empty())),
        };
        if let Some(task) = task.filter(|task| *task != Named::default()) {
            self.asked.entry(run).or_default().task = task;
        }
        if class.is_some() {
            self.asked.entry(run).or_default().class = class;
        }
    }

    /// What a run was asked to do, if that says anything of data.
    pub(super) fn asked(&self, run: RunId) -> Option<Asked> {
        self.asked.get(&run).cloned()
    }

    /// The table of this version, or why it cannot be had, in words. It is believed only if its content has the hash it
    /// goes by.
    pub(super) async fn table(&mut self, version: Hash) -> Result<Result<Known, String>, Error> {
        if let Some(known) = self.read.get(&version) {
            return Ok(known.clone());
        }
        let known = self.look_up(version).await?;
        if self.read.len() >= KEPT {
            self.read.clear();
        }
        self.read.insert(version, known.clone());
        Ok(known)
    }

    async fn look_up(&mut self, version: Hash) -> Result<Result<Known, String>, Error> {
        let name = |version: Hash| format!("FIB {:.12}", version.to_string());
        let Some(place) = self.built.get(&version).copied() else {
            return Ok(Err(format!("{} is not in the journal any more", name(version))));
        };
        let Some(first) = place.checked_sub(self.shelves[place].depth as usize) else {
            return Ok(Err(format!("what {} is a change of is not in the journal any more", name(version))));
        };
        let going = self.last.take().filter(|(at, _)| (first..=place).contains(at));
        let (mut at, mut rebuilt) = going.map_or((first, None), |(at, known)| (at + 1, Some(known)));
        while at <= place {
            let Some(written) = self.written(at).await? else {
                let own = name(self.shelves[at].version);
                return Ok(Err(format!("{own}, which {} needs, is not what was written", name(version))));
            };
            let done = match &mut rebuilt {
                Some(known) => known.advance(written),
                none => Rebuilt::begin(written).map(|begun| *none = Some(begun)),
            };
            if let Err(reason) = done {
                return Ok(Err(format!("{} cannot be made again: {reason}", name(version))));
            }
            at += 1;
        }
        let Some(rebuilt) = rebuilt else { return Ok(Err(format!("{} has no beginning", name(version)))) };
        let fib = match rebuilt.fib() {
            Ok(fib) if fib.version == version => Arc::new(fib),
            Ok(_) => return Ok(Err(format!("another table stands under the name of {}", name(version)))),
            Err(reason) => return Ok(Err(reason)),
        };
        let basis = rebuilt.basis().map(Arc::new);
        let registry = match rebuilt.registry() {
            Some(hash) => self.registry(hash).await?.map(Arc::new),
            None => None,
        };
        self.last = Some((place, rebuilt));
        Ok(Ok(Known { fib, basis, registry }))
    }

    /// What was written at this place.
    async fn written(&self, place: usize) -> Result<Option<Written>, Error> {
        let Spot { before: (seq, hash), count } = self.shelves[place].spot;
        let events = self.reader.after(seq, hash, count).await.map_err(failed)?;
        Ok(if events.len() == count { Written::of(&events) } else { None })
    }

    /// The registry of this hash. It is believed only if its content has that.
    async fn registry(&self, name: Hash) -> Result<Option<Registry>, Error> {
        let Some(Spot { before: (seq, hash), count }) = self.registries.get(&name).copied() else { return Ok(None) };
        let events = self.reader.after(seq, hash, count).await.map_err(failed)?;
        let Some((last, parts)) = events.split_last().filter(|_| events.len() == count) else { return Ok(None) };
        let registry = match last.body.parse::<Set>() {
            Some(Set { registry: Some(registry), .. }) => Some(registry),
            Some(Set { parts: 1.., .. }) => joined(parts),
            _ => None,
        };
        Ok(registry.filter(|registry: &Registry| registry.hash() == name))
    }
}
