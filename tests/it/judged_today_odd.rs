//! Odd things that today's programs write, and what they cannot read: carried, or named as what it is.

use std::fs;
use std::path::Path;

use crate::judged_today_written::{imgconv, text};
use crate::judges::held::{files, refs};
use crate::judges::today::{Today, registry, today};
use crate::judges::verdicts::Verdicts;
use crate::judges::written::{Written, written};
use crate::judges::{attempt, find, run};

/// Cases that fail for a known reason; one that passes has to go.
const KNOWN: &[(&str, &str)] = &[];

const SEVERAL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/archives/docker-20.10-several.tar");

#[test]
fn what_is_odd_or_not_read_everywhere_is_carried_or_named() {
    let (Some(all), Some(today)) = (written(), today()) else { return };
    let (Some(_), Some(_)) = (registry(), find("openssl")) else { return };
    let multi = all.iter().find(|it| it.case == "buildx, layout of two platforms").unwrap();
    let place = tempfile::tempdir().unwrap();
    let mut verdicts = Verdicts::default();
    absent(today, place.path(), &mut verdicts);
    skopeo(today, multi, place.path(), &mut verdicts);
    encrypted(today, multi, place.path(), &mut verdicts);
    unread(today, multi, place.path(), &mut verdicts);
    verdicts.settle(KNOWN);
}

/// A layout with a tag for each platform, of which one was not kept.
fn absent(today: &Today, place: &Path, verdicts: &mut Verdicts) {
    let layout = place.join("tags");
    for architecture in ["amd64", "arm64"] {
        let from = format!("127.0.0.1:{}/app:multi", registry().unwrap().port);
        let to = format!("{}:{architecture}", layout.display());
        let mut oras = today.command("oras");
        oras.args(["copy", "--from-plain-http", "--to-oci-layout", "--platform"]);
        run(oras.arg(format!("linux/{architecture}")).args([&from, &to]));
    }
    let refs = refs(&files(&layout));
    let (_, digest, _) = refs.iter().find(|it| it.0 == "arm64").unwrap();
    fs::remove_file(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    let case = "a platform that index.json lists is absent";
    for (name, options) in [
        ("convert", &[][..]),
        ("convert -p", &["-p", "linux/amd64"]),
        ("convert -i", &["-i", "amd64"]),
    ] {
        let out = place.join(name);
        let words = ["convert", "--to", "oci", text(&layout), text(&out)];
        verdicts.add(format!("{case}: {name}"), imgconv(&[&words, options].concat()).map(drop));
    }
    verdicts.add(format!("{case}: inspect"), imgconv(&["inspect", text(&layout)]).map(drop));
}

/// What skopeo alone writes.
fn skopeo(today: &Today, multi: &Written, place: &Path, verdicts: &mut Verdicts) {
    let from = format!("oci:{}:multi", multi.path.display());
    let (index, dir) = (place.join("index-only"), place.join("copied"));
    let to = [format!("oci:{}:multi", index.display()), format!("dir:{}", dir.display())];
    let alone = ["copy", "--quiet", "--multi-arch=index-only", &from, &to[0]];
    run(today.command("skopeo").args(alone));
    run(today.command("skopeo").args(["copy", "--quiet", &from, &to[1]]));
    let refused = |source: &Path, words: &[&str]| {
        let out = place.join("refused");
        let said = imgconv(&["convert", "--to", "oci", text(source), text(&out)]).err();
        says(&said.unwrap_or_default(), words)
    };
    verdicts.add("skopeo copied the index alone", refused(&index, &["but none of the"]));
    // It copied the image of this machine's platform, under its own digest.
    let out = place.join("of-dir");
    let manifest = ["compare", "--level", "manifest", "-p", "local", text(&multi.path), text(&out)];
    let read = imgconv(&["convert", "--strict", "--to", "oci", text(&dir), text(&out)])
        .and_then(|_| imgconv(&["verify", "--strict", text(&out)]))
        .and_then(|_| imgconv(&manifest));
    verdicts.add("skopeo copied to dir:", read.map(drop));
}

/// Whether a text has one of these words.
fn says(said: &str, words: &[&str]) -> Result<(), String> {
    let found = words.iter().any(|word| said.contains(word));
    if found { Ok(()) } else { Err(format!("none of {words:?} is in {said:?}")) }
}

/// Layers that only a key opens stay as they are.
fn encrypted(today: &Today, multi: &Written, place: &Path, verdicts: &mut Verdicts) {
    let (key, public) = (place.join("key.pem"), place.join("public.pem"));
    let openssl = || std::process::Command::new("openssl");
    run(openssl().args(["genrsa", "-out"]).arg(&key).arg("2048"));
    run(openssl().args(["rsa", "-pubout", "-in"]).arg(&key).arg("-out").arg(&public));
    let (layout, out) = (place.join("encrypted"), place.join("carried"));
    let from = format!("oci:{}:multi", multi.path.display());
    let to = format!("oci:{}:1.0", layout.display());
    let mut skopeo = today.command("skopeo");
    skopeo.args(["copy", "--quiet", "--encryption-key"]);
    run(skopeo.arg(format!("jwe:{}", public.display())).args([&from, &to]));
    let carried = imgconv(&["convert", "--to", "oci", text(&layout), text(&out)]);
    let verified = carried.and_then(|_| imgconv(&["verify", text(&out)]));
    verdicts.add("encrypted layers are carried", verified.map(drop));
}

/// What a program of today cannot read of an archive is named before it is written.
fn unread(today: &Today, multi: &Written, place: &Path, verdicts: &mut Verdicts) {
    if today.has("crane") {
        let (layout, out) = (text(&multi.path), place.join("zstd.tar"));
        let said = imgconv(&["oci2save", "-c", "zstd", layout, text(&out)]).unwrap();
        let read = attempt(today.command("crane").args(["validate", "--tarball", text(&out)]));
        assert!(read.is_err(), "crane reads zstd layers now");
        verdicts.add("crane reads no zstd in an archive", says(&said, &["crane"]));
    }
    let out = place.join("classic.tar");
    let said =
        imgconv(&["convert", "--to", "docker-archive", "-d", "classic", SEVERAL, text(&out)])
            .unwrap();
    let from = format!("docker-archive:{}:imgconv.test/app:1.0", out.display());
    let to = format!("dir:{}", place.join("linked").display());
    let read = attempt(today.command("skopeo").args(["copy", "--quiet", &from, &to]));
    assert!(read.is_err(), "skopeo reads links to layers now");
    verdicts.add("skopeo reads no link to a layer", says(&said, &["skopeo"]));
}
