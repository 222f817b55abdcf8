//! Makes the layers of several images again, each distinct one once.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::attempt::{Guess, RebuildGoal, Remade};
use super::corrections;
use super::dates::{self, Undated};
use super::rebuild::{Pass, try_all};
use super::record::RecordedAs;
use super::{LayerFate, Means, RecoveryRecords};
use crate::bytes::files::{BlobUse, ByteSource, temporary};
use crate::bytes::parallel::parallel;
use crate::codec::{Compressed, Compression, Encode, Pool, WRITERS, WriterRow, decoder};
use crate::digest::{Algorithm, DiffId, Digest, Measured};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::MediaKind;
use crate::document::{Document, Manifest};
use crate::error::{At as _, Result};
use crate::image::layer::transcode;
use crate::image::{Image, Layer, NodeId};
use crate::progress::{Activity, Event, Progress, Quiet, Uncounted, Watched, tell, told};
use crate::source::Source;

/// The layers that were tried, by what they are uncompressed and what they should be.
pub(super) type MadeLayers = BTreeMap<(DiffId, Digest), MadeLayer>;

/// What became of one.
#[derive(Debug, Clone)]
pub(super) struct MadeLayer {
    pub(super) fate: LayerFate,
    /// Its bytes, if they were made, and their codec.
    pub(super) blob: Option<(ByteSource, Compression)>,
}

/// One layer to make.
struct LayerTask<'a> {
    layer: &'a Layer,
    blob: &'a ByteSource,
    claim: &'a Descriptor,
    /// In the order in which they are tried.
    guesses: Vec<Guess>,
    records: &'a RecoveryRecords,
}

/// Whether a layer is stored as a descriptor says.
pub(super) fn is_there(layer: &Layer, claim: &Descriptor) -> bool {
    let own = layer.claim.as_ref().is_some_and(|own| own.digest == claim.digest);
    own || layer.blob.is_none()
        || layer.codec == Compression::None && claim.digest == layer.diff_id.digest()
}

/// Makes every layer that the manifests state and the source does not have.
pub(super) fn make(
    source: &Source,
    (images, records): (&[(NodeId, &Document<Manifest>)], &RecoveryRecords),
    means: &Means,
    progress: &dyn Progress,
) -> Result<MadeLayers> {
    let mut tasks: BTreeMap<(DiffId, Digest), LayerTask<'_>> = BTreeMap::new();
    let mut order = Vec::new();
    for (node, manifest) in images {
        let Some(image) = source.image(*node) else { continue };
        let mut of_image = None;
        for (layer, claim) in image.layers.iter().zip(&manifest.view().layers) {
            let Some(blob) = layer.blob.as_ref().filter(|_| !is_there(layer, claim)) else {
                continue;
            };
            let key = (layer.diff_id, claim.digest);
            tasks.entry(key).or_insert_with(|| {
                order.push(key);
                let of_image = of_image.get_or_insert_with(|| guesses(image));
                let guesses = if is_gzip(claim) { of_image.clone() } else { Vec::new() };
                LayerTask { layer, blob, claim, guesses, records }
            });
        }
    }
    let tasks: Vec<LayerTask<'_>> = order.iter().filter_map(|key| tasks.remove(key)).collect();
    let total = tasks.iter().map(|task| task.blob.size).sum();
    tell(progress, Event::Total(total)).at(&source.at)?;
    let Some((first, others)) = tasks.split_first() else { return Ok(MadeLayers::new()) };
    // The writer of the first is that of most others, for any number of threads.
    let (winner, made) = first.make(None, means, progress)?;
    let size = |task: &LayerTask<'_>| task.blob.size;
    let run = |task: &LayerTask<'_>| task.make(winner, means, progress).map(|(_, made)| made);
    let others = parallel(others, means.threads, &size, &run)?;
    Ok(order.into_iter().zip(std::iter::once(made).chain(others)).collect())
}

fn is_gzip(claim: &Descriptor) -> bool {
    let kind = MediaKind::of(&claim.media_type).map(|(kind, _)| kind);
    matches!(
        kind,
        Some(MediaKind::Layer(Compression::Gzip) | MediaKind::NonDistributable(Compression::Gzip))
    )
}

/// The writers that may have made a layer of an image, the most probable first.
pub(super) fn guesses(image: &Image) -> Vec<Guess> {
    let config = String::from_utf8_lossy(image.config.raw());
    let mut rows: Vec<&'static WriterRow> = WRITERS.iter().collect();
    rows.sort_by_key(|row| !row.traces.iter().any(|trace| config.contains(trace)));
    rows.into_iter().map(Guess::of).collect()
}

/// The tar of a layer.
pub(super) fn uncompressed<'p>(
    codec: Compression,
    blob: &ByteSource,
    progress: &'p dyn Progress,
) -> Result<Box<dyn Read + Send + 'p>> {
    let from = Box::new(Watched { from: blob.reader()?, progress });
    let from = Compressed { from, size: Some(blob.size) };
    decoder(codec, from).at(&blob.at)
}

/// The number of writers in use today.
pub(super) const LIKELY: usize = 8;
/// How many writers are tried at once: the likeliest alone, those in use today, the rest.
const AT_ONCE: [usize; 3] = [1, LIKELY - 1, usize::MAX];

impl LayerTask<'_> {
    /// Tries the likeliest writer alone, because it usually is the one; then all others at once.
    fn make(
        &self,
        likely: Option<&'static WriterRow>,
        means: &Means,
        progress: &dyn Progress,
    ) -> Result<(Option<&'static WriterRow>, MadeLayer)> {
        let mut guesses = self.guesses.clone();
        guesses.sort_by_key(|guess| Some(guess.writer) != likely);
        let what = (Activity::Recover, &self.blob.at, Some(self.blob.size));
        told(progress, what, || {
            if let Some(made) = self.recorded(means)? {
                return Ok((None, made));
            }
            let mut rest = guesses.as_slice();
            // The bytes count once, however often they are read.
            let again = Uncounted(progress);
            for (round, count) in AT_ONCE.into_iter().enumerate() {
                let progress = if round == 0 { progress } else { &again };
                let (now, later) = rest.split_at(count.min(rest.len()));
                rest = later;
                if now.is_empty() {
                    break;
                }
                // Only one keeps what it makes; what others make is made again.
                let pass = match now {
                    [_] => self.pass(now, Some(&means.spool), progress)?,
                    _ => match self.pass(now, None, progress)? {
                        Pass { found: Some((guess, _)), .. } => {
                            self.pass(&[guess], Some(&means.spool), &again)?
                        }
                        pass => pass,
                    },
                };
                if let Some((guess, made)) = pass.found
                    && let Some(blob) = self.blob_of(&guess, made)?
                {
                    let WriterRow { like, what, .. } = *guess.writer;
                    let fate = LayerFate::Recovered { like, what };
                    let blob = Some((blob, Compression::Gzip));
                    return Ok((Some(guess.writer), MadeLayer { fate, blob }));
                }
                // A damaged layer is reported by the conversion.
                if pass.diff_id.is_some_and(|it| it != self.layer.diff_id) {
                    break;
                }
            }
            let fate = LayerFate::NotRecovered { tried: guesses.len() };
            Ok((None, MadeLayer { fate, blob: None }))
        })
    }

    /// What a recovery file gives, if that is the layer.
    fn recorded(&self, means: &Means) -> Result<Option<MadeLayer>> {
        let Some(record) = self.records.layers.get(&self.claim.digest) else { return Ok(None) };
        let at = &self.blob.at;
        let (blob, codec, like, what) = match &record.how {
            RecordedAs::Written(writer, header) => {
                let guess = Guess { writer, headers: vec![header.clone()] };
                let pass = self.pass(&[guess], Some(&means.spool), &Quiet)?;
                let Some((guess, made)) = pass.found else { return Ok(None) };
                let blob = self.blob_of(&guess, made)?;
                (blob, Compression::Gzip, writer.like, writer.what)
            }
            RecordedAs::Own(pipeline) => {
                let file = temporary(&means.spool).at(at)?;
                let form = (self.layer.codec, Algorithm::Sha256);
                let to = Encode::Compress(*pipeline);
                let made = Pool::with(means.threads, |pool| {
                    // Whole blocks are written, so there is nothing to collect.
                    let mut out = &file;
                    transcode(self.blob, form, (to, pool), (&mut out, BlobUse::Again), &Quiet)
                });
                let same = made.at(at)?.stored.digest() == self.claim.digest;
                let blob = ByteSource::open_file(file, self.claim.size, at.clone());
                (same.then_some(blob), pipeline.codec(), "imgconv", "imgconv")
            }
            RecordedAs::Corrected(corrections) => {
                let Some(corrections) = self.records.stored.get(corrections) else {
                    return Ok(None);
                };
                let from = uncompressed(self.layer.codec, self.blob, &Quiet)?;
                let file = corrections::applied((from, corrections), self.claim, &means.spool);
                let file = file.at(at)?;
                let blob =
                    file.map(|file| ByteSource::open_file(file, self.claim.size, at.clone()));
                (blob, Compression::Gzip, "", "by corrections in the recovery file")
            }
            RecordedAs::Stored => {
                let Some(stored) = self.records.stored.get(&self.claim.digest) else {
                    return Ok(None);
                };
                let algorithm = self.claim.digest.algorithm();
                let found = Measured::read(algorithm, &mut stored.reader()?);
                let same = found.is_ok_and(|it| it.digest() == self.claim.digest);
                let codec = Compression::sniff(&stored.head()?);
                (same.then(|| stored.clone()), codec, "", "stored in the recovery file")
            }
        };
        let fate = LayerFate::Recovered { like, what };
        Ok(blob.map(|blob| MadeLayer { fate, blob: Some((blob, codec)) }))
    }

    /// What was made, with its header.
    fn blob_of(&self, guess: &Guess, made: Remade) -> Result<Option<ByteSource>> {
        let (header, kept) = match made {
            Remade::Whole { header, kept } => (Some(header), kept),
            Remade::OtherHeader { kept } => (None, kept),
            Remade::Measured(_) => return Ok(None),
        };
        let Some(kept) = kept else { return Ok(None) };
        let header = match header {
            Some(header) => Some(header),
            None => {
                let newest = dates::newest(uncompressed(self.layer.codec, self.blob, &Quiet)?);
                let Descriptor { digest, size, .. } = *self.claim;
                let diff_id = self.layer.diff_id;
                let undated = Undated { guess, diff_id, digest, size, newest };
                let body = kept.body().at(&self.blob.at)?;
                dates::header(&undated, body, kept.length).at(&self.blob.at)?
            }
        };
        let Some(header) = header else { return Ok(None) };
        let offset = kept.begin(&header).at(&self.blob.at)?;
        let range = (offset, self.claim.size);
        Ok(Some(ByteSource::range(Arc::new(kept.file), range, self.blob.at.clone())))
    }

    fn pass(
        &self,
        guesses: &[Guess],
        folder: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<Pass> {
        let Descriptor { digest, size, .. } = *self.claim;
        let goal = || Ok(RebuildGoal::Claim { digest, size, folder });
        let from = uncompressed(self.layer.codec, self.blob, progress)?;
        try_all(from, guesses, &goal).at(&self.blob.at)
    }
}
