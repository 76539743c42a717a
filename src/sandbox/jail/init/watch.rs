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
    /// The limit that is reached.
    pub(super) fn beyond(&self, bounds: &Bounds) -> Option<Resource> {
        if self.memory > bounds.memory {
            return Some(Resource::Memory);
        }
        (self.cpu > Duration::from_millis(bounds.cpu_ms)).then_some(Resource::Cpu)
    }
}

/// Looks at everybody but the warden, which is process 1.
pub(super) fn look() -> Look {
    let mut look = Look { cpu: ended_cpu(), ..Look::default() };
    let Ok(entries) = fs::read_dir("/proc") else { return look };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for id in ids.filter(|id| *id != 1) {
        // Who is gone by now uses nothing.
        let Ok(status) = fs::read_to_string(format!("/proc/{id}/status")) else { continue };
        look.memory += kibibytes(&status, "RssAnon:") + kibibytes(&status, "RssShmem:") + kibibytes(&status, "VmSwap:");
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
