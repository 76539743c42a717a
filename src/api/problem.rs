//! What a client is told when something does not work: problem+json (RFC 9457) with a code that stays.
//!
//! `docs/errors.md` has a paragraph for every code; a test compares the two.

use axum::Json;
use axum::http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::actors::{crown, inbox, io, router};
use crate::types::{Class, RunId};
use crate::{rat, store};

/// What is wrong, in one word that programs may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No such path.
    UnknownPath,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The body is no JSON, or not all of it came.
    MalformedJson,
    /// The JSON does not fit: a field is unknown, missing or of the wrong type, or a value makes no sense.
    InvalidRequest,
    /// The body is not said to be JSON.
    WrongMediaType,
    /// The body is compressed.
    WrongEncoding,
    /// The bytes of the request have no reading, or more than one.
    MalformedRequest,
    /// There are too many headers, or they are too long.
    HeadTooLarge,
    /// The headers came too slowly.
    HeadTimeout,
    /// The body or the task is larger than allowed.
    TooLarge,
    /// The body came too slowly.
    BodyTimeout,
    /// No token, or one that nobody was given.
    Unauthenticated,
    /// The token was good until its time was up.
    TokenExpired,
    /// The token was good until somebody took it back.
    TokenRevoked,
    /// Too many wrong tokens came from there.
    TokenGuesses,
    /// The token may not do this.
    InsufficientScope,
    /// The request is for another host.
    WrongHost,
    /// A page of another place sent the request.
    WrongOrigin,
    /// The host serves as many requests as it may.
    Overloaded,
    /// No such run.
    UnknownRun,
    /// No such candidate.
    UnknownCandidate,
    /// No such destination.
    UnknownDestination,
    /// No such alert.
    UnknownAlert,
    /// Nobody offers what the task needs.
    NoRoute,
    /// Whoever could do the task may not see it.
    PrivacyForbids,
    /// Something else does not exist.
    NotFound,
    /// Something else may not be done.
    Denied,
    /// The state of the thing forbids it now.
    Conflict,
    /// A budget has too little left until its window ends.
    BudgetExhausted,
    /// A budget has too little left, and waiting does not help.
    BudgetSpent,
    /// A limit was reached.
    Exhausted,
    /// The deadline passed first.
    Timeout,
    /// Somebody stopped the run.
    Cancelled,
    /// Something needed is down or restarting.
    Unavailable,
    /// Data on disk is not what was written.
    Corrupt,
    /// A tool failed, or did not say what it promises.
    ToolFailed,
    /// A bug on our side.
    Internal,
}

impl Code {
    /// Every code, for tables and the tests that walk them.
    pub const ALL: [Code; 37] = [
        Code::UnknownPath,
        Code::MethodNotAllowed,
        Code::MalformedJson,
        Code::InvalidRequest,
        Code::WrongMediaType,
        Code::WrongEncoding,
        Code::MalformedRequest,
        Code::HeadTooLarge,
        Code::HeadTimeout,
        Code::TooLarge,
        Code::BodyTimeout,
        Code::Unauthenticated,
        Code::TokenExpired,
        Code::TokenRevoked,
        Code::TokenGuesses,
        Code::InsufficientScope,
        Code::WrongHost,
        Code::WrongOrigin,
        Code::Overloaded,
        Code::UnknownRun,
        Code::UnknownCandidate,
        Code::UnknownDestination,
        Code::UnknownAlert,
        Code::NoRoute,
        Code::PrivacyForbids,
        Code::NotFound,
        Code::Denied,
        Code::Conflict,
        Code::BudgetExhausted,
        Code::BudgetSpent,
        Code::Exhausted,
        Code::Timeout,
        Code::Cancelled,
        Code::Unavailable,
        Code::Corrupt,
        Code::ToolFailed,
        Code::Internal,
    ];

    /// The class it belongs to, which also gives the command line its exit code.
    pub fn class(self) -> Class {
        match self {
            Code::UnknownPath
            | Code::UnknownRun
            | Code::UnknownCandidate
            | Code::UnknownDestination
            | Code::UnknownAlert
            | Code::NoRoute
            | Code::NotFound => Class::NotFound,
            Code::MethodNotAllowed
            | Code::MalformedJson
            | Code::InvalidRequest
            | Code::WrongMediaType
            | Code::WrongEncoding
            | Code::MalformedRequest
            | Code::HeadTooLarge
            | Code::TooLarge => Class::Invalid,
            Code::Unauthenticated | Code::TokenExpired | Code::TokenRevoked => Class::Unauthenticated,
            Code::InsufficientScope | Code::WrongHost | Code::WrongOrigin | Code::PrivacyForbids | Code::Denied => {
                Class::Denied
            }
            Code::Conflict => Class::Conflict,
            Code::TokenGuesses | Code::BudgetExhausted | Code::BudgetSpent | Code::Exhausted => Class::Exhausted,
            Code::HeadTimeout | Code::BodyTimeout | Code::Timeout => Class::Timeout,
            Code::Cancelled => Class::Cancelled,
            Code::Overloaded | Code::Unavailable => Class::Unavailable,
            Code::Corrupt => Class::Corrupt,
            Code::ToolFailed | Code::Internal => Class::Internal,
        }
    }

    /// The HTTP status: that of the class, unless HTTP has one that says more.
    pub fn status(self) -> u16 {
        match self {
            Code::MethodNotAllowed => 405,
            Code::MalformedJson | Code::MalformedRequest => 400,
            Code::WrongMediaType | Code::WrongEncoding => 415,
            Code::TooLarge => 413,
            Code::HeadTooLarge => 431,
            Code::HeadTimeout | Code::BodyTimeout => 408,
            Code::WrongHost => 421,
            Code::BudgetSpent => 402,
            Code::ToolFailed => 502,
            other => other.class().http_status(),
        }
    }

    /// The word that stands in the JSON and in `docs/errors.md`.
    pub fn word(self) -> &'static str {
        match self {
            Code::UnknownPath => "unknown_path",
            Code::MethodNotAllowed => "method_not_allowed",
            Code::MalformedJson => "malformed_json",
            Code::InvalidRequest => "invalid_request",
            Code::WrongMediaType => "wrong_media_type",
            Code::WrongEncoding => "wrong_encoding",
            Code::MalformedRequest => "malformed_request",
            Code::HeadTooLarge => "head_too_large",
            Code::HeadTimeout => "head_timeout",
            Code::TooLarge => "too_large",
            Code::BodyTimeout => "body_timeout",
            Code::Unauthenticated => "unauthenticated",
            Code::TokenExpired => "token_expired",
            Code::TokenRevoked => "token_revoked",
            Code::TokenGuesses => "token_guesses",
            Code::InsufficientScope => "insufficient_scope",
            Code::WrongHost => "wrong_host",
            Code::WrongOrigin => "wrong_origin",
            Code::Overloaded => "overloaded",
            Code::UnknownRun => "unknown_run",
            Code::UnknownCandidate => "unknown_candidate",
            Code::UnknownDestination => "unknown_destination",
            Code::UnknownAlert => "unknown_alert",
            Code::NoRoute => "no_route",
            Code::PrivacyForbids => "privacy_forbids",
            Code::NotFound => "not_found",
            Code::Denied => "denied",
            Code::Conflict => "conflict",
            Code::BudgetExhausted => "budget_exhausted",
            Code::BudgetSpent => "budget_spent",
            Code::Exhausted => "exhausted",
            Code::Timeout => "timeout",
            Code::Cancelled => "cancelled",
            Code::Unavailable => "unavailable",
            Code::Corrupt => "corrupt",
            Code::ToolFailed => "tool_failed",
            Code::Internal => "internal",
        }
    }

    /// The same for every occurrence, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Code::UnknownPath => "there is nothing at this path",
            Code::MethodNotAllowed => "this path does not take that method",
            Code::MalformedJson => "the body is not JSON",
            Code::InvalidRequest => "the request does not fit",
            Code::WrongMediaType => "the body must be JSON",
            Code::WrongEncoding => "the body must not be compressed",
            Code::MalformedRequest => "the request is no proper HTTP",
            Code::HeadTooLarge => "the headers are too large",
            Code::HeadTimeout => "the headers came too slowly",
            Code::TooLarge => "the request is too large",
            Code::BodyTimeout => "the body came too slowly",
            Code::Unauthenticated => "a valid token is needed",
            Code::TokenExpired => "the token has expired",
            Code::TokenRevoked => "the token was taken back",
            Code::TokenGuesses => "too many wrong tokens came from there",
            Code::InsufficientScope => "the token may not do this",
            Code::WrongHost => "the request is for another host",
            Code::WrongOrigin => "a page of another place sent the request",
            Code::Overloaded => "too many requests at a time",
            Code::UnknownRun => "there is no such run",
            Code::UnknownCandidate => "there is no such candidate",
            Code::UnknownDestination => "there is no such destination",
            Code::UnknownAlert => "there is no such alert",
            Code::NoRoute => "nobody offers what the task needs",
            Code::PrivacyForbids => "nobody who could do the task may see it",
            Code::NotFound => "it does not exist",
            Code::Denied => "it may not be done",
            Code::Conflict => "it is not possible in the present state",
            Code::BudgetExhausted => "the budget of this time is used up",
            Code::BudgetSpent => "the budget is used up",
            Code::Exhausted => "a limit was reached",
            Code::Timeout => "the deadline passed",
            Code::Cancelled => "the run was cancelled",
            Code::Unavailable => "something needed is down",
            Code::Corrupt => "stored data is damaged",
            Code::ToolFailed => "the tool failed",
            Code::Internal => "a bug on our side",
        }
    }

    /// The code for an error of which only the class is known.
    pub fn of(class: Class) -> Code {
        match class {
            Class::NotFound => Code::NotFound,
            Class::Invalid => Code::InvalidRequest,
            Class::Unauthenticated => Code::Unauthenticated,
            Class::Denied => Code::Denied,
            Class::Conflict => Code::Conflict,
            Class::Exhausted => Code::Exhausted,
            Class::Timeout => Code::Timeout,
            Class::Cancelled => Code::Cancelled,
            Class::Unavailable => Code::Unavailable,
            Class::Corrupt => Code::Corrupt,
            Class::Internal => Code::Internal,
        }
    }
}

/// A failure as a client sees it (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A name for the kind of problem; `docs/errors.md` explains it under its last part.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means, the same each time.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what would help.
    pub detail: String,
    /// The word programs may rely on.
    pub code: Code,
    /// The run it happened in, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Seconds after which it is worth trying again, if they are known. It goes into `Retry-After`.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

/// What any endpoint may answer instead, for the contract.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is only described, never made")]
pub(super) enum Problems {
    /// The request was refused; `docs/errors.md` explains each code.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Client(Problem),
    /// The host could not do it; `docs/errors.md` explains each code.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Host(Problem),
}

/// Seconds a client is asked to wait before it tries again: longer than a restart takes, short for a person.
const RETRY_AFTER_S: u64 = 1;

/// What is said of a failure whose cause is for the log only.
const HIDDEN: &str = "the cause is in the host's log, under the trace id of this request";

impl Problem {
    /// This code, with what happened this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:syzygy:error:{}", code.word()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            run_id: None,
            retry_after_s: None,
        }
    }

    /// The same problem, in this run.
    pub fn in_run(mut self, run: Option<RunId>) -> Problem {
        self.run_id = self.run_id.or(run);
        self
    }

    /// The same problem, with the time after which it is over.
    pub(super) fn after(mut self, wait: std::time::Duration) -> Problem {
        self.retry_after_s = Some(wait.as_secs() + 1);
        self
    }

    /// The whole answer as bytes, for a connection on which no request was understood. It says that it is the last.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::json!(self).to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\
             cache-control: no-store\r\n\r\n",
            body.len()
        );
        (head + &body).into_bytes()
    }

    /// An error of the layers below. What went wrong inside is logged and not shown.
    pub(super) fn of(class: Class, error: &dyn std::error::Error) -> Problem {
        Problem::classed(Code::of(class), error)
    }

    fn classed(code: Code, error: &dyn std::error::Error) -> Problem {
        match code.class() {
            Class::Internal | Class::Corrupt => {
                tracing::error!(%error, code = code.word(), "a request failed");
                Problem::new(code, HIDDEN)
            }
            _ => Problem::new(code, error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.code.class().retryable() && matches!(self.status, 429 | 503);
        let after = self.retry_after_s.unwrap_or(RETRY_AFTER_S);
        let (plain, last) = (self.code == Code::WrongEncoding, self.code == Code::MalformedRequest);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if retry {
            headers.insert(RETRY_AFTER, HeaderValue::from(after));
        }
        if plain {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if last {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What a problem's content type is.
pub const MEDIA_TYPE: &str = "application/problem+json";

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        let code = match &error {
            io::Error::TooLarge(_) => Code::TooLarge,
            io::Error::Refused { class: Class::NotFound, .. } => Code::NoRoute,
            io::Error::Refused { class: Class::Denied, .. } => Code::PrivacyForbids,
            io::Error::NotRunning(_) => Code::UnknownRun,
            io::Error::Budget { wait: Some(wait), .. } => {
                return Problem::classed(Code::BudgetExhausted, &error).after(*wait);
            }
            io::Error::Budget { wait: None, .. } => Code::BudgetSpent,
            io::Error::Journal(error) => return error.clone().into(),
            io::Error::Review(error) => return error.clone().into(),
            other => Code::of(other.class()),
        };
        Problem::classed(code, &error)
    }
}

impl From<router::Error> for Problem {
    fn from(error: router::Error) -> Problem {
        Problem::of(error.class(), &error)
    }
}

impl From<crown::Error> for Problem {
    fn from(error: crown::Error) -> Problem {
        let code = match &error {
            crown::Error::NoAlert(_) => Code::UnknownAlert,
            other => Code::of(other.class()),
        };
        Problem::classed(code, &error)
    }
}

impl From<inbox::Error> for Problem {
    fn from(error: inbox::Error) -> Problem {
        match error {
            inbox::Error::Journal(error) => error.into(),
            other => Problem::of(other.class(), &other),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Problem {
        // What a database says about itself names files and statements, which are nobody's business out there.
        tracing::error!(%error, "the journal refused a request");
        let detail = match error.class() {
            Class::Unavailable => "the journal cannot be used now; the cause is in the host's log",
            _ => HIDDEN,
        };
        Problem::new(Code::of(error.class()), detail)
    }
}

impl From<rat::Error> for Problem {
    fn from(error: rat::Error) -> Problem {
        match error {
            rat::Error::Journal(error) => error.into(),
            other => Problem::of(other.class(), &other),
        }
    }
}
