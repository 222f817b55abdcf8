//! The command: a thin face on the library. One file per verb.

mod args;
mod compare;
mod completions;
mod convert;
mod explain;
mod failure;
mod history;
mod inspect;
#[cfg(test)]
mod man;
mod manifest;
mod oci2save;
mod patient;
mod place;
mod render;
mod roundtrip;
mod save2oci;
mod signals;
mod ui;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::failure::Failure;
use crate::ui::Ui;

/// Convert container images between docker archives and OCI layouts
///
/// Nothing is lost silently, nothing unverified gets through: image configs and registry manifests
/// are copied byte for byte, every digest, size and diff ID is checked on the way, and a
/// destination appears complete or not at all.
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

/// What the command alone prints: the five verbs that people want first.
const FIRST: &str = "\
Convert container images between docker archives and OCI layouts

  imgconv save2oci nginx.tar nginx     docker archive to OCI layout
  imgconv oci2save nginx nginx.tar     OCI layout to docker archive
  imgconv verify nginx.tar             check every digest, size and diff ID
  imgconv inspect nginx.tar            names, platforms, image IDs, digests, layers
  imgconv explain nginx.tar            why its digests differ from place to place

All commands: imgconv --help. One command: imgconv <COMMAND> --help.
";

const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

Convert:
  save2oci     Docker archive to OCI layout
  oci2save     OCI layout to docker archive
  convert      Any of them to any of them; also recompress, pick a platform, re-tag

Look:
  inspect      Names, platforms, image IDs, digests and layers
  history      What made an image, like docker history
  explain      Why an image has different digests in each form
  manifest     Registry manifests as documents: show, convert, digest, diff

Check:
  verify       Every digest, size and diff ID, and every problem found
  compare      Whether two sources hold the same image, across formats
  roundtrip    There and back through every format

Set up:
  completions  Completion script for a shell
  help         Help for a command

Options:
{options}{after-help}
";

const MORE: &str = "\
Sources and destinations are paths, - for a pipe, or docker-archive:PATH, oci:PATH and
oci-archive:PATH, each with :NAME behind it where one image is meant.

Exit status: 0 done, 1 the answer is no, 2 could not run.";

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
    Inspect(inspect::Args),
    History(history::Args),
    Verify(verify::Args),
    Compare(compare::Args),
    Roundtrip(roundtrip::Args),
    Explain(explain::Args),
    Manifest(manifest::Args),
    Completions(completions::Args),
}

/// Whether a command line that cannot be read asks for JSON.
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
        // A script that lost its arguments must not take this for success.
        ui.line(FIRST.trim_end());
        return ExitCode::from(2);
    };
    let done = match verb {
        Verb::Save2Oci(args) => args.run(&ui),
        Verb::Oci2Save(args) => args.run(&ui),
        Verb::Convert(args) => args.run(&ui),
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
