//! A component that runs: what it is given, and how it is begun and ends.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use wasmtime::component::{ResourceTable, types};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use self::world::syzygy::tool::emit;
use super::files::{Books, Files};
use super::meter::{Limiter, Meter};
use super::spool::{Pen, Side, Spool};
use crate::sandbox::outcome::Exit;
use crate::types::Clock;

pub(super) mod world {
    //! What `wit/tool.wit` says.

    wasmtime::component::bindgen!({
        path: "wit",
        world: "tool",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// Bytes that one call of the host may carry out of a component: more than any line or piece of a file has.
const CARRIED_MAX: usize = 16 << 20;

/// Handles to things of the host, besides open files: streams, pollables, errors.
const HANDLES_MAX: usize = 1_000;

/// Bytes of chance at a time.
const RANDOM_MAX: u64 = 1 << 20;

/// How a component is called.
#[derive(Clone)]
pub(super) enum Entry {
    /// It has a `main`, and talks on stdin and stdout.
    Command(CommandPre<State>),
    /// It is of the tools' world.
    Tool(world::ToolPre<State>),
}

/// What an invocation is made of.
pub(super) struct Given {
    pub(super) input: String,
    pub(super) environment: Vec<(String, String)>,
    pub(super) directory: String,
    pub(super) books: Books,
    pub(super) spool: Arc<Spool>,
    pub(super) meter: Arc<Meter>,
    pub(super) memory: u64,
    pub(super) open_files: u32,
    pub(super) clock: Arc<dyn Clock>,
}

/// How a component ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) exit: Exit,
    /// What it did that cannot be done, or why it could not be begun.
    pub(super) trouble: Option<wasmtime::Error>,
}

/// What the functions that a component imports work on.
pub(super) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    books: Books,
    limiter: Limiter,
    spool: Arc<Spool>,
}

impl State {
    /// The files of this invocation.
    pub(super) fn files(&mut self) -> Files<'_> {
        let State { wasi, table, books, .. } = self;
        let wasi = wasmtime_wasi::filesystem::WasiFilesystemCtxView { ctx: wasi.filesystem(), table };
        Files { wasi, books }
    }

    /// Says a line of the protocol, as a program would print it.
    async fn say(&mut self, line: &Value) -> wasmtime::Result<()> {
        say(&self.spool, line)?;
        self.spool.room(Side::Out).await;
        Ok(())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn say(spool: &Spool, line: &Value) -> wasmtime::Result<()> {
    let passed = |resource| wasmtime::format_err!("it reached its limit of {resource}");
    spool.write(Side::Out, format!("{line}\n").as_bytes()).map_err(passed)
}

impl emit::Host for State {
    async fn chunk(&mut self, text: String) -> wasmtime::Result<()> {
        self.say(&json!({ "type": "chunk", "text": text })).await
    }

    async fn log(&mut self, level: emit::Level, text: String) -> wasmtime::Result<()> {
        let level = match level {
            emit::Level::Debug => "debug",
            emit::Level::Info => "info",
            emit::Level::Warn => "warn",
            emit::Level::Error => "error",
        };
        self.say(&json!({ "type": "log", "level": level, "text": text })).await
    }

    async fn memory_delta(&mut self, delta: String) -> wasmtime::Result<()> {
        match serde_json::from_str::<Value>(&delta) {
            Ok(delta) => self.say(&json!({ "type": "memory_delta", "delta": delta })).await,
            // A text in JSON is no message, so the reader keeps it as noise.
            Err(_) => self.say(&Value::String(delta)).await,
        }
    }
}

/// The host's clock, as a component sees it.
struct Watch {
    clock: Arc<dyn Clock>,
    began: Instant,
}

impl HostMonotonicClock for Watch {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        // From when it was begun: when the machine was is nothing it needs to know.
        u64::try_from(self.clock.now().saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl HostWallClock for Watch {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.clock.wall().0).unwrap_or(0))
    }
}

fn state(given: &mut Given, entry: &Entry, books: Books) -> State {
    let pen = |side| Pen { spool: Arc::clone(&given.spool), side };
    let watch = || Watch { clock: Arc::clone(&given.clock), began: given.clock.now() };
    let mut builder = WasiCtxBuilder::new();
    builder
        .envs(&given.environment)
        .initial_cwd(&given.directory)
        .stderr(pen(Side::Aside))
        .wall_clock(watch())
        .monotonic_clock(watch())
        .max_random_size(RANDOM_MAX)
        .allow_tcp(false)
        .allow_udp(false);
    match entry {
        Entry::Command(_) => {
            builder.stdin(MemoryInputPipe::new(std::mem::take(&mut given.input))).stdout(pen(Side::Out));
        }
        // Its answers come another way, so what it prints is said on the side.
        Entry::Tool(_) => {
            builder.stdout(pen(Side::Aside));
        }
    }
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES_MAX + given.open_files as usize);
    let limiter = Limiter::new(Arc::clone(&given.meter), given.memory);
    State { wasi: builder.build(), table, books, limiter, spool: Arc::clone(&given.spool) }
}

/// Makes an instance and calls it.
pub(super) async fn run(engine: Engine, entry: Entry, mut given: Given) -> Ran {
    let books = std::mem::replace(&mut given.books, Books::new(Vec::new(), 0));
    let state = state(&mut given, &entry, books);
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(CARRIED_MAX);
    store.set_max_component_handles(HANDLES_MAX + given.open_files as usize);
    // The first slice lasts for a whole tick at least, every further one for a tick.
    store.set_epoch_deadline(2);
    store.epoch_deadline_async_yield_and_update(1);
    let ended = match entry {
        Entry::Command(command) => as_command(&mut store, command).await,
        Entry::Tool(tool) => as_tool(&mut store, tool, &given).await,
    };
    match ended {
        Ok(exit) => Ran { exit, trouble: None },
        Err(trouble) => match trouble.downcast_ref::<I32Exit>() {
            Some(I32Exit(code)) => Ran { exit: Exit::Code(*code), trouble: None },
            None => Ran { exit: Exit::Trap, trouble: Some(trouble) },
        },
    }
}

async fn as_command(store: &mut Store<State>, command: CommandPre<State>) -> wasmtime::Result<Exit> {
    let command = command.instantiate_async(&mut *store).await?;
    let good = command.wasi_cli_run().call_run(store).await?.is_ok();
    Ok(Exit::Code(i32::from(!good)))
}

async fn as_tool(store: &mut Store<State>, tool: world::ToolPre<State>, given: &Given) -> wasmtime::Result<Exit> {
    let tool = tool.instantiate_async(&mut *store).await?;
    let line = match tool.call_invoke(store, &given.input).await? {
        Ok(text) => match serde_json::from_str::<Value>(&text) {
            Ok(value) => json!({ "type": "result", "value": value }),
            // As of a program that prints something else than JSON: noise, and no result.
            Err(_) => Value::String(text),
        },
        Err(failure) => json!({ "type": "error", "class": failure.class, "message": failure.message }),
    };
    say(&given.spool, &line)?;
    Ok(Exit::Code(0))
}

/// Names of what a component imports and exports.
pub(super) fn names(component: &types::Component, engine: &Engine) -> (Vec<String>, Vec<String>) {
    let imports = component.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports = component.exports(engine).map(|(name, _)| name.to_owned()).collect();
    (imports, exports)
}
