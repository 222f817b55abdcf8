//! Converts an archive into an OCI layout, with a simple progress bar.
//!
//! ```console
//! $ cargo run --example convert -- nginx.tar nginx
//! $ cargo run --example convert -- nginx.tar nginx 1000000    # stops after this number of bytes
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use imgconv::bytes::files::Input;
use imgconv::convert::{self, Destination, Format, Target};
use imgconv::progress::{Event, Progress};
use imgconv::source::{self, Options};

/// A progress line, and a limit. A Ctrl-C handler can set a flag that [`Bar::event`] reads.
struct Bar {
    total: AtomicU64,
    read: AtomicU64,
    most: u64,
}

impl Progress for Bar {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Total(total) => {
                self.total.store(total, Ordering::Relaxed);
                self.read.store(0, Ordering::Relaxed);
            }
            Event::Read(count) => {
                let read = self.read.fetch_add(count, Ordering::Relaxed) + count;
                let done = 30 * read / self.total.load(Ordering::Relaxed).max(read).max(1);
                let done = "#".repeat(usize::try_from(done).unwrap_or_default());
                let _ = write!(io::stderr(), "\r[{done:30}]");
                if read > self.most {
                    return ControlFlow::Break(());
                }
            }
            _ => (),
        }
        ControlFlow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let (Some(from), Some(to)) = (words.next(), words.next()) else {
        return Err("usage: convert SOURCE LAYOUT [BYTES]".into());
    };
    let most = words.next().map(|it| it.to_string_lossy().parse()).transpose()?;
    let bar = Bar { total: 0.into(), read: 0.into(), most: most.unwrap_or(u64::MAX) };

    let source = source::open(Input::from(from), &Options::default(), &bar)?;
    let target = Target::new(Destination::Path(PathBuf::from(to)), Format::Layout);
    let plan = convert::plan(source, target)?;
    for loss in &plan.losses {
        writeln!(io::stderr(), "will be lost: {loss}")?;
    }
    let done = convert::run(&plan, &bar);
    writeln!(io::stderr())?;
    for image in done?.written {
        writeln!(io::stdout(), "{} is {}", image.names.join(", "), image.image_id)?;
    }
    Ok(())
}
