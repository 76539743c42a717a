//! Components: instantiating and calling one through the tier, beside the same with bare wasmtime, in turns; how late one
//! is ended; what a thousand at a time take.
//!
//! `cargo bench --bench sandbox`. The component is the canary, which answers with its input. Bare wasmtime is set up as
//! the tier sets it up (pool, epochs, instances prepared as far as they can be) and holds nothing back: no limits, no
//! clock, no directories, no reading of what comes out as JSON.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it saw and stops if it cannot")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use syzygy::config::{Inputs, load};
use syzygy::host::real_world;
use syzygy::sandbox::wasm::{Config, Held, Wasm};
use syzygy::sandbox::{Call, Ended, Limits, Prepared, Program, Resource, Sandbox, Spec};
use syzygy::types::{Cx, Hash};
use wasmtime::component::{Component, ComponentType, InstancePre, Lift, Linker};
use wasmtime::{Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

const CANARY: &[u8] = include_bytes!("../src/sandbox/wasm/canary.wasm");

/// Rounds that are measured: a percentile of 99 stands on two hundred of them.
const ROUNDS: usize = 20_000;
/// Rounds before that, which are not.
const WARM: usize = 500;
/// Calls that are ended at their time.
const KILLS: usize = 200;
/// Invocations at a time.
const MANY: usize = 1_000;

#[derive(ComponentType, Lift)]
#[component(record)]
struct Failure {
    class: String,
    message: String,
}

struct Bare {
    engine: Engine,
    instance: InstancePre<()>,
}

impl Bare {
    fn new() -> Bare {
        let mut settings = wasmtime::Config::new();
        settings.epoch_interruption(true);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(64).total_core_instances(64).total_memories(64).total_stacks(64);
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&settings).unwrap();
        let component = Component::new(&engine, CANARY).unwrap();
        let instance = Linker::new(&engine).instantiate_pre(&component).unwrap();
        Bare { engine, instance }
    }

    async fn call(&self, input: &str) -> String {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(1 << 40);
        let instance = self.instance.instantiate_async(&mut store).await.unwrap();
        let invoke = instance.get_typed_func::<(&str,), (Result<String, Failure>,)>(&mut store, "invoke").unwrap();
        let (said,) = invoke.call_async(&mut store, (input,)).await.unwrap();
        said.map_err(|failure| (failure.class, failure.message)).unwrap()
    }
}

async fn tier(instances_max: u32) -> (Wasm, tempfile::TempDir) {
    let inputs = Inputs { environment: vec![("HOME".to_owned(), "/nowhere".to_owned())], ..Inputs::default() };
    let mut components = load(&inputs).unwrap().config.sandbox.wasm;
    components.instances_max = instances_max;
    let folder = tempfile::tempdir().unwrap();
    let config = Config { folder: folder.path().join("calls"), private: Vec::new(), components };
    (Wasm::open(config, Arc::new(Held::default()), real_world().clock).await.unwrap(), folder)
}

fn cx() -> Cx {
    Cx::housekeeping(real_world().clock.now(), Duration::from_secs(600))
}

async fn prepared(wasm: &Wasm, wall: Duration) -> Prepared {
    let limits = Limits { memory: Some(1 << 20), ..Limits::talking(wall, 65_536) };
    let mut spec = Spec::command("canary", &["-"], limits);
    spec.program = Program::Component(Hash::of(CANARY));
    wasm.prepare(&cx(), spec).await.unwrap()
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn row(name: &str, times: &mut [Duration]) -> Duration {
    let (half, most) = (percentile(times, 50), percentile(times, 99));
    println!("{name:<44} p50 {half:>10.1?}   p99 {most:>10.1?}");
    half
}

async fn side_by_side() {
    let (bare, (wasm, _folder)) = (Bare::new(), tier(64).await);
    let (cx, prepared) = (cx(), prepared(&wasm, Duration::from_secs(60)).await);
    let input = json!({"path": "src/main.rs", "lines": [1, 40]});
    let text = input.to_string();
    let (mut alone, mut ours) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for round in 0..WARM + ROUNDS {
        let call = Call::new("call", input.clone());
        let began = Instant::now();
        let said = bare.call(&text).await;
        let between = Instant::now();
        let outcome = wasm.invoke(&cx, &prepared, call).await;
        let ended = Instant::now();
        assert_eq!((said.as_str(), outcome.answer), (text.as_str(), Ok(input.clone())));
        if round >= WARM {
            alone.push(between - began);
            ours.push(ended - between);
        }
    }
    let bare = row("instantiate and call, bare wasmtime", &mut alone);
    let ours = row("instantiate and call, the tier", &mut ours);
    println!("{:<44} {:.2}", "the tier takes, times bare wasmtime", ours.as_secs_f64() / bare.as_secs_f64());
}

async fn kills() {
    let (wasm, _folder) = tier(64).await;
    let (cx, within) = (cx(), Duration::from_millis(20));
    let prepared = prepared(&wasm, within).await;
    let mut late = Vec::new();
    for _ in 0..KILLS {
        let began = Instant::now();
        let outcome = wasm.invoke(&cx, &prepared, Call::new("call", json!(1))).await;
        assert_eq!(outcome.ended, Ended::Limit(Resource::Wall));
        late.push(began.elapsed().saturating_sub(within));
    }
    row("an endless loop, gone after its time", &mut late);
}

/// Bytes of memory of this process, as the kernel counts them.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

async fn many() {
    let (wasm, _folder) = tier(u32::try_from(MANY).unwrap()).await;
    let (cx, prepared) = (cx(), prepared(&wasm, Duration::from_secs(600)).await);
    let before = resident();
    let calls = (0..MANY).map(|at| wasm.invoke(&cx, &prepared, Call::new(at.to_string(), json!(1))));
    let watch = async {
        while wasm.view().running < MANY {
            tokio::task::yield_now().await;
        }
        let each = resident().saturating_sub(before) / MANY as u64;
        println!("{:<44} {:.1} KiB", format!("each of {MANY} that run at a time"), each as f64 / 1_024.0);
        cx.cancel();
    };
    let (outcomes, ()) = tokio::join!(futures::future::join_all(calls), watch);
    assert!(outcomes.iter().all(|outcome| outcome.ended == Ended::Cancelled && outcome.answer != Ok(Value::Null)));
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        side_by_side().await;
        kills().await;
        many().await;
    });
}
