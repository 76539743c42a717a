//! Numbers: what a call may use, what happens when it fails, what it costs.

use super::super::tool::{Limits, Tool};
use super::rest::ordered;
use super::{Changes, Level};

/// What a caller relies on: less lets somebody down.
const PROMISED: [&str; 4] = ["timeout_ms", "input_bytes", "output_bytes", "batch_items"];

fn rows(limits: &Limits) -> [(&'static str, u64); 11] {
    [
        ("timeout_ms", limits.timeout_ms),
        ("cpu_ms", limits.cpu_ms),
        ("memory_bytes", limits.memory_bytes),
        ("processes", limits.processes),
        ("disk_bytes", limits.disk_bytes),
        ("open_files", limits.open_files),
        ("input_bytes", limits.input_bytes),
        ("output_bytes", limits.output_bytes),
        ("log_bytes", limits.log_bytes),
        ("concurrency", limits.concurrency),
        ("batch_items", limits.batch_items),
    ]
}

pub(super) fn diff(changes: &mut Changes, old: &Tool, new: &Tool) {
    use Level::{Major, Minor, Patch};
    for ((name, before), (_, after)) in rows(&old.limits).into_iter().zip(rows(&new.limits)) {
        let less = if PROMISED.contains(&name) { Major } else { Patch };
        let raised = format!("{after} instead of {before}");
        let words = ((Minor, raised.as_str()), (less, raised.as_str()));
        ordered(changes, &format!("/limits/{name}"), (&before, &after), words);
    }
    changes.told("/retry", &old.retry, &new.retry);
    changes.told("/slo", &old.slo, &new.slo);
    // Without a quota it may be called as often as anybody likes.
    let often = |tool: &Tool| tool.quota.as_ref().map_or(u64::MAX, |quota| quota.calls_per_minute);
    let words = ((Minor, "may be called more often"), (Major, "may be called less often"));
    ordered(changes, "/quota", (&often(old), &often(new)), words);
    match (&old.idempotency, &new.idempotency) {
        (Some(_), None) => changes.old(Major, "/idempotency", "a call may now be done twice"),
        (None, Some(_)) => changes.now(Minor, "/idempotency", "a call is done once"),
        (Some(before), Some(after)) => {
            if before.key != after.key {
                changes.now(Major, "/idempotency/key", "another key decides what is the same call");
            }
            let words = ((Minor, "keys are remembered for longer"), (Major, "keys are forgotten sooner"));
            ordered(changes, "/idempotency/keep_s", (&before.keep_s, &after.keep_s), words);
        }
        (None, None) => {}
    }
    if old.cache != new.cache {
        changes.now(Minor, "/cache", "answers are used again differently");
    }
    let cost = |tool: &Tool| {
        let cost = &tool.cost;
        [
            ("call_micro_usd", cost.call_micro_usd),
            ("second_micro_usd", cost.second_micro_usd),
            ("megabyte_micro_usd", cost.megabyte_micro_usd),
        ]
    };
    for ((name, before), (_, after)) in cost(old).into_iter().zip(cost(new)) {
        let words = ((Minor, "costs more"), (Patch, "costs less"));
        ordered(changes, &format!("/cost/{name}"), (&before, &after), words);
    }
}
