//! LAP's control plane: what may be called, by whom, with which arguments, and for how long. It decides; it performs
//! nothing.
//!
//! What it is for: `policy` judges a call by rules that operators write, `grant` proves what a caller was given.
//! What it owns: nothing outside itself. Time, randomness and keys are passed in; what comes out are decisions with their
//! reasons, and tokens.
//! What it never does: wait, read a clock or chance, do I/O or log.

pub mod grant;
pub mod policy;
