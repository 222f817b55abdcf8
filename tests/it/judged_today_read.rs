//! What imgconv wrote is read by today's programs: every form of what several of them wrote.

use std::fs;
use std::sync::OnceLock;

use crate::judged_today_written::{FORMS, convert};
use crate::judges::readers::{Form, buildah, crane, ctr, docker, oras, podman, skopeo, umoci};
use crate::judges::today::{Store, docker as daemon, registry, today};
use crate::judges::verdicts::Verdicts;
use crate::judges::written::written;

/// Cases that fail for a known reason; one that passes has to go.
const KNOWN_DAEMONS: &[(&str, &str)] = &[];
const KNOWN_PROGRAMS: &[(&str, &str)] = &[];
const KNOWN_REGISTRIES: &[(&str, &str)] = &[];

/// Sources whose forms are read: one and two images, names and platforms, with and without an index.
const SOURCES: &[&str] = &[
    "docker save, two names of an image",
    "docker save, graph store, two images",
    "buildx, layout of two platforms",
    "podman save, two names and two images",
    "podman save, OCI archive",
];

/// Every form of every source, with a case's name; made at the first call, beside the sources.
fn forms() -> Option<&'static [(String, Form)]> {
    static MADE: OnceLock<Vec<(String, Form)>> = OnceLock::new();
    let all = written()?;
    Some(MADE.get_or_init(|| {
        let chosen = all.iter().filter(|it| SOURCES.contains(&it.case));
        chosen
            .flat_map(|written| {
                let folder = written.path.with_extension("forms");
                fs::create_dir(&folder).unwrap();
                // A docker archive is universal unless another dialect is asked for.
                FORMS.iter().filter(|form| form.0 != "docker-archive").map(move |form| {
                    let path = convert(written, form, &folder).unwrap();
                    (format!("{} > {}", written.case, form.0), Form::of(form.0, path))
                })
            })
            .collect()
    }))
}

/// Asks a reader for every form that it takes.
struct Read<'a> {
    forms: &'a [(String, Form)],
    verdicts: Verdicts,
}

impl Read<'_> {
    fn by(&mut self, reader: &str, read: impl Fn(&Form) -> Option<Result<(), String>>) {
        for (case, form) in self.forms {
            if let Some(verdict) = read(form) {
                self.verdicts.add(format!("{case} > {reader}"), verdict);
            }
        }
    }
}

#[test]
fn todays_daemons_read_what_imgconv_wrote() {
    let Some(forms) = forms() else { return };
    let (Some(containerd), Some(graph)) = (daemon(Store::Containerd), daemon(Store::Graph)) else {
        return;
    };
    let mut all = Read { forms, verdicts: Verdicts::default() };
    all.by("docker", |form| docker(&containerd, form));
    all.by("docker, graph store", |form| docker(&graph, form));
    all.by("ctr", |form| ctr(&containerd, form));
    all.verdicts.settle(KNOWN_DAEMONS);
}

#[test]
fn todays_programs_without_a_daemon_read_what_imgconv_wrote() {
    let (Some(forms), Some(today)) = (forms(), today()) else { return };
    let mut all = Read { forms, verdicts: Verdicts::default() };
    all.by("podman", |form| podman(today, form));
    all.by("skopeo", |form| skopeo(today, form));
    all.by("buildah", |form| buildah(today, form));
    all.by("umoci", |form| umoci(today, form));
    all.verdicts.settle(KNOWN_PROGRAMS);
}

#[test]
fn todays_programs_of_registries_read_what_imgconv_wrote() {
    let (Some(forms), Some(today), Some(registry)) = (forms(), today(), registry()) else { return };
    let mut all = Read { forms, verdicts: Verdicts::default() };
    if today.has("crane") {
        all.by("crane", |form| crane(today, registry, form));
    }
    all.by("oras", |form| oras(today, registry, form));
    all.verdicts.settle(KNOWN_REGISTRIES);
}
