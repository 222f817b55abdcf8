//! `imgconv pull`: images of registries to a layout or an archive; a short form of `convert`.

use std::ffi::OsString;

use clap::ValueEnum as _;
use imgconv::convert::Format;

use crate::args::DialectArg;
use crate::convert::{ConversionArgs, TargetFormat};
use crate::failure::Failure;
use crate::place::{PlaceArg, is_tar};
use crate::ui::Ui;

/// Pull images from registries to a layout or an archive
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "imgconv pull [OPTIONS] <NAME>… <DESTINATION>",
    after_help = "Keeps manifests and indexes byte for byte: the digest in the destination is that of the registry.
A pull that fails keeps what it fetched in DESTINATION.partial; run the same command to continue.

Examples:
  imgconv pull nginx:1.27 nginx
  imgconv pull ghcr.io/a/b:1 quay.io/c/d:2 images.tar
  imgconv pull -p linux/arm64 -d classic alpine alpine.tar"
)]
pub(crate) struct Args {
    /// Names of images, HOST/NAME[:TAG|@DIGEST], then the layout or archive to write: a directory, a
    /// tar if the name ends in .tar, or - for a pipe
    #[arg(required = true, num_args = 2.., value_names = ["NAME", "DESTINATION"])]
    places: Vec<OsString>,
    /// Format to write [default: oci, or docker-archive for a .tar or -]
    #[arg(long, value_enum, value_name = "KIND")]
    to: Option<TargetFormat>,
    #[command(flatten)]
    dialect: DialectArg,
    #[command(flatten)]
    conversion: ConversionArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        let Some((destination, names)) = self.places.split_last() else { return Ok(()) };
        self.conversion.speak(ui, destination);
        let source = PlaceArg::registry(names)?;
        let destination = PlaceArg::parse(destination)?;
        if destination.is_registry() {
            let hint = "use imgconv convert docker://A docker://B".to_owned();
            return Err(Failure::usage("pull writes files, not registries", hint));
        }
        let said = destination.transport.and_then(TargetFormat::of);
        let archive = destination.is_pipe() || is_tar(&destination) || self.dialect.is_set();
        let format = match (self.to.or(said), archive) {
            (Some(format), _) => format,
            (None, true) => TargetFormat::DockerArchive,
            (None, false) => TargetFormat::Oci,
        };
        if let (Some(to), Some(said)) = (self.to, said)
            && to != said
        {
            let text = format!(
                "--to and the prefix of the destination differ: {:?}",
                to.to_possible_value()
            );
            return Err(Failure::usage(text, "leave out one of them".to_owned()));
        }
        let format: Format = format.format(&self.dialect, &destination)?;
        self.conversion.run(ui, [&source, &destination], format, None, &|_| Ok(()))
    }
}
