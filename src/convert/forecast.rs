//! What a conversion would make of one image: its layers are read, checked and compressed, and
//! nothing is written.

use std::sync::Mutex;

use super::documents::DocumentTree;
use super::plan::Plan;
use super::run::put_all;
use crate::codec::Pool;
use crate::document::{Document, Manifest};
use crate::error::{At as _, Result};
use crate::image::layer::Transcoded;
use crate::image::reading::Note;
use crate::progress::{Event, Progress, tell};
use crate::store::{Job, Session, Store, StoredBlob, Top};

/// What would be there.
#[derive(Debug)]
pub(crate) struct Forecast {
    /// The manifest of the image.
    pub(crate) manifest: Option<Document<Manifest>>,
    /// What was measured of each layer, base first; nothing for one that is not here.
    pub(crate) layers: Vec<Option<Transcoded>>,
}

/// Reads and checks everything, keeps what was measured, and stores nothing.
#[derive(Default)]
struct Sink(Mutex<Vec<(StoredBlob, Transcoded)>>);

impl<'a> Store<'a> for Sink {
    fn put(&self, job: Job<'a>, session: Session<'_>) -> Result<StoredBlob> {
        let there = job.store(&mut std::io::sink(), session)?;
        let stored = StoredBlob::of(&there);
        if let Ok(mut all) = self.0.lock() {
            all.push((stored, there));
        }
        Ok(stored)
    }

    fn finish(self: Box<Self>, _: Top<'a>, _: Session<'_>) -> Result<Vec<Note>> {
        Ok(Vec::new())
    }
}

/// Foresees the one image of a plan for a layout.
///
/// # Errors
/// A layer that cannot be read, or is not what is said of it.
pub(crate) fn forecast(plan: &Plan, progress: &dyn Progress) -> Result<Forecast> {
    let jobs = plan.jobs();
    tell(progress, Event::Total(jobs.iter().map(Job::size).sum())).at(&plan.source.at)?;
    let threads = plan.target.threads;
    let sink = Sink::default();
    let stored =
        Pool::with(threads, |pool| put_all(&jobs, &sink, Session { pool, threads, progress }))?;
    let documents = DocumentTree::build(plan, &stored)?;
    let images = plan.named_images();
    let Some((node, _)) = images.first() else {
        return Ok(Forecast { manifest: None, layers: Vec::new() });
    };
    let measured = sink.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let there = |work: usize| {
        let stored = stored.get(work)?;
        measured.iter().find(|(blob, _)| blob == stored).map(|(_, there)| *there)
    };
    let layers = plan.work.of(*node).map(|work| there(work?)).collect();
    let raw = documents.manifest(*node).and_then(|digest| documents.document(&digest));
    let manifest = raw.map(|raw| Document::parse(raw).at(&plan.source.at)).transpose()?;
    Ok(Forecast { manifest, layers })
}
