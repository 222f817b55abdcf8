//! A private dockerd with its own store, socket and configuration; no network, no bridge.
//!
//! It is the authority on docker archives. One at a time: a test holds it from emptying it to the
//! last question.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::daemon::{Daemon, start};
use super::scenario::scenario;
use super::{Args, Images, attempt, installed, or_absent, root, run};

/// The one dockerd of this test binary.
pub(crate) struct Docker {
    daemon: Daemon,
    program: PathBuf,
}

/// Waits for the daemon to be free; the images of `scenario` have been made by then.
pub(crate) fn docker() -> Option<MutexGuard<'static, Docker>> {
    scenario()?;
    daemon().map(lock)
}

/// The daemon, started at the first call.
pub(super) fn daemon() -> Option<&'static Mutex<Docker>> {
    static DOCKER: OnceLock<Result<Mutex<Docker>, String>> = OnceLock::new();
    or_absent(DOCKER.get_or_init(|| started().map(Mutex::new)).as_ref())
}

pub(super) fn lock(docker: &'static Mutex<Docker>) -> MutexGuard<'static, Docker> {
    // A test that failed while it held the daemon spoils nothing: the next one empties it.
    docker.lock().unwrap_or_else(PoisonError::into_inner)
}

fn started() -> Result<Docker, String> {
    root("dockerd")?;
    let (dockerd, program) = (installed("dockerd")?, installed("docker")?);
    installed("containerd")?; // which dockerd starts
    let arguments = |dir: &Path| {
        // An empty configuration, so that the machine's own has no say.
        fs::write(dir.join("daemon.json"), "{}").unwrap();
        let mut words = vec![OsString::from(&dockerd)];
        let fixed = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
        // A registry that is wrong once is wrong, and is not asked for a minute.
        let more = ["--storage-driver=vfs", "--max-download-attempts=1"];
        words.extend(fixed.iter().chain(&more).map(OsString::from));
        for (option, file) in [
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
            ("--config-file", "daemon.json"),
        ] {
            words.extend([option.into(), dir.join(file).into()]);
        }
        words.extend(["--host".into(), host(dir)]);
        words
    };
    let answers = |dir: &Path| attempt(client(&program, dir).arg("version")).is_ok();
    let daemon = start("dockerd", &arguments, &answers)?;
    Ok(Docker { daemon, program })
}

fn host(dir: &Path) -> OsString {
    let mut host = OsString::from("unix://");
    host.push(dir.join("socket"));
    host
}

fn client(program: &Path, dir: &Path) -> Command {
    let mut client = Command::new(program);
    client.env("DOCKER_HOST", host(dir)).env("DOCKER_CONFIG", dir.join("client"));
    // The classic builder needs no running container for what these tests build.
    client.env("DOCKER_BUILDKIT", "0").env_remove("DOCKER_CONTEXT");
    client
}

impl Docker {
    /// Runs a docker command that has to succeed and hands out what it printed.
    pub(crate) fn run(&self, args: Args<'_>) -> String {
        let said = run(client(&self.program, self.dir()).args(args));
        String::from_utf8(said).unwrap().trim_end().to_owned()
    }

    /// Runs a docker command; an error is what it said.
    pub(crate) fn tries(&self, args: Args<'_>) -> Result<(), String> {
        attempt(client(&self.program, self.dir()).args(args)).map(drop)
    }

    /// Runs a docker command that has to fail and hands out what it said.
    pub(crate) fn refuses(&self, args: Args<'_>) -> String {
        attempt(client(&self.program, self.dir()).args(args)).unwrap_err()
    }

    /// A directory that goes when the daemon goes.
    pub(super) fn dir(&self) -> &Path {
        &self.daemon.dir
    }

    /// Forgets every image, so that the next load has to read every layer.
    pub(crate) fn empty(&self) {
        self.run(&[&"system", &"prune", &"--all", &"--force"]);
        let layers = self.dir().join("data/image/vfs/layerdb/sha256");
        // dockerd does not even open a layer whose chain ID it knows.
        assert_eq!(fs::read_dir(layers).map_or(0, Iterator::count), 0, "layers are left");
    }

    /// What `docker images` shows, apart from the steps of builds.
    pub(crate) fn images(&self) -> Images {
        let listed = self.run(&[&"images", &"--quiet", &"--no-trunc"]);
        let ids: BTreeSet<_> = listed.lines().collect();
        let names = |id: &str| {
            let format = "{{range .RepoTags}}{{println .}}{{end}}";
            let names = self.run(&[&"image", &"inspect", &"--format", &format, &id]);
            names.lines().filter(|it| !it.is_empty()).map(str::to_owned).collect()
        };
        ids.into_iter().map(|id| (id.to_owned(), names(id))).collect()
    }

    /// The config of an image as the daemon keeps it, byte for byte.
    pub(crate) fn config(&self, id: &str) -> Vec<u8> {
        let hex = id.strip_prefix("sha256:").unwrap();
        fs::read(self.dir().join("data/image/vfs/imagedb/content/sha256").join(hex)).unwrap()
    }
}
