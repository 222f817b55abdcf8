//! `explain` of documents alone and of what is not whole, the catalogue, and what it refuses.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::build::check::{self, list, text};
use crate::build::classic::{Repeat, archive};
use crate::build::codec::{Codec, gzip};
use crate::build::image::{Image, digest, hex};
use crate::build::known::chain_ids;
use crate::build::layout::{Layout, MediaFamily, on_platform};
use crate::build::run::{Place, imgconv, imgconv_in, refused};
use crate::explain::{ARTICLE, ROOT, explained};

/// The value of a row and where it comes from.
fn said<'a>(told: &'a Value, name: &str, layer: Option<usize>) -> (&'a Value, &'a str) {
    let rows = list(&told["digests"]["digests"]).iter();
    let mut rows = rows.filter(|it| it["name"] == name && it["layer"] == json!(layer));
    let row = rows.next().unwrap();
    (&row["value"], text(&row["status"]))
}

fn image() -> Image {
    Image::new(&["one", "two"]).named(&["demo/app:1"]).stored(&[Codec::Gzip])
}

/// A manifest of a family, and the image it is of.
fn manifest(family: MediaFamily) -> (Image, Vec<u8>) {
    let (image, mut layout) = (image(), Layout::new());
    let descriptor = layout.image(&image, family);
    let path = format!("blobs/{}", text(&descriptor["digest"]).replace(':', "/"));
    let raw = layout.files()[path.as_str()].clone();
    (image, raw)
}

#[test]
fn a_manifest_alone_says_what_it_lists_and_nothing_of_plain_layers() {
    let place = Place::new();
    for (family, at) in [(MediaFamily::Oci, 3), (MediaFamily::Docker, 2)] {
        let (image, raw) = manifest(family);
        let told = explained(&["-t", "demo/app:1", &place.put("manifest.json", &raw)]);
        assert_eq!(told["imageId"], image.id());
        assert_eq!(told["configSize"], Value::Null);
        assert_eq!(said(&told, "image ID", None), (&json!(image.id()), "said"));
        assert_eq!(said(&told, "manifest digest", None), (&json!(digest(&raw)), "computed"));
        for (layer, stored) in image.stored.iter().enumerate() {
            let number = Some(layer + 1);
            assert_eq!(said(&told, "layer digest", number), (&json!(digest(stored)), "said"));
            assert_eq!(told["layers"][layer]["size"], stored.len());
            assert_eq!(told["layers"][layer]["checked"], false);
            for name in ["diff ID", "chain ID", "V1 layer ID"] {
                assert_eq!(said(&told, name, number), (&Value::Null, "unknown"), "{name}");
            }
        }
        assert_eq!(told["documents"]["documents"][at]["digest"], digest(&raw));
        assert_eq!(told["documents"]["documents"][at]["origin"], "source");
        // The other family has the same blobs, in other words.
        let to = if at == 3 { "schema2" } else { "oci" };
        let source = place.path("manifest.json");
        let other = imgconv(&["manifest", "convert", "-q", "--to", to, &source]).ok().out;
        assert_eq!(told["documents"]["documents"][5 - at]["digest"], digest(&other));
        let requests: Vec<&str> = paths(&told["pull"]["sides"][0]);
        let blob = |digest: &str| format!("GET /v2/demo/app/blobs/{digest}");
        let blobs = [image.id(), digest(&image.stored[0]), digest(&image.stored[1])];
        for blob in blobs.iter().map(|digest| blob(digest)) {
            let blob = blob.strip_prefix("GET ").unwrap();
            assert!(requests.contains(&blob), "{blob} is not in {requests:?}");
        }
    }
}

fn paths(side: &Value) -> Vec<&str> {
    let requests = list(&side["steps"]).iter().flat_map(|step| list(&step["requests"]));
    requests.map(|it| text(&it["path"])).collect()
}

/// Schema 1 by hand: newest first, an empty layer in the middle (distribution manifest-v2-1.md).
fn schema1(image: &Image) -> String {
    const EMPTY: &str = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";
    let id = |text: &str| hex(text.as_bytes());
    let v1 = |value: Value| json!({"v1Compatibility": value.to_string()});
    let document = json!({
        "schemaVersion": 1, "name": "demo/app", "tag": "1", "architecture": "amd64",
        "fsLayers": [
            {"blobSum": digest(&image.stored[1])}, {"blobSum": EMPTY},
            {"blobSum": digest(&image.stored[0])}
        ],
        "history": [
            v1(json!({"id": id("c"), "parent": id("b"), "created": "2020-01-02T03:04:05Z", "os": "linux",
                "architecture": "amd64", "container_config": {"Cmd": ["top"]}})),
            v1(json!({"id": id("b"), "parent": id("a"), "created": "2020-01-02T03:04:05Z",
                "throwaway": true, "container_config": {"Cmd": ["env"]}})),
            v1(json!({"id": id("a"), "created": "2020-01-02T03:04:05Z", "container_config": {"Cmd": ["base"]}}))
        ]
    });
    serde_json::to_string_pretty(&document).unwrap()
}

/// The key of RFC 7515, appendix A.3.
pub(crate) const KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

/// What signatures are of: the beginning of the document, and the end that they put away.
fn payload(signed: &[u8]) -> Vec<u8> {
    let decoded = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let document = check::json(signed);
    let protected = check::json(&decoded(text(&document["signatures"][0]["protected"])));
    let length = usize::try_from(protected["formatLength"].as_u64().unwrap()).unwrap();
    [&signed[..length], &decoded(text(&protected["formatTail"]))].concat()
}

#[test]
fn schema_1_alone_is_told_base_first_and_named_by_its_payload() {
    let place = Place::new();
    let image = image();
    let unsigned = place.put("unsigned.json", schema1(&image).as_bytes());
    let told = explained(&[&unsigned]);
    assert_eq!(told["names"], json!(["demo/app:1"]));
    assert_eq!(said(&told, "image ID", None), (&Value::Null, "unknown"));
    let own = digest(&std::fs::read(&unsigned).unwrap());
    assert_eq!(said(&told, "manifest digest", None), (&json!(own), "computed"));
    assert_eq!(told["documents"]["documents"][1]["digest"], own);
    let layers = list(&told["layers"]);
    assert_eq!(layers.len(), 2);
    for (layer, (stored, command)) in layers.iter().zip(image.stored.iter().zip(["base", "top"])) {
        assert_eq!(layer["digest"], digest(stored));
        assert_eq!(layer["createdBy"], command);
    }
    let steps = list(&told["history"]["steps"]);
    let made: Vec<(&Value, &Value)> =
        steps.iter().map(|it| (&it["createdBy"], &it["layer"])).collect();
    assert_eq!(
        made,
        [(&json!("base"), &json!(1)), (&json!("env"), &Value::Null), (&json!("top"), &json!(2))]
    );

    let layout = place.path("layout");
    Layout::of(&[image]).write(std::path::Path::new(&layout));
    let key = place.put("key.json", KEY.as_bytes());
    let signed = place.path("signed.json");
    imgconv(&[
        "manifest",
        "convert",
        "-q",
        &layout,
        &signed,
        "--to",
        "schema1",
        "--name",
        "demo/app:1",
        "--sign-key",
        &key,
    ])
    .ok();
    let bytes = std::fs::read(&signed).unwrap();
    let (own, told) = (digest(&payload(&bytes)), explained(&[&signed]));
    assert_ne!(own, digest(&bytes));
    assert_eq!(said(&told, "manifest digest", None), (&json!(own), "computed"));
    assert_eq!(told["documents"]["documents"][1]["digest"], own);
    assert_eq!(told["documents"]["documents"][1]["size"], payload(&bytes).len());
}

#[test]
fn a_layout_without_its_layers_tells_what_its_documents_say() {
    let place = Place::new();
    let image = image();
    let mut layout = Layout::of(std::slice::from_ref(&image));
    for stored in &image.stored {
        layout.remove_blob(stored);
    }
    let whole =
        explained(&[&place.put("whole.tar", &Layout::of(std::slice::from_ref(&image)).tar(""))]);
    let told = explained(&[&place.put("incomplete.tar", &layout.tar(""))]);
    assert!(list(&told["remarks"]).iter().any(|it| text(it).contains("layers were not read")));
    let chain_ids = chain_ids(&image.diff_ids());
    for (at, diff_id) in image.diff_ids().into_iter().enumerate() {
        let number = Some(at + 1);
        assert_eq!(said(&told, "diff ID", number), (&json!(diff_id), "said"));
        assert_eq!(said(&told, "chain ID", number), (&json!(chain_ids[at]), "computed"));
        assert_eq!(
            said(&told, "layer digest", number),
            (&json!(digest(&image.stored[at])), "said")
        );
        // The config is here, and they follow from it.
        assert_eq!(said(&told, "V1 layer ID", number), said(&whole, "V1 layer ID", number));
        assert_eq!(told["layers"][at]["checked"], false);
        assert_eq!(told["layers"][at]["uncompressedSize"], Value::Null);
    }
    assert_eq!(said(&told, "image ID", None), (&json!(image.id()), "checked"));
    assert!(told["conversions"]["note"].is_string());
    layout.remove_blob(&image.config);
    let told = explained(&[&place.put("manifest-only.tar", &layout.tar(""))]);
    assert_eq!(said(&told, "image ID", None), (&json!(image.id()), "said"));
    assert_eq!(said(&told, "diff ID", Some(1)), (&Value::Null, "unknown"));
}

/// Sizes that no sum can hold.
#[test]
fn absurd_sizes_of_absent_layers_are_told_and_not_added_up() {
    let place = Place::new();
    let layer = json!({
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": digest(b"absent"), "size": i64::MAX
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(),
        "config": {"mediaType": MediaFamily::Oci.config(), "digest": digest(b"config"), "size": 2},
        "layers": [layer, layer, layer]
    });
    let source = place.put("manifest.json", manifest.to_string().as_bytes());
    let told = explained(&[&source]);
    assert_eq!(told["layers"][2]["size"], i64::MAX);
    for format in ["text", "markdown", "html"] {
        imgconv(&["explain", "--format", format, &source]).ok();
    }
}

#[test]
fn a_document_that_is_too_large_for_a_page_is_shortened_says_so_and_is_json() {
    let place = Place::new();
    let labels = |count: usize| {
        let labels = (0..count).map(|at| (format!("label {at}"), json!("x".repeat(200))));
        json!({"config": {"Labels": labels.collect::<serde_json::Map<_, _>>()}})
    };
    for (count, shortened) in [(500, false), (5000, true)] {
        let image = Image::new(&["a"]).with(&labels(count)).named(&["demo/app:1"]);
        let source = place.put("app.tar", &archive(std::slice::from_ref(&image), Repeat::Copy));
        let told = explained(&[&source]);
        let config = &told["documents"]["documents"][4];
        assert_eq!(config["shortened"], shortened);
        let shown = check::json(text(&config["text"]).as_bytes());
        assert_eq!(shown == check::json(&image.config), !shortened);
        assert_eq!(shown["rootfs"], check::json(&image.config)["rootfs"]);
        for format in ["text", "markdown", "html"] {
            let page = imgconv(&["explain", "--format", format, &source]).ok().out;
            let page = String::from_utf8(page).unwrap();
            let title = format!("image config: in this source, {} bytes", image.config.len());
            assert!(page.contains(&title), "{format}");
            assert_eq!(page.contains(&format!("{title}, shortened")), shortened, "{format}");
        }
    }
}

#[test]
fn what_is_not_one_image_is_refused_with_what_to_do() {
    let place = Place::new();
    let several = format!("{ROOT}/testdata/archives/docker-20.10-several.tar");
    let names = ["imgconv.test/base:1", "imgconv.test/app:1.0", "--image"];
    refused(&place, &["explain", &several], 2, &names);
    refused(&place, &["explain", "-i", "none:1", &several], 2, &["none:1"]);

    let mut layout = Layout::new();
    let amd = on_platform(layout.image(&image(), MediaFamily::Oci), "linux", "amd64");
    let index = layout.nest(MediaFamily::Oci, &[amd]);
    layout.named(&index, "1", None);
    let source = place.put("index.tar", &layout.tar(""));
    let words = ["linux/s390x", "linux/amd64"];
    refused(&place, &["explain", "-p", "linux/s390x", &source], 2, &words);
    refused(&place, &["explain", "-p", "nonsense", &source], 2, &["--platform", "nonsense"]);
    let path = format!("blobs/{}", text(&index["digest"]).replace(':', "/"));
    let alone = place.put("index.json", &layout.files()[path.as_str()]);
    refused(&place, &["explain", &alone], 2, &["an index alone", "manifests"]);

    let item = br#"[{"Config":"x.json","RepoTags":null,"Layers":[]}]"#;
    let alone = place.put("manifest.json", item);
    refused(&place, &["explain", &alone], 2, &["manifest.json", "the whole archive"]);

    let artifact = json!({
        "schemaVersion": 2, "mediaType": MediaFamily::Oci.manifest(), "artifactType": "application/x",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": "text/plain", "digest": digest(b"hi"), "size": 2}]
    });
    let artifact = place.put("artifact.json", artifact.to_string().as_bytes());
    refused(&place, &["explain", &artifact], 1, &["artifact"]);
}

#[test]
fn a_damaged_layer_is_refused_with_its_place() {
    let place = Place::new();
    let image = Image::new(&["one", "two"]).named(&["demo/app:1"]);
    let mut bytes = archive(std::slice::from_ref(&image), Repeat::Copy);
    let layer = &image.layers[1];
    let at = bytes.windows(layer.len()).position(|it| it == layer.as_slice()).unwrap();
    // In the content of the one file of the layer, whose header is behind that of its folder.
    bytes[at + 1030] ^= 1;
    let source = place.put("damaged.tar", &bytes);
    refused(
        &place,
        &["explain", &source],
        1,
        &["damaged.tar!", "/layer.tar", &image.diff_ids()[1]],
    );

    let image = image.stored(&[Codec::Gzip]);
    let mut layout = Layout::of(std::slice::from_ref(&image));
    let path = format!("blobs/sha256/{}", hex(&image.stored[0]));
    layout.put(&path, &gzip(b"something else"));
    let source = place.put("damaged-layout.tar", &layout.tar(""));
    refused(&place, &["explain", &source], 1, &[&path]);
}

#[test]
fn what_is_no_source_is_told_with_what_it_could_have_been() {
    let place = Place::new();
    let missing = place.path("missing.tar");
    refused(&place, &["explain", &missing], 2, &["missing.tar", "not a file"]);
    refused(&place, &["explain", "zstdd"], 2, &["zstdd", "not a known code", "--list"]);
    let hint = ["pass a source", "imgconv explain --topic pull SOURCE"];
    refused(&place, &["explain", "pull"], 2, &hint);
    refused(&place, &["explain"], 2, &["SOURCE"]);
    refused(
        &place,
        &["explain", "--topic", "nonsense", &missing],
        2,
        &["nonsense", "manifest-json"],
    );
    refused(&place, &["explain", "docker://Nginx"], 2, &["docker://Nginx", "in lower case"]);
    refused(&place, &["explain", "docker-daemon:nginx"], 2, &["docker-daemon:", "docker save"]);
    refused(&place, &["explain", "docker://localhost:1/nginx"], 2, &["localhost:1/nginx"]);
    let empty = place.put("empty", b"");
    let ran = imgconv(&["explain", &empty]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
}

/// Codes that `verify` and the reasons have, as the source of each says.
fn codes() -> Vec<String> {
    let checks = std::fs::read_to_string(format!("{ROOT}/src/verify/check.rs")).unwrap();
    let reasons = std::fs::read_to_string(format!("{ROOT}/src/image/reason.rs")).unwrap();
    let first = |line: &str| line.split('"').nth(1).unwrap().to_owned();
    let is_check = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("problem(\"") || line.starts_with("note(\"")
    };
    let checks = checks
        .lines()
        .filter(is_check)
        .filter(|it| !it.contains("limit\", \"something that has no"));
    let rows = reasons.lines().filter(|line| line.contains("=> row(\""));
    let failures = std::fs::read_to_string(format!("{ROOT}/src/explain/codes.rs")).unwrap();
    let failures = failures.lines().filter(|line| line.starts_with("    (\""));
    checks.chain(rows).chain(failures).map(first).collect()
}

#[test]
fn every_code_is_listed_and_explained() {
    let codes = codes();
    assert!(codes.len() > 80, "{}", codes.len());
    let list_text = String::from_utf8(imgconv(&["explain", "--list"]).ok().out).unwrap();
    let catalogue = check::json(&imgconv(&["explain", "--list", "--format", "json"]).ok().out);
    assert_eq!(list(&catalogue["codes"]).len(), codes.len());
    assert_eq!(list(&catalogue["topics"]).len(), 9);
    for topic in list(&catalogue["topics"]) {
        assert!(list_text.contains(&format!(
            "  {:14} {}",
            text(&topic["topic"]),
            text(&topic["question"])
        )));
    }
    for code in &codes {
        let entry = list(&catalogue["codes"]).iter().find(|it| it["code"] == **code).unwrap();
        assert!(
            list_text.lines().any(|line| line.split_whitespace().next() == Some(code)),
            "{code}"
        );
        // A file with such a name would be the source.
        let elsewhere = Place::new();
        let asked = |args: &[&str]| imgconv_in(&elsewhere, args).ok().out;
        let one = check::json(&asked(&["explain", "--format", "json", code]));
        let one = &one["codes"][0];
        assert_eq!(one, entry);
        let said = String::from_utf8(asked(&["explain", code])).unwrap();
        for key in ["code", "group", "meaning", "consequence", "advice", "section"] {
            let word = text(&one[key]);
            assert!(said.contains(word), "{code}: {word:?} is not in {said:?}");
        }
    }
    // What losses and findings are called in answers is in the catalogue.
    let config = format!("{ROOT}/testdata/article/{ARTICLE}.json");
    for conversion in list(&explained(&[&config])["conversions"]["conversions"]) {
        for loss in list(&conversion["losses"]) {
            assert!(codes.iter().any(|it| loss["code"] == **it), "{loss}");
        }
    }
}
