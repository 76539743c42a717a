//! News: that a list of tools, prompts or resources is another now, and that a resource is.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{NotificationContext, SubscriptionContext};
use rmcp::{Peer, RoleServer};

use super::super::Caller;
use super::offer;
use super::server::{Asked, Server};
use super::shape::Kind;
use crate::types::Cx;

/// How often it is looked whether the client of a session is still there. Nobody says that it has left.
const LOOK: Duration = Duration::from_secs(30);

/// What one caller may see, by its name in the list, with its version.
#[derive(Debug, Default, PartialEq)]
struct Lists {
    tools: BTreeMap<String, String>,
    prompts: BTreeMap<String, String>,
    resources: BTreeMap<String, String>,
}

impl Lists {
    async fn of(server: &Server, cx: &Cx, caller: &Caller) -> Lists {
        let mut lists = Lists::default();
        for tool in server.mcp.toolbox.list(cx, caller).await {
            let (list, name) = match offer::kind(&tool) {
                Kind::Tool => (&mut lists.tools, tool.id.to_string()),
                Kind::Prompt => (&mut lists.prompts, tool.id.to_string()),
                Kind::Resource | Kind::Template => {
                    (&mut lists.resources, offer::uri(&tool).unwrap_or_else(|| tool.id.to_string()))
                }
            };
            list.insert(name, tool.version.to_string());
        }
        lists
    }
}

/// Which lists differ: tools, prompts, resources. Where it is not known what they were, each may.
fn differ(before: Option<&Lists>, after: &Lists) -> [bool; 3] {
    match before {
        Some(before) => {
            [before.tools != after.tools, before.prompts != after.prompts, before.resources != after.resources]
        }
        None => [true; 3],
    }
}

/// Tells a subscription of 2026-07-28 until it ends. What was not subscribed is not sent.
pub(super) async fn listen(server: &Server, asked: &Asked, context: &SubscriptionContext) {
    let mut changes = server.session.changes.clone();
    // The client was told that it hears from now on, so what changed since its request counts.
    let first = Lists::of(server, &asked.cx, &asked.caller).await;
    let mut before = if changes.has_changed().unwrap_or(false) { None } else { Some(first) };
    loop {
        tokio::select! {
            biased;
            () = context.cancelled() => return,
            () = server.stopping.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        let after = Lists::of(server, &asked.cx, &asked.caller).await;
        let [tools, prompts, resources] = differ(before.as_ref(), &after);
        let (sink, accepted) = (context.sink(), context.accepted());
        if tools && accepted.tools_list_changed == Some(true) {
            let _ = sink.notify_tool_list_changed().await;
        }
        if prompts && accepted.prompts_list_changed == Some(true) {
            let _ = sink.notify_prompt_list_changed().await;
        }
        if resources && accepted.resources_list_changed == Some(true) {
            let _ = sink.notify_resource_list_changed().await;
        }
        for uri in accepted.resource_subscriptions.iter().flatten() {
            if before.as_ref().is_some_and(|before| before.resources.get(uri) != after.resources.get(uri)) {
                let _ = sink.notify_resource_updated(uri.clone()).await;
            }
        }
        before = Some(after);
    }
}

/// Tells a session of an older revision until its client has left.
pub(super) async fn follow(server: &Server, context: &NotificationContext<RoleServer>) {
    let Ok(cx) = server.cx(&context.extensions) else { return };
    let caller = Caller { protocol: "mcp".to_owned(), ..Caller::default() };
    let mut changes = server.session.changes.clone();
    let mut before = Lists::of(server, &cx, &caller).await;
    let peer = &context.peer;
    while !peer.is_transport_closed() {
        let looked = tokio::select! {
            biased;
            () = server.stopping.cancelled() => return,
            looked = tokio::time::timeout(LOOK, changes.changed()) => looked,
        };
        match looked {
            Err(_) => continue,
            Ok(Err(_)) => return,
            Ok(Ok(())) => {}
        }
        let after = Lists::of(server, &cx, &caller).await;
        if told(server, peer, &before, &after).await.is_err() {
            return;
        }
        before = after;
    }
}

async fn told(
    server: &Server,
    peer: &Peer<RoleServer>,
    before: &Lists,
    after: &Lists,
) -> Result<(), rmcp::ServiceError> {
    let [tools, prompts, resources] = differ(Some(before), after);
    if tools {
        peer.notify_tool_list_changed().await?;
    }
    if prompts {
        peer.notify_prompt_list_changed().await?;
    }
    if resources {
        peer.notify_resource_list_changed().await?;
    }
    let watched = server.session.watched.lock().clone();
    for uri in watched {
        if before.resources.get(&uri) != after.resources.get(&uri) {
            peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await?;
        }
    }
    Ok(())
}
