//! The same call through every adapter is the same call.
