//! Registries that never end, are too slow, lead elsewhere, or change while they are read.

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::build::classic::{Repeat, archive};
use crate::build::codec::{Codec, gzip};
use crate::build::image::{Image, digest, layer};
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, Ran, imgconv, imgconv_with, started};
use crate::build::scripted::{Asked, Content, Reply, Scripted, honest, ranged};
use crate::registry_hostile::{Guard, PASSWORD, base64, blob, but, guarded, log_in, pull};

/// A registry whose only blob comes with this answer.
fn blob_as(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Scripted {
    but(move |asked, other| if asked.path.ends_with(&blob()) { reply(asked) } else { other })
}

/// Not more than a few seconds, however busy the machine is.
#[track_caller]
fn soon(began: Instant) {
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

const GOOD: &str = "HTTP/1.1 200 OK\r\n";

#[test]
fn sizes_that_an_answer_states_are_claims() {
    let stored = gzip(&layer("one"));
    let answer =
        |head: &str, body: &[u8]| [GOOD.as_bytes(), head.as_bytes(), b"\r\n", body].concat();
    let long = [stored.as_slice(), b"x"].concat();
    let size = stored.len();
    let chunked = [format!("{size:x}\r\n").as_bytes(), &stored, b"\r\n0\r\n\r\n"].concat();
    let twice = format!("Content-Length: {size}\r\nContent-Length: {}\r\n", size + 1);
    let both = format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", size + 9);
    for (what, raw, code) in [
        ("no size", answer("", &stored), Some(0)),
        ("no size, and one byte more", answer("", &long), Some(1)),
        ("chunked", answer("Transfer-Encoding: chunked\r\n", &chunked), Some(0)),
        ("two sizes", answer(&twice, &long), Some(2)),
        ("another size beside chunks", answer(&both, &chunked), Some(1)),
        ("a size that is not a number", answer("Content-Length: x\r\n", &stored), Some(2)),
        ("a negative size", answer("Content-Length: -1\r\n", &stored), Some(2)),
    ] {
        let registry = blob_as(move |_| Reply::raw(raw.clone()));
        let place = Place::new();
        let ran = pull(&registry, &place, &["--retries", "0"]);
        assert_eq!(ran.code, code, "{what}: {}", ran.err);
        assert_eq!(place.tree().is_empty(), code != Some(0), "{what}");
    }
}

#[test]
fn what_never_ends_ends() {
    let json = format!("{GOOD}Content-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n");
    let head = "HTTP/1.1 100 Continue\r\n\r\n";
    let long = format!("{GOOD}X-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let quick = Duration::ZERO;
    type Case = (&'static str, Reply, i32);
    let cases: [Case; 5] = [
        ("a manifest", Reply::endless(&json, &" ".repeat(4096), quick), 1),
        ("a header", Reply::endless(GOOD, "X: y\r\n", quick), 2),
        ("a line of a header", Reply::endless(&format!("{GOOD}X: "), &"y".repeat(4096), quick), 2),
        ("interim answers", Reply::endless(head, head, quick), 2),
        ("a header of 1 MiB", Reply::raw(long), 2),
    ];
    for (what, reply, code) in cases {
        let registry = Scripted::new(move |_| reply.clone());
        let began = Instant::now();
        let place = Place::new();
        let ran = pull(&registry, &place, &["--retries", "0", "--timeout", "5"]);
        assert_eq!(ran.code, Some(code), "{what}: {}", ran.err);
        soon(began);
        assert!(place.tree().is_empty());
    }
    let endless =
        blob_as(move |_| Reply::endless(&format!("{GOOD}\r\n"), &"x".repeat(4096), quick));
    pull(&endless, &Place::new(), &[]).refused(1, &["size differs"]);
    let body = Reply::endless("HTTP/1.1 404 Not Found\r\n\r\n", &"<b>".repeat(2000), quick);
    let registry = Scripted::new(move |_| body.clone());
    let ran = pull(&registry, &Place::new(), &[]).refused(2, &["404"]);
    assert!(ran.err.len() < 2000, "{}", ran.err);
}

#[test]
fn what_is_too_slow_is_left_after_all_retries() {
    let slow = Duration::from_millis(200);
    let size = gzip(&layer("one")).len();
    let head = format!("{GOOD}Content-Length: {size}\r\n\r\n");
    let json = format!("{GOOD}Content-Length: 3000\r\n\r\n");
    let limited = ["--timeout", "1", "--retries", "1"];
    for (what, registry) in [
        ("a blob", blob_as(move |_| Reply::endless(&head, "x", slow))),
        ("a manifest", Scripted::new(move |_| Reply::endless(&json, " ", slow))),
        ("a header", Scripted::new(move |_| Reply::endless(GOOD, "x", slow))),
        (
            "nothing at all",
            Scripted::new(|_| Reply { delay: Duration::from_secs(30), ..Reply::new(200, "") }),
        ),
    ] {
        let began = Instant::now();
        let place = Place::new();
        let ran = pull(&registry, &place, &limited).refused(2, &["cannot reach", "(1 of 1)"]);
        soon(began);
        assert!(place.tree().is_empty(), "{what}: {}", ran.err);
    }
}

#[test]
fn an_answer_that_ends_early_is_asked_for_again() {
    let count = AtomicUsize::new(0);
    let registry = but(move |asked, mut reply| {
        if asked.path.ends_with("/manifests/1") && count.fetch_add(1, Ordering::SeqCst) == 0 {
            reply.cut = Some(9);
        }
        reply
    });
    let ran = pull(&registry, &Place::new(), &[]).ok();
    assert!(ran.err.contains("(1 of 1)"), "{}", ran.err);
}

#[test]
fn pauses_that_a_registry_asks_for_have_a_limit() {
    for asked in ["-5", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "", "1.5"] {
        let count = AtomicUsize::new(0);
        let registry = but(move |_, reply| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::new(503, "")
                .with("Retry-After", asked)
                .with("Date", "Sun, 29 Nov 2026 08:00:00 GMT"),
            _ => reply,
        });
        let began = Instant::now();
        pull(&registry, &Place::new(), &[]).ok();
        assert!(began.elapsed() >= Duration::from_millis(300), "{asked}");
        soon(began);
    }
    for asked in ["99999999", "99999999999999999999999", "Sun, 29 Nov 2099 08:00:00 GMT"] {
        let registry = Scripted::new(move |_| {
            Reply::new(429, "")
                .with("Retry-After", asked)
                .with("Date", "Sun, 29 Nov 2026 08:00:00 GMT")
        });
        let place = Place::new();
        let name = format!("{}/a/b:1", registry.host());
        let mut child = started(&place.path(""), &["pull", &name, &place.path("layout")]);
        let mut said = String::new();
        let mut out = std::io::BufReader::new(child.stderr.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut said).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let seconds = said.split("retrying in ").nth(1).and_then(|it| it.split(' ').next());
        let seconds: u64 = seconds.unwrap().parse().unwrap();
        // A number that no computer holds is no wish.
        let expected = if asked.len() == 23 { 0..=1 } else { 300..=300 };
        assert!(expected.contains(&seconds), "{asked}: {said}");
    }
}

#[test]
fn an_upload_goes_on_where_the_registry_says_without_credentials_elsewhere() {
    let place = Place::new();
    let image = Image::new(&["one"]).named(&["a:1"]);
    let tar = place.put("one.tar", &archive(&[image], Repeat::Symlink));
    let expected = format!("Basic {}", base64(&format!("me:{PASSWORD}")));
    let push = |registry: &Scripted| {
        let name = format!("{}/a/b:1", registry.host());
        let args = ["push", "--retries", "0", "--creds-stdin", "me", &tar, &name];
        imgconv_with(PASSWORD.as_bytes(), &args)
    };
    // Another host stores it, or asks for a password that it does not get.
    for (status, code) in [(201, Some(0)), (401, Some(2))] {
        let store = Scripted::new(move |_| {
            Reply::new(status, "").with("WWW-Authenticate", "Basic realm=\"x\"")
        });
        let to = format!("http://127.0.0.1:{}/put?signature=a%2Fb#part", store.port);
        let registry = guarded(Guard::Basic, move |asked, reply| match asked.method.as_str() {
            "POST" => Reply::new(202, "").with("Location", to.clone()),
            _ => reply,
        });
        let ran = push(&registry);
        assert_eq!(ran.code, code, "{}", ran.err);
        assert!(!store.asked().is_empty());
        for asked in store.asked() {
            assert!(asked.path.starts_with("/put?signature=a%2Fb&digest=sha256%3A"));
            assert!(!asked.headers.contains_key("authorization"), "{asked:?}");
            assert!(!asked.headers.values().any(|it| it.contains(&expected)), "{asked:?}");
        }
    }
    // Relative to the request, as any reference.
    for (location, path) in [
        ("7?state=x", "/v2/a/b/blobs/uploads/7?state=x&digest="),
        ("./7", "/v2/a/b/blobs/uploads/7?digest="),
        ("../7?", "/v2/a/b/blobs/7?digest="),
        ("/up#part", "/up?digest="),
        ("?state=y", "/v2/a/b/blobs/uploads/?state=y&digest="),
    ] {
        let stored = Mutex::new(Content::default());
        let registry = Scripted::new(move |asked| match asked.method.as_str() {
            "POST" => Reply::new(202, "").with("Location", location),
            "PUT" if !asked.path.contains("/manifests/") => Reply::new(201, ""),
            _ => stored.lock().unwrap().answer(asked),
        });
        push(&registry).ok();
        let lines = registry.lines();
        let put = lines.iter().find(|line| line.starts_with("PUT")).unwrap();
        assert!(put.starts_with(&format!("PUT {path}sha256")), "{location}: {put}");
    }
    for location in ["/up\u{1}x", "/a b", "http://user:x@localhost/", "//169.254.169.254/x", ""] {
        let registry = Scripted::new(move |asked| match asked.method.as_str() {
            "POST" => Reply::new(202, "").with("Location", location),
            _ => Reply::error(404, "BLOB_UNKNOWN", "not here"),
        });
        let ran = push(&registry);
        assert_eq!(ran.code, Some(2), "{location}: {}", ran.err);
        assert!(registry.lines().iter().all(|line| !line.starts_with("PUT")), "{location}");
    }
}

#[test]
fn a_token_server_of_another_name_is_told_of() {
    let tokens = Scripted::new(|_| Reply::new(200, r#"{"token":"t0ken","expires_in":-1}"#));
    let realm = format!("http://127.0.0.1:{}/token", tokens.port);
    let registry = guarded(Guard::Bearer(realm), |_, reply| reply);
    let ran = log_in(&registry, &Place::new(), &["pull"]).ok();
    let told = format!("log in at 127.0.0.1:{} for {}", tokens.port, registry.host());
    assert_eq!(ran.err.matches(&told).count(), 1, "{}", ran.err);
    assert_eq!(tokens.lines().len(), 1);
    // Too much of a token.
    let tokens =
        Scripted::new(|_| Reply::new(200, format!(r#"{{"token":"{}"}}"#, "t".repeat(10 << 20))));
    let realm = format!("http://localhost:{}/token", tokens.port);
    let registry = guarded(Guard::Bearer(realm), |_, reply| reply);
    let ran = log_in(&registry, &Place::new(), &["pull"]);
    assert!(matches!(ran.code, Some(1 | 2)) && ran.err.contains("limit"), "{}", ran.err);
    // One that is busy for a moment.
    let count = AtomicUsize::new(0);
    let tokens = Scripted::new(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(503, ""),
        _ => Reply::new(200, r#"{"access_token":"t0ken"}"#),
    });
    let realm = format!("http://localhost:{}/token", tokens.port);
    let registry = guarded(Guard::Bearer(realm), |_, reply| reply);
    log_in(&registry, &Place::new(), &["pull"]).ok();
}

/// An index of two platforms, different for each text.
fn state(text: &str) -> (Layout, Value) {
    let mut layout = Layout::new();
    let child = |layout: &mut Layout, arch: &str| {
        let image = Image::new(&[text, arch]).stored(&[Codec::Gzip]).arch(arch);
        let child = layout.image(&image, MediaFamily::Oci);
        on_platform(child, "linux", arch)
    };
    let children = [child(&mut layout, "amd64"), child(&mut layout, "arm64")];
    let top = layout.nest(MediaFamily::Oci, &children);
    layout.entry(top.clone());
    (layout, top)
}

#[test]
fn a_tag_that_moves_gives_one_of_its_states_whole() {
    let (one, first) = state("one");
    let (two, second) = state("two");
    for turn in [0, 1] {
        let mut content = Content::of_layout(&one, "a/b", "1");
        let other = Content::of_layout(&two, "a/b", "1");
        content.blobs.extend(other.blobs);
        for (key, value) in other.manifests {
            content.manifests.entry(key).or_insert(value);
        }
        let (content, count) = (Mutex::new(content), AtomicUsize::new(turn));
        let digests = [&first, &second].map(|it| it["digest"].as_str().unwrap().to_owned());
        let expected = digests[turn].clone();
        let registry = Scripted::new(move |asked| {
            let mut asked = asked.clone();
            if asked.path.ends_with("/manifests/1") {
                let at = count.fetch_add(1, Ordering::SeqCst) % 2;
                asked.path = format!("/v2/a/b/manifests/{}", digests[at]);
            }
            content.lock().unwrap().answer(&asked)
        });
        let place = Place::new();
        let ran = pull(&registry, &place, &[]).ok();
        assert!(ran.lines()[0].contains(&expected), "{:?}", ran.lines());
        imgconv(&["verify", "--strict", &place.path("layout")]).ok();
        let asked = registry.lines();
        assert_eq!(asked.iter().filter(|line| line.ends_with("/manifests/1")).count(), 1);
    }
}

#[test]
fn indexes_have_limits_before_their_children_are_fetched() {
    let child = |at: usize| {
        let digest = format!("sha256:{at:064x}");
        json!({"mediaType": MediaFamily::Oci.manifest(), "digest": digest, "size": 2})
    };
    let mut layout = Layout::new();
    let many: Vec<Value> = (0..20_001).map(child).collect();
    let top = layout.nest(MediaFamily::Oci, &many);
    layout.entry(top);
    let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
    pull(&registry, &Place::new(), &[]).refused(1, &["20000"]);
    assert_eq!(registry.lines().len(), 1);
    // Nested too deeply.
    let mut layout = Layout::new();
    let mut top = layout.image(&Image::new(&["one"]).stored(&[Codec::Gzip]), MediaFamily::Oci);
    for _ in 0..10 {
        top = layout.nest(MediaFamily::Oci, &[top]);
    }
    layout.entry(top);
    let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
    pull(&registry, &Place::new(), &[]).refused(1, &["8"]);
    assert!(registry.lines().len() <= 12, "{:?}", registry.lines());
    // The same child a thousand times is asked for once, and one that is its own parent never ends.
    let mut layout = Layout::new();
    let image = layout.image(&Image::new(&["one"]).stored(&[Codec::Gzip]), MediaFamily::Oci);
    let top = layout.nest(MediaFamily::Oci, &vec![image; 1000]);
    layout.entry(top);
    let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
    let _ = pull(&registry, &Place::new(), &[]);
    assert!(registry.lines().len() <= 4, "{:?}", registry.lines());
    let looped = but(|asked, reply| match asked.path.contains("/manifests/") {
        true => Reply::new(
            200,
            json!({"schemaVersion": 2, "mediaType": MediaFamily::Oci.index(),
            "manifests": [{"mediaType": MediaFamily::Oci.index(), "size": 300, "digest": blob()}]})
            .to_string(),
        )
        .with("Content-Type", MediaFamily::Oci.index()),
        false => reply,
    });
    pull(&looped, &Place::new(), &[]).refused(1, &["digest differs"]);
}

#[test]
fn digests_are_parsed_before_they_are_asked_for() {
    let upper = blob().to_uppercase().replace("SHA256", "sha256");
    for wrong in
        ["sha256:../../x", "md5:d41d8cd98f00b204e9800998ecf8427e", &upper, "sha256:", "../x"]
    {
        for place_of in ["config", "layers", "manifests"] {
            let descriptor = |digest: &str| {
                let kind = MediaFamily::Oci.manifest();
                json!({"mediaType": kind, "digest": digest, "size": 2})
            };
            let mut document = match place_of {
                "manifests" => json!({"schemaVersion": 2, "manifests": [descriptor(wrong)]}),
                _ => {
                    json!({"schemaVersion": 2, "config": descriptor(&blob()), "layers": [descriptor(&blob())]})
                }
            };
            match place_of {
                "config" => document["config"] = descriptor(wrong),
                "layers" => document["layers"][0] = descriptor(wrong),
                _ => (),
            }
            let kind = match place_of {
                "manifests" => MediaFamily::Oci.index(),
                _ => MediaFamily::Oci.manifest(),
            };
            document["mediaType"] = json!(kind);
            let body = document.to_string();
            let registry =
                Scripted::new(move |_| Reply::new(200, body.clone()).with("Content-Type", kind));
            let place = Place::new();
            let ran = pull(&registry, &place, &[]);
            assert_eq!(ran.code, Some(1), "{place_of} {wrong}: {}", ran.err);
            assert_eq!(registry.lines().len(), 1, "{place_of} {wrong}: {:?}", registry.lines());
            assert!(place.tree().is_empty());
        }
    }
}

/// Sizes are those of descriptors: a dry run reads no layer.
#[test]
fn much_for_other_platforms_is_noted_before_it_is_fetched() {
    let host = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let gib = |count: u64| count << 30;
    for (sizes, said) in [
        (vec![(host, gib(5)), ("s390x", gib(1) + 1)], Some("1.0 GiB")),
        (vec![(host, 9), ("s390x", gib(3) / 2), ("ppc64", gib(2))], Some("3.5 GiB")),
        (vec![(host, gib(5)), ("s390x", gib(1))], None),
        (vec![(host, gib(5))], None),
        // -p local would find nothing.
        (vec![("ppc64", gib(5)), ("s390x", gib(5))], None),
    ] {
        let mut layout = Layout::new();
        let mut children = Vec::new();
        for (arch, size) in &sizes {
            let image = Image::new(&[arch]).stored(&[Codec::Gzip]).arch(arch);
            let own = layout.image(&image, MediaFamily::Oci);
            let path = format!("blobs/{}", own["digest"].as_str().unwrap().replace(':', "/"));
            let mut manifest: Value =
                serde_json::from_slice(&layout.files()[path.as_str()]).unwrap();
            manifest["layers"][0]["size"] = json!(size);
            let large = layout.document("application/vnd.oci.image.manifest.v1+json", &manifest);
            children.push(on_platform(large, "linux", arch));
        }
        let index = layout.nest(MediaFamily::Oci, &children);
        layout.entry(index);
        let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
        let place = Place::new();
        let ran = pull(&registry, &place, &["-n"]).ok();
        let words = said.map(|size| {
            format!(
                "{size} of this are images for other platforms; -p local takes linux/{host} alone"
            )
        });
        assert_eq!(ran.err.contains("other-platforms"), said.is_some(), "{sizes:?}: {}", ran.err);
        assert!(words.is_none_or(|it| ran.err.contains(&it)), "{sizes:?}: {}", ran.err);
        for more in [&["-n", "-p", "all"] as &[&str], &["-n", "-d", "classic"]] {
            let ran = pull(&registry, &place, more);
            assert!(!ran.err.contains("other-platforms"), "{sizes:?}: {}", ran.err);
        }
    }
}

#[test]
fn a_rest_that_does_not_fit_is_refused_and_one_that_is_wrong_is_fetched_anew() {
    let stored = gzip(&layer("one"));
    let total = stored.len();
    let last = total - 1;
    // The first answer is cut after 20 bytes.
    let wrong: &[(&str, String, Option<i32>)] = &[
        ("another start", format!("bytes 10-{last}/{total}"), Some(1)),
        ("another total", format!("bytes 20-{last}/{}", total + 1), Some(1)),
        ("another end", format!("bytes 20-{}/{total}", last - 1), Some(1)),
        ("no range", String::new(), Some(1)),
        ("other bytes", format!("bytes 20-{last}/{total}"), Some(0)),
    ];
    for (what, range, code) in wrong {
        let (bytes, range, count) = (stored.clone(), range.clone(), AtomicUsize::new(0));
        let registry = blob_as(move |asked| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Reply { cut: Some(20), ..Reply::new(200, bytes.clone()) },
            1 => {
                let rest: Vec<u8> = bytes[20..].iter().map(|byte| byte ^ 1).collect();
                Reply::new(206, rest).with("Content-Range", range.clone())
            }
            _ => ranged(asked, &bytes),
        });
        let place = Place::new();
        let ran = pull(&registry, &place, &[]);
        assert_eq!(ran.code, *code, "{what}: {}", ran.err);
        assert_eq!(place.tree().is_empty(), *code != Some(0), "{what}");
    }
}

#[test]
fn a_password_of_standard_input_is_for_one_registry() {
    let other = guarded(Guard::Basic, |_, reply| reply);
    let registry = guarded(Guard::Basic, |_, reply| reply);
    let place = Place::new();
    let [one, two] = [&registry, &other].map(|it| format!("{}/a/b:1", it.host()));
    let [from, to] = [&one, &two].map(|it| format!("docker://{it}"));
    let image = Image::new(&["one"]).named(&[&two]);
    let tar = place.put("one.tar", &archive(&[image], Repeat::Symlink));
    let out = place.path("layout");
    let refused: [&[&str]; 4] = [
        &["pull", &one, &two, &out],
        &["convert", &from, &to],
        &["compare", &from, &to],
        // The author of an archive names its registry.
        &["push", &tar],
    ];
    for args in refused {
        let args = [args, &["--creds-stdin", "me"]].concat();
        let words = ["--creds-stdin: expected names of one registry", "--authfile"];
        imgconv_with(PASSWORD.as_bytes(), &args).refused(2, &words);
    }
    assert!(registry.lines().is_empty() && other.lines().is_empty());
    let mirror = format!("{}={}", registry.host(), other.host());
    let args = ["pull", "--creds-stdin", "me", "--mirror", &mirror, &one, &out];
    let _ = imgconv_with(PASSWORD.as_bytes(), &args);
    assert!(other.asked().iter().all(|it| !it.headers.contains_key("authorization")));
}

#[test]
fn a_helper_has_a_name_and_not_a_path() {
    let registry = guarded(Guard::Basic, |_, reply| reply);
    for name in ["../evil", "a;b", "a b", "/bin/sh", "a\n"] {
        let place = Place::new();
        let config = json!({"credHelpers": {registry.host(): name}}).to_string();
        let file = place.put("config.json", config.as_bytes());
        let ran = pull(&registry, &place, &["--authfile", &file]);
        ran.refused(2, &["expected the name of a helper"]);
    }
}

#[test]
fn a_file_of_credentials_is_a_small_file_of_one_user() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let registry = guarded(Guard::Basic, |_, reply| reply);
    let place = Place::new();
    let auth = base64(&format!("me:{PASSWORD}"));
    let good = json!({"auths": {registry.host(): {"auth": auth}}}).to_string();
    let file = place.put("auth.json", good.as_bytes());
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    let ran = pull(&registry, &Place::new(), &["--authfile", &file]).ok();
    assert!(!ran.err.contains("chmod"), "{}", ran.err);
    let linked = place.path("linked.json");
    symlink(&file, &linked).unwrap();
    pull(&registry, &Place::new(), &["--authfile", &linked]).ok();
    for (bits, words) in [(0o644, "read the passwords"), (0o666, "change this file")] {
        mode(bits);
        let ran = pull(&registry, &Place::new(), &["--authfile", &file]).ok();
        assert_eq!(ran.err.matches(words).count(), 1, "{}", ran.err);
        assert!(ran.err.contains("warning: ") && ran.err.contains("chmod 600"), "{}", ran.err);
    }
    let fifo = place.path("fifo.json");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let large = place.path("large.json");
    fs::File::create(&large).unwrap().set_len(1 << 30).unwrap();
    let folder = place.dir("folder.json");
    let broken = place.put("broken.json", b"{");
    for wrong in [&fifo, &large, &folder, &broken] {
        let ran: Ran = pull(&registry, &Place::new(), &["--authfile", wrong]);
        ran.refused(2, &["credentials", wrong]);
    }
}

#[test]
fn a_partial_folder_of_another_user_is_not_used() {
    use std::os::unix::fs::chown;
    let place = Place::new();
    let partial = place.dir("layout.partial");
    if chown(&partial, Some(65_534), None).is_err() {
        return crate::judges::absent("a folder of another user needs root");
    }
    let layer = vec![7; 17 << 20];
    let mut layout = Layout::new();
    let image = layout.image(
        &Image::of(vec![crate::build::tar::Tar::new().file("x", &layer).end()]),
        MediaFamily::Oci,
    );
    layout.entry(image);
    let (registry, _) = honest(Content::of_layout(&layout, "a/b", "1"));
    pull(&registry, &place, &[]).refused(2, &["layout.partial", "a folder of this user"]);
    // A blob of another user in a folder of ours is fetched again.
    let own = rustix::process::getuid().as_raw();
    chown(&partial, Some(own), None).unwrap();
    let stored = crate::build::tar::Tar::new().file("x", &layer).end();
    let part = format!("{partial}/{}.part", &digest(&stored)[7..]);
    fs::write(&part, vec![9; stored.len()]).unwrap();
    chown(&part, Some(65_534), None).unwrap();
    pull(&registry, &place, &[]).ok();
    imgconv(&["verify", "--strict", &place.path("layout")]).ok();
}
