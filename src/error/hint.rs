//! What the user can do about an error: a sentence for each kind, by what it says about the bytes.

use std::io;

use super::kind::DOCUMENT;
use super::{ErrorKind, Verdict};

const REGISTRY: &str =
    "log in, or check the name: the registry sent this message in place of the document";

const INCOMPLETE: &str =
    "save it again with all its layers, or choose a complete platform with --platform";

impl ErrorKind {
    /// What the user can do about it; `None` if imgconv does not know.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        if let Some(hint) = self.hint_of_registry() {
            return Some(hint);
        }
        match self.verdict() {
            Verdict::Damaged => Some(self.hint_of_damage()),
            Verdict::Unsupported => Some(self.hint_of_unsupported()),
            Verdict::Limit => Some(
                "limits are fixed (SECURITY.md); make it smaller, or use the program that wrote it",
            ),
            Verdict::Usage => self.hint_of_usage(),
            Verdict::Environment => self.hint_of_environment(),
        }
    }

    fn hint_of_damage(&self) -> &'static str {
        match self {
            Self::Compression { .. } => "download or save it again; the compressed data is damaged",
            Self::MissingBlob { .. } => INCOMPLETE,
            Self::Disagree { .. } => {
                "choose one reading with --prefer manifest.json or --prefer index.json"
            }
            Self::MissingMember { .. } => "save or pack it again with all its files",
            Self::LayerCount { .. } | Self::Parents { .. } | Self::MediaType { .. } => {
                "build or save it again: the program that wrote it contradicts itself"
            }
            Self::Json { .. } | Self::Field { .. } | Self::Data { .. } => {
                "download or save it again; if it stays, the program that wrote it is wrong"
            }
            Self::DiffId { .. } => {
                "download or save it again; it is damaged or was changed, or its config is wrong"
            }
            Self::LinkLoop { .. } => "pack it again with the files that its links mean",
            Self::WrongBlob { .. } => "repair or remove the damaged blob, then try again",
            Self::Damaged { .. } => {
                "run imgconv verify on it, and repair it or choose another name"
            }
            _ => "download or save it again; it is damaged or was changed",
        }
    }

    fn hint_of_unsupported(&self) -> &'static str {
        match self {
            Self::DiffIdOfCompressed { .. } => {
                "the bytes are not damaged: the program that wrote the config hashed the wrong ones; \
                 build the image again with another version of it"
            }
            Self::CompressedTwice { .. } => {
                "the bytes may be right: decompress it once, and save it again"
            }
            Self::ClimbsOut { .. } => {
                "pack it again with paths inside it; docker stops at the root, other programs do not"
            }
            Self::TarHeader { .. } | Self::Pax { .. } => {
                "programs read it in different ways, so imgconv does not choose; pack it again with tar"
            }
            Self::Twice | Self::DuplicateKey { .. } | Self::AmbiguousDocument { .. } => {
                "programs read it in different ways, so imgconv does not choose; write it again without the second one"
            }
            Self::NotAFile { .. } => "replace it with a regular file; pass a pipe as -",
            Self::NoCodec { .. } => "build imgconv with its default features",
            Self::Field { found, .. } if found.contains("registry") => REGISTRY,
            Self::Field { field, .. } if field == DOCUMENT => {
                "pass a manifest, index or config, as a registry or an image has it"
            }
            Self::Field { .. } | Self::LayoutVersion { .. } => {
                "use a newer imgconv, or the program that wrote it"
            }
            Self::Unrecognised { why } if why.contains("web page") => {
                "log in, or check the address: the server sent this page in place of the file"
            }
            Self::Unrecognised { why } if why.contains("registry") => REGISTRY,
            Self::Unrecognised { why } if why.contains("a zip") || why.contains("a 7z") => {
                "unpack it, and pass the archive or the layout in it"
            }
            Self::Unrecognised { why } if why.contains("beginning") => {
                "if it is one of several parts, join them: cat PART… > FILE; else pass the output \
                 of docker save, podman save or skopeo"
            }
            Self::Unrecognised { .. } => {
                "pass the output of docker save, podman save or skopeo, or an OCI layout"
            }
            Self::NoImage { .. } => {
                "pass a source that has an image; imgconv inspect shows what it has"
            }
            Self::CannotHold { why } if why.contains("encrypted") => {
                "decrypt it (skopeo copy --decryption-key), or choose an OCI layout as the destination"
            }
            Self::CannotHold { .. } => {
                "add the layer to the source, or choose an OCI layout as the destination"
            }
            Self::CannotConvert { .. } => "choose another kind of manifest with --to",
            _ => {
                "the bytes may be right: decompress it with a program that reads it, and save it again"
            }
        }
    }

    fn hint_of_usage(&self) -> Option<&'static str> {
        Some(match self {
            Self::Incomplete { .. } => INCOMPLETE,
            Self::LayerElsewhere { .. } => {
                "imgconv never fetches urls: save the image where it has all its layers, \
                 or put the layer into the archive"
            }
            Self::IndexAlone { .. } => "copy the index with its images: skopeo copy --all",
            Self::WrongKind { found: "schema 1 manifest", .. } => {
                "run imgconv manifest show to see what it is"
            }
            Self::WrongKind { found: "docker archive", .. } => {
                "use save2oci, or convert --to FORMAT"
            }
            Self::OtherImage { .. } => {
                "pass the manifest of this image; imgconv inspect shows the image IDs of both"
            }
            Self::WrongKind { .. } => "use oci2save, or convert --to FORMAT",
            Self::NoSuchImage { .. } => "choose one of these with --image, by name, digest or @N",
            Self::AmbiguousName { .. } => {
                "choose by digest or number: --image sha256:… or --image @N"
            }
            Self::NoSuchPlatform { .. } => "choose one of these with --platform",
            Self::Several { .. } => "choose one with --image, by name, digest or @N",
            Self::Strict { .. } => "leave out --strict, or choose another destination",
            _ => return None,
        })
    }

    fn hint_of_environment(&self) -> Option<&'static str> {
        Some(match self {
            Self::Changed => "try again when no other program writes to it",
            Self::Exists => "choose another name, remove it, or add to it with --append",
            Self::NotALayout => "choose an empty or new directory",
            Self::FileExists => "choose another name, or remove it",
            Self::Open(error) if error.kind() == io::ErrorKind::NotFound => {
                "check the path; for an image in docker, run docker save -o FILE NAME first"
            }
            Self::Open(error) | Self::Read(error)
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                "change its permissions, or run imgconv as a user who may read it"
            }
            Self::Write(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                "choose a folder that you may write to"
            }
            Self::NoParent => "create the directory first",
            Self::ParentNotADirectory => "choose a path inside a directory",
            Self::DestinationChanged => "try again; nothing was written",
            Self::Locked { .. } => "wait until it ends; if no imgconv is running, remove the lock",
            Self::Symlink { .. } => "pass the path that it links to",
            Self::Write(error) | Self::Spool(error)
                if error.kind() == io::ErrorKind::FileTooLarge =>
            {
                "raise the limit on the size of files (ulimit -f), or choose another file system"
            }
            Self::Spool(error) if error.kind() == io::ErrorKind::StorageFull => {
                "free some space next to the destination; for a pipe, in the TMPDIR folder"
            }
            Self::Spool(_) => "set TMPDIR to a folder that can be written to",
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => {
                "free some space on that file system, or choose another destination"
            }
            Self::NoSpace { .. } => {
                "free some space on that file system, or choose another destination"
            }
            _ => return None,
        })
    }

    fn hint_of_registry(&self) -> Option<&'static str> {
        Some(match self {
            Self::Denied { .. } => {
                "log in with docker login or podman login, or pass --authfile FILE"
            }
            Self::NotInRegistry { what: "tag", .. } => {
                "imgconv tags docker://HOST/NAME lists the tags"
            }
            Self::NotInRegistry { .. } => "check the name",
            Self::RegistryRefuses { what: "manifest", status: 415, .. } => {
                "--manifest docker makes schema 2 manifests, under another digest"
            }
            Self::RegistryRefuses { status: 413, .. } => {
                "ask its operator to allow larger requests"
            }
            Self::RegistryRefuses { .. } => "the registry does not take this image as it is",
            Self::RegistryAnswer { what: Self::PLAIN, .. } => {
                "leave out --plain-http; for a registry on this machine, put the certificate of its \
                 authority into a folder HOST:PORT of --certs-dir"
            }
            Self::RegistryAnswer { .. } => "check that the address is that of a registry",
            Self::Network { .. } => {
                "check the address and the proxy; --plain-http HOST is for a registry without TLS"
            }
            Self::Tls { .. } => {
                "pass the certificate of its authority with --ca-file; \
                 --plain-http HOST is for a registry without TLS"
            }
            Self::UnsafeUrl { .. } | Self::Url { .. } => {
                "imgconv does not follow it; ask the operator of the registry"
            }
            Self::CredentialsFile { .. } => {
                "docker login and podman login write such files; choose another with --authfile"
            }
            Self::CredentialHelper { .. } => {
                "run it by itself to see more: echo HOST | docker-credential-NAME get"
            }
            _ => return None,
        })
    }
}
