//! Each row of the catalogue of what programs cannot read, proved: its inputs are given to docker,
//! containerd, podman, skopeo, umoci and crane, of Debian's stable release of 2023 and of today. Those
//! of the row refuse one of them, and all others take them.
//!
//! A program is asked only about inputs whose plain twin it takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use imgconv::image::readers::{Newest, READERS, ReaderRow};

use crate::build::check::text;
use crate::build::codec::Codec;
use crate::build::image::{Image, canonical};
use crate::build::layout::{Layout, MediaFamily};
use crate::build::others::ggcr;
use crate::build::run::{Place, imgconv};
use crate::build::tar::Tar;
use crate::judges::containerd::{Namespace, containerd};
use crate::judges::docker::{Docker as OldDocker, docker as old_docker};
use crate::judges::registry::Registry;
use crate::judges::today::{Docker, Store, Today, docker, registry, today};
use crate::judges::verdicts::Verdicts;
use crate::judges::{attempt, digest, locate, run};
use crate::refused_inputs::{Form, Sample, config_fields, configs, samples};

/// Cases that fail for a known reason; one that passes has to go.
const KNOWN: &[(&str, &str)] = &[];

/// The versions of Debian 12, by program.
const OLD: &[(&str, &str)] = &[
    ("containerd", "1.6.20"),
    ("ctr --all-platforms", "1.6.20"),
    ("docker", "20.10.24"),
    ("podman", "4.3.1"),
    ("skopeo", "1.9.3"),
    ("umoci", "0.4.7"),
    ("zstd", "1.5.4"),
];

/// An input as files: a tar, and the folder of a layout.
struct Given {
    tar: PathBuf,
    folder: Option<PathBuf>,
    /// Whether it has a `manifest.json`.
    docker: bool,
    key: String,
}

impl Given {
    fn of(form: &Form, made_by: Option<&[&str]>, place: &Place, name: &str) -> Self {
        let source = form.put(place, name);
        let Some(options) = made_by else { return Self::put(form, place, name) };
        let out = place.path(&format!("{name} made"));
        imgconv(&[&["convert", &source, &out], options].concat()).ok();
        let out = PathBuf::from(out);
        if out.is_dir() {
            let files = crate::judges::tree(&out).into_iter();
            let files = files.map(|(name, data)| (name.to_str().unwrap().to_owned(), data));
            return Self::put(&Form::Layout(files.collect()), place, &format!("{name} again"));
        }
        let docker = options.contains(&"docker-archive");
        let key = digest(&std::fs::read(&out).unwrap());
        Self { tar: out, folder: None, docker, key }
    }

    fn put(form: &Form, place: &Place, name: &str) -> Self {
        let path = PathBuf::from(form.put(place, name));
        match form {
            Form::Archive(bytes) => {
                Self { tar: path, folder: None, docker: true, key: digest(bytes) }
            }
            Form::Layout(files) => {
                let mut tar = Tar::new();
                let tar = tar.files(files).end();
                let key = digest(&tar);
                let tar = PathBuf::from(place.put(&format!("{name} layout.tar"), &tar));
                Self { tar, folder: Some(path), docker: false, key }
            }
        }
    }

    /// What skopeo calls it.
    fn references(&self) -> Vec<String> {
        let tar = self.tar.display();
        let mut all = Vec::new();
        match self.docker {
            true => all.push(format!("docker-archive:{tar}:x.test/app:1")),
            false => all.push(format!("oci-archive:{tar}:1")),
        }
        all.extend(self.folder.iter().map(|folder| format!("oci:{}:1", folder.display())));
        all
    }
}

/// All programs of both ages.
struct Programs<'a> {
    today: &'static Today,
    registry: &'static Registry,
    old_docker: &'a OldDocker,
    graph: &'a Docker,
    containerd: &'a Docker,
    /// What each said of an input before.
    known: Mutex<BTreeMap<Question, Answer>>,
}

/// An input, a program and its age.
type Question = (String, &'static str, Age);
/// What it said, if it has a way to read such an input.
type Answer = Option<Result<(), String>>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Age {
    Old,
    Today,
}

const ASKED: &[&str] =
    &["containerd", "crane", "ctr --all-platforms", "docker", "podman", "skopeo", "umoci", "zstd"];

impl Programs<'_> {
    /// What a program says of an input; nothing if it has no way to read it.
    fn ask(&self, program: &'static str, age: Age, given: &Given) -> Answer {
        let key = (given.key.clone(), program, age);
        if let Some(said) = self.known.lock().unwrap().get(&key) {
            return said.clone();
        }
        let said = match program {
            "containerd" => self.imported(age, given, &[]),
            "ctr --all-platforms" => self.imported(age, given, &["--all-platforms", "--digests"]),
            "docker" => given.docker.then(|| self.loaded(age, &given.tar)),
            "podman" => Some(self.podman(age, &given.tar)),
            "skopeo" => Some(given.references().iter().try_for_each(|it| self.skopeo(age, it))),
            "umoci" => given.folder.as_deref().map(|folder| self.umoci(age, folder)),
            "crane" if age == Age::Today && self.today.has("crane") => self.crane(given),
            "zstd" if age == Age::Old => given.folder.as_deref().and_then(zstd),
            _ => None,
        };
        self.known.lock().unwrap().insert(key, said.clone());
        said
    }

    fn loaded(&self, age: Age, tar: &Path) -> Result<(), String> {
        match age {
            Age::Old => {
                self.old_docker.empty();
                self.old_docker.tries(&[&"load", &"--quiet", &"--input", &tar])
            }
            Age::Today => {
                attempt(self.graph.client().args(["system", "prune", "--all", "--force"]))?;
                let load = ["load", "--quiet", "--input"];
                attempt(self.graph.client().args(load).arg(tar)).map(drop)
            }
        }
    }

    fn imported(&self, age: Age, given: &Given, options: &[&str]) -> Option<Result<(), String>> {
        let words = [&["import", "--snapshotter", "native"], options].concat();
        Some(match age {
            Age::Old => {
                let namespace: Namespace = containerd()?;
                namespace.tries(&words, &given.tar)
            }
            Age::Today => {
                let space = format!("refused-{}", &digest(given.tar.to_str()?.as_bytes())[7..27]);
                let mut ctr = self.containerd.ctr();
                ctr.args(["--namespace", &format!("{space}{}", options.len()), "images"]);
                attempt(ctr.args(words).arg("--local").arg(&given.tar)).map(drop)
            }
        })
    }

    fn podman(&self, age: Age, tar: &Path) -> Result<(), String> {
        let store = tempfile::tempdir().unwrap();
        let mut podman = podman(self.today, age, store.path());
        attempt(podman.args(["load", "--quiet", "--input"]).arg(tar)).map(drop)
    }

    /// Copies it, and changes it into an OCI image.
    fn skopeo(&self, age: Age, reference: &str) -> Result<(), String> {
        let place = tempfile::tempdir().unwrap();
        for (name, kind) in [("dir", "dir:"), ("oci", "oci:")] {
            let mut to = format!("{kind}{}", place.path().join(name).display());
            to.push_str(if name == "oci" { ":x" } else { "" });
            let mut skopeo = command(self.today, "skopeo", age);
            let copy = ["--insecure-policy", "copy", "--quiet", reference, &to];
            attempt(skopeo.args(copy))?;
        }
        Ok(())
    }

    fn umoci(&self, age: Age, folder: &Path) -> Result<(), String> {
        let bundle = tempfile::tempdir().unwrap();
        let mut umoci = command(self.today, "umoci", age);
        let image = format!("{}:1", folder.display());
        umoci.args(["unpack", "--rootless", "--image", &image]).arg(bundle.path().join("bundle"));
        attempt(&mut umoci).map(drop)
    }

    fn crane(&self, given: &Given) -> Option<Result<(), String>> {
        let crane = || self.today.command("crane");
        if given.docker {
            return Some(
                attempt(crane().args(["validate", "--tarball"]).arg(&given.tar)).map(drop),
            );
        }
        let folder = given.folder.as_deref()?;
        let name = format!("127.0.0.1:{}/refused/a{}:1", self.registry.port, &given.key[7..27]);
        let pushed = attempt(crane().arg("push").arg(folder).arg(&name));
        Some(pushed.and_then(|_| attempt(crane().args(["validate", "--remote", &name]))).map(drop))
    }
}

/// A program of one of the ages.
fn command(today: &Today, program: &str, age: Age) -> Command {
    match age {
        Age::Old => Command::new(locate(program).unwrap_or_else(|| program.into())),
        Age::Today => today.command(program),
    }
}

/// podman with a store of its own.
fn podman(today: &Today, age: Age, store: &Path) -> Command {
    let mut podman = command(today, "podman", age);
    podman.args(["--storage-driver", "vfs"]);
    for (option, name) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
        podman.arg(option).arg(store.join(name));
    }
    podman
}

/// The tests of zstd's own program for each blob that is zstd data.
fn zstd(folder: &Path) -> Option<Result<(), String>> {
    let program = locate("zstd")?;
    let blobs = crate::judges::tree(folder).into_iter();
    let packed = blobs.filter(|it| it.1.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    let names: Vec<PathBuf> = packed.map(|it| folder.join(it.0)).collect();
    let test = |name: &PathBuf| attempt(Command::new(&program).arg("-tq").arg(name)).map(drop);
    (!names.is_empty()).then(|| names.iter().try_for_each(test))
}

/// Whether a row says that a program refuses it.
fn expected(row: &ReaderRow, program: &str, age: Age) -> bool {
    let Some(refuser) = row.refusers.iter().find(|it| it.program == program) else { return false };
    let old = OLD.iter().find(|it| it.0 == program).map(|it| it.1);
    match age {
        Age::Old => old.is_some_and(|old| refuser.versions.contains(&old)),
        Age::Today => refuser.newest == Newest::Refuses,
    }
}

/// What one program says of all inputs of a row against what the row says.
fn judge(
    programs: &Programs<'_>,
    row: &ReaderRow,
    given: &[(Given, Given)],
    (program, age): (&'static str, Age),
) -> Result<(), String> {
    let mut asked = Vec::new();
    for (odd, plain) in given {
        if programs.ask(program, age, plain).is_some_and(|said| said.is_ok()) {
            asked.extend(programs.ask(program, age, odd));
        }
    }
    let refused = asked.iter().find_map(|said| said.as_ref().err());
    match (expected(row, program, age), refused) {
        (true, None) => Err(format!("it takes all {} inputs", asked.len())),
        (false, Some(said)) => Err(format!("it refuses: {said}")),
        _ => Ok(()),
    }
}

#[test]
fn each_row_of_the_catalogue_is_refused_by_its_programs_and_by_no_other() {
    let (Some(today), Some(registry)) = (today(), registry()) else { return };
    let (Some(old_docker), Some(graph)) = (old_docker(), docker(Store::Graph)) else { return };
    let (Some(containerd), Some(_)) = (docker(Store::Containerd), containerd()) else { return };
    let known = Mutex::default();
    let programs = Programs {
        today,
        registry,
        old_docker: &old_docker,
        graph: &graph,
        containerd: &containerd,
        known,
    };
    let mut verdicts = Verdicts::default();
    // Schema 2 manifests are in registries: below.
    for row in READERS.iter().filter(|row| row.code != "docker-zstd") {
        let place = Place::new();
        let of = |(at, it): (usize, Sample)| {
            let odd = Given::of(&it.odd, it.made_by, &place, &format!("{at} odd"));
            (odd, Given::of(&it.plain, it.made_by, &place, &format!("{at} plain")))
        };
        let given: Vec<(Given, Given)> = samples(row).into_iter().enumerate().map(of).collect();
        // These are no readers of their own: an option of one, and what others have inside.
        let special = |it: &&&str| !matches!(**it, "ctr --all-platforms" | "zstd");
        let listed = |it: &&&str| row.refusers.iter().any(|refuser| refuser.program == **it);
        let asked = ASKED.iter().filter(|it| special(it) || listed(it));
        let asked = asked.flat_map(|it| [(*it, Age::Old), (*it, Age::Today)]);
        let asked = asked.filter(|it| *it != ("zstd", Age::Today));
        let said: Vec<_> = thread::scope(|scope| {
            let (programs, given) = (&programs, &given);
            let ask = |it| (it, scope.spawn(move || judge(programs, row, given, it)));
            let asking: Vec<_> = asked.map(ask).collect();
            asking.into_iter().map(|(it, job)| (it, job.join().unwrap())).collect()
        });
        for ((program, age), verdict) in said {
            verdicts.add(format!("{}: {} {age:?} {program}", row.code, row.sentence), verdict);
        }
    }
    fields(&programs, &mut verdicts);
    verdicts.settle(KNOWN);
}

/// Each field of a config that some cannot decode is refused by those, of both ages, and by no other.
fn fields(programs: &Programs<'_>, verdicts: &mut Verdicts) {
    for (number, (field, change, refusers)) in config_fields().into_iter().enumerate() {
        let place = Place::new();
        let of = |(at, it): (usize, Sample)| Given::of(&it.odd, None, &place, &format!("{at}"));
        let given: Vec<Given> =
            configs("a field", &*change).into_iter().enumerate().map(of).collect();
        let readers = ASKED.iter().filter(|it| !matches!(**it, "ctr --all-platforms" | "zstd"));
        let asked = readers.flat_map(|it| [(*it, Age::Old), (*it, Age::Today)]);
        let said: Vec<_> = thread::scope(|scope| {
            let given = &given;
            let refuses = move |(program, age)| {
                let said: Vec<_> =
                    given.iter().filter_map(|it| programs.ask(program, age, it)).collect();
                (!said.is_empty()).then(|| said.iter().any(Result::is_err))
            };
            let asking: Vec<_> = asked.map(|it| (it, scope.spawn(move || refuses(it)))).collect();
            asking.into_iter().map(|(it, job)| (it, job.join().unwrap())).collect()
        });
        for ((program, age), refuses) in said {
            let verdict = match refuses.map(|it| it == refusers.contains(&program)) {
                Some(false) => Err(format!("refuses: {refuses:?}, expected {refusers:?}")),
                _ => Ok(()),
            };
            verdicts.add(format!("{field} ({number}): {age:?} {program}"), verdict);
        }
    }
}

/// podman reads `index.json` of a universal archive of one entry, and `manifest.json` of one of
/// several, where it takes a short name for one of localhost.
#[test]
fn short_names_in_a_universal_archive_mean_docker_hub_to_every_program() {
    let (Some(today), Some(old_docker)) = (today(), old_docker()) else { return };
    let (Some(graph), Some(namespace)) = (docker(Store::Graph), containerd()) else { return };
    let names = ["app:1", "me/app:2", "other:1"];
    let full: Vec<String> = names.iter().map(|name| canonical(name)).collect();
    for several in [&names[..1], &names[..2], &names] {
        let place = Place::new();
        let images = [
            Image::new(&["a"]).named(&several[..several.len().min(2)]),
            Image::new(&["b"]).named(&several[several.len().min(2)..]),
        ];
        let images = if several.len() > 2 { &images[..] } else { &images[..1] };
        let source = place.put("source.tar", &ggcr(images));
        let archive = PathBuf::from(place.path("universal.tar"));
        let path = archive.to_str().unwrap();
        imgconv(&["convert", &source, path, "--to", "docker-archive"]).ok();
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        let (short, full) = (several.iter().map(ToString::to_string), &full[..several.len()]);
        let (short, full) = (sorted(short.collect()), sorted(full.to_vec()));
        old_docker.empty();
        old_docker.tries(&[&"load", &"--quiet", &"--input", &archive]).unwrap();
        let loaded = old_docker.images().into_values().flatten().collect();
        assert_eq!(sorted(loaded), short, "docker 20.10");
        let lines = |said: Vec<u8>| {
            let said = String::from_utf8(said).unwrap();
            sorted(said.lines().map(str::to_owned).collect())
        };
        let format = "{{.Repository}}:{{.Tag}}";
        run(graph.client().args(["system", "prune", "--all", "--force"]));
        run(graph.client().args(["load", "--quiet", "--input", path]));
        let listed = run(graph.client().args(["image", "ls", "--format", format]));
        assert_eq!(lines(listed), short, "docker of today");
        for age in [Age::Old, Age::Today] {
            let store = tempfile::tempdir().unwrap();
            let podman = || podman(today, age, store.path());
            run(podman().args(["load", "--quiet", "--input", path]));
            let listed = run(podman().args(["images", "--format", format]));
            assert_eq!(lines(listed), full, "podman {age:?}");
            for name in short.iter().chain(&full) {
                let reference = format!("docker-archive:{path}:{name}");
                let inspect = ["inspect", "--config", "--raw", &reference];
                run(command(today, "skopeo", age).args(inspect));
            }
        }
        let imported = namespace.import(&archive).into_keys().collect();
        assert_eq!(sorted(imported), full, "containerd");
    }
}

/// What a program says of an image in a registry.
fn pulled(
    (today, old_docker, graph, containerd_today): (&Today, &OldDocker, &Docker, &Docker),
    (program, age): (&str, Age),
    name: &str,
) -> Option<Result<(), String>> {
    let place = tempfile::tempdir().unwrap();
    Some(match (program, age) {
        ("docker", Age::Old) => {
            old_docker.empty();
            old_docker.tries(&[&"pull", &"--quiet", &name])
        }
        ("docker", Age::Today) => {
            run(graph.client().args(["system", "prune", "--all", "--force"]));
            attempt(graph.client().args(["pull", "--quiet", name])).map(drop)
        }
        ("containerd", Age::Old) => containerd()?.pull(name),
        ("containerd", Age::Today) => {
            let mut ctr = containerd_today.ctr();
            ctr.args(["--namespace", &digest(name.as_bytes())[7..27], "images", "pull", "--local"]);
            attempt(ctr.args(["--plain-http", "--snapshotter", "native", name])).map(drop)
        }
        ("podman", age) => {
            let mut podman = podman(today, age, place.path());
            attempt(podman.args(["pull", "--quiet", "--tls-verify=false", name])).map(drop)
        }
        ("skopeo", age) => {
            let mut skopeo = command(today, "skopeo", age);
            skopeo.args(["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false"]);
            let to = format!("dir:{}", place.path().display());
            attempt(skopeo.args([&format!("docker://{name}"), &to])).map(drop)
        }
        ("crane", Age::Today) if today.has("crane") => {
            attempt(today.command("crane").args(["validate", "--remote", name])).map(drop)
        }
        _ => return None,
    })
}

#[test]
fn zstd_layers_of_a_schema_2_manifest_are_refused_by_the_programs_of_their_row() {
    let (Some(today), Some(registry)) = (today(), registry()) else { return };
    let (Some(old_docker), Some(graph)) = (old_docker(), docker(Store::Graph)) else { return };
    let (Some(containerd_today), Some(_)) = (docker(Store::Containerd), containerd()) else {
        return;
    };
    let row = READERS.iter().find(|row| row.code == "docker-zstd").unwrap();
    let all = (today, &*old_docker, &*graph, &*containerd_today);
    let mut verdicts = Verdicts::default();
    for codec in [Codec::Gzip, Codec::Zstd] {
        let (place, image) = (Place::new(), Image::new(&["base"]).stored(&[codec]));
        let mut layout = Layout::new();
        let entry = layout.image(&image, MediaFamily::Oci);
        let files = layout.files();
        let manifest = &files[&*format!("blobs/{}", text(&entry["digest"]).replace(':', "/"))];
        let oci = place.put("oci.json", manifest);
        let schema2 = imgconv(&["manifest", "convert", &oci, "--to", "schema2"]).ok().out;
        for blob in [&image.config, &image.stored[0]] {
            registry.blob("refused/zstd", blob);
        }
        let tag = format!("{codec:?}").to_lowercase();
        registry.manifest("refused/zstd", &tag, MediaFamily::Docker.manifest(), &schema2);
        let name = format!("127.0.0.1:{}/refused/zstd:{tag}", registry.port);
        for (program, age) in ASKED.iter().flat_map(|it| [(*it, Age::Old), (*it, Age::Today)]) {
            let Some(said) = pulled(all, (program, age), &name) else { continue };
            let refuses = codec == Codec::Zstd && expected(row, program, age);
            let verdict = match (refuses, said) {
                (true, Ok(())) => Err("it takes it".to_owned()),
                (false, Err(said)) => Err(said),
                _ => Ok(()),
            };
            verdicts.add(format!("{tag} {age:?} {program}"), verdict);
        }
    }
    verdicts.settle(&[]);
}
