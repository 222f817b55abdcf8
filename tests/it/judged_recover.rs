//! The registry's own manifests come back from what docker, podman and skopeo save.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::build::layout::MediaFamily;
use crate::build::run::{Place, imgconv};
use crate::judges::containers::Skopeo;
use crate::judges::docker::docker;
use crate::judges::registry::registry;
use crate::judges::run;
use crate::judges::today::today;

const SEVERAL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-several.tar");

/// Recovers, checks, and hands out the digest of the manifest.
fn recovered(archive: &str, from: &str, out: &str) -> String {
    let ran = imgconv(&["save2oci", archive, out, "--recover", from]).ok();
    imgconv(&["verify", out]).ok();
    ran.lines()[0].split('\t').nth(1).unwrap().to_owned()
}

#[test]
fn what_docker_pushed_and_saved_gets_the_digest_of_the_registry() {
    let Some(registry) = registry() else { return };
    let Some(docker) = docker() else { return };
    docker.empty();
    docker.run(&[&"load", &"-i", &SEVERAL]);
    let place = Place::new();
    let name = format!("{}/recover/docker:1", registry.host());
    docker.run(&[&"tag", &"imgconv.test/app:1.0", &name]);
    docker.run(&[&"push", &name]);
    let pushed = registry.digest_of("recover/docker", "1", MediaFamily::Docker);
    docker.empty();
    docker.run(&[&"pull", &name]);
    let saved = place.path("saved.tar");
    docker.run(&[&"save", &"-o", &saved, &name]);
    assert_eq!(recovered(&saved, &format!("docker://{name}"), &place.path("out")), pushed);
    assert_eq!(recovered(&saved, &pushed, &place.path("digest")), pushed);
    // explain knows it without asking anybody.
    let args = ["explain", "--topic", "recovery", "--format", "json", &saved];
    let told: Value = serde_json::from_slice(&imgconv(&args).ok().out).unwrap();
    assert_eq!(told["recovery"]["pushed"], Value::from(pushed.clone()));
    // The digests of layers are those of docker without a manifest, too.
    let like = place.path("like");
    let args = ["save2oci", &saved, &like, "--gzip-like", "docker", "--manifest", "docker"];
    let ran = imgconv(&args).ok();
    assert_eq!(ran.lines()[0].split('\t').nth(1).unwrap(), pushed);
    // And a push sends the manifest that was recovered.
    let again = format!("{}/recover/again:1", registry.host());
    imgconv(&["push", &saved, &again, "--recover", &format!("docker://{name}")]).ok();
    assert_eq!(registry.digest_of("recover/again", "1", MediaFamily::Docker), pushed);
}

#[test]
fn a_recovery_file_brings_the_manifest_back_after_docker_load_and_save() {
    let Some(docker) = docker() else { return };
    docker.empty();
    let podman = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/podman-oci-archive.tar");
    let place = Place::new();
    let (known, file) = (place.path("known"), place.path("file.rec"));
    let layout = imgconv(&["convert", podman, &known, "--to", "oci"]).ok();
    let digest = layout.lines()[0].split('\t').nth(1).unwrap().to_owned();
    let archive = place.path("classic.tar");
    let args = ["oci2save", &known, &archive, "-d", "classic", "-t", "recover.test/a:1"];
    imgconv(&[&args[..], &["--recovery-file", &file]].concat()).ok();
    docker.run(&[&"load", &"-i", &archive]);
    let saved = place.path("saved.tar");
    docker.run(&[&"save", &"-o", &saved, &"recover.test/a:1"]);
    assert_eq!(recovered(&saved, &file, &place.path("out")), digest);
}

#[test]
fn what_skopeo_pushed_and_saved_gets_the_digest_of_the_registry() {
    let Some(registry) = registry() else { return };
    let Some(skopeo) = Skopeo::find() else { return };
    let place = Place::new();
    let name = format!("docker://{}/recover/skopeo:1", registry.host());
    skopeo.transfer(&[], &format!("docker-archive:{SEVERAL}:imgconv.test/app:1.0"), &name);
    let pushed = registry.digest_of("recover/skopeo", "1", MediaFamily::Docker);
    let saved = place.path("saved.tar");
    skopeo.transfer(&[], &name, &format!("docker-archive:{saved}:imgconv.test/app:1.0"));
    assert_eq!(recovered(&saved, &name, &place.path("out")), pushed);
    assert_eq!(recovered(&saved, &pushed, &place.path("digest")), pushed);
}

#[test]
fn layers_like_those_of_skopeo_are_those_of_skopeo_today() {
    let Some(today) = today() else { return };
    if today.lacks("skopeo") {
        return;
    }
    let place = Place::new();
    let theirs = place.path("theirs");
    let mut command = today.command("skopeo");
    let from = format!("docker-archive:{SEVERAL}:imgconv.test/app:1.0");
    run(command.args(["copy", "--insecure-policy", &from, &format!("oci:{theirs}:1")]));
    let ours = place.path("ours");
    imgconv(&["save2oci", SEVERAL, &ours, "-i", "imgconv.test/app:1.0", "--gzip-like", "skopeo"])
        .ok();
    let raw = |layout: &str| {
        let raw = imgconv(&["inspect", "--raw", "manifest", layout]).ok().out;
        let manifest: Value = serde_json::from_slice(&raw).unwrap();
        manifest["layers"].clone()
    };
    assert_eq!(raw(&ours), raw(&theirs));
    assert!(fs::exists(Path::new(&theirs).join("oci-layout")).unwrap());
}
