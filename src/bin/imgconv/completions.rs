//! `imgconv completions`: a script for a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::ui::Ui;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  imgconv completions bash > /etc/bash_completion.d/imgconv")]
pub(crate) struct Args {
    /// Shell to print the script for
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::Command::command(), "imgconv", &mut script);
        ui.answer(&String::from_utf8_lossy(&script))
    }
}
