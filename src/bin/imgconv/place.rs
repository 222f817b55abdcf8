//! Places as people type them: paths, `-`, and skopeo's transports.
//!
//! A path that exists as written is that path, whatever colons it has.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use imgconv::bytes::files::Input;
use imgconv::image::Name;
use imgconv::source::Kind;

use crate::failure::Failure;

/// A transport that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    DockerArchive,
    Oci,
    OciArchive,
}

/// A source or destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) transport: Option<Transport>,
    pub(crate) path: PathBuf,
    /// What followed the path: a name, or `@N`.
    pub(crate) name: Option<String>,
}

const TRANSPORTS: [(&str, Transport); 4] = [
    ("docker-archive:", Transport::DockerArchive),
    ("oci-archive:", Transport::OciArchive),
    ("oci:", Transport::Oci),
    ("ocidir://", Transport::Oci),
];

/// Transports of others, and what to do instead.
const REFUSED: [(&str, &str); 5] = [
    ("docker://", "registries come later; skopeo copy docker://NAME oci:DIR fills a layout"),
    ("docker-daemon:", "docker save NAME | imgconv save2oci - LAYOUT"),
    ("containers-storage:", "podman save NAME | imgconv save2oci - LAYOUT"),
    ("dir:", "skopeo copy dir:DIR oci:LAYOUT makes a layout of it"),
    ("tarball:", "imgconv reads docker archives and layouts"),
];

impl Place {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let plain = |path: &str| Self { transport: None, path: path.into(), name: None };
        if text == "-" || Path::new(text).symlink_metadata().is_ok() {
            return Ok(plain(text));
        }
        if let Some((prefix, hint)) = REFUSED.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            let text = format!("{text}: {prefix} is no place for imgconv");
            return Err(Failure::usage(text, (*hint).to_owned()));
        }
        let found = TRANSPORTS
            .iter()
            .find_map(|(prefix, transport)| Some((text.strip_prefix(prefix)?, *transport)));
        let Some((rest, transport)) = found else { return Ok(plain(text)) };
        let (path, name) = match rest.split_once(':') {
            Some((path, name)) if Path::new(rest).symlink_metadata().is_err() => (path, Some(name)),
            _ => (rest, None),
        };
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { transport: Some(transport), path: path.into(), name })
    }

    pub(crate) fn is_pipe(&self) -> bool {
        self.path == Path::new("-")
    }

    /// What to read.
    pub(crate) fn input(&self) -> Result<Input, Failure> {
        if !self.is_pipe() {
            return Ok(Input::Path(self.path.clone()));
        }
        let stdin = std::io::stdin().as_fd().try_clone_to_owned();
        stdin.map(|fd| Input::from(File::from(fd))).map_err(|error| {
            Failure::usage(format!("standard input: cannot be read: {error}"), None)
        })
    }

    /// The name in a destination.
    pub(crate) fn as_name(&self) -> Option<Name> {
        let text = self.name.as_ref()?;
        let reference = text.contains([':', '/']).then(|| text.parse().ok()).flatten();
        Some(Name { reference, ref_name: text.clone() })
    }

    /// Refuses a source that is not what its prefix says.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), Failure> {
        let fits = match (self.transport, kind) {
            (None, _) => true,
            (Some(Transport::DockerArchive), kind) => {
                matches!(kind, Kind::DockerArchive | Kind::Both)
            }
            (Some(Transport::Oci), kind) => kind == Kind::Layout,
            (Some(Transport::OciArchive), kind) => matches!(kind, Kind::OciArchive | Kind::Both),
        };
        if fits {
            return Ok(());
        }
        let prefix = match kind {
            Kind::DockerArchive | Kind::Both => "docker-archive:",
            Kind::Layout => "oci:",
            Kind::OciArchive => "oci-archive:",
            Kind::Config | Kind::Manifest | Kind::Index => "",
        };
        let path = self.path.display();
        let text = format!("{path}: is a {}, not what its prefix says", kind.name());
        Err(Failure::usage(text, format!("try {prefix}{path}, or leave out the prefix")))
    }
}
