//! Private daemons that end with the test binary, however that ends, and leave nothing behind.
//!
//! A shell keeps the daemon: its standard input is a pipe that only the test binary holds, so it
//! reads the end of it when the binary is gone, also after SIGKILL. Statics are never dropped and a
//! parent-death signal fires when the spawning *thread* ends, so neither could do this.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Ends the daemon, undoes what it mounted, deepest first, and removes its directory.
const KEEPER: &str = r#"
dir=$1
shift
"$@" >"$dir/log" 2>&1 </dev/null &
cat >/dev/null
kill -TERM $!
wait $!
grep -F " $dir/" /proc/self/mounts | cut -d ' ' -f 2 | sort -r | while read -r mounted; do
    umount "$mounted"
done
rm -rf --one-file-system "$dir"
"#;

/// A program starts in some hundred milliseconds; a busy machine takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon and its directory, which also takes files that should go when it goes.
pub(super) struct Daemon {
    pub(super) dir: PathBuf,
    _keeper: Child, // holds the pipe
}

/// Starts a daemon in a directory of its own and waits until it answers.
pub(super) fn start(
    name: &str,
    arguments: &dyn Fn(&Path) -> Vec<OsString>,
    answers: &dyn Fn(&Path) -> bool,
) -> Result<Daemon, String> {
    let dir = tempfile::Builder::new().prefix("imgconv-").tempdir().unwrap().keep();
    let dir = dir.canonicalize().unwrap(); // as the mount table writes it
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(&dir)
        .args(arguments(&dir))
        // With pigz they take what their own reader refuses, and not every machine has it.
        .env("MOBY_DISABLE_PIGZ", "1")
        .env("CONTAINERD_DISABLE_PIGZ", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // Ctrl-C is for the tests; the end of the pipe is for the keeper
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !answers(&dir) {
        if began.elapsed() > PATIENCE {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(5).collect();
            keeper.stdin = None; // which lets it clean up
            keeper.wait().unwrap();
            return Err(format!("{name} does not start: {tail:#?}"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(Daemon { dir, _keeper: keeper })
}
