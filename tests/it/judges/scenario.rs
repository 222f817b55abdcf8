//! The images the judged tests are about, made by a real dockerd and saved by it.
//!
//! | archive | what it holds |
//! |---|---|
//! | `base` | `docker import`, one layer, five names |
//! | `web` | built from `base`: two layers, Healthcheck, OnBuild, Shell, StopSignal |
//! | `stop` | committed from a container of `base` that never ran: its layer, StopTimeout |
//! | `twice` | loaded: the same layer below and above another, unknown config keys |
//! | `untagged` | saved by its ID |
//! | `three` | base, web and stop, as links to shared layers |
//! | `all` | all five |

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::docker::{Docker, daemon, lock};
use super::members::{file, link, tar};
use super::{Images, digest};

/// An archive that `docker save` wrote, and what the daemon said of its images.
pub(crate) struct Saved {
    pub(crate) path: PathBuf,
    pub(crate) images: Images,
    /// Config bytes by image ID, as the daemon keeps them.
    pub(crate) configs: BTreeMap<String, Vec<u8>>,
}

/// All archives by name.
pub(crate) struct Scenario(BTreeMap<&'static str, Saved>);

/// Names of one image: two tags, two registries, and the familiar form.
const BASE: &[&str] = &[
    "imgconv.test/base:1",
    "imgconv.test/base:latest",
    "127.0.0.1:5055/base/copy:base-copy",
    "imgconv.test/deep/er/base:one_and-only.2",
    "familiar:short",
];
const WEB: &str = "imgconv.test/web:1.0";
const STOP: &str = "imgconv.test/stop:latest"; // a tag that base has too
const TWICE: &str = "imgconv.test/twice:1"; // likewise

/// What only Docker's config knows, by which instruction it gets in.
const DOCKERFILE: &str = r#"FROM imgconv.test/base:1
COPY big /srv/big
ONBUILD COPY . /src
SHELL ["/bin/bash", "-c"]
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=3s --start-period=1s --retries=2 CMD ["/bin/true"]
"#;

/// Makes the images at the first call.
pub(crate) fn scenario() -> Option<&'static Scenario> {
    static SCENARIO: OnceLock<Scenario> = OnceLock::new();
    let docker = daemon()?;
    Some(SCENARIO.get_or_init(|| made(&lock(docker))))
}

impl Scenario {
    pub(crate) fn saved(&self, name: &str) -> &Saved {
        &self.0[name]
    }

    /// The archives of one image each.
    pub(crate) fn single(&self) -> impl Iterator<Item = (&'static str, &Saved)> {
        self.0.iter().filter(|(_, saved)| saved.images.len() == 1).map(|(name, it)| (*name, it))
    }
}

fn made(docker: &Docker) -> Scenario {
    docker.empty();
    let dir = docker.dir().join("scenario");
    fs::create_dir(&dir).unwrap();
    base(docker, &dir);
    let context = dir.join("context");
    fs::create_dir(&context).unwrap();
    fs::write(context.join("big"), big()).unwrap();
    fs::write(context.join("Dockerfile"), DOCKERFILE).unwrap();
    docker.run(&[&"build", &"--quiet", &"--tag", &WEB, &context]);
    stop(docker);
    docker.run(&[&"load", &"--quiet", &"--input", &twice(&dir)]);
    fs::write(dir.join("layer.tar"), tar(&[file("only", b"here")])).unwrap();
    let untagged = docker.run(&[&"import", &dir.join("layer.tar")]);
    let some = |names: &[&str]| names.iter().map(|it| it.to_string()).collect::<Vec<_>>();
    let three = [some(BASE), some(&[WEB, STOP])].concat();
    let all = [three.clone(), vec![TWICE.into(), untagged.clone()]].concat();
    let saves = [
        ("base", some(BASE)),
        ("web", some(&[WEB])),
        ("stop", some(&[STOP])),
        ("twice", some(&[TWICE])),
        ("untagged", vec![untagged]),
        ("three", three),
        ("all", all),
    ];
    Scenario(saves.into_iter().map(|(name, of)| (name, save(docker, &dir, name, &of))).collect())
}

/// Changes that `docker import` takes, with characters that Go's JSON escapes.
fn base(docker: &Docker, dir: &Path) {
    let layer = tar(&[
        file("etc/os-release", b"ID=imgconv\n"),
        file("bin/sh", b"#!\n"),
        link("bin/bash", "sh"),
    ]);
    fs::write(dir.join("base.tar"), layer).unwrap();
    docker.run(&[
        &"import",
        &"--message=import <&> message",
        &"--change=CMD [\"/bin/sh\", \"-c\", \"a < b && c > d\"]",
        &"--change=ENV GREETING=gr\u{fc}\u{df}e\u{2028}",
        &"--change=LABEL org.example.z=1 org.example.a=2",
        &"--change=EXPOSE 80/tcp 443/tcp",
        &"--change=VOLUME /data",
        &dir.join("base.tar"),
        &BASE[0],
    ]);
    for name in &BASE[1..] {
        docker.run(&[&"tag", &BASE[0], name]);
    }
}

/// A container that never runs, as StopTimeout gets into a config no other way.
fn stop(docker: &Docker) {
    docker.run(&[&"create", &"--network=none", &"--stop-timeout=7", &"--name=container", &BASE[0]]);
    docker.run(&[&"commit", &"--author=A <a@example.org>", &"container", &STOP]);
    docker.run(&[&"rm", &"container"]);
}

/// An archive with one layer twice and a config no Go program would write.
fn twice(dir: &Path) -> PathBuf {
    let (a, b) = (tar(&[file("a", b"A")]), tar(&[file("b", b"B")]));
    let (id_a, id_b) = (digest(&a), digest(&b));
    let config = format!(
        r#"{{ "rootfs": {{"type": "layers", "diff_ids": ["{id_a}", "{id_b}", "{id_a}"]}},
  "os": "linux", "architecture": "amd64", "unknown": [1.50, null, {{"é": "\u003c"}}],
  "created": "2020-02-03T04:05:06.7000+01:00",
  "config": {{"Healthcheck": {{"Test": ["NONE"], "StartInterval": 5}}, "Shell": ["/bin/ash"]}}
}}"#
    );
    let manifest =
        format!(r#"[{{"Config":"c","RepoTags":["{TWICE}"],"Layers":["a.tar","b.tar","a.tar"]}}]"#);
    let archive = dir.join("made-twice.tar");
    let members = [
        file("c", config.as_bytes()),
        file("a.tar", &a),
        file("b.tar", &b),
        file("manifest.json", manifest.as_bytes()),
    ];
    fs::write(&archive, tar(&members)).unwrap();
    archive
}

/// The file of `web`: text enough for many blocks of a parallel compressor, then blocks of noise,
/// which none makes smaller.
pub(crate) fn big() -> Vec<u8> {
    let mut state = 1_u32;
    let mut text = Vec::new();
    while text.len() < 5 << 20 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{:x} line\n", state >> 8).as_bytes());
    }
    let noise = (0..3 << 20).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    text.extend(noise);
    text
}

fn save(docker: &Docker, dir: &Path, name: &str, of: &[String]) -> Saved {
    let path = dir.join(format!("{name}.tar"));
    let mut args: Vec<&dyn AsRef<OsStr>> = vec![&"save", &"--output", &path];
    let mut images = Images::new();
    for reference in of {
        args.push(reference);
        let id = docker.run(&[&"image", &"inspect", &"--format={{.Id}}", reference]);
        let names: &mut BTreeSet<_> = images.entry(id).or_default();
        if !reference.starts_with("sha256:") {
            names.insert(reference.clone());
        }
    }
    docker.run(&args);
    let configs = images.keys().map(|id| (id.clone(), docker.config(id))).collect();
    Saved { path, images, configs }
}
