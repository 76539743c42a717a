//! The adapter over a pipe and over HTTP, and the official conformance suite against it.

mod conformance;
mod support;
