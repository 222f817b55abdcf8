//! What a conversion would make of one image: its layers are read, checked and compressed, and
//! nothing is written.

use super::jobs::Job;
use super::plan::Plan;
use super::tree::Tree;
use crate::archive::members::{Body, Content, StoredBlob};
use crate::bytes::parallel::parallel;
use crate::codec::Pool;
use crate::document::{Document, Manifest};
use crate::error::{At as _, Result};
use crate::image::NodeId;
use crate::image::layer::Transcoded;
use crate::progress::{Event, Progress};

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
    let total = plan.work().iter().map(|job| job.from.size).sum();
    let _ = progress.event(Event::Total(total));
    let threads = plan.target.threads;
    let done = Pool::with(threads, |pool| {
        let store = |job: &Job| job.store(pool, &mut std::io::sink(), progress);
        parallel(plan.work(), threads, &Job::size, &store)
    })?;
    let stored: Vec<StoredBlob> = done.iter().map(StoredBlob::of).collect();
    let (tree, _) = Tree::build(plan, &stored)?;
    let images = plan.named_images();
    let Some((node, _)) = images.first() else {
        return Ok(Forecast { manifest: None, layers: Vec::new() });
    };
    let layers = plan.jobs.of(*node).map(|job| done.get(job?).copied()).collect();
    Ok(Forecast { manifest: manifest(&tree, *node, plan)?, layers })
}

fn manifest(tree: &Tree<'_>, node: NodeId, plan: &Plan) -> Result<Option<Document<Manifest>>> {
    let Some(digest) = tree.manifest(node) else { return Ok(None) };
    let path = crate::document::descriptor::blob_path(&digest);
    let found = tree.members.iter().find(|member| member.path == path);
    match found.map(|member| &member.body) {
        Some(Body::File(Content::Bytes(raw))) => {
            Document::parse(raw.to_vec()).at(&plan.source.at).map(Some)
        }
        _ => Ok(None),
    }
}
