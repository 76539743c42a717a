//! `syzygy audit`: through a running host, or on the journal itself when none runs.

use std::sync::Arc;

use futures::TryStreamExt;

use super::arguments::{Connection, Export, Verify};
use super::client::{Client, why};
use super::console::Console;
use super::error::Error;
use super::{Environment, Launcher};
use crate::rat;
use crate::store::Verification;

/// Says whether the chain is whole. The exit code is that of damaged data if it is not.
pub(super) async fn verify(
    asked: &Verify,
    environment: &Environment,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<u8, Error> {
    let found = match &asked.file {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|cause| Error::File { path: path.clone(), cause })?;
            rat::check_export(std::io::BufReader::new(file)).map_err(anyhow::Error::new)?
        }
        None => chain(asked, environment, launcher).await?,
    };
    shown(&found, console)?;
    Ok(rat::broken(&found).map_or(0, |error| error.class().exit_code()))
}

/// What reading the journal finds, by whoever holds it.
async fn chain(asked: &Verify, environment: &Environment, launcher: &dyn Launcher) -> Result<Verification, Error> {
    if let Some(client) = host(&asked.connection, environment, launcher).await? {
        return client.get("/audit/verify").await;
    }
    let journal = launcher.journal(&asked.connection.local).await?;
    let found = journal.verify().await;
    close(&*journal).await;
    found.map_err(|error| Error::Other(anyhow::Error::new(error)))
}

fn shown(found: &Verification, console: &mut Console) -> Result<(), Error> {
    if console.json { console.out_json(found) } else { console.out(&format!("{}\n", rat::report(found))) }
}

/// Writes the journal to stdout, one event a line.
pub(super) async fn export(
    asked: &Export,
    environment: &Environment,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Error> {
    if let Some(client) = host(&asked.connection, environment, launcher).await? {
        let mut response = client.download(&format!("/audit/export?from={}", asked.from)).await?;
        while let Some(bytes) = response.chunk().await.map_err(|error| client.broken(why(&error)))? {
            console.out_bytes(&bytes)?;
        }
        return Ok(());
    }
    let journal = launcher.journal(&asked.connection.local).await?;
    let lines = rat::export(Arc::clone(&journal), asked.from);
    let mut lines = std::pin::pin!(lines);
    let mut result = Ok(());
    loop {
        match lines.try_next().await {
            Ok(Some(line)) => console.out(&line)?,
            Ok(None) => break,
            Err(error) => {
                result = Err(Error::Other(anyhow::Error::new(error)));
                break;
            }
        }
    }
    close(&*journal).await;
    result
}

/// The host to ask; none if nobody named one and none runs on the data directory.
async fn host(
    connection: &Connection,
    environment: &Environment,
    launcher: &dyn Launcher,
) -> Result<Option<Client>, Error> {
    match Client::connect(connection, environment, launcher) {
        Ok(client) => Ok(if client.is_gone().await { None } else { Some(client) }),
        Err(Error::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn close(journal: &dyn crate::store::Journal) {
    // It was only read; what cannot be closed loses nothing.
    let _ = journal.close().await;
}
