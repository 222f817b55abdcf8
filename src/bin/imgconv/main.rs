//! The command line: a thin layer over the library, with one file per command.

mod access;
mod args;
mod batch;
mod compare;
mod completions;
mod convert;
mod environment;
mod explain;
mod failure;
mod helper;
mod history;
mod inspect;
#[cfg(test)]
mod man;
mod manifest;
mod mirrors;
mod oci2save;
mod patient;
mod place;
mod pull;
mod push;
mod recover;
mod render;
mod roundtrip;
mod save2oci;
mod signals;
mod tags;
mod ui;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::failure::Failure;
use crate::ui::Ui;

/// Convert container images between docker archives, OCI layouts and registries
///
/// Copies image configs and registry manifests byte for byte, checks every digest, size and diff
/// ID, reports everything that is lost, and writes the whole destination or nothing.
#[derive(Debug, Parser)]
#[command(name = "imgconv", version, propagate_version = true, max_term_width = 100)]
#[command(subcommand_required = false, arg_required_else_help = false)]
#[command(help_template = TEMPLATE, after_help = MORE)]
struct Command {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// When to use colors
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

/// The output without arguments: the five most common commands.
const FIRST: &str = "\
Convert container images between docker archives, OCI layouts and registries

  imgconv save2oci nginx.tar nginx     docker archive to OCI layout
  imgconv oci2save nginx nginx.tar     OCI layout to docker archive
  imgconv pull nginx:1.27 nginx        registry to OCI layout
  imgconv verify nginx.tar             check every digest, size and diff ID
  imgconv inspect nginx.tar            names, platforms, image IDs, digests, layers
  imgconv explain nginx.tar            why an image has several digests

All commands: imgconv --help. One command: imgconv <COMMAND> --help.
";

const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

Convert:
  save2oci     Convert a docker archive to an OCI layout
  oci2save     Convert an OCI layout to a docker archive
  convert      Convert between all formats; recompress, choose a platform, rename
  batch        Convert or verify all sources of a list, in shards, and go on after a stop

Registries:
  pull         Pull images from registries to a layout or an archive
  push         Push the images of a layout or an archive to registries
  tags         List the tags of a repository

Look:
  inspect      Show names, platforms, image IDs, digests and layers
  history      Show how an image was built, like docker history
  explain      Explain why an image has different digests in each format
  manifest     Show, digest, convert and compare registry manifests

Check:
  verify       Check every digest, size and diff ID, and list all problems
  compare      Compare the images of two sources, across formats
  roundtrip    Convert to every format and back, and compare

Set up:
  completions  Print a completion script for a shell
  help         Show help for a command

Options:
{options}{after-help}
";

const MORE: &str = "\
A source or destination is a path, - for a pipe, docker-archive:PATH, oci:PATH, oci-archive:PATH,
dir:PATH or docker://HOST/NAME[:TAG|@DIGEST]. Add :NAME to a prefixed path, but for dir:, to choose
or name one image.

Exit status: 0 success, 1 the input is refused or a check fails, 2 could not run.";

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

impl Color {
    fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::AlwaysAnsi,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(name = "save2oci")]
    Save2Oci(save2oci::Args),
    #[command(name = "oci2save")]
    Oci2Save(oci2save::Args),
    Convert(convert::Args),
    Batch(batch::Args),
    Pull(pull::Args),
    Push(push::Args),
    #[command(alias = "list-tags")]
    Tags(tags::Args),
    Inspect(inspect::Args),
    History(history::Args),
    Verify(verify::Args),
    Compare(compare::Args),
    Roundtrip(roundtrip::Args),
    Explain(explain::Args),
    Manifest(manifest::Args),
    Completions(completions::Args),
}

/// Whether an invalid command line requests JSON.
fn asks_for_json(args: impl Iterator<Item = std::ffi::OsString>) -> bool {
    let args: Vec<_> = args.collect();
    let apart = args.windows(2).any(|it| it[0] == "--format" && it[1] == "json");
    apart || args.iter().any(|it| it == "--format=json")
}

fn main() -> ExitCode {
    completions::answer();
    let ui = Ui::new();
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            if error.use_stderr() && asks_for_json(std::env::args_os()) {
                ui.answer_failures(args::OutputFormat::Json);
                let text = error.to_string();
                let text = text.lines().next().unwrap_or_default();
                let text = text.strip_prefix("error: ").unwrap_or(text);
                ui.answer_failure(&Failure::usage(text, None));
            }
            error.exit()
        }
    };
    command.color.apply();
    signals::watch(&ui);
    let Some(verb) = command.verb else {
        // A script without its arguments must not see this as a success.
        ui.line(FIRST.trim_end());
        return ExitCode::from(2);
    };
    let done = match verb {
        Verb::Save2Oci(args) => args.run(&ui),
        Verb::Oci2Save(args) => args.run(&ui),
        Verb::Convert(args) => args.run(&ui),
        Verb::Batch(args) => args.run(&ui),
        Verb::Pull(args) => args.run(&ui),
        Verb::Push(args) => args.run(&ui),
        Verb::Tags(args) => args.run(&ui),
        Verb::Inspect(args) => args.run(&ui),
        Verb::History(args) => args.run(&ui),
        Verb::Verify(args) => args.run(&ui),
        Verb::Compare(args) => args.run(&ui),
        Verb::Roundtrip(args) => args.run(&ui),
        Verb::Explain(args) => args.run(&ui),
        Verb::Manifest(args) => args.run(&ui),
        Verb::Completions(args) => args.run(&ui),
    };
    let status = match &done {
        _ if ui.signal().is_some() => 128_u8.saturating_add(ui.signal().unwrap_or_default()),
        Ok(()) => 0,
        Err(failure) => failure.status(),
    };
    if let Err(failure) = done {
        ui.failure(&failure);
    }
    ExitCode::from(status)
}
