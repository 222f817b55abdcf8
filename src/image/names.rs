//! Rules for names: which name in an index refers to which image, how entries are merged, and how
//! names are written in the annotations of `index.json`.
//!
//! An entry has a containerd name, which is a full name, and a ref name, which is the tag if it is
//! unique in the index, otherwise the full name. So containerd, docker, podman, skopeo and umoci
//! find every image (image-spec `annotations.md`; containerd `images/annotations.go`;
//! containers/image `oci/layout`). An existing name is kept as written.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::reading::Note;
use super::{Entry, Name};
use crate::document::descriptor::{CONTAINERD_NAME, Descriptor, REF_NAME};
use crate::document::media_type::MediaFamily;
use crate::error::{Location, Shown};

impl Name {
    /// The name in the annotations of an entry of `index.json`, in any of the three layout
    /// dialects; `None` if there is none.
    pub(crate) fn of_entry(descriptor: &Descriptor) -> Option<Self> {
        let (full, ref_name) = (annotation(descriptor, CONTAINERD_NAME), ref_name(descriptor));
        let mut reference = full.parse().ok();
        // A ref name without host, path or tag is only a tag, as in containerd.
        if reference.is_none() && ref_name.contains([':', '/']) {
            reference = ref_name.parse().ok();
        }
        if reference.is_none() && ref_name.is_empty() {
            return None;
        }
        Some(Self { reference, ref_name: ref_name.to_owned() })
    }

    /// All names in the annotations, including a ref name that is another full name.
    pub(crate) fn all_of_entry(descriptor: &Descriptor) -> Vec<Self> {
        let Some(name) = Self::of_entry(descriptor) else { return Vec::new() };
        let full = name.ref_name.contains([':', '/']);
        let other = name.ref_name.parse().ok().filter(|_| full);
        let other = other.filter(|other| name.reference.as_ref() != Some(other));
        std::iter::once(name).chain(other.map(Self::of)).collect()
    }

    /// The key that identifies a name: the full name, or a ref name that is not a full name.
    pub(crate) fn key(&self) -> String {
        match &self.reference {
            Some(reference) => reference.to_string(),
            // No full name begins like this.
            None => format!(":{}", self.ref_name),
        }
    }
}

pub(crate) fn annotation<'a>(descriptor: &'a Descriptor, key: &str) -> &'a str {
    descriptor.annotations.get(key).map(String::as_str).unwrap_or_default()
}

fn ref_name(descriptor: &Descriptor) -> &str {
    annotation(descriptor, REF_NAME)
}

/// Old entries followed by new ones, and a note for each name that moves.
///
/// A name moves to the new entry. An image that loses its last name is kept without a name, unless
/// it is also a new entry. There are no duplicates. `same` returns whether two entries are the same
/// image.
pub(crate) fn merge(
    mut old: Vec<Entry>,
    new: Vec<Entry>,
    same: &dyn Fn(&Entry, &Entry) -> bool,
    at: &Location,
) -> (Vec<Entry>, Vec<Note>) {
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    for (place, entry) in old.iter().enumerate() {
        owners.extend(entry.names.iter().map(|name| (name.key(), place)));
    }
    let mut notes = Vec::new();
    let mut fresh = Vec::new();
    let mut bare = BTreeSet::new();
    for mut entry in new {
        let named = !entry.names.is_empty();
        entry.names.retain(|name| {
            let Some(place) = owners.get(&name.key()) else { return true };
            let Some(owner) = old.get(*place) else { return true };
            if same(owner, &entry_of(&entry.descriptor, entry.node)) {
                return false;
            }
            let others = old.iter().filter(|it| same(it, owner));
            let names = others.fold(0_usize, |sum, it| sum.saturating_add(it.names.len()));
            let left = if names > 1 { "under its other names" } else { "without a name" };
            notes.push(moved(owner, name, left, at));
            old.get_mut(*place).into_iter().for_each(|owner| take_name(owner, name));
            bare.insert(*place);
            true
        });
        let there = old.iter().any(|known| same(known, &entry));
        if entry.names.is_empty() && (named || there) {
            continue;
        }
        fresh.push(entry);
    }
    // An image without a name needs no entry if it also has a named one.
    let named: Vec<Entry> = old.iter().filter(|it| !it.names.is_empty()).cloned().collect();
    let mut places = 0_usize..;
    old.retain(|entry| {
        let others: &[Entry] =
            if places.next().is_some_and(|it| bare.contains(&it)) { &named } else { &[] };
        !entry.names.is_empty() || !fresh.iter().chain(others).any(|it| same(entry, it))
    });
    old.extend(fresh);
    (old, notes)
}

fn entry_of(descriptor: &Option<Arc<Descriptor>>, node: usize) -> Entry {
    Entry { names: Vec::new(), descriptor: descriptor.clone(), node }
}

fn moved(owner: &Entry, name: &Name, left: &str, at: &Location) -> Note {
    let digest = owner.descriptor.as_ref().map_or_else(String::new, |it| format!(" {}", it.digest));
    let text = format!("{} now names another image; the old image{digest} is kept {left}", {
        let shown = name.shown();
        Shown(&shown).to_string()
    });
    Note::new(at, "name-moved", text)
}

/// Removes a name from an entry and from its annotations.
fn take_name(entry: &mut Entry, name: &Name) {
    entry.names.retain(|own| own.key() != name.key());
    if let Some(descriptor) = &mut entry.descriptor
        && entry.names.is_empty()
    {
        let descriptor = Arc::make_mut(descriptor);
        descriptor.annotations.remove(CONTAINERD_NAME);
        descriptor.annotations.remove(REF_NAME);
    }
}

/// The entries of an `index.json`: one per name, no duplicates, and no ref name for two images.
pub(crate) fn spelled(entries: &[Entry]) -> Vec<Descriptor> {
    let mut all = Vec::new();
    for entry in entries {
        let Some(descriptor) = entry.descriptor.as_deref() else { continue };
        if entry.names.is_empty() {
            all.push(descriptor.clone());
        }
        let mut said = BTreeSet::new();
        for name in &entry.names {
            if said.contains(&name.key()) {
                continue;
            }
            let named = named(descriptor, name);
            said.extend(Name::all_of_entry(&named).iter().map(Name::key));
            all.push(named);
        }
    }
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for descriptor in &all {
        if let Some(name) = Name::of_entry(descriptor) {
            let key = name.key();
            owners.entry(name.ref_name).or_default().insert(key);
        }
    }
    let mut seen = BTreeSet::new();
    all.retain_mut(|descriptor| {
        let shared = owners.get(ref_name(descriptor)).is_some_and(|owners| owners.len() > 1);
        let name = Name::of_entry(descriptor).filter(|_| shared);
        if let Some(reference) = name.and_then(|name| name.reference) {
            descriptor.annotations.insert(REF_NAME.to_owned(), reference.to_string());
        }
        seen.insert(descriptor.to_json(MediaFamily::Oci))
    });
    all
}

/// Whether every ref name of an `index.json` refers to one image.
pub(crate) fn is_spelled_apart(entries: &[Descriptor]) -> bool {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    entries.iter().filter_map(Name::of_entry).all(|name| {
        let key = name.key();
        let first = owners.entry(name.ref_name.clone()).or_insert_with(|| key.clone());
        name.ref_name.is_empty() || *first == key
    })
}

/// A descriptor with a name; annotations that already contain it are kept.
fn named(descriptor: &Descriptor, name: &Name) -> Descriptor {
    let mut descriptor = descriptor.clone();
    let says_it = Name::of_entry(&descriptor).is_some_and(|own| own.key() == name.key());
    let annotations = &mut descriptor.annotations;
    match &name.reference {
        Some(reference) => {
            if !says_it || !annotations.contains_key(CONTAINERD_NAME) {
                annotations.insert(CONTAINERD_NAME.to_owned(), reference.to_string());
            }
            let ref_name = match name.ref_name.as_str() {
                "" => reference.tag(),
                ref_name => ref_name,
            };
            annotations.insert(REF_NAME.to_owned(), ref_name.to_owned());
        }
        None => {
            if !says_it {
                annotations.remove(CONTAINERD_NAME);
            }
            annotations.insert(REF_NAME.to_owned(), name.ref_name.clone());
        }
    }
    descriptor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Measured;

    fn entry(content: &str, name: &str) -> Entry {
        let descriptor = Descriptor::of("a", &Measured::of(content.as_bytes()));
        let name = match name.parse() {
            Ok(reference) if name.contains(':') => Name::of(reference),
            _ => Name { reference: None, ref_name: name.to_owned() },
        };
        Entry { names: vec![name], descriptor: Some(Arc::new(descriptor)), node: 0 }
    }

    fn merged(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let entries = |list: &[(&str, &str)]| list.iter().map(|it| entry(it.0, it.1)).collect();
        let same = |a: &Entry, b: &Entry| {
            a.descriptor.as_ref().map(|it| it.digest) == b.descriptor.as_ref().map(|it| it.digest)
        };
        let at = Location::named("index.json");
        let (merged, _) = merge(entries(old), entries(new), &same, &at);
        spelled(&merged).iter().map(|it| ref_name(it).to_owned()).collect()
    }

    #[test]
    fn a_short_ref_name_belongs_to_nobody_where_two_images_have_its_tag() {
        let full = ["docker.io/x/a:1", "docker.io/x/b:1"];
        assert_eq!(merged(&[("A", "x/a:1")], &[("B", "x/b:1")]), full);
        assert_eq!(merged(&[("B", "x/b:1")], &[("A", "x/a:1")]), [full[1], full[0]]);
        assert_eq!(merged(&[], &[("A", "x/a:1"), ("B", "x/b:1")]), full);
        assert_eq!(merged(&[], &[("A", "x/a:1"), ("B", "x/b:2")]), ["1", "2"]);
    }

    #[test]
    fn a_bare_tag_takes_no_full_name_away_and_none_is_lost() {
        assert_eq!(merged(&[("A", "1")], &[("B", "2")]), ["1", "2"]);
        assert_eq!(merged(&[("A", "x/a:1")], &[("B", "1")]), ["docker.io/x/a:1", "1"]);
        assert_eq!(merged(&[("A", "1")], &[("B", "1")]), ["", "1"]);
        assert_eq!(merged(&[("A", "x/a:1")], &[("A", "x/a:1")]), ["1"]);
    }
}
