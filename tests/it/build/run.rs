//! Runs the command as a user would, in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Exit status and both outputs of one run.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
    line: String,
}

impl Ran {
    /// Panics with the command's own words where it did not succeed.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.line, self.err);
        self
    }

    /// Panics unless it ended with this status, a line of the form `error: …` and all of these words.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.line, self.err);
        let error = self.err.lines().find(|line| line.starts_with("error: "));
        assert!(error.is_some(), "{}: no line of the error form in {:?}", self.line, self.err);
        for word in words {
            assert!(self.err.contains(word), "{}: {word:?} is not in {:?}", self.line, self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Standard output as text.
    pub(crate) fn out_text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Standard output as lines.
    pub(crate) fn lines(&self) -> Vec<&str> {
        std::str::from_utf8(&self.out).unwrap().lines().collect()
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgconv"));
    command.args(args).env("NO_COLOR", "1");
    command
}

fn ran(args: &[&str], output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        line: format!("imgconv {}", args.join(" ")),
    }
}

/// Runs it with nothing on standard input.
pub(crate) fn imgconv(args: &[&str]) -> Ran {
    ran(args, command(args).stdin(Stdio::null()).output().unwrap())
}

/// Runs it with this file on standard input.
pub(crate) fn imgconv_from(file: &str, args: &[&str]) -> Ran {
    ran(args, command(args).stdin(fs::File::open(file).unwrap()).output().unwrap())
}

/// Runs it in a folder.
pub(crate) fn imgconv_in(place: &Place, args: &[&str]) -> Ran {
    ran(args, command(args).current_dir(place.path("")).stdin(Stdio::null()).output().unwrap())
}

/// Runs a conversion that must end with `code` and these words, and change nothing anywhere.
#[track_caller]
pub(crate) fn refused(place: &Place, args: &[&str], code: i32, words: &[&str]) -> Ran {
    let temporary = Place::new();
    let before = place.tree();
    let mut command = command(args);
    command.env("TMPDIR", temporary.path("")).stdin(Stdio::null());
    let ran = ran(args, command.output().unwrap()).refused(code, words);
    assert!(before == place.tree(), "something changed beside {args:?}");
    assert!(temporary.tree().is_empty(), "left in TMPDIR: {:?}", temporary.tree().keys());
    ran
}

/// Runs it with these bytes on a pipe.
pub(crate) fn imgconv_with(stdin: &[u8], args: &[&str]) -> Ran {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A command that refuses early closes the pipe; its exit status is what counts.
        scope.spawn(move || pipe.write_all(stdin).is_ok());
        child.wait_with_output().unwrap()
    });
    ran(args, output)
}

/// A program that signals end, whatever this process ignores: `nohup` and the `&` of a script leave
/// signals ignored, and imgconv keeps that.
pub(crate) fn default_signals(program: &str) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,TERM", program]);
    command
}

/// A command for tests that look at it while it runs.
pub(crate) fn started(temporary: &str, args: &[&str]) -> std::process::Child {
    default_signals(env!("CARGO_BIN_EXE_imgconv"))
        .args(args)
        .env("NO_COLOR", "1")
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A folder that is removed at the end of the test.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and returns its path.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn dir(&self, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        path
    }

    /// Everything that is in it.
    pub(crate) fn tree(&self) -> Tree {
        tree(self.0.path())
    }
}

/// Paths below a folder: the bytes of a file, `None` for a folder or what is neither.
pub(crate) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

pub(crate) fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            let path = entry.path();
            let data = kind.is_file().then(|| fs::read(&path).unwrap());
            found.insert(path.strip_prefix(root).unwrap().to_owned(), data);
            if kind.is_dir() {
                todo.push(path);
            }
        }
    }
    found
}
