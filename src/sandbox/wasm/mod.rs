//! WebAssembly components in this process: no system call, no kernel of the host, only what they are linked with.
//!
//! A component is either a program (`wasi:cli/run`), which talks as one in a jail does, or a tool of the world in
//! `wit/tool.wit`. It finds `/work`, `/inputs` and `/granted/NAME` if it asks for files at all, the environment of its
//! description, clocks and chance. There are no sockets to be linked with.
//!
//! What ends within its first slice runs on the thread that called it; what takes longer goes on on threads of its own,
//! where it can keep nobody but its like from theirs. A component gives way at every tick (see `ticker`), and is dropped
//! there, with its memory and its files, if its time is over.

mod canary;
mod engine;
mod files;
mod guest;
mod meter;
mod run;
mod shelf;
mod spool;
mod stream;
mod ticker;
mod work;

#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Runtime;

use self::guest::Entry;
use self::shelf::{Compiled, Fault, Ready, Workshop};
use self::ticker::Ticker;
use super::capability::{Capabilities, Keeper};
use super::config::{Components, WASM_OPEN_FILES_MIN};
use super::error::{Error, Lack};
use super::ground;
use super::outcome::{Ended, Failure, Outcome};
use super::running::Running;
use super::spec::{Program, ProgramKind, Resource, Spec, Speech, Tier};
use super::{Call, Killed, Prepared, Sandbox, View};
use crate::types::{Class, Clock, Cx};

pub use canary::Unusable;
pub use shelf::{Folder, Held, Shelf};

/// Threads that wait for the disk or compile, besides those that run components. Files of components are small.
const WAITING_THREADS: usize = 16;

/// How components are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where directories of invocations are made. It is the tier's own.
    pub folder: PathBuf,
    /// Directories of the host that are never granted.
    pub private: Vec<PathBuf>,
    /// What an operator decides.
    pub components: Components,
}

/// The tier.
pub struct Wasm {
    config: Config,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
    running: Running,
    compiled: Compiled,
    ticker: Ticker,
    /// Threads of components only. Taken when the tier is dropped.
    pool: Option<Runtime>,
}

impl Wasm {
    /// Runs a component as a trial, and makes the tier if it is held.
    ///
    /// # Errors
    /// Why components cannot be run here.
    pub async fn open(config: Config, shelf: Arc<dyn Shelf>, clock: Arc<dyn Clock>) -> Result<Wasm, Unusable> {
        let wasm = Wasm::untried(config, shelf, clock)?;
        work::sweep(&wasm.config.folder);
        canary::try_out(&wasm).await?;
        Ok(wasm)
    }

    fn untried(config: Config, shelf: Arc<dyn Shelf>, clock: Arc<dyn Clock>) -> Result<Wasm, Unusable> {
        let unusable = |cause: wasmtime::Error| canary::unusable(format!("{cause:#}"));
        let io = |cause: std::io::Error| canary::unusable(format!("could not start its threads: {cause}"));
        let components = &config.components;
        let (engine, note) = engine::engine(components).map_err(unusable)?;
        let linker = engine::linker(&engine).map_err(unusable)?;
        let ticker = Ticker::start(&engine, Duration::from_millis(components.tick_ms)).map_err(io)?;
        let pool = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(components.threads as usize)
            .max_blocking_threads(WAITING_THREADS)
            .thread_name("components")
            .enable_time()
            .build()
            .map_err(io)?;
        let workshop = Workshop { engine, linker, bytes_max: components.component_bytes_max };
        let compiled = Compiled::new(workshop, shelf, components.compiled_max);
        let mut capabilities = capabilities();
        capabilities.notes.extend(note);
        let pool = Some(pool);
        Ok(Wasm { config, capabilities, clock, running: Running::default(), compiled, ticker, pool })
    }

    /// The component of a tool, compiled.
    async fn ready(&self, spec: &Spec) -> Result<Arc<Ready>, Error> {
        let tool = spec.tool.clone();
        let Program::Component(hash) = spec.program else {
            return Err(refused(&tool, Lack::Program(spec.program.kind())));
        };
        let Some(pool) = self.pool.as_ref().map(Runtime::handle) else {
            return Err(Error::Missing { tool, reason: "the tier is closed".to_owned() });
        };
        self.compiled.get(hash, &spec.inputs, pool).await.map_err(|fault| match fault {
            Fault::Missing(reason) => Error::Missing { tool, reason },
            Fault::Tampered => Error::Tampered { tool, name: hash.to_string() },
            Fault::Broken(reason) => Error::Invalid { tool, reason },
            Fault::Lacks(lacks) => Error::Refused { tool, tier: Tier::Wasm, lacks },
        })
    }

    /// What the numbers of a spec ask for and cannot have here.
    fn excess(&self, spec: &Spec) -> Option<Lack> {
        let most = self.config.components.memory_bytes;
        if let Some(memory) = spec.limits.memory.filter(|memory| *memory > most) {
            return Some(Lack::Other(format!("give it {memory} bytes of memory: sandbox.wasm.memory_bytes is {most}")));
        }
        if spec.limits.processes == Some(0) {
            return Some(Lack::Other("run it as no process".to_owned()));
        }
        let few = spec.limits.open_files.filter(|files| *files < WASM_OPEN_FILES_MIN);
        few.map(|_| Lack::Other(format!("bound open files to less than {WASM_OPEN_FILES_MIN}")))
    }
}

impl Drop for Wasm {
    fn drop(&mut self) {
        // What still runs there is dropped at its next tick. Nobody may wait for that inside of another runtime.
        if let Some(pool) = self.pool.take() {
            pool.shutdown_background();
        }
    }
}

fn capabilities() -> Capabilities {
    use Resource::{Cpu, Disk, Growth, Lines, Memory, OpenFiles, Processes, Stderr, Stdin, Stdout, Wall};
    let host = [Wall, Memory, Processes, Disk, OpenFiles, Stdin, Stdout, Stderr, Lines, Growth];
    let limits = host.into_iter().map(|resource| (resource, Keeper::Host)).chain([(Cpu, Keeper::Watcher)]);
    Capabilities {
        tier: Tier::Wasm,
        programs: vec![ProgramKind::Component],
        limits: limits.collect(),
        inputs: true,
        grants: true,
        egress: false,
        environment: true,
        plain: true,
        notes: vec![
            "components run in this process; a component gives way at every tick, and processor time is summed up there"
                .to_owned(),
            "disk and growth bound what is written; what is removed is not given back".to_owned(),
        ],
    }
}

fn refused(tool: &str, lack: Lack) -> Error {
    Error::Refused { tool: tool.to_owned(), tier: Tier::Wasm, lacks: vec![lack] }
}

#[async_trait]
impl Sandbox for Wasm {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn prepare(&self, cx: &Cx, spec: Spec) -> Result<Prepared, Error> {
        self.capabilities.check(&spec)?;
        if let Some(lack) = self.excess(&spec) {
            return Err(refused(&spec.tool, lack));
        }
        if let Some(directory) = spec.directory.as_ref().filter(|path| !ground::is_inside(path)) {
            let reason = format!("`{directory}` is no absolute path in the sandbox");
            return Err(Error::Invalid { tool: spec.tool, reason });
        }
        ground::inputs(&spec)?;
        let private: Vec<&PathBuf> = self.config.private.iter().chain([&self.config.folder]).collect();
        let place = |grant| ground::place(Tier::Wasm, &spec.tool, grant, &private);
        let trees = spec.grants.iter().map(place).collect::<Result<Vec<_>, Error>>()?;
        let late = || Error::Missing { tool: spec.tool.clone(), reason: "it was not compiled in time".to_owned() };
        let ready = tokio::select! {
            biased;
            ready = self.ready(&spec) => ready?,
            () = cx.cancelled() => return Err(late()),
            () = tokio::time::sleep_until(cx.deadline()) => return Err(late()),
        };
        if matches!(ready.entry, Entry::Tool(_)) && spec.speech == Speech::Plain {
            let reason = "a tool of the world syzygy:tool is called, and does not print its result".to_owned();
            return Err(Error::Invalid { tool: spec.tool, reason });
        }
        let places = trees.iter().map(|(_, found)| (found.dev(), found.ino())).collect();
        let mut spec = spec;
        for (grant, (source, _)) in spec.grants.iter_mut().zip(trees) {
            grant.source = source;
        }
        Ok(Prepared { spec: Arc::new(spec), tier: Tier::Wasm, places: Arc::new(places), user: 0 })
    }

    async fn invoke(&self, cx: &Cx, prepared: &Prepared, call: Call) -> Outcome {
        let began = self.clock.now();
        let Some(place) = self.running.enter(&call.id) else {
            let failure = Failure::new(Class::Conflict, "could not call the tool: a call of this id runs");
            return Outcome::nothing(Ended::Refused, failure);
        };
        let mut outcome = run::run(self, cx, prepared, &call, &place, began).await;
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
