//! Integration tests, one binary so that linking stays cheap.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod documents;
mod governance;
mod greeter;
mod hosts;
mod memory;
mod privacy;
mod program;
mod run;
mod support;
mod tls;
mod tokens;
mod walk;
