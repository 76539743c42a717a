//! Tools in the protocols of others: the executor as adapters see it, and where the HTTP interface has them.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::Error;
use super::builder::Builder;
use crate::actors::executor::{self, Request};
use crate::adapters::mcp::{self, Guard, Mcp};
use crate::adapters::openai;
use crate::adapters::{Answer, Call, Caller, Refusal, Reply, Toolbox};
use crate::api::{Ends, Mount, Scope};
use crate::config::Config;
use crate::lap;
use crate::sandbox::Line;
use crate::tds::Tool;
use crate::tds::tool::Range;
use crate::types::sensitive;
use crate::types::{Class, Cx, PrivacyClass, RunId, World};
use crate::ziggy::privacy;

/// The tools of an executor.
struct Executed {
    tools: executor::Handle,
    folders: lap::Config,
    privacy: privacy::Config,
    world: World,
}

#[async_trait]
impl Toolbox for Executed {
    async fn list(&self, cx: &Cx, _caller: &Caller) -> Vec<Arc<Tool>> {
        self.tools
            .list(&lap::Caller::of(cx.principal()))
            .into_iter()
            .filter(|entry| entry.unavailable.is_none())
            .map(|entry| Arc::clone(&entry.ready.tool))
            .collect()
    }

    async fn find(&self, cx: &Cx, _caller: &Caller, id: &str, required: Option<&Range>) -> Option<Arc<Tool>> {
        let found = self.tools.find(&lap::Caller::of(cx.principal()), id, required).ok();
        found.map(|entry| Arc::clone(&entry.ready.tool))
    }

    async fn call(
        &self,
        cx: &Cx,
        caller: &Caller,
        call: Call,
        lines: Option<mpsc::Sender<Line>>,
    ) -> Result<Reply, Refusal> {
        let workspace = caller.workspace.as_ref().map(|name| self.granted(cx, name)).transpose()?;
        let text = call.arguments.to_string();
        let found = sensitive::find(&text).iter().map(|finding| finding.kind.class()).max();
        // A call by itself is a run of its own, by which its events can be found.
        let cx = cx.with_run(RunId::new(&self.world)).with_privacy(found.unwrap_or(PrivacyClass::Public));
        let cx = cx.with_residency(&self.privacy.of(cx.principal().tenant()));
        let Call { name, required, arguments, idempotency_key: key, .. } = call;
        let request = Request { tool: name, required, arguments, key, workspace, lines, ..Request::default() };
        let answer = self.tools.invoke(&cx, request).await.map_err(|error| refusal(&error))?;
        let wrong = |reason: String| Refusal::new(Class::Internal, reason);
        let version = answer.version.parse().map_err(wrong)?;
        let executor::Answer { value, warnings, invocation: decision, .. } = answer;
        Ok(Reply::Answer(Answer { value, warnings, version, decision }))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.tools.library().changes()
    }
}

impl Executed {
    /// The folder of this name, for who may grant one.
    fn granted(&self, cx: &Cx, name: &str) -> Result<lap::Workspace, Refusal> {
        let scope = Scope::Control.word();
        if !cx.principal().scopes.iter().any(|own| own == scope) {
            return Err(Refusal::new(
                Class::Denied,
                format!("could not grant a folder: that takes the scope `{scope}`"),
            ));
        }
        self.folders.workspace(name).ok_or_else(|| {
            let known = self.folders.workspaces().join(", ");
            let reason =
                format!("could not find a folder {name:?} in [tools] of the configuration; there are: {known}");
            Refusal::new(Class::NotFound, reason)
        })
    }
}

/// What a caller is told of an error: all of it, unless it is the host's own and only its operator may know it.
fn refusal(error: &executor::Error) -> Refusal {
    if matches!(error, executor::Error::Broken { .. }) {
        return Refusal { tools: true, ..Refusal::new(error.class(), error.to_string()) };
    }
    match error.class() {
        class @ (Class::Internal | Class::Corrupt) => {
            tracing::error!(%error, "a call through an adapter failed");
            Refusal::new(class, "could not do the call: the host failed, and its log says how")
        }
        class => Refusal::new(class, error.to_string()),
    }
}

/// What adapters put into the HTTP interface: the tools of the executor, or those that were given instead.
pub(super) fn mounts(builder: &Builder, config: &Config, tools: &executor::Handle) -> Result<Vec<Mount>, Error> {
    let world = builder.world.clone();
    let toolbox = match &builder.toolbox {
        Some(toolbox) => Arc::clone(toolbox),
        None => Arc::new(Executed {
            tools: tools.clone(),
            folders: config.tools.clone(),
            privacy: config.privacy.clone(),
            world: world.clone(),
        }),
    };
    // Signs what callers keep between two rounds of questions, for the life of this host.
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| Error::NoChance)?;
    let others = Arc::clone(&toolbox);
    let adapter = Mcp::new(toolbox, config.mcp.clone(), world, &key, env!("CARGO_PKG_VERSION"));
    let routes = move |ends: Ends| {
        let ends = mcp::Ends { stopping: ends.stopping, cutting: ends.cutting };
        mcp::router(&adapter, Guard::Before, ends).merge(openai::router(&others))
    };
    Ok(vec![Mount { scope: Scope::Route, routes: Arc::new(routes) }])
}
