//! Tools in the protocols of others, joined to the HTTP interface.

use std::sync::Arc;

use super::Error;
use super::builder::Builder;
use crate::adapters::mcp::{self, Guard, Mcp};
use crate::api::{Mount, Scope};
use crate::config::Config;

/// What adapters put into the HTTP interface.
pub(super) fn mounts(builder: &Builder, config: &Config) -> Result<Vec<Mount>, Error> {
    let Some(toolbox) = &builder.toolbox else { return Ok(Vec::new()) };
    // Signs what callers keep between two rounds of questions, for the life of this host.
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| Error::NoChance)?;
    let (toolbox, world) = (Arc::clone(toolbox), builder.world.clone());
    let adapter = Mcp::new(toolbox, config.mcp.clone(), world, &key, env!("CARGO_PKG_VERSION"));
    let routes = move |ends: crate::api::Ends| {
        let ends = mcp::Ends { stopping: ends.stopping, cutting: ends.cutting };
        mcp::router(&adapter, Guard::Before, ends)
    };
    Ok(vec![Mount { scope: Scope::Route, routes: Arc::new(routes) }])
}
