//! Watches and stops a long run, including the opening of a source.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::digest::Digest;
use crate::error::{At as _, ErrorKind, Location, Result};

/// An activity on one blob or archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// Copies a compressed archive or a pipe into a temporary file.
    Spool,
    /// Takes a compressed archive or a pipe apart while it arrives.
    Receive,
    /// Reads a layer for the sizes of its files.
    Read,
    /// Checks a blob.
    Verify,
    /// Checks and copies a blob.
    Copy,
    /// Checks and decompresses a layer.
    Decompress,
    /// Checks and compresses a layer.
    Compress,
    /// Compresses a layer as another program did.
    Recover,
    /// Checks a layer in the destination and uses it instead of the one in the source.
    Reuse {
        /// Its digest in the destination.
        digest: Digest,
    },
}

/// An event of a run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The number of bytes of blobs to read. The event is repeated if a run starts again because
    /// another writer was faster.
    Total(u64),
    /// Work on one blob or archive starts.
    Started {
        /// The activity.
        activity: Activity,
        /// The blob or archive.
        at: &'a Location,
        /// The number of bytes to read, if known.
        size: Option<u64>,
    },
    /// The work ended, with or without an error.
    Finished {
        /// The activity.
        activity: Activity,
        /// The blob or archive.
        at: &'a Location,
    },
    /// Another writer holds the lock of a destination, and the run waits for it.
    Waiting {
        /// The destination.
        at: &'a Location,
    },
    /// More bytes were read. After [`Event::Total`] they are bytes of blobs and add up to that
    /// total; before it, they are bytes of a compressed archive or pipe that is being opened. A
    /// layer in the destination counts as much as the one in the source, after it was checked.
    Read(u64),
    /// A temporary file or directory was created.
    Staged(&'a Path),
    /// The temporary file or directory was removed or got its final name.
    Settled(&'a Path),
}

/// The observer of a run. One [`ControlFlow::Break`] ends the run with [`ErrorKind::Interrupted`]
/// and leaves no files. A break after the last step, which puts the destination into place, has no
/// effect: the last [`Event::Settled`] only informs.
pub trait Progress: Send + Sync {
    /// May be called from any thread.
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

/// Ignores all events and never stops.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Reports the start and the end of some work; a break on either is an error.
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

/// Reports an event; a break is an error.
pub(crate) fn tell(progress: &dyn Progress, event: Event<'_>) -> Result<(), ErrorKind> {
    match progress.event(event) {
        ControlFlow::Break(()) => Err(ErrorKind::Interrupted),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Remembers a break, so that a break on an event that cannot stop the run takes effect at the next
/// one.
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

/// Drops the events of bytes read, because they are counted elsewhere.
pub(crate) struct Uncounted<'a>(pub(crate) &'a dyn Progress);

impl Progress for Uncounted<'_> {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        let event = if matches!(event, Event::Read(_)) { Event::Read(0) } else { event };
        self.0.event(event)
    }
}

/// A reader that reports its bytes to the observer, which may stop it.
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
