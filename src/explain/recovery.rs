//! What brings the compressed layers of a registry back, and which digests they get.

use serde::Serialize;

use super::image::ExplainedImage;
use crate::codec::{Compression, WRITERS};
use crate::digest::Measured;
use crate::document::Manifest;
use crate::document::media_type::MediaFamily;
use crate::error::Result;
use crate::image::{Image, Layer};
use crate::progress::Progress;
use crate::recover::{self, KnownWriter};

/// What brings compressed layers back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedRecovery {
    /// The answer in a few sentences.
    pub answer: &'static str,
    /// How many writers of gzip are known.
    pub known_writers: usize,
    /// Base first; those whose bytes are not here are left out.
    pub layers: Vec<RecoverableLayer>,
    /// Digest of the schema 2 manifest that docker push would send, where all layers are uncompressed.
    pub pushed: Option<String>,
}

/// One layer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecoverableLayer {
    /// Its place, from one, base first.
    pub layer: usize,
    /// What the stored bytes are compressed with.
    pub compression: &'static str,
    /// Digest of the stored bytes, where a manifest says it.
    pub digest: Option<String>,
    /// The writer that gives these gzip bytes; nothing if none that is known does.
    pub writer: Option<KnownWriter>,
    /// What programs of today would make of it, where it is uncompressed.
    pub made: Vec<MadeByProgram>,
}

/// What a program would make of a layer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MadeByProgram {
    /// The program.
    pub like: &'static str,
    /// Digest of its gzip bytes.
    pub digest: String,
    /// How many these are.
    pub size: u64,
}

const ANSWER: &str = "Compressors are deterministic: the same program makes the same bytes of the same tar. So a \
     layer that docker save or a classic archive holds uncompressed can get the digest again that it \
     has in a registry: compress it as the program did that pushed it. The digest in the registry's \
     manifest proves that it is right. Then the manifest has its old digest too, a pinned \
     name@sha256:… holds, a signature applies, and a push finds everything there.";

/// Finds out who compressed each layer, and what programs would make of uncompressed ones.
pub(super) fn recovery(
    subject: &ExplainedImage,
    threads: usize,
    progress: &dyn Progress,
) -> Result<ExplainedRecovery> {
    let (mut layers, mut pushed) = (Vec::new(), None);
    if let Some(image) = subject.image() {
        let mut by_docker = Vec::new();
        for (at, layer) in image.layers.iter().enumerate() {
            if layer.blob.is_some() {
                let number = at.saturating_add(1);
                let (found, made) = of_layer((number, layer), threads, progress)?;
                by_docker.extend(made);
                layers.push(found);
            }
        }
        let all = by_docker.len() == image.layers.len() && !by_docker.is_empty();
        pushed = all.then(|| manifest_of_docker(image, &by_docker));
    }
    Ok(ExplainedRecovery { answer: ANSWER, known_writers: WRITERS.len(), layers, pushed })
}

/// One layer, and what docker would make of it where it is uncompressed.
fn of_layer(
    (number, layer): (usize, &Layer),
    threads: usize,
    progress: &dyn Progress,
) -> Result<(RecoverableLayer, Option<Measured>)> {
    let mut found = RecoverableLayer {
        layer: number,
        compression: layer.codec.name(),
        digest: layer.claim.as_ref().map(|claim| claim.digest.to_string()),
        writer: recover::writer_of(layer, threads, progress)?,
        made: Vec::new(),
    };
    let mut by_docker = None;
    if layer.codec == Compression::None {
        for (like, measured) in recover::made_by_programs(layer, progress)? {
            by_docker.get_or_insert(measured);
            let (digest, size) = (measured.digest().to_string(), measured.size());
            found.made.push(MadeByProgram { like, digest, size });
        }
    }
    Ok((found, by_docker))
}

/// The digest of the manifest that docker push sends.
fn manifest_of_docker(image: &Image, layers: &[Measured]) -> String {
    let layers = layers.iter().map(|it| (it.digest(), it.size(), Compression::Gzip));
    let manifest = Manifest::of_image(MediaFamily::Docker, image.config.measured(), layers);
    Measured::of(&manifest.spelled()).digest().to_string()
}
