//! The library's border, from outside: what a program that links it reaches for first.

use std::io::Read as _;
use std::path::Path;

use imgconv::bytes::files::Input;
use imgconv::codec::Compression;
use imgconv::compare::Level;
use imgconv::convert::{self, Destination, Dialect, Format, LayerCompression, Target};
use imgconv::digest::Digest;
use imgconv::document::{Config, Document, Index, Manifest};
use imgconv::error::Error;
use imgconv::error::Severity;
use imgconv::image::Name;
use imgconv::progress::Quiet;
use imgconv::source::{self, Source};
use imgconv::verify::{Verification, verify};

use crate::build::inside;

fn open(path: &Path) -> Source {
    source::open(Input::from(path), &inside::options(), &Quiet).unwrap()
}

fn archive(name: &str) -> Source {
    open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/archives").join(name))
}

/// The archive as a layout in a folder.
fn layout(folder: &Path, compression: LayerCompression) -> Source {
    let path = folder.join("layout");
    let mut target = Target::new(Destination::Path(path.clone()), Format::Layout);
    target.compression = compression;
    convert::run(&convert::plan(archive("docker-20.10-one.tar"), target).unwrap(), &Quiet).unwrap();
    open(&path)
}

#[test]
fn images_of_a_source_come_with_names_platforms_and_ids() {
    let source = archive("docker-20.10-several.tar");
    let images = source.images();
    let names: Vec<String> =
        images.iter().flat_map(|it| &it.names).map(ToString::to_string).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for it in &images {
        assert_eq!(it.id, it.image.id());
        assert_eq!(it.platform.to_string(), "linux/amd64");
        assert_eq!(it.manifest, None, "a docker archive has none");
        assert!(!it.image.layers.is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    let source = layout(folder.path(), LayerCompression::Auto);
    assert!(source.images()[0].manifest.is_some());
}

#[test]
fn the_bytes_of_a_layer_are_read_stored_and_uncompressed() {
    for compression in [LayerCompression::None, LayerCompression::Gzip, LayerCompression::Zstd] {
        let folder = tempfile::tempdir().unwrap();
        let source = layout(folder.path(), compression);
        for layer in &source.images()[0].image.layers {
            let (mut stored, mut tar) = (Vec::new(), Vec::new());
            layer.open().unwrap().read_to_end(&mut stored).unwrap();
            assert_eq!(Digest::of(&stored), layer.claim.as_ref().unwrap().digest);
            layer.uncompressed().unwrap().read_to_end(&mut tar).unwrap();
            assert_eq!(Digest::of(&tar), layer.diff_id.digest());
            assert_eq!(stored == tar, compression == LayerCompression::None);
            assert_eq!(Some(stored.len() as u64), layer.stored_size());
        }
    }
}

/// Of a layer that is damaged after the source was opened, the last read fails.
#[test]
fn the_end_of_a_damaged_layer_is_an_error_each_time() {
    for compression in [LayerCompression::None, LayerCompression::Gzip, LayerCompression::Zstd] {
        let folder = tempfile::tempdir().unwrap();
        let source = layout(folder.path(), compression);
        let image = source.images()[0].image.clone();
        let layer = &image.layers[0];
        let claim = layer.claim.as_ref().unwrap();
        let path = format!("layout/blobs/{}", claim.digest.to_string().replace(':', "/"));
        let path = folder.path().join(path);
        let mut bytes = std::fs::read(&path).unwrap();
        // In the header of gzip and in the name of the first file of a tar: it stays readable.
        let at = if compression == LayerCompression::Gzip { 9 } else { bytes.len() - 1 };
        bytes[at] ^= 1;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();

        let mut reader = layer.open().unwrap();
        for _ in 0..2 {
            let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
            let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>()).unwrap();
            assert_eq!(inner.code(), "digest-mismatch", "{compression:?}: {inner}");
        }
        let error = layer.uncompressed().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.get_ref().is_some_and(|it| it.is::<Error>()), "{compression:?}: {error}");
    }
}

#[test]
fn documents_are_made_of_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let source = layout(folder.path(), LayerCompression::Auto);
    let image = source.images()[0].image.clone();
    let config = Document::<Config>::parse(image.config.raw()).unwrap();
    assert_eq!(config.view().platform.to_string(), "linux/amd64");
    let manifest = Document::<Manifest>::parse(image.manifest.unwrap().raw()).unwrap();
    assert_eq!(manifest.view().layers.len(), image.layers.len());
    assert!(Document::<Index>::parse(&b"{\"manifests\":[]} x"[..]).is_err());
}

#[test]
fn words_come_back_from_their_texts() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.to_string().parse::<Dialect>().unwrap(), dialect);
    }
    for format in Format::ALL {
        assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
    }
    for way in LayerCompression::ALL {
        assert_eq!(way.to_string().parse::<LayerCompression>().unwrap(), way);
    }
    for level in Level::ASKED {
        assert_eq!(level.to_string().parse::<Level>().unwrap(), level);
    }
    let error = "lz4".parse::<LayerCompression>().unwrap_err();
    assert_eq!(error.to_string(), "expected one of auto, gzip, zstd, none");
    assert_eq!(Severity::Note.to_string(), "note");
    assert_eq!(Name::of_ref_name("1.0").to_string(), "1.0");
    assert_eq!(Name::of("nginx".parse().unwrap()).to_string(), "nginx:latest");
    assert_eq!(source::Kind::OciArchive.to_string(), "OCI archive");
    assert_eq!(Compression::Gzip.to_string(), "gzip");
}

/// What a service keeps, logs and sends on.
#[test]
fn answers_are_cloned_shown_and_serialized() {
    fn kept(
        it: &(impl Clone + std::fmt::Debug + Send + Sync + 'static + serde::Serialize),
    ) -> String {
        serde_json::to_string(&it.clone()).unwrap()
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let target = Target::new(Destination::Path(path.clone()), Format::Layout);
    let plan = convert::plan(archive("docker-20.10-one.tar"), target).unwrap();
    assert!(format!("{plan:?}").contains("Plan"));
    let outcome = convert::run(&plan, &Quiet).unwrap();
    let text = kept(&outcome);
    for part in
        ["\"written\":[{\"names\":[\"imgconv.test/app:1.0\"]", "\"manifestDigest\":\"sha256:"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    std::fs::write(path.join("odd"), "").unwrap();
    let found: Verification = verify(Input::from(&*path), &inside::options(), 1, &Quiet).unwrap();
    assert!(kept(&found).starts_with("{\"source\":"), "{}", kept(&found));
    for finding in &found.findings {
        assert_eq!(finding.to_string(), format!("{}: {}", finding.at, finding.text));
    }
    let source = open(&path);
    let claim = source.images()[0].image.layers[0].claim.clone().unwrap();
    let json: serde_json::Value = serde_json::from_str(&kept(&claim)).unwrap();
    assert_eq!(
        (json["digest"].as_str(), json["size"].as_u64()),
        (Some(&*claim.digest.to_string()), Some(claim.size))
    );
    assert_eq!(source.at.member("a").place(), path.to_str().unwrap());
}
