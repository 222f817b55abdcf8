//! A private containerd: `ctr images import` checks digests, counts and, as it unpacks, diff IDs.
//!
//! containerd 1.6 does not compare the sizes in descriptors, and imports a layout without names as
//! nothing, with status 0: so the tests look at what it lists.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::daemon::{Daemon, start};
use super::{Args, attempt, installed, or_absent, root, run};

/// The one containerd of this test binary.
pub(crate) struct Containerd {
    daemon: Daemon,
    ctr: PathBuf,
}

/// One namespace of it, which knows nothing of the others.
pub(crate) struct Namespace {
    containerd: &'static Containerd,
    name: String,
}

/// A namespace that nobody has used.
pub(crate) fn containerd() -> Option<Namespace> {
    static CONTAINERD: OnceLock<Result<Containerd, String>> = OnceLock::new();
    static USED: AtomicU32 = AtomicU32::new(0);
    let containerd = or_absent(CONTAINERD.get_or_init(started).as_ref())?;
    let name = format!("test-{}", USED.fetch_add(1, Ordering::Relaxed));
    Some(Namespace { containerd, name })
}

fn started() -> Result<Containerd, String> {
    root("containerd")?;
    let (containerd, ctr) = (installed("containerd")?, installed("ctr")?);
    let arguments = |dir: &Path| {
        let config = dir.join("config.toml");
        fs::write(&config, configuration(dir)).unwrap();
        vec![OsString::from(&containerd), "--config".into(), config.into()]
    };
    let answers = |dir: &Path| attempt(client(&ctr, dir).arg("version")).is_ok();
    let daemon = start("containerd", &arguments, &answers)?;
    Ok(Containerd { daemon, ctr })
}

/// Content is not shared among namespaces, or a blob that one knows would go unread in the next.
fn configuration(dir: &Path) -> String {
    let dir = dir.to_str().unwrap();
    format!(
        r#"version = 2
root = "{dir}/root"
state = "{dir}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{dir}/socket"
[ttrpc]
address = "{dir}/socket.ttrpc"
[plugins."io.containerd.metadata.v1.bolt"]
content_sharing_policy = "isolated"
"#
    )
}

fn client(ctr: &Path, dir: &Path) -> Command {
    let mut client = Command::new(ctr);
    client.arg("--address").arg(dir.join("socket"));
    client
}

impl Namespace {
    fn run(&self, args: Args<'_>) -> Vec<u8> {
        let mut ctr = client(&self.containerd.ctr, &self.containerd.daemon.dir);
        run(ctr.args(["--namespace", &self.name]).args(args))
    }

    /// Runs a command of its images on a file; an error is what it said.
    pub(crate) fn tries(&self, args: &[&str], file: &Path) -> Result<(), String> {
        let mut ctr = client(&self.containerd.ctr, &self.containerd.daemon.dir);
        ctr.args(["--namespace", &self.name, "images"]).args(args);
        attempt(ctr.arg(file)).map(drop)
    }

    /// Imports and unpacks an archive; hands out the digest behind each name.
    pub(crate) fn import(&self, archive: &Path) -> BTreeMap<String, String> {
        // Of an index, every platform.
        let options: Args<'_> = &[&"images", &"import", &"--all-platforms"];
        self.run(&[options, &[&"--snapshotter", &"native", &archive]].concat());
        let listed = String::from_utf8(self.run(&[&"images", &"ls"])).unwrap();
        let rows = listed.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.map(|row| (row[0].to_owned(), row[2].to_owned())).collect()
    }

    /// Pulls from a registry that speaks plain HTTP, unpacks, or says why not.
    pub(crate) fn pull(&self, name: &str) -> Result<(), String> {
        let mut ctr = client(&self.containerd.ctr, &self.containerd.daemon.dir);
        ctr.args(["--namespace", &self.name, "images", "pull", "--plain-http"]);
        // As many at once as docker allows.
        ctr.args(["--max-concurrent-downloads", "3", "--snapshotter", "native", name]);
        attempt(&mut ctr).map(drop)
    }

    /// Gives an image a second name.
    pub(crate) fn tag(&self, name: &str, other: &str) {
        self.run(&[&"images", &"tag", &name, &other]);
    }

    /// Pushes what it has under a name.
    pub(crate) fn push(&self, name: &str) -> Result<(), String> {
        let mut ctr = client(&self.containerd.ctr, &self.containerd.daemon.dir);
        ctr.args(["--namespace", &self.name, "images", "push", "--plain-http"]);
        ctr.args(["--max-concurrent-uploaded-layers", "5", name]);
        attempt(&mut ctr).map(drop)
    }

    /// The bytes it stored under a digest.
    pub(crate) fn content(&self, digest: &str) -> Vec<u8> {
        self.run(&[&"content", &"get", &digest])
    }
}
