//! Parses the `manifest.json` of a docker archive, and collects all its problems.
//!
//! No other module parses it (moby `image/tarexport`, `manifestItem`; docker and containerd read
//! the first JSON value, skopeo refuses bytes after it).

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use crate::bytes::files::Files;
use crate::document::descriptor::{Descriptor, optional, strings};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::json::{self, Trailing, Value};
use crate::limits;

/// The name of the document.
pub(crate) const MANIFEST: &str = "manifest.json";

/// One image.
#[derive(Debug, Clone, Default)]
pub(crate) struct SavedItem {
    /// The path of the config; empty if there is none.
    pub(crate) config: String,
    /// `RepoTags`, as written.
    pub(crate) names: Vec<String>,
    /// The paths of the layers, base first.
    pub(crate) layers: Vec<String>,
    /// `LayerSources`: the descriptors of layers by diff ID, as far as they can be read.
    pub(crate) sources: BTreeMap<String, Descriptor>,
    /// Why others cannot.
    pub(crate) unread_sources: Vec<String>,
    /// `Parent`, the image ID that this one was built on; empty where there is none.
    pub(crate) parent: String,
    /// The text of the item.
    pub(crate) raw: String,
}

impl SavedItem {
    /// Parses one item.
    pub(crate) fn read(value: Value<'_>) -> Result<Self, ErrorKind> {
        let fields = ["Config", "RepoTags", "Layers", "Parent", "LayerSources"];
        let [config, names, layers, parent, sources] =
            value.fields("an item of manifest.json", fields)?;
        let (sources, unread_sources) = sources.map(layer_sources).unwrap_or_default();
        Ok(Self {
            config: optional(config, "Config")?,
            names: strings(names, "RepoTags")?,
            layers: strings(layers, "Layers")?,
            parent: optional(parent, "Parent")?,
            sources,
            unread_sources,
            raw: value.raw().to_owned(),
        })
    }

    /// The path of the config, which loaders require.
    pub(crate) fn config(&self) -> Result<&str, ErrorKind> {
        match self.config.as_str() {
            "" => Err(ErrorKind::field("Config", "the path of a config", "nothing")),
            path => Ok(path),
        }
    }
}

fn layer_sources(value: Value<'_>) -> (BTreeMap<String, Descriptor>, Vec<String>) {
    let (mut found, mut unread) = (BTreeMap::new(), Vec::new());
    match value.members("LayerSources") {
        Ok(members) => {
            for (diff_id, said) in members {
                match Descriptor::parse(said, "LayerSources") {
                    Ok(descriptor) => drop(found.insert(diff_id.into_owned(), descriptor)),
                    Err(kind) => unread.push(kind.to_string()),
                }
            }
        }
        Err(kind) => unread.push(kind.to_string()),
    }
    (found, unread)
}

/// The whole document.
#[derive(Debug, Default)]
pub(crate) struct ManifestJson {
    /// The items that can be read, in order.
    pub(crate) items: Vec<SavedItem>,
    /// Problems of the document or of single items.
    pub(crate) problems: Vec<ErrorKind>,
    /// Whether bytes follow the JSON value.
    pub(crate) trailing: bool,
}

impl ManifestJson {
    /// Parses the document.
    pub(crate) fn parse(raw: &[u8]) -> Self {
        let mut read = Self::default();
        match json::check(raw, Trailing::Allowed) {
            Ok(checked) => {
                read.trailing = checked.trailing;
                let repeated = checked.duplicates.iter();
                read.problems
                    .extend(repeated.map(|it| ErrorKind::DuplicateKey { key: it.key.clone() }));
                if let Err(kind) = read.items(checked.value) {
                    read.problems.push(kind);
                }
            }
            Err(fault) => read.problems.push(fault.into()),
        }
        read
    }

    fn items(&mut self, value: Value<'_>) -> Result<(), ErrorKind> {
        if value.is_null() {
            return Err(ErrorKind::NoImage { found: "null".to_owned() });
        }
        for (count, item) in value.list(MANIFEST)?.enumerate() {
            if count == limits::IMAGES {
                let limit = limits::IMAGES as u64;
                return Err(ErrorKind::limit("the number of images", limit, "more"));
            }
            match SavedItem::read(item) {
                Ok(item) => self.items.push(item),
                Err(kind) => self.problems.push(kind),
            }
        }
        if self.items.is_empty() && self.problems.is_empty() {
            return Err(ErrorKind::NoImage { found: "an empty list".to_owned() });
        }
        Ok(())
    }
}

/// The document of an archive, if it has one.
pub(crate) fn read(files: &Files) -> Result<Option<ManifestJson>> {
    let Some(from) = files.find(MANIFEST)? else { return Ok(None) };
    let raw = from.read(limits::ARCHIVE_DOCUMENT, "the size of manifest.json, in bytes,")?;
    Ok(Some(ManifestJson::parse(&raw)))
}

/// A missing member that `manifest.json` or a directory of the V1 format names.
pub(super) fn missing(at: &Location, by: &str) -> Error {
    Error::new(at, ErrorKind::MissingMember { by: by.to_owned() })
}
