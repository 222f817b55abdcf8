//! `explain docker://NAME`: the chapters about pull and push end with what imgconv asked itself.

use serde_json::Value;

use crate::build::check;
use crate::build::codec::Codec;
use crate::build::image::{Image, digest};
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv};
use crate::build::scripted::{Content, Scripted, honest};
use crate::registry_hostile::{Guard, but, guarded, log_in};

fn several() -> (Scripted, Image) {
    let mut layout = Layout::new();
    let child = |layout: &mut Layout, arch: &str| {
        let image = Image::new(&["shared", arch]).stored(&[Codec::Gzip, Codec::Gzip]).arch(arch);
        let descriptor = layout.image(&image, MediaFamily::Oci);
        (on_platform(descriptor, "linux", arch), image)
    };
    let (amd, image) = child(&mut layout, "amd64");
    let (arm, _) = child(&mut layout, "arm64");
    let index = layout.nest(MediaFamily::Oci, &[amd, arm]);
    layout.entry(index);
    (honest(Content::of_layout(&layout, "a/b", "1")).0, image)
}

/// The rows of a chapter: method and what, without the host.
fn rows(page: &Value, chapter: &str) -> Vec<String> {
    let all = page[chapter]["asked"].as_array().unwrap().iter();
    all.map(|it| {
        let text = |key: &str| it[key].as_str().unwrap().to_owned();
        format!("{} {} {}", text("method"), text("of"), it["status"])
    })
    .collect()
}

#[test]
fn the_chapters_show_the_requests_that_were_sent_in_one_order() {
    let (registry, image) = several();
    let name = format!("docker://{}/a/b:1", registry.host());
    let args = ["explain", "-p", "linux/amd64", "--format", "json", &name];
    let first = imgconv(&args).ok();
    let page = check::json(&first.out);
    crate::schemas::follows(&page, "explanation", "explain docker://");
    assert_eq!(
        rows(&page, "pull"),
        [
            "GET the tag 200",
            "GET the manifest 200",
            "GET another manifest 200",
            "GET the config 200",
            "GET another config 200"
        ]
    );
    assert_eq!(rows(&page, "push"), ["HEAD layer 1 200", "HEAD layer 2 200"]);
    // All that was sent, and nothing else.
    let mut sent: Vec<String> = Vec::new();
    for chapter in ["pull", "push"] {
        for it in page[chapter]["asked"].as_array().unwrap() {
            let path = it["url"].as_str().unwrap().split_once("/v2/").unwrap().1;
            sent.push(format!("{} /v2/{path}", it["method"].as_str().unwrap()));
        }
    }
    let mut asked = registry.lines();
    sent.sort();
    asked.sort();
    assert_eq!(sent, asked);
    for _ in 0..5 {
        assert_eq!(imgconv(&args).ok().out, first.out);
    }
    let text = imgconv(&["explain", "-v", "--topic", "push", "-p", "linux/amd64", &name]).ok();
    let line = format!("HEAD http://{}/v2/a/b/blobs/{}", registry.host(), digest(&image.stored[0]));
    assert!(text.out_text().contains(&line), "{}", text.out_text());
    // A page about pulls looks for no layer.
    registry.forget();
    imgconv(&["explain", "--topic", "pull", &name]).ok();
    assert!(!registry.lines().iter().any(|it| it.starts_with("HEAD")));
    // Files have no such rows.
    let place = Place::new();
    imgconv(&["pull", &name[9..], &place.path("layout")]).ok();
    let page =
        imgconv(&["explain", "-p", "linux/amd64", "--format", "json", &place.path("layout")]);
    assert!(check::json(&page.ok().out)["pull"].get("asked").is_none());
}

#[test]
fn refusals_and_tokens_are_shown_and_no_secret_is() {
    let tokens = Scripted::new(|_| {
        crate::build::scripted::Reply::new(200, r#"{"token":"t0ken","expires_in":300}"#)
    });
    let realm = format!("http://localhost:{}/token", tokens.port);
    let registry = guarded(Guard::Bearer(realm), |_, reply| reply);
    let name = format!("docker://{}/a/b:1", registry.host());
    let auth = Place::new();
    let login = crate::registry_hostile::base64("me:marked-p4ssword");
    let auths = serde_json::json!({"auths": {registry.host(): {"auth": login}}}).to_string();
    let file = auth.put("auth.json", auths.as_bytes());
    let ran = imgconv(&["explain", "--format", "json", "--authfile", &file, &name]).ok();
    let page = check::json(&ran.out);
    assert_eq!(
        rows(&page, "pull"),
        ["GET the tag 401", "GET another server 200", "GET the tag 200", "GET the config 200"]
    );
    for secret in ["marked", "t0ken", "scope", &login] {
        assert!(!ran.out_text().contains(secret) && !ran.err.contains(secret), "{secret}");
    }
    // What a redirect leads to is shown without its signature.
    let place = Place::new();
    log_in(&registry, &place, &["pull"]).ok();
    let registry = but(|asked, reply| match asked.path.contains("/blobs/") {
        true if !asked.path.contains("/stored/") => {
            let to = format!("/v2/stored{}?signature=marked", &asked.path[3..]);
            crate::build::scripted::Reply::new(307, "").with("Location", to)
        }
        _ => reply,
    });
    let name = format!("docker://{}/a/b:1", registry.host());
    let ran = imgconv(&["explain", "--format", "json", &name]).ok();
    assert!(!ran.out_text().contains("marked"));
    assert!(rows(&check::json(&ran.out), "pull").contains(&"GET the config 307".to_owned()));
}
