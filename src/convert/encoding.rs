//! Decides how each layer of an image is stored, and reports losses.

use std::path::PathBuf;

use super::{Destination, Existing, Format, GzipMembers, LayerCompression, Target};
use crate::bytes::files::{Arrival, BlobForms};
use crate::bytes::staging::parent_of;
use crate::codec::{Compression, GZIP_LEVEL, Pipeline, ZSTD_LEVEL};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::MediaFamily;
use crate::error::{Error, ErrorKind, Location, Result};
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
    let (gzip, zstd) = (gzip(target), zstd(target));
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

fn gzip(target: &Target) -> Pipeline {
    match target.members {
        GzipMembers::Like(program) => Pipeline::GzipLike(program),
        GzipMembers::Many => Pipeline::GzipMany(target.level.unwrap_or(GZIP_LEVEL)),
        GzipMembers::One => Pipeline::GzipOne(target.level.unwrap_or(6).clamp(0, 9).unsigned_abs()),
    }
}

fn zstd(target: &Target) -> Pipeline {
    Pipeline::Zstd(target.level.unwrap_or(ZSTD_LEVEL))
}

impl Target {
    /// What this conversion will want of a pipe. Layers are staged in their form while they arrive;
    /// what turns out to be wanted in another form is read back from there.
    #[must_use]
    pub fn arrival(&self) -> Arrival {
        let forms = |plain, blobs, coded| BlobForms {
            plain,
            blobs,
            coded,
            threads: self.threads,
            destination: self.staging(),
            unwanted: super::unwanted::find(self),
        };
        if self.format.is_plain() {
            return Arrival::blobs(forms(Encode::Keep, Encode::Keep, Encode::Decompress));
        }
        let plain = self.uncompressed();
        // A manifest that lists uncompressed layers is kept.
        let kept = self.compression == LayerCompression::Auto;
        let blobs = if kept { Encode::Keep } else { plain };
        Arrival::blobs(forms(plain, blobs, Encode::Keep))
    }

    /// The same, where only digests of the destination are wanted.
    pub(crate) fn digests(&self) -> Arrival {
        Arrival::digests_of(self.threads, self.uncompressed())
    }

    /// The form of an uncompressed layer.
    fn uncompressed(&self) -> Encode {
        match self.compression {
            LayerCompression::Auto | LayerCompression::Gzip => Encode::Compress(gzip(self)),
            LayerCompression::Zstd => Encode::Compress(zstd(self)),
            LayerCompression::None => Encode::Keep,
        }
    }

    /// The folder in which staged files can get their names.
    fn staging(&self) -> Option<(PathBuf, Location)> {
        let Destination::Path(path) = &self.destination else { return None };
        let at = Location::of(path);
        match (self.format, self.existing) {
            (Format::Layout, Existing::Append) if path.is_dir() => Some((path.clone(), at)),
            (Format::Layout | Format::Directory, _) => Some((parent_of(path)?.to_owned(), at)),
            _ => None,
        }
    }
}

fn plain(codec: Compression) -> Encode {
    if codec == Compression::None { Encode::Keep } else { Encode::Decompress }
}

/// The losses of a manifest that is not kept.
pub(super) fn lose_manifest(image: &Image, target: &Target, losses: &mut Vec<Loss>) {
    let Some(manifest) = &image.manifest else { return };
    let digest = manifest.measured().digest();
    losses.push(Loss::new(Reason::Manifest, digest));
    let view = manifest.view();
    let family = target.family.unwrap_or(view.family());
    let said = view.subject.is_some() || !view.artifact_type.is_empty();
    let plain = target.format.is_plain();
    if (plain || family == MediaFamily::Docker) && (said || !view.annotations.is_empty()) {
        losses.push(Loss::new(Reason::Annotations, digest));
    }
    if !plain {
        return;
    }
    for claim in view.layers.iter().filter(|claim| !claim.annotations.is_empty()) {
        losses.push(lost_annotations(claim, claim.annotations.keys()));
    }
}

/// The annotations of a layer that are left out.
fn lost_annotations<'a>(claim: &Descriptor, keys: impl Iterator<Item = &'a String>) -> Loss {
    let keys: Vec<&str> = keys.map(String::as_str).collect();
    Loss::new(Reason::Annotations, format!("{} ({})", claim.digest, keys.join(", ")))
}

/// Annotations of a layer that are about its stored bytes: the places and checksums of a table of
/// contents (containers/storage `chunked/internal/minimal`, stargz-snapshotter `estargz`), and what
/// other snapshotters of containerd need to find their data in it.
const ABOUT_BYTES: [&str; 3] = [
    "io.github.containers.zstd-chunked.",
    "containerd.io/snapshot/",
    "io.containers.zstd-chunked.",
];

/// Whether an annotation of a layer is no longer true once its stored bytes change.
pub(super) fn is_about_bytes(key: &str) -> bool {
    ABOUT_BYTES.iter().any(|prefix| key.starts_with(prefix))
}

/// What is lost of layers: those that are missing or that some loaders cannot read, and what a new
/// manifest no longer says of them.
pub(super) fn lose_layers(
    image: &Image,
    encodes: &[Encode],
    target: &Target,
    losses: &mut Vec<Loss>,
) {
    for layer in image.layers.iter().filter(|layer| !layer.is_here()) {
        let digest = layer.claim.as_ref().map(|claim| claim.digest.to_string());
        losses.push(Loss::new(Reason::NonDistributable, digest.unwrap_or_default()));
    }
    if !target.format.is_plain() {
        let layers = image.layers.iter().zip(encodes);
        layers.for_each(|(layer, encode)| lose_descriptor(layer, *encode, target, losses));
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

/// What the descriptor of a layer loses where its stored bytes are new.
fn lose_descriptor(layer: &Layer, encode: Encode, target: &Target, losses: &mut Vec<Loss>) {
    let changed = layer.is_here() && encode != Encode::Keep;
    if let Some(claim) = layer.claim.as_ref().filter(|_| changed) {
        let gone: Vec<&String> =
            claim.annotations.keys().filter(|key| is_about_bytes(key)).collect();
        if !gone.is_empty() {
            losses.push(lost_annotations(claim, gone.into_iter()));
        }
    }
    // A docker archive keeps them in LayerSources.
    let kept = |said: &&Descriptor| {
        !changed && layer.claim.as_ref().is_some_and(|claim| claim.digest == said.digest)
    };
    let urls = layer.elsewhere().filter(|said| !kept(said));
    if let (Some(said), Format::Layout | Format::OciArchive | Format::Directory) =
        (urls, target.format)
    {
        losses.push(Loss::new(Reason::Urls, said.digest));
    }
}
