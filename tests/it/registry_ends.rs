//! A copy from a registry to another: credentials for each end.

use serde_json::json;

use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, imgconv};
use crate::build::scripted::Scripted;
use crate::registry_hostile::{Guard, PASSWORD, base64, guarded};

/// A file with credentials for one registry.
fn file(place: &Place, name: &str, registry: &Scripted, password: &str) -> String {
    let auth = base64(&format!("me:{password}"));
    let auths = json!({"auths": {registry.host(): {"auth": auth}}}).to_string();
    place.put(name, auths.as_bytes())
}

#[test]
fn each_end_has_its_own_credentials() {
    let [source, destination] = [(), ()].map(|()| guarded(Guard::Basic, |_, reply| reply));
    let place = Place::new();
    let good = |name: &str, registry| file(&place, name, registry, PASSWORD);
    let (from, to) = (good("from.json", &source), good("to.json", &destination));
    // Right for nobody: whoever uses it is refused.
    let wrong = file(&place, "wrong.json", &destination, "wrong");
    let names = [(&source, "a/b:1"), (&destination, "x/y:2")];
    let [a, b] = names.map(|(registry, name)| format!("docker://{}/{name}", registry.host()));
    let copy = |more: &[&str]| imgconv(&[&["convert", &a, &b], more].concat());
    for (more, refused) in [
        (vec!["--src-authfile", &*from, "--dest-authfile", &to], None),
        (vec!["--authfile", &from, "--dest-authfile", &to], None),
        (vec!["--authfile", &to, "--src-authfile", &from], None),
        (vec!["--authfile", &from], Some("not allowed to push")),
        (vec!["--authfile", &to], Some("not allowed to pull")),
        (vec!["--authfile", &from, "--dest-authfile", &wrong], Some("401 with your credentials")),
        (vec!["--authfile", &to, "--src-authfile", &wrong], Some("401 without credentials")),
    ] {
        match refused {
            None => drop(copy(&more).ok()),
            Some(words) => drop(copy(&more).refused(2, &[words])),
        }
    }
}

#[test]
fn an_end_that_is_a_file_has_no_credentials() {
    let registry = guarded(Guard::Basic, |_, reply| reply);
    let place = Place::new();
    let login = file(&place, "auth.json", &registry, PASSWORD);
    let name = format!("{}/a/b:1", registry.host());
    let out = place.path("layout");
    let image = Image::new(&["one"]).named(&["a:1"]);
    let tar = place.put("one.tar", &archive(&[image], Repeat::Symlink));
    imgconv(&["pull", "--dest-authfile", &login, &name, &out])
        .refused(2, &["--dest-authfile: expected a destination in a registry"]);
    imgconv(&["push", "--src-authfile", &login, &tar, &name])
        .refused(2, &["--src-authfile: expected a source in a registry"]);
    imgconv(&["pull", "--src-authfile", &place.path("none"), &name, &out])
        .refused(2, &["--src-authfile", "does not exist"]);
    imgconv(&["pull", "--src-authfile", &login, "--creds-stdin", "me", &name, &out])
        .refused(2, &["cannot be used with"]);
    assert!(registry.lines().is_empty());
    imgconv(&["pull", "--src-authfile", &login, &name, &out]).ok();
    imgconv(&["push", "--dest-authfile", &login, &tar, &name]).ok();
}
