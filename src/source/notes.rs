//! Notes about images and names, for every format.
//!
//! Each note is created here once, so that every command reports the same list.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use crate::archive::v1::fields;
use crate::bytes::files::{ByteSource, Files, TrailingBytes};
use crate::codec::{Compression, is_padded};
use crate::digest::Digest;
use crate::document::{Config, Document};
use crate::error::{Error, ErrorKind, Location, Result, Shown};
use crate::image::claims::ClaimedBlob;
use crate::image::readers::{self, ReaderRow};
use crate::image::reading::Note;
use crate::image::{Child, Entry, Image, Name, Node};
use crate::json::{self, Trailing, Value};
use crate::layout::INDEX_NAME;
use crate::platform::Platform;
use crate::reference::Reference;

/// Adds notes about images, platforms and names.
pub(super) fn add(source: &mut Source) {
    let mut notes = Vec::new();
    let mut seen = BTreeSet::new();
    for node in &source.nodes {
        match node {
            Node::Image(image) if seen.insert(image.config.measured().digest()) => {
                notes.extend(config_notes(&image.config, &image.config_at));
            }
            Node::Index { children, .. } => {
                children.iter().for_each(|child| platform(source, child, &mut notes));
            }
            _ => (),
        }
    }
    for entry in &source.entries {
        if let (Some(descriptor), Some(image)) = (&entry.descriptor, source.image(entry.node)) {
            platforms_differ(descriptor.platform.as_deref(), image, &mut notes);
        }
    }
    shared_ref_names(source, &mut notes);
    source.blobs.all().iter().for_each(|blob| refused_layer(blob, &mut notes));
    source.notes.append(&mut notes);
    match unambiguous(source, &source.entries, Apart::ByRefName) {
        Err(error) => source.problems.push(error),
        Ok(()) => {
            if let Err(error) = unambiguous(source, &source.entries, Apart::ByFullName) {
                let text = format!("{}; only their ref names differ", error.kind);
                source.notes.push(Note::new(&source.at.member(INDEX_NAME), "name-shared", text));
            }
        }
    }
}

/// Notes about a config: history and layers, duplicate keys, fields that docker cannot decode.
pub(crate) fn config_notes(document: &Document<Config>, at: &Location) -> Vec<Note> {
    let mut notes = Vec::new();
    let view = document.view();
    if let Ok(checked) = json::check(document.raw(), Trailing::Refused) {
        for repeated in &checked.duplicates {
            let text = format!("duplicate key \"{}\"", Shown(&repeated.key));
            notes.push(Note::new(at, "config-key-repeated", text));
        }
        undecodable(checked.value, at, &mut notes);
    }
    let made = view.history.iter().filter(|step| !step.empty_layer).count();
    if !view.history.is_empty() && made != view.diff_ids.len() {
        let more = made > view.diff_ids.len();
        let (code, what) = match more {
            true => (readers::HISTORY.code, readers::HISTORY.note(at).text),
            false => (
                "history-mismatch",
                "the history describes a different number of layers".to_owned(),
            ),
        };
        let sides = (view.diff_ids.len().to_string(), made.to_string());
        notes.push(Note::differs(at, code, &what, (&sides.0, &sides.1)));
    }
    notes
}

/// Notes the fields of a config that programs cannot decode: each with all who refuse it.
fn undecodable(config: Value<'_>, at: &Location, notes: &mut Vec<Note>) {
    const BOTH: &[&ReaderRow] = &[&readers::CONFIG_DOCKER, &readers::CONFIG_OCI];
    let mut found: Vec<(ErrorKind, Vec<&ReaderRow>)> = Vec::new();
    let mut add = |kinds: Vec<ErrorKind>, rows: &[&'static ReaderRow]| {
        for kind in kinds {
            let same = found.iter_mut().find(|it| it.0.to_string() == kind.to_string());
            match same {
                Some((_, known)) => known.extend(rows),
                None => found.push((kind, rows.to_vec())),
            }
        }
    };
    add(fields::undecodable(config, "", &fields::IMAGE), &[&readers::CONFIG_DOCKER]);
    add(fields::undecodable(config, "", &fields::OCI_IMAGE), &[&readers::CONFIG_OCI]);
    add(fields::undecodable(config, "", &fields::CRANE_IMAGE), &[&readers::CONFIG_CRANE]);
    if let Ok([rootfs, history]) = config.fields("the config", ["rootfs", "history"]) {
        if let Some(Ok([kind])) = rootfs.map(|it| it.fields("rootfs", ["type"])) {
            match kind.map(|it| it.string("rootfs.type")) {
                None => notes.push(readers::ROOTFS_TYPE.note(at)),
                Some(Ok(kind)) if kind != "layers" => {
                    let found = format!("the type of rootfs is \"{}\"", Shown(&kind));
                    notes.push(readers::ROOTFS_TYPE.note_of(at, &found));
                }
                _ => (),
            }
        }
        let rootfs = rootfs.map(|it| fields::undecodable(it, "rootfs", &fields::ROOTFS));
        add(rootfs.unwrap_or_default(), BOTH);
        let steps = history.and_then(|it| it.list("history").ok());
        let steps = steps.into_iter().flatten();
        // The first one is enough: a program that wrote one wrong wrote all wrong.
        let step = |(at, step)| fields::undecodable(step, &format!("history[{at}]"), &fields::STEP);
        add(steps.enumerate().map(step).find(|it| !it.is_empty()).unwrap_or_default(), BOTH);
    }
    for (kind, rows) in found {
        let mut note = readers::note_by(at, &kind.to_string(), &rows);
        if let ErrorKind::Field { expected: "a list", found, .. } = &kind
            && found.starts_with('"')
        {
            note.code = readers::CONFIG_OCI.code;
        }
        notes.push(note);
    }
}

/// Notes a layer that some common programs refuse.
fn refused_layer(blob: &ClaimedBlob, notes: &mut Vec<Note>) {
    let row = match blob.codec {
        Compression::Gzip if blob.from.parts().is_ok_and(|it| is_padded(blob.from.size, &it)) => {
            &readers::GZIP_PADDING
        }
        Compression::Zstd if blob.from.head().is_ok_and(|head| is_skippable(&head)) => {
            &readers::ZSTD_SKIPPABLE
        }
        Compression::Zstd if ends_in_zeros(&blob.from) => &readers::ZSTD_PADDING,
        _ => return,
    };
    notes.push(row.note(&blob.from.at));
}

/// Whether there is a zero frame's worth of zeros at the end; no frame ends so (RFC 8878, 3.1.1: the
/// last block has a bit of its header set, or is followed by a checksum).
fn ends_in_zeros(from: &ByteSource) -> bool {
    let end = from.size.checked_sub(8);
    let tail = end.zip(from.parts().ok()).and_then(|(end, part)| part(end, 8));
    tail.is_some_and(|tail| tail == [0; 8])
}

/// Whether this begins a skippable frame (RFC 8878, section 3.1.2).
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

fn platform(source: &Source, child: &Child, notes: &mut Vec<Note>) {
    if let Some(image) = source.image(child.node) {
        platforms_differ(child.descriptor.platform.as_deref(), image, notes);
    }
}

/// Compares the platform of an image in an index with its config.
fn platforms_differ(said: Option<&Platform>, image: &Image, notes: &mut Vec<Note>) {
    let Some(said) = said else { return };
    let found = &image.config.view().platform;
    let differ = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
    if differ(&said.os, &found.os)
        || differ(&said.architecture, &found.architecture)
        || differ(&said.variant, &found.variant)
    {
        let sides = (said.to_string(), found.to_string());
        let what = "the platform in the index differs from the one in the config";
        let sides = (sides.0.as_str(), sides.1.as_str());
        notes.push(Note::differs(&image.config_at, "platform-mismatch", what, sides));
    }
}

/// The note for bytes after the end of an archive.
pub(super) fn behind(files: &Files, behind: TrailingBytes) -> Note {
    let text = match (behind.at, behind.archive) {
        (Some(at), true) => {
            format!(
                "another archive begins at byte {at}, after the end of this one; it is not read"
            )
        }
        (Some(at), false) => {
            format!("bytes follow the end of the archive at byte {at}; they are not read")
        }
        (None, _) => "bytes follow the end of the compressed data; they are not read".to_owned(),
    };
    Note::new(files.at(), "trailing-data", text)
}

/// Notes ref names that several images with different names share: docker 25 and later and
/// containerd write only the tag, so that skopeo and podman find only the first image.
fn shared_ref_names(source: &Source, notes: &mut Vec<Note>) {
    let mut owners: BTreeMap<&str, BTreeSet<&Reference>> = BTreeMap::new();
    for entry in source.entries.iter().filter(|it| it.descriptor.is_some()) {
        for name in &entry.names {
            if let (Some(reference), false) = (&name.reference, name.ref_name.is_empty()) {
                owners.entry(&name.ref_name).or_default().insert(reference);
            }
        }
    }
    let at = source.at.member(INDEX_NAME);
    for (ref_name, owners) in owners.into_iter().filter(|it| it.1.len() > 1) {
        let names: Vec<String> = owners.iter().map(|it| it.familiar()).collect();
        let (ref_name, names) = (Shown(ref_name), names.join(" and "));
        let found = format!("the ref name {ref_name} is used by {names}");
        let mut note = readers::REF_NAME_SHARED.note_of(&at, &found);
        note.text.push_str("; skopeo and podman find the first of them");
        notes.push(note);
    }
}

/// How two names must differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    /// A different ref name is enough: umoci gives a new image a new ref name but keeps the
    /// containerd name of the old one.
    ByRefName,
    /// By the full name, the only one that a docker archive has.
    ByFullName,
}

/// Refuses entries that give two images one name: docker would let the last one win.
pub(crate) fn unambiguous(source: &Source, entries: &[Entry], apart: Apart) -> Result<()> {
    let mut owners: BTreeMap<String, &Entry> = BTreeMap::new();
    for entry in entries {
        for name in &entry.names {
            let key = match apart {
                Apart::ByRefName => format!("{} {}", name.key(), own_ref_name(name)),
                Apart::ByFullName => name.key(),
            };
            let Some(first) = owners.insert(key, entry) else { continue };
            let (one, other) = (digest_of(source, first), digest_of(source, entry));
            if first.node != entry.node && one != other {
                let (name, first, second) = (name.shown(), one, other);
                let kind = ErrorKind::AmbiguousName { name, first, second };
                return Err(Error::new(&source.at, kind));
            }
        }
    }
    Ok(())
}

/// A ref name that adds to the full name; empty if it is its tag, the same name, or missing.
pub(crate) fn own_ref_name(name: &Name) -> &str {
    let same = |reference: &Reference| {
        let full = name.ref_name.contains([':', '/']);
        name.ref_name == reference.tag()
            || full && name.ref_name.parse::<Reference>().is_ok_and(|it| it == *reference)
    };
    match &name.reference {
        Some(reference) if same(reference) => "",
        _ => &name.ref_name,
    }
}

/// The digest that identifies an entry: of its manifest or index, otherwise of its config.
pub(crate) fn digest_of(source: &Source, entry: &Entry) -> Digest {
    match (&entry.descriptor, source.image(entry.node)) {
        (Some(descriptor), _) => descriptor.digest,
        (None, Some(image)) => image.id().digest(),
        (None, None) => Digest::of(&[]),
    }
}
