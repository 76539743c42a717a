//! What tools send on their way out, and what servers answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("egress")(bytes));
