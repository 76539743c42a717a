//! Components: where their bytes come from, and the compiled ones that are kept.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::engine::is_offered;
use super::guest::{Entry, State, names, world};
use crate::sandbox::error::Lack;
use crate::sandbox::spec::Input;
use crate::types::Hash;

/// Where components are found by the hash of their bytes that do not come with their tools, as one of its inputs. Nobody is
/// believed: the bytes are hashed again.
#[async_trait]
pub trait Shelf: Send + Sync + 'static {
    /// The bytes of a component, or nothing if it has none of this hash.
    ///
    /// # Errors
    /// What the operating system says if it cannot be read.
    async fn bytes(&self, hash: Hash) -> std::io::Result<Option<Vec<u8>>>;
}

/// A directory with a file `HASH.wasm` for each component.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

#[async_trait]
impl Shelf for Folder {
    async fn bytes(&self, hash: Hash) -> std::io::Result<Option<Vec<u8>>> {
        match tokio::fs::read(self.0.join(format!("{hash}.wasm"))).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Components in memory.
#[derive(Debug, Clone, Default)]
pub struct Held(BTreeMap<Hash, Vec<u8>>);

impl Held {
    /// Puts one there, and says by which hash it is found.
    pub fn put(&mut self, bytes: Vec<u8>) -> Hash {
        let hash = Hash::of(&bytes);
        self.0.insert(hash, bytes);
        hash
    }
}

#[async_trait]
impl Shelf for Held {
    async fn bytes(&self, hash: Hash) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(&hash).cloned())
    }
}

/// A component that can be called.
pub(super) struct Ready {
    pub(super) entry: Entry,
    /// Whether it asks for files at all.
    pub(super) files: bool,
}

/// Why a component cannot be.
#[derive(Debug)]
pub(super) enum Fault {
    Missing(String),
    Tampered,
    Broken(String),
    Lacks(Vec<Lack>),
}

/// How components become what can be called.
pub(super) struct Workshop {
    pub(super) engine: Engine,
    pub(super) linker: Linker<State>,
    pub(super) bytes_max: u64,
}

impl Workshop {
    /// Compiles one. That takes from milliseconds to seconds, and a thread.
    pub(super) fn make(&self, bytes: &[u8]) -> Result<Ready, Fault> {
        let broken =
            |cause: wasmtime::Error| Fault::Broken(format!("it is no component that can be called: {cause:#}"));
        let component = Component::new(&self.engine, bytes).map_err(broken)?;
        let (imports, exports) = names(&component.component_type(), &self.engine);
        let foreign = imports.iter().filter(|import| !is_offered(import));
        let lacks: Vec<Lack> = foreign.map(|import| Lack::Other(format!("give it the import `{import}`"))).collect();
        if !lacks.is_empty() {
            return Err(Fault::Lacks(lacks));
        }
        let files = imports.iter().any(|import| import.starts_with("wasi:filesystem/"));
        let instance = self.linker.instantiate_pre(&component).map_err(broken)?;
        let is_command = exports.iter().any(|export| export.starts_with("wasi:cli/run@0.2"));
        let entry = match exports.iter().any(|export| export == "invoke") {
            true => world::ToolPre::new(instance).map(Entry::Tool),
            false if is_command => CommandPre::new(instance).map(Entry::Command),
            false => {
                let text = "it exports neither `invoke` of syzygy:tool nor `run` of wasi:cli".to_owned();
                return Err(Fault::Broken(text));
            }
        };
        Ok(Ready { entry: entry.map_err(broken)?, files })
    }
}

#[derive(Default)]
struct Kept {
    cell: Arc<OnceCell<Arc<Ready>>>,
    used: u64,
}

/// The compiled ones. Each is compiled once, however many ask for it at a time.
pub(super) struct Compiled {
    workshop: Arc<Workshop>,
    shelf: Arc<dyn Shelf>,
    most: usize,
    kept: Mutex<(u64, HashMap<Hash, Kept>)>,
}

impl Compiled {
    pub(super) fn new(workshop: Workshop, shelf: Arc<dyn Shelf>, most: u32) -> Compiled {
        Compiled { workshop: Arc::new(workshop), shelf, most: most as usize, kept: Mutex::default() }
    }

    /// The engine that they were compiled for.
    pub(super) fn engine(&self) -> &Engine {
        &self.workshop.engine
    }

    /// One that is compiled already, or becomes so on a thread of this pool.
    pub(super) async fn get(&self, hash: Hash, inputs: &[Input], pool: &Handle) -> Result<Arc<Ready>, Fault> {
        let cell = self.cell(hash);
        cell.get_or_try_init(|| self.make(hash, inputs, pool)).await.cloned()
    }

    fn cell(&self, hash: Hash) -> Arc<OnceCell<Arc<Ready>>> {
        let mut kept = self.kept.lock();
        let (now, kept) = &mut *kept;
        *now += 1;
        if !kept.contains_key(&hash) && kept.len() >= self.most {
            let oldest = kept.iter().min_by_key(|(_, one)| one.used).map(|(hash, _)| *hash);
            oldest.map(|hash| kept.remove(&hash));
        }
        let one = kept.entry(hash).or_default();
        one.used = *now;
        Arc::clone(&one.cell)
    }

    async fn make(&self, hash: Hash, inputs: &[Input], pool: &Handle) -> Result<Arc<Ready>, Fault> {
        let unread = |cause: std::io::Error| Fault::Missing(format!("the component {hash} cannot be read: {cause}"));
        let found = match inputs.iter().find(|input| input.hash == hash) {
            Some(input) => tokio::fs::read(&input.source).await.map(Some),
            None => self.shelf.bytes(hash).await,
        };
        let bytes = match found.map_err(unread)? {
            Some(bytes) => bytes,
            None if hash == Hash::of(super::canary::COMPONENT) => super::canary::COMPONENT.to_vec(),
            None => return Err(Fault::Missing(format!("there is no component {hash}"))),
        };
        if bytes.len() as u64 > self.workshop.bytes_max {
            let (bytes, most) = (bytes.len(), self.workshop.bytes_max);
            return Err(Fault::Broken(format!("the component has {bytes} bytes; at most {most} are taken")));
        }
        let workshop = Arc::clone(&self.workshop);
        let made = pool.spawn_blocking(move || {
            if Hash::of(&bytes) != hash {
                return Err(Fault::Tampered);
            }
            workshop.make(&bytes).map(Arc::new)
        });
        made.await.unwrap_or_else(|_| Err(Fault::Broken("its compiler gave up".to_owned())))
    }
}
