//! What docker itself saved since 1.10, with its links, and since 25 with the defects of its layouts.

use std::path::Path;

use serde_json::json;

use crate::build::check;
use crate::build::classic::{Repeat, archive};
use crate::build::codec::Codec;
use crate::build::hybrid::{Defect, buildkit_empty, containerd, docker25, with_members};
use crate::build::image::{Image, hex};
use crate::build::layout::{Layout, MediaFamily, attestation, on_platform};
use crate::build::run::{Place, imgconv};
use crate::build::tar::Tar;
use crate::build::trip::{archive_holds, holds, saved, to_layout};

/// Three images: shared layers, one the parent of the next, a layer twice, one without a name.
fn three() -> [Image; 3] {
    [
        Image::new(&["base", "one"]).named(&["demo/one:1", "demo/one:latest"]),
        Image::new(&["base", "one", "base"]).named(&["two:2"]),
        Image::new(&["base", "three"]),
    ]
}

#[test]
fn an_image_of_docker_1_10_to_24_keeps_its_id() {
    let image = Image::new(&["base", "middle", "top"]).named(&["demo/app:1"]);
    archive_holds(&archive(std::slice::from_ref(&image), Repeat::Symlink), &[image]);
}

#[test]
fn several_images_with_parents_and_without_names_are_all_read_in_order() {
    archive_holds(&archive(&three(), Repeat::Copy), &three());
}

#[test]
fn layers_that_are_symlinks_into_another_images_directory_are_followed() {
    archive_holds(&archive(&three(), Repeat::Symlink), &three());
}

#[test]
fn layers_that_are_chains_of_symlinks_are_followed() {
    archive_holds(&archive(&three(), Repeat::Chain), &three());
}

#[test]
fn layers_that_are_hard_links_are_followed() {
    archive_holds(&archive(&three(), Repeat::Hardlink), &three());
}

#[test]
fn one_path_listed_twice_is_two_layers() {
    let image = Image::new(&["same", "same"]).named(&["demo/app:1"]);
    let items =
        json!([{"Config": "c.json", "RepoTags": ["demo/app:1"], "Layers": ["l.tar", "l.tar"]}]);
    let mut tar = Tar::new();
    tar.file("manifest.json", items.to_string().as_bytes());
    tar.file("c.json", &image.config).file("l.tar", &image.layers[0]);
    archive_holds(&tar.end(), &[image]);
}

#[test]
fn config_and_manifest_may_be_symlinks() {
    let image = Image::new(&["base"]).named(&["demo/app:1"]);
    let items = json!([{"Config": "c/json", "RepoTags": ["demo/app:1"], "Layers": ["l.tar"]}]);
    let mut tar = Tar::new();
    tar.symlink("manifest.json", "m/real").symlink("c/json", "../real.json");
    tar.file("m/real", items.to_string().as_bytes());
    tar.file("real.json", &image.config).file("l.tar", &image.layers[0]);
    archive_holds(&tar.end(), &[image]);
}

#[test]
fn a_directory_that_is_a_symlink_inside_the_archive_is_followed() {
    let image = Image::new(&["base"]).named(&["demo/app:1"]);
    let items = json!([{"Config": "c.json", "RepoTags": ["demo/app:1"], "Layers": ["d/l.tar"]}]);
    let mut tar = Tar::new();
    tar.symlink("d", "e/f").file("e/f/l.tar", &image.layers[0]).file("c.json", &image.config);
    archive_holds(&tar.file("manifest.json", items.to_string().as_bytes()).end(), &[image]);
}

#[test]
fn names_may_be_null_an_empty_list_or_absent() {
    let image = Image::new(&["base"]);
    for tags in [r#""RepoTags":null,"#, r#""RepoTags":[],"#, ""] {
        let items = format!(r#"[{{"Config":"c.json",{tags}"Layers":["l.tar"]}}]"#);
        let mut tar = Tar::new();
        tar.file("c.json", &image.config).file("l.tar", &image.layers[0]);
        archive_holds(
            &tar.file("manifest.json", items.as_bytes()).end(),
            std::slice::from_ref(&image),
        );
    }
}

#[test]
fn a_name_without_a_tag_means_latest() {
    let image = Image::new(&["base"]).named(&["demo"]);
    let mut tar = Tar::new();
    tar.file("c.json", &image.config).file("l.tar", &image.layers[0]);
    let items = json!([{"Config": "c.json", "RepoTags": ["demo"], "Layers": ["l.tar"]}]);
    archive_holds(
        &tar.file("manifest.json", items.to_string().as_bytes()).end(),
        &[image.named(&["demo:latest"])],
    );
}

#[test]
fn a_name_that_is_given_twice_is_one_entry() {
    let image = Image::new(&["base"]).named(&["demo:1", "other:1"]);
    let tags = json!(["demo:1", "docker.io/library/demo:1", "other:1", "demo:1"]);
    let items = json!([{"Config": "c.json", "RepoTags": tags, "Layers": ["l.tar"]}]);
    let mut tar = Tar::new();
    tar.file("c.json", &image.config).file("l.tar", &image.layers[0]);
    archive_holds(&tar.file("manifest.json", items.to_string().as_bytes()).end(), &[image]);
}

#[test]
fn names_that_no_registry_would_take_do_not_keep_an_image_from_being_read() {
    // skopeo and containerd read such archives, docker does not.
    let image = Image::new(&["base"]);
    for name in ["demo/UPPER:1", "", "<none>:<none>"] {
        let items = json!([{"Config": "c.json", "RepoTags": [name], "Layers": ["l.tar"]}]);
        let mut tar = Tar::new();
        tar.file("c.json", &image.config).file("l.tar", &image.layers[0]);
        tar.file("manifest.json", items.to_string().as_bytes());
        let place = Place::new();
        let source = place.put("source.tar", &tar.end());
        let (files, ran) = to_layout(&place, &source);
        holds(&files, std::slice::from_ref(&image));
        assert!(ran.err.contains("RepoTags") && ran.err.contains(name), "{:?}", ran.err);
    }
}

#[test]
fn every_defect_of_a_docker_25_layout_is_made_good_from_its_manifest_json() {
    let images = three();
    for defect in [
        Defect::None,
        Defect::EmptyLayers,
        Defect::RandomOrder,
        Defect::MissingEntry,
        Defect::PlatformInConfig,
    ] {
        println!("{defect:?}");
        archive_holds(&docker25(&images, defect), &images);
    }
}

#[test]
fn an_index_json_whose_manifests_are_null_does_not_hide_the_images() {
    let images = [Image::new(&["base", "top"])];
    archive_holds(&docker25(&images, Defect::NullManifests), &images);
}

/// An index with two platforms and an attestation, as buildx makes it; all blobs are there.
fn built(images: &[Image; 2]) -> (Layout, String) {
    let mut layout = Layout::new();
    let children: Vec<_> =
        images.iter().map(|image| layout.image(image, MediaFamily::Oci)).collect();
    let attested = attestation(&mut layout, &children[0]);
    let index = layout.nest(
        MediaFamily::Oci,
        &[
            on_platform(children[0].clone(), "linux", "amd64"),
            on_platform(children[1].clone(), "linux", "arm64"),
            attested,
        ],
    );
    layout.named(&index, "1", Some("docker.io/demo/app:1"));
    let digest = check::text(&index["digest"]).to_owned();
    (layout, digest)
}

fn platforms() -> [Image; 2] {
    [
        Image::new(&["base", "x86"]).named(&["demo/app:1"]).stored(&[Codec::Gzip, Codec::Zstd]),
        Image::new(&["base", "arm"]).arch("arm64").stored(&[Codec::Gzip]),
    ]
}

#[test]
fn an_export_of_the_containerd_store_keeps_index_attestation_and_compressed_blobs() {
    let (layout, digest) = built(&platforms());
    let place = Place::new();
    let source = place.put("source.tar", &containerd(layout.clone(), &platforms()[..1]));
    let (files, _) = to_layout(&place, &source);
    let entries = check::layout(&files);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].digest, digest, "the index is kept byte for byte");
    assert_eq!(entries[0].full_name.as_deref(), Some("docker.io/demo/app:1"));
    assert_eq!(entries[0].pictures.len(), 2, "both platforms");
    let mut kept = files;
    for (path, data) in layout.files().iter().filter(|it| it.0.starts_with("blobs/")) {
        assert_eq!(kept.remove(*path).as_ref(), Some(data), "{path} is kept");
    }
    assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["index.json", "oci-layout"]);
}

#[test]
fn a_sparse_export_stays_sparse_and_its_whole_platform_becomes_an_archive() {
    let images = platforms();
    let (mut layout, digest) = built(&images);
    for gone in [&images[1].config, &images[1].stored[1]] {
        layout.remove_blob(gone);
    }
    layout.remove_blob(manifest_of(&images[1]).as_bytes());
    let place = Place::new();
    let source = place.put("source.tar", &containerd(layout, &images[..1]));
    let (files, printed) = to_layout(&place, &source);
    assert!(printed.err.contains("arm64"), "a note names what is absent: {:?}", printed.err);
    let entries = check::layout(&files);
    assert_eq!((entries[0].digest.as_str(), entries[0].pictures.len()), (digest.as_str(), 1));
    let target = place.path("classic.tar");
    let layout = place.path("layout");
    imgconv(&["oci2save", "-d", "classic", "-p", "linux/amd64", &layout, &target]).ok();
    saved(&std::fs::read(&target).unwrap(), "classic", &images[..1]);
    imgconv(&["oci2save", "-p", "linux/arm64", &layout, &place.path("none.tar")])
        .refused(1, &["linux/arm64", "linux/amd64"]);
}

/// The manifest that the builder makes for an image.
fn manifest_of(image: &Image) -> String {
    let mut layout = Layout::new();
    let descriptor = layout.image(image, MediaFamily::Oci);
    let digest = check::text(&descriptor["digest"]).replace(':', "/");
    String::from_utf8(layout.files()[format!("blobs/{digest}").as_str()].clone()).unwrap()
}

#[test]
fn an_export_without_manifest_json_is_a_layout() {
    let image = Image::new(&["base", "top"]).named(&["demo/app:1"]).stored(&[Codec::Gzip]);
    let mut layout = Layout::new();
    let manifest = layout.image(&image, MediaFamily::Docker);
    layout.named(&manifest, "1", Some("docker.io/demo/app:1"));
    archive_holds(&layout.tar(""), &[image]);
}

#[test]
fn a_buildkit_export_with_null_layers_is_an_image_without_layers() {
    let (image, archive) = buildkit_empty("demo:1");
    let place = Place::new();
    let source = place.put("source.tar", &archive);
    let (files, _) = to_layout(&place, &source);
    holds(&files, std::slice::from_ref(&image));
    let target = place.path("back.tar");
    imgconv(&["oci2save", &place.path("layout"), &target]).ok();
    saved(&std::fs::read(&target).unwrap(), "universal", &[image]);
}

#[test]
fn two_halves_of_one_archive_that_disagree_are_refused_unless_one_is_preferred() {
    let (mine, other) = (Image::new(&["mine"]).named(&["demo/app:1"]), Image::new(&["other"]));
    let mut layout = Layout::new();
    let manifest = layout.image(&other, MediaFamily::Oci);
    layout.named(&manifest, "1", Some("docker.io/demo/app:1"));
    let items = json!([{"Config": "c.json", "RepoTags": ["demo/app:1"], "Layers": ["l.tar"]}]);
    let archive = with_members(
        &layout,
        &[
            ("c.json".into(), mine.config.clone()),
            ("l.tar".into(), mine.layers[0].clone()),
            ("manifest.json".into(), items.to_string().into_bytes()),
        ],
    );
    let place = Place::new();
    let source = place.put("source.tar", &archive);
    imgconv(&["save2oci", &source, &place.path("none")]).refused(
        1,
        &["manifest.json", "index.json", &hex(&mine.config)[..12], &hex(&other.config)[..12]],
    );
    for (prefer, want) in [("manifest.json", mine), ("index.json", other.named(&["demo/app:1"]))] {
        let target = place.path(prefer);
        imgconv(&["save2oci", "--prefer", prefer, &source, &target]).ok();
        let files = check::folder(Path::new(&target));
        check::written_layout(&files);
        holds(&files, &[want]);
    }
}
