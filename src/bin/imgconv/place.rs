//! Parses places on the command line: paths, `-`, and the transports of skopeo.
//!
//! An existing path is used as written, even with colons.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use imgconv::bytes::files::Input;
use imgconv::digest::Digest;
use imgconv::error::Shown;
use imgconv::image::Name;
use imgconv::reference::Reference;
use imgconv::registry::{RegistryName, With};
use imgconv::source::Kind;

use crate::access::AccessArgs;
use crate::failure::Failure;
use crate::patient::Patient;
use crate::ui::Ui;

/// A transport prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    DockerArchive,
    Oci,
    OciArchive,
    Directory,
    Registry,
}

/// A source or destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlaceArg {
    pub(crate) transport: Option<Transport>,
    pub(crate) path: PathBuf,
    /// The text after the path: a name, or `@N`.
    pub(crate) name: Option<String>,
    /// Images of registries, in place of a path.
    pub(crate) names: Vec<RegistryName>,
    /// What is read along with them.
    pub(crate) with: With,
}

const TRANSPORTS: [(&str, Transport); 5] = [
    ("docker-archive:", Transport::DockerArchive),
    ("oci-archive:", Transport::OciArchive),
    ("oci:", Transport::Oci),
    ("ocidir://", Transport::Oci),
    ("dir:", Transport::Directory),
];

/// The prefix of names in registries.
const REGISTRY: &str = "docker://";

/// Unsupported transports, and what to do instead.
const REFUSED: [(&str, &str); 3] = [
    ("docker-daemon:", "run docker save NAME | imgconv save2oci - LAYOUT"),
    ("containers-storage:", "run podman save NAME | imgconv save2oci - LAYOUT"),
    ("tarball:", "imgconv reads docker archives and layouts"),
];

/// An argument in a message.
fn shown(text: &OsStr) -> String {
    Shown(&text.to_string_lossy()).to_string()
}

impl PlaceArg {
    /// Paths are bytes; the prefix and name are text.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, Failure> {
        let plain = |path: &OsStr| Self {
            transport: None,
            path: path.into(),
            name: None,
            names: Vec::new(),
            with: With::None,
        };
        if text.is_empty() {
            let hint = "pass a path, or - for a pipe".to_owned();
            return Err(Failure::usage("expected a path, found an empty name", hint));
        }
        if text == "-" || Path::new(text).symlink_metadata().is_ok() {
            return Ok(plain(text));
        }
        let bytes = text.as_bytes();
        let of = |prefix: &str| bytes.strip_prefix(prefix.as_bytes());
        if of(REGISTRY).is_some() {
            return Self::registry(&[text.to_owned()]);
        }
        if let Some((prefix, hint)) = REFUSED.iter().find(|(prefix, _)| of(prefix).is_some()) {
            let text = format!("{}: {prefix} is not supported", shown(text));
            return Err(Failure::usage(text, (*hint).to_owned()));
        }
        let found = TRANSPORTS.iter().find_map(|(prefix, found)| Some((of(prefix)?, *found)));
        let Some((rest, transport)) = found else { return Ok(plain(text)) };
        let whole = OsStr::from_bytes(rest);
        let colon = rest.iter().position(|byte| *byte == b':');
        // A folder of dir: has no name, in skopeo too.
        let may_have_name = transport != Transport::Directory;
        let colon = colon.filter(|_| may_have_name && Path::new(whole).symlink_metadata().is_err());
        let (path, name) = match colon {
            Some(at) => (&rest[..at], Some(OsStr::from_bytes(&rest[at + 1..]))),
            None => (rest, None),
        };
        let name = name.filter(|name| !name.is_empty());
        let name = name.map(|name| name.to_str().map(str::to_owned).ok_or(name)).transpose();
        let name = name.map_err(|name| {
            Failure::usage(format!("{}: the image name is not UTF-8", shown(name)), None)
        })?;
        let path = OsStr::from_bytes(path).into();
        let (names, with) = (Vec::new(), With::None);
        Ok(Self { transport: Some(transport), path, name, names, with })
    }

    /// Images of registries, with or without `docker://`.
    pub(crate) fn registry(texts: &[OsString]) -> Result<Self, Failure> {
        let name = |text: &OsString| {
            let text = text.to_string_lossy();
            text.strip_prefix(REGISTRY).unwrap_or(&text).parse().map_err(|error| {
                let hint = "for example nginx:1.27, ghcr.io/a/b:v2 or host:5000/app@sha256:…";
                Failure::usage(format!("{}: {error}", Shown(&text)), hint.to_owned())
            })
        };
        let names = texts.iter().map(name).collect::<Result<_, Failure>>()?;
        let path = PathBuf::new();
        let (transport, with) = (Some(Transport::Registry), With::None);
        Ok(Self { transport, path, name: None, names, with })
    }

    /// Refuses an image of a registry, for a verb of files.
    pub(crate) fn refuse_registry(&self, verb: &str, instead: &str) -> Result<(), Failure> {
        match self.names.first() {
            None => Ok(()),
            Some(name) => {
                let text = format!("{name}: {verb} reads and writes files, not registries");
                Err(Failure::usage(text, format!("use imgconv {instead}")))
            }
        }
    }

    /// The path, or the names in registries.
    pub(crate) fn shown(&self) -> String {
        match self.is_registry() {
            false => self.path.to_string_lossy().into_owned(),
            true => self.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }
    }

    pub(crate) fn is_registry(&self) -> bool {
        self.transport == Some(Transport::Registry)
    }

    pub(crate) fn is_pipe(&self) -> bool {
        self.path == Path::new("-")
    }

    /// The input to read.
    pub(crate) fn input(&self, ui: &Ui, access: &AccessArgs) -> Result<Input, Failure> {
        if self.is_registry() {
            let session = access.session(ui)?;
            return Ok(Input::Registry(imgconv::registry::input(
                &session,
                self.names.clone(),
                self.with,
            )));
        }
        if !self.is_pipe() {
            return Ok(Input::Path(self.path.clone()));
        }
        let stdin = std::io::stdin().as_fd().try_clone_to_owned();
        let input = |file: File| match file.metadata() {
            Ok(there) if there.is_file() => Input::from(file),
            _ => Input::stream(Patient(file)),
        };
        stdin
            .map(|fd| input(File::from(fd)))
            .map_err(|error| Failure::usage(format!("standard input: cannot read: {error}"), None))
    }

    /// The names in a destination. For a docker archive they are references, so that `nginx` is
    /// `nginx:latest`, as in skopeo; for a layout they may be only tags.
    pub(crate) fn as_names(&self) -> Result<Vec<Name>, Failure> {
        if self.is_registry() {
            return self.names.iter().map(|it| name("the name", &it.to_string())).collect();
        }
        let Some(text) = &self.name else { return Ok(Vec::new()) };
        if self.transport == Some(Transport::DockerArchive) {
            return name("the name after the path", text).map(|it| vec![it]);
        }
        without_digest("the name after the path", text)?;
        let reference = text.contains([':', '/']).then(|| text.parse().ok()).flatten();
        let mut name = Name::of_ref_name(text);
        name.reference = reference;
        Ok(vec![name])
    }

    /// Refuses a source that does not match its prefix.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), Failure> {
        let fits = match (self.transport, kind) {
            (None | Some(Transport::Registry), _) => true,
            (Some(Transport::DockerArchive), kind) => {
                matches!(kind, Kind::DockerArchive | Kind::Both)
            }
            (Some(Transport::Oci), kind) => kind == Kind::Layout,
            (Some(Transport::Directory), kind) => kind == Kind::Directory,
            (Some(Transport::OciArchive), kind) => matches!(kind, Kind::OciArchive | Kind::Both),
        };
        if fits {
            return Ok(());
        }
        let prefix = match kind {
            Kind::DockerArchive | Kind::Both => "docker-archive:",
            Kind::Layout => "oci:",
            Kind::OciArchive => "oci-archive:",
            Kind::Directory => "dir:",
            _ => "",
        };
        let path = self.path.display();
        let text = format!("{path}: is a {}, which does not match its prefix", kind.name());
        Err(Failure::usage(text, format!("try {prefix}{path}, or leave out the prefix")))
    }
}

/// Parses a new name of an image; `what` is the option, for messages.
pub(crate) fn name(what: &str, text: &str) -> Result<Name, Failure> {
    without_digest(what, text)?;
    let reference: Result<Reference, _> = text.parse();
    reference.map(Name::of).map_err(|error| {
        Failure::usage(
            format!("{what} {}: {error}", Shown(text)),
            "for example nginx:1.17 or host/app:v2".to_owned(),
        )
    })
}

/// Refuses a digest in a new name, because the written image has its own digest.
pub(crate) fn without_digest(what: &str, text: &str) -> Result<(), Failure> {
    match text.rsplit_once('@') {
        Some((name, digest)) if digest.parse::<Digest>().is_ok() => {
            let text = format!("{what} {}: a tag cannot have a digest", Shown(text));
            Err(Failure::usage(text, format!("leave it out: {}", Shown(name))))
        }
        _ => Ok(()),
    }
}

/// Whether a destination is named like a tar.
pub(crate) fn is_tar(place: &PlaceArg) -> bool {
    place.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar"))
}
