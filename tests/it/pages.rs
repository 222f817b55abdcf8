//! HTML pages of `explain`, opened in a headless Chromium: at three widths, light and dark, with
//! scripts and without, with axe for what assistive technology meets. `tests/browser` has the
//! driver.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::build::classic::{self, Repeat};
use crate::build::image::Image;
use crate::build::run::{Place, imgconv};
use crate::build::shop;
use crate::judges;

/// Runs the driver over pages; nothing where node, the browser or the driver's packages are
/// missing, which was said then.
fn opened(pages: &[String]) -> Option<Output> {
    let node = judges::find("node")?;
    judges::find("chromium")?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    judges::find_path(&folder.join("node_modules/axe-core"), "npm ci --prefix tests/browser")?;
    let mut command = Command::new(node);
    Some(command.arg(folder.join("check.mjs")).args(pages).output().unwrap())
}

fn page(place: &Place, name: &str, args: &[&str]) -> String {
    let done = imgconv(&[&["explain", "--format", "html"], args].concat()).ok();
    place.put(name, &done.out)
}

#[test]
fn pages_are_whole_in_a_browser() {
    let place = Place::new();
    let testdata = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    let config = "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc.json";
    let config = format!("{testdata}/article/{config}");
    let docker = format!("{testdata}/archives/docker-20.10-one.tar");
    let many: Vec<String> = (0..20).map(|at| format!("layer {at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let many = Image::new(&many).named(&["many.example.com:5000/with/a/long/path/to/it:1.0"]);
    let many = place.put("many.tar", &classic::archive(&[many], Repeat::Symlink));
    let shop = place.put("shop.tar", &shop::archive());
    let pages = [
        page(&place, "shop.html", &["--image", shop::NAME, &shop]),
        page(&place, "several.html", &["--image", "@0", &several(&place)]),
        page(&place, "article.html", &["--tag", "nginx:1.17.1", &config]),
        page(&place, "docker.html", &[&docker]),
        page(&place, "many.html", &[&many]),
        page(&place, "pull.html", &["--topic", "pull", &docker]),
        page(&place, "hostile.html", &[&hostile(&place)]),
    ];
    let Some(done) = opened(&pages) else { return };
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

/// More images and layers than are drawn, some of no bytes to speak of.
fn several(place: &Place) -> String {
    let texts: Vec<String> = (0..70).map(|at| format!("layer {at}")).collect();
    let images = (0..40).map(|at| {
        let own: Vec<&str> = texts.iter().skip(at % 5).take(1 + at).map(String::as_str).collect();
        let name = format!("many.example.com:5000/with/a/long/path/to/image-{at}:1.0");
        Image::new(&own).named(&[&name])
    });
    place.put("several.tar", &classic::archive(&images.collect::<Vec<_>>(), Repeat::Symlink))
}

/// What a stranger may put into names, instructions and paths.
fn hostile(place: &Place) -> String {
    let long = "W".repeat(4096);
    let image = Image::new(&["a"]).with(&json!({
        "config": {
            "Env": ["A=</script><script>document.title = 'x'; fetch('http://127.0.0.1:9')</script>"],
            "Labels": { "a": long, "<img src=x onerror=alert(1)>": "\u{202e}\u{1b}[31m" },
        },
        "history": [
            { "created": "<b>", "created_by": format!("<script src=http://127.0.0.1:9/x.js></script>{long}") },
            { "created_by": "</code></p></li><iframe src=http://127.0.0.1:9>", "empty_layer": true },
        ],
    }));
    let name =
        "</title><script>fetch('http:'+String.fromCharCode(47,47)+'127.0.0.1:9')</script>.tar";
    // A slash is no part of a file's name.
    let name = name.replace("</", "<\\");
    place.put(&name, &classic::archive(&[image], Repeat::Symlink))
}

/// The driver would see what the test above says is not there.
#[test]
fn the_browser_check_finds_what_is_wrong() {
    let place = Place::new();
    let bad = "<!doctype html><html lang=en><title>t</title><body>\
        <p style='width:3000px'>wide</p><img src='http://127.0.0.1:9/x.png'>\
        <p style='position:absolute;top:300px'>one over the other</p>\
        <p style='position:absolute;top:303px'>one over the other</p>\
        <svg viewBox='0 0 10 10' width=100><text x=9 y=5 font-size=5>outside</text></svg>\
        <pre aria-label='panel'>{\"a\": …}</pre><pre aria-label='part'>[\"ab…\"]</pre>\
        <main><section id='narrow'><p>a</p><p>b</p><p>c</p><p>d</p></section></main>\
        <style>section {width: 800px}</style>\
        <script>console.error('said')</script>";
    let Some(done) = opened(&[place.put("bad.html", bad.as_bytes())]) else { return };
    let said = String::from_utf8_lossy(&done.stdout);
    for what in [
        "scrolls sideways",
        "request: http://127.0.0.1:9/x.png",
        "overlaps:",
        "leaves its drawing",
        "copies as no JSON: \"panel\"",
        "copies in part: \"part\"",
        "leaves the width unused: narrow",
        "is wider than paper: 3",
        "console: said",
        "image-alt",
        "at 360, light",
        "at 1440, dark",
    ] {
        assert!(said.contains(what), "{what} is not in:\n{said}");
    }
    assert_eq!(done.status.code(), Some(1));
}
