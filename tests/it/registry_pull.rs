//! Pulls from a registry of our own: what it is asked, and what comes of its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::build::check::{folder, layout as check_layout};
use crate::build::codec::Codec;
use crate::build::image::{Image, digest, layer};
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv, refused, started};
use crate::build::scripted::{Content, Reply, Scripted, honest, ranged};

/// An image of two gzip layers, as the only entry.
fn one(family: MediaFamily) -> Layout {
    Layout::nameless(&["one", "two"], family)
}

/// An index of this many platforms.
fn many(platforms: usize) -> Layout {
    let mut layout = Layout::new();
    let children: Vec<_> = (0..platforms)
        .map(|number| {
            let image = Image::new(&["shared", &format!("own {number}")]);
            let image = image.stored(&[Codec::Gzip, Codec::Gzip]).arch(&format!("arch{number}"));
            let descriptor = layout.image(&image, MediaFamily::Oci);
            on_platform(descriptor, "linux", &format!("arch{number}"))
        })
        .collect();
    let index = layout.nest(MediaFamily::Oci, &children);
    layout.entry(index);
    layout
}

/// The blobs of a layout that was written and of one that was built.
fn same_blobs(place: &Place, written: &str, built: &Layout) {
    let files = folder(place.path(written).as_ref());
    check_layout(&files);
    for (path, bytes) in built.files() {
        if path.starts_with("blobs/") {
            assert_eq!(files.get(path), Some(&bytes), "{path}");
        }
    }
}

#[test]
fn a_pull_keeps_manifests_and_indexes_byte_for_byte() {
    for layout in [one(MediaFamily::Oci), one(MediaFamily::Docker), many(3)] {
        let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
        let place = Place::new();
        let name = format!("{}/a/b:1", registry.host());
        let index: serde_json::Value =
            serde_json::from_slice(&layout.files()["index.json"]).unwrap();
        let expected = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let ran = imgconv(&["pull", &name, &place.path("layout")]).ok();
        assert!(ran.lines()[0].starts_with(&format!("{name}\t{expected}")), "{:?}", ran.lines());
        same_blobs(&place, "layout", &layout);
        imgconv(&["verify", "--strict", &place.path("layout")]).ok();
        // A universal archive holds the same blobs, so that the layout comes back.
        imgconv(&["pull", &name, &place.path("all.tar")]).ok();
        imgconv(&["save2oci", &place.path("all.tar"), &place.path("back")]).ok();
        same_blobs(&place, "back", &layout);
        let shown = imgconv(&["manifest", "digest", &format!("docker://{name}")]).ok();
        assert_eq!(shown.lines(), [expected.as_str()]);
        imgconv(&[
            "compare",
            "--level",
            "manifest",
            &format!("docker://{name}"),
            &place.path("layout"),
        ])
        .ok();
    }
}

#[test]
fn inspect_asks_for_manifests_and_configs_only() {
    let layout = many(12);
    let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
    let name = format!("docker://{}/a/b:1", registry.host());
    let shown = imgconv(&["inspect", &name]).ok();
    assert!(shown.lines().iter().any(|line| line.contains("linux/arch11")), "{:?}", shown.lines());
    let lines = registry.lines();
    assert_eq!(lines.len(), 25, "{lines:#?}");
    assert_eq!(lines[0], "GET /v2/a/b/manifests/1");
    // Everything after the first answer is asked for by digest.
    assert!(lines[1..].iter().all(|line| line.contains("sha256:")), "{lines:#?}");
    registry.forget();
    imgconv(&["manifest", "show", &name]).ok();
    assert_eq!(registry.lines(), ["GET /v2/a/b/manifests/1"]);
    registry.forget();
    imgconv(&["manifest", "digest", &name]).ok();
    assert_eq!(registry.lines(), ["HEAD /v2/a/b/manifests/1"]);
    // Without the list of types, old registries answer with schema 1.
    let accepted = &registry.asked()[0].headers["accept"];
    assert_eq!(accepted.split(", ").count(), 6, "{accepted}");
}

#[test]
fn a_pull_by_digest_has_no_name_and_one_with_both_is_named_by_the_tag() {
    let layout = one(MediaFamily::Oci);
    let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
    let place = Place::new();
    let index: serde_json::Value = serde_json::from_slice(&layout.files()["index.json"]).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let host = registry.host();
    imgconv(&["pull", &format!("{host}/a/b@{digest}"), &place.path("bare")]).ok();
    imgconv(&["pull", &format!("{host}/a/b:9@{digest}"), &place.path("named")]).ok();
    let names = |path: &str| {
        let files = folder(place.path(path).as_ref());
        let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
        index["manifests"][0]["annotations"]["io.containerd.image.name"].as_str().map(str::to_owned)
    };
    assert_eq!(names("bare"), None);
    assert_eq!(names("named"), Some(format!("{host}/a/b:9")));
}

#[test]
fn a_tag_beside_a_digest_that_means_something_else_is_a_note() {
    let layout = one(MediaFamily::Oci);
    let mut content = Content::of_layout(&layout, "a/b", "1");
    let manifest = content.manifests[&("a/b".to_owned(), "1".to_owned())].1.clone();
    let kind = "application/vnd.oci.image.index.v1+json";
    let moved = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[]}}"#);
    content.manifest("a/b", "2", kind, moved.as_bytes());
    let (registry, _) = honest(content);
    let name = |tag: &str| format!("{}/a/b:{tag}@{}", registry.host(), digest(&manifest));
    let other = digest(moved.as_bytes());
    for (tag, words) in [("1", None), ("2", Some(&*other)), ("3", Some("there is no such tag now"))]
    {
        let place = Place::new();
        let args = ["pull", "--strict", &name(tag), &place.path("layout")];
        let ran = imgconv(&args).ok();
        assert_eq!(ran.err.contains("the digest counts"), words.is_some(), "{tag}: {}", ran.err);
        assert!(words.is_none_or(|it| ran.err.contains(it)), "{tag}: {}", ran.err);
        assert!(ran.lines()[0].contains(&digest(&manifest)), "{tag}: {:?}", ran.lines());
    }
}

#[test]
fn a_connection_that_ends_after_any_byte_is_continued_there() {
    let layout = one(MediaFamily::Oci);
    let stored = crate::build::codec::gzip(&layer("one"));
    let wanted = digest(&stored);
    for end in [0, 1, 2, stored.len() / 2, stored.len() - 1] {
        let mut content = Content::of_layout(&layout, "a/b", "1");
        assert!(content.blobs.contains_key(&wanted));
        let cut = wanted.clone();
        let registry = Scripted::new({
            let content = std::sync::Mutex::new(std::mem::take(&mut content));
            let first = AtomicUsize::new(0);
            move |asked| {
                let mut reply = content.lock().unwrap().answer(asked);
                if asked.path.ends_with(&cut) && first.fetch_add(1, Ordering::SeqCst) == 0 {
                    reply.cut = Some(end);
                }
                reply
            }
        });
        let place = Place::new();
        let name = format!("{}/a/b:1", registry.host());
        imgconv(&["pull", &name, &place.path("layout")]).ok();
        same_blobs(&place, "layout", &layout);
        let asked = registry.asked();
        let parts: Vec<_> = asked.iter().filter(|it| it.path.ends_with(&wanted)).collect();
        assert_eq!(parts.len(), 2, "{end}");
        let range = parts[1].headers.get("range").cloned();
        assert_eq!(range, (end > 0).then(|| format!("bytes={end}-")), "{end}");
    }
}

#[test]
fn a_registry_that_ignores_ranges_starts_over() {
    let layout = one(MediaFamily::Oci);
    let wanted = digest(&crate::build::codec::gzip(&layer("one")));
    let first = AtomicUsize::new(0);
    let content = std::sync::Mutex::new(Content::of_layout(&layout, "a/b", "1"));
    let registry = Scripted::new(move |asked| {
        let mut content = content.lock().unwrap();
        if !asked.path.ends_with(&wanted) {
            return content.answer(asked);
        }
        let mut reply = Reply::new(200, content.blobs[&wanted].clone());
        if first.fetch_add(1, Ordering::SeqCst) == 0 {
            reply.cut = Some(20);
        }
        reply
    });
    let place = Place::new();
    imgconv(&["pull", &format!("{}/a/b:1", registry.host()), &place.path("layout")]).ok();
    same_blobs(&place, "layout", &layout);
}

#[test]
fn failures_that_pass_are_waited_for() {
    let layout = one(MediaFamily::Oci);
    for (status, header, least) in [(503, None, 0.0), (429, Some("1"), 1.0), (500, None, 0.0)] {
        let count = Arc::new(AtomicUsize::new(0));
        let content = std::sync::Mutex::new(Content::of_layout(&layout, "a/b", "1"));
        let counted = Arc::clone(&count);
        let registry = Scripted::new(move |asked| {
            if counted.fetch_add(1, Ordering::SeqCst) < 2 {
                let reply = Reply::error(status, "TOOMANYREQUESTS", "later");
                return match header {
                    Some(seconds) => reply.with("Retry-After", seconds),
                    None => reply,
                };
            }
            content.lock().unwrap().answer(asked)
        });
        let place = Place::new();
        let begun = std::time::Instant::now();
        let name = format!("{}/a/b:1", registry.host());
        let ran = imgconv(&["pull", &name, &place.path("layout")]).ok();
        assert!(begun.elapsed().as_secs_f64() >= least * 2.0, "{status}");
        assert!(ran.err.contains("(1 of 5)") && ran.err.contains("(2 of 5)"), "{}", ran.err);
        same_blobs(&place, "layout", &layout);
    }
}

#[test]
fn a_registry_that_never_recovers_is_left_after_all_retries() {
    let registry = Scripted::new(|_| Reply::error(503, "UNAVAILABLE", "closed today"));
    let place = Place::new();
    let name = format!("{}/a/b:1", registry.host());
    let words = ["503", "closed today", &name];
    imgconv(&["pull", "--retries", "1", &name, &place.path("layout")]).refused(2, &words);
    assert_eq!(registry.lines().len(), 2);
    assert!(place.tree().is_empty());
}

#[test]
fn tags_are_read_from_every_page() {
    let registry = Scripted::new(|asked| match asked.path.as_str() {
        "/v2/a/b/tags/list?n=1000" => Reply::new(200, r#"{"name":"a/b","tags":["1","2"]}"#)
            .with("Link", r#"</v2/a/b/tags/list?last=2&n=1000>; rel="next""#),
        "/v2/a/b/tags/list?last=2&n=1000" => Reply::new(200, r#"{"name":"a/b","tags":["3","2"]}"#),
        _ => Reply::error(404, "NAME_UNKNOWN", "not here"),
    });
    let name = format!("{}/a/b", registry.host());
    assert_eq!(imgconv(&["tags", &name]).ok().lines(), ["1", "2", "3"]);
    imgconv(&["tags", &format!("{}/a/c", registry.host())]).refused(2, &["404 NAME_UNKNOWN"]);
    imgconv(&["tags", &format!("{name}:1")]).refused(2, &["expected a repository"]);
}

#[test]
fn a_part_that_is_not_the_asked_one_is_refused() {
    let blob = b"0123456789".to_vec();
    let asked = crate::build::scripted::Asked {
        method: "GET".to_owned(),
        path: String::new(),
        headers: [("range".to_owned(), "bytes=4-".to_owned())].into(),
        body: Vec::new(),
    };
    // The registry of these tests itself.
    assert_eq!(ranged(&asked, &blob).body, b"456789");
}

/// An image of one layer of 24 MiB that no codec makes smaller.
fn large() -> (Layout, Vec<u8>) {
    let mut state = 88_172_645_463_325_252_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(3 << 20)
    .flatten()
    .collect();
    let mut tar = crate::build::tar::Tar::new();
    tar.file("noise", &noise);
    let layer = tar.end();
    let mut layout = Layout::new();
    let image = Image::of(vec![layer.clone()]);
    let descriptor = layout.image(&image, MediaFamily::Oci);
    layout.entry(descriptor);
    (layout, layer)
}

/// A registry that sends the first part of a blob, and is silent when it is asked for the rest.
fn stuck(layout: &Layout, blob: &str, end: usize) -> Scripted {
    let content = std::sync::Mutex::new(Content::of_layout(layout, "a/b", "1"));
    let blob = blob.to_owned();
    Scripted::new(move |asked| {
        let mut reply = content.lock().unwrap().answer(asked);
        if asked.path.ends_with(&blob) {
            match asked.headers.contains_key("range") {
                false => reply.cut = Some(end),
                true => reply.delay = std::time::Duration::from_secs(60),
            }
        }
        reply
    })
}

/// Pulls until the registry is silent, and ends the run with a signal.
fn interrupted(place: &Place, registry: &Scripted, destination: &str, signal: &str) -> String {
    let name = format!("{}/a/b:1", registry.host());
    let out = place.path(destination);
    let child = started(&place.path(""), &["pull", &name, &out]);
    let asked_again = || registry.asked().iter().any(|it| it.headers.contains_key("range"));
    while !asked_again() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

#[test]
fn the_next_run_fetches_only_the_rest() {
    let (layout, layer) = large();
    let end = 20 << 20;
    for (signal, destination) in [("-KILL", "layout"), ("-INT", "layout"), ("-KILL", "all.tar")] {
        let place = Place::new();
        let silent = stuck(&layout, &digest(&layer), end);
        let said = interrupted(&place, &silent, destination, signal);
        if signal == "-INT" {
            assert!(said.contains("kept 1 blob (20.00 MiB) in"), "{said}");
        }
        let partial = place.path(&format!("{destination}.partial"));
        assert!(std::fs::metadata(&partial).unwrap().is_dir());
        let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
        // Another port is another name; the bytes are named by their digest.
        let name = format!("{}/a/b:1", registry.host());
        imgconv(&["pull", &name, &place.path(destination)]).ok();
        let asked = registry.asked();
        let parts: Vec<_> = asked.iter().filter(|it| it.path.ends_with(&digest(&layer))).collect();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].headers["range"], format!("bytes={end}-"), "{destination}");
        assert!(!std::path::Path::new(&partial).exists());
        imgconv(&["verify", "--strict", &place.path(destination)]).ok();
    }
}

#[test]
fn nothing_in_a_partial_folder_is_believed() {
    let (layout, layer) = large();
    let part = format!("{}.part", digest(&layer).trim_start_matches("sha256:"));
    let wrong: [&dyn Fn(&str); 5] = [
        &|path| std::fs::write(path, vec![7; 1 << 20]).unwrap(),
        &|path| std::fs::write(path, vec![7; 30 << 20]).unwrap(),
        &|path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        &|path| {
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        },
        &|path| {
            std::fs::write(format!("{path}.other"), vec![7; 1 << 20]).unwrap();
            std::fs::hard_link(format!("{path}.other"), path).unwrap();
        },
    ];
    for (number, make) in wrong.iter().enumerate() {
        let place = Place::new();
        let partial = place.dir("layout.partial");
        make(&format!("{partial}/{part}"));
        let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
        let name = format!("{}/a/b:1", registry.host());
        imgconv(&["pull", &name, &place.path("layout")]).ok();
        same_blobs(&place, "layout", &layout);
        assert!(std::path::Path::new("/etc/passwd").exists(), "{number}");
    }
}

#[test]
fn a_partial_folder_that_is_something_else_is_left_alone() {
    let (layout, _) = large();
    let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
    let name = format!("{}/a/b:1", registry.host());
    let place = Place::new();
    place.put("layout.partial", b"mine");
    let words = ["layout.partial: expected a folder", "found something else"];
    refused(&place, &["pull", &name, &place.path("layout")], 2, &words);
}
