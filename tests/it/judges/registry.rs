//! A private docker-registry, and just enough HTTP to put things into it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::build::layout::MediaFamily;

use super::daemon::{Daemon, start};
use super::{installed, or_absent};

/// A running registry.
pub(crate) struct Registry {
    pub(crate) port: u16,
    daemon: Daemon,
}

/// The registry of this test binary; nothing after its absence was said.
pub(crate) fn registry() -> Option<&'static Registry> {
    static REGISTRY: OnceLock<Result<Registry, String>> = OnceLock::new();
    or_absent(REGISTRY.get_or_init(|| begin(&installed("docker-registry")?)).as_ref())
}

/// A part of a configuration, made for the directory of the registry.
pub(crate) type Section<'a> = &'a dyn Fn(&Path) -> String;

/// Another registry with an empty store; its configuration has more lines in the section `http`, and
/// more sections.
pub(crate) fn another(http: Section<'_>, more: Section<'_>) -> Option<Registry> {
    or_absent(installed("docker-registry").and_then(|program| configured(&program, http, more)))
}

/// Starts one with an empty store.
pub(super) fn begin(program: &Path) -> Result<Registry, String> {
    configured(program, &|_| String::new(), &|_| String::new())
}

fn configured(program: &Path, http: Section<'_>, more: Section<'_>) -> Result<Registry, String> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = start(
        "docker-registry",
        &|dir: &Path| {
            let config = dir.join("config.yml");
            let store = dir.join("store");
            let text = format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{}compatibility:\n  schema1:\n    enabled: true\n{}",
                store.display(),
                http(dir),
                more(dir)
            );
            std::fs::write(&config, text).unwrap();
            vec![program.into(), "serve".into(), config.into()]
        },
        &|_| TcpStream::connect(("127.0.0.1", port)).is_ok(),
    )?;
    Ok(Registry { port, daemon })
}

/// An answer: status, headers as they came, body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Registry {
    /// Its name in those of images.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// One request; the connection ends with it.
    pub(crate) fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: {kind}\r\nAccept: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: answer[end + 4..].to_vec() }
    }

    /// The digest that it gives for a tag.
    pub(crate) fn digest_of(&self, repository: &str, tag: &str, family: MediaFamily) -> String {
        for kind in [family.manifest(), family.index()] {
            let path = format!("/v2/{repository}/manifests/{tag}");
            let answer = self.ask("GET", &path, kind, b"");
            if answer.header("Content-Type") == Some(kind) {
                let stated = answer.header("Docker-Content-Digest").unwrap().to_owned();
                assert_eq!(stated, super::digest(&answer.body));
                return stated;
            }
        }
        panic!("{repository}:{tag} is not of this family");
    }

    /// Where it keeps the bytes of a digest.
    pub(crate) fn kept(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = self.daemon.dir.join("store/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// Uploads a blob.
    pub(crate) fn blob(&self, name: &str, bytes: &[u8]) {
        let begun = self.ask("POST", &format!("/v2/{name}/blobs/uploads/"), "", b"");
        assert_eq!(begun.status, 202, "{}", begun.head);
        let place = begun.header("Location").unwrap();
        let path = &place[place.find("/v2/").unwrap()..];
        let path = format!("{path}&digest={}", super::digest(bytes));
        let done = self.ask("PUT", &path, "application/octet-stream", bytes);
        assert_eq!(done.status, 201, "{}", String::from_utf8_lossy(&done.body));
    }

    /// Puts a manifest and hands out the digest that the registry gives it.
    pub(crate) fn manifest(&self, name: &str, tag: &str, kind: &str, bytes: &[u8]) -> String {
        let done = self.ask("PUT", &format!("/v2/{name}/manifests/{tag}"), kind, bytes);
        let said = String::from_utf8_lossy(&done.body);
        assert_eq!(done.status, 201, "{said}");
        done.header("Docker-Content-Digest").unwrap().to_owned()
    }
}
