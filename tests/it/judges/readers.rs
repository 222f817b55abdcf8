//! Today's programs as readers: each takes what imgconv wrote, and says which images it found.
//!
//! A reader that has no way into a form is not asked (`None`). Which images are expected comes from the
//! form's own documents, read without imgconv.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::held::{Files, Held, files, held, host, narrowed, refs};
use super::registry::Registry;
use super::today::{Docker, Store, Today};
use super::written::stored;
use super::{attempt, digest};

type Verdict = Result<(), String>;

/// One output of imgconv.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    files: Files,
    held: Held,
}

impl Form {
    pub(crate) fn of(name: &'static str, path: PathBuf) -> Self {
        let files = files(&path);
        let held = held(&files);
        Self { name, path, files, held }
    }

    fn is_layout(&self) -> bool {
        self.name == "layout"
    }

    fn is_docker_archive(&self) -> bool {
        self.files.contains_key("manifest.json")
    }

    /// Each image as skopeo and buildah ask for it, and the ID of the one for this machine.
    fn references(&self) -> Vec<(String, String)> {
        let path = self.path.display();
        let kind = if self.is_layout() { "oci" } else { "oci-archive" };
        if !self.is_docker_archive() {
            let refs = refs(&self.files).into_iter();
            return refs
                .map(|(name, _, images)| (format!("{kind}:{path}:{name}"), own(&images)))
                .collect();
        }
        let names = narrowed(&self.held).into_iter().filter(|(name, _)| !name.is_empty());
        names
            .map(|(name, images)| (format!("docker-archive:{path}:{name}"), own(&images)))
            .collect()
    }
}

/// The image of this machine's platform, else the first.
fn own(images: &BTreeMap<String, String>) -> String {
    images.get(&host()).or_else(|| images.values().next()).unwrap().clone()
}

fn said(command: &mut Command) -> Result<String, String> {
    attempt(command).map(|said| String::from_utf8_lossy(&said).trim().to_owned())
}

fn equal<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Verdict {
    let differs = || Err(format!("expected {expected:?}, found {found:?}"));
    if found == expected { Ok(()) } else { differs() }
}

/// Loads into an empty store and saves everything again: the same images by the same names.
///
/// The graph store reads no archive without manifest.json.
pub(crate) fn docker(docker: &Docker, form: &Form) -> Option<Verdict> {
    let reads = docker.store == Store::Containerd || form.is_docker_archive();
    (reads && !form.is_layout()).then(|| loaded(docker, form))
}

fn loaded(docker: &Docker, form: &Form) -> Verdict {
    said(docker.client().args(["system", "prune", "--all", "--force"]))?;
    said(docker.client().args(["load", "--quiet", "--input"]).arg(&form.path))?;
    let format = "{{.Repository}}:{{.Tag}}";
    let names = said(docker.client().args(["image", "ls", "--format", format]))?;
    let again = docker.dir().join("again.tar");
    let names = names.lines().filter(|it| !it.contains("<none>"));
    said(docker.client().args(["save", "--output"]).arg(&again).args(names))?;
    let whole = if docker.store == Store::Graph || form.name == "hybrid" {
        narrowed(&form.held)
    } else {
        form.held.clone()
    };
    equal(&held(&files(&again)), &whole)
}

/// Imports into a namespace of its own and unpacks; lists every name with what index.json says of it.
pub(crate) fn ctr(docker: &Docker, form: &Form) -> Option<Verdict> {
    (!form.is_layout()).then(|| imported(docker, form))
}

fn imported(docker: &Docker, form: &Form) -> Verdict {
    static USED: AtomicU32 = AtomicU32::new(0);
    let space = format!("test-{}", USED.fetch_add(1, Ordering::Relaxed));
    let ctr = || {
        let mut ctr = docker.ctr();
        ctr.args(["--namespace", &space, "images"]);
        ctr
    };
    let unpack = ["import", "--local", "--snapshotter", "native"];
    said(ctr().args(unpack).arg(&form.path))?;
    let names: Vec<String> = said(ctr().args(["ls", "-q"]))?.lines().map(str::to_owned).collect();
    let expected: Vec<String> = form.held.iter().map(|(name, _)| name.clone()).collect();
    equal(&names, &expected)?;
    let listed = said(ctr().arg("ls"))?;
    let digest = |it: &(String, String, _)| !listed.contains(&it.1);
    let missing = refs(&form.files).into_iter().find(digest);
    // What is left would be known to the next, and go unread there.
    said(ctr().arg("rm").arg("--sync").args(&names))?;
    missing.map_or(Ok(()), |it| Err(format!("{} is not in {listed}", it.1)))
}

/// Loads into an empty store; podman takes an OCI archive of one image only.
pub(crate) fn podman(today: &Today, form: &Form) -> Option<Verdict> {
    let one = form.is_docker_archive() || form.held.len() == 1;
    (!form.is_layout() && one).then(|| {
        let store = tempfile::tempdir().unwrap();
        let podman = || stored(today, "podman", store.path());
        said(podman().args(["load", "--quiet", "--input"]).arg(&form.path))?;
        let format = "{{.Repository}}:{{.Tag}} {{.ID}}";
        let listed = said(podman().args(["images", "--no-trunc", "--format", format]))?;
        let mut found: Vec<String> = listed.lines().map(str::to_owned).collect();
        found.sort();
        let expected = form.held.iter().map(|(name, images)| format!("{name} {}", own(images)));
        equal(&found, &expected.collect())
    })
}

/// Reads the config of each image and copies all of its bytes.
pub(crate) fn skopeo(today: &Today, form: &Form) -> Option<Verdict> {
    let each = |(reference, id): (String, String)| {
        let inspect = ["inspect", "--config", "--raw", &reference];
        let config = attempt(today.command("skopeo").args(inspect))?;
        equal(&digest(&config), &id)?;
        let to = tempfile::tempdir().unwrap();
        let place = format!("dir:{}", to.path().display());
        said(today.command("skopeo").args(["copy", "--quiet", &reference, &place])).map(drop)
    };
    Some(form.references().into_iter().try_for_each(each))
}

/// Pulls each image into an empty store, by its ID.
pub(crate) fn buildah(today: &Today, form: &Form) -> Option<Verdict> {
    let each = |(reference, id): (String, String)| {
        let store = tempfile::tempdir().unwrap();
        let mut buildah = stored(today, "buildah", store.path());
        let pulled = said(buildah.args(["pull", "--quiet", &reference]))?;
        equal(&format!("sha256:{pulled}"), &id)
    };
    Some(form.references().into_iter().try_for_each(each))
}

/// Lists the names of a layout, and unpacks manifests: umoci calls a tag of an index ambiguous.
pub(crate) fn umoci(today: &Today, form: &Form) -> Option<Verdict> {
    form.is_layout().then(|| {
        let layout = form.path.to_str().unwrap();
        let listed = said(today.command("umoci").args(["ls", "--layout", layout]))?;
        let refs = refs(&form.files);
        let mut names: Vec<&str> = refs.iter().map(|it| it.0.as_str()).collect();
        names.sort_unstable();
        let mut listed: Vec<&str> = listed.lines().collect();
        listed.sort_unstable();
        equal(&listed, &names)?;
        let manifest = |digest: &str| {
            let bytes = &form.files[&format!("blobs/{}", digest.replace(':', "/"))];
            !String::from_utf8_lossy(bytes).contains("\"manifests\"")
        };
        refs.iter().filter(|it| manifest(&it.1)).try_for_each(|(name, _, _)| {
            let bundle = tempfile::tempdir().unwrap();
            let (image, to) = (format!("{layout}:{name}"), bundle.path().join("bundle"));
            let mut umoci = today.command("umoci");
            said(umoci.args(["unpack", "--rootless", "--image", &image]).arg(to)).map(drop)
        })
    })
}

/// Validates an archive and pushes it, or the index of a layout; crane takes one image at a time.
pub(crate) fn crane(today: &Today, registry: &Registry, form: &Form) -> Option<Verdict> {
    let archive = form.is_docker_archive();
    let (mut all, rest) = (form.held.iter(), form.held.iter().skip(1));
    let (_, images) = all.next()?;
    // Several names of an image are one.
    let one = if archive { rest.into_iter().all(|it| it.1 == *images) } else { rest.count() == 0 };
    (one && (archive || form.is_layout())).then(|| {
        let crane = || today.command("crane");
        if archive {
            said(crane().args(["validate", "--tarball"]).arg(&form.path))?;
        }
        let name = format!("127.0.0.1:{}/pushed/{}:1", registry.port, form.name);
        said(crane().arg("push").arg(&form.path).arg(&name))?;
        // Asked for a config, crane takes linux/amd64 of an index unless it is told.
        let config = attempt(crane().args(["config", "--platform", &host(), &name]))?;
        equal(&digest(&config), &own(images))
    })
}

/// Copies each image of a layout into a registry, by its digest.
pub(crate) fn oras(today: &Today, registry: &Registry, form: &Form) -> Option<Verdict> {
    form.is_layout().then(|| {
        refs(&form.files).iter().try_for_each(|(_, digest, _)| {
            // Of a name oras would take the slash for one of the path.
            let from = format!("{}@{digest}", form.path.display());
            let to = format!("127.0.0.1:{}/copied:1", registry.port);
            let copy = ["copy", "--from-oci-layout", "--to-plain-http", &from, &to];
            said(today.command("oras").args(copy))?;
            let found = said(today.command("oras").args(["resolve", "--plain-http", &to]))?;
            equal(&found, digest)
        })
    })
}
