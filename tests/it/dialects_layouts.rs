//! OCI image layouts, as a directory and as a tar: what they hold stays, byte by byte.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::build::check::{self, Entry};
use crate::build::codec::{Codec, gzip};
use crate::build::image::{Image, digest, hex};
use crate::build::layout::{Layout, MediaFamily, attestation, on_platform};
use crate::build::run::{Place, imgconv};
use crate::build::tar::Tar;
use crate::build::trip::{holds, layout_holds, normalised, picture, saved};
use crate::judges;

fn image() -> Image {
    Image::new(&["base", "top"]).stored(&[Codec::Gzip])
}

/// Converts a layout to itself, as a directory and as a tar: every blob that an index names stays,
/// the entries keep their digests. Returns what came of the entries.
#[track_caller]
fn kept(layout: &Layout) -> Vec<Entry> {
    let mut entries = Vec::new();
    for prefix in [None, Some(""), Some("./"), Some("/")] {
        let place = Place::new();
        let source = place.path("source");
        match prefix {
            None => layout.write(Path::new(&source)),
            Some(prefix) => drop(place.put("source", &layout.tar(prefix))),
        }
        let (files, _) = normalised(&place, &source);
        for (path, data) in layout.files().iter().filter(|it| it.0.starts_with("blobs/")) {
            assert_eq!(files.get(*path), Some(data), "{path} is kept");
        }
        let before = check::json(&layout.files()["index.json"]);
        let after = check::json(&files["index.json"]);
        for (old, new) in
            check::list(&before["manifests"]).iter().zip(check::list(&after["manifests"]))
        {
            for key in ["mediaType", "digest", "size", "platform", "artifactType"] {
                assert_eq!(old[key], new[key], "{key} of an entry");
            }
        }
        entries = check::layout(&files);
        assert_eq!(entries.len(), check::list(&before["manifests"]).len());
    }
    entries
}

/// The layout has no image, so no docker archive can come of it.
#[track_caller]
fn has_no_image(layout: &Layout) {
    let place = Place::new();
    let source = place.path("source");
    layout.write(Path::new(&source));
    imgconv(&["oci2save", &source, &place.path("none.tar")]).refused(1, &["image"]);
}

/// An artifact: config of an empty object, its data inline, one blob.
fn artifact(layout: &mut Layout, subject: Option<&Value>) -> Value {
    let mut empty = layout.descriptor("application/vnd.oci.empty.v1+json", b"{}");
    empty["data"] = json!("e30=");
    let blob = layout.descriptor("text/plain", b"some text\n");
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(),
        "artifactType": "application/vnd.example", "config": empty, "layers": [blob]
    });
    if let Some(subject) = subject {
        manifest["subject"] = subject.clone();
    }
    let mut entry = layout.document(MediaFamily::Oci.manifest(), &manifest);
    entry["artifactType"] = json!("application/vnd.example");
    entry
}

#[test]
fn layouts_with_full_names_are_read() {
    let images = [
        image().named(&["demo/app:1", "demo/app:2"]),
        Image::new(&["other"]).named(&["localhost/x:y"]),
    ];
    layout_holds(&Layout::of(&images), &images);
}

#[test]
fn layouts_without_names_are_read() {
    layout_holds(&Layout::of(&[image()]), &[image()]);
}

#[test]
fn a_ref_name_that_is_only_a_tag_stays_one() {
    let mut layout = Layout::new();
    let manifest = layout.image(&image(), MediaFamily::Oci);
    layout.named(&manifest, "v1.0", None);
    let entries = kept(&layout);
    assert_eq!(entries[0].ref_name.as_deref(), Some("v1.0"));
    assert_eq!(entries[0].pictures, [picture(&image())]);
}

#[test]
fn containerds_full_name_is_preferred_to_a_tag() {
    let mut layout = Layout::new();
    let manifest = layout.image(&image(), MediaFamily::Oci);
    layout.named(&manifest, "1", Some("docker.io/demo/app:1"));
    layout_holds(&layout, &[image().named(&["demo/app:1"])]);
}

#[test]
fn nested_indexes_are_kept_as_they_are() {
    let (one, two) = (image(), Image::new(&["arm"]).arch("arm64"));
    let mut layout = Layout::new();
    let children = [&one, &two].map(|image| layout.image(image, MediaFamily::Oci));
    let inner =
        layout.nest(MediaFamily::Oci, &[on_platform(children[1].clone(), "linux", "arm64")]);
    let outer = layout.nest(MediaFamily::Oci, &[children[0].clone(), inner]);
    layout.named(&outer, "demo/app:1", None);
    let entries = kept(&layout);
    assert_eq!(entries[0].pictures, [picture(&one), picture(&two)]);
}

#[test]
fn an_index_over_several_platforms_gives_an_archive_of_the_one_that_is_asked_for() {
    let images = [image(), Image::new(&["arm"]).arch("arm64")];
    let mut layout = Layout::new();
    let children: Vec<Value> = images
        .iter()
        .zip(["amd64", "arm64"])
        .map(|(image, arch)| on_platform(layout.image(image, MediaFamily::Oci), "linux", arch))
        .collect();
    let index = layout.nest(MediaFamily::Oci, &children);
    layout.named(&index, "1", Some("docker.io/demo/app:1"));
    let place = Place::new();
    let source = place.path("source");
    layout.write(Path::new(&source));
    for (arch, image) in ["amd64", "arm64"].into_iter().zip(images) {
        for dialect in ["universal", "classic", "hybrid", "podman"] {
            let target = place.path(&format!("{arch}-{dialect}.tar"));
            let platform = format!("linux/{arch}");
            imgconv(&["oci2save", "-d", dialect, "-p", &platform, &source, &target]).ok();
            let image = image.clone().named(&["demo/app:1"]);
            saved(&std::fs::read(&target).unwrap(), dialect, &[image]);
        }
    }
}

#[test]
fn docker_media_types_inside_a_layout_are_kept() {
    let images = [image(), Image::new(&["arm"]).arch("arm64")];
    let mut layout = Layout::new();
    let children: Vec<Value> = images
        .iter()
        .zip(["amd64", "arm64"])
        .map(|(image, arch)| on_platform(layout.image(image, MediaFamily::Docker), "linux", arch))
        .collect();
    let list = layout.nest(MediaFamily::Docker, &children);
    layout.named(&list, "demo/app:1", None);
    let entries = kept(&layout);
    assert_eq!(entries[0].media_type, MediaFamily::Docker.index());
    assert_eq!(entries[0].pictures.len(), 2);
}

#[test]
fn an_artifact_is_kept_and_never_taken_for_an_image() {
    let mut layout = Layout::new();
    let entry = artifact(&mut layout, None);
    layout.named(&entry, "text", None);
    assert_eq!(kept(&layout)[0].pictures, []);
    has_no_image(&layout);
}

#[test]
fn an_image_whose_entry_has_its_config_type_as_artifact_type_is_an_image() {
    // go-containerregistry writes this into every entry, so crane and apko do.
    let mut layout = Layout::new();
    let mut manifest = layout.image(&image(), MediaFamily::Oci);
    manifest["artifactType"] = json!(MediaFamily::Oci.config());
    layout.named(&manifest, "demo/app:1", None);
    layout_holds(&layout, &[image().named(&["demo/app:1"])]);
}

#[test]
fn a_signature_of_cosign_is_kept_and_is_no_image() {
    // An image config with diff IDs, yet the layers are JSON.
    let signed = br#"{"critical":{"type":"cosign container image signature"}}"#;
    let config = json!({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest(signed)]}});
    let mut layout = Layout::new();
    let config = layout.document(MediaFamily::Oci.config(), &config);
    let layer = layout.descriptor("application/vnd.dev.cosign.simplesigning.v1+json", signed);
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": [layer]});
    let entry = layout.document(MediaFamily::Oci.manifest(), &manifest);
    layout.entry(entry);
    assert_eq!(kept(&layout)[0].pictures, []);
    has_no_image(&layout);
}

#[test]
fn referrers_stay_with_their_subject() {
    let mut layout = Layout::new();
    let manifest = layout.image(&image(), MediaFamily::Oci);
    layout.named(&manifest, "demo/app:1", None);
    let referrer = artifact(&mut layout, Some(&manifest));
    layout.entry(referrer);
    let entries = kept(&layout);
    assert_eq!(entries[0].pictures, [picture(&image())]);
    assert_eq!(entries[1].pictures, []);
}

#[test]
fn an_attestation_beside_an_image_is_no_image() {
    let mut layout = Layout::new();
    let manifest = on_platform(layout.image(&image(), MediaFamily::Oci), "linux", "amd64");
    let attested = attestation(&mut layout, &manifest);
    let index = layout.nest(MediaFamily::Oci, &[manifest, attested]);
    layout.named(&index, "1", Some("docker.io/demo/app:1"));
    assert_eq!(kept(&layout)[0].pictures, [picture(&image())]);
    let place = Place::new();
    let source = place.put("source.tar", &layout.tar(""));
    let target = place.path("classic.tar");
    imgconv(&["oci2save", "-d", "classic", &source, &target]).ok();
    saved(&std::fs::read(&target).unwrap(), "classic", &[image().named(&["demo/app:1"])]);
    imgconv(&["oci2save", "--strict", "-d", "classic", &source, &place.path("none.tar")])
        .refused(1, &["attestation"]);
}

#[test]
fn a_config_or_layer_may_be_given_inline() {
    let image = image();
    let mut layout = Layout::new();
    let inline = |mut descriptor: Value, data: &[u8]| {
        descriptor["data"] = json!(STANDARD.encode(data));
        descriptor
    };
    let config = inline(layout.descriptor(MediaFamily::Oci.config(), &image.config), &image.config);
    let layers: Vec<Value> = image
        .stored
        .iter()
        .map(|it| inline(layout.descriptor(MediaFamily::Oci.layer(it), it), it))
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers});
    let manifest = layout.document(MediaFamily::Oci.manifest(), &manifest);
    layout.entry(manifest);
    assert_eq!(kept(&layout)[0].pictures, [picture(&image)]);
}

/// Adds layers and a manifest by their SHA-512 digests.
fn in_sha512(layout: &mut Layout, image: &Image, config: &Value) -> Value {
    let layers: Vec<Value> = image
        .stored
        .iter()
        .map(|it| layout.descriptor_sha512(MediaFamily::Oci.layer(it), it))
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers});
    layout.descriptor_sha512(MediaFamily::Oci.manifest(), manifest.to_string().as_bytes())
}

#[test]
fn sha512_digests_are_checked_and_kept() {
    let image = image();
    let mut layout = Layout::new();
    let config = layout.descriptor_sha512(MediaFamily::Oci.config(), &image.config);
    let manifest = in_sha512(&mut layout, &image, &config);
    layout.named(&manifest, "demo/app:1", None);
    assert_eq!(kept(&layout)[0].pictures, [picture(&image)]);
    let place = Place::new();
    let source = place.put("source.tar", &layout.tar(""));
    let target = place.path("classic.tar");
    imgconv(&["oci2save", "-d", "classic", &source, &target]).ok();
    saved(&std::fs::read(&target).unwrap(), "classic", &[image.named(&["demo/app:1"])]);
}

/// `blobs/sha512/…` has 141 bytes, and the fields of a tar header hold 100.
#[test]
fn sha512_names_are_whole_in_every_tar() {
    let image = image();
    let mut layout = Layout::new();
    let config = layout.descriptor(MediaFamily::Oci.config(), &image.config);
    let manifest = in_sha512(&mut layout, &image, &config);
    layout.named(&manifest, "1.0", Some("example.com/demo/app:1.0"));
    let names: Vec<&str> = layout.files().keys().copied().filter(|it| it.len() > 100).collect();
    assert_eq!(names.len(), image.stored.len() + 1);
    let place = Place::new();
    let source = place.path("source");
    layout.write(Path::new(&source));
    for (name, to) in [("oci.tar", "oci-archive"), ("save.tar", "docker-archive")] {
        let target = place.path(name);
        imgconv(&["convert", &source, &target, "--to", to]).ok();
        let files = check::archive(&std::fs::read(&target).unwrap());
        for name in &names {
            assert_eq!(files.get(*name), Some(&layout.files()[name]), "{to}");
        }
        imgconv(&["verify", "--strict", &target]).ok();
        for (program, listing) in [("tar", "-tf"), ("bsdtar", "-tf"), ("python3", "-lmtarfile")] {
            let Some(program) = judges::locate(program) else { continue };
            let mut listed = std::process::Command::new(program);
            match listing {
                "-lmtarfile" => listed.args(["-m", "tarfile", "-l", &target]),
                _ => listed.args([listing, &target]),
            };
            let listed = String::from_utf8(judges::run(&mut listed)).unwrap();
            for name in &names {
                let there = listed.lines().any(|line| line.trim_end() == *name);
                assert!(there, "{listed}");
            }
        }
    }
}

/// A time past 33 bits, as `created` may say, does not fit the header's field either.
#[test]
fn an_image_of_the_year_9000_keeps_its_time_in_a_classic_archive() {
    let image = image().with(&json!({"created": "9000-01-01T00:00:00Z"})).named(&["demo/app:1"]);
    let layout = Layout::of(std::slice::from_ref(&image));
    let place = Place::new();
    let source = place.put("source.tar", &layout.tar(""));
    let target = place.path("classic.tar");
    imgconv(&["oci2save", "-d", "classic", &source, &target]).ok();
    let mut archive = tar::Archive::new(std::fs::File::open(&target).unwrap());
    let mut times = std::collections::BTreeSet::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        for record in entry.pax_extensions().unwrap().into_iter().flatten() {
            let record = record.unwrap();
            times.insert((record.key().unwrap().to_owned(), record.value().unwrap().to_owned()));
        }
        assert!(entry.header().mtime().unwrap() == 0, "no part of a time is left in the field");
    }
    // date -u -d 9000-01-01 +%s
    assert_eq!(times, [("mtime".to_owned(), "221845392000".to_owned())].into());
    imgconv(&["verify", &target]).ok();
}

#[test]
fn an_image_without_layers_is_an_image() {
    let image = Image::of(Vec::new()).named(&["demo/app:1"]);
    let layout = Layout::of(std::slice::from_ref(&image));
    let place = Place::new();
    let source = place.put("source.tar", &layout.tar(""));
    let (files, _) = normalised(&place, &source);
    holds(&files, std::slice::from_ref(&image));
    let target = place.path("back.tar");
    imgconv(&["oci2save", &source, &target]).ok();
    saved(&std::fs::read(&target).unwrap(), "universal", &[image]);
}

#[test]
fn media_types_that_name_another_codec_do_not_mislead() {
    let image = Image::new(&["base", "top"]).stored(&[Codec::Plain, Codec::Gzip]);
    let mut layout = Layout::new();
    let config = layout.descriptor(MediaFamily::Oci.config(), &image.config);
    let layers: Vec<Value> = image
        .stored
        .iter()
        .zip([
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar",
        ])
        .map(|(it, media_type)| layout.descriptor(media_type, it))
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "config": config, "layers": layers});
    let entry = layout.document(MediaFamily::Oci.manifest(), &manifest);
    layout.named(&entry, "demo/app:1", None);
    let place = Place::new();
    let source = place.put("source.tar", &layout.tar(""));
    let target = place.path("classic.tar");
    imgconv(&["oci2save", "-d", "classic", &source, &target]).ok();
    saved(&std::fs::read(&target).unwrap(), "classic", &[image.named(&["demo/app:1"])]);
}

#[test]
fn a_manifest_without_a_media_type_and_pretty_documents_keep_their_bytes() {
    let image = image();
    let mut layout = Layout::new();
    let config = layout.descriptor(MediaFamily::Oci.config(), &image.config);
    let layers: Vec<Value> =
        image.stored.iter().map(|it| layout.descriptor(MediaFamily::Oci.layer(it), it)).collect();
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers, "annotations": {"b": "1", "a": ""}});
    let entry =
        layout.descriptor(MediaFamily::Oci.manifest(), format!("{manifest:#}\n").as_bytes());
    layout.entry(entry);
    assert_eq!(kept(&layout)[0].pictures, [picture(&image)]);
}

#[test]
fn other_files_and_blobs_that_nobody_names_are_no_error_and_do_not_come_along() {
    let mut layout = Layout::of(&[image()]);
    layout.marker(b"{ \"imageLayoutVersion\": \"1.0.0\", \"x\": 1 }\n");
    layout.put("README.md", b"x");
    layout.put("sboms/amd64.spdx.json", b"{}");
    layout.blob(b"loose");
    let place = Place::new();
    let source = place.path("source");
    layout.write(Path::new(&source));
    let (files, _) = normalised(&place, &source);
    holds(&files, &[image()]);
    assert!(!files.contains_key(&format!("blobs/sha256/{}", hex(b"loose"))));
}

#[cfg(unix)]
#[test]
fn blobs_of_a_directory_may_be_symlinks_to_files_elsewhere() {
    let place = Place::new();
    let source = place.path("source");
    let layout = Layout::of(&[image()]);
    layout.write(Path::new(&source));
    let blob = Path::new(&source).join("blobs/sha256").join(hex(&image().config));
    std::fs::remove_file(&blob).unwrap();
    std::os::unix::fs::symlink(place.put("elsewhere", &image().config), &blob).unwrap();
    let (files, _) = normalised(&place, &source);
    holds(&files, &[image()]);
}

#[test]
fn one_tag_on_two_manifests_is_ambiguous_until_a_digest_chooses() {
    let images = [image(), Image::new(&["other"])];
    let mut layout = Layout::new();
    let manifests = images.clone().map(|image| layout.image(&image, MediaFamily::Oci));
    for manifest in &manifests {
        layout.named(manifest, "demo/app:1", None);
    }
    let place = Place::new();
    let source = place.put("source.tar", &layout.tar(""));
    let digests = manifests.each_ref().map(|it| check::text(&it["digest"]));
    imgconv(&["oci2save", "-i", "demo/app:1", &source, &place.path("none.tar")])
        .refused(1, &[&digests[0][7..19], &digests[1][7..19]]);
    let target = place.path("chosen.tar");
    imgconv(&["oci2save", "-i", digests[1], &source, &target]).ok();
    saved(
        &std::fs::read(&target).unwrap(),
        "universal",
        &[images[1].clone().named(&["demo/app:1"])],
    );
}

/// What a gzip stream says of its size is that of its last member: an archive with uncompressed
/// layers is the same whether a layer is one member or many, longer ones first or last.
#[test]
fn sizes_that_gzip_members_claim_wrongly_change_nothing() {
    let layer = Tar::new().file("a", &[7; 40_000]).end();
    let parts = |at: &[usize]| {
        let mut stored = Vec::new();
        let (mut from, mut ends) = (0, at.to_vec());
        ends.push(layer.len());
        for end in ends {
            stored.extend(gzip(&layer[from..end]));
            from = end;
        }
        stored
    };
    let place = Place::new();
    let classic = |stored: Vec<u8>| {
        let image = Image::of(vec![layer.clone()]).named(&["a:1"]).stored_as(vec![stored]);
        let _ = std::fs::remove_dir_all(place.path("layout"));
        Layout::of(&[image]).write(Path::new(&place.path("layout")));
        let _ = std::fs::remove_file(place.path("out.tar"));
        let (from, to) = (place.path("layout"), place.path("out.tar"));
        imgconv(&["oci2save", "-d", "classic", &from, &to]).ok();
        assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 2, "nothing else is left");
        std::fs::read(place.path("out.tar")).unwrap()
    };
    let expected = classic(parts(&[]));
    // The last member holds less than all, and as much as a tar of it would.
    for ends in [vec![512], vec![10_240], vec![1024, 2048], vec![layer.len() - 512]] {
        assert!(classic(parts(&ends)) == expected, "{ends:?}");
    }
}
