//! The trial when a host begins: whether a component runs here, gives way, and gets no more memory than it may have.

use std::time::Duration;

use serde_json::{Value, json};

use super::Wasm;
use crate::sandbox::outcome::{Ended, Outcome};
use crate::sandbox::spec::{Limits, Program, Resource, Spec};
use crate::sandbox::{Call, Sandbox};
use crate::types::{Cx, Hash};

/// `canary.wat`, made into bytes by `wasm-tools parse canary.wat -o canary.wasm`.
pub(super) const COMPONENT: &[u8] = include_bytes!("canary.wasm");

/// Time for the trial. It takes milliseconds; a machine may be busy.
const WITHIN: Duration = Duration::from_secs(10);

/// Time that the one which never returns is given.
const LOOPS: Duration = Duration::from_millis(20);

/// Bytes it may print: a few words.
const PRINTS: u64 = 4_096;

/// Memory it may have: a few pages.
const MEMORY: u64 = 1 << 20;

/// Why no components can be run on this machine.
#[derive(Debug, thiserror::Error)]
#[error("could not run components: {reason}")]
pub struct Unusable {
    /// What went wrong.
    pub reason: String,
}

pub(super) fn unusable(reason: impl Into<String>) -> Unusable {
    Unusable { reason: reason.into() }
}

async fn called(wasm: &Wasm, input: Value, wall: Duration) -> Result<Outcome, Unusable> {
    let program = Program::Component(Hash::of(COMPONENT));
    let spec = Spec {
        tool: "canary".to_owned(),
        program,
        limits: Limits {
            memory: Some(MEMORY.min(wasm.config.components.memory_bytes)),
            ..Limits::talking(wall, PRINTS)
        },
        ..Spec::command("", &[], Limits::talking(wall, PRINTS))
    };
    let cx = Cx::housekeeping(wasm.clock.now(), WITHIN);
    let prepared = wasm.prepare(&cx, spec).await.map_err(|error| unusable(error.to_string()))?;
    Ok(wasm.invoke(&cx, &prepared, Call::new("canary", input)).await)
}

/// Runs one.
pub(super) async fn try_out(wasm: &Wasm) -> Result<(), Unusable> {
    let echo = called(wasm, json!(null), WITHIN).await?;
    if echo.answer != Ok(Value::Null) {
        return Err(unusable(format!("one that should answer did not: {:?} {}", echo.answer, echo.stderr)));
    }
    let full = called(wasm, json!(2), WITHIN).await?;
    if full.answer != Ok(json!(true)) {
        return Err(unusable(format!("one got more memory than it may have: {:?} {}", full.answer, full.stderr)));
    }
    let ever = called(wasm, json!(1), LOOPS).await?;
    if ever.ended != Ended::Limit(Resource::Wall) {
        return Err(unusable(format!("one that never returns was not ended at its time: {}", ever.ended)));
    }
    Ok(())
}
