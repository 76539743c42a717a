//! Integration tests, one binary so that linking stays cheap.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod greeter;
mod run;
mod support;
