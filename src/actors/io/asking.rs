//! What a piece of work asks of the table, and what it can take at the most.

use super::Task;
use super::pipeline::{Piece, Pipeline};
use crate::types::Cx;
use crate::ziggy::route::{self, Decision, decide_under};
use crate::ziggy::{Classification, Wanted};

/// Tokens that instructions and message framing add to a prompt, at the most. Measured: the chat template and system
/// text of the agents that come with the host take 40 to 60.
const FRAME_TOKENS: u64 = 96;

/// How long a prompt is.
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// By the host's estimate.
    pub(super) tokens: u64,
    pub(super) bytes: u64,
}

impl Piece {
    pub(super) fn size(&self) -> Size {
        Size { tokens: self.tokens, bytes: self.prompt.len() as u64 }
    }
}

impl Pipeline {
    /// What bounds the tokens of a chunk of this size, of which so many may be used.
    pub(super) fn wanted(&self, task: &Task, size: Size, allowed: u64) -> Wanted {
        Wanted {
            tokens_in: size.tokens.saturating_add(FRAME_TOKENS),
            bytes_in: Some(size.bytes),
            tokens_out_max: u64::from(task.max_tokens.unwrap_or(self.config.answer_tokens)),
            allowed,
        }
    }

    /// Where a chunk of this size would go now.
    pub(super) fn decide(&self, cx: &Cx, task: &Task, class: &Classification, size: Size) -> Decision {
        let Wanted { tokens_in, bytes_in, tokens_out_max, .. } = self.wanted(task, size, cx.budget().tokens);
        let request = route::Request {
            destination: self.destination(task, class),
            tokens_in,
            bytes_in,
            tokens_out_max,
            budget: cx.budget(),
            session: task.session.clone(),
            pin: task.agent.clone(),
            tenant: Some(cx.principal().tenant().to_owned()),
            modalities: Vec::new(),
            residency: cx.label().residency.named(),
            // A session decides by its name; everybody else by chance, which is in the record.
            seed: task.session.is_none().then(|| self.world.random.next()),
            at: self.world.clock.wall(),
        };
        decide_under(&self.parts.router.fib(), &request, &|candidate| self.parts.router.in_flight(candidate))
    }

    /// Where a task has to go. An agent that the caller asked for by name need not offer what the task was taken for:
    /// what a task is about is a guess, and the name is not. Every other constraint holds.
    pub(super) fn destination(&self, task: &Task, class: &Classification) -> route::Destination {
        let mut destination = class.destination();
        let rib = self.parts.router.rib();
        if let Some(candidate) = task.agent.as_ref().and_then(|name| rib.named(name))
            && !candidate.capabilities.contains(&destination.capability)
            && let Some(own) = candidate.capabilities.first()
        {
            destination.capability = own.clone();
        }
        destination
    }
}
