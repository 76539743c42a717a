//! The lists of models and of prices in a data directory.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("lists")(bytes));
