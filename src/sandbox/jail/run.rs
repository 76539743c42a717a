//! One invocation, as the host sees it: the keeper is started and told the plan, what the tool prints is read, and at
//! the end nothing of it is left.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use super::init::KEEPER;
use super::plan::{Bounds, File, Plan, Report, Tree, encode, receive};
use super::{Jail, wrapped};
use crate::sandbox::fake::tell;
use crate::sandbox::outcome::{Ended, Exit, Failure, Outcome, Usage, failure_of};
use crate::sandbox::protocol::{self, Reader};
use crate::sandbox::running::Place;
use crate::sandbox::spec::{Access, Egress, Program, Resource, Spec};
use crate::sandbox::{Call, Prepared, tree};
use crate::types::{Class, Cx};

/// Time for a jail to be gone after it was told to end. It takes milliseconds; then the keeper is killed, and the jail
/// with it.
const SETTLE: Duration = Duration::from_secs(2);

/// Bytes read at a time: what a pipe holds.
const PIECE: usize = 64 << 10;

/// Bytes of a report at the most: it is a few numbers and sentences.
const REPORT_MAX: u64 = 64 << 10;

/// Signals by which the kernel says that a limit was reached.
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// What every program needs and nobody's secret.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("HOME", "/work"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("TMPDIR", "/tmp"),
    ("TZ", "UTC"),
    ("USER", "tool"),
];

/// A keeper that runs, and what comes from it.
struct Running {
    child: Child,
    control: UnixStream,
    stdout: ChildStdout,
    stderr: ChildStderr,
    /// What came from the keeper so far; kept outside of the future that reads it, which may be dropped.
    report: Vec<u8>,
}

/// Runs it, and says with the outcome what landlock was worth.
pub(super) async fn run(
    jail: &Jail,
    cx: &Cx,
    prepared: &Prepared,
    call: &Call,
    place: &Place,
    began: Instant,
) -> (Outcome, String) {
    let (spec, stdin) = (&*prepared.spec, call.input.to_string());
    let stdin_bytes = stdin.len() as u64;
    if stdin_bytes > spec.limits.stdin {
        let failure = Failure::new(Class::Exhausted, "could not call the tool: its input is too long");
        return (Outcome::nothing(Ended::Refused, failure), String::new());
    }
    let trees: Vec<(String, PathBuf)> =
        writable(spec).map(|grant| (grant.name.clone(), grant.source.clone())).collect();
    let before = look_at(trees.clone(), jail.config.jails.tree_files_max).await;
    let started = plan(jail, prepared, stdin).and_then(|plan| Ok((start(jail, &plan)?, encode(&plan)?)));
    let (mut running, plan) = match started {
        Ok(started) => started,
        Err(cause) => {
            let failure = Failure::new(Class::Unavailable, format!("could not start a jail: {cause}"));
            return (Outcome::nothing(Ended::Failed, failure), String::new());
        }
    };
    let mut outcome = Outcome::nothing(Ended::Finished, Failure::new(Class::Internal, "the tool gave no answer"));
    outcome.usage.stdin = stdin_bytes;
    let mut reader = Reader::new(spec.speech, protocol::Bounds::default());
    outcome.ended = tokio::select! {
        biased;
        ended = place.stop(cx, prepared, began) => ended,
        ended = talk(&mut running, &plan, spec, call, &mut reader, &mut outcome) => ended,
    };
    let report = finish(running, outcome.ended).await;
    let (before_end, landlock) = (outcome.lines.len(), report.landlock.clone());
    conclude(report, reader, &mut outcome);
    if let Some(stream) = &call.stream {
        // The time is over, so nobody is waited for.
        outcome.lines[before_end..].iter().for_each(|line| drop(stream.try_send(line.clone())));
    }
    let after = look_at(trees, jail.config.jails.tree_files_max).await;
    let (written, all) = tree::compare(&before, &after);
    (outcome.effects.written, outcome.effects.written_all) = (written, all);
    (outcome, landlock)
}

fn writable(spec: &Spec) -> impl Iterator<Item = &crate::sandbox::Grant> {
    spec.grants.iter().filter(|grant| grant.access == Access::ReadWrite)
}

async fn look_at(trees: Vec<(String, PathBuf)>, max: usize) -> tree::Listing {
    if trees.is_empty() {
        return tree::Listing::default();
    }
    tokio::task::spawn_blocking(move || tree::list(&trees, max)).await.unwrap_or_default()
}

fn plan(jail: &Jail, prepared: &Prepared, stdin: String) -> std::io::Result<Plan> {
    let (spec, jails) = (&*prepared.spec, &jail.config.jails);
    let Program::Command(command) = &spec.program else { return Err(std::io::Error::other("the tool is no program")) };
    let mut environment: BTreeMap<String, String> =
        ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let egress = match &spec.egress {
        Egress::None => None,
        Egress::Socket(path) => {
            environment.insert("SYZYGY_EGRESS".to_owned(), "/run/syzygy/egress.sock".to_owned());
            Some(path.clone())
        }
    };
    environment.extend(spec.environment.clone());
    let mut files_bytes = 0;
    for input in &spec.inputs {
        // A file takes whole pages.
        files_bytes += std::fs::metadata(&input.source)?.len().next_multiple_of(4_096);
    }
    let files = spec.inputs.iter().map(|input| File {
        name: input.name.clone(),
        source: input.source.clone(),
        hash: input.hash,
        executable: input.executable,
    });
    let trees = spec.grants.iter().zip(prepared.places.iter()).map(|(grant, place)| Tree {
        name: grant.name.clone(),
        source: grant.source.clone(),
        access: grant.access,
        place: *place,
    });
    let limits = &spec.limits;
    let bounds = Bounds {
        cpu_ms: limits.cpu.map_or(jails.processor_s * 1_000, |cpu| u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX)),
        memory: limits.memory.unwrap_or(jails.memory_bytes),
        processes: limits.processes.unwrap_or(jails.processes),
        disk: limits.disk.unwrap_or(jails.disk_bytes),
        open_files: limits.open_files.unwrap_or(jails.open_files),
    };
    Ok(Plan {
        command: command.clone(),
        environment,
        directory: spec.directory.clone().unwrap_or_else(|| "/work".to_owned()),
        stdin,
        system: jails.system.clone(),
        files: files.collect(),
        files_bytes,
        trees: trees.collect(),
        egress,
        user: prepared.user,
        wrapped: jail.wrapper.is_some(),
        bounds,
    })
}

fn start(jail: &Jail, plan: &Plan) -> std::io::Result<Running> {
    let (ours, theirs) = Pair::pair()?;
    ours.set_nonblocking(true)?;
    let control = UnixStream::from_std(ours)?;
    let mut command = match &jail.wrapper {
        None => {
            let mut command = Command::new(&jail.config.program);
            command.arg(KEEPER);
            command
        }
        Some(wrapper) => {
            let mut command = Command::new(wrapper);
            command.args(wrapped::arguments(plan, &std::fs::canonicalize(&jail.config.program)?));
            command
        }
    };
    let mut child = command
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (Some(stdout), Some(stderr)) = (stdout, stderr) else { return Err(std::io::Error::other("it has no output")) };
    Ok(Running { child, control, stdout, stderr, report: Vec::new() })
}

/// Until the keeper has nothing more to say, or the tool has said too much.
async fn talk(
    running: &mut Running,
    plan: &[u8],
    spec: &Spec,
    call: &Call,
    reader: &mut Reader,
    outcome: &mut Outcome,
) -> Ended {
    let Running { control, stdout, stderr, report, .. } = running;
    let Outcome { lines, stderr: aside, usage: Usage { stdout: printed, stderr: muttered, .. }, .. } = outcome;
    let heard = async {
        let mut piece = vec![0; PIECE];
        while let Some(bytes) = next(stdout, &mut piece).await {
            *printed += bytes.len() as u64;
            if *printed > spec.limits.stdout {
                return Err(Ended::Limit(Resource::Stdout));
            }
            let before = lines.len();
            reader.feed(bytes, lines).map_err(Ended::Limit)?;
            tell(call, &lines[before..]).await;
        }
        Ok(())
    };
    let overheard = async {
        let (mut piece, mut all) = (vec![0; PIECE], Vec::new());
        while let Some(bytes) = next(stderr, &mut piece).await {
            *muttered += bytes.len() as u64;
            let room = usize::try_from(spec.limits.stderr).unwrap_or(usize::MAX).saturating_sub(all.len());
            all.extend_from_slice(&bytes[..room.min(bytes.len())]);
            *aside = String::from_utf8_lossy(&all).into_owned();
            if *muttered > spec.limits.stderr {
                return Err(Ended::Limit(Resource::Stderr));
            }
        }
        Ok(())
    };
    let told = async {
        let (mut from, mut to) = control.split();
        // A keeper that could not read it says so.
        let _ = to.write_all(plan).await;
        let mut from = (&mut from).take(REPORT_MAX);
        while from.read_buf(report).await.is_ok_and(|bytes| bytes > 0) {}
        Ok(())
    };
    match futures::try_join!(heard, overheard, told) {
        Ok(_) => Ended::Finished,
        Err(ended) => ended,
    }
}

/// The next bytes; nothing at the end, and a pipe that breaks is one.
async fn next<'a>(from: &mut (impl AsyncRead + Unpin), piece: &'a mut [u8]) -> Option<&'a [u8]> {
    let bytes = from.read(piece).await.ok().filter(|bytes| *bytes > 0)?;
    Some(&piece[..bytes])
}

/// Sees to it that nothing is left, and returns what the keeper says of it.
async fn finish(running: Running, ended: Ended) -> Report {
    let Running { mut child, mut control, mut report, stdout, stderr } = running;
    // Whoever still writes hears that nobody reads.
    drop((stdout, stderr));
    let settled = async {
        if ended != Ended::Finished {
            // Anything at all means: end it. One that has ended already hears nothing.
            let _ = control.write_all(b"end").await;
            let mut rest = (&mut control).take(REPORT_MAX);
            while rest.read_buf(&mut report).await.is_ok_and(|bytes| bytes > 0) {}
        }
        let _ = child.wait().await;
    };
    if timeout(SETTLE, settled).await.is_err() {
        // The warden dies with it.
        let _ = child.start_kill();
        let _ = child.wait().await;
        return Report::trouble("the jail did not end when it was told to, and was killed");
    }
    receive(&mut report.as_slice()).unwrap_or_else(|_| Report::trouble("the keeper of the jail ended without a word"))
}

/// What came of it.
fn conclude(report: Report, reader: Reader, outcome: &mut Outcome) {
    outcome.effects.exit = report.exit;
    outcome.usage.cpu = Duration::from_millis(report.cpu_ms);
    outcome.usage.memory_peak = report.memory_peak;
    outcome.usage.processes_peak = report.processes_peak;
    if outcome.ended == Ended::Finished {
        outcome.ended = match (&report, report.limit, report.exit) {
            (_, Some(limit), _) => Ended::Limit(limit),
            (_, _, Some(Exit::Signal(SIGXCPU))) => Ended::Limit(Resource::Cpu),
            (_, _, Some(Exit::Signal(SIGXFSZ))) => Ended::Limit(Resource::Disk),
            (_, _, Some(_)) => Ended::Finished,
            (_, _, None) => Ended::Failed,
        };
    }
    let trouble = report.trouble.map(|text| Failure::new(Class::Unavailable, text));
    let unstarted = report.unstarted.map(|text| Failure::new(Class::NotFound, text));
    outcome.answer = match (outcome.ended, report.exit) {
        (Ended::Finished, Some(exit)) => reader.finish(exit, &mut outcome.lines),
        (Ended::Failed, _) => {
            let lost = || Failure::new(Class::Unavailable, "the jail was killed from outside");
            Err(trouble.or(unstarted).unwrap_or_else(lost))
        }
        (ended, _) => Err(failure_of(ended).unwrap_or_else(|| Failure::new(Class::Internal, "it ended in no way"))),
    };
}
