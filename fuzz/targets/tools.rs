//! A tool's description, in each of its formats.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("tools")(bytes));
