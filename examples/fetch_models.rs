//! Fetches every model of the catalogue into a data directory: the store of models, used from a program of your own.
//!
//! Run it with `cargo run --example fetch_models -- DIRECTORY`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use syzygy::inference::models::{Catalog, Config, Quiet, Store};
use syzygy::types::Cx;

/// Time for all of it on a slow line.
const LIMIT: Duration = Duration::from_secs(1800);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let data = std::env::args_os().nth(1).map(PathBuf::from);
    let data = data.ok_or_else(|| anyhow::anyhow!("usage: fetch_models DIRECTORY"))?;
    let pip = [&["python3", "-m", "pip"][..], &["pip3"], &["pip"]];
    let pip = pip.iter().map(|command| command.iter().map(ToString::to_string).collect()).collect();
    let catalog = Catalog::read(Catalog::BUILT_IN)?;
    let ids: Vec<String> = catalog.models.iter().map(|model| model.id.clone()).collect();
    let store = Store::new(&data, catalog, Config { pip, pull_timeout_s: LIMIT.as_secs() });
    #[expect(clippy::disallowed_methods, reason = "a program has the real clock")]
    let cx = Cx::housekeeping(tokio::time::Instant::now(), LIMIT);
    for id in ids {
        let model = store.pull(&cx, &id, Arc::new(Quiet)).await?;
        writeln!(std::io::stdout(), "{} is here", model.id())?;
    }
    Ok(())
}
