//! Every byte of small registry documents, changed: refused, or another document by its digest, or,
//! where the digest leaves signatures out, by a signature that does not hold.

use std::collections::BTreeMap;
use std::process::Command;

use imgconv::manifest::{self, Kind};
use serde_json::{Value, json};

use crate::build::codec::Codec;
use crate::build::image::{Image, digest};
use crate::build::layout::{Family, Layout};
use crate::build::run::{Place, imgconv};
use crate::build::v1;

/// The manifest of an image, and an index over it.
fn documents(family: Family) -> [Vec<u8>; 2] {
    let mut layout = Layout::new();
    let image = Image::new(&["base", "top"]).stored(&[Codec::Gzip]);
    let manifest = layout.image(&image, family);
    let index = layout.nest(family, std::slice::from_ref(&manifest));
    [manifest, index].map(|entry| {
        let path = format!("blobs/{}", entry["digest"].as_str().unwrap().replace(':', "/"));
        layout.files()[path.as_str()].clone()
    })
}

fn schema1() -> Vec<u8> {
    let step = |id: &str, parent: Option<&str>| {
        let mut v1 = json!({"id": v1::id(id), "created": "2015-01-01T00:00:00Z"});
        if let Some(parent) = parent {
            v1["parent"] = json!(v1::id(parent));
        }
        json!({"v1Compatibility": v1.to_string()})
    };
    let document = json!({
        "schemaVersion": 1, "name": "demo/old", "tag": "1", "architecture": "amd64",
        "fsLayers": [{"blobSum": digest(b"top")}, {"blobSum": digest(b"base")}],
        "history": [step("top", Some("base")), step("base", None)],
    });
    serde_json::to_vec_pretty(&document).unwrap()
}

#[test]
fn of_manifests_and_indexes_and_unsigned_schema_1() {
    let [oci, oci_index] = documents(Family::Oci);
    let [docker, list] = documents(Family::Docker);
    let image = Image::new(&["base"]);
    for good in [oci, oci_index, docker, list, schema1(), image.config] {
        let pinned = manifest::digest(&good).unwrap();
        assert_eq!(pinned.to_string(), digest(&good), "sha256 of the bytes");
        let (mut refused, mut other) = (0, 0);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                match manifest::parse(&bad) {
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        refused += 1;
                    }
                    Ok(parsed) => {
                        assert_eq!(parsed.measured().digest().to_string(), digest(&bad));
                        assert_ne!(parsed.measured().digest(), pinned, "bit {bit} of byte {at}");
                        other += 1;
                    }
                }
            }
        }
        assert!(refused > good.len() && other > 0, "{refused} refused, {other} other documents");
    }
}

/// A P-256 key as PEM; another one every time, as none is stored here.
fn key(place: &Place) -> String {
    let path = place.path("key.pem");
    let made = Command::new("openssl")
        .args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &path])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path
}

/// What a signature is made of; the name of the key, its kind and white space are not.
fn checked(raw: &[u8]) -> Option<Vec<Value>> {
    let value: Value = serde_json::from_slice(raw).ok()?;
    let get = |value: &Value, name: &str| {
        let mut members = value.as_object()?.iter();
        members.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|it| it.1.clone())
    };
    let one = get(&value, "signatures")?.get(0)?.clone();
    let header = get(&one, "header")?;
    let key = get(&header, "jwk")?;
    let found = [
        get(&one, "signature"),
        get(&one, "protected"),
        get(&header, "alg"),
        get(&key, "crv"),
        get(&key, "x"),
        get(&key, "y"),
    ];
    found.into_iter().collect()
}

#[test]
fn of_a_signed_schema_1_manifest() {
    let place = Place::new();
    let Some(_) = crate::judges::find("openssl") else { return };
    let key = key(&place);
    let mut layout = Layout::new();
    let image = Image::new(&["base", "top"]).stored(&[Codec::Gzip]);
    let entry = layout.image(&image, Family::Docker);
    layout.named(&entry, "demo/app:1", Some("docker.io/demo/app:1"));
    let source = place.path("layout");
    layout.write(source.as_ref());
    let signed = place.path("signed.json");
    let args = ["manifest", "convert", "--to", "schema1", "--sign-key", &key, &source];
    let made = imgconv(&args).ok();
    std::fs::write(&signed, &made.out).unwrap();
    let good = std::fs::read(&signed).unwrap();
    assert_eq!(manifest::parse(&good).unwrap().kind, Kind::Schema1);
    let pinned = manifest::digest(&good).unwrap();
    let said = checked(&good).unwrap();
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let what = match manifest::parse(&bad) {
            Err(_) => "refused",
            Ok(parsed) if parsed.measured().digest() != pinned => "another document",
            Ok(parsed) => {
                let facts = manifest::show(&parsed);
                let holds = facts.signatures.iter().all(|it| it.validity == "holds");
                match holds && !facts.signatures.is_empty() {
                    false => "a signature that does not hold",
                    true if checked(&bad).as_ref() == Some(&said) => "what no check is of",
                    true => "?",
                }
            }
        };
        *tally.entry(what).or_default() += 1;
        assert_ne!(what, "?", "byte {at} of {}", good.len());
    }
    println!("signed schema 1: {tally:?}");
    assert!(tally["a signature that does not hold"] > 80, "{tally:?}");
}
