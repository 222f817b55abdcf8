//! The catalogue of checks: everything that `verify` can find, one row each, with a stable code.

use super::Extent;
use crate::error::Severity;
use crate::image::readers;
use crate::source::Kind;

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// A stable code for programs.
    pub code: &'static str,
    /// The severity.
    pub severity: Severity,
    /// The meaning.
    pub sentence: &'static str,
    /// The cause, or what to do about it.
    pub advice: &'static str,
}

/// Checks of a tar.
const OF_TARS: &[&str] = &[
    "truncated",
    "tar-header",
    "pax-header",
    "duplicate-member",
    "path-outside",
    "compressed-twice",
    "trailing-data",
    "member-repeated",
    "member-differs",
    "member-outside",
];

/// Checks of what only docker archives have.
const OF_DOCKER_ARCHIVES: &[&str] = &[
    "layer-elsewhere",
    "parent-chain",
    "layer-sources",
    "parent-lost",
    "config-name",
    "layer-name",
    "name-lost",
    "path-spelling",
    "v1-archive",
    "v1-id",
    "v1-parent",
];

/// Checks of what only layouts have.
const OF_LAYOUTS: &[&str] = &[
    "layout-version",
    "layout-marker",
    "name-shared",
    "ref-name-shared",
    "child-absent",
    "layers-recorded",
];

/// Checks of two readings of one archive.
const OF_BOTH: &[&str] =
    &["readings-disagree", "index-empty", "index-layers", "index-name", "index-image"];

/// Checks of all files, not only of those of some images.
const OF_WHOLE_SOURCES: &[&str] =
    &["blob-unreferenced", "file-stray", "member-repeated", "member-differs", "member-outside"];

/// Checks that read layers.
const OF_LAYERS: &[&str] = &[
    "diff-id-mismatch",
    "diff-id-of-compressed",
    "unsupported",
    "compression",
    "compressed-twice",
    "no-codec",
    "read",
    "gzip-padding",
    "zstd-padding",
    "zstd-skippable-frame",
    "codec-mismatch",
    "layer-name",
    "trailing-bytes",
];

/// Checks of a document without its blobs.
const OF_DOCUMENTS: &[&str] = &[
    "size-mismatch",
    "digest-mismatch",
    "data-mismatch",
    "limit",
    "unrecognised",
    "json",
    "duplicate-key",
    "field",
    "ambiguous-document",
    "media-type-mismatch",
    "parent-chain",
    "signature-broken",
    "history-count",
    "rootfs-type",
    "config-string",
    "config-undecodable",
    "config-key-repeated",
    "history-mismatch",
    "v1-id",
    "signature-unchecked",
];

impl Check {
    /// Whether it is made where this much of a source is checked.
    #[must_use]
    pub fn applies_to(&self, extent: Extent) -> bool {
        let is_in = |codes: &[&str]| codes.contains(&self.code);
        let kind = match extent {
            Extent::Nothing => return false,
            Extent::Document => return is_in(OF_DOCUMENTS),
            Extent::Images(_) if is_in(OF_WHOLE_SOURCES) => return false,
            Extent::Images(kind) | Extent::Whole(kind) => kind,
        };
        let is_saved = matches!(kind, Kind::DockerArchive | Kind::Both);
        let is_tar = is_saved || kind == Kind::OciArchive;
        !(is_in(OF_TARS) && !is_tar
            || is_in(OF_DOCKER_ARCHIVES) && !is_saved
            || is_in(OF_LAYOUTS) && matches!(kind, Kind::DockerArchive | Kind::Directory)
            || is_in(OF_BOTH) && kind != Kind::Both
            || self.code == "signature-apart" && kind != Kind::Directory)
    }
}

impl Check {
    /// Whether it is about the bytes of layers.
    #[must_use]
    pub(super) fn needs_blobs(&self) -> bool {
        OF_LAYERS.contains(&self.code)
    }
}

const fn problem(code: &'static str, sentence: &'static str, advice: &'static str) -> Check {
    Check { code, severity: Severity::Problem, sentence, advice }
}

const fn note(code: &'static str, sentence: &'static str, advice: &'static str) -> Check {
    Check { code, severity: Severity::Note, sentence, advice }
}

/// Every check, problems first.
#[rustfmt::skip]
pub static CHECKS: &[Check] = &[
    // Bytes against claims.
    problem("digest-mismatch", "the digest of a blob differs from its descriptor or file name",
        "The blob was damaged in transfer or changed later. Download or save it again."),
    problem("size-mismatch", "the size of a blob differs from its descriptor",
        "Usually a download that stopped early. Download it again."),
    problem("diff-id-mismatch", "the digest of an uncompressed layer differs from the diff ID in the config",
        "docker load fails at this layer; with the containerd store it keeps the image anyway and exits with 0. A pull into the graph driver store fails only after all layers are unpacked. Build or save the image again; recompressing does not help."),
    problem("diff-id-of-compressed", "a diff ID is the digest of the compressed layer",
        "Build the image again: the program that wrote its config hashed the wrong bytes."),
    problem("unsupported", "the data is of a kind that imgconv does not read",
        "Decompress it with a program that reads it, and save the image again."),
    problem("layer-count-mismatch", "the number of layers differs from the number of diff IDs",
        "The config and the layers do not belong together. docker refuses the image too."),
    problem("data-mismatch", "embedded data does not match its descriptor",
        "Programs that use the embedded bytes see a different document than programs that read the blob."),
    problem("blob-missing", "a required blob is missing",
        "Save it again with all its layers, or choose a complete platform with --platform."),
    problem("member-missing", "a member that a document names is missing from the archive",
        "The archive was repacked or is incomplete. Save it again."),
    problem("layer-elsewhere", "a non-distributable layer is missing from a docker archive",
        "LayerSources of manifest.json says where it is stored, and imgconv never fetches that. Every loader needs the layer itself."),
    problem("compression", "compressed data is damaged",
        "The stream is cut off or its checksum is wrong. Some programs ignore this, but the bytes may be wrong."),
    problem("compressed-twice", "the archive is compressed twice",
        "Decompress it once; docker load and other programs undo only one compression."),
    problem("no-codec", "this build cannot read the codec",
        "Build imgconv with its default features."),
    // The archive itself.
    problem("truncated", "the archive ends too early",
        "The save or download stopped early. Repeat it."),
    problem("tar-header", "a tar header is not valid or is ambiguous",
        "Programs read this tar differently, so one could verify what another does not load. Write the archive again."),
    problem("pax-header", "an extended header is not valid or is ambiguous",
        "Programs read this tar differently, so one could verify what another does not load. Write the archive again."),
    problem("duplicate-member", "two members with the same name differ, and a document names them",
        "docker reads the last one, skopeo the first. Write the archive again with only one of them."),
    problem("path-outside", "a path escapes the archive",
        "No known program writes such a path; treat the archive as an attack."),
    problem("link-loop", "links form a loop or have no target",
        "No known program writes such links; the archive is damaged or an attack."),
    problem("not-a-file", "a blob or document is not a regular file",
        "It is a directory, device or FIFO. Write it again."),
    problem("limit", "a size or number is over the limit",
        "No real image needs so much. SECURITY.md lists the limits."),
    problem("unrecognised", "not a docker archive, an OCI layout or a document of an image",
        "Pass a tar from docker save, podman save or skopeo, an OCI layout, a config or a manifest."),
    problem("no-image", "the source contains no image",
        "Artifacts, attestations and empty indexes are not images."),
    problem("open", "a file cannot be opened",
        "Check its permissions and the file system. Its bytes were not checked."),
    problem("read", "a file cannot be read",
        "The file system reports an error. Its bytes were not checked."),
    problem("source-changed", "the source changed while it was read",
        "Another program writes to it. Try again when that program is done."),
    // Documents.
    problem("json", "a document is not valid JSON",
        "Some programs accept it, others do not. Write the document again."),
    problem("duplicate-key", "duplicate key, and programs disagree on which one counts",
        "One program uses the first and another the last, so they see different images."),
    problem("field", "a field is missing or has the wrong type",
        "The document does not follow its specification; the finding shows what was expected."),
    problem("ambiguous-document", "a document can be read as two kinds (CVE-2021-41190)",
        "One registry reads it as a manifest and another as an index. containers/image and containerd refuse it too."),
    problem("media-type-mismatch", "the media type in a document differs from the one in its descriptor",
        "One program trusts the descriptor and another the document. containerd refuses a manifest in place of an index or the reverse; most programs accept a Docker type in place of the OCI type."),
    problem("layout-version", "the version of the layout is not 1.0.0",
        "image-layout.md describes only version 1.0.0; the files may have another meaning."),
    problem("readings-disagree", "manifest.json and index.json of one archive name different images",
        "docker with the graph driver store reads manifest.json; docker with the containerd store, containerd and nerdctl read index.json. Choose with --prefer, or write the archive again."),
    problem("ambiguous-name", "one name refers to two images",
        "Choose by digest: --image sha256:…"),
    problem("parent-chain", "the parents of a V1 image form a loop, or one is missing",
        "Before docker 1.10 the parents are the layers, so the image is incomplete."),
    problem("signature-broken", "a signature of a schema 1 manifest does not match its bytes",
        "The manifest was changed after it was signed. docker does not check the signature, but a version 2 registry does."),
    problem("history-count", "a schema 1 manifest has a different number of history entries and layers",
        "Empty steps cannot be told from layers. Download the manifest again."),
    // Oddities.
    note("layers-recorded", "the source is a recovery file, which records layers instead of storing them",
        "Pass it to --recover of save2oci, convert or push."),
    note("layer-not-rebuilt", "no known writer gives the compressed bytes of a layer (with --rebuild)",
        "An image that went through a docker archive gets other digests for this layer. convert --gzip-like writes layers that can be rebuilt."),
    note("blob-unreferenced", "no document refers to a blob",
        "It is left over from a removed image or an interrupted append. No image needs it."),
    note("file-stray", "a file is not part of the format",
        "Conversions do not copy it."),
    note("trailing-data", "bytes follow the end of an archive and are not read",
        "Two archives in one file are read as the first alone; split them and convert each."),
    note("member-repeated", "duplicate member with the same bytes",
        "Programs that append to an archive write such members. Both copies are valid."),
    note("member-differs", "duplicate member with different bytes, and no document names it",
        "No program reads it, so the difference has no effect."),
    note("member-outside", "the name of a member escapes the archive, and no document names it",
        "imgconv neither reads nor unpacks it. Do not unpack the archive with other tools."),
    note("child-absent", readers::CHILD_ABSENT.sentence, readers::CHILD_ABSENT.advice),
    note("blob-absent", "a blob of an artifact is missing",
        "This attestation or artifact cannot be read from this source."),
    note("signature-apart", "a signature in a dir: folder",
        "It is about the manifest, and imgconv does not copy it. skopeo copy does, to a place that holds signatures."),
    note("foreign-layer-absent", "a non-distributable layer is missing",
        "It is stored at its own urls, and imgconv never fetches those. Windows base layers are an example."),
    note("layer-sources", "LayerSources of manifest.json cannot be read",
        "docker refuses the archive; other programs do not read LayerSources. imgconv does not use it."),
    note("layer-encrypted", "the layers of an image are encrypted",
        "They are copied unchanged. Their diff IDs describe the decrypted layers and cannot be checked."),
    note("name-shared", "two images have the same containerd name but different ref names",
        "umoci keeps the old name on a new image. docker and containerd see only one of them; for a docker archive, use --image and --tag."),
    note("ref-name-shared", readers::REF_NAME_SHARED.sentence, readers::REF_NAME_SHARED.advice),
    note("gzip-padding", readers::GZIP_PADDING.sentence, readers::GZIP_PADDING.advice),
    note("zstd-padding", readers::ZSTD_PADDING.sentence, readers::ZSTD_PADDING.advice),
    note("rootfs-type", readers::ROOTFS_TYPE.sentence, readers::ROOTFS_TYPE.advice),
    note("config-string", readers::CONFIG_OCI.sentence, readers::CONFIG_OCI.advice),
    note("parent-lost", "manifest.json has a Parent, which no destination keeps",
        "It only helped docker before 1.10 to show which image this one was built on."),
    note("zstd-skippable-frame", readers::ZSTD_SKIPPABLE.sentence, readers::ZSTD_SKIPPABLE.advice),
    note("codec-mismatch", "the media type of a layer does not match its compression",
        "Most programs look at the bytes. containers/image writes such types for archives."),
    note("platform-mismatch", "the platform in an index differs from the one in the config",
        "The index decides which image a host pulls, so a host may pull one that it cannot run."),
    note("history-mismatch", "the history of a config describes a different number of layers",
        "Only the displayed history depends on it."),
    note("config-key-repeated", "a config has a duplicate key that has no effect",
        "The config keeps its bytes, so the image ID does not change."),
    note("config-undecodable", readers::CONFIG_DOCKER.sentence, readers::CONFIG_DOCKER.advice),
    note("config-name", "the hash in the name of a config is not its own",
        "imgconv does not trust names: the ID is the hash of the bytes."),
    note("layer-name", "the hash in the name of a layer is not its own",
        "imgconv does not trust names: the digest is the hash of the bytes."),
    note("name-invalid", "a name is not a valid image reference",
        "The image is converted without that name. Set one with --tag."),
    note("name-lost", "repositories has a name that manifest.json does not have",
        "docker does not read repositories if manifest.json exists. Set the name with --tag."),
    note("trailing-bytes", readers::TRAILING_BYTES.sentence, readers::TRAILING_BYTES.advice),
    note("path-spelling", "manifest.json has a path that is not spelled as usual",
        "docker finds the member; other programs compare the text. Any conversion writes the usual paths."),
    note("layout-marker", readers::MARKER_MISSING.sentence, readers::MARKER_MISSING.advice),
    note("v1-archive", "the archive was written before docker 1.10",
        "docker 29 no longer loads it, and docker with the containerd store never did. save2oci writes a layout with the config and the image ID that docker 1.10 to 28 compute."),
    note("v1-id", "the `id` in a V1 json is not its ID",
        "docker 1.10 and later do not read it if manifest.json exists."),
    note("v1-parent", "the parent of a V1 json is missing, but manifest.json exists",
        "docker 1.10 and later do not read it if manifest.json exists."),
    note("index-empty", "index.json lists no image, but manifest.json does",
        "docker 25.0.0 to 25.0.2 wrote this for images without a tag. imgconv uses manifest.json."),
    note("index-layers", "index.json and manifest.json list different layers",
        "docker 25.0 wrote the layers in another order. The config decides."),
    note("index-name", "a name in manifest.json is missing from index.json",
        "docker 25 writes some names only to manifest.json. All names are kept."),
    note("index-image", "an image in manifest.json is missing from index.json",
        "docker 25 writes such archives. All images are kept."),
    note("signature-unchecked", "imgconv does not check this kind of signature",
        "imgconv checks ES256, ES384 and RS256 with an embedded key."),
];

/// Notes that conversions make about their destination.
#[rustfmt::skip]
pub(crate) static DESTINATION_NOTES: &[Check] = &[
    note("docker-media-types", "the layout has Docker's media types", readers::DOCKER_MANIFESTS.advice),
    note("layer-link", readers::LAYER_LINK.sentence, readers::LAYER_LINK.advice),
    note("several-names", readers::SEVERAL_NAMES.sentence, readers::SEVERAL_NAMES.advice),
    note("other-platforms", "more than 1 GiB is fetched of images for other platforms",
        "A pull takes every platform, so that the digest stays. -p local takes that of this machine alone."),
    note("tag-moved", "a tag of the registry now names another manifest",
        "The old manifest stays in the registry, without that tag. Choose another tag to keep both."),
    note("referrers-left", "referrers of an image are not sent, since they have no name",
        "Send them with --with referrers."),
    note("name-moved", "a name in the destination now refers to another image",
        "The old image is kept, without that name. To leave it out, write a new destination."),
];

/// The row of a code; an unknown code is a problem.
#[must_use]
pub(super) fn check(code: &str) -> Check {
    let known = CHECKS.iter().find(|check| check.code == code).copied();
    known.unwrap_or_else(|| problem("limit", "an unknown problem", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_code_of_its_own_and_a_sentence() {
        let mut seen = std::collections::BTreeSet::new();
        for row in CHECKS.iter().chain(DESTINATION_NOTES) {
            assert!(seen.insert(row.code), "{} twice", row.code);
            assert!(row.sentence.len() > 10 && row.advice.len() > 10, "{}", row.code);
        }
    }

    #[test]
    fn what_readers_refuse_is_in_a_catalogue_by_its_code() {
        let reasons = crate::image::reason::Reason::ALL.into_iter().map(|it| it.code());
        let notes = CHECKS.iter().chain(DESTINATION_NOTES).map(|it| it.code);
        let codes: std::collections::BTreeSet<&str> = reasons.chain(notes).collect();
        for row in readers::READERS {
            assert!(codes.contains(row.code), "{}", row.code);
        }
        let said = |name: &str| readers::READERS.iter().find(|it| it.code == name);
        for check in CHECKS {
            let own = said(check.code).filter(|it| it.advice == check.advice);
            assert!(own.is_none_or(|it| it.sentence == check.sentence), "{}", check.code);
        }
    }
}
