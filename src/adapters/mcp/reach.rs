//! From a request to the toolbox and back: tools, prompts and resources all are calls.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientResult, GetPromptRequestParams,
    GetPromptResponse, InputRequest, InputRequiredResult, InputResponses, ReadResourceRequestParams,
    ReadResourceResponse, RequestMetaObject, ServerRequest,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::super::{Answer, Asks, Call, Refusal, Reply, Said, Told};
use super::server::{Asked, Server};
use super::shape::{Asking, Kind, Shape, Task};
use super::tell::Teller;
use super::{answer, ask, tasks};
use crate::tds::Tool;
use crate::tds::tool::Range;
use crate::types::Class;

/// Where a caller says in `_meta` which versions it takes, and under which key its call happens once.
pub(super) const REQUIRED: &str = "syzygy/requires";
pub(super) const KEY: &str = "syzygy/idempotencyKey";

/// Lines of a tool that may wait for a slow client; a tool that says more waits too.
const LINES_WAITING: usize = 32;

/// What a call came to: an answer, or questions that are to be sent back.
enum Reached {
    Answer(Answer),
    Asks(InputRequiredResult),
}

/// A tool that was found for a call, and how it is offered.
struct Found {
    tool: Arc<Tool>,
    shape: Shape,
    call: Call,
}

/// What a request carries besides arguments.
type Carried = (Option<InputResponses>, Option<String>);

/// The versions and the key a caller names.
fn wishes(meta: &RequestMetaObject) -> Result<(Option<Range>, Option<String>), ErrorData> {
    let text = |key: &str| meta.0.0.get(key).map(|value| value.as_str().unwrap_or_default());
    let wrong = |error| ErrorData::invalid_params(format!("could not read {REQUIRED}: {error}"), None);
    let required = text(REQUIRED).map(str::parse::<Range>).transpose().map_err(wrong)?;
    match text(KEY) {
        Some("") => Err(ErrorData::invalid_params(format!("could not read {KEY}: it is no text"), None)),
        key => Ok((required, key.map(str::to_owned))),
    }
}

/// The call that a request makes, if its caller may see the tool and the tool is offered so.
async fn found(
    server: &Server,
    (asked, meta): (&Asked, &RequestMetaObject),
    name: &str,
    kinds: &[Kind],
    (arguments, carried): (Value, Carried),
) -> Result<Found, ErrorData> {
    let (required, idempotency_key) = wishes(meta)?;
    let toolbox = &server.mcp.toolbox;
    let unknown = || answer::error(&Refusal::unknown(name));
    let tool = toolbox.find(&asked.cx, &asked.caller, name, required.as_ref()).await.ok_or_else(unknown)?;
    let shape = Shape::of(&tool);
    if !kinds.contains(&shape.kind()) {
        return Err(unknown());
    }
    let (answers, state) = carried;
    let (told, asking) = ask::told(&server.mcp.codec, (&asked.cx, &tool), answers, state)?;
    let required = asking.or(required);
    let call = Call { name: tool.id.to_string(), required, arguments, idempotency_key, told };
    Ok(Found { tool, shape, call })
}

/// `tools/call`.
pub(super) async fn tool(
    server: &Server,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let asked = server.asked(context)?;
    let arguments = Value::Object(request.arguments.unwrap_or_default());
    let carried = (request.input_responses, request.request_state);
    let found = found(server, (&asked, &context.meta), &request.name, &[Kind::Tool], (arguments, carried)).await?;
    if is_task(&found, context)? {
        let own = (Arc::clone(&found.tool), found.shape.clone());
        let begun = tasks::begin(&server.mcp, (&asked.cx, &asked.caller), own, found.call);
        return begun.or_else(|refusal| answer::failed(&refusal).map(CallToolResponse::Complete));
    }
    let result = match reached(server, &asked, &found, context).await {
        Ok(Reached::Asks(asks)) => return Ok(CallToolResponse::InputRequired(asks)),
        Ok(Reached::Answer(answer)) => answer::result(&found.tool, &found.shape, answer),
        Err(refusal) => Err(refusal),
    };
    result.or_else(|refusal| answer::failed(&refusal)).map(CallToolResponse::Complete)
}

/// Whether a call goes on as a task.
fn is_task(found: &Found, context: &RequestContext<RoleServer>) -> Result<bool, ErrorData> {
    let knows = context.client_capabilities().is_some_and(|declared| declared.supports_tasks());
    match found.shape.task {
        Task::Never => return Ok(false),
        Task::Optional if !knows => return Ok(false),
        Task::Required if !knows => {
            let needed = ClientCapabilities::builder().enable_tasks().build();
            return Err(ErrorData::missing_required_client_capability(needed));
        }
        Task::Optional | Task::Required => {}
    }
    Ok(found.shape.asks == Asking::During || found.call.told != Told::default())
}

/// `prompts/get`.
pub(super) async fn prompt(
    server: &Server,
    request: GetPromptRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<GetPromptResponse, ErrorData> {
    let asked = server.asked(context)?;
    let arguments = Value::Object(request.arguments.unwrap_or_default());
    let carried = (request.input_responses, request.request_state);
    let found = found(server, (&asked, &context.meta), &request.name, &[Kind::Prompt], (arguments, carried)).await?;
    match reached(server, &asked, &found, context).await.map_err(|refusal| answer::error(&refusal))? {
        Reached::Asks(asks) => Ok(GetPromptResponse::InputRequired(asks)),
        Reached::Answer(answer) => answer::prompt(&found.tool, answer)
            .map(GetPromptResponse::Complete)
            .map_err(|refusal| answer::error(&refusal)),
    }
}

/// The tool behind a resource, with the inputs its place stands for.
pub(super) async fn resource_of(server: &Server, asked: &Asked, uri: &str) -> Option<(String, Map<String, Value>)> {
    let tools = server.mcp.toolbox.list(&asked.cx, &asked.caller).await;
    tools.iter().find_map(|tool| Some((tool.id.to_string(), Shape::of(tool).resource?.inputs(uri)?)))
}

/// There is no such resource, or its caller may not know of it.
pub(super) fn no_resource(uri: &str) -> ErrorData {
    ErrorData::resource_not_found(format!("could not find a resource {uri:?}"), Some(json!({ "uri": uri })))
}

/// `resources/read`.
pub(super) async fn resource(
    server: &Server,
    request: ReadResourceRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<ReadResourceResponse, ErrorData> {
    let asked = server.asked(context)?;
    let (name, inputs) = resource_of(server, &asked, &request.uri).await.ok_or_else(|| no_resource(&request.uri))?;
    let carried = (request.input_responses, request.request_state);
    let kinds = [Kind::Resource, Kind::Template];
    let call = (Value::Object(inputs), carried);
    let found = found(server, (&asked, &context.meta), &name, &kinds, call).await?;
    match reached(server, &asked, &found, context).await.map_err(|refusal| answer::error(&refusal))? {
        Reached::Asks(asks) => Ok(ReadResourceResponse::InputRequired(asks)),
        Reached::Answer(answer) => {
            Ok(ReadResourceResponse::Complete(answer::contents(&request.uri, &found.shape, answer)))
        }
    }
}

/// Makes the call. Questions are for the caller's next request, or asked meanwhile if it speaks an older revision.
async fn reached(
    server: &Server,
    asked: &Asked,
    found: &Found,
    context: &RequestContext<RoleServer>,
) -> Result<Reached, Refusal> {
    let mcp = &server.mcp;
    let mut call = found.call.clone();
    for _ in 0..mcp.config.rounds_max {
        let asks = match called(server, asked, &found.tool, call.clone(), context).await? {
            Reply::Answer(answer) => return Ok(Reached::Answer(answer)),
            Reply::Asks(asks) => asks,
        };
        if asked.modern {
            let own = (&asked.cx, &*found.tool, mcp.config.answer_within());
            return ask::required(&mcp.codec, own, &asked.caller, &asks).map(Reached::Asks);
        }
        call.told = meanwhile(server, asked, &found.tool, asks, context).await?;
        call.required = format!("={}", found.tool.version).parse().ok();
    }
    Err(tasks::too_many(&found.tool, mcp.config.rounds_max))
}

/// One call, with what the tool says meanwhile passed on. MC3: it ends when its caller leaves.
async fn called(
    server: &Server,
    asked: &Asked,
    tool: &Tool,
    call: Call,
    context: &RequestContext<RoleServer>,
) -> Result<Reply, Refusal> {
    let cx = asked.cx.child();
    let _leaving = cx.cancel_token().clone().drop_guard();
    let mut teller = Teller::new(context, tool.id.as_str(), server.hears(), asked.modern);
    let (sender, mut lines) = mpsc::channel(LINES_WAITING);
    let sender = teller.is_some().then_some(sender);
    let calling = server.mcp.toolbox.call(&cx, &asked.caller, call, sender);
    tokio::pin!(calling);
    let mut gone = false;
    let reply = loop {
        tokio::select! {
            biased;
            () = context.ct.cancelled(), if !gone => {
                gone = true;
                cx.cancel();
            }
            Some(line) = lines.recv(), if teller.is_some() => {
                if let Some(teller) = &mut teller {
                    teller.tell(line).await;
                }
            }
            reply = &mut calling => break reply,
        }
    };
    while let (Some(teller), Ok(line)) = (&mut teller, lines.try_recv()) {
        teller.tell(line).await;
    }
    reply
}

/// Asks the client of an older revision while its call waits.
async fn meanwhile(
    server: &Server,
    asked: &Asked,
    tool: &Tool,
    asks: Asks,
    context: &RequestContext<RoleServer>,
) -> Result<Told, Refusal> {
    let requests = ask::requests(tool, &asked.caller, &asks)?;
    let within = server.mcp.config.answer_within();
    let mut told = Told { state: asks.state, ..Told::default() };
    for (key, request) in requests {
        let answered = tokio::select! {
            biased;
            () = context.ct.cancelled() => {
                return Err(Refusal::new(Class::Cancelled, "could not go on: the caller left"));
            }
            answered = tokio::time::timeout(within, one(request, context)) => answered,
        };
        let waited = || Refusal::new(Class::Timeout, format!("could not wait longer for what {} asked", tool.id));
        if let Some(said) = answered.map_err(|_| waited())?? {
            told.answers.insert(key, said);
        }
    }
    Ok(told)
}

async fn one(request: InputRequest, context: &RequestContext<RoleServer>) -> Result<Option<Said>, Refusal> {
    let request = match request {
        InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
        InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
        InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
        _ => return Ok(None),
    };
    let answered = context.peer.send_request(request).await;
    let answer = match answered {
        Ok(ClientResult::CreateMessageResult(result)) => serde_json::to_value(result),
        Ok(ClientResult::ElicitResult(result)) => serde_json::to_value(result),
        Ok(ClientResult::ListRootsResult(result)) => serde_json::to_value(result),
        Ok(_) => return Ok(None),
        Err(error) => {
            return Err(Refusal::new(Class::Unavailable, format!("could not ask the caller: {error}")));
        }
    };
    Ok(answer.ok().as_ref().and_then(ask::said))
}
