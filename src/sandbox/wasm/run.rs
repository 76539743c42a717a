//! One invocation: the component gets its first slice where it was called and further ones on the tier's own threads,
//! while the host reads what it prints; at the end nothing of it is left.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use wasmtime::PoolConcurrencyLimitError;

use super::Wasm;
use super::files::{Books, Tree};
use super::guest::{self, Given, Ran};
use super::meter::{Meter, Metered, TooLong};
use super::shelf::Ready;
use super::spool::Spool;
use super::work::Work;
use crate::sandbox::fake::tell;
use crate::sandbox::outcome::{Ended, Exit, Failure, Outcome, failure_of};
use crate::sandbox::protocol::{Bounds, Reader};
use crate::sandbox::running::Place;
use crate::sandbox::spec::{Access, Resource};
use crate::sandbox::{Call, Prepared, tree};
use crate::types::{Class, Cx};

/// Time for a component to be gone after it was told to end. It takes a tick; a machine may be busy.
const SETTLE: Duration = Duration::from_secs(2);

/// What a component came to by itself.
type Came = Result<Ran, TooLong>;

/// Where a component is after its first slice.
enum Guest {
    Done(Option<Came>),
    Elsewhere(AbortOnDropHandle<Came>),
}

impl Guest {
    /// Gives it its first slice here, and hands it over if that was not enough.
    async fn begin(mut work: Metered<Ran>, pool: &Handle) -> Guest {
        let first = poll_fn(|context| {
            // What it begins to wait for belongs to its own threads from the beginning.
            let _inside = pool.enter();
            Poll::Ready(Pin::new(&mut work).poll(context))
        });
        match first.await {
            Poll::Ready(came) => Guest::Done(Some(came)),
            Poll::Pending => Guest::Elsewhere(AbortOnDropHandle::new(pool.spawn(work))),
        }
    }

    /// What it came to; nothing if its thread panicked.
    async fn end(&mut self) -> Option<Came> {
        match self {
            Guest::Done(came) => came.take(),
            Guest::Elsewhere(task) => {
                let came = task.await.ok();
                // Nobody can ask it a second time.
                *self = Guest::Done(None);
                came
            }
        }
    }

    /// Ends it and waits until it is gone.
    async fn stop(&mut self) {
        if let Guest::Elsewhere(task) = self {
            task.abort();
            let _ = timeout(SETTLE, task).await;
        }
    }
}

/// Runs it.
pub(super) async fn run(
    wasm: &Wasm,
    cx: &Cx,
    prepared: &Prepared,
    call: &Call,
    place: &Place,
    began: Instant,
) -> Outcome {
    let refused = |class, text: &str| Outcome::nothing(Ended::Refused, Failure::new(class, text));
    let failed = |text: String| Outcome::nothing(Ended::Failed, Failure::new(Class::Unavailable, text));
    let (spec, input) = (&*prepared.spec, call.input.to_string());
    if input.len() as u64 > spec.limits.stdin {
        return refused(Class::Exhausted, "could not call the tool: its input is too long");
    }
    if wasm.running.count() > wasm.config.components.instances_max as usize {
        return refused(Class::Exhausted, "could not call the tool: too many components run");
    }
    let Some(pool) = wasm.pool.as_ref().map(Runtime::handle) else {
        return failed("could not call the tool: the tier is closed".to_owned());
    };
    let most = wasm.config.components.tree_files_max;
    let mut outcome = Outcome::nothing(Ended::Finished, Failure::new(Class::Internal, "the tool gave no answer"));
    outcome.usage.stdin = input.len() as u64;
    let begun = async {
        let ready = wasm.ready(spec).await.map_err(|error| error.to_string())?;
        let (work, trees) = make(wasm, prepared, &ready, pool).await?;
        Ok::<_, String>((ready, work, trees, look_at(prepared, pool, most).await))
    };
    let (ready, work, trees, before) = tokio::select! {
        biased;
        ended = place.stop(cx, prepared, began) => return over(ended, outcome),
        begun = begun => match begun {
            Ok(begun) => begun,
            Err(text) => return failed(text),
        },
    };
    let spool = Spool::new(spec.limits.stdout, spec.limits.stderr);
    let meter = Arc::<Meter>::default();
    let mut guest = Guest::begin(metered(wasm, prepared, &ready, (input, trees), &spool, &meter), pool).await;
    let mut reader = Reader::new(spec.speech, Bounds::default());
    let mut aside = Vec::new();
    let ended = tokio::select! {
        biased;
        ended = place.stop(cx, prepared, began) => Err(ended),
        came = both(&mut guest, &spool, call, &mut reader, &mut aside, &mut outcome) => came,
    };
    guest.stop().await;
    outcome.stderr = String::from_utf8_lossy(&aside).into_owned();
    (outcome.usage.cpu, outcome.usage.memory_peak) = (meter.busy(), meter.memory_peak());
    outcome.usage.processes_peak = 1;
    conclude(ended, reader, &spool, &meter, call, &mut outcome);
    let (written, all) = tree::compare(&before, &look_at(prepared, pool, most).await);
    (outcome.effects.written, outcome.effects.written_all) = (written, all);
    work.remove().await;
    outcome
}

fn over(ended: Ended, mut outcome: Outcome) -> Outcome {
    outcome.ended = ended;
    if let Some(failure) = failure_of(ended) {
        outcome.answer = Err(failure);
    }
    outcome
}

/// The directories of a component that asks for files.
async fn make(wasm: &Wasm, prepared: &Prepared, ready: &Ready, pool: &Handle) -> Result<(Work, Vec<Tree>), String> {
    if !ready.files {
        return Ok((Work::none(pool.clone()), Vec::new()));
    }
    let (folder, prepared) = (wasm.config.folder.clone(), prepared.clone());
    let disk = prepared.spec.limits.disk.unwrap_or(wasm.config.components.disk_bytes);
    let inside = pool.clone();
    let made = pool.spawn_blocking(move || Work::make(&folder, &prepared, disk, inside));
    made.await.unwrap_or_else(|_| Err("could not make its directories: a thread panicked".to_owned()))
}

async fn look_at(prepared: &Prepared, pool: &Handle, max: usize) -> tree::Listing {
    let writable = prepared.spec.grants.iter().filter(|grant| grant.access == Access::ReadWrite);
    let trees: Vec<(String, PathBuf)> = writable.map(|grant| (grant.name.clone(), grant.source.clone())).collect();
    if trees.is_empty() {
        return tree::Listing::default();
    }
    pool.spawn_blocking(move || tree::list(&trees, max)).await.unwrap_or_default()
}

/// The component, as something that can be polled.
fn metered(
    wasm: &Wasm,
    prepared: &Prepared,
    ready: &Ready,
    (input, trees): (String, Vec<Tree>),
    spool: &Arc<Spool>,
    meter: &Arc<Meter>,
) -> Metered<Ran> {
    let (spec, most) = (&*prepared.spec, &wasm.config.components);
    let open_files = spec.limits.open_files.unwrap_or(most.open_files);
    let given = Given {
        input,
        environment: spec.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        directory: spec.directory.clone().unwrap_or_else(|| "/work".to_owned()),
        books: Books::new(trees, open_files),
        spool: Arc::clone(spool),
        meter: Arc::clone(meter),
        memory: spec.limits.memory.unwrap_or(most.memory_bytes),
        open_files,
        clock: Arc::clone(&wasm.clock),
    };
    let (engine, entry, spool, ticked) =
        (wasm.compiled.engine().clone(), ready.entry.clone(), Arc::clone(spool), wasm.ticker.tick());
    let work = async move {
        // As long as it lives, also after whoever called has left.
        let _ticked = ticked;
        let ran = guest::run(engine, entry, given).await;
        spool.close();
        ran
    };
    let most = spec.limits.cpu.unwrap_or(Duration::from_secs(most.processor_s));
    Metered { work: Box::pin(work), meter: Arc::clone(meter), clock: Arc::clone(&wasm.clock), most }
}

/// Until the component has ended and all that it said is heard, or it has said too much.
async fn both(
    guest: &mut Guest,
    spool: &Spool,
    call: &Call,
    reader: &mut Reader,
    aside: &mut Vec<u8>,
    outcome: &mut Outcome,
) -> Result<Option<Came>, Ended> {
    let ends = async {
        let came = guest.end().await;
        // Whoever was ended has not said so.
        spool.close();
        Ok(came)
    };
    let hears = async {
        loop {
            let heard = spool.take();
            (outcome.usage.stdout, outcome.usage.stderr) = (heard.printed, heard.muttered);
            aside.extend_from_slice(&heard.aside);
            let before = outcome.lines.len();
            reader.feed(&heard.out, &mut outcome.lines).map_err(Ended::Limit)?;
            tell(call, &outcome.lines[before..]).await;
            if heard.over {
                return Ok(());
            }
            spool.more().await;
        }
    };
    futures::try_join!(ends, hears).map(|(came, ())| came)
}

/// What came of it.
fn conclude(
    ended: Result<Option<Came>, Ended>,
    reader: Reader,
    spool: &Spool,
    meter: &Meter,
    call: &Call,
    outcome: &mut Outcome,
) {
    let ran = match ended {
        Err(ended) => Err(ended),
        Ok(None) => Err(Ended::Failed),
        Ok(Some(Err(TooLong))) => Err(Ended::Limit(Resource::Cpu)),
        Ok(Some(Ok(ran))) => match (spool.passed(), ran.exit) {
            (Some(resource), _) => Err(Ended::Limit(resource)),
            (None, Exit::Trap) if meter.wanted_memory() => Err(Ended::Limit(Resource::Memory)),
            (None, _) => Ok(ran),
        },
    };
    let ran = match ran {
        Ok(ran) => ran,
        Err(ended) => {
            outcome.ended = ended;
            outcome.answer =
                Err(failure_of(ended).unwrap_or_else(|| Failure::new(Class::Internal, "it ended in no way")));
            return;
        }
    };
    if let Some(trouble) = &ran.trouble {
        if trouble.is::<PoolConcurrencyLimitError>() {
            outcome.ended = Ended::Refused;
            outcome.answer = Err(Failure::new(Class::Exhausted, "could not call the tool: too many components run"));
            return;
        }
        outcome.stderr.push_str(&format!("{trouble:#}\n"));
    }
    outcome.effects.exit = Some(ran.exit);
    let before = outcome.lines.len();
    outcome.answer = reader.finish(ran.exit, &mut outcome.lines);
    if let Some(stream) = &call.stream {
        // The time may be over, so nobody is waited for.
        outcome.lines[before..].iter().for_each(|line| drop(stream.try_send(line.clone())));
    }
}
