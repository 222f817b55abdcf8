//! Names, digests, platforms and cleaned paths.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgconv_fuzz::names(data));
