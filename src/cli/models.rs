//! `syzygy models`: which model files there are, fetched and removed, with a bar for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use serde_json::json;

use super::Launcher;
use super::arguments::{Local, ModelsVerb};
use super::console::Console;
use super::error::Error;
use super::paint::{bytes, columns};
use crate::inference::models::{Listing, Progress, Quiet, Stage, State, Store};
use crate::types::Cx;

/// The longest a pull may take from here; the store's own limit for each model is shorter.
const PULL_MOST: Duration = Duration::from_secs(24 * 3600);

/// Lists, fetches or removes models.
pub(super) async fn models(
    verb: ModelsVerb,
    local: &Local,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Error> {
    let store = launcher.models(local)?;
    match verb {
        ModelsVerb::List => {
            let found = listing(&store).await?;
            if console.json { console.out_json(&found) } else { console.out(&table(&found)) }
        }
        ModelsVerb::Pull { models } => pull(&store, models, console, launcher).await,
        ModelsVerb::Rm { models } => remove(&store, &models, console),
    }
}

/// The catalogue with what is here of it. Hashing takes a while, so it has a thread of its own.
async fn listing(store: &Arc<Store>) -> Result<Vec<Listing>, Error> {
    let store = Arc::clone(store);
    tokio::task::spawn_blocking(move || store.list()).await.map_err(|error| Error::Other(anyhow::Error::new(error)))
}

/// Models as a table.
pub(super) fn table(found: &[Listing]) -> String {
    let mut rows = vec![["MODEL", "KIND", "SIZE", "LICENCE", "STATE", "ABOUT"].map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|model| {
        let state = match &model.state {
            State::Installed => "installed".to_owned(),
            State::Missing => "missing".to_owned(),
            State::Damaged { reason } => format!("damaged: {reason}"),
        };
        let about = model.about.clone();
        vec![model.id.clone(), model.kind.to_owned(), bytes(model.size), model.license.clone(), state, about]
    }));
    columns(&rows)
}

async fn pull(
    store: &Arc<Store>,
    mut wanted: Vec<String>,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Error> {
    if wanted.is_empty() {
        wanted = listing(store).await?.into_iter().map(|model| model.id).collect();
    }
    let progress: Arc<dyn Progress> =
        if console.stderr_is_terminal() { Arc::new(Bars::new(ProgressDrawTarget::stderr())) } else { Arc::new(Quiet) };
    let cx = Cx::housekeeping(launcher.world().clock.now(), PULL_MOST);
    for id in &wanted {
        let pulled = tokio::select! {
            pulled = store.pull(&cx, id, Arc::clone(&progress)) => pulled,
            () = launcher.interrupted() => {
                cx.cancel();
                return Err(Error::Interrupted { run: None });
            }
        };
        let installed = pulled.map_err(anyhow::Error::new)?;
        if console.json {
            console.out_json(&json!({ "id": installed.id(), "state": "installed" }))?;
        } else {
            console.out_now(&format!("{} is installed\n", installed.id()))?;
        }
    }
    Ok(())
}

fn remove(store: &Store, wanted: &[String], console: &mut Console) -> Result<(), Error> {
    for id in wanted {
        let removed = store.remove(id).map_err(anyhow::Error::new)?;
        if console.json {
            console.out_json(&json!({ "id": id, "removed": removed }))?;
        } else {
            console.out(&format!("{id} {}\n", if removed { "was removed" } else { "was not here" }))?;
        }
    }
    Ok(())
}

/// A bar for each model, or a spinner with the time while nobody knows how far it is.
pub(super) struct Bars {
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

/// While bytes are counted.
const COUNTED: &str = "{prefix:24} {msg:12} {bar:32} {decimal_bytes:>10} / {decimal_total_bytes:10}";

/// While another program is at work.
const AWAITED: &str = "{prefix:24} {spinner} {msg}, {elapsed}";

/// How often a spinner turns: often enough to look alive.
const TURN: Duration = Duration::from_millis(200);

impl Bars {
    pub(super) fn new(target: ProgressDrawTarget) -> Bars {
        Bars { all: MultiProgress::with_draw_target(target), bars: Mutex::default() }
    }
}

impl Progress for Bars {
    fn report(&self, model: &str, stage: Stage) {
        let mut bars = self.bars.lock();
        let bar = bars.entry(model.to_owned()).or_insert_with(|| {
            // Named before it is drawn for the first time, which would be with nothing to tell.
            self.all.add(ProgressBar::new(0).with_prefix(model.to_owned()))
        });
        let (what, done, total) = match stage {
            Stage::Asking { program, size } => {
                style(bar, AWAITED);
                bar.set_message(format!("downloading with {program}, {} once unpacked", bytes(size)));
                bar.enable_steady_tick(TURN);
                return;
            }
            Stage::Downloading { done, total } => ("downloading", done, total),
            Stage::Unpacking { done, total } => ("unpacking", done, total),
            Stage::Verifying { done, total } => ("verifying", done, total),
            Stage::Ready => {
                bar.finish_and_clear();
                bars.remove(model);
                return;
            }
        };
        bar.disable_steady_tick();
        style(bar, COUNTED);
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(what);
    }
}

/// A template that cannot be read, which none of ours is, leaves the bar as it was.
fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
