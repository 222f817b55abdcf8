//! Files of a release, made of this build: the same twice, sums that find a change, an installer that
//! takes one archive only, and addresses that come from outside. `packaging/judge` judges real ones.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::judges::{find, run, tree};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A folder of files that a server on this machine hands out.
struct Served {
    folder: tempfile::TempDir,
    server: Child,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _gone = self.server.kill().and_then(|()| self.server.wait());
    }
}

impl Served {
    fn path(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    fn archive(&self) -> PathBuf {
        let name = format!("imgconv-{}-{TARGET}.tar.gz", env!("CARGO_PKG_VERSION"));
        self.path().join(name)
    }

    /// Installs into a folder below `prefix`, as a user does.
    fn install(&self, prefix: &Path) -> Output {
        let mut shell = Command::new("sh");
        shell.arg(self.path().join("install.sh")).env("PREFIX", prefix).stdin(Stdio::null());
        // The server is on this machine.
        shell.env_remove("http_proxy").env_remove("HTTP_PROXY").env_remove("ALL_PROXY");
        shell.output().unwrap()
    }
}

fn make(out: &Path, base: &str) {
    let binary = env!("CARGO_BIN_EXE_imgconv");
    let mut make = Command::new(Path::new(ROOT).join("packaging/make"));
    make.args([binary, TARGET]).arg(out).arg(base).env("SOURCE_DATE_EPOCH", "1700000000");
    run(&mut make);
}

/// The files of a release with the address of a server that has them.
fn served() -> Option<Served> {
    let made = made()?;
    find("curl")?;
    let python = find("python3")?;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    copy(made, &files, &format!("http://127.0.0.1:{port}"));
    let mut server = Command::new(python);
    server.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]).arg(&files);
    server.arg(port.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    let served = Served { folder, server: server.spawn().unwrap() };
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(served);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("python3 -m http.server does not answer");
}

const BASE: &str = "http://release.test/files";

/// The files of a release, made once for all tests; nothing if what makes them is missing.
fn made() -> Option<&'static Path> {
    for program in ["strip", "dpkg-deb", "rpmbuild"] {
        find(program)?;
    }
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), BASE);
        folder
    });
    Some(folder.path())
}

/// A copy of the files whose installer asks another address.
fn copy(from: &Path, to: &Path, base: &str) {
    fs::create_dir(to).unwrap();
    for (name, bytes) in tree(from) {
        let script = name == Path::new("install.sh");
        let text = script.then(|| String::from_utf8(bytes.clone()).unwrap().replace(BASE, base));
        fs::write(to.join(name), text.map_or(bytes, String::into_bytes)).unwrap();
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_installer_takes_the_archive_of_its_release() {
    let Some(served) = served() else { return };
    let prefix = served.folder.path().join("prefix");
    let output = served.install(&prefix);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = run(Command::new(prefix.join("bin/imgconv")).arg("--version"));
    assert_eq!(
        String::from_utf8(said).unwrap().trim(),
        concat!("imgconv ", env!("CARGO_PKG_VERSION"))
    );
    for file in ["share/man/man1/imgconv.1", "share/zsh/site-functions/_imgconv"] {
        assert!(prefix.join(file).is_file(), "{file} is not installed");
    }
    // Again, over what is there.
    assert!(served.install(&prefix).status.success());
}

#[test]
fn the_installer_refuses_an_archive_with_one_bit_changed_and_leaves_nothing() {
    let Some(served) = served() else { return };
    let half = fs::read(served.archive()).unwrap().len() / 2;
    flip(&served.archive(), half);
    let prefix = served.folder.path().join("prefix");
    let output = served.install(&prefix);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is not the archive of this release, expected sha256"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!prefix.exists(), "something was installed");
    fs::remove_file(served.archive()).unwrap();
    let output = served.install(&prefix);
    assert!(String::from_utf8(output.stderr).unwrap().contains("error: cannot fetch http://127."));
    assert!(!output.status.success() && !prefix.exists(), "something was installed");
}

#[test]
fn the_sums_hold_and_each_file_has_one() {
    let Some(made) = made() else { return };
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    copy(made, &files, BASE);
    let check = || {
        let mut sums = Command::new("sha256sum");
        sums.args(["--quiet", "-c", "SHA256SUMS"]).current_dir(&files).output().unwrap().status
    };
    assert!(check().success());
    for name in tree(&files).into_keys().filter(|it| it != Path::new("SHA256SUMS")) {
        flip(&files.join(&name), 100);
        assert!(!check().success(), "{} is changed and nobody says so", name.display());
        flip(&files.join(&name), 100);
    }
}

#[test]
fn the_same_binary_gives_the_same_files() {
    let Some(made) = made() else { return };
    let again = tempfile::tempdir().unwrap();
    make(again.path(), BASE);
    let [one, two] = [made, again.path()].map(tree);
    assert!(one.keys().eq(two.keys()), "{:?} and {:?}", one.keys(), two.keys());
    for (name, bytes) in &one {
        assert!(bytes == &two[name], "{} differs", name.display());
    }
}

#[test]
fn cargo_binstall_asks_for_the_archive_that_is_there() {
    let Some(served) = served() else { return };
    let text = fs::read_to_string(served.path().join("binstall.toml")).unwrap();
    let value = |key: &str| {
        let line = text.lines().find_map(|it| it.strip_prefix(&format!("{key} = \"")));
        let value = line.and_then(|it| it.strip_suffix('"')).unwrap();
        [
            ("{ name }", "imgconv"),
            ("{ bin }", "imgconv"),
            ("{ version }", env!("CARGO_PKG_VERSION")),
            ("{ target }", TARGET),
            ("{ archive-suffix }", ".tar.gz"),
            ("{ binary-ext }", ""),
        ]
        .iter()
        .fold(value.to_owned(), |text, (name, meaning)| text.replace(name, meaning))
    };
    let name = served.archive().file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(value("pkg-url"), format!("{BASE}/{name}"));
    let listed = run(Command::new("tar").arg("-tzf").arg(served.archive()));
    let binary = value("bin-dir");
    assert!(String::from_utf8(listed).unwrap().lines().any(|it| it == binary), "no {binary}");
}

#[test]
fn addresses_are_those_of_the_caller() {
    for entry in fs::read_dir(Path::new(ROOT).join("packaging")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let address = text.lines().find(|it| it.contains("://") && !it.contains("127.0.0.1"));
        assert_eq!(address, None, "{} has an address", path.display());
    }
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("\nrepository"), "Cargo.toml has an address");
}

#[test]
fn scripts_of_a_release_pass_shellcheck() {
    let Some(shellcheck) = find("shellcheck") else { return };
    let mut command = Command::new(shellcheck);
    command.current_dir(ROOT).args([".ci/release", "packaging/install.sh.in"]);
    run(command.args(["make", "judge", "deb", "rpm", "image"].map(|it| format!("packaging/{it}"))));
}
