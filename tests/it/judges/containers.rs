//! skopeo, podman and umoci: programs without a daemon, each with a store of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Args, Images, attempt, find, or_absent, root, run};

/// skopeo. It checks neither diff IDs nor sizes nor the manifest's own digest in a layout, and
/// cannot read an archive whose layer is a symlink.
pub(crate) struct Skopeo(PathBuf);

impl Skopeo {
    pub(crate) fn find() -> Option<Self> {
        find("skopeo").map(Self)
    }

    fn run(&self, args: Args<'_>) -> Vec<u8> {
        // Without a policy file skopeo refuses to start.
        run(Command::new(&self.0).arg("--insecure-policy").args(args))
    }

    /// The manifest as skopeo finds it.
    pub(crate) fn manifest(&self, source: &str) -> Vec<u8> {
        self.run(&[&"inspect", &"--raw", &source])
    }

    /// The config as skopeo finds it; without `--raw` it would be re-encoded.
    pub(crate) fn config(&self, source: &str) -> Vec<u8> {
        self.run(&[&"inspect", &"--config", &"--raw", &source])
    }

    /// Copies to a `dir:` with uncompressed layers, each in a file named by the digest that skopeo counted.
    pub(crate) fn copy_plain(&self, from: &str, to: &Path) {
        let to = format!("dir:{}", to.display());
        self.run(&[&"copy", &"--dest-decompress", &from, &to]);
    }

    /// Copies into another kind of manifest, `v2s1` or `v2s2`.
    pub(crate) fn copy_as(&self, format: &str, from: &str, to: &str) {
        self.run(&[&"copy", &"--format", &format, &from, &to]);
    }

    /// The digest of a manifest file; an error where skopeo cannot tell.
    pub(crate) fn manifest_digest(&self, file: &Path) -> Option<String> {
        let digest = attempt(Command::new(&self.0).arg("manifest-digest").arg(file)).ok()?;
        Some(String::from_utf8(digest).unwrap().trim().to_owned())
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        self.run(&[&"copy", &from, &to]);
    }

    /// Copies between a registry of this machine, which has no certificate, and something else.
    pub(crate) fn transfer(&self, options: Args<'_>, from: &str, to: &str) {
        let plain: Args<'_> = &[&"copy", &"--src-tls-verify=false", &"--dest-tls-verify=false"];
        self.run(&[plain, options, &[&from, &to]].concat());
    }

    /// Logs in at a registry, and leaves the password in this file.
    pub(crate) fn login(&self, file: &Path, host: &str, (user, password): (&str, &str)) {
        let words: Args<'_> = &[&"login", &"--tls-verify=false", &"--authfile", &file];
        self.run(&[words, &[&"-u", &user, &"-p", &password, &host]].concat());
    }
}

/// podman with an empty store, as it reuses layers that it knows by diff ID.
pub(crate) struct Podman {
    program: PathBuf,
    store: TempDir,
}

impl Podman {
    pub(crate) fn find() -> Option<Self> {
        or_absent(root("podman"))?; // without root it wants user namespaces, which not every machine has
        find("podman").map(|program| Self { program, store: tempfile::tempdir().unwrap() })
    }

    fn command(&self, args: Args<'_>) -> Command {
        let mut podman = Command::new(&self.program);
        podman.args(["--storage-driver", "vfs"]);
        for (option, place) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            podman.arg(option).arg(self.store.path().join(place));
        }
        podman.args(args);
        podman
    }

    /// Pulls from a registry of this machine, which has no certificate.
    pub(crate) fn pull(&self, name: &str) {
        run(&mut self.command(&[&"pull", &"--quiet", &"--tls-verify=false", &name]));
    }

    pub(crate) fn load(&self, archive: &Path) {
        run(&mut self.command(&[&"load", &"--quiet", &"--input", &archive]));
    }

    pub(crate) fn images(&self) -> Images {
        let format = "{{.ID}} {{.Repository}}:{{.Tag}}";
        let listed =
            run(&mut self.command(&[&"images", &"--all", &"--no-trunc", &"--format", &format]));
        let mut images = Images::new();
        for line in String::from_utf8(listed).unwrap().lines() {
            let (id, name) = line.split_once(' ').unwrap();
            let names = images.entry(id.to_owned()).or_default();
            if name != "<none>:<none>" {
                names.insert(name.to_owned());
            }
        }
        images
    }

    /// What `podman history` says of an image, with sizes in bytes.
    pub(crate) fn history(&self, image: &str) -> serde_json::Value {
        let options = ["--no-trunc", "--format", "json"];
        let said = run(self.command(&[&"history"]).args(options).arg(image));
        serde_json::from_slice(&said).unwrap()
    }

    /// One fact of an image, by a Go template.
    pub(crate) fn inspect(&self, image: &str, format: &str) -> String {
        let said = run(&mut self.command(&[&"image", &"inspect", &"--format", &format, &image]));
        String::from_utf8(said).unwrap().trim_end().to_owned()
    }
}

/// umoci, the strict one: `unpack` checks every digest, size and diff ID. It reads directories only,
/// knows no zstd, no Docker media types and no index of several platforms.
pub(crate) struct Umoci(PathBuf);

impl Umoci {
    pub(crate) fn find() -> Option<Self> {
        find("umoci").map(Self)
    }

    /// The ref names of a layout.
    pub(crate) fn list(&self, layout: &Path) -> Vec<String> {
        let listed = run(Command::new(&self.0).args(["ls", "--layout"]).arg(layout));
        let mut names: Vec<_> =
            String::from_utf8(listed).unwrap().lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Makes a layout with an image whose only layer has a folder.
    pub(crate) fn insert(&self, layout: &Path, name: &str, folder: &Path) {
        let image = format!("{}:{name}", layout.display());
        let umoci = || Command::new(&self.0);
        run(umoci().args(["init", "--layout"]).arg(layout));
        run(umoci().args(["new", "--image", &image]));
        run(umoci().args(["insert", "--rootless", "--image", &image]).arg(folder).arg("/added"));
    }

    /// Unpacks an image; its files are in `rootfs` of what this hands out.
    pub(crate) fn unpack(&self, layout: &Path, name: &str) -> TempDir {
        let bundle = tempfile::tempdir().unwrap();
        let image = format!("{}:{name}", layout.display());
        let mut umoci = Command::new(&self.0);
        umoci.args(["unpack", "--rootless", "--image", &image]).arg(bundle.path().join("bundle"));
        run(&mut umoci);
        bundle
    }
}
