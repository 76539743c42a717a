//! `syzygy replay`: recorded decisions made again from the journal alone, whether or not a host runs.

use serde::Serialize;

use super::Launcher;
use super::arguments::Local;
use super::asked::Replay;
use super::console::Console;
use super::elsewhere;
use super::error::Error;
use super::library::{Known, Library};
use super::paint::plain;
use crate::actors::io::record::Hop;
use crate::store::{self, Event};
use crate::types::{Class, Hash, RunId, Timestamp};
use crate::ziggy::route::{Difference, again, difference};

/// Makes decisions again and says what came of it. The exit code is that of damaged data if one is not the same.
pub(super) async fn replay(asked: &Replay, console: &mut Console, launcher: &dyn Launcher) -> Result<u8, Error> {
    let local = Local { data_dir: asked.data_dir.clone(), config: None };
    let reader = launcher.on_disk(&local)?.read().await.map_err(failed)?;
    let sound = reader.sound(1).await.map_err(failed)?;
    if let Some(damage) = &sound.damage {
        console.remark(&format!("syzygy: {}", crate::rat::damaged(damage)));
    }
    let mut library = Library::of(reader, sound);
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

pub(super) fn failed(error: store::Error) -> Error {
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

/// One decision, made again.
#[derive(Debug, Serialize)]
struct Again {
    seq: u64,
    run_id: Option<RunId>,
    /// Version of the table it was made from.
    fib: Option<Hash>,
    /// Whether the same bytes came out; nothing if the table is not there any more.
    equal: Option<bool>,
    /// Why it could not be made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
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
    let mut one = Again { seq: event.seq, run_id: event.run, fib: None, equal: None, missing: None, difference: None };
    let Some(hop) = event.body.parse::<Hop>() else {
        // Whoever wrote it meant something that this program does not read: that is no equal decision.
        one.equal = Some(false);
        let computed = "a decision as this version writes it".into();
        one.difference = Some(Difference { at: String::new(), recorded: event.body.value(), computed });
        return Ok(one);
    };
    one.fib = Some(hop.decision.fib);
    let fib = match library.table(hop.decision.fib).await? {
        Ok(Known { fib, .. }) => fib,
        Err(reason) => {
            one.missing = Some(reason);
            return Ok(one);
        }
    };
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
                (None, None) => {
                    let reason = one.missing.as_deref().unwrap_or("its record is not what its kind promises");
                    format!("event {}{run}: not made again, since {}\n", one.seq, plain(reason))
                }
            });
        }
        text.push_str(&format!(
            "{} decisions: {} equal, {} different, {} without their table\n",
            self.decisions, self.equal, self.different, self.without_table
        ));
        text
    }
}
