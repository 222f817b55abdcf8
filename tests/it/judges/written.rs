//! What today's programs write: images that buildx and buildah build without a network, saved,
//! exported, pushed, copied and pulled by each of them.
//!
//! `app` has a layer that its platforms share and one that they do not, `db` has one layer. `plain`
//! is `app` without an attestation, `art` is `app` with attestations as artifacts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::registry::Registry;
use super::today::{Docker, Store, Today, docker, registry, today};
use super::{attempt, run};

/// What a program wrote.
pub(crate) struct Written {
    /// Who wrote it, and what of.
    pub(crate) case: &'static str,
    pub(crate) path: PathBuf,
}

/// Program and words; `{dir}` is a folder, `{port}` a registry's, `{id}` the digest of `app:1`.
type Line = (&'static str, &'static str);

const BOTH: &str = "--platform linux/amd64,linux/arm64";

/// Builds, in this order: docker with the containerd store, with the graph store, buildah, registry.
const BUILT: &[Line] = &[
    ("docker", "buildx build -q -t x.test/app:1 {dir}/app"),
    ("docker", "tag x.test/app:1 x.test/app:2"),
    ("docker", "buildx build -q {both} -t x.test/app:multi {dir}/app"),
    ("docker", "buildx build -q -t x.test/db:1 {dir}/db"),
    ("docker", "buildx build -q --provenance=false -t x.test/plain:1 {dir}/app"),
    ("docker", "buildx build -q --provenance=false {both} -t x.test/plain:multi {dir}/app"),
    (
        "docker",
        "buildx build -q --provenance=mode=max {both} --output type=image,name=x.test/art:multi,oci-artifact=true {dir}/app",
    ),
    ("graph", "buildx build -q -t x.test/app:1 {dir}/app"),
    ("graph", "tag x.test/app:1 x.test/app:2"),
    ("graph", "buildx build -q -t x.test/db:1 {dir}/db"),
    ("buildah", "bud -q --isolation chroot --format docker -t x.test/app:1 {dir}/app"),
    ("buildah", "tag x.test/app:1 x.test/app:2"),
    ("buildah", "bud -q --isolation chroot -t x.test/db:1 {dir}/db"),
    (
        "docker",
        "buildx build -q {both} --output type=oci,tar=false,dest={dir}/multi -t x.test/app:multi {dir}/app",
    ),
    (
        "skopeo",
        "copy -q --all --dest-tls-verify=false oci:{dir}/multi:multi docker://127.0.0.1:{port}/app:multi",
    ),
    (
        "skopeo",
        "copy -q --dest-tls-verify=false oci:{dir}/multi:multi docker://127.0.0.1:{port}/app:1",
    ),
    (
        "skopeo",
        "copy -q --dest-tls-verify=false oci:{dir}/multi:multi docker://127.0.0.1:{port}/app:2",
    ),
];

/// The case, and who writes it to `{out}`; ` ; ` is between two commands. Without `--local` ctr 2.1 now
/// and then ends before it has written all of the archive.
const WRITTEN: &[(&str, Line)] = &[
    (
        "buildx, OCI archive",
        ("docker", "buildx build -q --output type=oci,dest={out} -t x.test/app:1 {dir}/app"),
    ),
    (
        "buildx, layout of two platforms",
        (
            "docker",
            "buildx build -q {both} --output type=oci,tar=false,dest={out} -t x.test/app:multi {dir}/app",
        ),
    ),
    (
        "buildx, attestations as artifacts",
        (
            "docker",
            "buildx build -q --provenance=mode=max {both} --output type=oci,dest={out},oci-artifact=true -t x.test/art:multi {dir}/app",
        ),
    ),
    (
        "buildx, zstd layers",
        (
            "docker",
            "buildx build -q --output type=oci,dest={out},compression=zstd,force-compression=true -t x.test/app:1 {dir}/app",
        ),
    ),
    (
        "buildx, docker archive",
        ("docker", "buildx build -q --output type=docker,dest={out} -t x.test/app:1 {dir}/app"),
    ),
    ("docker save, one image", ("docker", "save -o {out} x.test/app:1")),
    ("docker save, two names of an image", ("docker", "save -o {out} x.test/app:1 x.test/app:2")),
    ("docker save, two images", ("docker", "save -o {out} x.test/app:2 x.test/db:1")),
    ("docker save, two images of one tag", ("docker", "save -o {out} x.test/app:1 x.test/db:1")),
    ("docker save, all platforms", ("docker", "save -o {out} x.test/app:multi")),
    (
        "docker save, one platform",
        ("docker", "save --platform linux/arm64 -o {out} x.test/app:multi"),
    ),
    ("docker save, attestations as artifacts", ("docker", "save -o {out} x.test/art:multi")),
    (
        "docker save, an image and its index",
        ("docker", "save -o {out} x.test/plain:1 x.test/plain:multi"),
    ),
    (
        "docker save, one image in two manifests",
        ("docker", "save -o {out} x.test/plain:1 x.test/app:multi"),
    ),
    (
        "docker save, two indexes of one image",
        ("docker", "save -o {out} x.test/app:multi x.test/plain:multi"),
    ),
    (
        "docker save, one platform of two indexes",
        ("docker", "save --platform linux/amd64 -o {out} x.test/app:multi x.test/plain:multi"),
    ),
    ("docker save, graph store, one image", ("graph", "save -o {out} x.test/app:1")),
    (
        "docker save, graph store, one platform",
        ("graph", "save --platform {host} -o {out} x.test/app:1"),
    ),
    (
        "docker save, graph store, two names of an image",
        ("graph", "save -o {out} x.test/app:1 x.test/app:2"),
    ),
    ("docker save, graph store, two images", ("graph", "save -o {out} x.test/app:2 x.test/db:1")),
    (
        "docker save, graph store, two images of one tag",
        ("graph", "save -o {out} x.test/app:1 x.test/db:1"),
    ),
    ("ctr export, one image", ("ctr", "images export --local {out} x.test/app:1")),
    ("ctr export, two images", ("ctr", "images export --local {out} x.test/app:2 x.test/db:1")),
    (
        "ctr export, two images of one tag",
        ("ctr", "images export --local {out} x.test/app:1 x.test/db:1"),
    ),
    (
        "ctr export, all platforms",
        ("ctr", "images export --local --all-platforms {out} x.test/app:multi"),
    ),
    (
        "ctr export, one platform",
        ("ctr", "images export --local --platform linux/arm64 {out} x.test/app:multi"),
    ),
    (
        "ctr export, one platform of two indexes",
        (
            "ctr",
            "images export --local --platform linux/arm64 {out} x.test/app:multi x.test/plain:multi",
        ),
    ),
    (
        "ctr export, no manifest.json",
        ("ctr", "images export --local --skip-manifest-json {out} x.test/plain:1"),
    ),
    (
        "ctr export, named by its digest",
        (
            "ctr",
            "images tag x.test/app:1 x.test/app@{id} ; images export --local {out} x.test/app@{id} ; images rm x.test/app@{id}",
        ),
    ),
    ("podman save, docker archive", ("podman", "save -q -o {out} x.test/app:1")),
    (
        "podman save, two names and two images",
        ("podman", "save -q -m -o {out} x.test/app:1 x.test/app:2 x.test/db:1"),
    ),
    ("podman save, OCI archive", ("podman", "save -q --format oci-archive -o {out} x.test/app:1")),
    ("podman save, layout", ("podman", "save -q --format oci-dir -o {out} x.test/db:1")),
    ("buildah push, layout", ("buildah", "push -q x.test/db:1 oci:{out}:1.0")),
    ("buildah push, OCI archive", ("buildah", "push -q x.test/db:1 oci-archive:{out}:x.test/db:1")),
    (
        "buildah push, docker archive",
        ("buildah", "push -q x.test/app:1 docker-archive:{out}:x.test/app:1"),
    ),
    (
        "skopeo copy, all platforms to a layout",
        ("skopeo", "copy -q --all oci:{dir}/multi:multi oci:{out}:multi"),
    ),
    (
        "skopeo copy, all platforms to an OCI archive",
        ("skopeo", "copy -q --all oci:{dir}/multi:multi oci-archive:{out}:x.test/app:multi"),
    ),
    (
        "skopeo copy, docker archive",
        ("skopeo", "copy -q oci:{dir}/multi:multi docker-archive:{out}:x.test/app:1"),
    ),
    (
        "skopeo copy, one image in two manifests",
        (
            "skopeo",
            "copy -q oci:{dir}/multi:multi oci:{out}:x.test/a:1 ; copy -q --format v2s2 oci:{dir}/multi:multi oci:{out}:x.test/b:1",
        ),
    ),
    ("crane pull, docker archive", ("crane", "pull 127.0.0.1:{port}/app:1 {out}")),
    (
        "crane pull, two names of an image",
        ("crane", "pull 127.0.0.1:{port}/app:1 127.0.0.1:{port}/app:2 {out}"),
    ),
    ("crane pull, legacy", ("crane", "pull --format legacy 127.0.0.1:{port}/app:1 {out}")),
    ("crane pull, layout", ("crane", "pull --format oci 127.0.0.1:{port}/app:multi {out}")),
    (
        "oras copy, layout",
        ("oras", "copy --from-plain-http --to-oci-layout 127.0.0.1:{port}/app:multi {out}:multi"),
    ),
    ("oras backup", ("oras", "backup --plain-http --output {out}.tar 127.0.0.1:{port}/app:multi")),
    (
        "oras attach, artifact beside an image",
        (
            "oras",
            "copy --from-plain-http --to-oci-layout 127.0.0.1:{port}/app:1 {out}:1 ; attach --oci-layout --disable-path-validation --artifact-type text/plain {out}:1 {dir}/db/b",
        ),
    ),
];

/// Files of the images: where they are, and what is in them.
const CONTEXTS: &[(&str, &str)] = &[
    (
        "app/Dockerfile",
        "FROM scratch\nCOPY a /a\nARG TARGETARCH\nCOPY $TARGETARCH /arch\nHEALTHCHECK CMD [\"/a\"]\n",
    ),
    ("app/a", "a\n"),
    ("app/amd64", "amd64\n"),
    ("app/arm64", "arm64\n"),
    ("db/Dockerfile", "FROM scratch\nCOPY b /b\nLABEL of=db\n"),
    ("db/b", "b\n"),
];

/// Everything that commands need to run.
pub(crate) struct Shop<'a> {
    pub(crate) today: &'a Today,
    containerd: &'a Docker,
    graph: &'a Docker,
    registry: &'a Registry,
    pub(crate) dir: PathBuf,
    id: String,
}

/// All that was written, at the first call.
pub(crate) fn written() -> Option<&'static [Written]> {
    static WRITTEN: OnceLock<Result<Vec<Written>, String>> = OnceLock::new();
    let today = today()?;
    // Also where another test writes: each says what is missing.
    let (containerd, graph) = (docker(Store::Containerd)?, docker(Store::Graph)?);
    let registry = registry()?;
    let written = WRITTEN.get_or_init(|| {
        let dir = containerd.dir().join("written");
        let id = String::new();
        let shop = Shop { today, containerd: &containerd, graph: &graph, registry, dir, id };
        shop.made()
    });
    Some(written.as_deref().unwrap_or_else(|said| panic!("{said}")))
}

impl Shop<'_> {
    fn made(mut self) -> Result<Vec<Written>, String> {
        for (path, text) in CONTEXTS {
            let path = self.dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for line in BUILT {
            self.run(*line, Path::new(""))?;
        }
        let inspect = ["image", "inspect", "--format={{.Id}}", "x.test/app:1"];
        let id = run(self.containerd.client().args(inspect));
        self.id = String::from_utf8(id).unwrap().trim().to_owned();
        let wanted = WRITTEN.iter().filter(|(_, line)| self.today.has(line.0));
        wanted.enumerate().map(|(at, (case, line))| self.write(at, case, *line)).collect()
    }

    fn write(&self, at: usize, case: &'static str, line: Line) -> Result<Written, String> {
        let out = self.dir.join(format!("out-{at}"));
        self.run(line, &out)?;
        let path = if out.exists() { out } else { out.with_extension("tar") };
        Ok(Written { case, path })
    }

    fn run(&self, (program, line): Line, out: &Path) -> Result<(), String> {
        for words in line.split(" ; ") {
            let mut command = self.command(program);
            for word in words.replace("{both}", BOTH).split_whitespace() {
                command.arg(self.filled(word, out));
            }
            attempt(&mut command)?;
        }
        Ok(())
    }

    fn filled(&self, word: &str, out: &Path) -> String {
        let port = self.registry.port.to_string();
        let word = word.replace("{dir}", self.dir.to_str().unwrap()).replace("{port}", &port);
        let word = word.replace("{host}", &super::held::host());
        word.replace("{out}", out.to_str().unwrap()).replace("{id}", &self.id)
    }

    fn command(&self, program: &str) -> Command {
        match program {
            "docker" => self.containerd.client(),
            "graph" => self.graph.client(),
            "ctr" => {
                let mut ctr = self.containerd.ctr();
                ctr.args(["--namespace", "moby"]);
                ctr
            }
            "podman" | "buildah" => stored(self.today, program, &self.dir.join("containers")),
            other => self.today.command(other),
        }
    }
}

/// podman or buildah with a store of its own.
pub(crate) fn stored(today: &Today, program: &str, store: &Path) -> Command {
    let mut command = today.command(program);
    command.args(["--storage-driver", "vfs"]);
    command.arg("--root").arg(store.join("root")).arg("--runroot").arg(store.join("run"));
    if program == "podman" {
        command.arg("--tmpdir").arg(store.join("tmp"));
    }
    command
}
