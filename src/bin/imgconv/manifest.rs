//! `imgconv manifest`: registry manifests as documents.

mod convert;
mod render;

use std::ffi::{OsStr, OsString};

use clap::Subcommand;
use imgconv::document::kind::DocumentKind;
use imgconv::image::Name;
use imgconv::manifest::{self, FoundDocument};
use imgconv::source::Options;

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
    /// Document, docker archive or layout: a path, or - for a pipe
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    #[command(flatten)]
    choosing: Choosing,
    /// Print the document byte for byte
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    speaking: Speaking,
}

/// Print the digest as registries compute it (for signed schema 1, of the payload)
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  imgconv manifest digest manifest.json")]
struct DigestArgs {
    /// Document, docker archive or layout: a path, or - for a pipe
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    #[command(flatten)]
    choosing: Choosing,
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

/// Reads a document from a place.
fn read(source: &OsStr, choosing: &Choosing) -> Result<FoundDocument, Failure> {
    let place = PlaceArg::parse(source)?;
    let options = Options::new(temporary());
    Ok(manifest::read(place.input()?, &options, &choosing.selection(&place)?)?)
}

impl ShowArgs {
    fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        let found = read(&self.source, &self.choosing)?;
        if self.raw {
            return ui.answer_bytes(found.parsed.raw());
        }
        let facts = manifest::show(&found.parsed);
        ui.answer(&match self.speaking.format {
            OutputFormat::Json => crate::render::json(&facts),
            OutputFormat::Text => render::facts(&facts),
        })?;
        if found.made {
            ui.note("this manifest is built from manifest.json, as a docker archive has no registry manifest");
        }
        if found.parsed.kind == DocumentKind::SavedManifest {
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
        let options = Options::new(temporary());
        let selection = self.choosing.selection(&place)?;
        let digest = manifest::read_digest(place.input()?, &options, &selection)?;
        ui.answer(&format!("{digest}\n"))
    }
}

impl DiffArgs {
    fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        let (a, b) = (read(&self.a, &self.choosing)?, read(&self.b, &self.choosing)?);
        let at = a.at.clone();
        let difference = manifest::diff(&a.parsed, &b.parsed)
            .map_err(|kind| imgconv::error::Error::new(&at, kind))?;
        ui.answer(&match self.speaking.format {
            OutputFormat::Json => render::difference_json(&a.parsed, &b.parsed, &difference),
            OutputFormat::Text => render::difference(&a.parsed, &b.parsed, &difference),
        })?;
        if difference.changes.is_empty() {
            return Ok(());
        }
        Err(Failure::No(format!("{} and {} differ", a.at, b.at)))
    }
}

/// Parses `--name`, the name in schema 1.
fn name(text: &str) -> Result<imgconv::reference::Reference, Failure> {
    crate::place::name("--name", text).and_then(|name: Name| {
        name.reference
            .ok_or_else(|| Failure::usage(format!("--name {text}: not an image name"), None))
    })
}
