//! Processes that a host started and did not live to end: one that is killed takes nobody with it.
//!
//! Every process under a runtime carries the data directory of its host in its environment, and so does what it starts.
//! One host at a time holds a data directory, so whoever carries it when the next host begins belongs to nobody. A mark
//! in the environment is of the process itself, where a list of ids in a file would name whoever has the id by then.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The variable with the data directory of the host that started a process.
pub const CHILD_OF: &str = "SYZYGY_CHILD_OF";

/// Looks for who is left, and the time between two of them: the operating system ends a process within milliseconds, and
/// one that it cannot end now (it waits for a disk) is not waited for.
const LOOKS: u32 = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What processes of a host with this data directory carry.
pub fn mark(data: &Path) -> String {
    std::fs::canonicalize(data).unwrap_or_else(|_| data.to_owned()).display().to_string()
}

/// Ends every process that carries this mark, and returns their ids once they are gone. Where the system has no `/proc`
/// they are not found. To be called while the data directory is held, and before anything is started.
pub async fn end_leftovers(mark: &str) -> Vec<i32> {
    let mut ended = Vec::new();
    for _ in 0..LOOKS {
        let left = marked(mark);
        if left.is_empty() {
            break;
        }
        for process in left {
            let id = process.as_raw_nonzero().get();
            let _ = kill_process(process, Signal::KILL);
            if !ended.contains(&id) {
                ended.push(id);
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    ended
}

/// The processes that carry this mark. Those of others cannot be read, and one that has ended carries nothing.
fn marked(mark: &str) -> Vec<Pid> {
    let entry = format!("{CHILD_OF}={mark}");
    let (Ok(processes), own) = (std::fs::read_dir("/proc"), std::process::id()) else { return Vec::new() };
    let carries = |id: i32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes())
    };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| id.unsigned_abs() != own && carries(*id)).filter_map(Pid::from_raw).collect()
}
