//! What can be known of containers without an engine: names of images, the list of system calls, bounds, environments.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::time::Duration;

use serde_json::Value;

use super::engine::About;
use super::{calls, capabilities, pinned, plan, run};
use crate::sandbox::outcome::Exit;
use crate::sandbox::spec::{Egress, Limits, Program, Resource, Spec};
use crate::sandbox::{Error, Lack};
use crate::types::Class;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn limits() -> Limits {
    Limits::talking(Duration::from_secs(1), 1_000)
}

#[test]
fn only_a_digest_names_an_image() {
    assert_eq!(pinned(DIGEST), Some(("", DIGEST)));
    for name in ["busybox", "registry.example:5000/team/tool", "tool:1.2"] {
        assert_eq!(pinned(&format!("{name}@{DIGEST}")), Some((name, DIGEST)));
    }
    let upper = DIGEST.to_uppercase().replace("SHA256", "sha256");
    for reference in
        ["", "busybox", "busybox:latest", &DIGEST[7..], &DIGEST[..60], &upper, "a@b@sha256:00", "a@sha512:00"]
    {
        assert_eq!(pinned(reference), None, "{reference}");
    }
}

/// What the engine's list says of a call with these arguments, by the rules of its format: the first row that fits; rows
/// have one condition at the most.
fn allowed(profile: &Value, name: &str, arguments: [u64; 4]) -> bool {
    let rows = profile["syscalls"].as_array().unwrap().iter();
    let mut named = rows.filter(|row| row["names"].as_array().unwrap().iter().any(|one| one == name));
    named.any(|row| {
        let conditions = row["args"].as_array().cloned().unwrap_or_default();
        assert!(conditions.len() <= 1, "several conditions on one argument mean: any of them");
        let holds = |one: &Value| {
            assert_eq!(one["op"], "SCMP_CMP_MASKED_EQ");
            let index = usize::try_from(one["index"].as_u64().unwrap()).unwrap();
            arguments[index] & one["value"].as_u64().unwrap() == one["valueTwo"].as_u64().unwrap()
        };
        row["action"] == "SCMP_ACT_ALLOW" && conditions.iter().all(holds)
    })
}

// 212.
#[test]
fn the_engine_is_told_the_same_list_of_system_calls_as_a_jail() {
    let profile: Value = serde_json::from_str(&calls::profile()).unwrap();
    assert_eq!(
        (&profile["defaultAction"], &profile["architectures"].as_array().unwrap().len()),
        (&"SCMP_ACT_ERRNO".into(), &1)
    );
    let may = |name: &str, arguments: [u64; 4]| allowed(&profile, name, arguments);
    for name in ["read", "write", "execve", "exit_group", "mmap", "futex", "prlimit64"] {
        assert!(may(name, [0; 4]), "{name}");
    }
    for name in [
        "ptrace",
        "mount",
        "bpf",
        "unshare",
        "setns",
        "memfd_create",
        "io_uring_setup",
        "clone3",
        "openat2",
        "kexec_load",
    ] {
        assert!(!may(name, [0; 4]), "{name}");
    }
    // The kernel reads 32 bits of these; what stands above must not make a difference to it that we do not see.
    let high = 1 << 40;
    assert!(may("socket", [1, 0, 0, 0]) && !may("socket", [2, 0, 0, 0]) && !may("socket", [2 | high, 0, 0, 0]));
    for terminal in [0x5412, 0x541c, 0x540e, 0x5423] {
        assert!(!may("ioctl", [0, terminal, 0, 0]) && !may("ioctl", [0, terminal | high, 0, 0]), "{terminal:#x}");
    }
    for question in [0x5401, 0x5413, 0x541b, 0x8004_6601, 0, u64::from(u32::MAX)] {
        assert!(may("ioctl", [0, question, 0, 0]), "{question:#x}");
    }
    let other = |number: u64| (number >> 8) & 0xff != 0x54;
    assert!((0..0x1_0000).all(|number| !other(number) || may("ioctl", [0, number, 0, 0])));
    let known = (0x5400..0x5500).filter(|number| may("ioctl", [0, *number, 0, 0])).count();
    assert_eq!(known, 9, "more is asked of terminals than is said");
    assert!(may("clone", [0x0120_0011, 0, 0, 0]) && !may("clone", [0x1000_0000, 0, 0, 0]));
    assert!(may("fchmodat", [0, 0, 0o755, 0]) && !may("fchmodat", [0, 0, 0o4755, 0]));
    assert!(
        may("openat", [0, 0, 0, 0o4755])
            && may("openat", [0, 0, 0o100, 0o644])
            && !may("openat", [0, 0, 0o100, 0o4755])
    );
    assert!(may("personality", [0; 4]) && !may("personality", [0x4_0000, 0, 0, 0]));
}

#[test]
fn what_an_engine_cannot_bound_is_refused_and_not_left_out() {
    let about = About { linux: true, memory: true, swap: true, processes: true, seccomp: true, ..About::default() };
    let mut spec = Spec::command("tool", &["/bin/true"], limits());
    (spec.limits.memory, spec.limits.processes) = (Some(1 << 20), Some(1));
    assert!(capabilities(&about).check(&spec).is_ok());
    let weak = capabilities(&About { memory: false, processes: false, ..about.clone() });
    let Err(Error::Refused { lacks, .. }) = weak.check(&spec) else { unreachable!("it was not refused") };
    assert_eq!(lacks, [Lack::Limit(Resource::Memory), Lack::Limit(Resource::Processes)]);
    assert!(weak.notes.iter().any(|note| note.contains("cannot bound memory")), "{:?}", weak.notes);
    let swapping = capabilities(&About { swap: false, ..about });
    assert!(swapping.notes.iter().any(|note| note.contains("may go there")), "{:?}", swapping.notes);
    spec.program = Program::Native("function".to_owned());
    assert_eq!(swapping.check(&spec).unwrap_err().class(), Class::Denied);
}

#[test]
fn both_of_its_directories_together_are_within_the_bound() {
    for disk in [16_384, 100_001, 64 << 20] {
        let size = |options: &str| -> u64 {
            let found = options.split(',').find_map(|option| option.strip_prefix("size=")).unwrap();
            found.parse().unwrap()
        };
        let scratch = plan::scratch(disk, 65_534);
        assert_eq!(scratch.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), ["/tmp", "/work"]);
        let both: u64 = scratch.iter().map(|(_, options)| size(options)).sum();
        assert_eq!(both, disk);
        assert!(scratch.iter().all(|(_, options)| options.contains("nosuid") && options.contains("nr_inodes=")));
    }
}

#[test]
fn its_environment_is_its_own_and_lies_over_that_of_the_image() {
    let mut spec = Spec::command("tool", &["/bin/true"], limits());
    spec.environment.insert("HOME".to_owned(), "/inputs".to_owned());
    let all = plan::environment(&spec);
    for entry in ["HOME=/inputs", "LANG=C.UTF-8", "TMPDIR=/tmp", "HOSTNAME"] {
        assert_eq!(all.iter().filter(|one| *one == entry).count(), 1, "{entry}: {all:?}");
    }
    assert_eq!(all.iter().filter(|one| one.starts_with("HOME=")).count(), 1, "{all:?}");
    spec.program = Program::Image { reference: DIGEST.to_owned(), command: Vec::new() };
    spec.egress = Egress::Socket("proxy.sock".into());
    let all = plan::environment(&spec);
    assert!(all.contains(&"SYZYGY_EGRESS=/run/syzygy/egress.sock".to_owned()));
    assert!(!all.iter().any(|one| one.starts_with("PATH=") || one.starts_with("LANG=")), "{all:?}");
}

#[test]
fn an_end_by_a_signal_is_told_from_a_code() {
    let rows = [
        (0, Exit::Code(0)),
        (3, Exit::Code(3)),
        (128, Exit::Code(128)),
        (137, Exit::Signal(9)),
        (139, Exit::Signal(11)),
        (192, Exit::Signal(64)),
        (193, Exit::Code(193)),
        (255, Exit::Code(255)),
    ];
    for (code, exit) in rows {
        assert_eq!(run::exit(code), exit, "{code}");
    }
}
