//! Tools in the simulation's weather: they may fail, not come back, or panic.

use std::sync::Arc;

use futures::FutureExt;

use super::weather::{Mishap, Weather};
use crate::actors::executor::Tool;
use crate::sandbox::Failure;
use crate::types::Class;

/// The same tool, as the weather lets it work.
pub(super) fn unsteady(tool: Tool, weather: Arc<Weather>) -> Tool {
    tool.behind(move |work| match weather.mishap() {
        None => work,
        Some(Mishap::Fails) => std::future::ready(Err(lost())).boxed(),
        // The executor's limit and the caller's end it.
        Some(Mishap::Hangs) => std::future::pending().boxed(),
        Some(Mishap::Panics) => panicking().boxed(),
    })
}

fn lost() -> Failure {
    Failure::new(Class::Invalid, "the simulation took it away")
}

#[expect(clippy::panic, reason = "a panic is what the simulation plays")]
async fn panicking() -> Result<serde_json::Value, Failure> {
    panic!("the simulation told this tool to panic")
}
