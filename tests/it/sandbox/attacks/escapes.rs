//! Attacks on what lies outside: files, secrets, networks, other processes.

use super::{Attack, Bites, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "links that lead out",
        r#"
def by_own_link():
    os.symlink(given['data'] + '/secret', given['repo'] + '/own')
    return open(given['repo'] + '/own').read()
tries(lambda: open(given['tree'] + '/link').read(), lambda: os.listdir(given['tree'] + '/folder'), by_own_link)
"#,
    ),
    attack(
        "links with a slash at their end",
        r#"
tries(lambda: os.listdir(given['tree'] + '/folder/'), lambda: os.listdir(given['data'] + '/'),
      lambda: open(given['tree'] + '/folder/./secret').read(), lambda: os.listdir(given['tree'] + '/folder//'))
"#,
    ),
    attack(
        "the way up",
        r#"
up = '/..' * 30
tries(lambda: open(given['tree'] + up + given['data'] + '/secret').read(),
      lambda: open(given['tree'] + '/../data/secret').read(),
      lambda: open('/proc/self/root' + given['data'] + '/secret').read(),
      lambda: open('/proc/self/cwd' + up + given['data'] + '/secret').read())
"#,
    ),
    attack(
        "the host's data",
        "tries(lambda: open(given['data'] + '/secret').read(), lambda: os.listdir(given['data']))",
    ),
    attack(
        "a link to a file of the host",
        r#"
def linked():
    os.link(given['data'] + '/secret', given['repo'] + '/linked')
    return 'linked'
tries(linked)
"#,
    )
    .bites(Bites::Root),
    attack(
        "a program with its owner's rights",
        r#"
path = given['repo'] + '/owned'
def owned(work):
    work()
    mode = os.stat(path).st_mode
    os.unlink(path)
    return oct(mode) if mode & 0o6000 else None
def created():
    os.umask(0)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o4755))
def changed():
    open(path, 'w').close()
    os.chmod(path, 0o4755)
def changed_open():
    with open(path, 'w') as file: os.fchmod(file.fileno(), 0o2755)
def by_pointer():
    how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o4755, 0)
    call(437, -100, path.encode(), ctypes.byref(how), 24)
tries(lambda: owned(created), lambda: owned(changed), lambda: owned(changed_open), lambda: owned(by_pointer),
      lambda: owned(lambda: call(452, -100, path.encode(), 0o4755, 0)))
"#,
    ),
    attack(
        "a tree that may only be read",
        r#"
tree = given['tree']
def did(work):
    work()
    return 'changed'
tries(lambda: did(lambda: open(tree + '/new', 'w').close()), lambda: did(lambda: open(tree + '/file', 'a').write('x')),
      lambda: did(lambda: os.chmod(tree + '/file', 0o777)), lambda: did(lambda: os.rename(tree + '/file', tree + '/moved')),
      lambda: did(lambda: os.utime(tree + '/file')))
"#,
    )
    .bites(Bites::Root),
    attack(
        "the system",
        r#"
def wrote(path):
    with open(path, 'w'): pass
    os.unlink(path)
    return path
tries(*[lambda path=path: wrote(path + '/syzygy-attack') for path in
        ['/usr', '/usr/bin', '/bin', '/etc', '/lib', '/', '/inputs', '/granted', '/dev', '/opt', '/var']])
"#,
    )
    .bites(Bites::Root),
    attack(
        "passwords",
        "tries(lambda: open('/etc/shadow').read()[:1], lambda: open('/etc/gshadow').read()[:1], \
         lambda: os.listdir('/root') and 'root')",
    )
    .bites(Bites::Root),
    attack(
        "devices",
        r#"
def opened(path):
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    return path
def made():
    path = given['repo'] + '/device'
    os.mknod(path, 0o600 | 0o060000, os.makedev(254, 0))
    os.unlink(path)
    return 'made'
tries(*[lambda path=path: opened(path) for path in ['/dev/kmsg', '/dev/mem', '/dev/vda', '/dev/sda', '/dev/kvm',
      '/dev/fuse', '/dev/net/tun', '/dev/vsock', '/dev/ptmx']], made)
"#,
    ),
    attack(
        "other processes",
        r#"
own = {1, os.getpid()}
tries(lambda: [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in own])
"#,
    ),
    attack(
        "environments of others",
        r#"
found = []
for process in [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]:
    try:
        if given['secret'].encode() in open(f'/proc/{process}/environ', 'rb').read(): found.append(process)
    except OSError: pass
try:
    if os.getpid() != 1 and open('/proc/1/environ', 'rb').read(1): found.append('1')
except OSError: pass
broke(found)
"#,
    ),
    attack(
        "its own environment",
        r#"
usual = {'HOME', 'LANG', 'PATH', 'TMPDIR', 'TZ', 'USER', 'SYZYGY_TEST_MARK', 'LC_CTYPE'}
broke([name for name in os.environ if name not in usual] or [v for v in os.environ.values() if given['secret'] in v])
"#,
    ),
    attack(
        "files that the host left open",
        r#"
found = []
for fd in range(3, 1024):
    try:
        os.fstat(fd)
        found.append(fd)
    except OSError: pass
broke(found)
"#,
    ),
    attack(
        "the memory of its parent",
        r#"
parent = os.getppid()
def attached(process):
    got = call(101, 16, process, 0, 0)
    if got == 0:
        os.waitpid(process, 0x40000000)
        call(101, 17, process, 0, 0)
        return f'attached to {process}'
tries(lambda: open(f'/proc/{parent}/maps').read()[:20], lambda: os.close(os.open(f'/proc/{parent}/mem', os.O_RDONLY)) or 'mem',
      lambda: os.listdir(f'/proc/{parent}/fd'), lambda: os.readlink(f'/proc/{parent}/exe'),
      lambda: attached(given['other']))
"#,
    ),
    attack(
        "its parent's standing",
        r#"
# In a container nobody is above the tool.
parent = os.getppid() or given['other']
def limits():
    resource.prlimit(parent, resource.RLIMIT_NOFILE, resource.prlimit(parent, resource.RLIMIT_NOFILE))
    return 'limits'
def priority():
    os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(os.PRIO_PROCESS, parent))
    return 'priority'
def affinity():
    os.sched_setaffinity(parent, os.sched_getaffinity(parent))
    return 'affinity'
tries(limits, priority, affinity)
"#,
    ),
    attack(
        "signals to everybody",
        r#"
def all_of_them():
    os.kill(-1, 0)
    return 'somebody'
def other():
    os.kill(given['other'], 0)
    return 'the other'
tries(all_of_them, other)
"#,
    ),
    attack(
        "the end of the warden",
        r#"
for number in [9, 15, 19, 2, 6, 11] if os.getpid() != 1 else []:
    try: os.kill(1, number)
    except OSError: pass
time.sleep(0.1)
broke(None)
"#,
    )
    .bites(Bites::Untried),
    attack(
        "a port of the host",
        r#"
def connected(family, address):
    s = socket.socket(family)
    s.settimeout(2)
    s.connect((address, given['port']))
    return address
tries(lambda: connected(socket.AF_INET, '127.0.0.1'), lambda: connected(socket.AF_INET, '0.0.0.0'),
      lambda: connected(socket.AF_INET6, '::1'))
"#,
    ),
    attack(
        "an abstract socket of the host",
        r#"
def connected():
    s = socket.socket(socket.AF_UNIX)
    s.connect('\0' + given['abstract'])
    return 'connected'
tries(connected)
"#,
    ),
    attack(
        "the metadata of a cloud",
        r#"
def sent(kind):
    s = socket.socket(socket.AF_INET, kind)
    s.settimeout(1)
    try: s.connect(('169.254.169.254', 80))
    except TimeoutError: return 'nobody answered, but it was sent'
    s.send(b'GET / HTTP/1.0\r\n\r\n')
    return 'sent'
tries(lambda: sent(socket.SOCK_STREAM), lambda: sent(socket.SOCK_DGRAM))
"#,
    )
    .bites(Bites::Untried),
    attack(
        "names of the internet",
        r#"
def resolved(name): return socket.getaddrinfo(name, 80)
tries(lambda: resolved('example.invalid'), lambda: resolved('metadata.google.internal'))
"#,
    )
    .bites(Bites::Untried),
    attack(
        "networks of every kind",
        r#"
def made(family, kind=socket.SOCK_DGRAM):
    socket.socket(family, kind).close()
    return family
tries(*[lambda family=family: made(family, kind) for family, kind in [(16, 3), (17, 2), (40, 1), (2, 1), (10, 1), (38, 5), (44, 3)]])
"#,
    ),
    attack(
        "what the machine says of itself",
        "tries(lambda: ''.join(os.listdir('/sys')), lambda: open('/proc/cmdline').read(), lambda: open('/proc/mounts').read() if \
         os.path.exists('/proc/mounts') and given['data'] in open('/proc/mounts').read() else None, \
         lambda: open('/proc/version').read(), lambda: open('/etc/hostname').read().replace('container', '').strip(), lambda: open('/proc/kallsyms').read(10))",
    ),
];
