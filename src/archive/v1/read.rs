//! Reads archives of docker before 1.10: a directory per layer, chained by `parent`.
//!
//! The config is built as moby builds it when it loads such an archive, so that the image ID is the
//! one that docker shows: `tarexport/load.go` `legacyLoadImage`, `image/v1/imagev1.go`
//! `MakeConfigFromV1Config` and `HistoryFromConfig`. Docker follows parents without a limit;
//! imgconv has a limit and detects loops. Unlike docker since 1.10, imgconv reads archives without
//! `repositories`: 0.9 to 1.9 wrote them for images without a tag.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use super::config::{self as v1config, ConfigRules, Step};
use crate::bytes::files::{ByteSource, Files};
use crate::bytes::parallel::parallel;
use crate::codec::{Compression, Pool};
use crate::digest::{Algorithm, V1LayerId};
use crate::document::descriptor::optional;
use crate::document::{Config, Document};
use crate::error::{At as _, Error, ErrorKind, Location, Result, Shown};
use crate::image::layer::{Encode, measure};
use crate::image::reading::{Note, Reading};
use crate::image::{Entry, Image, Layer, Name, Node};
use crate::json::{self, Trailing, Value};
use crate::limits;
use crate::progress::{Event, Progress, tell};
use crate::reference::Reference;

pub(crate) const REPOSITORIES: &str = "repositories";

/// Whether it contains a V1 image.
pub(in crate::archive) fn is_archive(files: &Files) -> bool {
    !matches!(files.find(REPOSITORIES), Ok(None)) || ids(files).next().is_some()
}

fn ids(files: &Files) -> impl Iterator<Item = V1LayerId> {
    files.top_level().into_iter().filter_map(|name| name.parse().ok())
}

/// Reads all images: those with a name, and those that are not a parent.
pub(in crate::archive) fn read(files: &Files, progress: &dyn Progress) -> Reading {
    let mut reading = Reading::default();
    let mut reader = V1Reader { files, v1: BTreeMap::new(), layers: BTreeMap::new() };
    let order: Vec<V1LayerId> = ids(files).collect();
    for id in &order {
        let v1 = reader.json(*id, &mut reading);
        if let Some(v1) = reading.kept(v1) {
            reader.v1.insert(*id, v1);
        }
    }
    if order.is_empty() {
        let found = "repositories without a V1 image, and no manifest.json".to_owned();
        reading.problem(files.at(), ErrorKind::NoImage { found });
        return reading;
    }
    let names = reader.repositories();
    let names = reading.kept(names).unwrap_or_default();
    reader.measure(&mut reading, progress);
    let parents: BTreeSet<V1LayerId> = reader.v1.values().filter_map(|v1| v1.parent).collect();
    let wanted = |id: &&V1LayerId| names.contains_key(id) || !parents.contains(id);
    let mut heads: Vec<V1LayerId> = order.iter().filter(wanted).copied().collect();
    if heads.is_empty() {
        // All are parents: a loop, which is found from the first one.
        heads.extend(order.first());
    }
    for id in heads {
        let names = names.get(&id).cloned().unwrap_or_default();
        let image = reader.image(id);
        let node = match reading.kept(image).flatten() {
            Some(image) => reading.push(Node::Image(Box::new(image))),
            None => reading.push(Node::Broken),
        };
        reading.entries.push(Entry { names, descriptor: None, node });
    }
    let text = "written before docker 1.10; the config is built as docker load builds it";
    reading.note(files.at(), "v1-archive", text);
    reading
}

/// Notes about the V1 `json` of each layer folder in an archive with a `manifest.json`, where
/// loaders since docker 1.10 ignore them.
pub(in crate::archive) fn notes(files: &Files, reading: &mut Reading) {
    let order: Vec<V1LayerId> = ids(files).collect();
    let all: BTreeSet<V1LayerId> = order.iter().copied().collect();
    for id in order {
        let Ok(Some(from)) = files.find(&format!("{id}/json")) else { continue };
        let Ok(raw) = from.read(limits::CONFIG, "the size of a V1 json, in bytes,") else {
            continue;
        };
        let Ok(checked) = json::check(&raw, Trailing::Refused) else {
            reading.note(&from.at, "v1-id", "it is not valid JSON");
            continue;
        };
        let Ok([own, parent]) = checked.value.fields("json", ["id", "parent"]) else { continue };
        let own = optional(own, "id").unwrap_or_default();
        id_note(&from.at, id, &own, checked.value, reading);
        let parent = optional(parent, "parent").unwrap_or_default();
        let there = parent.parse().is_ok_and(|parent| all.contains(&parent));
        if !parent.is_empty() && !there {
            let text = format!("its parent {} is not in the archive", Shown(&parent));
            reading.note(&from.at, "v1-parent", text);
        }
    }
}

/// Notes an ID that is missing, different, or in a spelling that docker does not find.
fn id_note(at: &Location, id: V1LayerId, own: &str, json: Value<'_>, reading: &mut Reading) {
    let exact = json.members("json").is_ok_and(|mut all| all.any(|it| it.0 == "id"));
    if !exact || own != id.to_string() {
        let found = if exact { own } else { "another spelling" };
        let note = Note::differs(at, "v1-id", "its id", (&id.to_string(), found));
        reading.notes.push(note);
    }
}

/// One V1 `json`.
struct V1 {
    raw: Vec<u8>,
    at: Location,
    parent: Option<V1LayerId>,
}

struct V1Reader<'a> {
    files: &'a Files,
    v1: BTreeMap<V1LayerId, V1>,
    layers: BTreeMap<V1LayerId, Layer>,
}

impl V1Reader<'_> {
    fn json(&self, id: V1LayerId, reading: &mut Reading) -> Result<V1> {
        let at = self.files.at().member(&format!("{id}/json"));
        let raw = self.member(&format!("{id}/json"), "its directory")?;
        let raw = raw.read(limits::CONFIG, "the size of a V1 json, in bytes,")?;
        let value = json::check(&raw, Trailing::Refused).at(&at)?.value;
        let [own, parent] = value.fields("json", ["id", "parent"]).at(&at)?;
        let own = optional(own, "id").at(&at)?;
        id_note(&at, id, &own, value, reading);
        if !own.is_empty() && own != id.to_string() {
            let kind = ErrorKind::field("id", "the ID of its directory", &own);
            return Err(Error::new(&at, kind));
        }
        let parent = optional(parent, "parent").at(&at)?;
        let parent = match parent.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                let kind = ErrorKind::field("parent", "64 lower-case hex digits", text);
                Error::new(&at, kind)
            })?),
        };
        Ok(V1 { raw, at, parent })
    }

    fn member(&self, path: &str, by: &str) -> Result<ByteSource> {
        self.files.find(path)?.ok_or_else(|| {
            let kind = ErrorKind::MissingMember { by: by.to_owned() };
            Error::new(&self.files.at().member(path), kind)
        })
    }

    /// The names of each image, in the order of `repositories`.
    fn repositories(&self) -> Result<BTreeMap<V1LayerId, Vec<Name>>> {
        let at = self.files.at().member(REPOSITORIES);
        let mut names: BTreeMap<V1LayerId, Vec<Name>> = BTreeMap::new();
        let Some(repositories) = self.files.find(REPOSITORIES)? else { return Ok(names) };
        let what = "the size of repositories, in bytes,";
        let raw = repositories.read(limits::ARCHIVE_DOCUMENT, what)?;
        let checked = json::check(&raw, Trailing::Refused).at(&at)?;
        // Tags may differ only in letter case.
        if let Some(repeated) = checked.duplicates.iter().find(|found| found.exact) {
            return Err(Error::new(&at, ErrorKind::DuplicateKey { key: repeated.key.clone() }));
        }
        for (repository, tags) in checked.value.members(REPOSITORIES).at(&at)? {
            for (tag, id) in tags.members("a repository").at(&at)? {
                let (id, name) = self.named(&repository, &tag, id).at(&at)?;
                names.entry(id).or_default().push(name);
            }
        }
        Ok(names)
    }

    fn named(
        &self,
        repository: &str,
        tag: &str,
        id: Value<'_>,
    ) -> Result<(V1LayerId, Name), ErrorKind> {
        let text = id.string("the ID of a tag")?;
        let expected = "the ID of an image in the archive";
        let id: V1LayerId =
            text.parse().map_err(|_| ErrorKind::field("the ID of a tag", expected, &text))?;
        if !self.v1.contains_key(&id) {
            return Err(ErrorKind::field("the ID of a tag", expected, &text));
        }
        let reference = Reference::new(repository, tag).map_err(|_| {
            let name = format!("{repository}:{tag}");
            ErrorKind::field("a name", "REPOSITORY:TAG in lower case", &name)
        })?;
        Ok((id, Name::of(reference)))
    }

    /// The image of a V1 layer and all layers below it, with the config that docker builds; `None`
    /// if a layer could not be measured, which is already a problem.
    fn image(&self, id: V1LayerId) -> Result<Option<Image>> {
        let mut layers = Vec::new();
        let mut history = Vec::new();
        let mut diff_ids = Vec::new();
        for id in &self.chain(id)? {
            let Some(layer) = self.layers.get(id) else { return Ok(None) };
            diff_ids.push(layer.diff_id.to_string());
            layers.push(layer.clone());
            if let Some(v1) = self.v1.get(id) {
                history.push(v1config::step(&v1.raw, Step::Layer).at(&v1.at)?);
            }
        }
        let Some(v1) = self.v1.get(&id) else { return Ok(None) };
        let rules = ConfigRules::Moby;
        let config = v1config::config(&v1.raw, &diff_ids, &history, rules).at(&v1.at)?;
        let config = Document::<Config>::parse(config.into_bytes()).at(&v1.at)?;
        Ok(Some(Image { config, config_at: v1.at.clone(), layers, manifest: None }))
    }

    /// The image and its parents, base first.
    fn chain(&self, id: V1LayerId) -> Result<Vec<V1LayerId>> {
        let mut chain = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(id);
        let mut at = self.files.at().clone();
        while let Some(id) = next {
            let bad = |what| ErrorKind::Parents { what, found: id.to_string() };
            let v1 = self
                .v1
                .get(&id)
                .ok_or_else(|| Error::new(&at, bad("expected a parent that is in the archive")))?;
            at = v1.at.clone();
            if !seen.insert(id) {
                return Err(Error::new(&at, bad("expected an end, but the parents form a loop")));
            }
            if chain.len() == limits::V1_PARENTS {
                let limit = limits::V1_PARENTS as u64;
                let kind =
                    ErrorKind::limit("the number of layers in a parent chain", limit, "more");
                return Err(Error::new(&at, kind));
            }
            chain.push(id);
            next = v1.parent;
        }
        chain.reverse();
        Ok(chain)
    }

    /// Reads all layers completely for their diff IDs, which no document contains.
    fn measure(&mut self, reading: &mut Reading, progress: &dyn Progress) {
        let mut found = Vec::new();
        for id in self.v1.keys() {
            let blob = self.member(&format!("{id}/layer.tar"), "its directory");
            let head = blob.and_then(|blob| Ok((*id, Compression::sniff(&blob.head()?), blob)));
            found.extend(reading.kept(head));
        }
        let total = found.iter().map(|(_, _, blob)| blob.size).sum();
        let told = tell(progress, Event::Total(total)).at(self.files.at());
        if reading.kept(told).is_none() {
            return;
        }
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let size = |(_, _, blob): &(V1LayerId, Compression, ByteSource)| blob.size;
        let measured = Pool::with(threads, |pool| {
            parallel(&found, threads, &size, &|(_, codec, blob)| match measure(
                blob,
                (*codec, Algorithm::Sha256),
                (Encode::Keep, pool),
                progress,
            ) {
                Err(ErrorKind::Interrupted) => Err(Error::new(&blob.at, ErrorKind::Interrupted)),
                there => Ok(there.at(&blob.at)),
            })
        });
        let Some(measured) = reading.kept(measured) else { return };
        for ((id, codec, blob), there) in found.into_iter().zip(measured) {
            let Some(there) = reading.kept(there) else { continue };
            let Some(diff_id) = there.uncompressed.diff_id() else { continue };
            let layer = Layer { diff_id, claim: None, codec, source: None, blob: Some(blob) };
            self.layers.insert(id, layer);
        }
    }
}
