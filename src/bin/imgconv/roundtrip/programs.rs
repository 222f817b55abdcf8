//! Converts the first image with docker, podman, skopeo and umoci.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;
use imgconv::convert::{Dialect, Format};

use super::{By, RoundtripStep, Workshop};

/// A program to convert with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    Docker,
    Podman,
    Skopeo,
    Umoci,
}

/// The temporary name of the image, which is unique.
const NAME: &str = "imgconv.invalid/roundtrip:1";

/// All conversions with one program.
pub(super) fn through(workshop: &Workshop<'_>, program: Program) -> Vec<RoundtripStep> {
    let ways: &[(&str, Way)] = match program {
        Program::Docker => &[("docker load, save", docker)],
        Program::Podman => {
            &[("podman load, save", podman), ("podman load, save --format oci-archive", podman_oci)]
        }
        Program::Skopeo => &[
            ("skopeo copy docker-archive: oci:", skopeo_oci),
            ("skopeo copy oci: docker-archive:", skopeo_archive),
            ("skopeo copy oci: oci:", skopeo_copy),
        ],
        Program::Umoci => &[("umoci config", umoci)],
    };
    let gone = ways.iter().enumerate().map(|(at, (name, way))| {
        let folder = workshop.path(&format!("{program:?}-{at}"));
        let made = std::fs::create_dir(&folder).map_err(|error| error.to_string());
        let out = made.and_then(|()| way(workshop, &folder));
        let image = if program == Program::Umoci { "changed" } else { "@0" };
        workshop.step((*name).to_owned(), out, image, By::Others)
    });
    gone.collect()
}

/// Converts the image with a program; returns the path of the result.
type Way = fn(&Workshop<'_>, &Path) -> Result<PathBuf, String>;

/// The image as docker up to 24 wrote it, which every program reads.
fn archive(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join("in.tar");
    let form = Format::DockerArchive(Dialect::Classic);
    let done = workshop.convert(&workshop.source, &path, form, Some(NAME));
    done.map(|()| path).map_err(|failure| failure.to_string())
}

fn layout(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join("in");
    let done = workshop.convert(&workshop.source, &path, Format::Layout, Some(NAME));
    done.map(|()| path).map_err(|failure| failure.to_string())
}

fn docker(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    let (from, to) = (archive(workshop, folder)?, folder.join("out.tar"));
    run("docker", &[&"load", &"--quiet", &"--input", &from])?;
    let saved = run("docker", &[&"save", &"--output", &to, &NAME]);
    run("docker", &[&"image", &"rm", &NAME])?;
    saved.map(|()| to)
}

fn podman(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    podman_save(workshop, folder, "docker-archive")
}

fn podman_oci(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    podman_save(workshop, folder, "oci-archive")
}

fn podman_save(workshop: &Workshop<'_>, folder: &Path, format: &str) -> Result<PathBuf, String> {
    let (from, to) = (archive(workshop, folder)?, folder.join("out.tar"));
    let (root, runs) = (folder.join("root"), folder.join("run"));
    let store: [&dyn AsRef<OsStr>; 6] =
        [&"--root", &root, &"--runroot", &runs, &"--storage-driver", &"vfs"];
    let podman = |words: &[&dyn AsRef<OsStr>]| run("podman", &[&store[..], words].concat());
    podman(&[&"load", &"--quiet", &"--input", &from])?;
    podman(&[&"save", &"--quiet", &"--format", &format, &"--output", &to, &NAME])?;
    Ok(to)
}

fn skopeo(from: &str, to: &str) -> Result<(), String> {
    run("skopeo", &[&"--insecure-policy", &"copy", &"--quiet", &from, &to])
}

fn skopeo_oci(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    let (from, to) = (archive(workshop, folder)?, folder.join("out"));
    skopeo(&format!("docker-archive:{}", from.display()), &format!("oci:{}:1", to.display()))?;
    Ok(to)
}

fn skopeo_archive(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    let (from, to) = (layout(workshop, folder)?, folder.join("out.tar"));
    let (from, there) = (from.display(), to.display());
    skopeo(&format!("oci:{from}:1"), &format!("docker-archive:{there}:{NAME}"))?;
    Ok(to)
}

fn skopeo_copy(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    let (from, to) = (layout(workshop, folder)?, folder.join("out"));
    skopeo(&format!("oci:{}:1", from.display()), &format!("oci:{}:1", to.display()))?;
    Ok(to)
}

/// umoci changes layouts in place; adding a label shows what it keeps.
fn umoci(workshop: &Workshop<'_>, folder: &Path) -> Result<PathBuf, String> {
    let layout = layout(workshop, folder)?;
    let image = format!("{}:1", layout.display());
    let words: [&dyn AsRef<OsStr>; 6] =
        [&"config", &"--image", &image, &"--tag", &"changed", &"--no-history"];
    run("umoci", &words)?;
    Ok(layout)
}

/// Runs a program; the error is the last line of its output.
fn run(program: &str, words: &[&dyn AsRef<OsStr>]) -> Result<(), String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|_| format!("{program} is not installed"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    Err(format!("{program}: {last}"))
}
