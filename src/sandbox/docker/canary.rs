//! The trial of an engine when a host begins: whether a container can be made, and whether it holds.

use std::time::Duration;

use serde_json::json;

use super::{Docker, Unusable};
use crate::sandbox::spec::{Input, Limits, Spec, Speech};
use crate::sandbox::{Call, Sandbox};
use crate::types::{Cx, Hash};

/// Time for the trial. It takes a second; a machine may be busy.
const WITHIN: Duration = Duration::from_secs(20);

/// Bytes it may print: a few words.
const PRINTS: u64 = 4_096;

/// What shows that the engine sees the files that this host sees, and not those of another machine.
const SIGN: &str = "the host's own file";

/// Says which of the things that must be so are not.
const TRIAL: &str = "\
status() { sed -n \"s/^$1:[[:space:]]*//p\" /proc/self/status; }
test \"$(cat /inputs/sign)\" = \"the host's own file\" || echo 'the engine sees other files than this host'
test \"$(id -u)\" != 0 || echo 'it is root'
for set in CapEff CapPrm CapBnd; do test -z \"$(status $set | tr -d 0)\" || echo \"it has capabilities ($set)\"; done
test \"$(status NoNewPrivs)\" = 1 || echo 'it can get rights by a program that has them'
test \"$(status Seccomp)\" = 2 || echo 'system calls are not filtered'
( : > /canary ) 2>/dev/null && echo 'its root can be written'
( : > /usr/canary ) 2>/dev/null && echo '/usr can be written'
( : > /inputs/canary ) 2>/dev/null && echo '/inputs can be written'
( cd /work && : > canary ) 2>/dev/null || echo 'its own directory cannot be written'
test -e /sys/kernel && echo 'the machine can be seen'
test \"$(grep -c : /proc/net/dev)\" -le 1 || echo 'there is a network'
test -r /etc/shadow && echo '/etc/shadow can be read'
echo tried";

/// Makes a container and looks out of it.
pub(super) async fn try_out(docker: &Docker) -> Result<(), Unusable> {
    let unusable = |reason: String| Err(Unusable { reason });
    let mut spec = Spec::command("canary", &["/bin/sh", "-c", TRIAL], Limits::talking(WITHIN, PRINTS));
    spec.speech = Speech::Plain;
    let source = docker.shared.files().join("sign");
    let sign = std::fs::create_dir_all(docker.shared.files()).and_then(|()| std::fs::write(&source, SIGN));
    if let Err(cause) = sign {
        return unusable(format!("could not write to {}: {cause}", docker.shared.files().display()));
    }
    spec.inputs = vec![Input { name: "sign".to_owned(), hash: Hash::of(SIGN.as_bytes()), source, executable: false }];
    let cx = Cx::housekeeping(docker.shared.clock.now(), WITHIN);
    let prepared = match docker.prepare(&cx, spec).await {
        Ok(prepared) => prepared,
        Err(error) => return unusable(error.to_string()),
    };
    let outcome = docker.invoke(&cx, &prepared, Call::new("canary", json!(null))).await;
    let said = match &outcome.answer {
        Ok(value) => value["stdout"].as_str().map(str::to_owned).unwrap_or_default(),
        Err(failure) => return unusable(failure.message.clone()),
    };
    let mut found: Vec<String> = said.lines().map(str::to_owned).collect();
    if found.pop().as_deref() != Some("tried") {
        found.push(format!("the trial did not end: {said}{}", outcome.stderr));
    }
    if found.is_empty() { Ok(()) } else { unusable(found.join("; ")) }
}
