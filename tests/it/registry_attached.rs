//! Signatures and referrers that go along with an image, and mirrors.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::build::codec::Codec;
use crate::build::image::{Image, digest};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv};
use crate::build::scripted::{Asked, Content, Reply, Scripted, honest};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with an image, a signature as cosign stores it, and an SBOM that refers to the image;
/// with the digests of the image and the SBOM.
fn signed() -> (Content, String, String) {
    let mut layout = Layout::new();
    let image = layout.image(&Image::new(&["one"]).stored(&[Codec::Gzip]), MediaFamily::Oci);
    let about = image["digest"].as_str().unwrap().to_owned();
    let artifact = |layout: &mut Layout, kind: &str, subject: Option<&Value>| {
        let payload = layout.descriptor("application/vnd.test.payload", kind.as_bytes());
        let config = layout.descriptor("application/vnd.oci.empty.v1+json", b"{}");
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
            "config": config, "layers": [payload],
        });
        if let Some(subject) = subject {
            manifest["subject"] = subject.clone();
        }
        layout.document(MANIFEST, &manifest)
    };
    let signature = artifact(&mut layout, "application/vnd.test.signature", None);
    let sbom = artifact(&mut layout, "application/vnd.test.sbom", Some(&image));
    layout.entry(image);
    let mut content = Content::of_layout(&layout, "a/b", "1");
    let bytes = |of: &Value| layout.files()[path_of(of).as_str()].clone();
    let tag = format!("{}.sig", about.replace(':', "-"));
    content.manifest("a/b", &tag, MANIFEST, &bytes(&signature));
    (content, about, sbom["digest"].as_str().unwrap().to_owned())
}

fn path_of(descriptor: &Value) -> String {
    format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"))
}

/// How a registry lists referrers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lists {
    ByTheApi,
    UnderATag,
}

/// A registry that lists referrers.
fn registry(lists: Lists) -> (Scripted, Arc<Mutex<Content>>, String, String) {
    let (mut content, about, sbom) = signed();
    let raw = content.blobs[&sbom].clone();
    let list = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": MANIFEST, "digest": sbom, "size": raw.len()}],
    })
    .to_string();
    if lists == Lists::UnderATag {
        let kind = "application/vnd.oci.image.index.v1+json";
        content.manifest("a/b", &about.replace(':', "-"), kind, list.as_bytes());
    }
    let content = Arc::new(Mutex::new(content));
    let (kept, subject) = (Arc::clone(&content), about.clone());
    let scripted = Scripted::new(move |asked: &Asked| match asked.path.split_once("/referrers/") {
        Some((_, of)) if lists == Lists::ByTheApi && of == subject => Reply::new(200, list.clone()),
        Some(_) if lists == Lists::ByTheApi => {
            Reply::new(200, r#"{"schemaVersion":2,"manifests":[]}"#)
        }
        _ => kept.lock().unwrap().answer(asked),
    });
    (scripted, content, about, sbom)
}

fn manifests(content: &Mutex<Content>, repository: &str) -> Vec<String> {
    let content = content.lock().unwrap();
    content.manifests.keys().filter(|it| it.0 == repository).map(|it| it.1.clone()).collect()
}

#[test]
fn signatures_and_referrers_are_pulled_and_pushed_with_an_image() {
    for lists in [Lists::ByTheApi, Lists::UnderATag] {
        let (from, _, about, sbom) = registry(lists);
        let place = Place::new();
        let name = format!("{}/a/b:1", from.host());
        let layout = place.path("layout");
        imgconv(&["pull", "--with", "all", &name, &layout]).ok();
        imgconv(&["verify", &layout]).ok();
        let (to, there) = honest(Content::default());
        // Under a name of its own, with everything that is about it.
        let target = format!("{}/c/d:2", to.host());
        imgconv(&["push", "--with", "all", "-i", &name, &layout, &target]).ok();
        let found = manifests(&there, "c/d");
        let tag = about.replace(':', "-");
        for expected in ["2".to_owned(), format!("{tag}.sig"), sbom.clone(), tag, about.clone()] {
            assert!(found.contains(&expected), "{lists:?}: {expected} is not in {found:?}");
        }
        // And back: the same digests.
        let back = place.path("back");
        imgconv(&["pull", "--with", "all", &target, &back]).ok();
        let listed = imgconv(&["inspect", "--format", "json", &back]).ok();
        let listed = String::from_utf8(listed.out).unwrap();
        assert!(listed.contains(&sbom) && listed.contains(".sig"), "{listed}");
    }
}

#[test]
fn only_what_is_asked_for_comes_along() {
    for (with, signature, referrer) in
        [("none", false, false), ("signatures", true, false), ("referrers", false, true)]
    {
        let (from, _, _, sbom) = registry(Lists::ByTheApi);
        let place = Place::new();
        let layout = place.path("layout");
        let name = format!("{}/a/b:1", from.host());
        imgconv(&["pull", "--with", with, &name, &layout]).ok();
        let listed = imgconv(&["inspect", "--format", "json", &layout]).ok();
        let listed = String::from_utf8(listed.out).unwrap();
        assert_eq!(listed.contains(".sig"), signature, "{with}");
        assert_eq!(listed.contains(&sbom), referrer, "{with}");
        if referrer {
            // It has no name: it is sent when it is asked for, else named.
            let (to, there) = honest(Content::default());
            let target = format!("{}/c/d:2", to.host());
            let ran = imgconv(&["push", &layout, &target]).ok();
            assert!(
                ran.err.contains("1 referrer is not sent; use --with referrers"),
                "{}",
                ran.err
            );
            assert!(!manifests(&there, "c/d").contains(&sbom));
        }
    }
}

#[test]
fn a_listed_referrer_with_another_subject_is_not_taken() {
    let (content, about, _) = signed();
    let wrong = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": MANIFEST, "digest": about, "size": 1}],
    })
    .to_string();
    let content = Mutex::new(content);
    let registry = Scripted::new(move |asked| match asked.path.contains("/referrers/") {
        true => Reply::new(200, wrong.clone()),
        false => content.lock().unwrap().answer(asked),
    });
    let place = Place::new();
    let name = format!("{}/a/b:1", registry.host());
    let ran = imgconv(&["pull", "--with", "referrers", &name, &place.path("layout")]).ok();
    assert!(ran.err.contains("has another subject; not taken"), "{}", ran.err);
}

#[test]
fn a_mirror_is_asked_first_and_what_it_serves_is_checked() {
    let (content, ..) = signed();
    let (origin, _) = honest(content.clone());
    let (mirror, _) = honest({
        let mut moved = Content { blobs: content.blobs.clone(), ..Content::default() };
        for ((repository, name), (kind, bytes)) in &content.manifests {
            moved.manifest(&format!("hub/{repository}"), name, kind, bytes);
        }
        moved
    });
    let name = format!("{}/a/b:1", origin.host());
    let rule = format!("{}={}/hub", origin.host(), mirror.host());
    let place = Place::new();
    imgconv(&["pull", "--mirror", &rule, &name, &place.path("one")]).ok();
    assert!(origin.lines().is_empty(), "{:?}", origin.lines());
    assert!(mirror.lines().iter().all(|line| line.contains("/v2/hub/a/b/")));
    // Nobody there, nothing there: the registry itself is asked.
    let (empty, _) = honest(Content::default());
    for host in [empty.host(), "localhost:1".to_owned()] {
        let rule = format!("{}={host}", origin.host());
        let out = place.path(&host.replace(':', "-"));
        let ran = imgconv(&["pull", "--mirror", &rule, &name, &out]).ok();
        assert!(ran.err.contains("the next place is asked"), "{}", ran.err);
    }
    // Wrong bytes under a digest are not believed.
    let first = digest(content.blobs.values().next().unwrap());
    assert!(content.blobs.contains_key(&first));
    let lying = Mutex::new(content);
    let liar = Scripted::new(move |asked| {
        let mut reply = lying.lock().unwrap().answer(asked);
        if asked.path.contains("/blobs/") && !reply.body.is_empty() {
            reply.body[0] ^= 1;
        }
        reply
    });
    let rule = format!("{}={}", origin.host(), liar.host());
    let ran = imgconv(&["pull", "--mirror", &rule, &name, &place.path("two")]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("digest differs"), "{}", ran.err);
}
