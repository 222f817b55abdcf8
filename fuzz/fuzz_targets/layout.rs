//! A whole source out of a model, damaged in chosen places.
#![no_main]

libfuzzer_sys::fuzz_target!(|model: imgconv_fuzz::layout::Model| imgconv_fuzz::layout::run(&model));
