//! Fields of an image config as programs in Go decode them: docker's structures, and those of the
//! OCI image specification.
//!
//! Rules: moby `image/image.go` `V1Image` and `History`, `api/types/container` `Config`, as of docker
//! 1.12 to 28; image-spec `specs-go/v1/config.go`, which skopeo, podman and crane use. Unknown keys
//! are skipped, names match without case, `null` fits everywhere.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::image::V1Image;
use crate::error::ErrorKind;
use crate::json::{JsonKind, Value, same_key};

/// How a field is decoded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    Text,
    Flag,
    Number,
    /// A list of strings; for commands, also a single string.
    List,
    Command,
    Texts,
    /// A map to empty objects.
    Set,
    Time,
    Struct(&'static [Field]),
    /// A structure or number that may be missing.
    Pointer(&'static Type),
}

/// Whether a field is printed when it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emit {
    Always,
    NonEmpty,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) emit: Emit,
}

const fn always(name: &'static str, kind: Type) -> Field {
    Field { name, kind, emit: Emit::Always }
}

const fn nonempty(name: &'static str, kind: Type) -> Field {
    Field { name, kind, emit: Emit::NonEmpty }
}

/// The image structure of docker.
pub(crate) static IMAGE: [Field; 11] = [
    nonempty("comment", Type::Text),
    always("created", Type::Time),
    nonempty("container", Type::Text),
    always("container_config", Type::Struct(&CONFIG)),
    nonempty("docker_version", Type::Text),
    nonempty("author", Type::Text),
    nonempty("config", Type::Pointer(&Type::Struct(&CONFIG))),
    nonempty("architecture", Type::Text),
    nonempty("variant", Type::Text),
    nonempty("os", Type::Text),
    nonempty("Size", Type::Number),
];

pub(super) static CONFIG: [Field; 25] = [
    always("Hostname", Type::Text),
    always("Domainname", Type::Text),
    always("User", Type::Text),
    always("AttachStdin", Type::Flag),
    always("AttachStdout", Type::Flag),
    always("AttachStderr", Type::Flag),
    nonempty("ExposedPorts", Type::Set),
    always("Tty", Type::Flag),
    always("OpenStdin", Type::Flag),
    always("StdinOnce", Type::Flag),
    always("Env", Type::List),
    always("Cmd", Type::Command),
    nonempty("Healthcheck", Type::Pointer(&Type::Struct(&HEALTH))),
    nonempty("ArgsEscaped", Type::Flag),
    always("Image", Type::Text),
    always("Volumes", Type::Set),
    always("WorkingDir", Type::Text),
    always("Entrypoint", Type::Command),
    nonempty("NetworkDisabled", Type::Flag),
    nonempty("MacAddress", Type::Text),
    always("OnBuild", Type::List),
    always("Labels", Type::Texts),
    nonempty("StopSignal", Type::Text),
    nonempty("StopTimeout", Type::Pointer(&Type::Number)),
    nonempty("Shell", Type::Command),
];

static HEALTH: [Field; 5] = [
    nonempty("Test", Type::List),
    nonempty("Interval", Type::Number),
    nonempty("Timeout", Type::Number),
    nonempty("StartPeriod", Type::Number),
    nonempty("Retries", Type::Number),
];

/// The list of layers, which both have.
pub(crate) static ROOTFS: [Field; 1] = [always("type", Type::Text)];

/// A step of the history, which both have.
pub(crate) static STEP: [Field; 5] = [
    nonempty("created", Type::Time),
    nonempty("created_by", Type::Text),
    nonempty("author", Type::Text),
    nonempty("comment", Type::Text),
    nonempty("empty_layer", Type::Flag),
];

/// The image structure of the OCI image specification.
pub(crate) static OCI_IMAGE: [Field; 6] = [
    nonempty("created", Type::Time),
    nonempty("author", Type::Text),
    always("architecture", Type::Text),
    nonempty("variant", Type::Text),
    always("os", Type::Text),
    nonempty("config", Type::Struct(&OCI_CONFIG)),
];

static OCI_CONFIG: [Field; 10] = [
    nonempty("User", Type::Text),
    nonempty("ExposedPorts", Type::Set),
    nonempty("Env", Type::List),
    nonempty("Entrypoint", Type::List),
    nonempty("Cmd", Type::List),
    nonempty("Volumes", Type::Set),
    nonempty("WorkingDir", Type::Text),
    nonempty("Labels", Type::Texts),
    nonempty("StopSignal", Type::Text),
    nonempty("ArgsEscaped", Type::Flag),
];

/// What the image structure of crane has besides, where docker's differs in the type or crane is as
/// strict (go-containerregistry `pkg/v1/config.go`).
pub(crate) static CRANE_IMAGE: [Field; 3] = [
    nonempty("container", Type::Text),
    nonempty("docker_version", Type::Text),
    nonempty("config", Type::Struct(&CRANE_CONFIG)),
];

static CRANE_CONFIG: [Field; 14] = [
    nonempty("AttachStderr", Type::Flag),
    nonempty("AttachStdin", Type::Flag),
    nonempty("AttachStdout", Type::Flag),
    nonempty("Domainname", Type::Text),
    nonempty("Healthcheck", Type::Pointer(&Type::Struct(&HEALTH))),
    nonempty("Hostname", Type::Text),
    nonempty("Image", Type::Text),
    nonempty("MacAddress", Type::Text),
    nonempty("NetworkDisabled", Type::Flag),
    nonempty("OnBuild", Type::List),
    nonempty("OpenStdin", Type::Flag),
    nonempty("Shell", Type::List),
    nonempty("StdinOnce", Type::Flag),
    nonempty("Tty", Type::Flag),
];

/// Each field, by its path, that a program with these structures cannot decode.
pub(crate) fn undecodable(
    value: Value<'_>,
    path: &str,
    fields: &'static [Field],
) -> Vec<ErrorKind> {
    let members = match value.kind() {
        JsonKind::Null => return Vec::new(),
        JsonKind::Object => value.members(path),
        _ => return vec![value.unexpected(path, "an object")],
    };
    let mut found = Vec::new();
    for (key, value) in members.into_iter().flatten() {
        let Some(field) = field_of(fields, &key) else { continue };
        let inside =
            if path.is_empty() { field.name.to_owned() } else { [path, field.name].join(".") };
        match structure(field.kind) {
            Some(fields) => found.extend(undecodable(value, &inside, fields)),
            None => found.extend(V1Image::decodes(value, &inside, field.kind).err()),
        }
    }
    found
}

/// The field that a key sets: with exactly this name, otherwise in any case.
pub(super) fn field_of(fields: &'static [Field], key: &str) -> Option<&'static Field> {
    let exact = fields.iter().find(|field| field.name == key);
    exact.or_else(|| fields.iter().find(|field| same_key(field.name, key)))
}

/// The fields of a structure, also of one that may be missing.
fn structure(kind: Type) -> Option<&'static [Field]> {
    match kind {
        Type::Struct(fields) => Some(fields),
        Type::Pointer(kind) => structure(*kind),
        _ => None,
    }
}
