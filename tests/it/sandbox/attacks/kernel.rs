//! Attacks on the kernel's own calls: whether they are there at all.
//!
//! Numbers are those of x86-64. A call that fails for its arguments was there; EPERM and ENOSYS say that it was not.

use syzygy::sandbox::{Ended, Exit};

use super::{Attack, Bites, Held, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "mount",
        r#"
os.makedirs('m', exist_ok=True)
got = libc.mount(b'tmpfs', b'm', b'tmpfs', 0, None)
if got == 0: libc.umount2(b'm', 2)
broke('mounted' if got == 0 else None)
"#,
    )
    .bites(Bites::Root),
    attack(
        "the root made writable",
        r#"
got = [path for path in [b'/', b'/usr', b'/inputs', b'/granted/tree'] if libc.mount(None, path, None, 0x20 | 0x1000, None) == 0]
got += [path for path in [b'/proc', b'/tmp', b'/usr'] if libc.umount2(path, 0x8 | 0x2) == 0]
broke([str(path) for path in got])
"#,
    )
    .bites(Bites::Untried),
    attack(
        "namespaces of its own",
        r#"
def unshared(flag):
    child = os.fork()
    if child == 0: os._exit(0 if libc.unshare(flag) == 0 else 1)
    return hex(flag) if os.waitpid(child, 0)[1] == 0 else None
tries(*[lambda flag=flag: unshared(flag) for flag in [0x10000000, 0x20000, 0x20000000, 0x40000000, 0x10020000]])
"#,
    )
    .bites(Bites::Root),
    attack(
        "namespaces of its own by clone",
        r#"
def cloned(number, *arguments):
    got = call(number, *arguments)
    if got == 0: os._exit(0)
    if got > 0:
        os.waitpid(got, 0)
        return number
flags = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17, 0, 0, 0)
tries(lambda: cloned(56, 0x10000000 | 17, 0, 0, 0, 0), lambda: cloned(435, ctypes.byref(flags), 64))
"#,
    )
    .bites(Bites::Root),
    attack(
        "another root",
        r#"
child = os.fork()
if child == 0:
    try:
        os.chroot('.')
        os._exit(0)
    except OSError:
        os._exit(1)
broke('chroot' if os.waitpid(child, 0)[1] == 0 else None)
"#,
    )
    .bites(Bites::Root),
    attack(
        "calls that no tool needs",
        r#"
rows = {'bpf': (321, 99, 0, 0), 'keyctl': (250, 99, 0, 0), 'add_key': (248, 0, 0, 0), 'request_key': (249, 0, 0, 0),
        'perf_event_open': (298, 0, 0, 0, 0, 0), 'io_uring_setup': (425, 1, 0), 'userfaultfd': (323, -1),
        'fanotify_init': (300, -1, 0), 'open_by_handle_at': (304, -1, 0, 0), 'name_to_handle_at': (303, -1, 0, 0, 0, 0),
        'process_vm_readv': (310, 0, 0, 0, 0, 0, -1), 'kcmp': (312, 0, 0, 99, 0, 0), 'pidfd_getfd': (438, -1, 0, 0),
        'setns': (308, -1, 0), 'memfd_secret': (447, -1), 'shmget': (29, 0, 0, 0), 'msgget': (68, 0, 0), 'semget': (64, 0, 0, 0),
        'mq_open': (240, 0, 0, 0, 0), 'lookup_dcookie': (212, 0, 0, 0), 'quotactl': (179, -1, 0, 0, 0), 'ustat': (136, 0, 0),
        'acct': (163, -1), 'syslog': (103, 10, 0, 0), 'move_pages': (279, 0, 0, 0, 0, 0, -1)}
present = []
for name, (number, *arguments) in rows.items():
    got = call(number, *arguments)
    if -got not in (errno.EPERM, errno.ENOSYS): present.append(f'{name} {got}')
broke(present)
"#,
    ),
    attack(
        "modules of the kernel and the end of the machine",
        r#"
# The kernel looks who asks before it looks at the magic numbers, which are wrong.
rows = {'reboot': (169, 1, 2, 3, 0), 'swapon': (167, 0, 0), 'sethostname': (170, 0, -1), 'settimeofday': (164, 1, 0),
        'clock_settime': (227, 99, 0), 'init_module': (175, 0, 0, 0), 'finit_module': (313, -1, 0, 0),
        'delete_module': (176, b'syzygy-attack', 0o4000), 'kexec_load': (246, 0, 0, 0, -1)}
broke([name for name, (number, *arguments) in rows.items() if -call(number, *arguments) not in (errno.EPERM, errno.ENOSYS)])
"#,
    )
    .bites(Bites::Root),
    attack(
        "programs of another's rights",
        r#"
status = open('/proc/self/status').read()
value = lambda name: status.split(name + ':')[1].split()[0]
found = [name for name in ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb', 'CapInh'] if int(value(name), 16)]
if value('NoNewPrivs') != '1': found.append('NoNewPrivs')
if value('Seccomp') != '2': found.append('Seccomp')
def root():
    os.setuid(0)
    return 'root'
try: found.append(root())
except OSError: pass
broke(found)
"#,
    ),
    attack(
        "keys pushed into a terminal",
        r#"
found = []
for fd in [0, 1, 2]:
    for number in [0x5412, 0x541c, 0x540e]:
        got = call(16, fd, number, ctypes.c_char_p(b'x'))
        if -got != errno.EPERM: found.append(f'{number:#x} on {fd}: {got}')
try:
    os.close(os.open('/dev/tty', os.O_RDWR))
    found.append('/dev/tty')
except OSError: pass
broke(found)
"#,
    ),
    attack(
        "a layout of memory that is known",
        r#"
got = call(135, 0x0040000)
broke(str(got) if got >= 0 else None)
"#,
    ),
    attack(
        "calls by their other numbers",
        "broke([number for number in [0x40000000 | 101, 0x40000000 | 321, 1 << 20] if call(number, 0, 0, 0, 0) >= 0])",
    )
    // Where there is no filter for such numbers, whoever uses one is ended.
    .held(Held::When(|outcome| {
        let ended = outcome.effects.exit == Some(Exit::Signal(31)) && outcome.answer.is_err();
        ended || (outcome.ended == Ended::Finished && outcome.answer == Ok(serde_json::Value::Null))
    }))
    .bites(Bites::Untried),
];
