//! Checks archives and layouts completely, and lists all problems.
//!
//! ```console
//! $ cargo run --example verify -- nginx.tar layout
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use imgconv::bytes::files::Input;
use imgconv::error::Severity;
use imgconv::progress::Quiet;
use imgconv::source::Options;
use imgconv::verify::verify;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut out = io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args_os().skip(1) {
        let found = verify(Input::from(path), &Options::default(), threads, &Quiet)?;
        writeln!(out, "{}: {} problems", found.at, found.problems())?;
        for finding in &found.findings {
            writeln!(out, "  {}[{}]: {finding}", finding.severity, finding.code)?;
            if finding.severity == Severity::Problem {
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
