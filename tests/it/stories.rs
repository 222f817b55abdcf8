//! The pages in `docs/` that `explain` tells are current: of a whole archive with three images, and
//! of the config of nginx 1.17.1 in testdata. `.ci/bless` writes them anew.

use std::path::Path;
use std::process::Command;

use crate::build::check::{list, text};
use crate::build::run::Place;
use crate::build::shop;
use crate::explain::explained;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_story_of_nginx_is_what_explain_tells() {
    let config = "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc.json";
    let config = format!("testdata/article/{config}");
    for (format, name) in [("markdown", "nginx-1.17.1.md"), ("html", "nginx-1.17.1.html")] {
        told(Path::new(ROOT), &["--tag", "nginx:1.17.1", &config], format, name);
    }
}

#[test]
fn the_story_of_a_whole_image_is_what_explain_tells_and_lacks_nothing() {
    let place = Place::new();
    let source = place.put("shop.tar", &shop::archive());
    let folder = Path::new(&source).parent().unwrap();
    let facts = explained(&["--image", shop::NAME, &source]);
    for fact in list(&facts["digests"]["digests"]) {
        assert!(["checked", "computed"].contains(&text(&fact["status"])), "{fact}");
    }
    assert!(list(&facts["documents"]["documents"]).iter().all(|it| it["text"].is_string()));
    let conversions = list(&facts["conversions"]["conversions"]);
    assert!(conversions.iter().all(|it| it["refused"].is_null()));
    assert!(list(&facts["ids"]["sights"]).iter().all(|it| it["value"].is_string()));
    assert_eq!(list(&facts["findings"]).len(), 0, "{}", facts["findings"]);
    for (format, name) in [("markdown", "explained.md"), ("html", "explained.html")] {
        let page = told(folder, &["--image", shop::NAME, "shop.tar"], format, name);
        let page = page.to_lowercase();
        for absent in [
            "not here",
            "it is missing",
            "are missing,",
            "config is missing",
            "not in this source",
            "not available",
            "not known",
            "unknown)",
            "cannot be told",
        ] {
            let at = page.find(absent).map(|at| page[at.saturating_sub(80)..].chars().take(160));
            assert_eq!(at.map(String::from_iter), None, "{name}: {absent}");
        }
    }
}

/// Runs `explain` and holds what it prints against a page in `docs`.
#[track_caller]
fn told(folder: &Path, arguments: &[&str], format: &str, name: &str) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_imgconv"))
        .args(["explain", "-v", "--format", format])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let path = Path::new(ROOT).join("docs").join(name);
    if std::env::var_os("IMGCONV_BLESS").is_some() {
        std::fs::write(&path, &done.stdout).unwrap();
    }
    let kept = std::fs::read(&path).unwrap_or_default();
    assert!(kept == done.stdout, "{} is not current, run .ci/bless", path.display());
    String::from_utf8(done.stdout).unwrap()
}
