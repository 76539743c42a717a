//! The adapter over a pipe and over HTTP, and the official conformance suite against it.

mod conformance;
mod offered;
mod pipe;
pub(in crate::adapters) mod support;
mod web;
