//! Documents of every kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgconv_fuzz::documents(data));
