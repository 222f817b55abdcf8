//! A source that is one document: a config, a manifest or an index, with nothing of what it names.

use crate::codec::Compression;
use crate::document::{Config, Document, Index, Manifest, is_schema1};
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::image::{Child, Entry, Image, Layer, Node, NotImage};
use crate::json::{self, Trailing};
use crate::source::{Kind, Source};

/// Reads one document.
pub(super) fn read(at: &Location, raw: Vec<u8>) -> Result<Source> {
    let value = json::check(&raw, Trailing::Refused).at(at)?.value;
    let keys = ["manifests", "config", "layers", "rootfs"];
    let [manifests, config, layers, rootfs] = value.fields("the document", keys).at(at)?;
    let (kind, nodes) = if is_schema1(value) {
        let expected = "config, manifest or index";
        let kind = ErrorKind::WrongKind { expected, found: "schema 1 manifest" };
        return Err(Error::new(at, kind));
    } else if manifests.is_some() {
        (Kind::Index, index(Document::parse(raw).at(at)?))
    } else if rootfs.is_some() {
        (Kind::Config, vec![image(Document::parse(raw).at(at)?, at)])
    } else if config.is_some() || layers.is_some() {
        (Kind::Manifest, vec![manifest(Document::parse(raw).at(at)?)])
    } else {
        let why = "the JSON is no config, manifest or index";
        return Err(Error::new(at, ErrorKind::Unrecognised { why }));
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
    })
}

fn image(config: Document<Config>, at: &Location) -> Node {
    let layer = |diff_id: &_| Layer {
        diff_id: *diff_id,
        claim: None,
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

/// The index, and one absent node for all that it names.
fn index(document: Document<Index>) -> Vec<Node> {
    let child = |descriptor: &crate::document::descriptor::Descriptor| Child {
        descriptor: descriptor.clone(),
        node: 1,
    };
    let children = document.view().manifests.iter().map(child).collect();
    vec![Node::Index { document: Box::new(document), children }, Node::Absent]
}
