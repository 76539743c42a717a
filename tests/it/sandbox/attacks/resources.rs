//! Attacks on what there is only so much of: processors, memory, disk, processes, time.

use std::time::Duration;

use syzygy::sandbox::{Ended, Resource};

use super::{Attack, Bites, Held, MEMORY, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "fork bomb",
        r#"
r, w = os.pipe()
count = 0
for _ in range(300):
    try:
        if os.fork() == 0:
            os.close(w)
            os.read(r, 1)
            os._exit(0)
        count += 1
    except OSError:
        break
broke(count if count > 64 else None)
"#,
    ),
    attack(
        "thread bomb",
        r#"
import threading
gate, count = threading.Event(), 0
for _ in range(300):
    try:
        threading.Thread(target=gate.wait, daemon=True).start()
        count += 1
    except RuntimeError:
        break
gate.set()
broke(count if count > 64 else None)
"#,
    )
    .held(Held::EndedOr(MEMORY)),
    attack(
        "memory bomb",
        r#"
kept = []
try:
    for _ in range(40):
        kept.append(bytearray(b'x') * (10 << 20))
except MemoryError:
    broke(None)
broke(len(kept))
"#,
    )
    .held(Held::EndedOr(MEMORY)),
    attack(
        "memory bomb of many",
        r#"
children = []
for _ in range(8):
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kept = bytearray(b'x') * (40 << 20)
            os.write(w, b'1')
            time.sleep(2)
        finally:
            os._exit(0)
    os.close(w)
    children.append((child, r))
got = sum(len(os.read(r, 1)) for _, r in children)
broke(got if got == 8 else None)
"#,
    )
    .held(Held::EndedOr(MEMORY)),
    attack(
        "shared memory bomb",
        r#"
import mmap
kept = []
for _ in range(20):
    part = mmap.mmap(-1, 20 << 20)
    for at in range(0, 20 << 20, 4096):
        part[at] = 1
    kept.append(part)
broke(len(kept))
"#,
    )
    .held(Held::EndedOr(MEMORY)),
    attack(
        "memory in files without a name",
        r#"
fd = os.memfd_create('x')
for _ in range(20):
    os.write(fd, b'x' * (10 << 20))
broke(os.fstat(fd).st_size)
"#,
    )
    .held(Held::When(|outcome| outcome.answer.is_err() && outcome.stderr.contains("Operation not permitted"))),
    attack(
        "memory of System V",
        r#"
got = call(29, 0, 200 << 20, 0o1600)
if got >= 0:
    call(31, got, 0, None)
broke(str(got) if got >= 0 else None)
"#,
    ),
    attack("stdout flood", "for _ in range(32): os.write(1, b'x' * (1 << 20))")
        .held(Held::When(|outcome| outcome.ended == Ended::Limit(Resource::Stdout))),
    attack("stderr flood", "for _ in range(32): os.write(2, b'x' * (1 << 20))")
        .held(Held::When(|outcome| outcome.ended == Ended::Limit(Resource::Stderr))),
    attack("line flood", "os.write(1, b'x\\n' * 200_000)")
        .held(Held::When(|outcome| outcome.ended == Ended::Limit(Resource::Lines) && outcome.lines.len() <= 10_000)),
    attack(
        "processor hog of many",
        r#"
for _ in range(3): os.fork()
while time.process_time() < 0.5: pass
broke('four seconds of processors, and none of them passed a second')
"#,
    )
    .bounds(|limits| limits.cpu = Some(Duration::from_secs(1)))
    .held(Held::When(|outcome| outcome.ended == Ended::Limit(Resource::Cpu))),
    attack(
        "disk fill",
        r#"
written = 0
try:
    for name in range(10):
        with open(f'fill{name}', 'wb') as file:
            for _ in range(8):
                written += file.write(b'x' * (1 << 20))
except OSError:
    pass
broke(written if written > 32 << 20 else None)
"#,
    ),
    attack(
        "disk fill of everything that can be written",
        r#"
written = 0
for folder in ['/tmp', '/work', '/dev/shm', '/var/tmp', '/run', '.']:
    try:
        name = f'{folder}/syzygy-attack-fill'
        with open(name, 'wb') as file:
            for _ in range(12):
                written += file.write(b'x' * (1 << 20))
    except OSError:
        pass
for folder in ['/tmp', '/work', '/dev/shm', '/var/tmp', '/run', '.']:
    try: os.unlink(f'{folder}/syzygy-attack-fill')
    except OSError: pass
broke(written if written > 32 << 20 else None)
"#,
    ),
    attack(
        "inode fill",
        r#"
count = 0
try:
    for name in range(20_000):
        os.close(os.open(f'i{name}', os.O_CREAT | os.O_WRONLY))
        count += 1
except OSError:
    pass
broke(count if count > 10_000 else None)
"#,
    )
    .held(Held::EndedOr(&[Ended::Limit(Resource::Disk)])),
    attack(
        "open files",
        r#"
kept = []
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for _ in range(600): kept.append(os.open('/dev/null', os.O_RDONLY))
except OSError:
    pass
broke(len(kept) if len(kept) > 100 else None)
"#,
    ),
    attack(
        "limits that are raised again",
        r#"
def raised(which):
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (hard, hard if hard == resource.RLIM_INFINITY else hard + 1))
    return f'{which} to {resource.getrlimit(which)}'
tries(*[lambda which=which: raised(which) for which in
        [resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_CORE]])
"#,
    ),
    attack(
        "deadline ignored",
        r#"
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
end = time.time() + 10
while time.time() < end: time.sleep(0.1)
broke('ten seconds')
"#,
    )
    .bounds(|limits| limits.wall = Duration::from_millis(500))
    .held(Held::When(|outcome| outcome.ended == Ended::Limit(Resource::Wall))),
    attack(
        "orphan in a session of its own",
        r#"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open('/dev/null', os.O_RDWR)
        for fd in range(3): os.dup2(null, fd)
        end = time.time() + 20
        while time.time() < end: time.sleep(1)
    os._exit(0)
broke(None)
"#,
    ),
    attack(
        "orphan that holds the output open",
        r#"
if os.fork() == 0:
    os.setsid()
    end = time.time() + 4
    while time.time() < end: time.sleep(0.5)
    os.write(1, json.dumps({'type': 'result', 'value': 'the last word'}).encode())
    os._exit(0)
os._exit(0)
"#,
    )
    .held(Held::When(|outcome| outcome.answer.is_err() && outcome.usage.wall < Duration::from_secs(3))),
    attack(
        "core dump",
        r#"
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
broke(hard if hard != 0 else None)
"#,
    ),
    attack(
        "a greater share of the processors",
        r#"
def nicer():
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, before - 1)
    return 'nice' if os.getpriority(os.PRIO_PROCESS, 0) < before else None
def real():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return 'real time'
tries(nicer, real)
"#,
    )
    .bites(Bites::Root),
];
