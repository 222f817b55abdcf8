//! `imgconv push`: images to registries; a short form of `convert`.

use std::ffi::OsString;

use imgconv::convert::Format;

use crate::convert::ConversionArgs;
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::recover::RecoveringArgs;
use crate::ui::Ui;

/// Push the images of a layout or an archive to registries
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without NAME, each image goes to its own full name. Blobs that the registry has are not sent; a tag
is set last. A docker archive gets the digest that save2oci gives it.

Examples:
  imgconv push nginx.tar registry.lan:5000/nginx:1.27
  imgconv push layout -i app:1 quay.io/a/app:1 quay.io/a/app:latest
  docker save app | imgconv push - registry.lan/app"
)]
pub(crate) struct Args {
    /// Docker archive or layout: a path, or - for a pipe
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    /// Names in registries, HOST/NAME[:TAG]
    #[arg(value_name = "NAME")]
    names: Vec<OsString>,
    #[command(flatten)]
    recovering: RecoveringArgs,
    #[command(flatten)]
    conversion: ConversionArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.conversion.speak(ui, "".as_ref());
        let source = PlaceArg::parse(&self.source)?;
        let destination = PlaceArg::registry(&self.names)?;
        let recovering = Some(&self.recovering);
        let places = [&source, &destination];
        self.conversion.run(ui, places, Format::Registry, recovering, &|_| Ok(()))
    }
}
