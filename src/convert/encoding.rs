//! Decides how each layer of an image is stored, and reports losses.

use super::{Format, GzipMembers, LayerCompression, Target};
use crate::codec::{Compression, GZIP_LEVEL, Pipeline, ZSTD_LEVEL};
use crate::error::{Error, ErrorKind, Result};
use crate::image::layer::Encode;
use crate::image::reason::{Loss, Reason};
use crate::image::{Image, Layer};

/// How each layer of an image is stored.
pub(super) fn encodes(image: &Image, target: &Target) -> Result<Vec<Encode>> {
    if let Format::DockerArchive(dialect) = target.format {
        if let Some(claim) =
            image.layers.iter().find(|it| !it.is_here()).and_then(|it| it.claim.as_ref())
        {
            let why = "a non-distributable layer is missing, and imgconv never fetches its urls";
            let at = image.config_at.member(&claim.path());
            return Err(Error::new(&at, ErrorKind::CannotHold { why }));
        }
        if dialect.is_plain() {
            return Ok(image.layers.iter().map(|layer| plain(layer.codec)).collect());
        }
    }
    // Layers of a registry manifest are kept, so that the digest of the manifest does not change.
    if target.compression == LayerCompression::Auto && image.manifest.is_some() {
        return Ok(vec![Encode::Keep; image.layers.len()]);
    }
    Ok(image.layers.iter().map(|layer| encode(layer, target)).collect())
}

fn encode(layer: &Layer, target: &Target) -> Encode {
    if !layer.is_here() {
        return Encode::Keep;
    }
    let gzip = match target.members {
        GzipMembers::Many => Pipeline::GzipMany(target.level.unwrap_or(GZIP_LEVEL)),
        GzipMembers::One => Pipeline::GzipOne(target.level.unwrap_or(6).clamp(0, 9).unsigned_abs()),
    };
    let zstd = Pipeline::Zstd(target.level.unwrap_or(ZSTD_LEVEL));
    // A level requires recompression.
    let again = target.level.is_some();
    match (target.compression, layer.codec) {
        (LayerCompression::Auto, Compression::Gzip | Compression::Zstd) => Encode::Keep,
        (LayerCompression::Gzip, Compression::Gzip)
        | (LayerCompression::Zstd, Compression::Zstd)
            if !again =>
        {
            Encode::Keep
        }
        (LayerCompression::Auto | LayerCompression::Gzip, _) => Encode::Compress(gzip),
        (LayerCompression::Zstd, _) => Encode::Compress(zstd),
        (LayerCompression::None, codec) => plain(codec),
    }
}

fn plain(codec: Compression) -> Encode {
    if codec == Compression::None { Encode::Keep } else { Encode::Decompress }
}

/// The losses of a manifest that is not kept.
pub(super) fn lose_manifest(image: &Image, form: Format, losses: &mut Vec<Loss>) {
    let Some(manifest) = &image.manifest else { return };
    let digest = manifest.measured().digest();
    losses.push(Loss::new(Reason::Manifest, digest));
    let view = manifest.view();
    let said = view.subject.is_some() || !view.artifact_type.is_empty();
    if form.is_plain() && (said || !view.annotations.is_empty()) {
        losses.push(Loss::new(Reason::Annotations, digest));
    }
}

/// Layers that are missing, or that some loaders cannot read.
pub(super) fn lose_layers(image: &Image, target: &Target, losses: &mut Vec<Loss>) {
    for layer in image.layers.iter().filter(|layer| !layer.is_here()) {
        let digest = layer.claim.as_ref().map(|claim| claim.digest.to_string());
        losses.push(Loss::new(Reason::NonDistributable, digest.unwrap_or_default()));
    }
    let zstd = match target.compression {
        LayerCompression::Zstd => true,
        LayerCompression::Auto => image.layers.iter().any(|layer| layer.codec == Compression::Zstd),
        LayerCompression::Gzip | LayerCompression::None => false,
    };
    if zstd && matches!(target.format, Format::DockerArchive(_)) && !target.format.is_plain() {
        losses.push(Loss::new(Reason::Zstd, image.id()));
    }
}
