//! `imgconv manifest`: registry manifests as documents.

mod convert;
mod render;

use std::ffi::{OsStr, OsString};

use clap::Subcommand;
use imgconv::bytes::files::Input;
use imgconv::document::kind::DocumentKind;
use imgconv::error::{Error, Shown};
use imgconv::image::Name;
use imgconv::manifest::{self, FoundDocument, ManifestDifference};
use imgconv::registry::document;
use imgconv::source::{Arrival, Options, Selection};

use crate::access::AccessArgs;
use crate::args::{Choosing, OutputFormat, Speaking, temporary};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::ui::Ui;

/// Show, digest, convert and compare registry manifests
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: ManifestVerb,
}

#[derive(Debug, Subcommand)]
enum ManifestVerb {
    Show(ShowArgs),
    Digest(DigestArgs),
    Convert(convert::Args),
    Diff(DiffArgs),
}

/// Show the kind and digest of a manifest, index or config, and everything that it refers to
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv manifest show manifest.json
  imgconv manifest show layout -i nginx:1.17
  imgconv manifest show --raw layout | sha256sum")]
struct ShowArgs {
    /// Document, docker archive or layout: a path, - for a pipe, or docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    #[command(flatten)]
    choosing: Choosing,
    /// Print the document byte for byte
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    speaking: Speaking,
}

/// Print the digest as registries compute it (for signed schema 1, of the payload)
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  imgconv manifest digest manifest.json")]
struct DigestArgs {
    /// Document, docker archive or layout: a path, - for a pipe, or docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    access: AccessArgs,
}

/// Compare two documents field by field, or by meaning if their kinds differ
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 the same, 1 different, 2 could not run.

Example:
  imgconv manifest diff schema2.json oci.json")]
struct DiffArgs {
    /// Document, docker archive or layout
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    a: OsString,
    /// Document to compare it with
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    b: OsString,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    speaking: Speaking,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        match &self.verb {
            ManifestVerb::Show(args) => args.run(ui),
            ManifestVerb::Digest(args) => args.run(ui),
            ManifestVerb::Convert(args) => args.run(ui),
            ManifestVerb::Diff(args) => args.run(ui),
        }
    }
}

/// Opens a place for its documents alone, and the selected ones.
fn opened(
    ui: &Ui,
    source: &OsStr,
    choosing: &Choosing,
    access: &AccessArgs,
) -> Result<(Input, Selection), Failure> {
    let place = PlaceArg::parse(source)?;
    let selection = choosing.selection(&place)?;
    let input = match (place.names.as_slice(), selection.is_all()) {
        // One document is wanted, not what it names.
        ([name], true) => document(&access.session(ui)?, name.clone()).into(),
        _ => place.input(ui, access)?,
    };
    Ok((input, selection))
}

/// How places are opened: of layers only digests are wanted.
fn options() -> Options {
    let mut options = Options::new(temporary());
    options.arrival = Arrival::digests(1);
    options
}

/// Reads a document from a place.
fn read(
    ui: &Ui,
    source: &OsStr,
    choosing: &Choosing,
    access: &AccessArgs,
) -> Result<FoundDocument, Failure> {
    let (input, selection) = opened(ui, source, choosing, access)?;
    Ok(manifest::read(input, &options(), &selection)?)
}

/// Reads the documents of all selected entries of a place.
fn read_all(
    ui: &Ui,
    source: &OsStr,
    choosing: &Choosing,
    access: &AccessArgs,
) -> Result<Vec<FoundDocument>, Failure> {
    let (input, selection) = opened(ui, source, choosing, access)?;
    Ok(manifest::read_all(input, &options(), &selection)?)
}

impl ShowArgs {
    fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        self.access.needed(&[&PlaceArg::parse(&self.source)?])?;
        if self.raw {
            return ui
                .answer_bytes(read(ui, &self.source, &self.choosing, &self.access)?.parsed.raw());
        }
        let all = read_all(ui, &self.source, &self.choosing, &self.access)?;
        ui.answer(&match self.speaking.format {
            OutputFormat::Json => render::facts_json(&all),
            OutputFormat::Text => render::facts(&all),
        })?;
        if all.iter().any(|it| it.made) {
            ui.note("a manifest is built from manifest.json if the docker archive has no registry manifest");
        }
        if let [found] = all.as_slice()
            && found.parsed.kind == DocumentKind::SavedManifest
        {
            let text = format!(
                "{}: is the {}, not a registry manifest",
                found.at,
                DocumentKind::SavedManifest.name()
            );
            let hint = "pass the archive to see the manifest that it would have";
            return Err(Failure::No(format!("{text}; {hint}")));
        }
        Ok(())
    }
}

impl DigestArgs {
    fn run(&self, ui: &Ui) -> Result<(), Failure> {
        let place = PlaceArg::parse(&self.source)?;
        let options = options();
        self.access.needed(&[&place])?;
        let selection = self.choosing.selection(&place)?;
        if let ([name], true) = (place.names.as_slice(), selection.is_all()) {
            let digest = self.access.session(ui)?.digest(name)?;
            return ui.answer(&format!("{digest}\n"));
        }
        let input = place.input(ui, &self.access)?;
        let digest = manifest::read_digest(input, &options, &selection)?;
        ui.answer(&format!("{digest}\n"))
    }
}

impl DiffArgs {
    fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        self.access.needed(&[&PlaceArg::parse(&self.a)?, &PlaceArg::parse(&self.b)?])?;
        let side = |source| read_all(ui, source, &self.choosing, &self.access);
        let (a, b) = (side(&self.a)?, side(&self.b)?);
        let found = Compared::of(&a, &b)?;
        ui.answer(&match self.speaking.format {
            OutputFormat::Json => render::difference_json(&found),
            OutputFormat::Text => render::difference(&found),
        })?;
        let same = found.pairs.iter().all(|it| it.2.changes.is_empty());
        if same && found.only_a.is_empty() && found.only_b.is_empty() {
            return Ok(());
        }
        let places = [&self.a, &self.b].map(|it| it.to_string_lossy().into_owned());
        Err(Failure::No(format!("{} and {} differ", Shown(&places[0]), Shown(&places[1]))))
    }
}

/// The documents of two places: each pair with its differences, and those of one place alone.
struct Compared<'a> {
    pairs: Vec<(&'a FoundDocument, &'a FoundDocument, ManifestDifference)>,
    only_a: Vec<&'a FoundDocument>,
    only_b: Vec<&'a FoundDocument>,
}

impl<'a> Compared<'a> {
    /// Two single documents are a pair; of several, those with a name in common, or the same bytes.
    fn of(a: &'a [FoundDocument], b: &'a [FoundDocument]) -> Result<Self, Failure> {
        let single = a.len() == 1 && b.len() == 1;
        let alike = |a: &FoundDocument, b: &FoundDocument| {
            let same = a.parsed.raw() == b.parsed.raw();
            single || same || a.names.iter().any(|name| b.names.contains(name))
        };
        let mut found = Self { pairs: Vec::new(), only_a: Vec::new(), only_b: b.iter().collect() };
        for a in a {
            let Some(at) = found.only_b.iter().position(|b| alike(a, b)) else {
                found.only_a.push(a);
                continue;
            };
            let b = found.only_b.remove(at);
            let difference = manifest::diff(&a.parsed, &b.parsed);
            let difference = difference.map_err(|kind| Error::new(&a.at, kind))?;
            found.pairs.push((a, b, difference));
        }
        Ok(found)
    }
}

/// Parses `--name`, the name in schema 1.
fn name(text: &str) -> Result<imgconv::reference::Reference, Failure> {
    crate::place::name("--name", text).and_then(|name: Name| {
        name.reference
            .ok_or_else(|| Failure::usage(format!("--name {text}: not an image name"), None))
    })
}
