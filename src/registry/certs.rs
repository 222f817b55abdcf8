//! Certificates of one host: a `certs.d` folder, as docker and podman read it.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bytes::files::file_of;
use crate::error::{At as _, Error, ErrorKind, Location, Result};
use crate::limits;

/// Reads `certs.d` folders.
#[derive(Debug)]
pub struct Certs;

/// The certificates for one host, as PEM.
#[derive(Debug, Default)]
pub struct HostCerts {
    /// Roots that are trusted as well as those of the system.
    pub roots: Vec<Vec<u8>>,
    /// The certificate that imgconv shows.
    pub client: Option<ClientPair>,
}

/// A client certificate and its key, as PEM.
pub struct ClientPair {
    /// The certificate, with those between it and a root.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl fmt::Debug for ClientPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPair").finish_non_exhaustive()
    }
}

impl Certs {
    /// The certificates in the folder `host[:port]` of each of `dirs`: all roots (`*.crt`), and the
    /// first pair `NAME.cert`, `NAME.key`. A folder that is missing or closed to this user has
    /// none, as for podman: without its root, a connection fails.
    ///
    /// # Errors
    /// A file cannot be read, or half of a pair is missing.
    pub fn for_host(dirs: &[PathBuf], host: &str) -> Result<HostCerts> {
        let mut found = HostCerts::default();
        if host.contains('/') || matches!(host, "" | "." | "..") {
            return Ok(found);
        }
        for dir in dirs {
            add(&dir.join(host), &mut found)?;
        }
        Ok(found)
    }
}

fn add(folder: &Path, found: &mut HostCerts) -> Result<()> {
    let names = names(folder).map_err(ErrorKind::Read).at(&Location::of(folder))?;
    let with = |extension: &'static str| {
        let is = move |name: &&PathBuf| name.extension() == Some(OsStr::new(extension));
        names.iter().filter(is)
    };
    for name in with("crt") {
        found.roots.push(read(&folder.join(name))?);
    }
    for (extension, other) in [("cert", "key"), ("key", "cert")] {
        if let Some(alone) = with(extension).find(|it| !names.contains(&it.with_extension(other))) {
            let missing = alone.with_extension(other);
            let pair = format!("{} without {}", alone.display(), missing.display());
            let what = "expected a client certificate, NAME.cert, and its key, NAME.key";
            return Err(Error::new(&Location::of(folder), ErrorKind::Usage { what, found: pair }));
        }
    }
    if let Some(name) = with("cert").next().filter(|_| found.client.is_none()) {
        let (certificate, key) = (folder.join(name), folder.join(name.with_extension("key")));
        found.client = Some(ClientPair { certificate: read(&certificate)?, key: read(&key)? });
    }
    Ok(())
}

/// The names in a folder, sorted; none if the folder is missing or closed.
fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
            return match error.kind() {
                NotFound | NotADirectory | PermissionDenied => Ok(Vec::new()),
                _ => Err(error),
            };
        }
    };
    let mut names: Vec<PathBuf> =
        entries.map(|it| it.map(|it| it.file_name().into())).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let at = Location::of(path);
    let file = file_of(path.to_owned(), at.clone())?;
    let missing = || Error::new(&at, ErrorKind::Open(io::ErrorKind::NotFound.into()));
    file.ok_or_else(missing)?.read(limits::CERTIFICATES, "a file of certificates")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A `certs.d` with a folder for each host, whose files contain their own names.
    fn certs(files: &[(&str, &str)]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        for (host, name) in files {
            fs::create_dir_all(dir.path().join(host)).unwrap();
            fs::write(dir.path().join(host).join(name), name).unwrap();
        }
        let dirs = vec![dir.path().to_owned()];
        (dir, dirs)
    }

    fn texts(found: &HostCerts) -> (Vec<&str>, Option<(&str, &str)>) {
        let text =
            |bytes: &'_ Vec<u8>| -> &str { std::str::from_utf8(bytes).unwrap().to_owned().leak() };
        let pair = |it: &ClientPair| (text(&it.certificate), text(&it.key));
        (found.roots.iter().map(text).collect(), found.client.as_ref().map(pair))
    }

    #[test]
    fn a_host_has_the_certificates_of_its_own_folder() {
        let (_dir, dirs) = certs(&[
            ("h", "b.crt"),
            ("h", "a.crt"),
            ("h", "a.pem"),
            ("h", "README"),
            ("h:5000", "c.crt"),
            ("h:5000", "z.cert"),
            ("h:5000", "z.key"),
            ("h:5000", "client.cert"),
            ("h:5000", "client.key"),
        ]);
        for (host, roots, pair) in [
            ("h", vec!["a.crt", "b.crt"], None),
            ("h:5000", vec!["c.crt"], Some(("client.cert", "client.key"))),
            ("other", vec![], None),
            ("h:5001", vec![], None),
            ("", vec![], None),
            ("..", vec![], None),
            ("h/../h", vec![], None),
        ] {
            let found = Certs::for_host(&dirs, host).unwrap();
            assert_eq!(texts(&found), (roots, pair), "{host}");
        }
    }

    #[test]
    fn the_roots_of_all_trees_count_and_the_first_pair() {
        let (_one, mut dirs) = certs(&[("h", "a.crt"), ("h", "a.cert"), ("h", "a.key")]);
        let (_two, more) = certs(&[("h", "b.crt"), ("h", "b.cert"), ("h", "b.key")]);
        let missing = PathBuf::from("/does/not/exist");
        dirs.extend(more);
        dirs.push(missing);
        let found = Certs::for_host(&dirs, "h").unwrap();
        assert_eq!(texts(&found), (vec!["a.crt", "b.crt"], Some(("a.cert", "a.key"))));
        assert!(!format!("{found:?}").contains("key"));
    }

    #[test]
    fn half_a_pair_is_an_error_that_names_both_files() {
        for (there, missing) in [("x.cert", "x.key"), ("x.key", "x.cert")] {
            let (_dir, dirs) = certs(&[("h", "a.cert"), ("h", "a.key"), ("h", there)]);
            let error = Certs::for_host(&dirs, "h").unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("found {there} without {missing}")), "{text}");
            assert!(text.starts_with(dirs[0].join("h").to_str().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_certificate_is_a_regular_file_of_limited_size() {
        let (_dir, dirs) = certs(&[("h", "real.txt")]);
        let folder = dirs[0].join("h");
        symlink("real.txt", folder.join("linked.crt")).unwrap();
        assert_eq!(texts(&Certs::for_host(&dirs, "h").unwrap()).0, ["real.txt"]);
        symlink("nowhere", folder.join("dangling.crt")).unwrap();
        assert_eq!(Certs::for_host(&dirs, "h").unwrap_err().code(), "open");
        fs::remove_file(folder.join("dangling.crt")).unwrap();
        let fifo = folder.join("fifo.crt");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        assert_eq!(Certs::for_host(&dirs, "h").unwrap_err().code(), "not-a-file");
        fs::remove_file(&fifo).unwrap();
        let large = fs::File::create(folder.join("large.crt")).unwrap();
        large.set_len(limits::CERTIFICATES + 1).unwrap();
        assert_eq!(Certs::for_host(&dirs, "h").unwrap_err().code(), "limit");
    }
}
