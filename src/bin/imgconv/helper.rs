//! Runs credential helpers, `docker-credential-NAME`: the only programs that a registry's answer
//! leads to, and they are named by the user's file.

use std::ffi::OsStr;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use imgconv::error::ErrorKind;
use imgconv::limits;
use imgconv::registry::CredentialHelper;

/// The time of a helper, which may ask for the password of a key chain.
const TIME: Duration = Duration::from_secs(10);

/// The words of a helper without credentials for a server (docker/docker-credential-helpers).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// How often an ended helper is looked for after it closed its output.
const PAUSE: Duration = Duration::from_millis(5);

/// Helpers in the absolute folders of a `PATH`: in a relative one, an archive's author may have put
/// a program.
#[derive(Debug)]
pub(crate) struct Helpers {
    folders: Vec<PathBuf>,
    time: Duration,
}

impl Helpers {
    pub(crate) fn new(path: &OsStr) -> Self {
        let folders = std::env::split_paths(path).filter(|it| it.is_absolute());
        Self { folders: folders.collect(), time: TIME }
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        let is_program = |path: &PathBuf| {
            let there = path.metadata();
            there.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        };
        self.folders.iter().map(|it| it.join(program)).find(is_program)
    }
}

impl CredentialHelper for Helpers {
    fn get(&self, name: &str, server: &str) -> Result<Option<Vec<u8>>, ErrorKind> {
        let program = format!("docker-credential-{name}");
        let found = match self.find(&program) {
            Some(path) => answer(&path, server, self.time),
            None => Err("not found in the absolute folders of PATH".to_owned()),
        };
        found.map_err(|why| ErrorKind::CredentialHelper { why })
    }
}

/// What a helper prints; `None` if it says that it has nothing.
fn answer(program: &Path, server: &str, time: Duration) -> Result<Option<Vec<u8>>, String> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run it: {error}"))?;
    let done = converse(&mut child, server, Instant::now() + time);
    if done.is_err() {
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
    let Said { status, out, err } = done.map_err(|why| match why {
        Stopped::Time => format!("did not end within {} seconds", time.as_secs_f32()),
        Stopped::Size => format!("prints more than {} bytes", limits::HELPER_ANSWER),
        Stopped::Io(error) => format!("cannot read its answer: {error}"),
    })?;
    if status.success() {
        return Ok(Some(out));
    }
    let has_none = [&out, &err].iter().any(|it| it.trim_ascii() == NOT_FOUND.as_bytes());
    if has_none { Ok(None) } else { Err(format!("{status}: {}", words(&out, &err))) }
}

/// What a helper that ended said.
struct Said {
    status: ExitStatus,
    out: Vec<u8>,
    err: Vec<u8>,
}

/// Why a helper is stopped.
enum Stopped {
    Time,
    Size,
    Io(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn converse(child: &mut Child, server: &str, end: Instant) -> Result<Said, Stopped> {
    let (out, err) = (collect(child.stdout.take())?, collect(child.stderr.take())?);
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read the server may know only one.
        let _ = stdin.write_all(server.as_bytes());
    }
    let (out, err) = (received(&out, end)?, received(&err, end)?);
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Said { status, out, err }),
            None if Instant::now() >= end => return Err(Stopped::Time),
            None => std::thread::sleep(PAUSE),
        }
    }
}

/// Reads in a thread, which nobody waits for: a program that the helper started may keep the pipe
/// open after it.
fn collect(
    from: Option<impl Read + Send + 'static>,
) -> io::Result<Receiver<Result<Vec<u8>, Stopped>>> {
    let (send, receive) = channel();
    Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let read =
            from.map_or(Ok(0), |it| it.take(limits::HELPER_ANSWER + 1).read_to_end(&mut bytes));
        let is_long = bytes.len() as u64 > limits::HELPER_ANSWER;
        let answer = if is_long { Err(Stopped::Size) } else { Ok(bytes) };
        // Nobody listens after the end of the time.
        let _ = send.send(read.map_err(Stopped::Io).and(answer));
    })?;
    Ok(receive)
}

fn received(from: &Receiver<Result<Vec<u8>, Stopped>>, end: Instant) -> Result<Vec<u8>, Stopped> {
    match from.recv_timeout(end.saturating_duration_since(Instant::now())) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(Stopped::Time),
        Err(RecvTimeoutError::Disconnected) => Err(Stopped::Io(io::ErrorKind::BrokenPipe.into())),
    }
}

/// Why it failed, in its words. Most helpers say it on standard output, where a login would be: that
/// is JSON, and is not shown.
fn words(out: &[u8], err: &[u8]) -> String {
    let (out, err) = (out.trim_ascii(), err.trim_ascii());
    match (err, out) {
        ([], []) => "no message".to_owned(),
        ([], [b'{' | b'[' | b'"', ..]) => "no message on standard error".to_owned(),
        ([], out) => String::from_utf8_lossy(out).into_owned(),
        (err, _) => String::from_utf8_lossy(err).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// All in one test: a script that is being written while another thread starts a program cannot
    /// be run.
    #[test]
    fn helpers_are_run_without_a_shell_and_with_limits() {
        let folder = tempfile::tempdir().unwrap();
        let helper = |name: &str, script: &str, mode: u32| {
            let path = folder.path().join(format!("docker-credential-{name}"));
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let mut helpers = Helpers::new(folder.path().as_os_str());
        for (name, script, expected) in [
            ("good", "echo \"$# $1 $(cat)\"", Ok(Some("1 get h;`x`\n"))),
            ("deaf", "exec <&-; echo '{}'", Ok(Some("{}\n"))),
            (
                "none",
                "cat >/dev/null; echo credentials not found in native keychain; exit 1",
                Ok(None),
            ),
            ("quiet", "echo credentials not found in native keychain >&2; exit 1", Ok(None)),
            (
                "fails",
                "echo out; echo 'the keychain\nis locked' >&2; exit 3",
                Err("exit status: 3: the keychain\nis locked"),
            ),
            (
                "on-out",
                "echo the keychain is locked; exit 1",
                Err("exit status: 1: the keychain is locked"),
            ),
            (
                "leaks",
                "echo '{\"Secret\": \"marked\"}'; exit 1",
                Err("exit status: 1: no message on standard error"),
            ),
            ("silent", "exit 1", Err("exit status: 1: no message")),
            ("endless", "yes", Err("prints more than 1048576 bytes")),
            ("loud", "yes >&2", Err("prints more than 1048576 bytes")),
            ("hangs", "exec sleep 20", Err("did not end within 0.7 seconds")),
            ("detached", "exec >&- 2>&-; exec sleep 20", Err("did not end within 0.7 seconds")),
            ("parent", "sleep 20 & echo '{}'", Err("did not end within 0.7 seconds")),
        ] {
            helper(name, script, 0o700);
            let is_stopped = expected.is_err_and(|it| it.starts_with("did not end"));
            helpers.time = if is_stopped { Duration::from_millis(700) } else { TIME };
            let begun = Instant::now();
            let found = helpers.get(name, "h;`x`").map_err(|error| match error {
                ErrorKind::CredentialHelper { why } => why,
                error => error.text(),
            });
            let found = found.map(|it| it.map(|it| String::from_utf8(it).unwrap()));
            let expected = expected.map(|it| it.map(str::to_owned)).map_err(str::to_owned);
            assert_eq!(found, expected, "{name}");
            assert!(begun.elapsed() < Duration::from_secs(15), "{name}");
        }
        helper("no-program", "echo '{}'", 0o600);
        fs::create_dir(folder.path().join("docker-credential-folder")).unwrap();
        for name in ["no-program", "folder", "missing", "good/../good", "../good"] {
            let error = helpers.get(name, "h").unwrap_err();
            assert!(error.text().ends_with("not found in the absolute folders of PATH"), "{name}");
        }
        // Relative folders, also the empty one, which is the current folder, are not searched.
        for path in ["", ".", "bin", "::./bin"] {
            assert!(Helpers::new(OsStr::new(path)).folders.is_empty(), "{path}");
        }
    }
}
