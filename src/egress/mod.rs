//! The way out of a sandbox.
