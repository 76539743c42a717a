//! How the engine is set up, and what of the outside a component can be linked with.

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config as Settings, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiView, p2};

use super::files::Filed;
use super::guest::{State, world};
use crate::sandbox::config::Components;

/// Bytes of the stack of a component: what wasmtime gives if nobody says otherwise. What recurses deeper traps.
const STACK: usize = 512 << 10;

/// Bytes of the stack on which a component and the host's functions that it calls run; unused pages are no memory.
const STACK_WITH_HOST: usize = 2 << 20;

/// Parts of a component: core instances, and the tables that join them. An interpreter with its adapter has a dozen.
const PARTS: u32 = 32;

/// Memories of a component. Most have one; two that were composed have two.
const MEMORIES: u32 = 4;

/// Elements of a table: a large program has some ten thousand functions in one.
const TABLE_ELEMENTS: usize = 100_000;

/// Bytes of what the engine knows of an instance.
const INSTANCE_BYTES: usize = 1 << 20;

/// Interfaces of WASI that are offered, without their versions. Sockets are not among them.
const OFFERED: [&str; 22] = [
    "syzygy:tool/emit",
    "syzygy:tool/types",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Whether an import is one that is offered.
pub(super) fn is_offered(import: &str) -> bool {
    OFFERED.contains(&import.split('@').next().unwrap_or(import))
}

fn settings() -> Settings {
    let mut settings = Settings::new();
    settings.epoch_interruption(true).max_wasm_stack(STACK).async_stack_size(STACK_WITH_HOST);
    // What no tool needs is not there to be attacked.
    settings.wasm_memory64(false).wasm_multi_memory(false);
    // Frames of a component mean nothing to a host.
    settings.wasm_backtrace_max_frames(None);
    settings
}

fn pool(config: &Components) -> PoolingAllocationConfig {
    let many = config.instances_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(many)
        .total_core_instances(many.saturating_mul(PARTS))
        .total_memories(many)
        .total_tables(many.saturating_mul(4))
        .total_stacks(many)
        .max_core_instances_per_component(PARTS)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(PARTS)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(config.memory_bytes).unwrap_or(usize::MAX));
    pool
}

/// The engine, with room set aside for all instances; where there are not enough addresses for that, without, which is
/// said in the words that are returned with it.
pub(super) fn engine(config: &Components) -> wasmtime::Result<(Engine, Option<String>)> {
    let pooled = settings().allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config))).clone();
    match Engine::new(&pooled) {
        Ok(engine) => Ok((engine, None)),
        Err(cause) => {
            let engine = Engine::new(&settings())?;
            let note = format!("instances are made one by one, since no room could be set aside for them: {cause:#}");
            Ok((engine, Some(note)))
        }
    }
}

/// Everything that components may import: WASI 0.2 without sockets, with files that are counted, and the tools' own world.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let all = &mut linker;
    p2::add_to_linker_proxy_interfaces_async(all)?;
    random::insecure::add_to_linker::<State, WasiRandom>(all, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(all, |state| state.ctx().ctx.random())?;
    cli::exit::add_to_linker::<State, WasiCli>(all, State::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(all, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(all, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(all, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(all, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(all, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(all, State::cli)?;
    filesystem::preopens::add_to_linker::<State, Filed>(all, State::files)?;
    filesystem::types::add_to_linker::<State, Filed>(all, State::files)?;
    world::syzygy::tool::emit::add_to_linker::<State, HasSelf<State>>(all, |state| state)?;
    Ok(linker)
}
