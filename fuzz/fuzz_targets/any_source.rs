//! Any bytes as a source, their headers mended after each change.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgconv_fuzz::any_source(data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    let size = libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    imgconv_fuzz::mend(&mut data[..size]);
    size
});
