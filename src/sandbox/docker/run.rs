//! One invocation: a container is made, heard, ended and removed, whatever happens on the way.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::engine::{Ears, End, Mouth, Said, Trouble, Uses};
use super::plan::{self, Files};
use crate::sandbox::fake::tell;
use crate::sandbox::outcome::{Ended, Exit, Failure, Outcome, failure_of};
use crate::sandbox::protocol::{self, Reader};
use crate::sandbox::running::Place;
use crate::sandbox::spec::{Access, Resource};
use crate::sandbox::{Call, Prepared, tree};
use crate::types::{Class, Cx};

/// Time for a container to be gone after it was killed. It takes a fraction of a second; a machine may be busy.
const SETTLE: Duration = Duration::from_secs(10);

/// What an engine adds to the number of the signal by which a program ended.
const SIGNALLED: i64 = 128;

/// The highest number of a signal.
const SIGNALS: i64 = 64;

/// The signal that no program survives, by which the kernel ends what reached its limits.
const SIGKILL: i32 = 9;

/// Everything one invocation needs, so that it can go on when nobody waits for it any more.
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) cx: Cx,
    pub(super) prepared: Prepared,
    pub(super) call: Call,
    pub(super) place: Place,
    /// Cancelled when nobody waits any more.
    pub(super) left: CancellationToken,
    pub(super) began: Instant,
}

/// Runs it to its end, which is when its container is gone.
pub(super) async fn run(job: Job) -> Outcome {
    let Job { shared, cx, prepared, call, place, left, began } = job;
    let (spec, stdin) = (Arc::clone(&prepared.spec), call.input.to_string());
    if stdin.len() as u64 > spec.limits.stdin {
        let failure = Failure::new(Class::Exhausted, "could not call the tool: its input is too long");
        return Outcome::nothing(Ended::Refused, failure);
    }
    let max = shared.config.containers.tree_files_max;
    let writable = spec.grants.iter().filter(|grant| grant.access == Access::ReadWrite);
    let trees: Vec<(String, PathBuf)> = writable.map(|grant| (grant.name.clone(), grant.source.clone())).collect();
    let before = look_at(trees.clone(), max).await;
    let name = shared.name();
    let failed = |text: String| Outcome::nothing(Ended::Failed, Failure::new(Class::Unavailable, text));
    let files = match files(&shared, &prepared, &name).await {
        Ok(files) => files,
        Err(text) => return failed(text),
    };
    let container = plan::container(&shared, &prepared, &name, &files);
    // Not given up half-way: what became of it would not be known.
    let created = shared.engine.create(&container).await;
    let unknown = created.as_ref().is_err_and(|trouble| trouble.status.is_none());
    let mut outcome = Outcome::nothing(Ended::Finished, Failure::new(Class::Internal, "the tool gave no answer"));
    outcome.usage.stdin = stdin.len() as u64;
    let mut trouble = created.err().map(|trouble| format!("could not make a container: {trouble}"));
    let mut unstarted = false;
    let mut reader = Reader::new(spec.speech, protocol::Bounds::default());
    if trouble.is_none() {
        let used = Mutex::default();
        let mut talk = Talk {
            shared: &shared,
            prepared: &prepared,
            call: &call,
            name: &name,
            used: &used,
            trouble: None,
            unstarted,
        };
        outcome.ended = tokio::select! {
            biased;
            ended = place.stop(&cx, &prepared, began) => ended,
            () = left.cancelled() => Ended::Cancelled,
            ended = talk.through(stdin.as_bytes(), &mut reader, &mut outcome) => ended,
        };
        (trouble, unstarted) = (talk.trouble, talk.unstarted);
        let used = used.into_inner();
        (outcome.usage.cpu, outcome.usage.memory_peak) = (used.processors, used.memory);
        outcome.usage.processes_peak = used.processes;
    } else {
        outcome.ended = Ended::Failed;
    }
    let end = finish(&shared, &name, outcome.ended).await;
    if unknown {
        // It may be made yet.
        shared.left.lock().insert(name.clone());
    }
    drop(files);
    let heard = outcome.lines.len();
    let class = if unstarted { Class::NotFound } else { Class::Unavailable };
    conclude(&shared, &prepared, end, trouble.map(|text| Failure::new(class, text)), reader, &mut outcome);
    if let Some(stream) = &call.stream {
        // The time is over, so nobody is waited for.
        outcome.lines[heard..].iter().for_each(|line| drop(stream.try_send(line.clone())));
    }
    let after = look_at(trees, max).await;
    (outcome.effects.written, outcome.effects.written_all) = tree::compare(&before, &after);
    outcome.usage.wall = shared.clock.now() - began;
    drop(place);
    outcome
}

async fn look_at(trees: Vec<(String, PathBuf)>, max: usize) -> tree::Listing {
    if trees.is_empty() {
        return tree::Listing::default();
    }
    tokio::task::spawn_blocking(move || tree::list(&trees, max)).await.unwrap_or_default()
}

async fn files(shared: &Shared, prepared: &Prepared, name: &str) -> Result<Files, String> {
    let (folder, prepared) = (shared.files().join(name), prepared.clone());
    let make = move || {
        plan::is_as_granted(&prepared)?;
        Files::make(folder, &prepared)
    };
    tokio::task::spawn_blocking(make).await.unwrap_or_else(|_| Err("could not make its files".to_owned()))
}

/// A container between its creation and its end.
struct Talk<'a> {
    shared: &'a Shared,
    prepared: &'a Prepared,
    call: &'a Call,
    name: &'a str,
    /// The most that was seen; kept outside of the future that looks, which may be dropped.
    used: &'a Mutex<Uses>,
    /// What went wrong, if the sandbox failed.
    trouble: Option<String>,
    /// Whether it was the program that could not be begun.
    unstarted: bool,
}

impl Talk<'_> {
    /// Until it has ended, or must for what it did.
    async fn through(&mut self, stdin: &[u8], reader: &mut Reader, outcome: &mut Outcome) -> Ended {
        let engine = &self.shared.engine;
        let pipes = match engine.attach(self.name).await {
            Ok(pipes) => pipes,
            Err(trouble) => return self.failed("could not hear a container", &trouble),
        };
        if let Err(trouble) = engine.start(self.name).await {
            // The engine has no number for it.
            self.unstarted = ["no such file or directory", "executable file not found", "permission denied"]
                .iter()
                .any(|words| trouble.said.to_lowercase().contains(words));
            return self.failed("could not start a container", &trouble);
        }
        let (ears, mouth) = pipes.split();
        let bound = plan::bounds(self.shared, &self.prepared.spec).processor;
        let every = Duration::from_millis(self.shared.config.containers.watch_ms);
        let mut muttered = Vec::new();
        tokio::select! {
            ended = watch(self.shared, self.name, (bound, every), self.used) => ended,
            ended = self.talk((ears, mouth), stdin, reader, outcome, &mut muttered) => ended,
        }
    }

    fn failed(&mut self, what: &str, trouble: &Trouble) -> Ended {
        self.trouble = Some(format!("{what}: {trouble}"));
        Ended::Failed
    }

    async fn talk(
        &mut self,
        (mut ears, mouth): (Ears, Mouth),
        stdin: &[u8],
        reader: &mut Reader,
        outcome: &mut Outcome,
        muttered: &mut Vec<u8>,
    ) -> Ended {
        // Kept, since an engine takes a closed connection for somebody who has left.
        let told = async {
            let _mouth = mouth.say(stdin).await;
            std::future::pending::<Ended>().await
        };
        let heard = async {
            while let Some(said) = ears.next().await {
                if let Err(ended) = self.hear(said, reader, outcome, muttered).await {
                    return ended;
                }
            }
            match self.shared.engine.wait(self.name).await {
                Ok(()) => Ended::Finished,
                Err(trouble) => self.failed("could not wait for a container", &trouble),
            }
        };
        tokio::select! {
            ended = told => ended,
            ended = heard => ended,
        }
    }

    async fn hear(
        &self,
        said: Said,
        reader: &mut Reader,
        outcome: &mut Outcome,
        muttered: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        let limits = &self.prepared.spec.limits;
        match said {
            Said::Out(bytes) => {
                outcome.usage.stdout += bytes.len() as u64;
                if outcome.usage.stdout > limits.stdout {
                    return Err(Ended::Limit(Resource::Stdout));
                }
                let before = outcome.lines.len();
                reader.feed(&bytes, &mut outcome.lines).map_err(Ended::Limit)?;
                tell(self.call, &outcome.lines[before..]).await;
            }
            Said::Aside(bytes) => {
                outcome.usage.stderr += bytes.len() as u64;
                let room = usize::try_from(limits.stderr).unwrap_or(usize::MAX).saturating_sub(muttered.len());
                muttered.extend_from_slice(&bytes[..room.min(bytes.len())]);
                outcome.stderr = String::from_utf8_lossy(muttered).into_owned();
                if outcome.usage.stderr > limits.stderr {
                    return Err(Ended::Limit(Resource::Stderr));
                }
            }
        }
        Ok(())
    }
}

/// Looks what it uses until that is too much; the rest of its bounds the kernel keeps.
async fn watch(shared: &Shared, name: &str, (bound, every): (Duration, Duration), used: &Mutex<Uses>) -> Ended {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // One that is just ending cannot be looked at.
        let Ok(uses) = shared.engine.uses(name).await else { continue };
        let mut used = used.lock();
        used.processors = used.processors.max(uses.processors);
        used.memory = used.memory.max(uses.memory);
        used.processes = used.processes.max(uses.processes);
        if used.processors > bound {
            return Ended::Limit(Resource::Cpu);
        }
    }
}

/// Sees to it that nothing of it is left, and says how it ended.
async fn finish(shared: &Shared, name: &str, ended: Ended) -> End {
    if ended != Ended::Finished && shared.engine.kill(name).await.is_ok() {
        let _ = timeout(SETTLE, shared.engine.wait(name)).await;
    }
    let end = if ended == Ended::Failed { End::default() } else { shared.engine.end(name).await.unwrap_or_default() };
    shared.remove(name).await;
    end
}

pub(super) fn exit(code: i64) -> Exit {
    match code - SIGNALLED {
        signal @ 1..=SIGNALS => Exit::Signal(i32::try_from(signal).unwrap_or(SIGKILL)),
        _ => Exit::Code(i32::try_from(code).unwrap_or(i32::MAX)),
    }
}

/// What came of it.
fn conclude(
    shared: &Shared,
    prepared: &Prepared,
    end: End,
    trouble: Option<Failure>,
    reader: Reader,
    outcome: &mut Outcome,
) {
    let exit = end.code.map(exit);
    outcome.effects.exit = exit;
    if outcome.ended == Ended::Finished {
        let bound = plan::bounds(shared, &prepared.spec).processor;
        outcome.ended = match exit {
            // What it did after one of its processes was ended for its memory is not what it would have done.
            Some(_) if end.starved => Ended::Limit(Resource::Memory),
            // The kernel's own bound is coarser than the watcher, and its number says nothing.
            Some(Exit::Signal(SIGKILL)) if outcome.usage.cpu >= bound.mul_f32(0.9) => Ended::Limit(Resource::Cpu),
            Some(_) => Ended::Finished,
            None => Ended::Failed,
        };
    }
    outcome.answer = match (outcome.ended, exit) {
        (Ended::Finished, Some(exit)) => reader.finish(exit, &mut outcome.lines),
        (Ended::Failed, _) => {
            let lost = || Failure::new(Class::Unavailable, "the container was taken away from outside");
            Err(trouble.unwrap_or_else(lost))
        }
        (ended, _) => Err(failure_of(ended).unwrap_or_else(|| Failure::new(Class::Internal, "it ended in no way"))),
    };
}
