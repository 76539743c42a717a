//! Integration tests, one binary so that linking stays cheap.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod run;
mod support;
