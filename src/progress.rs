//! How a long run is watched and stopped from outside.

use std::ops::ControlFlow;
use std::path::Path;

/// What happens while a conversion runs.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// So many bytes of blobs will be read.
    Total(u64),
    /// Work on one blob or document starts; `what` is a verb and a place, for people.
    Step(&'a str),
    /// So many more bytes were read.
    Read(u64),
    /// A temporary file or directory came to be here.
    Staged(&'a Path),
    /// The temporary file or directory is gone, by removal or by its final name.
    Settled(&'a Path),
}

/// The observer of a run; [`ControlFlow::Break`] ends it with `interrupted`.
pub trait Progress: Sync {
    /// Called from any thread.
    fn event(&self, event: Event<'_>) -> ControlFlow<()>;
}

/// Watches nothing, never stops.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
