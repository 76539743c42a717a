//! The list of system calls as an engine of containers reads it; `sandbox::calls` says what is on it and why.

use serde_json::{Value, json};

use crate::sandbox::calls::{ALLOWED, CONDITIONAL, CONDITIONAL_OLDER, HIDDEN, Must, OLDER, When};

/// What the engine names this architecture. Others that the processor could run too are not named, and what calls by their
/// numbers is ended.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &str = "SCMP_ARCH_X86_64";
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: &str = "SCMP_ARCH_AARCH64";
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the engine's name of this architecture must be said here");

/// All of a number's lower half: the kernel reads no more of it.
const WORD: u64 = 0xffff_ffff;

/// What `ioctl` is asked of a terminal begins with this byte.
const TERMINAL: u32 = 0x54;

/// What may be asked of what could be a terminal: whether it is one, how wide it is, what waits in it, and what belongs to
/// no terminal although it has its number. Not among it is what pushes keys into one.
const ASKED: [u32; 9] = [0x5401, 0x540f, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451, 0x5452, 0x5460];

fn argument(index: u8, mask: u64, value: u64) -> Value {
    json!({ "index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ" })
}

fn allow(name: &str, arguments: Vec<Value>) -> Value {
    json!({ "names": [name], "action": "SCMP_ACT_ALLOW", "args": arguments })
}

fn condition(when: &When) -> Value {
    match when.must {
        Must::Equal(value) => argument(when.argument, WORD, u64::from(value)),
        Must::Lack(bits) => argument(when.argument, u64::from(bits), 0),
    }
}

/// The engine knows no "all but these", so what is no question to a terminal is said bit by bit: it differs in one at least.
fn questions() -> impl Iterator<Item = Value> {
    let other = (0..8).map(|bit| {
        let (mask, own) = (1 << (bit + 8), (TERMINAL >> bit) & 1);
        argument(1, mask, if own == 1 { 0 } else { mask })
    });
    let known = ASKED.into_iter().map(|question| argument(1, WORD, u64::from(question)));
    other.chain(known).map(|one| allow("ioctl", vec![one]))
}

/// The list, in the format of `docker run --security-opt seccomp=`.
pub(super) fn profile() -> String {
    let names: Vec<&str> = ALLOWED.iter().chain(OLDER).map(|call| call.name()).collect();
    // Nobody but the tool is in its container, so there is no warden that it could harm.
    let free = ["prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"];
    let hidden: Vec<&str> = HIDDEN.iter().map(|call| call.name()).collect();
    let mut rows = vec![
        json!({ "names": names, "action": "SCMP_ACT_ALLOW" }),
        json!({ "names": free, "action": "SCMP_ACT_ALLOW" }),
        json!({ "names": hidden, "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS }),
        allow("setpriority", vec![argument(0, WORD, u64::from(libc::PRIO_PROCESS))]),
    ];
    rows.extend(questions());
    let conditional = CONDITIONAL.iter().chain(CONDITIONAL_OLDER);
    rows.extend(conditional.map(|(call, when)| allow(call.name(), vec![condition(when)])));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": libc::EPERM,
        "architectures": [ARCHITECTURE],
        "syscalls": rows,
    })
    .to_string()
}
