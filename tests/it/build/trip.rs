//! There and back: an archive or layout through imgconv, every claim checked on the way.

use std::path::Path;

use super::check::{self, Files, Item, Picture};
use super::image::{Image, canonical, hex};
use super::layout::Layout;
use super::promise;
use super::run::{Place, Ran, imgconv, tree};

/// The writers of docker archives.
pub(crate) const DIALECTS: [&str; 4] = ["universal", "classic", "hybrid", "podman"];

/// Converts a docker archive to a layout that must hold exactly these images under their names, then
/// back in every dialect, and from `universal` to the same layout again.
#[track_caller]
pub(crate) fn archive_holds(archive: &[u8], want: &[Image]) {
    let place = Place::new();
    let source = place.put("source.tar", archive);
    let (layout, printed) = to_layout(&place, &source);
    holds(&layout, want);
    prints(&printed, want);
    back(&place, want);
}

/// The same for a layout, once as a directory and once as a tar.
#[track_caller]
pub(crate) fn layout_holds(layout: &Layout, want: &[Image]) {
    for form in ["directory", "tar"] {
        let place = Place::new();
        let source = place.path("source");
        if form == "tar" {
            place.put("source", &layout.tar(""));
        } else {
            layout.write(Path::new(&source));
        }
        let (files, printed) = normalised(&place, &source);
        holds(&files, want);
        prints(&printed, want);
        back(&place, want);
    }
}

/// Runs `save2oci` into the folder `layout` and checks every claim in it.
#[track_caller]
pub(crate) fn to_layout(place: &Place, source: &str) -> (Files, Ran) {
    let target = place.path("layout");
    let printed = imgconv(&["save2oci", source, &target]).ok();
    promise::holds(source, &printed, &target);
    let files = check::folder(Path::new(&target));
    check::written_layout(&files);
    (files, printed)
}

/// Runs `convert --to oci` into the folder `layout` and checks every claim in it.
#[track_caller]
pub(crate) fn normalised(place: &Place, source: &str) -> (Files, Ran) {
    let target = place.path("layout");
    let printed = imgconv(&["convert", source, &target, "--to", "oci"]).ok();
    promise::holds(source, &printed, &target);
    let files = check::folder(Path::new(&target));
    check::written_layout(&files);
    (files, printed)
}

/// The layout holds these images in this order, under these names, compressed layers as they were.
#[track_caller]
pub(crate) fn holds(files: &Files, want: &[Image]) {
    let entries = check::layout(files);
    let mut found: Vec<(Picture, Vec<String>)> = Vec::new();
    for entry in &entries {
        for picture in &entry.pictures {
            // A name that only `ref.name` has is kept as it was typed.
            let name = entry.full_name.as_ref().or(entry.ref_name.as_ref());
            let names = name.into_iter().map(|name| canonical(name));
            match found.iter_mut().find(|it| it.0 == *picture) {
                Some(known) => known.1.extend(names),
                None => found.push((picture.clone(), names.collect())),
            }
        }
    }
    let expected: Vec<(Picture, Vec<String>)> = want
        .iter()
        .map(|image| (picture(image), image.names.iter().map(|name| canonical(name)).collect()))
        .collect();
    assert_eq!(found, expected, "images and names in the layout");
    for stored in want.iter().flat_map(|image| &image.stored) {
        let kept = stored.starts_with(b"\x1f\x8b") || stored.starts_with(b"\x28\xb5\x2f\xfd");
        let path = format!("blobs/sha256/{}", hex(stored));
        assert!(!kept || files.contains_key(&path), "a compressed layer did not stay as it was");
    }
}

/// One line for each image: name, manifest digest, image ID, with tabs between.
#[track_caller]
fn prints(printed: &Ran, want: &[Image]) {
    let lines = printed.lines();
    for image in want {
        let own: Vec<&&str> = lines.iter().filter(|line| line.ends_with(&image.id())).collect();
        assert!(!own.is_empty(), "{} is not in {lines:?}", image.id());
        for line in own {
            assert_eq!(line.split('\t').count(), 3, "{line}");
        }
    }
}

/// `layout` in every dialect; `universal` becomes the same layout again.
#[track_caller]
fn back(place: &Place, want: &[Image]) {
    let layout = place.path("layout");
    for dialect in DIALECTS {
        let target = place.path(&format!("{dialect}.tar"));
        let ran = imgconv(&["oci2save", "--dialect", dialect, &layout, &target]).ok();
        promise::holds(&layout, &ran, &target);
        saved(&std::fs::read(&target).unwrap(), dialect, want);
    }
    let again = place.path("again");
    imgconv(&["save2oci", &place.path("universal.tar"), &again]).ok();
    assert!(
        tree(Path::new(&layout)) == tree(Path::new(&again)),
        "layout, universal archive, layout: {:?} became {:?}",
        names(&layout),
        names(&again)
    );
}

fn names(root: &str) -> Vec<String> {
    let index = std::fs::read_to_string(Path::new(root).join("index.json")).unwrap();
    tree(Path::new(root)).keys().map(|path| path.display().to_string()).chain([index]).collect()
}

/// The archive is regular members only and holds these images, named as before.
#[track_caller]
pub(crate) fn saved(archive: &[u8], dialect: &str, want: &[Image]) {
    let found: Vec<Item> = check::save(&check::archive(archive))
        .into_iter()
        .map(|item| Item { names: item.names.iter().map(|it| canonical(it)).collect(), ..item })
        .collect();
    let expected: Vec<Item> = want
        .iter()
        .map(|image| Item {
            names: image.names.iter().map(|name| canonical(name)).collect(),
            picture: picture(image),
        })
        .collect();
    assert_eq!(found, expected, "images and names in the {dialect} archive");
}

/// What an image is, whatever it is packed in.
pub(crate) fn picture(image: &Image) -> Picture {
    Picture { id: image.id(), diff_ids: image.diff_ids() }
}
