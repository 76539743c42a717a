//! Which system calls there are for a program in a jail or a container: a list of what is allowed, since what is not on it
//! cannot be forgotten.
//!
//! The list is that of ordinary programs. Left out is what changes the machine, the namespaces or other processes, what
//! holds memory that no limit counts, and what has been a way into the kernel time and again and that tools do without:
//! `ptrace`, `bpf`, `io_uring`, `userfaultfd`, `keyctl`, `perf_event_open`, `memfd_create`, System V memory, `mount` and
//! the rest. Everything else fails with EPERM.

use libc::c_long;

/// A system call, by its name and its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    name: &'static str,
    /// What the kernel knows it by.
    pub(super) number: c_long,
}

impl Call {
    /// Its name as the manual has it.
    pub(super) fn name(&self) -> &'static str {
        self.name.strip_prefix("SYS_").unwrap_or(self.name)
    }
}

macro_rules! call {
    ($name:ident) => {
        Call { name: stringify!($name), number: libc::$name }
    };
}

/// What must be so of an argument.
#[derive(Debug, Clone, Copy)]
pub(super) enum Must {
    /// It is this number, of 32 bits.
    Equal(u32),
    /// Of these bits, none is set.
    Lack(u32),
}

/// Allowed if this holds of the argument with this number.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    /// Which argument, from 0.
    pub(super) argument: u8,
    /// What must be so.
    pub(super) must: Must,
}

const fn when(argument: u8, must: Must) -> When {
    When { argument, must }
}

macro_rules! calls {
    ($($name:ident)*) => { &[$(call!($name)),*] };
}

/// Allowed whatever the arguments are, on every architecture.
pub(super) const ALLOWED: &[Call] = calls! {
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
pub(super) const OLDER: &[Call] = calls! {
    SYS_access SYS_alarm SYS_arch_prctl SYS_chown SYS_dup2 SYS_epoll_create SYS_epoll_wait
    SYS_eventfd SYS_fork SYS_futimesat SYS_getdents SYS_getpgrp SYS_inotify_init SYS_lchown SYS_link SYS_lstat
    SYS_pause SYS_pipe SYS_poll SYS_readlink SYS_rename SYS_rmdir SYS_select SYS_signalfd SYS_stat SYS_symlink
    SYS_time SYS_unlink SYS_utime SYS_utimes SYS_vfork
};
#[cfg(not(target_arch = "x86_64"))]
pub(super) const OLDER: &[Call] = &[];

/// Their arguments are behind a pointer, where no filter sees them. Who hears that they do not exist uses the older ones.
pub(super) const HIDDEN: &[Call] = calls! { SYS_clone3 SYS_openat2 SYS_fchmodat2 };

/// The flags that make a namespace.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// No file runs with its owner's rights: in a granted tree its owner is somebody of the host.
const PLAIN: Must = Must::Lack(0o6000);

/// Opening says with which mode only if it makes a file; `openat2` says so behind a pointer and is not there.
const FOUND: Must = Must::Lack((libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u32);

/// The only family of sockets there is.
const LOCAL: Must = Must::Equal(libc::AF_UNIX as u32);

/// Allowed with some arguments, on every architecture. A call that has several rows is allowed by each.
pub(super) const CONDITIONAL: &[(Call, When)] = &[
    (call!(SYS_clone), when(0, Must::Lack(NAMESPACES))),
    (call!(SYS_fchmod), when(1, PLAIN)),
    (call!(SYS_fchmodat), when(2, PLAIN)),
    (call!(SYS_mkdirat), when(2, PLAIN)),
    (call!(SYS_mknodat), when(2, PLAIN)),
    (call!(SYS_openat), when(3, PLAIN)),
    (call!(SYS_openat), when(2, FOUND)),
    (call!(SYS_socket), when(0, LOCAL)),
    (call!(SYS_socketpair), when(0, LOCAL)),
    // What Linux is called, and no change of the layout of memory.
    (call!(SYS_personality), when(0, Must::Equal(0))),
    (call!(SYS_personality), when(0, Must::Equal(0x0008))),
    (call!(SYS_personality), when(0, Must::Equal(0x2_0000))),
    (call!(SYS_personality), when(0, Must::Equal(0x2_0008))),
    (call!(SYS_personality), when(0, Must::Equal(0xffff_ffff))),
];

/// The older forms of those.
#[cfg(target_arch = "x86_64")]
pub(super) const CONDITIONAL_OLDER: &[(Call, When)] = &[
    (call!(SYS_chmod), when(1, PLAIN)),
    (call!(SYS_creat), when(1, PLAIN)),
    (call!(SYS_mkdir), when(1, PLAIN)),
    (call!(SYS_mknod), when(1, PLAIN)),
    (call!(SYS_open), when(2, PLAIN)),
    (call!(SYS_open), when(1, FOUND)),
];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const CONDITIONAL_OLDER: &[(Call, When)] = &[];
