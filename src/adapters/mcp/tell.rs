//! What a tool says while it works, as notifications: pieces as progress, lines for its keeper as log messages.
#![expect(deprecated, reason = "2026-07-28 keeps log messages for a year, and 2025-11-25 has nothing else")]

use rmcp::RoleServer;
use rmcp::model::{
    LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParam, ProgressNotificationParam,
    ProgressToken, ServerNotification,
};
use rmcp::service::{Peer, RequestContext};
use serde_json::{Value, json};

use crate::sandbox::{Level, Line};

/// How much of what tools log a client hears, in the order of the protocol's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hears {
    /// All.
    Debug,
    /// What happens.
    Info,
    /// What is odd.
    Warning,
    /// What went wrong.
    Error,
    /// Nothing a tool can say is that grave.
    Nothing,
}

impl From<LoggingLevel> for Hears {
    fn from(level: LoggingLevel) -> Hears {
        match level {
            LoggingLevel::Debug => Hears::Debug,
            LoggingLevel::Info => Hears::Info,
            LoggingLevel::Notice | LoggingLevel::Warning => Hears::Warning,
            LoggingLevel::Error => Hears::Error,
            LoggingLevel::Critical | LoggingLevel::Alert | LoggingLevel::Emergency => Hears::Nothing,
        }
    }
}

/// Tells one caller what one call says.
pub(super) struct Teller {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    hears: Hears,
    logger: String,
    pieces: f64,
}

impl Teller {
    /// None if the caller wants to hear nothing. Since 2026-07-28 each request says what it wants to hear of the log.
    pub(super) fn new(
        context: &RequestContext<RoleServer>,
        tool: &str,
        session: Hears,
        modern: bool,
    ) -> Option<Teller> {
        let token = context.meta.get_progress_token();
        let own = context.meta.log_level().map(Hears::from);
        let hears = if modern { own.unwrap_or(Hears::Nothing) } else { session };
        let wanted = token.is_some() || hears < Hears::Nothing;
        wanted.then(|| Teller { peer: context.peer.clone(), token, hears, logger: tool.to_owned(), pieces: 0.0 })
    }

    /// Passes a line on. One that cannot be is lost: the answer is what counts.
    pub(super) async fn tell(&mut self, line: Line) {
        let sent = match line {
            Line::Chunk { text, .. } => match self.progress(text) {
                Some(progress) => self.peer.notify_progress(progress).await,
                None => return,
            },
            Line::Log { level, text, .. } => {
                let (hears, level) = match level {
                    Level::Debug => (Hears::Debug, LoggingLevel::Debug),
                    Level::Info => (Hears::Info, LoggingLevel::Info),
                    Level::Warn => (Hears::Warning, LoggingLevel::Warning),
                    Level::Error => (Hears::Error, LoggingLevel::Error),
                };
                if hears < self.hears {
                    return;
                }
                let said = LoggingMessageNotificationParam::new(level, json!(text)).with_logger(self.logger.clone());
                let made = LoggingMessageNotification::new(said);
                self.peer.send_notification(ServerNotification::LoggingMessageNotification(made)).await
            }
            // Whether somebody remembers it is decided where memory is; noise is for the tool's keeper.
            Line::MemoryDelta { .. } | Line::Noise { .. } => return,
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a client could not be told what a tool says");
        }
    }

    /// A piece as progress. One that is an object with a number `progress` says itself how far it is.
    fn progress(&mut self, text: String) -> Option<ProgressNotificationParam> {
        let token = self.token.clone()?;
        let object = serde_json::from_str::<Value>(&text).ok();
        let number = |key: &str| object.as_ref()?.get(key)?.as_f64();
        if let Some(progress) = number("progress") {
            self.pieces = self.pieces.max(progress);
            let mut made = ProgressNotificationParam::new(token, progress);
            made.total = number("total");
            made.message = object.as_ref().and_then(|own| Some(own.get("message")?.as_str()?.to_owned()));
            return Some(made);
        }
        self.pieces += 1.0;
        Some(ProgressNotificationParam::new(token, self.pieces).with_message(text))
    }
}
