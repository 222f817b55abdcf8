//! What a conversion would make of one image: its layers are read, checked and compressed, and
//! nothing is written.

use super::documents::DocumentTree;
use super::plan::Plan;
use crate::bytes::parallel::parallel;
use crate::codec::Pool;
use crate::document::{Document, Manifest};
use crate::error::{At as _, Result};
use crate::image::layer::Transcoded;
use crate::progress::{Event, Progress, tell};
use crate::store::{Job, Session, StoredBlob};

/// What would be there.
#[derive(Debug)]
pub(crate) struct Forecast {
    /// The manifest of the image.
    pub(crate) manifest: Option<Document<Manifest>>,
    /// What was measured of each layer, base first; nothing for one that is not here.
    pub(crate) layers: Vec<Option<Transcoded>>,
}

/// Foresees the one image of a plan for a layout.
///
/// # Errors
/// A layer that cannot be read, or is not what is said of it.
pub(crate) fn forecast(plan: &Plan, progress: &dyn Progress) -> Result<Forecast> {
    let jobs = plan.jobs();
    tell(progress, Event::Total(jobs.iter().map(Job::size).sum())).at(&plan.source.at)?;
    let threads = plan.target.threads;
    let measured = Pool::with(threads, |pool| {
        let session = Session { pool, threads, progress };
        parallel(&jobs, threads, &Job::size, &|job| job.store(&mut std::io::sink(), session))
    })?;
    let stored: Vec<StoredBlob> = measured.iter().map(StoredBlob::of).collect();
    let documents = DocumentTree::build(plan, &stored)?;
    let images = plan.named_images();
    let Some((node, _)) = images.first() else {
        return Ok(Forecast { manifest: None, layers: Vec::new() });
    };
    let layers = plan.work.of(*node).map(|work| measured.get(work?).copied()).collect();
    let raw = documents.manifest(*node).and_then(|digest| documents.document(&digest));
    let manifest = raw.map(|raw| Document::parse(raw).at(&plan.source.at)).transpose()?;
    Ok(Forecast { manifest, layers })
}
