//! Calls that go on after they were answered: whose they are, how many, how long.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rmcp::model::{CallToolResponse, CreateTaskResult};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use tokio::time::Instant;

use super::super::{Asks, Call, Caller, Refusal, Reply, Said, Told};
use super::shape::Shape;
use super::{Mcp, answer, ask};
use crate::tds::Tool;
use crate::types::{Class, Cx};

/// The tasks of all principals.
#[derive(Default)]
pub(super) struct Tasks {
    owners: HashMap<String, Owned>,
}

/// Those of one.
#[derive(Default)]
struct Owned {
    manager: TaskManager,
    /// When those began that may still be known.
    begun: VecDeque<Instant>,
}

impl Tasks {
    /// The tasks of a principal that has some.
    pub(super) fn of(&self, principal: &str) -> Option<TaskManager> {
        self.owners.get(principal).map(|owned| owned.manager.clone())
    }

    /// Takes a place for one more, or says that there is none.
    fn begin(&mut self, principal: &str, now: Instant, keep: Duration, most: usize) -> Option<TaskManager> {
        // A task is known while it runs and, when it has ended, as long again.
        let gone = |at: &Instant| now.saturating_duration_since(*at) > keep * 2;
        self.owners.retain(|_, owned| {
            while owned.begun.front().is_some_and(gone) {
                owned.begun.pop_front();
            }
            !owned.begun.is_empty()
        });
        let owned = self.owners.entry(principal.to_owned()).or_default();
        if owned.begun.len() >= most {
            return None;
        }
        owned.begun.push_back(now);
        Some(owned.manager.clone())
    }
}

/// Begins a task that does this call.
pub(super) fn begin(
    mcp: &Arc<Mcp>,
    (cx, caller): (&Cx, &Caller),
    (tool, shape): (Arc<Tool>, Shape),
    call: Call,
) -> Result<CallToolResponse, Refusal> {
    let now = mcp.world.clock.now();
    let keep = mcp.config.task_keep();
    let most = mcp.config.tasks_max;
    let manager = mcp.tasks.lock().begin(&cx.principal().name, now, keep, most).ok_or_else(|| {
        Refusal::new(Class::Exhausted, format!("could not begin a task: there are {most} already (mcp.tasks_max)"))
    })?;
    // The deadline of a request is not that of what goes on after it.
    let own = Cx::new(cx.trace(), cx.principal().clone(), now + keep, cx.budget());
    let cx = own.with_privacy(cx.privacy()).with_residency(&cx.label().residency);
    let options = TaskOptions::new()
        .with_ttl_ms(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX))
        .with_poll_interval_ms(mcp.config.task_poll_ms);
    let (mcp, caller) = (Arc::clone(mcp), caller.clone());
    let task = manager.spawn(options, move |task| {
        Box::pin(async move {
            // Whoever drops the task, as its time does, ends the call.
            let _leaving = cx.cancel_token().clone().drop_guard();
            let reply = tokio::select! {
                biased;
                () = cancelled(&task, &cx) => Err(TaskExit::Cancelled),
                reply = rounds(&mcp, (&cx, &caller), &tool, call, &task) => reply,
            }?;
            let refused = |refusal: &Refusal| answer::failed(refusal).map_err(TaskExit::Error);
            match reply {
                Ok(done) => answer::result(&tool, &shape, done).or_else(|refusal| refused(&refusal)),
                Err(refusal) => refused(&refusal),
            }
        })
    });
    Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
}

/// Ends when the task is given up, and gives up the call.
async fn cancelled(task: &TaskContext, cx: &Cx) {
    task.cancelled().await;
    cx.cancel();
}

/// The call, and again with answers as long as the tool asks.
async fn rounds(
    mcp: &Mcp,
    (cx, caller): (&Cx, &Caller),
    tool: &Tool,
    mut call: Call,
    task: &TaskContext,
) -> Result<Result<super::super::Answer, Refusal>, TaskExit> {
    for round in 0..mcp.config.rounds_max {
        match mcp.toolbox.call(cx, caller, call.clone(), None).await {
            Ok(Reply::Answer(answer)) => return Ok(Ok(answer)),
            Ok(Reply::Asks(asks)) => match asked(tool, caller, asks, task, round).await? {
                Ok(told) => call.told = told,
                Err(refusal) => return Ok(Err(refusal)),
            },
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Err(too_many(tool, mcp.config.rounds_max)))
}

pub(super) fn too_many(tool: &Tool, most: u32) -> Refusal {
    let reason = format!("could not finish {}: it asked more than {most} times (mcp.rounds_max)", tool.id);
    Refusal::new(Class::Exhausted, reason)
}

/// Shows the questions with the task and waits for all of them. A key is used once in a task's life.
async fn asked(
    tool: &Tool,
    caller: &Caller,
    asks: Asks,
    task: &TaskContext,
    round: u32,
) -> Result<Result<Told, Refusal>, TaskExit> {
    let requests = match ask::requests(tool, caller, &asks) {
        Ok(requests) => requests,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let one = |(key, request): (String, _)| async move {
        let shown = if round == 0 { key.clone() } else { format!("{key}#{round}") };
        Ok((key, task.request_input(shown, request).await?))
    };
    let answers: Result<Vec<_>, TaskExit> = join_all(requests.into_iter().map(one)).await.into_iter().collect();
    let said =
        |(key, answer): (String, serde_json::Value)| -> Option<(String, Said)> { Some((key, ask::said(&answer)?)) };
    Ok(Ok(Told { state: asks.state, answers: answers?.into_iter().filter_map(said).collect() }))
}
