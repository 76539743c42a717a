//! The streams of an endpoint and of a host.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("sse")(bytes));
