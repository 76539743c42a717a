//! Which system calls there are in a jail: a list of what is allowed, since what is not on it cannot be forgotten.
//!
//! The list is that of ordinary programs. Left out is what changes the machine, the namespaces or other processes, what
//! holds memory that no limit counts, and what has been a way into the kernel time and again and that tools do without:
//! `ptrace`, `bpf`, `io_uring`, `userfaultfd`, `keyctl`, `perf_event_open`, `memfd_create`, System V memory, `mount` and
//! the rest. Everything else fails with EPERM, as in a container.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition as When, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::During;

macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

/// Allowed whatever the arguments are, on every architecture.
const ALLOWED: &[c_long] = calls! {
    SYS_accept SYS_accept4 SYS_bind SYS_brk SYS_capget SYS_chdir SYS_clock_getres SYS_clock_gettime SYS_clock_nanosleep
    SYS_close SYS_close_range SYS_connect SYS_copy_file_range SYS_dup SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl
    SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_faccessat
    SYS_faccessat2 SYS_fadvise64 SYS_fallocate SYS_fchdir SYS_fchown SYS_fchownat SYS_fcntl
    SYS_fdatasync SYS_fgetxattr SYS_flistxattr SYS_flock SYS_fremovexattr SYS_fsetxattr SYS_fstat SYS_fstatfs SYS_fsync
    SYS_ftruncate SYS_futex SYS_futex_waitv SYS_getcpu SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid
    SYS_getgroups SYS_getitimer SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom
    SYS_getresgid SYS_getresuid SYS_getrlimit SYS_get_robust_list SYS_getrusage SYS_getsid SYS_getsockname
    SYS_getsockopt SYS_gettid SYS_gettimeofday SYS_getuid SYS_getxattr SYS_inotify_add_watch SYS_inotify_init1
    SYS_inotify_rm_watch SYS_kill SYS_lgetxattr SYS_linkat SYS_listen SYS_listxattr SYS_llistxattr SYS_lremovexattr
    SYS_lseek SYS_lsetxattr SYS_madvise SYS_membarrier SYS_mincore SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap
    SYS_mprotect SYS_mremap SYS_msync SYS_munlock SYS_munlockall SYS_munmap SYS_nanosleep SYS_newfstatat
    SYS_pidfd_open SYS_pidfd_send_signal SYS_pipe2 SYS_ppoll SYS_prctl SYS_pread64 SYS_preadv SYS_preadv2
    SYS_pselect6 SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_read SYS_readahead SYS_readlinkat SYS_readv SYS_recvfrom
    SYS_recvmmsg SYS_recvmsg SYS_removexattr SYS_renameat SYS_renameat2 SYS_restart_syscall SYS_rseq SYS_rt_sigaction
    SYS_rt_sigpending SYS_rt_sigprocmask SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait
    SYS_rt_tgsigqueueinfo SYS_sched_getaffinity SYS_sched_getattr SYS_sched_getparam SYS_sched_get_priority_max
    SYS_sched_get_priority_min SYS_sched_getscheduler SYS_sched_yield SYS_sendfile SYS_sendmmsg SYS_sendmsg SYS_sendto
    SYS_setfsgid SYS_setfsuid SYS_setgid SYS_setgroups SYS_setitimer SYS_setpgid SYS_setregid SYS_setresgid SYS_setresuid
    SYS_setreuid SYS_setrlimit SYS_set_robust_list SYS_setsid SYS_setsockopt SYS_set_tid_address SYS_setuid SYS_setxattr
    SYS_shutdown SYS_sigaltstack SYS_signalfd4 SYS_splice SYS_statfs SYS_statx SYS_symlinkat SYS_sync_file_range
    SYS_sysinfo SYS_tee SYS_tgkill SYS_timer_create SYS_timer_delete SYS_timerfd_create SYS_timerfd_gettime
    SYS_timerfd_settime SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime SYS_times SYS_tkill SYS_truncate
    SYS_umask SYS_uname SYS_unlinkat SYS_utimensat SYS_vmsplice SYS_wait4 SYS_waitid SYS_write SYS_writev
};

/// The older forms that only this architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = calls! {
    SYS_access SYS_alarm SYS_arch_prctl SYS_chown SYS_dup2 SYS_epoll_create SYS_epoll_wait
    SYS_eventfd SYS_fork SYS_futimesat SYS_getdents SYS_getpgrp SYS_inotify_init SYS_lchown SYS_link SYS_lstat
    SYS_pause SYS_pipe SYS_poll SYS_readlink SYS_rename SYS_rmdir SYS_select SYS_signalfd SYS_stat SYS_symlink
    SYS_time SYS_unlink SYS_utime SYS_utimes SYS_vfork
};
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// Their arguments are behind a pointer, where no filter sees them. Who hears that they do not exist uses the older ones.
const HIDDEN: &[c_long] = calls! { SYS_clone3 SYS_openat2 SYS_fchmodat2 };

/// The warden, as everybody in a jail sees it.
const WARDEN: u64 = 1;

fn when(argument: u8, length: Length, is: Is, value: u64) -> Result<When, seccompiler::BackendError> {
    When::new(argument, length, is, value)
}

/// Allowed with some arguments: every row is one way, and all conditions of a row must hold.
fn conditional() -> Result<Vec<(c_long, Vec<When>)>, seccompiler::BackendError> {
    let word = |argument, is, value: i64| when(argument, Length::Dword, is, u64::from(value as u32));
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    let no_namespace = when(0, Length::Qword, Is::MaskedEq(u64::from(namespaces as u32)), 0)?;
    let local =
        |call| -> Result<_, seccompiler::BackendError> { Ok((call, vec![word(0, Is::Eq, i64::from(libc::AF_UNIX))?])) };
    // A terminal takes keys from whoever may push them, and the host may have one.
    let keys = vec![
        word(1, Is::Ne, libc::TIOCSTI as i64)?,
        word(1, Is::Ne, libc::TIOCLINUX as i64)?,
        word(1, Is::Ne, libc::TIOCSCTTY as i64)?,
    ];
    let not_warden =
        |call| -> Result<_, seccompiler::BackendError> { Ok((call, vec![word(0, Is::Ne, WARDEN as i64)?])) };
    let own_process = vec![word(0, Is::Eq, i64::from(libc::PRIO_PROCESS))?, word(1, Is::Ne, WARDEN as i64)?];
    // What Linux is called, and no change of the layout of memory.
    let personas = [0_i64, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];
    let mut rows = files()?;
    rows.extend([
        (libc::SYS_clone, vec![no_namespace]),
        local(libc::SYS_socket)?,
        local(libc::SYS_socketpair)?,
        (libc::SYS_ioctl, keys),
        not_warden(libc::SYS_prlimit64)?,
        not_warden(libc::SYS_sched_setaffinity)?,
        not_warden(libc::SYS_sched_setattr)?,
        not_warden(libc::SYS_sched_setparam)?,
        not_warden(libc::SYS_sched_setscheduler)?,
        (libc::SYS_setpriority, own_process),
    ]);
    for persona in personas {
        rows.push((libc::SYS_personality, vec![word(0, Is::Eq, persona)?]));
    }
    Ok(rows)
}

/// Making files, but none that runs with its owner's rights: in a granted tree its owner is somebody of the host. Opening
/// says with which mode only if it makes one; `openat2` says so behind a pointer and is not there.
fn files() -> Result<Vec<(c_long, Vec<When>)>, seccompiler::BackendError> {
    let plain = |argument| when(argument, Length::Dword, Is::MaskedEq(0o6000), 0);
    let makes = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;
    let found = |argument| when(argument, Length::Dword, Is::MaskedEq(makes), 0);
    let rows = vec![
        (libc::SYS_fchmod, vec![plain(1)?]),
        (libc::SYS_fchmodat, vec![plain(2)?]),
        (libc::SYS_mkdirat, vec![plain(2)?]),
        (libc::SYS_mknodat, vec![plain(2)?]),
        (libc::SYS_openat, vec![plain(3)?]),
        (libc::SYS_openat, vec![found(2)?]),
    ];
    #[cfg(target_arch = "x86_64")]
    let older = vec![
        (libc::SYS_chmod, vec![plain(1)?]),
        (libc::SYS_creat, vec![plain(1)?]),
        (libc::SYS_mkdir, vec![plain(1)?]),
        (libc::SYS_mknod, vec![plain(1)?]),
        (libc::SYS_open, vec![plain(2)?]),
        (libc::SYS_open, vec![found(1)?]),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let older = Vec::new();
    Ok(rows.into_iter().chain(older).collect())
}

fn programs() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in ALLOWED.iter().chain(OLDER).chain(HIDDEN) {
        rules.insert(*call, Vec::new());
    }
    for (call, conditions) in conditional()? {
        rules.entry(call).or_default().push(SeccompRule::new(conditions)?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let allowed = SeccompFilter::new(rules, refuse, SeccompAction::Allow, target)?;
    let hidden = HIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let hidden = SeccompFilter::new(hidden, SeccompAction::Allow, absent, target)?;
    Ok([allowed.try_into()?, hidden.try_into()?])
}

/// Puts up the filter around this process and everything it will start.
pub(super) fn put_up() -> Result<(), String> {
    let [allowed, hidden] = programs().during(|| "write the list of system calls".to_owned())?;
    let apply = || {
        apply_filter(&hidden)?;
        apply_filter(&allowed)
    };
    apply().during(|| "put up the list of system calls".to_owned())
}
