//! Reads a document from a file, a pipe, or the image of a source.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;

use super::{Parsed, digest, parse};
use crate::bytes::files::{Input, Opened, foreign_name, is_page};
use crate::codec::Compression;
use crate::digest::{Algorithm, Digest};
use crate::dir;
use crate::document::Manifest;
use crate::document::media_type::MediaFamily;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::layer::measure_alone;
use crate::image::{Entry, Image, Name, Node, NodeId};
use crate::limits;
use crate::progress::Quiet;
use crate::source::{self, Options, Selection, Source, entries, entry, only_all};

/// A document and its place.
#[derive(Debug)]
#[non_exhaustive]
pub struct FoundDocument {
    /// Where.
    pub at: Location,
    /// The document.
    pub parsed: Parsed,
    /// Its config, if the source has it.
    pub config: Option<Vec<u8>>,
    /// The names that the source gives it, as docker shows them.
    pub names: Vec<String>,
    /// Whether it was built from an item of a docker archive without registry manifests.
    pub made: bool,
}

/// Reads a single document, or that of the selected image of a source.
///
/// # Errors
/// It cannot be read, has an unknown kind, or the source has several images.
pub fn read(input: Input, options: &Options, selection: &Selection) -> Result<FoundDocument> {
    match found(input, options, selection)? {
        FoundIn::Alone(document) => Ok(*document),
        FoundIn::Source(source) => of_source(&source),
    }
}

/// Reads a single document, or those of all selected entries of a source, in order.
///
/// # Errors
/// One of them cannot be read, or has an unknown kind.
pub fn read_all(
    input: Input,
    options: &Options,
    selection: &Selection,
) -> Result<Vec<FoundDocument>> {
    let source = match found(input, options, selection)? {
        FoundIn::Alone(document) => return Ok(vec![*document]),
        FoundIn::Source(source) => source,
    };
    let mut all: Vec<(NodeId, FoundDocument)> = Vec::new();
    for entry in entries(&source, &[], &[])? {
        // An image has an entry for each of its names.
        match all.iter_mut().find(|(node, _)| *node == entry.node) {
            Some((_, known)) => known.names.extend(entry.names.iter().map(Name::shown)),
            None => all.push((entry.node, of_entry(&source, &entry)?)),
        }
    }
    Ok(all.into_iter().map(|it| it.1).collect())
}

/// A single document, or the narrowed source that has it.
enum FoundIn {
    Alone(Box<FoundDocument>),
    Source(Box<Source>),
}

fn found(input: Input, options: &Options, selection: &Selection) -> Result<FoundIn> {
    let alone = |at, raw: &[u8]| document(at, raw).map(|it| FoundIn::Alone(Box::new(it)));
    if let Input::Path(path) = &input {
        let at = Location::of(path);
        let there = fs::metadata(path).map_err(ErrorKind::Open).at(&at)?;
        if there.file_type().is_fifo() {
            return Err(Error::new(&at, ErrorKind::NotAFile { found: "a FIFO" }));
        }
        if let Some(raw) = text_of(path, &there).at(&at)? {
            only_all(&at, selection)?;
            return alone(at, &raw);
        }
    }
    match dir::open(input, options.reception(), &Quiet)? {
        Opened::Document(at, raw) | Opened::Schema1 { at, raw, .. } => {
            only_all(&at, selection)?;
            alone(at, &raw)
        }
        Opened::Files(files) => {
            let mut source = source::read(&files, options.prefer, &Quiet)?;
            source.narrow(selection)?;
            Ok(FoundIn::Source(Box::new(source)))
        }
    }
}

/// The digest as registries compute it. A damaged document has one too, so it is not parsed.
///
/// # Errors
/// It cannot be read, or its signed payload is not valid.
pub fn read_digest(input: Input, options: &Options, selection: &Selection) -> Result<Digest> {
    if let Input::Path(path) = &input {
        let at = Location::of(path);
        let there = fs::metadata(path).map_err(ErrorKind::Open).at(&at)?;
        if let Some(raw) = text_of(path, &there).at(&at)? {
            only_all(&at, selection)?;
            return digest(&raw).at(&at);
        }
    }
    match dir::open(input, options.reception(), &Quiet)? {
        Opened::Document(at, raw) | Opened::Schema1 { at, raw, .. } => {
            only_all(&at, selection)?;
            digest(&raw).at(&at)
        }
        Opened::Files(files) => {
            let mut source = source::read(&files, options.prefer, &Quiet)?;
            source.narrow(selection)?;
            Ok(of_source(&source)?.parsed.measured().digest())
        }
    }
}

fn document(at: Location, raw: &[u8]) -> Result<FoundDocument> {
    if is_page(raw) {
        let why = foreign_name(raw);
        return Err(Error::new(&at, ErrorKind::Unrecognised { why }));
    }
    let parsed = parse(raw).at(&at)?;
    Ok(FoundDocument { at, parsed, config: None, names: Vec::new(), made: false })
}

/// Whether a file is text and so cannot be an archive, which has zero bytes or is compressed.
fn text_of(path: &std::path::Path, there: &fs::Metadata) -> Result<Option<Vec<u8>>, ErrorKind> {
    if !there.is_file() || there.len() > limits::CONFIG {
        return Ok(None);
    }
    let mut raw = Vec::new();
    let file = fs::File::open(path).map_err(ErrorKind::Open)?;
    file.take(limits::CONFIG).read_to_end(&mut raw).map_err(ErrorKind::Read)?;
    let head = raw.get(..raw.len().min(512)).unwrap_or_default();
    let text = !head.contains(&0) && Compression::sniff(head) == Compression::None;
    Ok(Some(raw).filter(|_| text))
}

/// The manifest or index of the selected entry.
fn of_source(source: &Source) -> Result<FoundDocument> {
    of_entry(source, &entry(source, &[])?)
}

fn of_entry(source: &Source, entry: &Entry) -> Result<FoundDocument> {
    let at = source.at.clone();
    let names: Vec<String> = entry.names.iter().map(Name::shown).collect();
    let kept = |raw: &[u8], config: Option<Vec<u8>>| {
        let parsed = parse(raw).at(&at)?;
        Ok(FoundDocument { at: at.clone(), parsed, config, names: names.clone(), made: false })
    };
    match source.nodes.get(entry.node) {
        Some(Node::Image(image)) => {
            let config = Some(image.config.raw().to_vec());
            match &image.manifest {
                Some(manifest) => kept(manifest.raw(), config),
                None => {
                    let parsed = parse(&made(image)?).at(&source.at)?;
                    Ok(FoundDocument { at: at.clone(), parsed, config, names, made: true })
                }
            }
        }
        Some(Node::Index { document, .. }) => kept(document.raw(), None),
        Some(Node::Other { document, .. }) => kept(document.raw(), None),
        _ => {
            let found = "only missing blobs".to_owned();
            Err(Error::new(&source.at, ErrorKind::NoImage { found }))
        }
    }
}

/// The manifest of an item of a docker archive; reads and checks its stored layers.
fn made(image: &Image) -> Result<Vec<u8>> {
    let mut layers = Vec::with_capacity(image.layers.len());
    for (at, layer) in image.layers.iter().enumerate() {
        let Some(blob) = &layer.blob else { continue };
        let form = (layer.codec, Algorithm::Sha256);
        let there = measure_alone(blob, form).at(&blob.at)?;
        there.check_diff_id(at.saturating_add(1), layer.diff_id).at(&blob.at)?;
        layers.push((there.source.digest(), there.source.size(), layer.codec));
    }
    Ok(Manifest::of_image(MediaFamily::Oci, image.config.measured(), layers).spelled())
}
