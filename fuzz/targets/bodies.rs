//! Every body that a client can send.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("bodies")(bytes));
