//! Tools that come with the host: which of them the operator wants, and whether this machine can run them.

use std::sync::Arc;

use super::Error;
use crate::actors::agent::Notebooks;
use crate::actors::executor::{self, Ports, Tool};
use crate::config::Config;
use crate::lap::core;
use crate::types::Clock;

/// The core tools that this configuration wants.
///
/// # Errors
/// What is wrong with the description of one.
pub(super) fn wanted(config: &Config, notebooks: &Notebooks) -> Result<Vec<Tool>, Error> {
    let wrong = |id: &str, reason: String| Error::File { file: format!("the description of {id}"), reason };
    let wanted = core::ALL.iter().filter(|own| config.tools.core.iter().any(|word| own.is_meant(word)));
    let mut made = Vec::new();
    for own in wanted {
        let tool = own.set_up(&config.tools).map_err(|reason| wrong(own.id, reason))?;
        made.extend(match core::front(own.id, &config.tools) {
            Some(front) => Some(Tool::fronted(tool, front)),
            None => notebooks.tool(tool),
        });
    }
    Ok(made)
}

/// Tries out which of them can be run here. One that cannot stays in the list, with the reason.
pub(super) async fn try_out(library: &executor::Library, ports: &Ports, clock: &Arc<dyn Clock>) {
    for (tool, reason) in executor::lacking(library, ports, &**clock).await {
        tracing::warn!(tool, reason, "a tool cannot be run on this machine; it is listed with the reason");
        library.lacking(&tool, &reason);
    }
}
