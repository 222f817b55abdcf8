//! Finds the blobs of a document: in a folder, a layout, or an archive.

use std::collections::BTreeMap;
use std::path::Path;

use crate::bytes::files::{Arrival, ByteSource, Files, Input, Reception};
use crate::codec::Compression;
use crate::digest::{Digest, Measured};
use crate::document::descriptor::{Descriptor, blob_path};
use crate::error::{At as _, Error, ErrorKind, Result};
use crate::image::Node;
use crate::image::layer::{Transcoded, measure_alone};
use crate::limits;
use crate::progress::Quiet;
use crate::source::{self, Prefer};

/// A place with blobs.
#[derive(Debug)]
pub struct BlobLookup {
    files: Files,
    /// Layers of a docker archive, by digest.
    measured: BTreeMap<Digest, ByteSource>,
}

impl BlobLookup {
    /// Opens a folder of blobs, a layout, or an archive, once: it may be a pipe. `spool` is the
    /// folder for the temporary file of a pipe or a compressed archive.
    ///
    /// # Errors
    /// It cannot be read; a docker archive with damaged layers.
    pub fn open(input: Input, spool: &Path) -> Result<Self> {
        let arrival = Arrival::digests(1);
        let to = Reception { spool, arrival: &arrival };
        let files = Files::open(input, to, &Quiet)?;
        let mut measured = BTreeMap::new();
        if !files.is_directory() {
            let source = source::read(&files, Prefer::Neither, &Quiet)?;
            for node in &source.nodes {
                let Node::Image(image) = node else { continue };
                for (layer, blob) in
                    image.layers.iter().filter_map(|it| Some((it, it.blob.as_ref()?)))
                {
                    let form = (layer.codec, crate::digest::Algorithm::Sha256);
                    let there = measure_alone(blob, form).at(&blob.at)?;
                    measured.insert(there.source.digest(), blob.clone());
                }
            }
        }
        Ok(Self { files, measured })
    }

    /// The bytes of a blob.
    fn find(&self, digest: &Digest) -> Result<Option<ByteSource>> {
        if let Some(extent) = self.measured.get(digest) {
            return Ok(Some(extent.clone()));
        }
        let hex = digest.hex();
        // A layout; then the usual names of blobs in a folder, also of skopeo's `dir:`.
        let names = [
            blob_path(digest),
            hex.clone(),
            digest.to_string(),
            format!("{hex}.tar.gz"),
            format!("{hex}.tar"),
            format!("{hex}.json"),
            format!("{hex}.manifest.json"),
        ];
        for name in names {
            if let Some(extent) = self.files.find(&name)? {
                return Ok(Some(extent));
            }
        }
        Ok(None)
    }

    /// A document, checked against its descriptor; `None` if it is missing.
    pub(super) fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>> {
        let Some(extent) = self.find(&descriptor.digest)? else { return Ok(None) };
        let raw = extent.read(limits::CONFIG, "the size of a document, in bytes,")?;
        descriptor.check_bytes(&raw).at(&extent.at)?;
        Ok(Some(raw))
    }

    /// A layer, read completely and checked against its digest; `None` if it is missing.
    pub(super) fn layer(&self, digest: &Digest) -> Result<Option<(Transcoded, Compression)>> {
        let Some(extent) = self.find(digest)? else { return Ok(None) };
        let codec = Compression::sniff(&extent.head()?);
        let form = (codec, digest.algorithm());
        let there = measure_alone(&extent, form).at(&extent.at)?;
        let found: Measured = there.source;
        if found.digest() != *digest {
            let kind = ErrorKind::Digest { expected: *digest, found: found.digest() };
            return Err(Error::new(&extent.at, kind));
        }
        Ok(Some((there, codec)))
    }
}
