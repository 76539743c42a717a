//! A model file of the runtime in this process.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("gguf")(bytes));
