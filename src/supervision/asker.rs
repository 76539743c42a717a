//! Which actor this task works for, so that a question can say who waits for its answer.
//!
//! Handlers and jobs run under a mark that is set while they are polled. A question picks the mark up; casts, and
//! questions from outside, pay nothing for it.

use std::future::Future;
use std::sync::Arc;

use tokio::task::futures::TaskLocalFuture;

use crate::types::Cx;

/// The actor a task works for.
#[derive(Clone)]
pub(super) struct Mark {
    pub(super) path: Arc<str>,
    /// It is the actor's own turn, so the actor does nothing else meanwhile; a job leaves it free.
    pub(super) held: bool,
}

tokio::task_local! {
    static MARK: Mark;
}

/// This work under this mark.
pub(super) fn under<F: Future>(mark: Mark, work: F) -> TaskLocalFuture<Mark, F> {
    MARK.scope(mark, work)
}

/// The context a question of this task travels under.
pub(super) fn now(cx: &Cx) -> Cx {
    MARK.try_with(|mark| cx.asked_by(&mark.path, mark.held)).unwrap_or_else(|_| cx.clone())
}
