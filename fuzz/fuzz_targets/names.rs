//! Names, digests, platforms, cleaned paths, and what registries say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgconv_fuzz::names(data));
