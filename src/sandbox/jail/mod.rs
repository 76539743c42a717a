//! Programs of the system in namespaces of their own: no daemon, no image, no root.
//!
//! A tool sees `/usr` and the few files it needs of the system, read-only; `/work` and `/tmp`, which are its own, bounded
//! and gone afterwards; `/inputs`, `/granted` and, if it may go out, one socket. It sees no other process, no network and
//! no device that holds anything. Two fences more stand behind that: landlock, and a list of allowed system calls.
//!
//! Three processes of our own program are one invocation: see `plan`. [`jail_process`] must be the first thing in the
//! `main` of whatever program [`Config::program`] names.

mod canary;
mod init;
mod plan;
mod run;
mod wrapped;

#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::capability::{Capabilities, Keeper};
use super::config::{Jails, OPEN_FILES_MIN};
use super::error::{Error, Lack};
use super::ground;
use super::outcome::{Ended, Failure, Outcome};
use super::running::Running;
use super::spec::{Access, ProgramKind, Resource, Spec, Tier};
use super::{Call, Killed, Prepared, Sandbox, View};
use crate::types::{Class, Clock, Cx};

pub use canary::Unusable;
pub use init::{SELF as OWN_PROGRAM, jail_process};

/// How jails are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The program that becomes the processes of a jail. [`OWN_PROGRAM`], if its `main` begins with [`jail_process`].
    pub program: PathBuf,
    /// Directories of the host that are never granted: where its journal and its secrets are.
    pub private: Vec<PathBuf>,
    /// What an operator decides.
    pub jails: Jails,
}

/// The tier.
pub struct Jail {
    config: Config,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
    running: Running,
    /// Bubblewrap, if it makes the jails.
    wrapper: Option<PathBuf>,
}

impl Jail {
    /// Makes a jail on this machine as a trial, and the tier if it holds.
    ///
    /// # Errors
    /// Why there can be no jails here, and what would have to be changed.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Jail, Unusable> {
        let mut jail = Jail::untried(config, clock);
        match canary::try_out(&jail).await {
            Ok(notes) => {
                jail.capabilities.notes.extend(notes);
                Ok(jail)
            }
            Err(own) => match wrapped::find() {
                Some(wrapper) => jail.wrapped(wrapper, own).await,
                None => Err(own),
            },
        }
    }

    /// The tier as bubblewrap makes it, if it does.
    ///
    /// # Errors
    /// Why there can be no jails here, by either way.
    pub async fn open_wrapped(config: Config, clock: Arc<dyn Clock>, wrapper: PathBuf) -> Result<Jail, Unusable> {
        Jail::untried(config, clock).wrapped(wrapper, Unusable { reasons: Vec::new() }).await
    }

    async fn wrapped(mut self, wrapper: PathBuf, own: Unusable) -> Result<Jail, Unusable> {
        let name = wrapper.display().to_string();
        self.wrapper = Some(wrapper);
        self.capabilities.limits.insert(Resource::Disk, Keeper::Watcher);
        match canary::try_out(&self).await {
            Ok(notes) => {
                let reasons = own.reasons.join("; ");
                self.capabilities.notes.push(format!("made by {name}, since we may not ourselves: {reasons}"));
                self.capabilities.notes.extend(notes);
                Ok(self)
            }
            Err(wrapped) => {
                let more = wrapped.reasons.into_iter().map(|reason| format!("by {name}: {reason}"));
                Err(Unusable { reasons: own.reasons.into_iter().chain(more).collect() })
            }
        }
    }

    fn untried(config: Config, clock: Arc<dyn Clock>) -> Jail {
        use Resource::{Cpu, Disk, Lines, Memory, OpenFiles, Processes, Stderr, Stdin, Stdout, Wall};
        let by = |keeper, resources: &[Resource]| resources.iter().map(move |it| (*it, keeper)).collect::<Vec<_>>();
        let limits = by(Keeper::Kernel, &[Processes, Disk, OpenFiles]).into_iter();
        let limits = limits.chain(by(Keeper::Watcher, &[Cpu, Memory]));
        let limits = limits.chain(by(Keeper::Host, &[Wall, Stdin, Stdout, Stderr, Lines]));
        let capabilities = Capabilities {
            tier: Tier::Jail,
            programs: vec![ProgramKind::Command],
            limits: limits.collect(),
            inputs: true,
            grants: true,
            egress: true,
            environment: true,
            plain: true,
            notes: vec![
                "memory and processor time of a whole tool are summed up every 10 ms; those of one process the kernel \
                 bounds too"
                    .to_owned(),
                "how much a writable tree grows is not bounded; a file in it is not longer than the disk limit"
                    .to_owned(),
            ],
        };
        Jail { config, capabilities, clock, running: Running::default(), wrapper: None }
    }

    /// Who the tool is outside: whoever the trees belong to that it may write, if the host can choose.
    fn user(&self, spec: &Spec, trees: &[(PathBuf, std::fs::Metadata)]) -> Result<u32, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(self.config.jails.user);
        }
        let mut user = None;
        let writable = spec.grants.iter().zip(trees).filter(|(grant, _)| grant.access == Access::ReadWrite);
        for (grant, (_, found)) in writable {
            let owner = if found.uid() == 0 { self.config.jails.user } else { found.uid() };
            // Whom root's own files may not be written by is everybody, unless they all may.
            if found.uid() == 0 && found.mode() & 0o002 == 0 {
                let text = format!("write to {}, which belongs to root; give it to user {owner}", grant.name);
                return Err(refused(&spec.tool, Lack::Other(text)));
            }
            if user.is_some_and(|user| user != owner) {
                let text = "write to trees of two owners".to_owned();
                return Err(refused(&spec.tool, Lack::Other(text)));
            }
            user = Some(owner);
        }
        Ok(user.unwrap_or(self.config.jails.user))
    }
}

fn refused(tool: &str, lack: Lack) -> Error {
    Error::Refused { tool: tool.to_owned(), tier: Tier::Jail, lacks: vec![lack] }
}

#[async_trait]
impl Sandbox for Jail {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, _cx: &Cx, spec: Spec) -> Result<Prepared, Error> {
        self.capabilities.check(&spec)?;
        if spec.limits.open_files.is_some_and(|files| files < OPEN_FILES_MIN) {
            return Err(refused(&spec.tool, Lack::Other(format!("bound open files to less than {OPEN_FILES_MIN}"))));
        }
        if let Some(directory) = spec.directory.as_ref().filter(|path| !ground::is_inside(path)) {
            let reason = format!("`{directory}` is no absolute path in the jail");
            return Err(Error::Invalid { tool: spec.tool, reason });
        }
        ground::inputs(&spec)?;
        let private: Vec<&PathBuf> = self.config.private.iter().chain(&self.config.jails.private).collect();
        let place = |grant| ground::place(Tier::Jail, &spec.tool, grant, &private);
        let trees = spec.grants.iter().map(place).collect::<Result<Vec<_>, Error>>()?;
        let user = self.user(&spec, &trees)?;
        let places = trees.iter().map(|(_, found)| (found.dev(), found.ino())).collect();
        let mut spec = spec;
        for (grant, (source, _)) in spec.grants.iter_mut().zip(trees) {
            grant.source = source;
        }
        Ok(Prepared { spec: Arc::new(spec), tier: Tier::Jail, places: Arc::new(places), user })
    }

    async fn invoke(&self, cx: &Cx, prepared: &Prepared, call: Call) -> Outcome {
        let began = self.clock.now();
        let Some(place) = self.running.enter(&call.id) else {
            let failure = Failure::new(Class::Conflict, "could not call the tool: a call of this id runs");
            return Outcome::nothing(Ended::Refused, failure);
        };
        let (mut outcome, _) = run::run(self, cx, prepared, &call, &place, began).await;
        outcome.usage.wall = self.clock.now() - began;
        outcome
    }

    async fn kill(&self, id: &str) -> Killed {
        self.running.kill(id).await
    }

    fn view(&self) -> View {
        View { running: self.running.count(), abandoned: 0 }
    }
}
