//! Computes the result of a conversion of one image: reads, checks and compresses its layers, but
//! writes nothing.

use super::documents::DocumentTree;
use super::plan::Plan;
use crate::bytes::parallel::parallel;
use crate::codec::Pool;
use crate::document::{Document, Manifest};
use crate::error::{At as _, Result};
use crate::image::layer::Transcoded;
use crate::progress::{Event, Progress, tell};
use crate::store::{Job, Session, StoredBlob};

/// The result.
#[derive(Debug)]
pub(crate) struct Forecast {
    /// The manifest of the image.
    pub(crate) manifest: Option<Document<Manifest>>,
    /// The measured values of each layer, base first; `None` for a missing layer.
    pub(crate) layers: Vec<Option<Transcoded>>,
}

/// Computes the one image of a plan for a layout.
///
/// # Errors
/// A layer cannot be read or contradicts a claim.
pub(crate) fn forecast(plan: &Plan, progress: &dyn Progress) -> Result<Forecast> {
    let jobs = plan.jobs();
    tell(progress, Event::Total(jobs.iter().map(Job::size).sum())).at(&plan.source.at)?;
    let threads = plan.target.threads;
    let measured = Pool::with(threads, |pool| {
        let session = Session { pool, threads, progress, shared: None };
        parallel(&jobs, threads, &Job::size, &|job| job.check(session))
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
