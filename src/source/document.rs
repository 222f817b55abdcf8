//! Reads a source that is one document: a config, a manifest or an index, without its blobs.

use crate::codec::Compression;
use crate::document::kind::{DocumentKind, kind_of};
use crate::document::{Config, Document, Index, Manifest};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::{Child, Entry, Image, Layer, Node, NotImage};
use crate::json::{self, Trailing};
use crate::source::{Kind, Source};

/// Reads one document.
pub(super) fn read(at: &Location, raw: Vec<u8>) -> Result<Source> {
    let found = kind_of(json::check(&raw, Trailing::Refused).at(at)?.value).at(at)?;
    let (kind, nodes) = match found {
        DocumentKind::List | DocumentKind::OciIndex => {
            (Kind::Index, index(Document::parse(raw).at(at)?))
        }
        DocumentKind::Config => (Kind::Config, vec![image(Document::parse(raw).at(at)?, at)]),
        DocumentKind::Schema2 | DocumentKind::OciManifest | DocumentKind::Artifact => {
            (Kind::Manifest, vec![manifest(Document::parse(raw).at(at)?)])
        }
        DocumentKind::Schema1 | DocumentKind::SavedManifest | DocumentKind::Descriptor => {
            let expected = "config, manifest or index";
            return Err(Error::new(at, ErrorKind::WrongKind { expected, found: found.name() }));
        }
        DocumentKind::RegistryError => {
            let why = "it is an error message of a registry, not a document";
            return Err(Error::new(at, ErrorKind::Unrecognised { why }));
        }
        DocumentKind::Unknown => {
            let why = "the JSON is not a config, manifest or index";
            return Err(Error::new(at, ErrorKind::Unrecognised { why }));
        }
    };
    let entry = Entry { names: Vec::new(), descriptor: None, node: 0 };
    let (problems, notes) = (Vec::new(), Vec::new());
    let at = at.clone();
    let (entries, producer, index) = (vec![entry], None, None);
    let blobs = crate::image::claims::Claims::default();
    Ok(Source {
        at,
        kind,
        producer,
        nodes,
        entries,
        index,
        problems,
        notes,
        blobs,
        named: std::collections::BTreeSet::new(),
        lost: Vec::new(),
        numbers: None,
    })
}

fn image(config: Document<Config>, at: &Location) -> Node {
    let layer = |diff_id: &_| Layer {
        diff_id: *diff_id,
        claim: None,
        source: None,
        codec: Compression::None,
        blob: None,
    };
    let layers = config.view().diff_ids.iter().map(layer).collect();
    Node::Image(Box::new(Image { config, config_at: at.clone(), layers, manifest: None }))
}

fn manifest(document: Document<Manifest>) -> Node {
    let why = if document.view().is_image() { NotImage::Incomplete } else { NotImage::Artifact };
    Node::Other { document: Box::new(document), why, blobs: Vec::new() }
}

/// The index, and one missing node for all its children.
fn index(document: Document<Index>) -> Vec<Node> {
    let child = |descriptor: &crate::document::descriptor::Descriptor| Child {
        descriptor: descriptor.clone(),
        node: 1,
    };
    let children = document.view().manifests.iter().map(child).collect();
    vec![Node::Index { document: Box::new(document), children }, Node::Absent]
}
