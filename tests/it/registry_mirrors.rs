//! Mirrors out of the files of podman and containerd: which are asked for what, and what of the files
//! is not followed.

use std::fs;

use crate::build::image::digest;
use crate::build::run::{Place, Ran, imgconv};
use crate::build::scripted::{Content, Reply, Scripted, honest};
use crate::registry_hostile::{blob, content};

/// Nobody has this name; what is pulled came from a mirror.
const NAME: &str = "origin.test/a/b:1";

fn empty() -> Scripted {
    Scripted::new(|_| Reply::error(404, "NAME_UNKNOWN", "not here"))
}

fn pull_as(name: &str, text: &str, more: &[&str]) -> (Ran, Place) {
    let place = Place::new();
    let file = place.put("mirrors.conf", text.as_bytes());
    let out = place.path("layout");
    let args = [&["pull", "--retries", "0", "--mirrors-from", &file][..], more, &[name, &out]];
    let ran = imgconv(&args.concat());
    (ran, place)
}

fn manifests(registry: &Scripted) -> usize {
    registry.lines().iter().filter(|it| it.contains("/manifests/1")).count()
}

#[test]
fn the_mirrors_of_podman_are_asked_in_order_before_the_registry() {
    let (none, (full, _)) = (empty(), honest(content()));
    let text = format!(
        "unqualified-search-registries = [\"docker.io\"]\n[[registry]]\nprefix = \"origin.test\"\n\
         location = \"origin.test\"\n[[registry.mirror]]\nlocation = \"{}\"\ninsecure = true\n\
         [[registry.mirror]]\nlocation = \"{}/\"\n",
        none.host(),
        full.host()
    );
    let (ran, place) = pull_as(NAME, &text, &[]);
    let ran = ran.ok();
    assert!(ran.lines()[0].starts_with(NAME), "{:?}", ran.lines());
    assert!(!ran.err.contains("insecure"), "this machine needs no TLS: {}", ran.err);
    assert!(ran.err.contains("does not have it; the next place is asked"), "{}", ran.err);
    assert_eq!((manifests(&none), manifests(&full)), (1, 1));
    imgconv(&["verify", "--strict", &place.path("layout")]).ok();
    // Without the option nothing of it counts.
    let out = place.path("other");
    let ran = imgconv(&["pull", "--retries", "0", NAME, &out]);
    ran.refused(2, &["cannot reach origin.test"]);
}

#[test]
fn the_longest_prefix_of_podman_counts_and_a_location_takes_the_place_of_the_registry() {
    let (none, (full, _)) = (empty(), honest(content()));
    let text = format!(
        "[[registry]]\nprefix = \"*.test\"\nlocation = \"{none}\"\n\
         [[registry]]\nprefix = \"origin.test/x\"\nlocation = \"{full}/a\"\n",
        none = none.host(),
        full = full.host()
    );
    pull_as("origin.test/x/b:1", &text, &[]).0.ok();
    assert!(none.lines().is_empty());
    pull_as("other.test/a/b:1", &text, &[]).0.refused(2, &["no such tag"]);
    assert_eq!(none.lines(), ["GET /v2/a/b/manifests/1"]);
}

#[test]
fn mirrors_for_digests_and_for_tags_are_asked_for_those() {
    let (mirror, (origin, _)) = (empty(), honest(content()));
    let manifest = &content().manifests[&("a/b".to_owned(), "1".to_owned())].1;
    let digest = digest(manifest);
    let (tagged, exact) =
        (format!("{}/a/b:1", origin.host()), format!("{}/a/b@{digest}", origin.host()));
    for (extra, asks) in [
        ("pull-from-mirror = \"digest-only\"", [false, true]),
        ("pull-from-mirror = \"tag-only\"", [true, false]),
        ("pull-from-mirror = \"all\"", [true, true]),
        ("", [true, true]),
    ] {
        let text = format!(
            "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n{extra}\n",
            origin.host(),
            mirror.host()
        );
        for (name, asks) in [&tagged, &exact].into_iter().zip(asks) {
            mirror.forget();
            pull_as(name, &text, &[]).0.ok();
            assert_eq!(!mirror.lines().is_empty(), asks, "{extra} {name}");
        }
    }
}

#[test]
fn what_is_blocked_is_not_asked_for_and_has_no_mirrors() {
    let (full, _) = honest(content());
    let text = format!(
        "[[registry]]\nprefix = \"origin.test/a\"\nblocked = true\n\
         [[registry.mirror]]\nlocation = \"{}/a\"\n",
        full.host()
    );
    let (ran, place) = pull_as(NAME, &text, &[]);
    ran.refused(2, &[NAME, "does not block", "found origin.test/a"]);
    assert!(full.lines().is_empty() && !place.tree().keys().any(|it| it.starts_with("layout")));
}

#[test]
fn no_file_turns_off_a_check() {
    let text = "[[registry]]\nlocation = \"origin.test\"\ninsecure = true\n";
    let words = "line 3: insecure is not followed: origin.test is asked over HTTPS";
    let (ran, _) = pull_as(NAME, text, &[]);
    let ran = ran.refused(2, &["note: --mirrors-from", words, "cannot reach origin.test"]);
    assert_eq!(ran.err.matches(words).count(), 1, "{}", ran.err);
    let (ran, _) = pull_as(NAME, text, &["--plain-http", "origin.test"]);
    assert!(!ran.refused(2, &[]).err.contains("is not followed"));
    let text = "server = \"http://origin.test\"\n[host.\"https://m.test\"]\nskip_verify = true\n\
                ca = \"ca.crt\"\n[host.\"https://m.test\".header]\nx-token = \"marked\"\n";
    let (ran, _) = pull_as(NAME, text, &[]);
    let words = [
        "line 1: http is not followed",
        "line 3: skip_verify is not followed",
        "line 2: ca is not followed",
        "line 2: header is not followed",
    ];
    assert!(!ran.refused(2, &words).err.contains("marked"));
}

#[test]
fn the_hosts_of_containerd_are_asked_in_the_order_of_the_file_for_what_they_can() {
    let (none, (tags, _), (full, _)) = (empty(), honest(content()), honest(content()));
    // In the order of names, z is the last.
    let text = format!(
        "server = \"https://origin.test\"\n[host.\"http://{}\"]\n\
         [host.\"http://{}\"]\ncapabilities = [\"resolve\"]\n\
         [host.\"http://{}/v2/deep\"]\ncapabilities = [\"pull\", \"push\"]\noverride_path = true\n",
        none.host().replace("localhost", "127.0.0.1"),
        tags.host(),
        full.host(),
    );
    let deep = Scripted::new({
        let full = std::sync::Mutex::new(content());
        move |asked| {
            let mut asked = asked.clone();
            asked.path = asked.path.replace("/v2/deep/", "/v2/");
            full.lock().unwrap().answer(&asked)
        }
    });
    let text = text.replace(&full.host(), &deep.host());
    let (ran, _) = pull_as(NAME, &text, &["-v"]);
    let ran = ran.ok();
    assert!(ran.err.contains(&format!("as {} says", tags.host())), "{}", ran.err);
    assert_eq!(none.lines()[0], "GET /v2/a/b/manifests/1");
    assert_eq!(tags.lines(), ["GET /v2/a/b/manifests/1"]);
    let lines = deep.lines();
    assert!(lines.iter().all(|it| it.starts_with("GET /v2/deep/a/b/blobs/sha256:")), "{lines:?}");
    assert!(lines.iter().any(|it| it.ends_with(&blob())), "{lines:?}");
}

/// By tag a mirror can say what it likes.
#[test]
fn strict_asks_the_registry_what_a_tag_of_a_mirror_means() {
    let (mirror, _) = honest(content());
    let (same, _) = honest(content());
    let mut other = Content::default();
    let kind = "application/vnd.oci.image.index.v1+json";
    let moved = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[]}}"#);
    other.manifest("a/b", "1", kind, moved.as_bytes());
    let (other, _) = honest(other);
    let expected = digest(moved.as_bytes());
    let found = digest(&content().manifests[&("a/b".to_owned(), "1".to_owned())].1);
    for (origin, agrees) in [(&same, true), (&other, false)] {
        let name = format!("{}/a/b:1", origin.host());
        let rule = format!("{}={}", origin.host(), mirror.host());
        let place = Place::new();
        let run = |args: &[&str]| imgconv(&[args, &["--mirror", &rule]].concat());
        let (one, two) = (place.path("one"), place.path("two"));
        let ran = run(&["pull", "-v", &name, &one]).ok();
        assert!(ran.err.contains(&format!("{name} is {found}, as {} says", mirror.host())));
        assert!(origin.lines().is_empty());
        let strict = run(&["pull", "--strict", &name, &two]);
        let verified = run(&["verify", "--strict", &format!("docker://{name}")]);
        if agrees {
            strict.ok();
            verified.ok();
            let line = "HEAD /v2/a/b/manifests/1";
            assert_eq!(origin.lines(), [line, line]);
        } else {
            strict.refused(1, &["digest differs", &expected, &found]);
            assert_eq!(verified.code, Some(1), "{}", verified.err);
            assert!(!std::path::Path::new(&two).exists());
        }
    }
}

#[test]
fn a_folder_of_containerd_names_the_registry() {
    let (full, _) = honest(content());
    let place = Place::new();
    let folder = place.path("certs.d/origin.test");
    fs::create_dir_all(&folder).unwrap();
    let file = format!("{folder}/hosts.toml");
    fs::write(&file, format!("[host.\"http://{}\"]\n", full.host())).unwrap();
    imgconv(&["pull", "--mirrors-from", &file, NAME, &place.path("layout")]).ok();
    // Elsewhere, it does not say which registry it is for.
    let file = place.put("hosts.toml", b"[host.\"https://m.test\"]\n");
    let ran = imgconv(&["pull", "--mirrors-from", &file, NAME, &place.path("other")]);
    ran.refused(2, &["expected server"]);
}

#[test]
fn a_malformed_file_is_refused_with_its_line() {
    for (text, words) in [
        ("[[registry]\n", &["line 1"] as &[&str]),
        ("a = 1\na = 2\n", &["line 2", "duplicate key"]),
        ("[registry]\nlocation = \"x.test\"\n", &["registry: expected tables [[…]], found table"]),
        ("\n\n[[registry]]\nlocation = 7\n", &["line 4: location: expected a string", "integer"]),
        ("[[registry]]\n", &["line 1: [[registry]] without prefix and location"]),
        ("[[registry]]\nlocation = \"https://x.test\"\n", &["line 2", "without https://"]),
        ("[[registry]]\nlocation = \"x.test\"\nblocked = \"no\"\n", &["line 3", "true or false"]),
        ("[[registry]]\nlocation = \"x.test\"\n[[registry.mirror]]\n", &["without location"]),
        (
            "[[registry]]\nlocation = \"x.test\"\n[[registry.mirror]]\nlocation = \"y.test\"\n\
             pull-from-mirror = \"never\"\n",
            &["line 5", "digest-only", "found never"],
        ),
        ("[registries.search]\nregistries = []\n", &["version 1 of the format"]),
        ("server = [\"https://x.test\"]\n", &["server: expected a string, found array"]),
        ("server = \"ftp://x.test\"\n", &["line 1: expected https://HOST"]),
        ("server = \"https://me:marked@x.test\"\n", &["found x.test"]),
        ("server = \"https://x.test\"\nhost = 3\n", &["line 2: host: expected a table"]),
        (
            "server = \"https://x.test\"\n[host.\"https://y.test\"]\ncapabilities = [\"fly\"]\n",
            &["line 3", "pull, resolve, push or referrers", "fly"],
        ),
        ("\u{1b}[31m = 1\n", &["line 1"]),
    ] {
        let (ran, place) = pull_as(NAME, text, &[]);
        let ran = ran.refused(2, words);
        assert!(!ran.err.contains('\u{1b}') && !ran.err.contains("marked"), "{}", ran.err);
        assert_eq!(place.tree().len(), 1, "{text}");
    }
    for bytes in [&b"\xff\xfe"[..], &vec![b'#'; (1 << 20) + 1]] {
        let place = Place::new();
        let file = place.put("mirrors.conf", bytes);
        let ran = imgconv(&["pull", "--mirrors-from", &file, NAME, &place.path("layout")]);
        ran.refused(2, &["--mirrors-from", "expected"]);
    }
    let none = Place::new().path("none");
    imgconv(&["tags", "--mirrors-from", &none, "a.test/b"]).refused(2, &["cannot open"]);
    let deep = "[".repeat(100_000);
    pull_as(NAME, &format!("a = {deep}\n"), &[]).0.refused(2, &["line 1"]);
}
