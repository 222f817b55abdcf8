//! How a long run is watched and stopped from outside, the opening of a source among it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// What happens while a conversion runs.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// So many bytes of blobs will be read.
    Total(u64),
    /// Work on one blob or document starts; `what` is a verb and a place, for people.
    Step(&'a str),
    /// So many more bytes were read: of blobs, after [`Event::Total`]; before it, while a source is
    /// opened, of an archive that is compressed or comes through a pipe.
    Read(u64),
    /// A temporary file or directory came to be here.
    Staged(&'a Path),
    /// The temporary file or directory is gone, by removal or by its final name.
    Settled(&'a Path),
}

/// The observer of a run; [`ControlFlow::Break`] ends it with `interrupted`.
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
