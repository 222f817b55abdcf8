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
mod place;
mod render;
mod roundtrip;
mod save2oci;
mod signals;
mod ui;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ui::Ui;

/// Convert container images between docker archives and OCI layouts
///
/// Nothing is lost silently, nothing unverified gets through: image configs and registry manifests
/// are copied byte for byte, every digest, size and diff ID is checked on the way, and a
/// destination appears complete or not at all.
#[derive(Debug, Parser)]
#[command(name = "imgconv", version, propagate_version = true, max_term_width = 100)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
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

fn main() -> ExitCode {
    let command = Command::parse();
    let ui = Ui::new();
    signals::watch(&ui);
    let done = match command.verb {
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
