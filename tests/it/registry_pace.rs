//! How fast, how many at once, and how often: connections, pauses, and a second try.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::build::codec::{Codec, gzip};
use crate::build::image::{Image, digest, layer};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::run::{Place, imgconv, imgconv_with};
use crate::build::scripted::{Content, Reply, Scripted, ranged};
use crate::registry_hostile::{Guard, PASSWORD, blob, but, guarded};

/// The most requests for blobs that wait at once.
fn most_at_once(threads: &str, destination: &str) -> usize {
    let texts: Vec<String> = (0..20).map(|number| format!("layer {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut layout = Layout::new();
    let image = layout.image(&Image::new(&texts).stored(&[Codec::Gzip; 20]), MediaFamily::Oci);
    layout.entry(image);
    let content = std::sync::Mutex::new(Content::of_layout(&layout, "a/b", "1"));
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let registry = Scripted::new(move |asked| {
        if asked.path.contains("/blobs/") {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(120));
            now.fetch_sub(1, Ordering::SeqCst);
        }
        content.lock().unwrap().answer(asked)
    });
    let place = Place::new();
    let name = format!("{}/a/b:1", registry.host());
    imgconv(&["pull", "-j", threads, &name, &place.path(destination)]).ok();
    most.load(Ordering::SeqCst)
}

#[test]
fn a_registry_gets_four_to_eight_connections() {
    for destination in ["layout", "all.tar"] {
        for (threads, expected) in [("1", 4), ("6", 6), ("32", 8)] {
            assert_eq!(most_at_once(threads, destination), expected, "{destination} -j {threads}");
        }
    }
}

#[test]
fn a_pause_that_a_token_server_asks_for_is_made() {
    for status in [429, 503] {
        let count = AtomicUsize::new(0);
        let tokens = Scripted::new(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::error(status, "TOOMANYREQUESTS", "later").with("Retry-After", "2"),
            _ => Reply::new(200, r#"{"token":"t0ken","expires_in":300}"#),
        });
        let realm = format!("http://localhost:{}/token", tokens.port);
        let registry = guarded(Guard::Bearer(realm), |_, reply| reply);
        let (place, begun) = (Place::new(), Instant::now());
        let name = format!("{}/a/b:1", registry.host());
        let args = ["pull", "--creds-stdin", "me", &name, &place.path("layout")];
        let ran = imgconv_with(format!("{PASSWORD}\n").as_bytes(), &args).ok();
        assert!(begun.elapsed() >= Duration::from_secs(2), "{}", ran.err);
        assert!(ran.err.contains("retrying in 2 s (1 of 5)"), "{}", ran.err);
        assert_eq!(tokens.lines().len(), 2);
    }
}

#[test]
fn a_pause_that_an_upload_asks_for_is_made() {
    let count = AtomicUsize::new(0);
    let content = std::sync::Mutex::new(Content::default());
    let registry = Scripted::new(move |asked| {
        let is_blob = asked.method == "PUT" && asked.path.contains("/blobs/");
        if is_blob && count.fetch_add(1, Ordering::SeqCst) == 0 {
            return Reply::error(429, "TOOMANYREQUESTS", "later").with("Retry-After", "2");
        }
        content.lock().unwrap().answer(asked)
    });
    let place = Place::new();
    let path = place.path("layout");
    crate::registry_hostile::layout().write(path.as_ref());
    let begun = Instant::now();
    let ran = imgconv(&["push", &path, &format!("{}/x/y:1", registry.host())]).ok();
    assert!(begun.elapsed() >= Duration::from_secs(2), "{}", ran.err);
}

/// The rest of a blob after a break has other bytes: it is fetched once more, into every destination.
#[test]
fn a_wrong_rest_is_fetched_anew_into_archives_too() {
    let stored = gzip(&layer("one"));
    for dialect in ["universal", "classic", "podman", "hybrid"] {
        for always in [false, true] {
            let (bytes, count) = (stored.clone(), AtomicUsize::new(0));
            let registry = but(move |asked, reply| {
                if !asked.path.ends_with(&blob()) {
                    return reply;
                }
                match (asked.headers.contains_key("range"), count.fetch_add(1, Ordering::SeqCst)) {
                    (true, _) => {
                        let mut reply = ranged(asked, &bytes);
                        reply.body.iter_mut().for_each(|byte| *byte ^= 1);
                        reply
                    }
                    (false, number) if number == 0 || always => {
                        Reply { cut: Some(20), ..Reply::new(200, bytes.clone()) }
                    }
                    _ => Reply::new(200, bytes.clone()),
                }
            });
            let place = Place::new();
            let out = place.path("app.tar");
            let name = format!("{}/a/b:1", registry.host());
            let ran = imgconv(&["pull", "-d", dialect, "--retries", "1", &name, &out]);
            let asked = registry.lines().iter().filter(|it| it.ends_with(&blob())).count();
            assert_eq!(ran.code, Some(i32::from(always)), "{dialect}: {asked} {}", ran.err);
            // Two tries of two requests, and as many to say which digest the wrong bytes have.
            assert!(asked <= 8, "{dialect}: {asked}");
            if !always {
                imgconv(&["verify", &out]).ok();
            }
        }
    }
    assert_eq!(digest(&stored), blob());
}
