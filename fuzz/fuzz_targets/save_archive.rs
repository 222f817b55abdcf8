//! A whole source out of a model, damaged in chosen places.
#![no_main]

libfuzzer_sys::fuzz_target!(|model: imgconv_fuzz::save_archive::Model| {
    imgconv_fuzz::save_archive::run(&model)
});
