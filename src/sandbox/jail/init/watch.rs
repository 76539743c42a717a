//! What a jail's processes use, by a look at its own `/proc`, and which limit that reaches.

use std::fs;
use std::time::Duration;

use super::super::plan::Bounds;
use crate::sandbox::spec::Resource;

/// What was seen at one look.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Look {
    /// Bytes of memory that is nobody else's and of shared memory. Programs and libraries do not count: they are files.
    pub(super) memory: u64,
    /// Processes and threads.
    pub(super) tasks: u32,
    /// Time on processors, with that of processes which have ended and were waited for.
    pub(super) cpu: Duration,
}

impl Look {
    /// The limit that is reached. Where memory seems to be, it is looked at again more closely.
    pub(super) fn beyond(&mut self, bounds: &Bounds) -> Option<Resource> {
        if self.memory > bounds.memory {
            self.memory = shared_out();
            if self.memory > bounds.memory {
                return Some(Resource::Memory);
            }
        }
        (self.cpu > Duration::from_millis(bounds.cpu_ms)).then_some(Resource::Cpu)
    }
}

/// Everybody but the warden, which is process 1.
fn everybody() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|id| *id != 1)
}

/// What they hold where each page counts once, however many have it: a process that forks shares all of its memory until
/// somebody writes to it. Much slower than the simple sum, which is never less.
fn shared_out() -> u64 {
    let of = |id: u32| match fs::read_to_string(format!("/proc/{id}/smaps_rollup")) {
        Ok(rollup) => {
            kibibytes(&rollup, "Pss_Anon:") + kibibytes(&rollup, "Pss_Shmem:") + kibibytes(&rollup, "SwapPss:")
        }
        // Who may not be looked at closely is believed to share nothing.
        Err(_) => held(&fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default()),
    };
    everybody().map(of).sum()
}

fn held(status: &str) -> u64 {
    kibibytes(status, "RssAnon:") + kibibytes(status, "RssShmem:") + kibibytes(status, "VmSwap:")
}

/// Looks at everybody.
pub(super) fn look() -> Look {
    let mut look = Look { cpu: ended_cpu(), ..Look::default() };
    for id in everybody() {
        // Who is gone by now uses nothing.
        let Ok(status) = fs::read_to_string(format!("/proc/{id}/status")) else { continue };
        look.memory += held(&status);
        look.tasks += field(&status, "Threads:").and_then(|count| count.parse().ok()).unwrap_or(1);
        look.cpu += cpu_of(&format!("/proc/{id}/stat"), 11..15);
    }
    look
}

/// Time of those that process 1 has waited for.
pub(super) fn ended_cpu() -> Duration {
    cpu_of("/proc/1/stat", 13..15)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()
}

fn kibibytes(status: &str, name: &str) -> u64 {
    field(status, name).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// The sum of these fields of a `stat` file, counted after the name, which may hold anything in its brackets: 11 and 12
/// are the process's own time, 13 and 14 that of the children it waited for.
fn cpu_of(path: &str, fields: std::ops::Range<usize>) -> Duration {
    let stat = fs::read_to_string(path).unwrap_or_default();
    let Some((_, rest)) = stat.rsplit_once(')') else { return Duration::ZERO };
    let counts: Vec<u64> = rest.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
    let ticks: u64 = counts.get(fields).unwrap_or_default().iter().sum();
    // 100 on every Linux that anybody runs; it is asked all the same.
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second().max(1))
}
