//! Docker archives of programs other than docker; each is read for what it holds, not how it is named.

use serde_json::json;

use crate::build::codec::Codec;
use crate::build::image::Image;
use crate::build::others::{
    apko, crane_legacy, ggcr, jib, nix_build, nix_image, nix_stream, podman, rules_docker,
    rules_oci,
};
use crate::build::trip::archive_holds;

#[test]
fn flat_layers_of_skopeo_podman_and_buildah_are_read() {
    let images = [
        Image::new(&["base", "one", "base"]).named(&["docker.io/demo/one:1", "localhost/x:y"]),
        Image::new(&["base", "two"]),
    ];
    archive_holds(&podman(&images), &images);
}

#[test]
fn archives_of_crane_ko_and_kaniko_keep_their_compressed_layers() {
    let images = [
        Image::new(&["base", "one"]).named(&["registry.test:5000/one:1"]).stored(&[Codec::Gzip]),
        Image::new(&["base", "two"]).named(&["two:2"]).stored(&[Codec::Gzip, Codec::Zstd]),
    ];
    archive_holds(&ggcr(&images), &images);
}

#[test]
fn a_layer_that_is_named_tar_gz_may_be_plain() {
    let images =
        [Image::new(&["base", "top"]).named(&["demo/app:1"]).stored(&[Codec::Gzip, Codec::Plain])];
    archive_holds(&ggcr(&images), &images);
}

#[test]
fn directories_of_cranes_legacy_format_are_read() {
    let images = [
        Image::new(&["base", "one"]).named(&["demo/one:1"]),
        Image::new(&["base", "two"]).named(&["demo/two:2"]),
    ];
    archive_holds(&crane_legacy(&images), &images);
}

#[test]
fn archives_of_rules_docker_with_dots_and_an_empty_repositories_are_read() {
    let image = Image::new(&["base", "top"]).named(&["bazel/demo:app"]);
    archive_holds(&rules_docker(&image), &[image]);
}

#[test]
fn blobs_of_rules_oci_are_read_whatever_their_suffix() {
    let image = Image::new(&["a", "b", "c"]).named(&["demo/app:1"]).stored(&[
        Codec::Gzip,
        Codec::Zstd,
        Codec::Plain,
    ]);
    archive_holds(&rules_oci(&image), &[image]);
}

#[test]
fn camel_case_keys_of_jib_are_read() {
    let image = Image::new(&["base", "top"]).named(&["demo/app:1"]).stored(&[Codec::Gzip]);
    archive_holds(&jib(&image), &[image]);
}

#[test]
fn compressed_archives_of_nix_build_image_are_read() {
    let image = nix_image(&["base", "top"]).named(&["nix:1"]);
    archive_holds(&nix_build(&image), &[image]);
}

#[test]
fn streamed_archives_of_nix_are_read() {
    let image = nix_image(&["a", "b", "c"]).named(&["nix:1"]);
    archive_holds(&nix_stream(&image), &[image]);
}

#[test]
fn an_archive_of_apko_holds_an_image_for_each_architecture() {
    let images = [
        Image::new(&["x86"]).named(&["apko.test/app:1-amd64"]).stored(&[Codec::Gzip]),
        Image::new(&["arm"]).arch("arm64").named(&["apko.test/app:1-arm64"]).stored(&[Codec::Gzip]),
    ];
    archive_holds(&apko(&images), &images);
}

#[test]
fn every_byte_of_a_config_stays_however_odd_it_is() {
    let plain = Image::new(&["base", "top"]);
    let ids = json!(plain.diff_ids());
    let tail = format!("\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":{ids}}}");
    for config in [
        format!("{{\n\t{tail} ,\"os\" : \"linux\",\r\n\"architecture\":\"s390x\"}}\n\n"),
        format!(
            "{{{tail},\"os\":\"linux\",\"architecture\":\"amd64\",\"x\":1.50,\"y\":\"\\u00e9\\/\\ud83d\\ude00\"}}"
        ),
        format!("{{\"OS\":\"windows\",\"architecture\":\"amd64\",\"os.version\":\"10.0\",{tail}}}"),
        format!(
            "{{{tail},\"history\":[{{\"created_by\":\"a\"}},{{\"empty_layer\":true}},{{}},{{}}]}}"
        ),
        format!("{{{tail},\"created\":\"0001-01-01T00:00:00Z\",\"config\":null,\"history\":null}}"),
    ] {
        let image = plain.clone().config(config).named(&["demo/app:1"]);
        archive_holds(&ggcr(std::slice::from_ref(&image)), &[image]);
    }
}
