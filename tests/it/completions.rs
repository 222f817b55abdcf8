//! Completion in real shells: commands, options, and the names, digests and platforms of the source
//! on the line.

use std::process::Command;

use crate::build::classic::{Repeat, archive};
use crate::build::image::Image;
use crate::build::run::{Place, imgconv};
use crate::judges::find;

/// What asks in each shell: the words of the line, the last of which is being typed, one candidate
/// a line.
const SHELLS: [(&str, &str); 3] = [
    (
        "bash",
        r#"source "$SCRIPT"; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); COMP_TYPE=9
        _imgconv imgconv "${COMP_WORDS[COMP_CWORD]}" ""; printf '%s\n' "${COMPREPLY[@]}""#,
    ),
    (
        "zsh",
        r#"compdef() { :; }; _describe() { print -rl -- "${(@P)@[-1]}"; }; source "$SCRIPT"
        words=("$@"); CURRENT=$#; _clap_dynamic_completer_imgconv"#,
    ),
    ("fish", r#"source "$SCRIPT"; complete -C "$argv""#),
];

/// The candidates of a shell, without what it says of them.
fn asked(place: &Place, shell: &str, ask: &str, line: &[&str]) -> Vec<String> {
    let script = place.put("script", &imgconv(&["completions", shell]).ok().out);
    let mut command = Command::new(shell);
    match shell {
        "fish" => command.args(["--no-config", "-c", ask]),
        "zsh" => command.args(["-f", "-c", ask, "zsh"]),
        _ => command.args(["--norc", "-c", ask, "bash"]),
    };
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_imgconv")).parent().unwrap();
    let search = std::env::var_os("PATH").unwrap();
    let path = format!("{}:{}", program.display(), search.display());
    let home = place.path("");
    command.args(line).env("SCRIPT", script).env("PATH", path).env("HOME", &home);
    let done = command.current_dir(&home).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let value = |line: &str| {
        let line = line.split('\t').next().unwrap().replace("\\:", "\0");
        let line = if shell == "zsh" { line.split(':').next().unwrap() } else { &line };
        line.replace('\0', ":")
    };
    said.lines().map(value).filter(|it| !it.is_empty()).collect()
}

#[test]
fn shells_complete_what_the_source_on_the_line_has() {
    for (shell, ask) in SHELLS {
        let Some(_) = find(shell) else { continue };
        let place = Place::new();
        let images = [
            Image::new(&["base"]).named(&["x.test/base:1", "x.test/base:latest"]),
            Image::new(&["base", "top"]).arch("arm64").named(&["x.test/app:1"]),
        ];
        place.put("images.tar", &archive(&images, Repeat::Symlink));
        let line = |words: &[&str]| asked(&place, shell, ask, &[&["imgconv"][..], words].concat());
        let has = |words: &[&str], expected: &[&str]| {
            let found = line(words);
            for it in expected {
                assert!(found.iter().any(|found| found == it), "{shell} {words:?}: {found:?}");
            }
        };
        has(&["ins"], &["inspect"]);
        has(&["inspect", "im"], &["images.tar"]);
        has(&["inspect", "--no"], &["--no-trunc"]);
        let all = ["x.test/base:1", "x.test/base:latest", "x.test/app:1", "@0", "@1"];
        has(&["inspect", "images.tar", "-i", ""], &all);
        let id = &images[1].id()["sha256:".len()..][..12];
        let found = line(&["inspect", "images.tar", "-i", ""]);
        assert!(found.iter().any(|it| it.ends_with(id)), "{shell}: {id} in {found:?}");
        has(&["verify", "images.tar", "-p", "linux/a"], &["linux/amd64", "linux/arm64"]);
        has(&["oci2save", "a", "b", "-d", ""], &["universal", "classic", "hybrid", "podman"]);
        has(&["explain", "--topic", "p"], &["pull", "push"]);
        has(&["explain", "digest-m"], &["digest-mismatch"]);
        // Bash cuts words at colons, and puts in place only what is behind the last.
        if shell == "bash" {
            has(&["inspect", "images.tar", "-i", "x.test/base", ":", "l"], &["latest"]);
            has(&["inspect", "images.tar", "-i", "x.test/base", ":"], &["1", "latest"]);
        } else {
            has(&["inspect", "images.tar", "-i", "x.test/base:l"], &["x.test/base:latest"]);
        }
        assert!(line(&["inspect", "none.tar", "-i", ""]).is_empty(), "{shell}: of nothing");
    }
}
