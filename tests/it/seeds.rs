//! Seeds for the targets in `fuzz/`, made by the builders.
//!
//! `IMGCONV_SEEDS=fuzz/corpus cargo test --test it seeds` writes them; without it they are made in
//! a temporary folder and only looked at.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::attack::shared;
use crate::build::classic::{Repeat, archive};
use crate::build::codec::{Codec, gzip};
use crate::build::hybrid::{Defect, docker25};
use crate::build::image::{Image, digest, layer};
use crate::build::layout::{Layout, MediaFamily, attestation};
use crate::build::tar::{GNU, Header, Tar};
use crate::build::{others, v1};

/// Seeds by target.
type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

fn images() -> [Image; 2] {
    let one = Image::new(&["base", "top"]).named(&["demo/app:1"]);
    let two = Image::new(&["base", "other"]).named(&["demo/other:2"]);
    [one.stored(&[Codec::Gzip, Codec::Plain]), two.stored(&[Codec::Zstd, Codec::Xz])]
}

fn archives() -> Vec<Vec<u8>> {
    let images = images();
    let plain = images.clone().map(|it| it.stored(&[Codec::Plain]));
    let base = v1::docker19("base", None, layer("base"), "one");
    let top = v1::docker19("top", Some("base"), layer("top"), "two");
    let old = v1::archive(&[base, top], Some(&json!({"demo/old": {"1": v1::id("top")}})));
    let mut layout = Layout::of(&images);
    let manifest = layout.image(&images[0], MediaFamily::Docker);
    let statement = attestation(&mut layout, &manifest);
    let index = layout.nest(MediaFamily::Docker, &[manifest, statement]);
    layout.named(&index, "many", None);
    let mut all = vec![
        others::ggcr(&images),
        others::crane_legacy(&images),
        others::podman(&plain),
        others::rules_docker(&images[0]),
        others::jib(&images[0]),
        docker25(&plain, Defect::None),
        docker25(&plain, Defect::EmptyLayers),
        layout.tar(""),
        layout.tar("./"),
        old,
        gzip(&others::ggcr(&images)),
    ];
    for repeat in [Repeat::Symlink, Repeat::Chain, Repeat::Hardlink, Repeat::Copy] {
        all.push(archive(&images, repeat));
    }
    all
}

/// Tars with every kind of header.
fn tars() -> Vec<Vec<u8>> {
    let long = "long/".repeat(30);
    let mut headers = Tar::new();
    headers.pax(b'g', &[("comment", "all")]).pax(b'x', &[("path", "a/b"), ("size", "3")]);
    headers.file("short", b"abc").symlink("link", "a/b").hardlink("hard", "a/b").dir("a/");
    headers.file(&long, b"x").symlink("far", &long);
    let old = Header { name: b"gnu", magic: GNU, prefix: b"", ..Header::default() };
    let prefixed = Header { name: b"name", prefix: b"in/a/folder", ..Header::default() };
    headers.member(&old, b"data").member(&prefixed, b"data");
    vec![headers.end(), headers.end_padded(), headers.unended()]
}

fn documents() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for bytes in archives() {
        for member in tar::Archive::new(bytes.as_slice()).entries().unwrap().flatten() {
            let mut data = Vec::new();
            let mut member = member;
            let read = std::io::Read::read_to_end(&mut member, &mut data);
            if read.is_ok() && matches!(data.first(), Some(b'{' | b'[')) {
                all.push(data);
            }
        }
    }
    let v1 = json!({"id": v1::id("a"), "created": "2015-01-01T00:00:00Z"}).to_string();
    let schema1 = json!({
        "schemaVersion": 1, "name": "demo/old", "tag": "1", "architecture": "amd64",
        "fsLayers": [{"blobSum": digest(b"layer")}], "history": [{"v1Compatibility": v1}],
    });
    all.push(serde_json::to_vec_pretty(&schema1).unwrap());
    all.push(signed(schema1));
    all.sort();
    all.dedup();
    all
}

/// The envelope of a signature that does not hold, over the right bytes.
fn signed(mut document: Value) -> Vec<u8> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = serde_json::to_string_pretty(&document).unwrap();
    let length = payload.len() - 2;
    let header = json!({"formatLength": length, "formatTail": URL_SAFE_NO_PAD.encode("\n}")});
    let point = URL_SAFE_NO_PAD.encode([7; 32]);
    let key = json!({"crv": "P-256", "kid": "K", "kty": "EC", "x": point, "y": point});
    document["signatures"] = json!([{
        "header": {"jwk": key, "alg": "ES256"}, "signature": URL_SAFE_NO_PAD.encode([9; 64]),
        "protected": URL_SAFE_NO_PAD.encode(header.to_string()),
    }]);
    let list = document["signatures"].to_string();
    format!("{},\n   \"signatures\": {list}\n}}", &payload[..length]).into_bytes()
}

fn names() -> Vec<Vec<u8>> {
    let digest = digest(b"layer");
    [
        "nginx",
        "library/nginx:1",
        "reg.test:5000/a/b_c-d__e:v1.2-x",
        "[::1]:5000/a:b",
        "localhost/a",
        "Reg/a@",
        &digest,
        &digest[7..],
        "linux/arm64/v8",
        "windows/amd64",
        "./a/../b//c/",
        "/manifest.json",
        "</v2/a/b/tags/list?last=x&n=9>; rel=\"next\"",
        "Bearer realm=\"https://auth.example/token\",service=\"s\",scope=\"repository:a:pull\"",
        "../../blobs/uploads/1?_state=a%20b#c",
        "//other.example:8443/x",
        r#"{"auths":{"a.test:5000/b":{"auth":"dXNlcjpzZWNyZXQ="}},"credHelpers":{"a.test":"x"}}"#,
    ]
    .map(|it| it.as_bytes().to_vec())
    .to_vec()
}

/// Bytes without a meaning, which become models.
fn noise() -> Vec<Vec<u8>> {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24).to_le_bytes()[0]
    };
    (0..40).map(|at| (0..32 + 16 * at).map(|_| byte()).collect()).collect()
}

/// A gzip member that says how long it is, in the extra field of subfield `IC`.
fn sized(plain: &[u8]) -> Vec<u8> {
    let mut body = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    body.write_all(plain).unwrap();
    let body = body.finish().unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(plain);
    let size = u32::try_from(20 + body.len() + 8).unwrap();
    let head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x08\0IC\x04\0";
    let sums = [crc.sum(), crc.amount()].map(u32::to_le_bytes).concat();
    [&head[..], &size.to_le_bytes(), &body, &sums].concat()
}

fn seeds() -> Seeds {
    let packed = |codec: &Codec| [&b""[..], b"abc", &layer("seed")].map(|it| codec.pack(it));
    let mut decoders: Vec<Vec<u8>> = Codec::ALL.iter().flat_map(packed).collect();
    let mut lying = sized(b"abc");
    lying[16] += 1;
    decoders.push([sized(b"abc"), sized(&layer("seed"))].concat());
    decoders.push([sized(b"abc"), gzip(b"def"), sized(b"ghi")].concat());
    decoders.push([lying, sized(b"abc")].concat());
    BTreeMap::from([
        ("any_source", [archives(), documents()].concat()),
        ("decoders", decoders),
        ("documents", documents()),
        ("json", documents()),
        ("layout", noise()),
        ("names", names()),
        ("save_archive", noise()),
        ("tar_index", [archives(), tars()].concat()),
    ])
}

/// The hostile cases that are small, where they are there.
fn cases(folder: &Path) -> Vec<Vec<u8>> {
    let Some(attack) = shared("attack") else { return Vec::new() };
    let made = Command::new("python3").arg("-B").arg(attack.join("gen.py")).arg(folder).output();
    if !made.is_ok_and(|it| it.status.success()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.metadata() {
                Ok(there) if there.is_dir() => todo.push(entry.path()),
                Ok(there) if there.is_file() && there.len() < 20_000 => {
                    found.extend(fs::read(entry.path()));
                }
                _ => (),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn seeds_are_there_for_every_fuzz_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir().unwrap();
    let wanted = std::env::var_os("IMGCONV_SEEDS");
    let folder = wanted.as_ref().map_or_else(|| temporary.path().join("corpus"), PathBuf::from);
    let mut seeds = seeds();
    if wanted.is_some() {
        let cases = cases(&temporary.path().join("cases"));
        seeds.get_mut("any_source").unwrap().extend(cases.iter().cloned());
        seeds.get_mut("tar_index").unwrap().extend(cases);
    }
    let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    let targets: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    assert_eq!(
        seeds.keys().copied().collect::<std::collections::BTreeSet<_>>(),
        targets.iter().copied().collect()
    );
    for (target, seeds) in seeds {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).unwrap();
        assert!(seeds.len() > 9, "{target} has {} seeds", seeds.len());
        for seed in seeds {
            fs::write(folder.join(&digest(&seed)[7..27]), seed).unwrap();
        }
    }
}
