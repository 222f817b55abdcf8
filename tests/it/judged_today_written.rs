//! What today's programs write goes through imgconv to every form: the same images by the same names,
//! and each output verifies.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::judges::held::{Files, Held, ambiguous, by_index, by_manifest, files, held, narrowed};
use crate::judges::verdicts::Verdicts;
use crate::judges::written::{Written, written};

/// Cases that fail for a known reason; one that passes has to go.
const KNOWN: &[(&str, &str)] = &[];

/// Every form, and the words that make it out of the source or, from `oci2save` on, of the layout.
pub(crate) const FORMS: &[(&str, &[&str])] = &[
    ("layout", &["convert", "--to", "oci"]),
    ("oci-archive", &["convert", "--to", "oci-archive"]),
    ("docker-archive", &["convert", "--to", "docker-archive"]),
    ("universal", &["oci2save", "-d", "universal"]),
    ("classic", &["oci2save", "-d", "classic"]),
    ("hybrid", &["oci2save", "-d", "hybrid"]),
    ("podman", &["oci2save", "-d", "podman"]),
];

/// Makes a form in a folder where the forms before it are.
pub(crate) fn convert(
    written: &Written,
    form: &(&str, &[&str]),
    folder: &Path,
) -> Result<PathBuf, String> {
    let out = folder.join(form.0);
    let layout = folder.join("layout");
    let source = if form.1[0] == "oci2save" { &layout } else { &written.path };
    imgconv(&[form.1, &["-q", text(source), text(&out)]].concat())?;
    Ok(out)
}

/// Runs it; an error is what it said.
pub(crate) fn imgconv(args: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_imgconv")).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    Err(format!("imgconv {}: {}\n{listed}{said}", args.join(" "), output.status))
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_todays_programs_write_goes_through_every_form_and_verifies() {
    let Some(all) = written() else { return };
    let mut verdicts = Verdicts::default();
    for written in all {
        let folder = tempfile::tempdir().unwrap();
        let source = held(&files(&written.path));
        let wrong = FORMS.iter().filter_map(|form| {
            let out = convert(written, form, folder.path());
            let verdict = out.and_then(|out| {
                same(&source, form.0, &files(&out))?;
                verified(written, &out)?;
                compared(written, form.0, &out)
            });
            verdict.err().map(|said| format!("{}: {said}", form.0))
        });
        let wrong: Vec<String> = wrong.collect();
        let verdict = if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) };
        verdicts.add(written.case, verdict);
    }
    verdicts.settle(KNOWN);
}

/// Whether a form holds what its source holds, and a tag in it stands for one image.
fn same(source: &Held, form: &str, out: &Files) -> Result<(), String> {
    let (indexed, listed) = (by_index(out), by_manifest(out));
    let one = narrowed(source);
    let one = nameable(&one);
    let checks: &[(&Held, &Held)] = match form {
        "layout" | "oci-archive" => &[(&indexed, source)],
        "docker-archive" | "universal" => &[(&indexed, source), (&listed, &one)],
        // As docker itself writes it: tags that are there twice, too.
        "hybrid" => return equal(&[(&indexed, &one), (&listed, &one)]),
        _ => &[(&listed, &one)],
    };
    equal(checks)?;
    match ambiguous(out).as_slice() {
        [] => Ok(()),
        twice => Err(format!("two images are behind each of {twice:?}")),
    }
}

fn equal(pairs: &[(&Held, &Held)]) -> Result<(), String> {
    let differing = pairs.iter().find(|(found, expected)| found != expected);
    let said = |(found, expected): &_| format!("expected {expected:?}, found {found:?}");
    differing.map_or(Ok(()), |pair| Err(said(pair)))
}

/// What a docker archive can call them: it has no name for a tag or a digest alone.
fn nameable(held: &Held) -> Held {
    let can = |name: &str| name.contains(['/', ':']) && !name.contains('@');
    let named = |name: &str| if can(name) { name.to_owned() } else { String::new() };
    held.iter().map(|(name, images)| (named(name), images.clone())).collect()
}

/// Whether imgconv itself calls a form that loses nothing the same as its source.
fn compared(written: &Written, form: &str, out: &Path) -> Result<(), String> {
    if ["classic", "hybrid", "podman"].contains(&form) {
        return Ok(());
    }
    imgconv(&["compare", "-q", text(&written.path), text(out)]).map(drop)
}

/// Whether an output verifies, but for platforms that its source lists without having them.
fn verified(written: &Written, out: &Path) -> Result<(), String> {
    let Err(said) = imgconv(&["verify", "--strict", "-q", text(out)]) else { return Ok(()) };
    let sparse = imgconv(&["verify", "--strict", "-q", text(&written.path)]).is_err_and(|source| {
        let absent = |it: &str| it.starts_with("note child-absent:");
        findings(&source).any(absent) && findings(&said).all(absent)
    });
    if sparse { Ok(()) } else { Err(said) }
}

fn findings(said: &str) -> impl Iterator<Item = &str> {
    let lines = said.lines().map(str::trim_start);
    lines.filter(|it| it.starts_with("problem ") || it.starts_with("note "))
}
