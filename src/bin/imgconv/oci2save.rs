//! `imgconv oci2save`: OCI layout to docker archive.

use std::ffi::OsString;

use imgconv::error::{Error, ErrorKind};
use imgconv::source::{Kind, Source};

use crate::args::DialectArg;
use crate::convert::ConversionArgs;
use crate::failure::Failure;
use crate::place::{PlaceArg, Transport};
use crate::ui::Ui;

/// Convert an OCI layout (directory or tar) to a docker archive
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv oci2save nginx nginx.tar
  imgconv oci2save nginx - | docker load
  imgconv oci2save nginx old.tar -d classic -t nginx:old")]
pub(crate) struct Args {
    /// OCI layout: a directory, a tar, or - for a pipe
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    layout: OsString,
    /// Docker archive to write: a path, or - for a pipe (the result is then printed to standard error)
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    archive: OsString,
    #[command(flatten)]
    dialect: DialectArg,
    #[command(flatten)]
    conversion: ConversionArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.conversion.speak(ui, &self.archive);
        let archive = PlaceArg::parse(&self.archive)?;
        if matches!(archive.transport, Some(Transport::Oci | Transport::OciArchive)) {
            let text = "oci2save writes docker archives, not layouts";
            return Err(Failure::usage(text, "use convert --to oci or oci-archive".to_owned()));
        }
        let form = self.dialect.docker_archive();
        let layout = PlaceArg::parse(&self.layout)?;
        layout.refuse_registry("oci2save", "pull")?;
        archive.refuse_registry("oci2save", "push")?;
        self.conversion.run(ui, [&layout, &archive], form, None, &check)
    }
}

fn check(source: &Source) -> Result<(), Failure> {
    if source.kind == Kind::DockerArchive {
        let kind = ErrorKind::WrongKind { expected: "layout", found: source.kind.name() };
        return Err(Error::new(&source.at, kind).into());
    }
    Ok(())
}
