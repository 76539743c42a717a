//! The trial of a jail when a host begins: whether it can be made here, and whether it holds.

use std::time::Duration;

use serde_json::json;

use super::Jail;
use super::run::run;
use crate::sandbox::outcome::Ended;
use crate::sandbox::spec::{Limits, Spec, Speech};
use crate::sandbox::{Call, Sandbox};
use crate::types::Cx;

/// Time for the trial. It takes milliseconds; a machine may be busy.
const WITHIN: Duration = Duration::from_secs(10);

/// Bytes it may print: a few words.
const PRINTS: u64 = 4_096;

/// Says which of the things that must be so are not.
const TRIAL: &str = "\
test -r /proc/self/status || echo 'there is no /proc'
test \"$$\" -lt 100 || echo 'processes of the host have numbers in it'
( : > /usr/canary ) 2>/dev/null && echo '/usr can be written'
test -r /etc/shadow && echo '/etc/shadow can be read'
( : > canary ) 2>/dev/null || echo 'its own directory cannot be written'
test -e /sys/kernel && echo 'the machine can be seen'
echo tried";

/// Why there can be no jails on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not make a jail: {}", reasons.join("; "))]
pub struct Unusable {
    /// What went wrong, and what an operator can do about it.
    pub reasons: Vec<String>,
}

/// Makes one and looks out of it. What it is worth beside the namespaces is returned in words.
pub(super) async fn try_out(jail: &Jail) -> Result<Vec<String>, Unusable> {
    let unusable = |reasons: Vec<String>| Err(Unusable { reasons });
    let mut spec = Spec::command("canary", &["/bin/sh", "-c", TRIAL], Limits::talking(WITHIN, PRINTS));
    spec.speech = Speech::Plain;
    let cx = Cx::housekeeping(jail.clock.now(), WITHIN);
    let prepared = match jail.prepare(&cx, spec).await {
        Ok(prepared) => prepared,
        Err(error) => return unusable(vec![error.to_string()]),
    };
    let call = Call::new("canary", json!(null));
    let Some(place) = jail.running.enter(&call.id) else { return unusable(vec!["it is being tried".to_owned()]) };
    let (outcome, landlock) = run(jail, &cx, &prepared, &call, &place, jail.clock.now()).await;
    let said = match outcome.answer {
        Ok(value) => value["stdout"].as_str().map(str::to_owned).unwrap_or_default(),
        Err(failure) => {
            let read = |path: &str| std::fs::read_to_string(path).ok();
            let mut reasons = vec![failure.message];
            if outcome.ended == Ended::Failed {
                reasons.extend(explain(&read));
            }
            return unusable(reasons);
        }
    };
    let mut found: Vec<String> = said.lines().map(str::to_owned).collect();
    if found.pop().as_deref() != Some("tried") {
        found.push(format!("the trial did not end: {said}"));
    }
    if found.is_empty() { Ok(vec![landlock]) } else { unusable(found) }
}

/// Settings of the kernel that forbid what a jail needs, and how to allow it.
pub(super) fn explain(read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let rows = [
        ("kernel/unprivileged_userns_clone", "0", "user namespaces are for root only; set it to 1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "user namespaces give no rights here; set it to 0, or give the program an AppArmor profile with `userns`",
        ),
        ("user/max_user_namespaces", "0", "there may be no user namespaces; raise it"),
        ("user/max_net_namespaces", "0", "there may be no network namespaces; raise it"),
        ("user/max_pid_namespaces", "0", "there may be no pid namespaces; raise it"),
    ];
    let forbids = |(key, value, _): &&(&str, &str, &str)| {
        read(&format!("/proc/sys/{key}")).is_some_and(|found| found.trim() == *value)
    };
    let say =
        |(key, value, advice): &(&str, &str, &str)| format!("sysctl {} is {value}: {advice}", key.replace('/', "."));
    rows.iter().filter(forbids).map(say).collect()
}
