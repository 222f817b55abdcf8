//! Today's programs: docker with both of its image stores, and all that need no daemon.
//!
//! They are in the root that `.ci/judges DIR` makes and IMGCONV_JUDGES_ROOT names: Debian's testing,
//! or its stable release where that could not be installed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::daemon::{Daemon, start};
use super::registry::{Registry, begin};
use super::{attempt, excused, or_absent, root};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/judges");

/// What a release lacks, as `.ci/judges` knows too: nobody can install it there.
const LACKS: &[(&str, &str)] = &[("trixie", "crane")];

/// The root.
pub(crate) struct Today {
    dir: PathBuf,
    suite: String,
}

/// The root, or nothing after its absence was said.
pub(crate) fn today() -> Option<&'static Today> {
    static TODAY: OnceLock<Result<Today, String>> = OnceLock::new();
    or_absent(TODAY.get_or_init(found).as_ref())
}

fn found() -> Result<Today, String> {
    root("a program of another root")?;
    let hint = "run .ci/judges DIR and set IMGCONV_JUDGES_ROOT to DIR";
    let dir = env::var_os("IMGCONV_JUDGES_ROOT").map(PathBuf::from);
    let dir = dir.ok_or_else(|| format!("today's judges are missing, {hint}"))?;
    let suite = fs::read_to_string(dir.join("suite"));
    let suite = suite.map_err(|_| format!("{} has no judges, {hint}", dir.display()))?;
    Ok(Today { dir, suite: suite.trim().to_owned() })
}

impl Today {
    /// Whether a program is in the root; says so where its release lacks it.
    pub(crate) fn has(&self, program: &str) -> bool {
        let lacks = LACKS.contains(&(self.suite.as_str(), program));
        if lacks {
            excused(&format!("Debian {} has no {program}", self.suite));
        }
        !lacks
    }

    /// Whether a case is of a program that the release lacks: its name begins with it.
    pub(crate) fn lacks(&self, case: &str) -> bool {
        LACKS.iter().any(|(suite, program)| *suite == self.suite && case.starts_with(program))
    }

    /// The wrapper that runs a program of the root on the host's files.
    fn wrapper(&self, program: &str) -> PathBuf {
        self.dir.join("bin").join(program)
    }

    /// A command that runs a program of the root.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.wrapper(program));
        // Nobody's configuration has a say, and podman need not warn about the machine it is on.
        for name in ["DOCKER_CONFIG", "DOCKER_HOST", "DOCKER_CONTEXT", "REGISTRY_AUTH_FILE"] {
            command.env_remove(name);
        }
        command.env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1");
        command
    }
}

/// Where dockerd keeps images.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Store {
    /// As docker 29 does by default: manifests and indexes as they were pulled.
    Containerd,
    /// As docker up to 28 does by default: configs and unpacked layers.
    Graph,
}

/// A running dockerd of today.
pub(crate) struct Docker {
    pub(crate) store: Store,
    today: &'static Today,
    daemon: Daemon,
}

/// Waits for the daemon of a store to be free; it was started at the first call.
pub(crate) fn docker(store: Store) -> Option<MutexGuard<'static, Docker>> {
    type Slot = OnceLock<Result<Mutex<Docker>, String>>;
    static CONTAINERD: Slot = OnceLock::new();
    static GRAPH: Slot = OnceLock::new();
    let today = today()?;
    let slot = match store {
        Store::Containerd => &CONTAINERD,
        Store::Graph => &GRAPH,
    };
    let docker = or_absent(slot.get_or_init(|| started(today, store).map(Mutex::new)).as_ref())?;
    // A test that failed while it held the daemon spoils nothing: the next one empties it.
    Some(docker.lock().unwrap_or_else(PoisonError::into_inner))
}

fn started(today: &'static Today, store: Store) -> Result<Docker, String> {
    let name = match store {
        Store::Containerd => "containerd",
        Store::Graph => "graph",
    };
    let arguments = |dir: &Path| {
        let words = [SCRIPT.into(), today.dir.clone().into(), "dockerd".into(), name.into()];
        words.into_iter().chain([dir.into()]).collect::<Vec<OsString>>()
    };
    let answers = |dir: &Path| attempt(client(today, dir).arg("version")).is_ok();
    let daemon = start("today's dockerd", &arguments, &answers)?;
    Ok(Docker { store, today, daemon })
}

fn client(today: &Today, dir: &Path) -> Command {
    let mut host = OsString::from("unix://");
    host.push(dir.join("socket"));
    let mut docker = today.command("docker");
    docker.env("DOCKER_HOST", host).env("DOCKER_CONFIG", dir.join("client"));
    docker
}

impl Docker {
    /// Its client.
    pub(crate) fn client(&self) -> Command {
        client(self.today, &self.daemon.dir)
    }

    /// containerd's own client, in the namespace of docker's images.
    pub(crate) fn ctr(&self) -> Command {
        let mut ctr = self.today.command("ctr");
        ctr.arg("--address").arg(self.daemon.dir.join("exec/containerd/containerd.sock"));
        ctr
    }

    /// A directory that goes when the daemon goes.
    pub(crate) fn dir(&self) -> &Path {
        &self.daemon.dir
    }
}

/// A registry of today on a loopback port.
pub(crate) fn registry() -> Option<&'static Registry> {
    static REGISTRY: OnceLock<Result<Registry, String>> = OnceLock::new();
    let today = today()?;
    or_absent(REGISTRY.get_or_init(|| begin(&today.wrapper("docker-registry"))).as_ref())
}
