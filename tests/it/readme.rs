//! The examples of README.md, run as they stand: each `console` block is commands and their
//! output, in one folder that holds `testdata`. `.ci/bless` writes the outputs anew.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_examples_in_the_readme_print_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(Path::new(ROOT).join("testdata"), folder.path().join("testdata"))
        .unwrap();
    let path = Path::new(ROOT).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (mut out, mut inside, mut examples) = (String::new(), false, 0);
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            line if inside && !line.starts_with("$ ") => continue,
            _ => (),
        }
        let _ = writeln!(out, "{line}");
        if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            examples += 1;
            out.push_str(&run(command, folder.path()));
        }
    }
    assert!(examples >= 5, "{examples} examples");
    if std::env::var_os("IMGCONV_BLESS").is_some() {
        return std::fs::write(&path, &out).unwrap();
    }
    let first = text.lines().zip(out.lines()).find(|(said, printed)| said != printed);
    assert!(text == out, "README.md is not current, run .ci/bless: {first:?}");
}

/// Standard output, then standard error.
fn run(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_imgconv")).parent().unwrap();
    let search = format!("{}:{}", program.display(), std::env::var_os("PATH").unwrap().display());
    let done = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", search)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = [done.stdout, done.stderr].concat();
    String::from_utf8(text).unwrap()
}
