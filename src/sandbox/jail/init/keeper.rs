//! The process outside the jail: makes the namespaces, starts the warden in them, and ends it.
//!
//! It outlives the warden to be able to say that the jail is empty: the kernel lets a pid namespace's first process go
//! only after every other process of it, so who has waited for the warden knows.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Gid, Uid};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, geteuid, pidfd_open, pidfd_send_signal,
    set_dumpable_behavior, setsid, umask, waitpid,
};
use rustix::thread::{
    CapabilitySet, UnshareFlags, capabilities, configure_capability_in_ambient_set, set_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::super::plan::{Plan, Report, receive, send};
use super::{During, SELF, WARDEN, root};

/// What the warden needs to finish the jail; it drops both before the tool begins.
const WARDENS: [CapabilitySet; 2] = [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP];

/// The user and group that the tool sees itself as.
pub(super) const INSIDE: u32 = 1000;

/// Lives as long as the jail.
pub(super) fn keep(host: &mut UnixStream) -> Result<Report, String> {
    // What the host inherited from whoever started it is nobody's in here.
    close_fds::set_fds_cloexec(3, &[]);
    setsid().during(|| "leave the terminal".to_owned())?;
    umask(rustix::fs::Mode::from_raw_mode(0o022));
    let plan: Plan = receive(host).during(|| "read the plan".to_owned())?;
    enter(&plan)?;
    let (mut ours, theirs) = UnixStream::pair().during(|| "make a socket".to_owned())?;
    let warden = Command::new(SELF)
        .arg(WARDEN)
        .env_clear()
        // Our program's allocator sets a gigabyte aside, and what is set aside counts against the tool's first limits.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .during(|| "start the warden".to_owned())?;
    let id = i32::try_from(warden.id()).ok().and_then(Pid::from_raw);
    let id = id.ok_or_else(|| "could not start the warden: it has no id".to_owned())?;
    let handle = pidfd_open(id, PidfdFlags::empty()).during(|| "hold the warden".to_owned())?;
    // A warden that is killed before it read everything: its end is seen below.
    let sent = send(&mut ours, &plan);
    let ended = if sent.is_ok() { outlive(host, &handle) } else { Ok(()) };
    // Nothing may be left, whatever went wrong; a signal to who has ended reaches nobody.
    let _ = pidfd_send_signal(&handle, Signal::KILL);
    let waited = waitpid(Some(id), WaitOptions::empty());
    ended?;
    waited.during(|| "wait for the warden".to_owned())?;
    let mut report = Vec::new();
    let read = ours.read_to_end(&mut report);
    let report = read.and_then(|_| receive(&mut report.as_slice()));
    Ok(report.unwrap_or_default())
}

/// Waits until the warden ends by itself, or the host says anything or is gone.
fn outlive(host: &UnixStream, warden: &OwnedFd) -> Result<(), String> {
    let mut fds = [PollFd::new(host, PollFlags::IN), PollFd::new(warden, PollFlags::IN)];
    loop {
        match poll(&mut fds, None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(cause) => return Err(format!("could not wait: {cause}")),
        }
    }
}

/// Makes the namespaces and what is seen in them. Root builds the jail as root, so that it finds what only root finds,
/// and then stops being root; anybody else becomes root of a user namespace first.
fn enter(plan: &Plan) -> Result<(), String> {
    let rest = UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if geteuid().is_root() {
        unshare(UnshareFlags::NEWNS, "mount namespace")?;
        root::build(plan, plan.user)?;
        become_user(plan.user)?;
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS | rest, "user namespace")?;
        map(plan.user, plan.user)?;
    } else {
        let (user, group) = (geteuid().as_raw(), rustix::process::getegid().as_raw());
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS, "user namespace")?;
        map(user, group)?;
        root::build(plan, INSIDE)?;
        unshare(rest, "pid, net, ipc, uts and cgroup namespaces")?;
    }
    hand_down()
}

#[expect(deprecated, reason = "its successor is unsafe for one flag that is not used here, and nothing else runs yet")]
fn unshare(flags: UnshareFlags, what: &str) -> Result<(), String> {
    rustix::thread::unshare(flags).during(|| format!("make a {what}"))
}

fn become_user(user: u32) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    let become_them = || {
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        // Who changed its user may not write its own maps, unless it says that it may be looked at.
        set_dumpable_behavior(DumpableBehavior::Dumpable)
    };
    become_them().during(|| format!("become user {user}"))
}

fn map(user: u32, group: u32) -> Result<(), String> {
    let write = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text).during(|| format!("write {file}"))
    };
    // A kernel that lets groups be given up lets files be read that a group is kept from.
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{INSIDE} {user} 1"))?;
    write("gid_map", format!("{INSIDE} {group} 1"))
}

/// Hands the warden what it needs: who is not root loses everything with the next program otherwise.
fn hand_down() -> Result<(), String> {
    let hand = || {
        let mut sets = capabilities(None)?;
        sets.inheritable = WARDENS.into_iter().fold(CapabilitySet::empty(), |all, one| all | one);
        set_capabilities(None, sets)?;
        WARDENS.into_iter().try_for_each(|one| configure_capability_in_ambient_set(one, true))
    };
    hand().during(|| "hand capabilities down".to_owned())
}
