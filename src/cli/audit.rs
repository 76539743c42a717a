//! `syzygy audit`: through a running host, or on the journal's file when none runs.

use std::path::Path;

use futures::TryStreamExt;

use super::arguments::{Connection, Export, Local, Verify};
use super::budgets::encoded;
use super::client::{Client, why};
use super::console::Console;
use super::error::Error;
use super::{Environment, Launcher};
use crate::rat;
use crate::store::Verification;
use crate::types::{Class, Place};

/// Says whether the chain is whole. The exit code is that of damaged data if it is not.
pub(super) async fn verify(
    asked: &Verify,
    environment: &Environment,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<u8, Error> {
    let mut parts = Vec::new();
    for path in &asked.files {
        parts.push(exported(path)?);
    }
    parts.sort_by_key(|part| part.archived);
    if asked.files.is_empty() || asked.journal {
        parts.push(chain(asked, environment, launcher).await?);
    }
    let joined = parts.into_iter().fold(None, |before, found| Some(rat::join(before, found)));
    let found = joined.ok_or_else(|| Error::Usage("there is nothing to check".to_owned()))?;
    shown(&found, console)?;
    Ok(rat::broken(&found).map_or(0, |error| error.class().exit_code()))
}

fn exported(path: &Path) -> Result<Verification, Error> {
    let file = std::fs::File::open(path).map_err(|cause| Error::File { path: path.to_owned(), cause })?;
    Ok(rat::check_export(std::io::BufReader::new(file)).map_err(anyhow::Error::new)?)
}

/// What reading the journal finds, by whoever holds it.
async fn chain(asked: &Verify, environment: &Environment, launcher: &dyn Launcher) -> Result<Verification, Error> {
    if let Some(client) = host(&asked.connection, environment, launcher).await? {
        return client.get("/audit/verify").await;
    }
    let found = launcher.on_disk(&asked.connection.local)?.verify().await;
    found.map_err(|error| Error::Other(anyhow::Error::new(error)))
}

fn shown(found: &Verification, console: &mut Console) -> Result<(), Error> {
    if console.json { console.out_json(found) } else { console.out(&format!("{}\n", rat::report(found))) }
}

/// Writes the journal to stdout, one event a line. From a damaged one comes what is whole; the exit code then is that of
/// damaged data, and stderr says what follows.
pub(super) async fn export(
    asked: &Export,
    environment: &Environment,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<u8, Error> {
    let place = asked.tier.map(|tier| Place { tier: tier.into(), region: asked.region.clone() });
    if let Some(client) = host(&asked.connection, environment, launcher).await? {
        let mut path = format!("/audit/export?from={}", asked.from);
        if let Some(place) = &place {
            path.push_str(&format!("&tier={}", place.tier.word()));
        }
        if let Some(region) = &asked.region {
            path.push_str(&format!("&region={}", encoded(region)));
        }
        let mut response = client.download(&path).await?;
        while let Some(bytes) = response.chunk().await.map_err(|error| client.broken(why(&error)))? {
            console.out_bytes(&bytes)?;
        }
        return Ok(0);
    }
    let failed = |error: rat::Error| Error::Other(anyhow::Error::new(error));
    let on_disk = launcher.on_disk(&asked.connection.local)?;
    let reader = on_disk.read().await.map_err(|error| failed(rat::Error::Journal(error)))?;
    let refused = reader.refused().map(str::to_owned);
    let (lines, damage) = rat::salvage(reader, asked.from, place).await.map_err(failed)?;
    let mut lines = std::pin::pin!(lines);
    while let Some(line) = lines.try_next().await.map_err(failed)? {
        console.out(&line)?;
    }
    if damage.is_none() && refused.is_none() {
        return Ok(0);
    }
    console.finish()?;
    if let Some(damage) = damage {
        console.remark(&format!("syzygy: {}", rat::damaged(&damage)));
    }
    if let Some(refused) = refused {
        console.remark(&format!("syzygy: only what is left was read, and there may have been more: {refused}"));
    }
    Ok(Class::Corrupt.exit_code())
}

/// Makes the rows anew and says how it came out.
pub(super) async fn rebuild(local: &Local, console: &mut Console, launcher: &dyn Launcher) -> Result<(), Error> {
    console.passing("folding every event once more");
    let found = launcher.on_disk(local)?.rebuild().await.map_err(|error| Error::Other(anyhow::Error::new(error)))?;
    shown(&found, console)?;
    match rat::broken(&found) {
        Some(error) => Err(Error::Other(anyhow::Error::new(error))),
        None => Ok(()),
    }
}

/// The host to ask; none if nobody named one and none runs on the data directory.
async fn host(
    connection: &Connection,
    environment: &Environment,
    launcher: &dyn Launcher,
) -> Result<Option<Client>, Error> {
    match Client::connect(connection, environment, launcher) {
        Ok(client) => Ok(if client.is_gone().await { None } else { Some(client) }),
        Err(Error::NotRunning { .. } | Error::Died { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
