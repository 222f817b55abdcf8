//! Lists the images of an archive or a layout: names, platform, IDs and layers.
//!
//! ```console
//! $ cargo run --example list -- nginx.tar
//! ```

use std::error::Error;
use std::io::{self, Write};

use imgconv::bytes::files::Input;
use imgconv::progress::Quiet;
use imgconv::source::{self, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: list SOURCE")?;
    let source = source::open(Input::from(path), &Options::default(), &Quiet)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: {}", source.at, source.kind)?;
    for it in source.images() {
        let names: Vec<String> = it.names.iter().map(ToString::to_string).collect();
        writeln!(out, "{} ({})", names.join(", "), it.platform)?;
        writeln!(out, "  image ID {}", it.id)?;
        for layer in &it.image.layers {
            match layer.stored_size() {
                Some(size) => writeln!(out, "  layer    {} {size} bytes", layer.diff_id)?,
                None => writeln!(out, "  layer    {} elsewhere", layer.diff_id)?,
            }
        }
    }
    // A source with problems can still be listed; a conversion refuses it.
    for problem in &source.problems {
        writeln!(out, "problem: {problem}")?;
    }
    Ok(())
}
