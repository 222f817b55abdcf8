//! Kinds of errors: one for each case that a caller can distinguish.

use std::io;

use super::{Shown, ShownAnswer, Verdict};
use crate::digest::{DiffId, Digest, InvalidDigest};

/// Whether the input or the run is at fault; decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The input is damaged, inconsistent or refused.
    Refused,
    /// The run was not possible: wrong usage, a missing file, no space.
    CouldNot,
}

/// What is wrong, with what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message beside each kind says it")]
pub enum ErrorKind {
    // Bytes against claims.
    #[error("digest differs, expected {expected}, found {found}")]
    Digest { expected: Digest, found: Digest },
    #[error("size differs, expected {expected} bytes, found {found}")]
    Size { expected: u64, found: u64 },
    #[error("diff ID of layer {layer} differs, expected {expected}, found {found}")]
    DiffId { layer: usize, expected: DiffId, found: DiffId },
    #[error(
        "diff ID of layer {layer} is the digest of the compressed layer, expected that of its tar, {expected}, found {found}"
    )]
    DiffIdOfCompressed { layer: usize, expected: DiffId, found: DiffId },
    #[error("number of layers differs, expected {diff_ids} (rootfs.diff_ids), found {layers}")]
    LayerCount { diff_ids: usize, layers: usize },
    #[error("embedded data does not match its descriptor, expected {expected}, found {found}")]
    Data { expected: String, found: String },
    #[error("missing, expected {expected}")]
    MissingBlob { expected: Digest },
    #[error("the source does not have this non-distributable layer, which is stored at {urls}")]
    LayerElsewhere { urls: String },
    #[error("holds an index, but none of the {children} images that it lists")]
    IndexAlone { children: usize },
    #[error("layers are missing {found}")]
    Incomplete { found: String },

    // Limits.
    #[error("{what} is over the limit, expected at most {limit}, found {found}")]
    Limit { what: &'static str, limit: u64, found: String },

    // Containers.
    #[error("the archive is truncated: it ends inside {inside}")]
    Truncated { inside: String },
    #[error("tar header at byte {offset}: {what}, found {}", Shown(found))]
    TarHeader { offset: u64, what: &'static str, found: String },
    #[error("pax header at byte {offset}: {what}")]
    Pax { offset: u64, what: &'static str },
    #[error("two members with this name differ: docker reads the last, skopeo the first")]
    Twice,
    #[error("not found in the archive, named by {}", Shown(by))]
    MissingMember { by: String },
    #[error("path escapes the archive: {}", Shown(path))]
    ClimbsOut { path: String },
    #[error("links form a loop or have no target: {}", Shown(path))]
    LinkLoop { path: String },
    #[error("not a regular file, found {found}")]
    NotAFile { found: &'static str },
    #[error("compressed twice, expected a tar inside {outer}, found {inner}")]
    CompressedTwice { outer: &'static str, inner: &'static str },
    #[error("{codec} data is damaged: {what}")]
    Compression { codec: &'static str, what: String },
    #[error("{what}, which imgconv does not read")]
    Unsupported { what: &'static str },
    #[error("compressed with {codec}, which this build does not support")]
    NoCodec { codec: &'static str },

    // Documents.
    #[error("not valid JSON: {what} at byte {at}")]
    Json { what: &'static str, at: usize },
    #[error("duplicate key {} (keys are compared without case)", Shown(key))]
    DuplicateKey { key: String },
    #[error("{field}: expected {expected}, found {}", Shown(found))]
    Field { field: String, expected: &'static str, found: String },
    #[error("ambiguous: can be read as {first} and as {second}")]
    AmbiguousDocument { first: &'static str, second: &'static str },
    #[error("media type differs, expected {}, found {}", Shown(expected), Shown(found))]
    MediaType { expected: String, found: String },
    #[error(
        "not a supported OCI layout, expected imageLayoutVersion 1.0.0, found {}",
        Shown(found)
    )]
    LayoutVersion { found: String },
    #[error("parent chain: {what}, found {}", Shown(found))]
    Parents { what: &'static str, found: String },

    // Sources.
    #[error("not a docker archive or an OCI layout: {why}")]
    Unrecognised { why: &'static str },
    #[error("holds no image, found {found}")]
    NoImage { found: String },
    #[error("manifest of another image, expected image ID {expected}, found {found}")]
    OtherImage { expected: String, found: String },
    #[error("wrong kind of source, expected {expected}, found {found}")]
    WrongKind { expected: &'static str, found: &'static str },
    #[error(
        "manifest.json and index.json disagree: manifest.json names {manifest}, index.json names {index}"
    )]
    Disagree { manifest: String, index: String },
    #[error("changed while imgconv read it")]
    Changed,
    #[error("no image {}, found {found}", Shown(wanted))]
    NoSuchImage { wanted: String, found: String },
    #[error("{} names two manifests, {first} and {second}", Shown(name))]
    AmbiguousName { name: String, first: Digest, second: Digest },
    #[error("no image for {wanted}, found {found}")]
    NoSuchPlatform { wanted: String, found: String },

    // Targets.
    #[error("refused by --strict: {losses}")]
    Strict { losses: String },
    #[error("content does not match its name, expected {expected}, found {found}")]
    WrongBlob { expected: Digest, found: Digest },
    #[error("already exists")]
    Exists,
    #[error("directory is not empty and is not an OCI layout")]
    NotALayout,
    #[error("another program changed it during the run")]
    DestinationChanged,
    #[error("another process holds the lock {}", Shown(link))]
    Locked { link: String },
    #[error("already exists")]
    FileExists,
    #[error("parent directory does not exist")]
    NoParent,
    #[error("parent is not a directory")]
    ParentNotADirectory,
    #[error("is a symbolic link, expected {expected}")]
    Symlink { expected: &'static str },
    #[error("cannot be stored in a docker archive: {why}")]
    CannotHold { why: &'static str },
    #[error("is damaged: {problem}")]
    Damaged { problem: String },
    #[error("cannot convert to {to}: {why}")]
    CannotConvert { to: &'static str, why: &'static str },
    #[error("cannot convert to {to}: {missing}")]
    Missing { to: &'static str, missing: String },
    #[error("expected one image, found {found}")]
    Several { found: String },
    #[error("{what}, found {}", Shown(found))]
    Usage { what: &'static str, found: String },

    // Registries.
    #[error("not allowed to {action}, expected 200, found {status} {login}")]
    Denied { action: &'static str, status: u16, login: &'static str },
    #[error("no such {what} in the registry, expected 200, found 404{}", RegistryWords(said))]
    NotInRegistry { what: &'static str, said: String },
    #[error(
        "the registry refuses this {what}, expected {expected}, found {status}{}",
        RegistryWords(said)
    )]
    RegistryRefuses { what: &'static str, expected: u16, status: u16, said: String },
    #[error("the registry does not answer as expected: {what}, found {}", Shown(found))]
    RegistryAnswer { what: &'static str, found: String },
    #[error("cannot reach {}: {}", Shown(host), Shown(what))]
    Network { host: String, what: String },
    #[error("the TLS connection to {} fails: {}", Shown(host), Shown(what))]
    Tls { host: String, what: String },
    #[error("{what}: {}", Shown(url))]
    UnsafeUrl { what: &'static str, url: String },
    #[error("invalid URL, expected {expected}, found {}", Shown(found))]
    Url { expected: &'static str, found: String },
    #[error("cannot read the credentials: {why}")]
    CredentialsFile { why: String },
    #[error("cannot get the credentials: {}", ShownAnswer(why))]
    CredentialHelper { why: String },

    // The machine.
    #[error("cannot open")]
    Open(#[source] io::Error),
    #[error("cannot read")]
    Read(#[source] io::Error),
    #[error("cannot write")]
    Write(#[source] io::Error),
    #[error("cannot write temporary file")]
    Spool(#[source] io::Error),
    #[error("no space left: {needed} bytes needed, {free} free")]
    NoSpace { needed: u64, free: u64 },
    #[error("interrupted")]
    Interrupted,
}

/// The field of an error about a whole document.
pub(super) const DOCUMENT: &str = "the document";

impl ErrorKind {
    /// What [`Self::RegistryAnswer`] expected of a registry without TLS.
    pub(crate) const PLAIN: &'static str = "expected a registry that speaks HTTP";

    /// The class, which decides the exit status.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoSuchImage { .. }
            | Self::DestinationChanged
            | Self::Locked { .. }
            | Self::NoSuchPlatform { .. }
            | Self::Unrecognised { .. }
            | Self::Exists
            | Self::NotALayout
            | Self::FileExists
            | Self::NoParent
            | Self::ParentNotADirectory
            | Self::Several { .. }
            | Self::Missing { .. }
            | Self::Usage { .. }
            | Self::NoCodec { .. }
            | Self::Denied { .. }
            | Self::NotInRegistry { .. }
            | Self::RegistryAnswer { .. }
            | Self::Network { .. }
            | Self::Tls { .. }
            | Self::UnsafeUrl { .. }
            | Self::Url { .. }
            | Self::CredentialsFile { .. }
            | Self::CredentialHelper { .. }
            | Self::Open(_)
            | Self::Read(_)
            | Self::Write(_)
            | Self::Spool(_)
            | Self::NoSpace { .. }
            | Self::Interrupted => Class::CouldNot,
            _ => Class::Refused,
        }
    }

    /// What it says about the bytes: damaged, unsupported or over a limit; or that the command or the
    /// environment is at fault.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table, a row for each kind")]
    pub fn verdict(&self) -> Verdict {
        match self {
            // Well-formed, but readers disagree about it.
            Self::TarHeader { what, .. } | Self::Pax { what, .. } if what.contains("reader") => {
                Verdict::Unsupported
            }
            Self::Field { field, found, .. } if is_of_another_kind(field, found) => {
                Verdict::Unsupported
            }
            Self::Digest { .. }
            | Self::Size { .. }
            | Self::DiffId { .. }
            | Self::LayerCount { .. }
            | Self::Data { .. }
            | Self::MissingBlob { .. }
            | Self::Truncated { .. }
            | Self::TarHeader { .. }
            | Self::Pax { .. }
            | Self::MissingMember { .. }
            | Self::LinkLoop { .. }
            | Self::Compression { .. }
            | Self::Json { .. }
            | Self::Field { .. }
            | Self::MediaType { .. }
            | Self::Parents { .. }
            | Self::Disagree { .. }
            | Self::WrongBlob { .. }
            | Self::Damaged { .. } => Verdict::Damaged,
            Self::DiffIdOfCompressed { .. }
            | Self::Twice
            | Self::ClimbsOut { .. }
            | Self::NotAFile { .. }
            | Self::CompressedTwice { .. }
            | Self::Unsupported { .. }
            | Self::NoCodec { .. }
            | Self::DuplicateKey { .. }
            | Self::AmbiguousDocument { .. }
            | Self::LayoutVersion { .. }
            | Self::Unrecognised { .. }
            | Self::NoImage { .. }
            | Self::CannotHold { .. }
            | Self::CannotConvert { .. }
            | Self::RegistryRefuses { .. } => Verdict::Unsupported,
            Self::Limit { .. } => Verdict::Limit,
            // Documents may name images that are not in the source.
            Self::IndexAlone { .. }
            | Self::LayerElsewhere { .. }
            | Self::Incomplete { .. }
            | Self::WrongKind { .. }
            | Self::OtherImage { .. }
            | Self::NoSuchImage { .. }
            | Self::AmbiguousName { .. }
            | Self::NoSuchPlatform { .. }
            | Self::Strict { .. }
            | Self::Missing { .. }
            | Self::Several { .. }
            | Self::Usage { .. } => Verdict::Usage,
            Self::Denied { .. }
            | Self::NotInRegistry { .. }
            | Self::RegistryAnswer { .. }
            | Self::Network { .. }
            | Self::Tls { .. }
            | Self::UnsafeUrl { .. }
            | Self::Url { .. }
            | Self::CredentialsFile { .. }
            | Self::CredentialHelper { .. }
            | Self::Changed
            | Self::Exists
            | Self::NotALayout
            | Self::DestinationChanged
            | Self::Locked { .. }
            | Self::FileExists
            | Self::NoParent
            | Self::ParentNotADirectory
            | Self::Symlink { .. }
            | Self::Open(_)
            | Self::Read(_)
            | Self::Write(_)
            | Self::Spool(_)
            | Self::NoSpace { .. }
            | Self::Interrupted => Verdict::Environment,
        }
    }

    /// A stable code for programs.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table, a row for each kind")]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Digest { .. } => "digest-mismatch",
            Self::Size { .. } => "size-mismatch",
            Self::DiffId { .. } => "diff-id-mismatch",
            Self::DiffIdOfCompressed { .. } => "diff-id-of-compressed",
            Self::Unsupported { .. } => "unsupported",
            Self::LayerCount { .. } => "layer-count-mismatch",
            Self::Data { .. } => "data-mismatch",
            Self::MissingBlob { .. } | Self::IndexAlone { .. } => "blob-missing",
            Self::LayerElsewhere { .. } => "layer-elsewhere",
            Self::Incomplete { .. } => "image-incomplete",
            Self::Limit { .. } => "limit",
            Self::Truncated { .. } => "truncated",
            Self::TarHeader { .. } => "tar-header",
            Self::Pax { .. } => "pax-header",
            Self::Twice => "duplicate-member",
            Self::MissingMember { .. } => "member-missing",
            Self::ClimbsOut { .. } => "path-outside",
            Self::LinkLoop { .. } => "link-loop",
            Self::NotAFile { .. } => "not-a-file",
            Self::CompressedTwice { .. } => "compressed-twice",
            Self::Compression { .. } => "compression",
            Self::NoCodec { .. } => "no-codec",
            Self::Json { .. } => "json",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::Field { .. } => "field",
            Self::AmbiguousDocument { .. } => "ambiguous-document",
            Self::MediaType { .. } => "media-type-mismatch",
            Self::LayoutVersion { .. } => "layout-version",
            Self::Parents { .. } => "parent-chain",
            Self::Unrecognised { .. } => "unrecognised",
            Self::NoImage { .. } => "no-image",
            Self::WrongKind { .. } => "wrong-kind",
            Self::OtherImage { .. } => "other-image",
            Self::Disagree { .. } => "readings-disagree",
            Self::Changed => "source-changed",
            Self::NoSuchImage { .. } => "no-such-image",
            Self::AmbiguousName { .. } => "ambiguous-name",
            Self::NoSuchPlatform { .. } => "no-such-platform",
            Self::Strict { .. } => "strict",
            Self::WrongBlob { .. } => "wrong-blob",
            Self::Exists | Self::FileExists => "exists",
            Self::NotALayout => "not-a-layout",
            Self::NoParent | Self::ParentNotADirectory => "no-parent",
            Self::DestinationChanged => "destination-changed",
            Self::Locked { .. } => "locked",
            Self::Symlink { .. } => "symlink",
            Self::CannotHold { .. } => "cannot-hold",
            Self::Damaged { .. } => "damaged",
            Self::CannotConvert { .. } => "cannot-convert",
            Self::Missing { .. } => "missing-input",
            Self::Several { .. } => "several-images",
            Self::Usage { .. } => "usage",
            Self::Denied { .. } => "denied",
            Self::NotInRegistry { .. } => "not-in-registry",
            Self::RegistryRefuses { .. } => "registry-refuses",
            Self::RegistryAnswer { .. } => "registry-answer",
            Self::Network { .. } => "network",
            Self::Tls { .. } => "tls",
            Self::UnsafeUrl { .. } => "unsafe-url",
            Self::Url { .. } => "url",
            Self::CredentialsFile { .. } => "credentials-file",
            Self::CredentialHelper { .. } => "credential-helper",
            Self::Open(_) => "open",
            Self::Read(_) => "read",
            Self::Write(_) => "write",
            Self::Spool(_) => "spool",
            Self::NoSpace { .. } => "no-space",
            Self::Interrupted => "interrupted",
        }
    }

    /// The message with its cause from the operating system.
    #[must_use]
    pub fn text(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }

    /// The expected and the found value, if the kind has both.
    #[must_use]
    pub fn sides(&self) -> (Option<String>, Option<String>) {
        let pair = |a: &dyn ToString, b: &dyn ToString| (Some(a.to_string()), Some(b.to_string()));
        match self {
            Self::Digest { expected, found } | Self::WrongBlob { expected, found } => {
                pair(expected, found)
            }
            Self::Size { expected, found } => pair(expected, found),
            Self::DiffId { expected, found, .. }
            | Self::DiffIdOfCompressed { expected, found, .. } => pair(expected, found),
            Self::LayerCount { diff_ids, layers } => pair(diff_ids, layers),
            Self::Data { expected, found } | Self::MediaType { expected, found } => {
                pair(expected, found)
            }
            Self::Field { expected, found, .. } | Self::Url { expected, found } => {
                pair(expected, found)
            }
            Self::WrongKind { expected, found } => pair(expected, found),
            Self::OtherImage { expected, found } => pair(expected, found),
            Self::Limit { limit, found, .. } => pair(limit, found),
            Self::NoSuchImage { wanted, found } | Self::NoSuchPlatform { wanted, found } => {
                pair(wanted, found)
            }
            Self::MissingBlob { expected } => (Some(expected.to_string()), None),
            Self::LayoutVersion { found } => pair(&"1.0.0", found),
            Self::Disagree { manifest, index } => pair(manifest, index),
            Self::NoSpace { needed, free } => pair(needed, free),
            Self::Denied { status, .. } => pair(&200, status),
            Self::NotInRegistry { .. } => pair(&200, &404),
            Self::RegistryRefuses { expected, status, .. } => pair(expected, status),
            Self::RegistryAnswer { what, found } => pair(what, found),
            _ => (None, None),
        }
    }

    /// A field of a document with a wrong value.
    #[must_use]
    pub fn field(field: &str, expected: &'static str, found: &str) -> Self {
        Self::Field { field: field.to_owned(), expected, found: found.to_owned() }
    }

    /// A limit that the input exceeds.
    #[must_use]
    pub fn limit(what: &'static str, limit: u64, found: impl ToString) -> Self {
        Self::Limit { what, limit, found: found.to_string() }
    }
}

/// Whether a document is of another kind, or has a version or a digest algorithm that imgconv does
/// not know.
fn is_of_another_kind(field: &str, found: &str) -> bool {
    let known = ["sha256", "sha512"];
    let word = |it: &str| {
        !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    let other = found.split_once(':').is_some_and(|(name, _)| word(name) && !known.contains(&name));
    field == DOCUMENT
        || field.ends_with("schemaVersion") && found.parse::<u64>().is_ok()
        || field.ends_with("digest") && other
}

impl From<InvalidDigest> for ErrorKind {
    fn from(_: InvalidDigest) -> Self {
        Self::field("digest", "sha256: or sha512: and lower-case hex", "something else")
    }
}

/// What a registry says about its answer, after a space.
struct RegistryWords<'a>(&'a str);

impl std::fmt::Display for RegistryWords<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " {}", ShownAnswer(self.0)) }
    }
}
