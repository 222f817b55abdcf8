//! How a long run is watched and stopped from outside, the opening of a source among it.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::digest::Digest;
use crate::error::{At as _, ErrorKind, Location, Result};

/// What is done with one blob or archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// An archive that is compressed or comes through a pipe is put into a temporary file.
    Spool,
    /// A layer is read for the sizes of its files.
    Read,
    /// A blob is checked.
    Verify,
    /// A blob is checked and copied.
    Copy,
    /// A layer is checked and decompressed.
    Decompress,
    /// A layer is checked and compressed.
    Compress,
    /// A layer that the destination has is checked, and used in place of the source's.
    Reuse {
        /// What it is at the destination.
        digest: Digest,
    },
}

/// What happens while a conversion runs.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// So many bytes of blobs will be read from here on. It comes anew where a run begins again, as
    /// another writer was faster.
    Total(u64),
    /// Work on one blob or archive starts.
    Started {
        /// What is done with it.
        activity: Activity,
        /// Where it is.
        at: &'a Location,
        /// Bytes that are to be read, where that is known.
        size: Option<u64>,
    },
    /// That work ended, well or not.
    Finished {
        /// What was done with it.
        activity: Activity,
        /// Where it is.
        at: &'a Location,
    },
    /// Another writer holds the lock of a destination, and has to be waited for.
    Waiting {
        /// The destination.
        at: &'a Location,
    },
    /// So many more bytes were read: of blobs, after [`Event::Total`], which is the sum of these;
    /// before it, while a source is opened, of an archive that is compressed or comes through a
    /// pipe. A layer that the destination has counts as much as the source's, once it is checked.
    Read(u64),
    /// A temporary file or directory came to be here.
    Staged(&'a Path),
    /// The temporary file or directory is gone, by removal or by its final name.
    Settled(&'a Path),
}

/// The observer of a run; [`ControlFlow::Break`], said once, ends it with
/// [`ErrorKind::Interrupted`], and nothing is left of it. After the last step, which puts the
/// destination in its place, there is nothing to end: the last [`Event::Settled`] is told only.
pub trait Progress: Send + Sync {
    /// Called from any thread.
    fn event(&self, event: Event<'_>) -> ControlFlow<()>;
}

impl<P: Progress + ?Sized> Progress for &P {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        P::event(self, event)
    }
}

impl<P: Progress + ?Sized> Progress for Box<P> {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        P::event(self, event)
    }
}

impl<P: Progress + ?Sized> Progress for Arc<P> {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        P::event(self, event)
    }
}

/// Watches with a function.
#[derive(Debug, Clone, Copy)]
pub struct Watch<F>(pub F);

impl<F: Fn(Event<'_>) -> ControlFlow<()> + Send + Sync> Progress for Watch<F> {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        (self.0)(event)
    }
}

/// Watches nothing, never stops.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Tells that some work starts and that it ended; a break on either ends it.
pub(crate) fn told<T>(
    progress: &dyn Progress,
    (activity, at, size): (Activity, &Location, Option<u64>),
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    tell(progress, Event::Started { activity, at, size }).at(at)?;
    let done = work();
    let told = tell(progress, Event::Finished { activity, at }).at(at);
    done.and_then(|done| told.map(|()| done))
}

/// Tells of something; a break is an error.
pub(crate) fn tell(progress: &dyn Progress, event: Event<'_>) -> Result<(), ErrorKind> {
    match progress.event(event) {
        ControlFlow::Break(()) => Err(ErrorKind::Interrupted),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Remembers a break, so that one on an event that cannot end anything counts at the next.
pub(crate) struct Latch<'a> {
    progress: &'a dyn Progress,
    is_over: AtomicBool,
}

impl<'a> Latch<'a> {
    pub(crate) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, is_over: AtomicBool::new(false) }
    }
}

impl Progress for Latch<'_> {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        if self.progress.event(event).is_break() {
            self.is_over.store(true, Ordering::Relaxed);
        }
        match self.is_over.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Passes nothing on of how much was read, as it is counted otherwise.
pub(crate) struct Uncounted<'a>(pub(crate) &'a dyn Progress);

impl Progress for Uncounted<'_> {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        let event = if matches!(event, Event::Read(_)) { Event::Read(0) } else { event };
        self.0.event(event)
    }
}

/// Bytes on their way in: whoever watches is told of them, and may end it.
pub(crate) struct Watched<'a> {
    pub(crate) from: Box<dyn Read + Send + 'a>,
    pub(crate) progress: &'a dyn Progress,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        tell(self.progress, Event::Read(count as u64))?;
        Ok(count)
    }
}
