//! Dialects of docker archives: their members, names and order.

mod classic;
mod hybrid;
mod podman;
mod universal;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::archive::members::{Content, NewMember};
use crate::digest::{DiffId, Digest};
use crate::document::descriptor::Descriptor;
use crate::document::media_type::MediaFamily;
use crate::document::{Config, Document, Manifest};
use crate::error::{Result, UnknownWord, by_name};
use crate::json::go;
use crate::reference::Reference;
use crate::store::{SavedImage, StoredLayer};

/// A dialect of docker archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// A layout and a docker archive in one tar; layers are kept.
    Universal,
    /// As docker 1.10 to 24 wrote it, member for member.
    Classic,
    /// As docker 25 and later write it with the graph driver store.
    Hybrid,
    /// As podman, buildah and skopeo write it.
    Podman,
}

/// The properties of one dialect.
struct DialectRow {
    name: &'static str,
    /// Whether layers are stored uncompressed and indexes are not stored.
    plain: bool,
    members: fn(Vec<NewMember>, &[SavedImage<'_>]) -> Result<Vec<NewMember>>,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownWord;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownWord> {
        by_name(text, &Self::ALL, Self::name)
    }
}

impl Dialect {
    /// Every dialect, the default first.
    pub const ALL: [Self; 4] = [Self::Universal, Self::Classic, Self::Hybrid, Self::Podman];

    fn row(self) -> &'static DialectRow {
        match self {
            Self::Universal => &universal::ROW,
            Self::Classic => &classic::ROW,
            Self::Hybrid => &hybrid::ROW,
            Self::Podman => &podman::ROW,
        }
    }

    /// The name of the dialect.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether layers are stored uncompressed and only images are stored.
    #[must_use]
    pub fn is_plain(self) -> bool {
        self.row().plain
    }

    /// Whether an image in it has a manifest with a digest.
    pub(crate) fn manifest(self, subject: &SavedImage<'_>) -> Option<Document<Manifest>> {
        match self {
            Self::Hybrid => hybrid::manifest(subject),
            Self::Universal | Self::Classic | Self::Podman => None,
        }
    }

    /// All members in order; `layout` is the tree of blobs and indexes, which the plain dialects do
    /// not store.
    pub(crate) fn members(
        self,
        layout: Vec<NewMember>,
        subjects: &[SavedImage<'_>],
    ) -> Result<Vec<NewMember>> {
        (self.row().members)(layout, subjects)
    }
}

/// An item of `manifest.json`, in the field order of docker's structure.
pub(crate) fn item(config: &str, names: Option<&[String]>, layers: &[String]) -> String {
    item_with(config, names, layers, Vec::new())
}

/// An item with what is known of the non-distributable layers of an image.
fn item_of(
    subject: &SavedImage<'_>,
    config: &str,
    names: Option<&[String]>,
    layers: &[String],
) -> String {
    let sources = subject.sources.iter();
    item_with(config, names, layers, sources.map(|(id, said)| (*id, (*said).clone())).collect())
}

/// An item with these `LayerSources`.
fn item_with(
    config: &str,
    names: Option<&[String]>,
    layers: &[String],
    sources: Vec<(DiffId, Descriptor)>,
) -> String {
    let mut item = go::Object::new();
    item.string("Config", config);
    item.json("RepoTags", &names.map_or_else(|| "null".to_owned(), go::strings));
    item.json("Layers", &go::strings(layers));
    let sources: BTreeMap<String, Descriptor> =
        sources.into_iter().map(|(diff_id, said)| (diff_id.to_string(), said)).collect();
    if !sources.is_empty() {
        let mut map = go::Object::new();
        for (diff_id, said) in &sources {
            map.json(diff_id, &said.to_json(MediaFamily::Docker));
        }
        item.json("LayerSources", &map.finish());
    }
    item.finish()
}

/// The familiar names of an image.
fn familiar(subject: &SavedImage<'_>) -> Vec<String> {
    subject.names.iter().map(Reference::familiar).collect()
}

/// `repositories`: name, tag, and the value for the image; sorted by both.
#[derive(Default)]
struct Repositories(BTreeMap<String, BTreeMap<String, String>>);

impl Repositories {
    fn add(&mut self, repository: String, tag: &str, top: &str) {
        self.0.entry(repository).or_default().insert(tag.to_owned(), top.to_owned());
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn to_json(&self) -> String {
        let mut all = go::Object::new();
        for (repository, tags) in &self.0 {
            let mut object = go::Object::new();
            for (tag, top) in tags {
                object.string(tag, top);
            }
            all.json(repository, &object.finish());
        }
        all.finish()
    }
}

/// The creation time of an image, in seconds since 1970; 0 if it is earlier, missing or not valid.
fn created(config: &Config) -> u64 {
    let time = config.created.parse::<jiff::Timestamp>();
    // Docker truncates; jiff rounds towards zero, which is the same from 1970 on.
    time.ok().and_then(|time| u64::try_from(time.as_second()).ok()).unwrap_or(0)
}

/// The bytes of a layer.
fn content(layer: &StoredLayer) -> Content {
    Content::Blob(layer.stored)
}

/// The file of a blob in the tree.
fn blob(digest: &Digest) -> String {
    crate::document::descriptor::blob_path(digest)
}
