//! What is asked of the server, method by method.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::request::Parts;
use parking_lot::Mutex;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult,
    CompletionInfo, Extensions, GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult,
    Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, Reference,
    ServerCapabilities, ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
    UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::{Caller, Wishes};
use super::shape::Kind;
use super::tell::Hears;
use super::{Mcp, answer, http, news, offer, reach};
use crate::tds;
use crate::types::Cx;

/// The revisions that are spoken, oldest first.
const REVISIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

/// Resources a session may want to hear of.
const WATCHED_MAX: usize = 256;

/// Who asks where no request says so: on a pipe, whoever holds its other end.
pub(super) type Asker = Arc<dyn Fn() -> Cx + Send + Sync>;

/// One session of an older revision, or one request of a newer one.
pub(super) struct Server {
    pub(super) mcp: Arc<Mcp>,
    asker: Option<Asker>,
    /// Cancelled when nobody is told news any more.
    pub(super) stopping: CancellationToken,
    pub(super) session: Session,
}

/// What a session knows. A request without one is a session of its own.
pub(super) struct Session {
    hears: Mutex<Hears>,
    /// Resources it wants to hear of.
    pub(super) watched: Mutex<BTreeSet<String>>,
    /// What changed since it began.
    pub(super) changes: watch::Receiver<u64>,
}

/// Who asks what.
pub(super) struct Asked {
    pub(super) cx: Cx,
    pub(super) caller: Caller,
    /// Whether it is asked in 2026-07-28 or later.
    pub(super) modern: bool,
}

impl Server {
    pub(super) fn new(mcp: &Arc<Mcp>, asker: Option<Asker>, stopping: CancellationToken) -> Server {
        let mut changes = mcp.toolbox.changes();
        changes.mark_unchanged();
        let session = Session { hears: Mutex::new(Hears::Info), watched: Mutex::default(), changes };
        Server { mcp: Arc::clone(mcp), asker, stopping, session }
    }

    /// MC1.
    pub(super) fn cx(&self, extensions: &Extensions) -> Result<Cx, ErrorData> {
        let said = extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<Cx>()).cloned();
        let own = || self.asker.as_ref().map(|asker| asker());
        said.or_else(own).ok_or_else(|| ErrorData::invalid_request("could not tell who asks", None))
    }

    pub(super) fn asked(&self, context: &RequestContext<RoleServer>) -> Result<Asked, ErrorData> {
        let cx = self.cx(&context.extensions)?.child();
        let program = context.client_info().map(|info| format!("{}/{}", info.name, info.version));
        let can = context.client_capabilities().as_ref().map(answer::abilities).unwrap_or_default();
        let modern = context.protocol_version().is_some_and(|version| is_modern(&version));
        // A client is told an address and nothing else, so what it is granted stands there.
        let address = context.extensions.get::<Parts>().map(|parts| &parts.uri);
        let wishes = address.map(Wishes::of).transpose().map_err(|refusal| answer::error(&refusal))?;
        let workspace = wishes.and_then(|wishes| wishes.workspace);
        Ok(Asked { cx, caller: Caller { protocol: "mcp".to_owned(), program, can, workspace }, modern })
    }

    /// How much of what tools log the session hears.
    pub(super) fn hears(&self) -> Hears {
        *self.session.hears.lock()
    }

    async fn page(
        &self,
        context: &RequestContext<RoleServer>,
        kinds: &[Kind],
        request: Option<PaginatedRequestParams>,
    ) -> Result<(offer::Page, bool), ErrorData> {
        let asked = self.asked(context)?;
        let tools = self.mcp.toolbox.list(&asked.cx, &asked.caller).await;
        let cursor = request.and_then(|request| request.cursor);
        let page = offer::page(tools, kinds, cursor.as_deref(), self.mcp.config.page_max)?;
        Ok((page, asked.modern))
    }

    fn fresh_ms(&self) -> u64 {
        self.mcp.config.fresh_s.saturating_mul(1_000)
    }
}

/// Revisions are dates, which compare as texts.
pub(super) fn is_modern(version: &ProtocolVersion) -> bool {
    version.as_str() >= ProtocolVersion::V_2026_07_28.as_str()
}

/// A page as a list: private, since what is listed depends on who asks.
macro_rules! list {
    ($server:expr, $page:expr, $list:ident, $make:expr) => {{
        let make = $make;
        let made = $page.tools.iter().filter_map(|tool: &Arc<tds::Tool>| make(tool)).collect();
        let list = $list::with_all_items(made).with_ttl_ms($server.fresh_ms()).with_cache_scope(CacheScope::Private);
        Ok($list { next_cursor: $page.next, ..list })
    }};
}

impl ServerHandler for Server {
    #[expect(deprecated, reason = "2026-07-28 keeps log messages for a year, and 2025-11-25 has nothing else")]
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("syzygy", self.mcp.version);
        info.protocol_version = ProtocolVersion::V_2025_11_25;
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&REVISIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let (page, modern) = self.page(&context, &[Kind::Tool], request).await?;
        list!(self, page, ListToolsResult, |tool| Some(offer::tool(tool, modern)))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let (page, _) = self.page(&context, &[Kind::Prompt], request).await?;
        list!(self, page, ListPromptsResult, |tool| Some(offer::prompt(tool)))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let (page, _) = self.page(&context, &[Kind::Resource], request).await?;
        list!(self, page, ListResourcesResult, |tool| offer::resource(tool))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let (page, _) = self.page(&context, &[Kind::Template], request).await?;
        list!(self, page, ListResourceTemplatesResult, |tool| offer::template(tool))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        reach::tool(self, request, &context).await
    }

    /// What the transport checks headers of a call against: the tool that was found for this request and this caller.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        http::meant().filter(|tool| tool.id.as_str() == name).map(|tool| offer::tool(&tool, true))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        reach::prompt(self, request, &context).await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        reach::resource(self, request, &context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let asked = self.asked(&context)?;
        let tools = self.mcp.toolbox.list(&asked.cx, &asked.caller).await;
        let shown = |tool: &&Arc<tds::Tool>| match &request.r#ref {
            Reference::Prompt(prompt) => prompt.name == tool.id.as_str() && offer::kind(tool) == Kind::Prompt,
            Reference::Resource(resource) => offer::uri(tool).is_some_and(|uri| uri == resource.uri),
            _ => false,
        };
        let tool = tools.iter().find(shown);
        let unknown = || ErrorData::invalid_params("could not find what is to be completed", None);
        let tool = tool.ok_or_else(unknown)?;
        let mut found = offer::completions(tool, &request.argument.name, &request.argument.value);
        let all = found.len();
        found.truncate(CompletionInfo::MAX_VALUES);
        let mut info = CompletionInfo::new(found).map_err(|error| ErrorData::internal_error(error, None))?;
        (info.total, info.has_more) = (u32::try_from(all).ok(), Some(all > info.values.len()));
        Ok(CompleteResult::new(info))
    }

    #[expect(deprecated, reason = "2025-11-25 has it")]
    async fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.asked(&context)?.modern {
            return Err(ErrorData::method_not_found::<rmcp::model::SetLevelRequestMethod>());
        }
        *self.session.hears.lock() = request.level.into();
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let asked = self.asked(&context)?;
        if reach::resource_of(self, &asked, &request.uri).await.is_none() {
            return Err(reach::no_resource(&request.uri));
        }
        let mut watched = self.session.watched.lock();
        if watched.len() >= WATCHED_MAX && !watched.contains(&request.uri) {
            let detail = format!("could not watch more than {WATCHED_MAX} resources in one session");
            return Err(ErrorData::invalid_request(detail, None));
        }
        watched.insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.asked(&context)?;
        self.session.watched.lock().remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.truncate(WATCHED_MAX);
        }
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let asked = self.asked(context.request_context())?;
        news::listen(self, &asked, &context).await;
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        news::follow(self, &context).await;
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let manager = self.tasks(&context, &request.task_id)?;
        manager.get_task(&request.task_id).map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let manager = self.tasks(&context, &request.task_id)?;
        manager.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let manager = self.tasks(&context, &request.task_id)?;
        manager.cancel_task(&request.task_id)
    }
}

impl Server {
    /// MC2: the tasks of whoever asks.
    fn tasks(
        &self,
        context: &RequestContext<RoleServer>,
        task: &str,
    ) -> Result<rmcp::task_manager::TaskManager, ErrorData> {
        let cx = self.cx(&context.extensions)?;
        let known = self.mcp.tasks.lock().of(&cx.principal().name);
        known.ok_or_else(|| ErrorData::invalid_params(format!("unknown task: {task}"), Some(json!({ "taskId": task }))))
    }
}
