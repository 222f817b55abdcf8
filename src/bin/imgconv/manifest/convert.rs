//! `imgconv manifest convert`: converts a manifest, and prints the changes on standard error.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use imgconv::digest::Digest;
use imgconv::document::kind::DocumentKind;
use imgconv::document::signature::Key;
use imgconv::error::{Error, ErrorKind, Location};
use imgconv::manifest::{
    self, BlobLookup, ConfigRules, ConvertedManifest, ManifestRequest, PlatformFill,
};

use super::{name, options, render};
use crate::access::AccessArgs;
use crate::args::{Choosing, OutputFormat, Speaking, temporary};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::ui::Ui;

/// Convert a manifest to another kind, offline
#[derive(Debug, clap::Args)]
#[command(after_help = "Prints each change and its reason on standard error.

Examples:
  imgconv manifest convert schema2.json oci.json --to oci
  imgconv manifest convert layout --to schema1 --name library/nginx:1.17
  imgconv manifest convert schema1.json out.json --to schema2 --layers blobs/ --config-out config.json
  imgconv manifest convert list.json index.json --to index --children layout --children-out converted")]
pub(super) struct Args {
    /// Document, docker archive or layout: a path, or - for a pipe
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    /// File to write [default: standard output]
    #[arg(value_name = "OUT")]
    out: Option<PathBuf>,
    /// Kind of manifest to write
    #[arg(long, value_enum, value_name = "KIND")]
    to: TargetKind,
    #[command(flatten)]
    choosing: Choosing,
    /// Config of the image, for --to schema1
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File for the config that is built from schema 1
    #[arg(long, value_name = "FILE")]
    config_out: Option<PathBuf>,
    /// Layers of the schema 1 manifest: a docker archive, a layout, a folder of blobs, or - for a pipe
    #[arg(value_hint = clap::ValueHint::AnyPath, long, value_name = "SOURCE", conflicts_with = "children")]
    layers: Option<OsString>,
    /// Image name to write into schema 1
    #[arg(long, value_name = "REPO:TAG")]
    name: Option<String>,
    /// P-256 key, as JWK or PEM, to sign schema 1 with
    #[arg(long, value_name = "FILE")]
    sign_key: Option<PathBuf>,
    /// Children of the index: a layout or a folder of blobs
    #[arg(value_hint = clap::ValueHint::AnyPath, long, value_name = "DIR|LAYOUT")]
    children: Option<OsString>,
    /// Folder for the converted children, each named by its digest
    #[arg(long, value_name = "DIR")]
    children_out: Option<PathBuf>,
    /// Add the platform from the config to entries without one
    #[arg(long)]
    fill_platform: bool,
    /// Program to imitate when schema 1 has no docker_version [default: docker]
    #[arg(long, value_enum, value_name = "TOOL")]
    config_like: Option<ConfigLike>,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    speaking: Speaking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TargetKind {
    #[value(alias = "v2s1")]
    Schema1,
    #[value(alias = "v2s2")]
    Schema2,
    Oci,
    List,
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ConfigLike {
    Docker,
    Skopeo,
}

impl Args {
    pub(super) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        for out in [&self.out, &self.config_out].into_iter().flatten() {
            refuse_existing(out)?;
        }
        let place = PlaceArg::parse(&self.source)?;
        let blobs = self.layers.as_ref().or(self.children.as_ref());
        let there = blobs.map(|text| PlaceArg::parse(text)).transpose()?;
        self.access.needed(&[&place].into_iter().chain(&there).collect::<Vec<_>>())?;
        let selection = self.choosing.selection(&place)?;
        let input = place.input(ui, &self.access)?;
        let found = manifest::read(input, &options(), &selection)?;
        self.refuse_idle(found.parsed.kind)?;
        let config = match &self.config {
            Some(path) => Some(file(path)?),
            None => found.config.clone(),
        };
        let blobs = there.map(|it| blob_place((ui, &self.access), &place, &it)).transpose()?;
        let mut request = ManifestRequest::new(match self.to {
            TargetKind::Schema1 => DocumentKind::Schema1,
            TargetKind::Schema2 => DocumentKind::Schema2,
            TargetKind::Oci => DocumentKind::OciManifest,
            TargetKind::List => DocumentKind::List,
            TargetKind::Index => DocumentKind::OciIndex,
        });
        request.config = config;
        request.blobs = blobs.as_ref();
        request.name = self.name.as_deref().map(name).transpose()?;
        request.key = self.sign_key.as_ref().map(|path| key(path)).transpose()?;
        request.like = match self.config_like {
            None | Some(ConfigLike::Docker) => ConfigRules::Moby,
            Some(ConfigLike::Skopeo) => ConfigRules::Containers,
        };
        if self.fill_platform {
            request.fill = PlatformFill::All;
        }
        let converted = manifest::convert(&found.parsed, &request, &found.at)?;
        self.write(ui, &converted)
    }

    /// Refuses options that have no effect on this conversion.
    fn refuse_idle(&self, from: DocumentKind) -> Result<(), Failure> {
        let to_old = self.to == TargetKind::Schema1;
        let from_old = from == DocumentKind::Schema1 && !to_old;
        let list = matches!(self.to, TargetKind::List | TargetKind::Index);
        let rows = [
            ("--config", self.config.is_some(), to_old, "--to schema1"),
            ("--name", self.name.is_some(), to_old, "--to schema1"),
            ("--sign-key", self.sign_key.is_some(), to_old, "--to schema1"),
            ("--layers", self.layers.is_some(), to_old || from_old, "a schema 1 manifest"),
            ("--config-out", self.config_out.is_some(), from_old, "a schema 1 manifest"),
            ("--config-like", self.config_like.is_some(), from_old, "a schema 1 manifest"),
            ("--children", self.children.is_some(), list, "--to list or --to index"),
            ("--children-out", self.children_out.is_some(), list, "--to list or --to index"),
            ("--fill-platform", self.fill_platform, list, "--to list or --to index"),
        ];
        match rows.iter().find(|(_, given, used, _)| *given && !used) {
            None => Ok(()),
            Some((option, _, _, expected)) => {
                let text = format!("{option} has no effect here, expected {expected}");
                Err(Failure::usage(text, format!("leave out {option}")))
            }
        }
    }

    fn write(&self, ui: &Ui, converted: &ConvertedManifest) -> Result<(), Failure> {
        if let (false, None) = (converted.children.is_empty(), &self.children_out) {
            let text = "the children of the index were converted too and need a destination";
            let hint = "pass a folder with --children-out".to_owned();
            return Err(Failure::usage(text, hint));
        }
        if let Some(folder) = &self.children_out {
            let at = Location::of(folder);
            fs::create_dir_all(folder).map_err(|error| Error::new(&at, ErrorKind::Write(error)))?;
            for (digest, raw) in &converted.children {
                child(&folder.join(digest.hex()), *digest, raw)?;
            }
        }
        match (&converted.config, &self.config_out) {
            (Some(config), Some(path)) => create(path, config)?,
            (Some(_), None) => {
                ui.warning("the new config is not written; pass --config-out FILE to write it")
            }
            (None, _) => (),
        }
        match self.speaking.format {
            OutputFormat::Json => ui.answer(&render::converted_json(converted))?,
            OutputFormat::Text => {
                for change in &converted.changes {
                    ui.note(&format!("{change} [{}]", change.reason.code()));
                }
                if self.out.is_none() {
                    ui.answer_bytes(&converted.raw)?;
                }
            }
        }
        match &self.out {
            Some(path) => create(path, &converted.raw),
            None => Ok(()),
        }
    }
}

fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let at = Location::of(path);
    Ok(fs::read(path).map_err(|error| Error::new(&at, ErrorKind::Open(error)))?)
}

fn key(path: &Path) -> Result<Key, Failure> {
    let text = file(path)?;
    Ok(Key::parse(&text).map_err(|kind| Error::new(&Location::of(path), kind))?)
}

fn refuse_existing(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::new(&Location::of(path), ErrorKind::FileExists).into()),
        Err(_) => Ok(()),
    }
}

/// The place of blobs; read once, so that it may be a pipe.
fn blob_place(
    (ui, access): (&Ui, &AccessArgs),
    source: &PlaceArg,
    place: &PlaceArg,
) -> Result<BlobLookup, Failure> {
    if source.is_pipe() && place.is_pipe() {
        let hint = "pass one of them as a file".to_owned();
        return Err(Failure::usage("standard input can be read only once", hint));
    }
    Ok(BlobLookup::open(place.input(ui, access)?, &temporary())?)
}

/// Writes a child, named by its digest. An existing file is checked.
fn child(path: &Path, digest: Digest, raw: &[u8]) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return create(path, raw);
    }
    let there = Digest::of(&file(path)?);
    if there == Digest::of(raw) {
        return Ok(());
    }
    let kind = ErrorKind::WrongBlob { expected: digest, found: there };
    Err(Error::new(&Location::of(path), kind).into())
}

/// Writes a new file: under a temporary name first, so that it appears completely.
fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let at = Location::of(path);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::new(&at, ErrorKind::FileExists),
        _ => Error::new(&at, ErrorKind::Write(error)),
    };
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = fs::Permissions::from_mode(0o666); // Less what the umask takes.
    let staged = tempfile::Builder::new().permissions(mode).tempfile_in(folder);
    let mut staged = staged.map_err(failed)?;
    let done = staged.write_all(bytes).and_then(|()| staged.as_file().sync_all());
    done.map_err(failed)?;
    staged.persist_noclobber(path).map_err(|error| failed(error.error))?;
    Ok(())
}
