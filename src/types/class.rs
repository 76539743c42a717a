//! The closed list of error classes. HTTP status, exit code and retry follow from the class, in one table.

use serde::{Deserialize, Serialize};

/// What kind of failure an error is. Every `Error` in the crate belongs to exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The thing asked for does not exist.
    NotFound,
    /// The request itself is wrong, and sending it again will not help.
    Invalid,
    /// Nobody said who is asking.
    Unauthenticated,
    /// The caller may not do this, or the data may not go there.
    Denied,
    /// The state of the thing forbids it now (exists already, locked by another process).
    Conflict,
    /// A limit was reached: queue, budget, rate, size.
    Exhausted,
    /// The deadline passed first.
    Timeout,
    /// The caller gave up; nobody waits for the answer.
    Cancelled,
    /// Something needed is down or restarting.
    Unavailable,
    /// Data on disk is not what was written.
    Corrupt,
    /// A bug on our side.
    Internal,
}

impl Class {
    /// Every class, for tables and the tests that walk them.
    pub const ALL: [Class; 11] = [
        Class::NotFound,
        Class::Invalid,
        Class::Unauthenticated,
        Class::Denied,
        Class::Conflict,
        Class::Exhausted,
        Class::Timeout,
        Class::Cancelled,
        Class::Unavailable,
        Class::Corrupt,
        Class::Internal,
    ];

    /// The HTTP status a client sees.
    pub fn http_status(self) -> u16 {
        match self {
            Class::NotFound => 404,
            Class::Invalid => 422,
            Class::Unauthenticated => 401,
            Class::Denied => 403,
            Class::Conflict => 409,
            Class::Exhausted => 429,
            Class::Timeout => 504,
            // 499 is what proxies log for a client that left; no standard status says it.
            Class::Cancelled => 499,
            Class::Unavailable => 503,
            Class::Corrupt | Class::Internal => 500,
        }
    }

    /// The exit code of a command, after BSD `sysexits.h` where it has a fitting one.
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Invalid => 64,                         // EX_USAGE
            Class::Corrupt => 65,                         // EX_DATAERR
            Class::NotFound => 66,                        // EX_NOINPUT
            Class::Unavailable => 69,                     // EX_UNAVAILABLE
            Class::Internal => 70,                        // EX_SOFTWARE
            Class::Conflict => 73,                        // EX_CANTCREAT
            Class::Exhausted | Class::Timeout => 75,      // EX_TEMPFAIL: trying later may work
            Class::Unauthenticated | Class::Denied => 77, // EX_NOPERM
            Class::Cancelled => 130,                      // what a shell reports for Ctrl-C
        }
    }

    /// Whether the same request may succeed if it is simply sent again later.
    pub fn retryable(self) -> bool {
        matches!(self, Class::Exhausted | Class::Timeout | Class::Unavailable)
    }

    /// The stable word used in codes, logs and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Class::NotFound => "not_found",
            Class::Invalid => "invalid",
            Class::Unauthenticated => "unauthenticated",
            Class::Denied => "denied",
            Class::Conflict => "conflict",
            Class::Exhausted => "exhausted",
            Class::Timeout => "timeout",
            Class::Cancelled => "cancelled",
            Class::Unavailable => "unavailable",
            Class::Corrupt => "corrupt",
            Class::Internal => "internal",
        }
    }

    /// The class a word names; the inverse of [`Class::word`].
    pub fn from_word(word: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.word() == word)
    }
}
