//! The scanner of JSON, against another one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgconv_fuzz::json(data));
