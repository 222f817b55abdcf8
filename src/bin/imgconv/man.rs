//! Generates the manual in `man/` from the definition of the command line; `.ci/bless` writes it.

use std::path::Path;

use clap::CommandFactory as _;

#[test]
fn the_manual_is_what_the_command_line_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let mut command = crate::Command::command();
    command.build();
    let mut pages = Vec::new();
    collect(&command, "imgconv".to_owned(), &mut pages);
    for (file, command) in pages {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).date("").source("imgconv").render(&mut page).unwrap();
        let path = folder.join(&file);
        if std::env::var_os("IMGCONV_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &page).unwrap();
        }
        let there = std::fs::read(&path).unwrap_or_default();
        assert!(there == page, "man/{file} is not current, run .ci/bless");
    }
}

/// One page for a command and one for each of its subcommands.
fn collect(command: &clap::Command, name: String, pages: &mut Vec<(String, clap::Command)>) {
    pages.push((format!("{name}.1"), command.clone()));
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        collect(verb, format!("{name}-{}", verb.get_name()), pages);
    }
}
