//! Process 1 of a jail: finishes it, starts the tool in it, watches, and ends everything.

use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource as Rlimit, Signal, WaitOptions, WaitStatus, getrlimit,
    kill_process_group, pidfd_open, prlimit, set_dumpable_behavior, set_parent_process_death_signal,
    setpriority_process, setrlimit, wait,
};
use rustix::thread::{
    CapabilitySet, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::super::plan::{Bounds, Plan, Report, receive};
use super::watch::{self, Look};
use super::{During, fence, filter, root};
use crate::sandbox::outcome::Exit;
use crate::sandbox::spec::Resource;

/// Time between two looks at what the tool uses. Memory is filled at a few gigabytes a second at the most, so a limit is
/// passed by some ten megabytes; a look takes some ten microseconds a process.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How much later than the host the tool gets a processor: the watcher must come to its turn.
const NICENESS: i32 = 5;

/// What the warden may need of memory of its own beside what it has: a stack for the tool's first moment, and its records.
const WARDEN_BYTES: u64 = 16 << 20;

/// Capabilities have had numbers up to 40 for years; the kernel says which are beyond.
const CAPABILITIES: u32 = 63;

/// Lives as long as the tool, and a moment longer.
pub(super) fn guard(keeper: &mut UnixStream) -> Result<Report, String> {
    set_parent_process_death_signal(Some(Signal::KILL)).during(|| "die with the keeper".to_owned())?;
    let plan: Plan = receive(keeper).during(|| "read the plan".to_owned())?;
    if plan.wrapped {
        close_fds::set_fds_cloexec(3, &[]);
        root::inspect(&plan)?;
    } else {
        rustix::system::sethostname(b"jail").during(|| "name the jail".to_owned())?;
        root::enter()?;
    }
    let stdin = input(plan.stdin.as_bytes())?;
    limit(&plan.bounds)?;
    let landlock = give_up_everything(&plan)?;
    let tool = match spawn(command(&plan, stdin), &plan.bounds)? {
        Ok(tool) => tool,
        Err(cause) => {
            let unstarted = Some(format!("could not start {}: {cause}", plan.command[0]));
            return Ok(Report { unstarted, landlock, ..Report::default() });
        }
    };
    let id = i32::try_from(tool.id()).ok().and_then(Pid::from_raw).ok_or_else(|| "the tool has no id".to_owned())?;
    limit_tool(id, &plan.bounds)?;
    let mut report = watch_over(id, &plan, keeper)?;
    report.landlock = landlock;
    Ok(report)
}

/// What the tool reads, as a file that nobody can change.
fn input(bytes: &[u8]) -> Result<OwnedFd, String> {
    let make = || {
        let mut file = std::fs::File::from(memfd_create("stdin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.write_all(bytes)?;
        file.rewind()?;
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        std::io::Result::Ok(OwnedFd::from(file))
    };
    make().during(|| "hold the input".to_owned())
}

fn exactly(most: u64) -> rustix::process::Rlimit {
    rustix::process::Rlimit { current: Some(most), maximum: Some(most) }
}

/// Limits that may hold for the warden too.
fn limit(bounds: &Bounds) -> Result<(), String> {
    let limits = [
        (Rlimit::Core, 0),
        (Rlimit::Fsize, bounds.disk),
        (Rlimit::Memlock, 64 << 10),
        (Rlimit::Msgqueue, 0),
        (Rlimit::Nice, 0),
        (Rlimit::Nofile, u64::from(bounds.open_files)),
        // The keeper and the warden are in the same user namespace, and count.
        (Rlimit::Nproc, u64::from(bounds.processes) + 2),
        (Rlimit::Rtprio, 0),
        (Rlimit::Sigpending, 1_024),
    ];
    limits.into_iter().try_for_each(|(which, most)| setrlimit(which, exactly(most))).during(|| "set a limit".to_owned())
}

/// Starts the tool under limits that the warden, a large program, keeps as well. They are made exact when the tool is there
/// ([`limit_tool`]), so that it is never without, however quick it is.
fn spawn(mut command: Command, bounds: &Bounds) -> Result<std::io::Result<Child>, String> {
    let data = bounds.memory.max(own_data().saturating_add(WARDEN_BYTES));
    setrlimit(Rlimit::Data, exactly(data)).during(|| "limit the tool's memory".to_owned())?;
    let own = getrlimit(Rlimit::Cpu);
    let current = own.maximum.map_or(cpu_seconds(bounds), |most| most.min(cpu_seconds(bounds)));
    let meanwhile = rustix::process::Rlimit { current: Some(current), maximum: own.maximum };
    setrlimit(Rlimit::Cpu, meanwhile).during(|| "limit the tool's time on processors".to_owned())?;
    let tool = command.spawn();
    // The warden may have to watch for longer than the tool may run.
    setrlimit(Rlimit::Cpu, own).during(|| "watch for long".to_owned())?;
    Ok(tool)
}

/// Bytes that the kernel counts as this process's data. An allocator may have set aside far more than is in use.
fn own_data() -> u64 {
    // The sixth number is of pages of data and stack.
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(5)?.parse::<u64>().ok()).unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}

/// Seconds after which the kernel ends one process. The watcher is exact; this is for when it does not get a turn beside it.
fn cpu_seconds(bounds: &Bounds) -> u64 {
    bounds.cpu_ms.div_ceil(1_000) + 1
}

/// Makes the limits of the tool exact, which has begun.
fn limit_tool(tool: Pid, bounds: &Bounds) -> Result<(), String> {
    let set = |which, most| match prlimit(Some(tool), which, exactly(most)) {
        // It has ended already.
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(cause) => Err(cause),
    };
    let limit = || {
        set(Rlimit::Data, bounds.memory)?;
        set(Rlimit::Cpu, cpu_seconds(bounds))
    };
    limit().during(|| "limit the tool".to_owned())?;
    // A kindness to the host, and nothing depends on it.
    let _ = setpriority_process(Some(tool), NICENESS);
    Ok(())
}

/// After this nothing can be gained by anybody in here, this process included.
fn give_up_everything(plan: &Plan) -> Result<String, String> {
    set_no_new_privs(true).during(|| "give up new privileges".to_owned())?;
    let give_up = || {
        clear_ambient_capability_set()?;
        for capability in (0..CAPABILITIES).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
            // Beyond the last one the kernel knows nothing to take.
            if capability_is_in_bounding_set(capability).unwrap_or(false) {
                remove_capability_from_bounding_set(capability)?;
            }
        }
        let mut sets = capabilities(None)?;
        sets.effective = CapabilitySet::empty();
        sets.permitted = CapabilitySet::empty();
        sets.inheritable = CapabilitySet::empty();
        set_capabilities(None, sets)
    };
    give_up().during(|| "give up capabilities".to_owned())?;
    // What the warden knows (the plan, the socket) is not the tool's to read.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).during(|| "hide the warden".to_owned())?;
    let landlock = fence::put_up(plan)?;
    filter::put_up()?;
    Ok(landlock)
}

fn command(plan: &Plan, stdin: OwnedFd) -> Command {
    let (name, arguments) = plan.command.split_first().map_or(("", [].as_slice()), |(name, rest)| (name, rest));
    let mut command = Command::new(find(name, plan.environment.get("PATH").map_or("", String::as_str)));
    std::os::unix::process::CommandExt::arg0(&mut command, name);
    command.args(arguments).env_clear().envs(&plan.environment).current_dir(&plan.directory).stdin(Stdio::from(stdin));
    command
}

/// The program by the search path. Not left to the library, which would fork this large process for it.
fn find(name: &str, path: &str) -> String {
    if name.contains('/') {
        return name.to_owned();
    }
    let candidates = path.split(':').filter(|folder| folder.starts_with('/')).map(|folder| format!("{folder}/{name}"));
    // A path that leads nowhere, so that the error is the right one and the library searches nothing.
    candidates.into_iter().find(|path| Path::new(path).is_file()).unwrap_or_else(|| format!("/usr/bin/{name}"))
}

/// Waits for the tool's end, or ends it for a limit or because whoever started this wants it; then ends everything else.
fn watch_over(tool: Pid, plan: &Plan, keeper: &UnixStream) -> Result<Report, String> {
    let handle = pidfd_open(tool, PidfdFlags::empty()).during(|| "hold the tool".to_owned())?;
    let mut report = Report::default();
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK_AGAIN.subsec_nanos()) };
    loop {
        let mut fds = [PollFd::new(&handle, PollFlags::IN), PollFd::new(keeper, PollFlags::IN)];
        // Interrupted is as good as the time being over.
        let ended = poll(&mut fds, Some(&tick)).unwrap_or(0) > 0;
        reap(tool, &mut report);
        if ended || report.exit.is_some() {
            break;
        }
        let mut seen = watch::look();
        report.limit = seen.beyond(&plan.bounds).or_else(|| crowded(plan));
        note(&mut report, &seen);
        if report.limit.is_some() {
            break;
        }
    }
    end_everybody(tool, &mut report);
    report.cpu_ms = report.cpu_ms.max(u64::try_from(watch::ended_cpu().as_millis()).unwrap_or(u64::MAX));
    Ok(report)
}

/// Whether there are too many files, where nobody else keeps count.
fn crowded(plan: &Plan) -> Option<Resource> {
    let found = plan.wrapped.then(|| rustix::fs::statvfs("/work").ok())??;
    (found.f_files.saturating_sub(found.f_ffree) > root::inodes(plan.bounds.disk)).then_some(Resource::Disk)
}

fn note(report: &mut Report, seen: &Look) {
    report.memory_peak = report.memory_peak.max(seen.memory);
    report.processes_peak = report.processes_peak.max(seen.tasks);
    report.cpu_ms = report.cpu_ms.max(u64::try_from(seen.cpu.as_millis()).unwrap_or(u64::MAX));
}

/// Takes leave of those that have ended; a tool's orphans are ours.
fn reap(tool: Pid, report: &mut Report) {
    while let Ok(Some((id, status))) = wait(WaitOptions::NOHANG) {
        if id == tool {
            report.exit = exit(status);
        }
    }
}

/// Kills everybody in the namespace and waits until nobody is left.
fn end_everybody(tool: Pid, report: &mut Report) {
    // Group 1 is how the library writes -1: everybody but the one who says it.
    let _ = kill_process_group(Pid::INIT, Signal::KILL);
    while let Ok(Some((id, status))) = wait(WaitOptions::empty()) {
        if id == tool {
            report.exit = exit(status);
        }
    }
}

fn exit(status: WaitStatus) -> Option<Exit> {
    status.exit_status().map(Exit::Code).or_else(|| status.terminating_signal().map(Exit::Signal))
}
