//! `syzygy replay`: recorded decisions made again from the journal alone, whether or not a host runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::Launcher;
use super::arguments::Local;
use super::asked::Replay;
use super::console::Console;
use super::elsewhere;
use super::error::Error;
use super::paint::plain;
use super::restated::{Accepted, Asked, Named};
use crate::actors::io::record::{Hop, kind as hops};
use crate::actors::router::record::{Built, Recorded, Registry, Set, joined, kind as tables};
use crate::store::{self, Event, Reader, Sound};
use crate::types::{Class, Hash, RunId, Timestamp};
use crate::ziggy::Classification;
use crate::ziggy::route::{Basis, Difference, Fib, again, difference};

/// Events read at a time: a few megabytes.
const PAGE: usize = 1_000;

/// Makes decisions again and says what came of it. The exit code is that of damaged data if one is not the same.
pub(super) async fn replay(asked: &Replay, console: &mut Console, launcher: &dyn Launcher) -> Result<u8, Error> {
    let local = Local { data_dir: asked.data_dir.clone(), config: None };
    let reader = launcher.on_disk(&local)?.read().await.map_err(failed)?;
    let sound = reader.sound(1).await.map_err(failed)?;
    if let Some(damage) = &sound.damage {
        console.remark(&format!("syzygy: {}", crate::rat::damaged(damage)));
    }
    let mut library = Library {
        reader,
        sound,
        built: BTreeMap::new(),
        bases: BTreeMap::new(),
        registries: BTreeMap::new(),
        parted: BTreeMap::new(),
        asked: BTreeMap::new(),
        read: BTreeMap::new(),
    };
    let hops = library.gather(&wanted(asked, launcher)?).await?;
    let hops = of_run(hops, asked)?;
    match &asked.with {
        None => again_all(hops, asked.decision.is_some(), &mut library, console).await,
        Some(file) => {
            let other = launcher.other(&Local { config: Some(file.clone()), ..local })?;
            let report = elsewhere::compare_all(hops, &mut library, &other).await?;
            let paint = console.paint();
            if console.json {
                console.out_json(&report)?
            } else {
                console.out(&report.told(paint))?
            }
            Ok(0)
        }
    }
}

fn failed(error: store::Error) -> Error {
    Error::Other(anyhow::Error::new(error))
}

/// From when on decisions are wanted.
fn wanted(asked: &Replay, launcher: &dyn Launcher) -> Result<Timestamp, Error> {
    let Some(text) = &asked.since else { return Ok(Timestamp(i64::MIN)) };
    let wrong = || Error::Usage(format!("{text:?} is no time (expected a number and s, m, h or d, such as 12h)"));
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let count: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let passed = count.checked_mul(unit * 1_000_000).filter(|passed| *passed >= 0).ok_or_else(wrong)?;
    Ok(Timestamp(launcher.world().clock.wall().0.saturating_sub(passed)))
}

/// The decisions of the run that was named, if one was.
fn of_run(hops: Vec<Event>, asked: &Replay) -> Result<Vec<Event>, Error> {
    let Some(said) = &asked.decision else { return Ok(hops) };
    let none = |reason: String| Error::NoRun(reason);
    let run = if said == "last" {
        hops.last().and_then(|event| event.run).ok_or_else(|| none("nothing was decided yet".to_owned()))?
    } else {
        let prefix = said.to_ascii_lowercase().replace('-', "");
        let mut meant: Vec<RunId> = hops.iter().filter_map(|event| event.run).collect();
        meant.retain(|run| !prefix.is_empty() && run.to_string().starts_with(&prefix));
        meant.dedup();
        meant.sort_unstable();
        meant.dedup();
        match meant.as_slice() {
            [run] => *run,
            [] => return Err(none(format!("the journal has no decision of a run {said:?}"))),
            _ => return Err(none(format!("several runs begin with {prefix}; give more of the id"))),
        }
    };
    Ok(hops.into_iter().filter(|event| event.run == Some(run)).collect())
}

/// A table, with what it was made from and the registry of that time if those are still there.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) fib: Arc<Fib>,
    pub(super) basis: Option<Arc<Basis>>,
    pub(super) registry: Option<Arc<Registry>>,
}

/// The tables of a journal, read when they are asked for.
pub(super) struct Library {
    reader: Reader,
    sound: Sound,
    built: BTreeMap<Hash, Event>,
    bases: BTreeMap<Hash, Event>,
    registries: BTreeMap<Hash, Event>,
    /// The event before the first part of what stands in several.
    parted: BTreeMap<Hash, (u64, Hash)>,
    /// What runs were asked to do, where that says anything of data.
    asked: BTreeMap<RunId, Asked>,
    read: BTreeMap<Hash, Option<Known>>,
}

impl Library {
    /// Reads the whole journal once: notes where tables are, and returns the decisions since some time.
    async fn gather(&mut self, since: &Timestamp) -> Result<Vec<Event>, Error> {
        let (mut seq, mut hash) = (self.sound.from - 1, self.sound.previous);
        let mut decided = Vec::new();
        // The event before the last parts, and the last of these.
        let (mut before, mut parted) = ((seq, hash), seq);
        while seq < self.sound.to {
            let most = PAGE.min(usize::try_from(self.sound.to - seq).unwrap_or(PAGE));
            let events = self.reader.after(seq, hash, most).await.map_err(failed)?;
            if events.is_empty() {
                break;
            }
            for event in events {
                let previous = (seq, hash);
                (seq, hash) = (event.seq, event.hash);
                match event.kind.as_str() {
                    tables::PART => {
                        before = if parted == previous.0 { before } else { previous };
                        parted = event.seq;
                    }
                    tables::BUILT => {
                        let version = event.body.parse::<Built>().map(|built| built.version);
                        self.built.extend(version.map(|version| (version, event)));
                        self.parted.extend(version.map(|version| (version, before)));
                    }
                    tables::BASIS => {
                        let basis = event.body.parse::<Recorded>().map(|recorded| recorded.basis_hash);
                        self.bases.extend(basis.map(|basis| (basis, event)));
                        self.parted.extend(basis.map(|basis| (basis, before)));
                    }
                    tables::REGISTRY => {
                        let set = event.body.parse::<Set>().map(|set| set.registry_hash);
                        self.registries.extend(set.map(|set| (set, event)));
                        self.parted.extend(set.map(|set| (set, before)));
                    }
                    hops::ACCEPTED | hops::CLASSIFIED => self.take_down(&event),
                    hops::DECIDED if event.at >= *since => decided.push(event),
                    _ => {}
                }
            }
        }
        Ok(decided)
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

    /// The table of this version. It is believed only if its content has the hash it goes by.
    pub(super) async fn table(&mut self, version: Hash) -> Result<Option<Known>, Error> {
        if let Some(known) = self.read.get(&version) {
            return Ok(known.clone());
        }
        let known = self.look_up(version).await?;
        self.read.insert(version, known.clone());
        Ok(known)
    }

    async fn look_up(&self, version: Hash) -> Result<Option<Known>, Error> {
        let Some(built) = self.built.get(&version).and_then(|event| event.body.parse::<Built>()) else {
            return Ok(None);
        };
        let fib = match built.fib {
            Some(fib) => Some(fib),
            None => self.joined(version, built.parts).await?,
        };
        let Some(fib) = fib.filter(|fib: &Fib| fib.version == version && fib.computed_version() == version) else {
            return Ok(None);
        };
        let recorded = self.bases.get(&built.basis).and_then(|event| event.body.parse::<Recorded>());
        let basis = match recorded {
            Some(Recorded { basis: Some(basis), .. }) => Some(basis),
            Some(Recorded { parts, .. }) => self.joined(built.basis, parts).await?,
            None => None,
        };
        let registry = match built.registry {
            Some(hash) => self.registry(hash).await?,
            None => None,
        };
        Ok(Some(Known { fib: Arc::new(fib), basis: basis.map(Arc::new), registry: registry.map(Arc::new) }))
    }

    /// The registry of this hash. It is believed only if its content has that.
    async fn registry(&self, hash: Hash) -> Result<Option<Registry>, Error> {
        let registry = match self.registries.get(&hash).and_then(|event| event.body.parse::<Set>()) {
            Some(Set { registry: Some(registry), .. }) => Some(registry),
            Some(Set { parts, .. }) => self.joined(hash, parts).await?,
            None => None,
        };
        Ok(registry.filter(|registry: &Registry| registry.hash() == hash))
    }

    /// What stands in several events.
    async fn joined<T: serde::de::DeserializeOwned>(&self, name: Hash, parts: usize) -> Result<Option<T>, Error> {
        let Some((seq, hash)) = self.parted.get(&name).copied() else { return Ok(None) };
        let events = self.reader.after(seq, hash, parts).await.map_err(failed)?;
        Ok(if events.len() == parts { joined(&events) } else { None })
    }
}

/// One decision, made again.
#[derive(Debug, Serialize)]
struct Again {
    seq: u64,
    run_id: Option<RunId>,
    /// Version of the table it was made from.
    fib: Option<Hash>,
    /// Whether the same bytes came out; nothing if the table is not there any more.
    equal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
}

/// Decisions, made again.
#[derive(Debug, Default, Serialize)]
struct AgainAll {
    decisions: usize,
    equal: usize,
    different: usize,
    without_table: usize,
    /// Every decision of a run that was named; else those that are not the same.
    shown: Vec<Again>,
}

/// Decisions that are shown at the most.
const SHOWN_MOST: usize = 100;

async fn again_all(hops: Vec<Event>, each: bool, library: &mut Library, console: &mut Console) -> Result<u8, Error> {
    let mut all = AgainAll { decisions: hops.len(), ..AgainAll::default() };
    let each = each && hops.len() <= SHOWN_MOST;
    for event in hops {
        let one = again_one(&event, library).await?;
        match one.equal {
            Some(true) => all.equal += 1,
            Some(false) => all.different += 1,
            None => all.without_table += 1,
        }
        if each || (one.equal == Some(false) && all.shown.len() < SHOWN_MOST) {
            all.shown.push(one);
        }
    }
    if console.json {
        console.out_json(&all)?
    } else {
        console.out(&all.told())?
    }
    if all.different > 0 {
        return Ok(Class::Corrupt.exit_code());
    }
    Ok(if all.decisions > 0 && all.equal == 0 { Class::NotFound.exit_code() } else { 0 })
}

async fn again_one(event: &Event, library: &mut Library) -> Result<Again, Error> {
    let mut one = Again { seq: event.seq, run_id: event.run, fib: None, equal: None, difference: None };
    let Some(hop) = event.body.parse::<Hop>() else { return Ok(one) };
    one.fib = Some(hop.decision.fib);
    let Some(Known { fib, .. }) = library.table(hop.decision.fib).await? else { return Ok(one) };
    let made = Hop { chunk: hop.chunk, decision: again(&fib, &hop.decision) };
    let text = serde_json::to_string(&made).map_err(|error| Error::Other(anyhow::Error::new(error)))?;
    one.equal = Some(text == event.body.text());
    if one.equal == Some(false) {
        let value = serde_json::to_value(&made).unwrap_or_default();
        let found = difference(&event.body.value(), &value);
        // The same facts in other bytes are a difference of a kind of its own.
        one.difference = found.or_else(|| {
            let (recorded, computed) = (event.body.text().into(), text.into());
            Some(Difference { at: String::new(), recorded, computed })
        });
    }
    Ok(one)
}

impl AgainAll {
    fn told(&self) -> String {
        let mut text = String::new();
        for one in &self.shown {
            let run = one.run_id.map_or_else(String::new, |run| format!(" of run {run}"));
            let table = one.fib.map_or_else(String::new, |fib| format!("{:.12}", fib.to_string()));
            text.push_str(&match (&one.difference, one.equal) {
                (Some(found), _) => format!(
                    "event {}{run}: DIFFERENT at {}: recorded {}, computed {}\n",
                    one.seq,
                    if found.at.is_empty() { "its bytes" } else { &found.at },
                    plain(&found.recorded.to_string()),
                    plain(&found.computed.to_string())
                ),
                (None, Some(_)) => format!("event {}{run}: equal, from FIB {table}\n", one.seq),
                (None, None) => format!(
                    "event {}{run}: not made again, since FIB {table} is not in the journal any more\n",
                    one.seq
                ),
            });
        }
        text.push_str(&format!(
            "{} decisions: {} equal, {} different, {} without their table\n",
            self.decisions, self.equal, self.different, self.without_table
        ));
        text
    }
}
