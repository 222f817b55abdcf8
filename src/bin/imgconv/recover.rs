//! The registry's own layers: `--recover`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use imgconv::convert::{Destination, Format, Plan, Target, check_destination, plan, run, selected};
use imgconv::digest::Digest;
use imgconv::error::Shown;
use imgconv::recover::{LayerFate, Means, RecoveredImage, Recovery};
use imgconv::source::{Arrival, Source};

use crate::args::{ReadingArgs, folder_of};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::ui::Ui;

/// How compressed layers come back.
#[derive(Debug, clap::Args)]
pub(crate) struct RecoveringArgs {
    /// Compress layers to the digests that this manifest states: a manifest or index file, a layout
    /// or archive, docker://NAME, or only the digest of a manifest; may be repeated
    #[arg(long = "recover", value_name = "FROM", value_hint = clap::ValueHint::AnyPath)]
    from: Vec<OsString>,
}

/// Whether layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recover {
    Done,
    /// Only said.
    Foreseen,
}

impl RecoveringArgs {
    /// Whether there is anything to recover.
    pub(crate) fn is_set(&self) -> bool {
        !self.from.is_empty()
    }

    /// Where the manifests are.
    pub(crate) fn places(&self) -> Result<Vec<PlaceArg>, Failure> {
        let places = self.from.iter().filter(|from| digest(from).is_none());
        places.map(|from| PlaceArg::parse(from)).collect()
    }

    /// Digests of manifests that are nowhere.
    fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.from.iter().filter_map(|from| digest(from))
    }
}

/// A digest that is not the name of a file.
fn digest(text: &OsStr) -> Option<Digest> {
    let digest = text.to_str()?.parse().ok()?;
    (!Path::new(text).exists()).then_some(digest)
}

/// Recovers what the target will hold, and says what became of it.
pub(crate) fn recover(
    ui: &Ui,
    (source, recovering, known): (&mut Source, &RecoveringArgs, &[PlaceArg]),
    reading: &ReadingArgs,
    (target, spool): (&Target, PathBuf),
    how: Recover,
) -> Result<Vec<RecoveredImage>, Failure> {
    let mut recovery = Recovery::new();
    for place in known {
        recovery.learn(&reading.open_with_problems(ui, place, Arrival::digests(1))?)?;
    }
    recovering.digests().for_each(|digest| recovery.learn_digest(digest));
    let images = selected(source, target)?;
    if how == Recover::Foreseen {
        for (name, layers) in recovery.foresee(source, &images)? {
            let s = if layers == 1 { "" } else { "s" };
            ui.note(&format!("{}: {layers} layer{s} to recover", Shown(&name)));
        }
        return Ok(Vec::new());
    }
    let means = Means { spool, threads: target.threads };
    let found = recovery.apply(source, &images, &means, ui)?;
    found.iter().for_each(|image| ui.note(&words(image)));
    Ok(found)
}

/// Writes what brings the layers back that a conversion does not keep.
pub(crate) fn write_recovery_file(ui: &Ui, it: &Plan, file: &Path) -> Result<(), Failure> {
    if it.losing_layers().is_empty() {
        let text = "--recovery-file: expected compressed layers to be lost, found none";
        return Err(Failure::usage(text, "leave out --recovery-file".to_owned()));
    }
    let target = Target::new(Destination::Path(file.to_owned()), Format::OciArchive);
    check_destination(&target)?;
    let records = plan(it.recovery_file(folder_of(file), ui)?, target)?;
    run(&records, ui)?;
    Ok(())
}

/// What became of an image.
fn words(image: &RecoveredImage) -> String {
    let mut likes: Vec<&str> = Vec::new();
    let mut recovered = 0;
    for layer in &image.layers {
        if let LayerFate::Recovered { like, .. } = &layer.fate {
            recovered += 1;
            if !like.is_empty() && !likes.contains(like) {
                likes.push(like);
            }
        }
    }
    let all = image.layers.iter().filter(|it| it.fate != LayerFate::There).count();
    let name = Shown(&image.name);
    let layers = if all == 1 { "layer" } else { "layers" };
    let by = if likes.is_empty() {
        String::new()
    } else {
        format!(", compressed as {} does", likes.join(" or "))
    };
    format!("{name}: recovered {recovered} of {all} {layers}{by}")
}
