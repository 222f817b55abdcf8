//! `verify --documents`: documents are read, blobs are only looked for.

use std::path::Path;
use std::sync::Mutex;

use crate::build::check;
use crate::build::run::{Place, imgconv};
use crate::build::scripted::{Reply, Scripted, honest};
use crate::registry_hostile::{blob, but, content, layout};

#[test]
fn documents_are_fetched_and_blobs_looked_for() {
    let (registry, _) = honest(content());
    let name = format!("docker://{}/a/b:1", registry.host());
    let ran = imgconv(&["verify", "--strict", "--documents", &name]).ok();
    assert!(ran.out_text().contains("1 blob exists and was not read"), "{}", ran.out_text());
    let lines = registry.lines();
    assert!(lines.contains(&format!("HEAD /v2/a/b/blobs/{}", blob())), "{lines:#?}");
    assert!(!lines.contains(&format!("GET /v2/a/b/blobs/{}", blob())), "{lines:#?}");
    let json = imgconv(&["verify", "--documents", "--format", "json", &name]).ok();
    assert_eq!(check::json(&json.out)["sources"][0]["unreadBlobs"], 1);
    crate::schemas::follows(&check::json(&json.out), "verification", "verify --documents");
    // What was not done is not said to have passed.
    let junit = |more: &[&str]| {
        imgconv(&[&["verify", "--format", "junit", &name], more].concat()).ok().out_text()
    };
    assert!(junit(&[]).contains("diff-id-mismatch"));
    assert!(!junit(&["--documents"]).contains("diff-id-mismatch"));
    assert!(junit(&["--documents"]).contains("blob-missing"));
}

type Change = fn(&str, Reply) -> Reply;

#[test]
fn what_is_missing_or_has_another_size_is_a_problem_and_other_bytes_are_not_seen() {
    let changes: [(Change, i32, &str); 5] = [
        (|_, _| Reply::error(404, "BLOB_UNKNOWN", "gone"), 1, "blob-missing"),
        (
            |_, mut reply| {
                reply.body.push(0);
                reply
            },
            1,
            "size-mismatch",
        ),
        (
            |_, mut reply| {
                reply.body[30] ^= 1;
                reply
            },
            0,
            "was not read",
        ),
        (|_, _| Reply::error(503, "UNAVAILABLE", "later"), 2, ""),
        (|_, _| Reply::error(403, "DENIED", "no"), 2, ""),
    ];
    for (change, status, words) in changes {
        let registry = but(move |asked, reply| match asked.path.ends_with(&blob()) {
            true => change(&asked.path, reply),
            false => reply,
        });
        let name = format!("docker://{}/a/b:1", registry.host());
        let ran = imgconv(&["verify", "--documents", "--retries", "0", &name]);
        assert_eq!(ran.code, Some(status), "{words}: {}{}", ran.out_text(), ran.err);
        assert!(ran.out_text().contains(words), "{words}: {}", ran.out_text());
    }
    // Documents are checked whole.
    let content = Mutex::new(content());
    let registry = Scripted::new(move |asked| {
        let mut reply = content.lock().unwrap().answer(asked);
        if asked.path.contains("/blobs/") && asked.method == "GET" {
            reply.body[10] ^= 1;
        }
        reply
    });
    let name = format!("docker://{}/a/b:1", registry.host());
    let ran = imgconv(&["verify", "--documents", &name]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out_text(), ran.err);
    assert!(ran.out_text().contains("digest-mismatch"), "{}", ran.out_text());
}

#[test]
fn a_layout_can_be_looked_at_in_the_same_way() {
    let place = Place::new();
    let path = place.path("layout");
    layout().write(Path::new(&path));
    let file = format!("{path}/blobs/{}", blob().replace(':', "/"));
    let run = || imgconv(&["verify", "--documents", &path]);
    assert!(run().ok().out_text().contains("not read"));
    let good = std::fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[30] ^= 1;
    std::fs::write(&file, bad).unwrap();
    run().ok();
    assert_eq!(imgconv(&["verify", &path]).code, Some(1));
    std::fs::write(&file, &good[1..]).unwrap();
    let ran = run();
    assert_eq!(ran.code, Some(1));
    assert!(ran.out_text().contains("size-mismatch"), "{}", ran.out_text());
    std::fs::remove_file(&file).unwrap();
    let ran = run();
    assert_eq!(ran.code, Some(1));
    assert!(ran.out_text().contains("blob-missing"), "{}", ran.out_text());
    imgconv(&["verify", "--documents", "--rebuild", &path]).refused(2, &["cannot be used with"]);
    imgconv(&["convert", "--documents", &path, &place.path("out"), "--to", "oci"])
        .refused(2, &["unexpected argument"]);
}
