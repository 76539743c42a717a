//! Tools of tests, a toolbox that holds them, and what all adapters have in common.

mod asking;
mod behaviour;
mod same;
pub(in crate::adapters) mod support;
