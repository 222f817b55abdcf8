//! Real archives and layouts by many producers, in a shared folder beside the repository.
//!
//! Each whole one converts there and back with the image IDs that its own bytes say, each broken one
//! is refused with its reason. Its list says what is broken; where we judge otherwise, a line of
//! `EXCEPTIONS` says why.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;

use crate::attack::shared;
use crate::build::check::{self, Entry, Files, Picture};
use crate::build::promise;
use crate::build::run::{Place, imgconv, tree};

/// What must become of an artefact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Converts there and back.
    Read,
    /// Refused, with one of these words.
    Refused(&'static [&'static str]),
}
use Fate::{Read, Refused};

/// Where the list alone does not decide: path, fate, why.
const EXCEPTIONS: &[(&str, Fate, &str)] = &[
    (
        "containers+image/oci/layout/fixtures/delete_image_two_identical_references",
        Refused(&["names two manifests"]),
        "one name for two images is found before their layers are read",
    ),
    (
        "google+go-containerregistry/pkg/v1/mutate/testdata/source_image_with_empty_layer_history.tar",
        Read,
        "the config is not named by its hash; no loader takes meaning from that name",
    ),
    (
        "google+go-containerregistry/@bf115570/pkg/v1/mutate/testdata/source_image_all_empty.tar",
        Read,
        "the config is not named by its hash; no loader takes meaning from that name",
    ),
    (
        "google+go-containerregistry/pkg/v1/tarball/testdata/hello-world-v25.tar",
        Read,
        "docker 25.0 wrote \"manifests\": null into index.json; manifest.json is whole",
    ),
    (
        "oras-project+oras-go/content/oci/testdata/hello-world.tar",
        Read,
        "sparse: other platforms were not exported",
    ),
    (
        "oras-project+oras-go/content/oci/testdata/hello-world-prefixed-path.tar",
        Read,
        "sparse: other platforms were not exported",
    ),
    (
        "zarf-dev+zarf/src/pkg/images/testdata/docker-containerd-image-store",
        Read,
        "sparse: other platforms were not exported",
    ),
    (
        "pulp+pulp_container/@9aab7db7/common/test/data/busyboxlight.tar",
        Read,
        "the ID is there, as `Id`; Go's decoder does not mind the letter case",
    ),
    (
        "google+go-containerregistry/pkg/v1/tarball/testdata/null_manifest.tar",
        Refused(&["manifest.json"]),
        "there is no image in it; docker's silence helps nobody",
    ),
    (
        "appc+docker2aci/tests/fixture-test-depsloop/fixture-test-depsloop.docker",
        Refused(&["parent"]),
        "an image that is its own parent; dockerd overflows its stack",
    ),
    (
        "oras-project+oras/test/e2e/testdata/zot/command/artifacts",
        Refused(&["rootfs"]),
        "tar layers under an image config that has no rootfs: neither image nor artifact",
    ),
];

/// Image IDs of archives without manifest.json, as dockerd 20.10.24 showed them after a load.
const LOADED: &[(&str, &str)] = &[
    (
        "docker+docker/integration-cli/testdata/emptyLayer.tar",
        "sha256:a9e31d6f186fbbe2468c9961316dba93971266d344ba960f68911df6e29b564c",
    ),
    (
        "google+go-containerregistry/pkg/v1/tarball/testdata/no_manifest.tar",
        "sha256:a2673db3c3d86a802c915e140274aed9d62464681af1371c881d7f5821b05645",
    ),
];

/// One artefact of the list.
pub(crate) struct Artefact {
    pub(crate) path: String,
    kind: String,
    source: PathBuf,
    /// How many files a folder has; links and odd names get lost in some copies.
    files: Option<u64>,
    pub(crate) mismatches: Vec<String>,
    unusual: Vec<String>,
}

impl Artefact {
    pub(crate) fn fate(&self) -> Fate {
        let exception = EXCEPTIONS.iter().find(|it| it.0 == self.path).map(|it| it.1);
        exception.unwrap_or(if self.mismatches.is_empty() { Read } else { Refused(&[]) })
    }

    /// Whether it is no image and no document of one.
    pub(crate) fn is_other(&self) -> bool {
        self.kind == "other"
    }

    /// Words of which a refusal must have one: what the list finds wrong.
    fn words(&self) -> Vec<&'static str> {
        let all = self.mismatches.iter().chain(&self.unusual);
        all.flat_map(|said| REASONS.iter().filter(|it| said.contains(it.0)).flat_map(|it| it.1))
            .copied()
            .collect()
    }

    pub(crate) fn source(&self) -> &str {
        self.source.to_str().unwrap()
    }
}

/// What the list says, and the words we say it in.
const REASONS: &[(&str, &[&str])] = &[
    ("missing", &["missing", "not found", "cannot open"]),
    ("digest mismatch", &["digest differs", "size differs"]),
    ("blob content", &["digest differs"]),
    ("!= name", &["digest differs"]),
    ("size", &["size differs"]),
    ("diff_id", &["diff ID", "number of layers"]),
    ("not JSON", &["not valid JSON", "digest differs", "size differs"]),
    ("not parse", &["not valid JSON"]),
    ("not an index", &["index.json", "holds no image"]),
    ("not an array", &["index.json", "holds no image"]),
    ("is a directory", &["regular file"]),
    ("mediaType", &["media type differs"]),
    ("not 64 hex", &["digest"]),
    ("no oci-layout file", &["oci-layout"]),
];

/// Kinds that convert.
pub(crate) const KINDS: &[&str] = &["docker-archive", "oci-archive", "oci-layout"];

/// The artefacts of these kinds.
pub(crate) fn artefacts(corpus: &Path, kinds: &[&str]) -> Vec<Artefact> {
    let texts = |value: &Value| -> Vec<String> {
        check::list(value).iter().map(|it| check::text(it).to_owned()).collect()
    };
    // What a tool printed was cut inside a surrogate pair; nothing that is read here has one.
    let list = std::fs::read_to_string(corpus.join("INDEX.json")).unwrap();
    let list = check::json(list.replace(r"\ud", r"\u00").as_bytes());
    check::list(&list["artefacts"])
        .iter()
        .filter(|row| row["kind"].as_str().is_some_and(|kind| kinds.contains(&kind)))
        .map(|row| Artefact {
            path: check::text(&row["path"]).to_owned(),
            kind: check::text(&row["kind"]).to_owned(),
            source: corpus.join(check::text(&row["path"])),
            files: row["files"].as_u64(),
            mismatches: texts(&row["mismatches"]),
            unusual: texts(&row["unusual"]),
        })
        .collect()
}

/// What the artefact's own bytes say that is in it: entries where it is a layout, images in any case.
fn said(artefact: &Artefact) -> (Option<Vec<Entry>>, Option<Vec<Picture>>) {
    let files: Files = if artefact.source.is_dir() {
        check::folder(&artefact.source)
    } else {
        check::archive(&std::fs::read(&artefact.source).unwrap())
    };
    if artefact.kind != "docker-archive" {
        let entries = check::layout(&files);
        let pictures = distinct(&entries);
        return (Some(entries), Some(pictures));
    }
    if files.contains_key("manifest.json") {
        let items = check::save(&files);
        return (None, Some(items.into_iter().map(|item| item.picture).collect()));
    }
    (None, None)
}

/// The images of all entries, each once.
fn distinct(entries: &[Entry]) -> Vec<Picture> {
    let mut found: Vec<Picture> = Vec::new();
    for picture in entries.iter().flat_map(|entry| &entry.pictures) {
        if !found.contains(picture) {
            found.push(picture.clone());
        }
    }
    found
}

/// Converts to a layout and back, and compares with what the artefact itself says.
fn read(artefact: &Artefact) {
    let place = Place::new();
    let layout = place.path("layout");
    let ran = if artefact.kind == "docker-archive" {
        imgconv(&["save2oci", artefact.source(), &layout]).ok()
    } else {
        imgconv(&["convert", artefact.source(), &layout, "--to", "oci"]).ok()
    };
    promise::holds(artefact.source(), &ran, &layout);

    let entries = check::written_layout(&check::folder(Path::new(&layout)));
    let (said_entries, said_pictures) = said(artefact);
    if let Some(said) = said_entries {
        let digests = |entries: &[Entry]| -> Vec<String> {
            entries.iter().map(|entry| entry.digest.clone()).collect()
        };
        assert_eq!(digests(&entries), digests(&said), "entries of index.json");
    }
    let mut pictures = distinct(&entries);
    if let Some((_, id)) = LOADED.iter().find(|it| it.0 == artefact.path) {
        assert_eq!(pictures.iter().map(|it| &it.id).collect::<Vec<_>>(), [id]);
    }
    if let Some(mut said) = said_pictures {
        pictures.sort();
        said.sort();
        said.dedup();
        assert_eq!(pictures, said, "images");
    }
    back(&place, &layout, &pictures);
}

/// The layout becomes a universal archive and the same layout again; a single image also a classic
/// archive. What has no image becomes none.
fn back(place: &Place, layout: &str, pictures: &[Picture]) {
    let universal = place.path("universal.tar");
    if pictures.is_empty() {
        imgconv(&["oci2save", layout, &universal]).refused(1, &["image"]);
        return;
    }
    let ran = imgconv(&["oci2save", layout, &universal]).ok();
    promise::holds(layout, &ran, &universal);
    for item in check::save(&check::archive(&std::fs::read(&universal).unwrap())) {
        assert!(pictures.contains(&item.picture), "{:?} is new", item.picture);
    }
    let again = place.path("again");
    imgconv(&["save2oci", &universal, &again]).ok();
    assert!(tree(Path::new(layout)) == tree(Path::new(&again)), "another layout came back");
    if let [picture] = pictures {
        let classic = place.path("classic.tar");
        let ran = imgconv(&["oci2save", "-d", "classic", layout, &classic]).ok();
        promise::holds(layout, &ran, &classic);

        let items = check::save(&check::archive(&std::fs::read(&classic).unwrap()));
        assert!(items.iter().all(|item| item.picture == *picture) && !items.is_empty());
    }
}

/// Refused with exit 1, one of these words, and nothing written.
fn refused(artefact: &Artefact, words: &[&str]) {
    let place = Place::new();
    let target = place.path("layout");
    let args = match artefact.kind.as_str() {
        "docker-archive" => vec!["save2oci", artefact.source(), &target],
        _ => vec!["convert", artefact.source(), &target, "--to", "oci"],
    };
    let ran = imgconv(&args).refused(1, &[]);
    assert!(place.tree().is_empty(), "something was left behind");
    let expected = if words.is_empty() { artefact.words() } else { words.to_vec() };
    assert!(
        expected.iter().any(|word| ran.err.contains(word)),
        "none of {expected:?} in {:?}; the list says {:?}",
        ran.err,
        artefact.mismatches
    );
}

/// Whether this copy of the corpus has all of the artefact.
pub(crate) fn there(artefact: &Artefact) -> bool {
    let Some(files) = artefact.files else { return true };
    let found = tree(&artefact.source).values().filter(|it| it.is_some()).count();
    let whole = u64::try_from(found).unwrap() == files;
    if !whole {
        crate::judges::excused(&format!("{} has {found} of {files} files here", artefact.path));
    }
    whole
}

/// What went wrong with one artefact, if anything did.
fn failure(artefact: &Artefact) -> Option<String> {
    let judged = catch_unwind(AssertUnwindSafe(|| match artefact.fate() {
        Read => read(artefact),
        Refused(words) => refused(artefact, words),
    }));
    let panic = judged.err()?;
    let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    Some(format!("{} ({:?}): {said}", artefact.path, artefact.fate()))
}

#[test]
fn whole_artefacts_convert_there_and_back_and_broken_ones_are_refused_with_their_reason() {
    let Some(corpus) = shared("corpus") else {
        return;
    };
    let mut all = artefacts(&corpus, KINDS);
    for (path, ..) in EXCEPTIONS {
        assert!(all.iter().any(|it| it.path == *path), "{path} is not in the list");
    }
    all.retain(there);
    let queue = Mutex::new(all.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(artefact) = queue.lock().unwrap().next() else {
                        break;
                    };
                    failures.lock().unwrap().extend(failure(artefact));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    summary(&all, &failures);
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
}

/// One line for each kind: how many whole ones there are, and how many of them were read.
fn summary(all: &[Artefact], failures: &[String]) {
    for kind in ["docker-archive", "oci-archive", "oci-layout"] {
        let whole = all.iter().filter(|it| it.kind == kind && it.fate() == Read);
        let (count, bad) = whole.fold((0, 0), |(count, bad), it| {
            let failed = failures.iter().any(|text| text.starts_with(&it.path));
            (count + 1, bad + usize::from(failed))
        });
        println!("{kind}: read {} of {count} whole ones", count - bad);
    }
}
