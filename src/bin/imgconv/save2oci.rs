//! `imgconv save2oci`: docker archive to OCI layout.

use std::ffi::OsString;

use imgconv::convert::Format;
use imgconv::error::{Error, ErrorKind};
use imgconv::source::{Kind, Source};

use crate::convert::ConversionArgs;
use crate::failure::Failure;
use crate::place::{PlaceArg, Transport, is_tar};
use crate::recover::RecoveringArgs;
use crate::ui::Ui;

/// Convert a docker archive to an OCI layout
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv save2oci nginx.tar nginx
  docker save nginx | imgconv save2oci - nginx
  imgconv save2oci images.tar images.oci.tar -i nginx:1.17 -c zstd")]
pub(crate) struct Args {
    /// Docker archive: a path, or - for a pipe
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    archive: OsString,
    /// OCI layout to write: a directory, or a tar if the name ends in .tar or is - for a pipe (the
    /// result is then printed to standard error)
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    layout: OsString,
    #[command(flatten)]
    recovering: RecoveringArgs,
    #[command(flatten)]
    conversion: ConversionArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.conversion.speak(ui, &self.layout);
        let layout = PlaceArg::parse(&self.layout)?;
        let form = match layout.transport {
            Some(Transport::OciArchive) => Format::OciArchive,
            Some(Transport::Oci) if !layout.is_pipe() => Format::Layout,
            Some(Transport::DockerArchive) => {
                let text = "save2oci writes layouts, not docker archives";
                return Err(Failure::usage(text, "use convert --to docker-archive".to_owned()));
            }
            _ if layout.is_pipe() || is_tar(&layout) => Format::OciArchive,
            _ => Format::Layout,
        };
        let archive = PlaceArg::parse(&self.archive)?;
        archive.refuse_registry("save2oci", "pull")?;
        layout.refuse_registry("save2oci", "push")?;
        self.conversion.run(ui, [&archive, &layout], form, Some(&self.recovering), &check)
    }
}

fn check(source: &Source) -> Result<(), Failure> {
    if source.kind == Kind::Layout {
        let kind = ErrorKind::WrongKind { expected: "docker archive", found: source.kind.name() };
        return Err(Error::new(&source.at, kind).into());
    }
    Ok(())
}
