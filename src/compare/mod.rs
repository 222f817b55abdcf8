//! Compares two sources and reports the first level at which they differ.
//!
//! Four levels, from the weakest to the strongest: the same file tree content (diff IDs), the same
//! image (config bytes), the same manifest, the same bytes. Differences at the first level that is
//! not the same have a reason from the catalogue.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod bytes;
mod config;
mod manifest;
mod pairs;

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bytes::files::Input;
use crate::digest::{DiffId, Digest, ImageId};
use crate::error::{Error, ErrorKind, Location, Result, UnknownWord, by_name};
use crate::image::reason::{Change, Reason};
use crate::image::{Image, Name};
use crate::progress::{Progress, Quiet};
use crate::source::{Kind, Options, Selection, Source, open_any};

/// A level of equality; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// Not even the content of the layers is the same.
    Nothing,
    /// The same diff IDs in the same order.
    Content,
    /// The same config, so the same image ID.
    Image,
    /// The same manifest, so the same stored layers.
    Manifest,
    /// The same bytes of the whole sources.
    Bytes,
}

impl Level {
    /// Every level that can be requested.
    pub const ASKED: [Self; 4] = [Self::Content, Self::Image, Self::Manifest, Self::Bytes];

    /// A stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Content => "content",
            Self::Image => "image",
            Self::Manifest => "manifest",
            Self::Bytes => "bytes",
        }
    }

    /// The text for output.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Nothing => "not the same",
            Self::Content => "same content, different image",
            Self::Image => "same image",
            Self::Manifest => "same manifest",
            Self::Bytes => "same bytes",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = UnknownWord;

    /// Parses the name of a level that can be requested.
    fn from_str(text: &str) -> std::result::Result<Self, UnknownWord> {
        by_name(text, &Self::ASKED, Self::name)
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// One side of a comparison.
#[derive(Debug)]
#[non_exhaustive]
pub struct ComparedSource {
    /// The input.
    pub input: Input,
    /// How to open it.
    pub options: Options,
    /// The selected images.
    pub selection: Selection,
}

impl ComparedSource {
    /// All images of a source.
    #[must_use]
    pub fn new(input: Input, options: Options) -> Self {
        Self { input, options, selection: Selection::default() }
    }
}

/// An image of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ComparedImage {
    /// Its names, as docker shows them, sorted.
    pub names: Vec<String>,
    /// `os/arch[/variant]`, from an index, otherwise from the config.
    pub platform: String,
    /// Digest of the config.
    pub image_id: ImageId,
    /// Digest of the manifest, if there is one.
    #[serde(rename = "manifestDigest")]
    pub manifest: Option<Digest>,
}

/// Two images that were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImagePair {
    /// The image in the first source.
    pub a: ComparedImage,
    /// The image in the second source.
    pub b: ComparedImage,
    /// The highest level that is the same; [`Level::Bytes`] is only for whole sources.
    pub level: Level,
    /// Differences at the next level.
    pub differences: Vec<Change>,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// Place and kind of the first source.
    pub a: (Location, Kind),
    /// Place and kind of the second source.
    pub b: (Location, Kind),
    /// The highest level at which everything is the same.
    pub level: Level,
    /// Images in both sources.
    pub pairs: Vec<ImagePair>,
    /// Images only in the first source.
    pub only_a: Vec<ComparedImage>,
    /// Images only in the second source.
    pub only_b: Vec<ComparedImage>,
    /// Differences of the whole sources, if all images are the same.
    pub differences: Vec<Change>,
}

impl Serialize for Comparison {
    /// As in `docs/schema/comparison.json`.
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Side<'a> {
            source: &'a Location,
            formats: Kind,
        }
        fn side((source, kind): &(Location, Kind)) -> Side<'_> {
            Side { source, formats: *kind }
        }
        let mut object = to.serialize_struct("Comparison", 7)?;
        object.serialize_field("a", &side(&self.a))?;
        object.serialize_field("b", &side(&self.b))?;
        object.serialize_field("level", &self.level)?;
        object.serialize_field("images", &self.pairs)?;
        object.serialize_field("onlyA", &self.only_a)?;
        object.serialize_field("onlyB", &self.only_b)?;
        object.serialize_field("differences", &self.differences)?;
        object.end()
    }
}

/// An image of one side.
pub(crate) struct SideImage<'a> {
    image: &'a Image,
    found: ComparedImage,
}

/// Compares two sources.
///
/// # Errors
/// One of them cannot be read, has a problem, or has no image.
pub fn compare(a: ComparedSource, b: ComparedSource) -> Result<Comparison> {
    compare_watched(a, b, &Quiet)
}

/// The same, with an observer of how the sources are opened.
///
/// # Errors
/// As [`compare`].
pub fn compare_watched(
    a: ComparedSource,
    b: ComparedSource,
    progress: &dyn Progress,
) -> Result<Comparison> {
    let paths = (path(&a.input), path(&b.input));
    let whole = a.selection.is_all() && b.selection.is_all();
    let (first, second) = (opened(a, progress)?, opened(b, progress)?);
    let subjects = (subjects(&first)?, subjects(&second)?);
    let paired = pairs::pair(&subjects.0, &subjects.1);
    let mut pairs: Vec<ImagePair> = paired.both.iter().map(|(a, b)| pair(a, b)).collect();
    let alone = |list: &[&SideImage<'_>]| list.iter().map(|it| it.found.clone()).collect();
    let (only_a, only_b): (Vec<ComparedImage>, Vec<ComparedImage>) =
        (alone(&paired.only_a), alone(&paired.only_b));
    let mut level = pairs.iter().map(|pair| pair.level).min().unwrap_or(Level::Nothing);
    if !only_a.is_empty() || !only_b.is_empty() {
        level = Level::Nothing;
    }
    let mut differences = Vec::new();
    // Without manifests, the next level after the image is the bytes.
    let none = pairs.iter().all(|it| it.a.manifest.is_none() && it.b.manifest.is_none());
    if level == Level::Manifest || level == Level::Image && none {
        if whole && bytes::same(&paths)? {
            level = Level::Bytes;
            for pair in &mut pairs {
                pair.level = level;
                pair.differences.clear();
            }
        } else {
            differences = bytes::differences(&first, &second, &pairs);
            if differences.is_empty() && pairs.iter().all(|it| it.differences.is_empty()) {
                differences.push(bytes::other(&first.at, &second.at));
            }
        }
    }
    let (a, b) = ((first.at.clone(), first.kind), (second.at.clone(), second.kind));
    Ok(Comparison { a, b, level, pairs, only_a, only_b, differences })
}

fn path(input: &Input) -> Option<PathBuf> {
    match input {
        Input::Path(path) => Some(path.clone()),
        Input::File(_) | Input::Stream(_) | Input::Registry(_) => None,
    }
}

fn opened(side: ComparedSource, progress: &dyn Progress) -> Result<Source> {
    let mut source = open_any(side.input, &side.options, progress)?;
    source.narrow(&side.selection)?;
    if !source.problems.is_empty() {
        return Err(source.problems.swap_remove(0));
    }
    Ok(source)
}

/// Each image once, with all its names, in the order of the entries. Several items of
/// `manifest.json` for one image, or an image with and without a manifest, count as one.
fn subjects(source: &Source) -> Result<Vec<SideImage<'_>>> {
    let platforms = source.platforms();
    let mut found: Vec<SideImage<'_>> = Vec::new();
    let mut places: BTreeMap<ImageId, Vec<usize>> = BTreeMap::new();
    for entry in &source.entries {
        for node in source.images_below(entry.node) {
            let Some(image) = source.image(node) else { continue };
            let platform = platforms.get(&node).map(ToString::to_string).unwrap_or_default();
            let new = SideImage { image, found: facts(image, platform) };
            let known = places.entry(new.found.image_id).or_default();
            let place = known.iter().find(|at| found.get(**at).is_some_and(|it| it.is(&new)));
            let place = place.copied().unwrap_or(found.len());
            if place == found.len() {
                known.push(place);
                found.push(new);
            } else if let Some(known) =
                found.get_mut(place).filter(|it| it.found.manifest.is_none())
            {
                (known.image, known.found.manifest) = (new.image, new.found.manifest);
            }
            if let Some(known) = found.get_mut(place) {
                known.found.names.extend(entry.names.iter().map(Name::shown));
                known.found.names.sort();
                known.found.names.dedup();
            }
        }
    }
    if found.is_empty() {
        let found = "no image config".to_owned();
        return Err(Error::new(&source.at, ErrorKind::NoImage { found }));
    }
    Ok(found)
}

impl SideImage<'_> {
    /// Whether two entries are the same image: the same config, and no different manifests.
    fn is(&self, other: &Self) -> bool {
        let (one, other) = (&self.found, &other.found);
        let manifests = one.manifest.zip(other.manifest);
        one.image_id == other.image_id && manifests.is_none_or(|(one, other)| one == other)
    }
}

fn facts(image: &Image, platform: String) -> ComparedImage {
    ComparedImage {
        names: Vec::new(),
        platform,
        image_id: image.id(),
        manifest: image.manifest.as_ref().map(|it| it.measured().digest()),
    }
}

fn pair(a: &SideImage<'_>, b: &SideImage<'_>) -> ImagePair {
    let (level, differences) = differ(a.image, b.image);
    ImagePair { a: a.found.clone(), b: b.found.clone(), level, differences }
}

/// The highest level that is the same, and the differences at the next one.
fn differ(a: &Image, b: &Image) -> (Level, Vec<Change>) {
    let (one, other) = (a.config.view(), b.config.view());
    if one.diff_ids != other.diff_ids {
        return (Level::Nothing, layers(&one.diff_ids, &other.diff_ids));
    }
    if a.config.raw() != b.config.raw() {
        return (Level::Content, config::differences(a.config.raw(), b.config.raw()));
    }
    match (&a.manifest, &b.manifest) {
        (Some(one), Some(other)) if one.raw() == other.raw() => (Level::Manifest, Vec::new()),
        (one, other) => {
            let layers = (&a.layers[..], &b.layers[..]);
            (Level::Image, manifest::differences(one.as_ref(), other.as_ref(), layers))
        }
    }
}

/// The layers that differ.
fn layers(a: &[DiffId], b: &[DiffId]) -> Vec<Change> {
    let text = |list: &[DiffId], at: usize| list.get(at).map(ToString::to_string);
    let mut sorted = (a.to_vec(), b.to_vec());
    sorted.0.sort();
    sorted.1.sort();
    let reason = if sorted.0 == sorted.1 { Reason::Order } else { Reason::Content };
    (0..a.len().max(b.len()))
        .filter(|at| a.get(*at) != b.get(*at))
        .map(|at| Change {
            field: format!("rootfs.diff_ids[{at}]"),
            before: text(a, at),
            after: text(b, at),
            reason,
        })
        .collect()
}
