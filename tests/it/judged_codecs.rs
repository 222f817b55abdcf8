//! Layers in every compression that imgconv writes: other programs read them whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::judges::containerd::containerd;
use crate::judges::containers::{Podman, Skopeo, Umoci};
use crate::judges::docker::docker;
use crate::judges::layout::{Layer, Layout, blob, entries, layout_of};
use crate::judges::scenario::{Scenario, big, scenario};
use crate::judges::{digest, find, imgconv, locate, run};

const WEB: &str = "imgconv.test/web:1.0";

/// Counts gzip members and hashes the sum of them; fails on a trailing byte, and where the extra
/// field of one of many is not the number of its bytes.
const PYTHON: &str = r#"
import gzip, hashlib, sys, zlib
data = open(sys.argv[1], "rb").read()
members, rest, plain = 0, data, b""
while rest:
    member = zlib.decompressobj(31)
    plain += member.decompress(rest)
    assert member.eof, "cut off"
    size = len(rest) - len(member.unused_data)
    if sys.argv[2] == "many":
        assert rest[3] == 4 and rest[10:16] == b"\x08\0IC\x04\0", rest[:20]
        assert int.from_bytes(rest[16:20], "little") == size, (rest[:20], size)
    members, rest = members + 1, member.unused_data
assert gzip.decompress(data) == plain
print(members, "sha256:" + hashlib.sha256(plain).hexdigest())
"#;

/// The image whose upper layer is of several megabytes.
fn web(scenario: &Scenario, options: &[&str]) -> Layout {
    let options: Vec<_> = options.iter().map(|it| it as &dyn AsRef<std::ffi::OsStr>).collect();
    layout_of(&scenario.saved("web").path, &options)
}

fn layers(layout: &Path) -> Vec<(PathBuf, Layer)> {
    let [entry] = &mut entries(layout)[..] else { panic!("one image") };
    std::mem::take(&mut entry.layers)
        .into_iter()
        .map(|layer| (blob(layout, &layer.digest), layer))
        .collect()
}

/// The same image as an OCI archive.
fn web_tar(scenario: &Scenario, compression: &str) -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("layout.tar");
    let from = &scenario.saved("all").path;
    imgconv(&[&"save2oci", &"-q", &"-i", &WEB, &"-c", &compression, from, &out]);
    (temp, out)
}

#[test]
fn media_types_say_how_layers_are_compressed() {
    let Some(scenario) = scenario() else { return };
    for (compression, suffix, magic) in [
        ("auto", "+gzip", &[0x1f, 0x8b][..]),
        ("gzip", "+gzip", &[0x1f, 0x8b]),
        ("zstd", "+zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
        ("none", "", &[]),
    ] {
        let layout = web(scenario, &["--compression", compression]);
        for (file, layer) in layers(&layout.dir) {
            let expected = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
            assert_eq!(layer.media_type, expected, "{compression}");
            assert!(fs::read(&file).unwrap().starts_with(magic), "{compression}");
            assert_eq!(layer.digest == layer.diff_id, compression == "none");
        }
    }
}

#[test]
fn skopeo_decompresses_every_compression_to_the_diff_ids() {
    let (Some(scenario), Some(skopeo)) = (scenario(), Skopeo::find()) else {
        return;
    };
    for compression in ["gzip", "zstd", "none"] {
        let layout = web(scenario, &["--compression", compression]);
        let temp = tempfile::tempdir().unwrap();
        skopeo.copy_plain(&format!("oci:{}:1.0", layout.dir.display()), temp.path());
        for (_, layer) in layers(&layout.dir) {
            let hex = layer.diff_id.strip_prefix("sha256:").unwrap();
            let plain = fs::read(temp.path().join(hex));
            let plain = plain.unwrap_or_else(|_| panic!("{compression}: no {hex}"));
            assert_eq!(digest(&plain), layer.diff_id, "{compression}");
        }
    }
}

#[test]
fn podman_loads_every_compression() {
    let Some(scenario) = scenario() else { return };
    for compression in ["gzip", "zstd", "none"] {
        let Some(podman) = Podman::find() else { return };
        let (_temp, layout) = web_tar(scenario, compression);
        podman.load(&layout);
        assert_eq!(podman.images(), scenario.saved("web").images, "{compression}");
    }
}

#[test]
fn containerd_unpacks_every_compression() {
    let Some(scenario) = scenario() else { return };
    for compression in ["gzip", "zstd", "none"] {
        let Some(containerd) = containerd() else {
            return;
        };
        let (_temp, layout) = web_tar(scenario, compression);
        let imported = containerd.import(&layout);
        assert_eq!(imported.keys().collect::<Vec<_>>(), [WEB], "{compression}");
    }
}

#[test]
fn umoci_unpacks_gzip_and_plain_layers_whole() {
    let (Some(scenario), Some(umoci)) = (scenario(), Umoci::find()) else {
        return;
    };
    for compression in ["gzip", "none"] {
        let layout = web(scenario, &["--compression", compression]);
        let bundle = umoci.unpack(&layout.dir, "1.0");
        let found = fs::read(bundle.path().join("bundle/rootfs/srv/big")).unwrap();
        assert!(found == big(), "{compression}");
    }
}

#[test]
fn docker_loads_layers_of_many_gzip_members_whole() {
    let (Some(scenario), Some(docker)) = (scenario(), docker()) else {
        return;
    };
    let saved = scenario.saved("web");
    for members in ["many", "one"] {
        let layout = web(scenario, &["--gzip-members", members]);
        let temp = tempfile::tempdir().unwrap();
        let archive = temp.path().join("universal.tar");
        imgconv(&[&"oci2save", &"--quiet", &layout.dir, &archive]);
        docker.empty();
        docker.run(&[&"load", &"--quiet", &"--input", &archive]);
        assert_eq!(docker.images(), saved.images, "{members}");
    }
    docker.empty();
}

#[test]
fn gzip_layers_are_of_many_members_unless_one_is_asked_for() {
    let (Some(scenario), Some(python)) = (scenario(), find("python3")) else {
        return;
    };
    for (option, many) in [("many", true), ("one", false)] {
        let layout = web(scenario, &["--gzip-members", option]);
        let (file, layer) = layers(&layout.dir).pop().unwrap();
        let said = run(Command::new(&python).args(["-c", PYTHON]).arg(file).arg(option));
        let said = String::from_utf8(said).unwrap();
        let (members, sum) = said.trim().split_once(' ').unwrap();
        assert_eq!(sum, layer.diff_id, "{option}");
        assert_eq!(members.parse::<u32>().unwrap() > 1, many, "{option}: {members} members");
    }
}

#[test]
fn gunzip_programs_read_every_member_of_a_layer() {
    let Some(scenario) = scenario() else { return };
    let layout = web(scenario, &[]);
    let gzip = find("gzip");
    for (program, arguments) in [
        (gzip, &["-dc"][..]),
        (locate("busybox"), &["gunzip", "-c"]),
        (locate("bsdcat"), &[]),
        (locate("pigz"), &["-dc"]),
    ] {
        let Some(program) = program else { continue };
        for (file, layer) in layers(&layout.dir) {
            let plain = run(Command::new(&program).args(arguments).arg(file));
            assert_eq!(digest(&plain), layer.diff_id, "{program:?}");
        }
    }
}

#[test]
fn zstd_reads_every_layer_of_a_zstd_layout() {
    let (Some(scenario), Some(zstd)) = (scenario(), find("zstd")) else {
        return;
    };
    let layout = web(scenario, &["--compression", "zstd"]);
    for (file, layer) in layers(&layout.dir) {
        let plain = run(Command::new(&zstd).arg("-dcf").arg(file));
        assert_eq!(digest(&plain), layer.diff_id);
    }
}

#[test]
fn tar_programs_read_a_layer_of_many_members_to_its_end() {
    let Some(scenario) = scenario() else { return };
    let layout = web(scenario, &[]);
    for program in [find("tar"), locate("bsdtar")].into_iter().flatten() {
        let (file, _) = layers(&layout.dir).pop().unwrap();
        let found = run(Command::new(&program).arg("-xOzf").arg(file).arg("srv/big"));
        assert!(found == big(), "{program:?}: {} bytes", found.len());
    }
}
