//! The catalogue of checks: everything that `verify` can find, one row each, with a stable code.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The image is damaged, inconsistent or ambiguous; conversions refuse it.
    Problem,
    /// Something odd that changes nothing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Problem => "problem",
            Self::Note => "note",
        })
    }
}

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// A stable word for programs.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it means.
    pub sentence: &'static str,
    /// Where it comes from, or what to do about it.
    pub advice: &'static str,
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
    problem("digest-mismatch", "the stored bytes do not hash to the digest that a descriptor or a file name says",
        "Damaged on the way, or changed after its digest was taken. Fetch or save it again."),
    problem("size-mismatch", "the stored bytes are more or fewer than a descriptor says",
        "Most often a download that was cut. Fetch it again."),
    problem("diff-id-mismatch", "the uncompressed layer does not hash to the diff ID in the config",
        "docker load reports it at this layer; with the containerd store the image is kept all the same, and the exit status is 0. A pull with the graph driver store reports it only after all layers are unpacked. Build or save the image again; recompressing cannot mend it."),
    problem("diff-id-of-compressed", "a diff ID is the digest of the compressed layer",
        "Build the image again: the program that wrote its config hashed the wrong bytes."),
    problem("unsupported", "the data is of a kind that imgconv does not read",
        "Decompress it with a program that reads it, and save the image again."),
    problem("layer-count-mismatch", "there are more or fewer layers than diff IDs",
        "A builder wrote config and layers that do not belong together. docker refuses the image too."),
    problem("data-mismatch", "embedded data is not what its descriptor says",
        "Programs that take the embedded bytes see another document than those that fetch the blob."),
    problem("blob-missing", "a blob that is needed is not here",
        "Save it again with all its layers, or choose a whole platform with --platform."),
    problem("member-missing", "a member that a document names is not in the archive",
        "The archive was repacked or cut. Save it again."),
    problem("compression", "compressed data is damaged",
        "The stream has no right end or a wrong check sum. Some readers let that pass; the bytes cannot be relied on."),
    problem("compressed-twice", "the archive is compressed twice",
        "Decompress it once; loaders look through one compression only."),
    problem("no-codec", "this build cannot read the codec",
        "Build imgconv with its default features."),
    // The archive itself.
    problem("truncated", "the archive ends too early",
        "A save or download that was cut. Do it again."),
    problem("tar-header", "a tar header is not valid or means two things",
        "Readers of tar disagree here, so one program would verify what another does not load. Write the archive again."),
    problem("pax-header", "an extended header is not valid or means two things",
        "Readers of tar disagree here, so one program would verify what another does not load. Write the archive again."),
    problem("duplicate-member", "two members of one name differ, and a document names them",
        "docker takes the last one, skopeo the first. Write the archive again with one of them."),
    problem("path-outside", "a path leads out of the archive",
        "No writer makes such a path; take the archive for an attack."),
    problem("link-loop", "a link has no end",
        "No writer makes such links; take the archive for an attack or for damaged."),
    problem("not-a-file", "a blob or document is no regular file",
        "A directory, device or FIFO stands where bytes should be. Write it again."),
    problem("limit", "something is larger or deeper than any real image",
        "The limits and their reasons are in SECURITY.md."),
    problem("unrecognised", "it is not a docker archive, a layout or a document of an image",
        "Give the tar that docker save, podman save or skopeo wrote, an OCI layout, or a config or manifest."),
    problem("no-image", "there is no image in it",
        "Artifacts, attestations and empty indexes hold none."),
    problem("open", "a file cannot be opened",
        "Its permissions or the file system stand in the way. Nothing can be said of its bytes."),
    problem("read", "a file cannot be read",
        "The file system reports an error. Nothing can be said of its bytes."),
    problem("source-changed", "the source changed while it was read",
        "Something writes to it. Try again when that is done."),
    // Documents.
    problem("json", "a document is not valid JSON",
        "Readers differ in what they forgive. Write the document again."),
    problem("duplicate-key", "a key is there twice, and readers take different ones",
        "One reader takes the first and another the last, so two programs see two images."),
    problem("field", "a field is missing or of a wrong kind",
        "The document does not follow its specification; the finding says what was expected."),
    problem("ambiguous-document", "a document can be read as two kinds (CVE-2021-41190)",
        "One registry takes it for a manifest and another for an index. Refused by containers/image and containerd too."),
    problem("media-type-mismatch", "a document calls itself something else than its descriptor does",
        "One program goes by the descriptor and another by the document. containerd refuses it where one is a manifest and the other an index; where only the Docker and OCI names differ, most programs take it."),
    problem("layout-version", "the layout has another version than 1.0.0",
        "Another layout than image-layout.md describes; the files may mean something else."),
    problem("readings-disagree", "manifest.json and index.json of one archive name different images",
        "docker with the graph driver store reads manifest.json; docker with the containerd store, containerd and nerdctl read index.json. Choose with --prefer, or write the archive again."),
    problem("ambiguous-name", "one name means two images",
        "Choose by digest: --image sha256:…"),
    problem("parent-chain", "the parents of a V1 image loop, or one is not here",
        "Up to docker 1.9 the parents are the layers, so the image cannot be put together."),
    problem("signature-broken", "a signature of a schema 1 manifest is not of its bytes",
        "The manifest was changed after it was signed. docker does not check, a registry of version 2 does."),
    problem("history-count", "a schema 1 manifest has more or fewer history entries than layers",
        "Layers cannot be told from steps without one. Get the manifest again."),
    // Oddities.
    note("blob-unreferenced", "nothing refers to a blob",
        "Left over from an image that was removed, or from an append that was ended. Nothing is lost without it."),
    note("file-stray", "a file has no meaning here",
        "Conversions do not carry it along."),
    note("trailing-data", "bytes follow the end of an archive and are not read",
        "Two archives in one file are read as the first alone; split them and convert each."),
    note("member-repeated", "a member is there twice with the same bytes",
        "Writers that append to an archive do it. Either copy is right."),
    note("member-differs", "a member is there twice with other bytes, and nothing names it",
        "Nothing reads it, so nothing depends on which of them a program takes."),
    note("member-outside", "the name of a member climbs out of the archive, and nothing names it",
        "Nothing reads it, and nothing is unpacked here. Do not unpack the archive with other tools."),
    note("child-absent", "an index names platforms that are not here",
        "docker's containerd store exports only the platforms that it has. The index keeps its digest."),
    note("blob-absent", "a blob of an artifact is not here",
        "An attestation or artifact cannot be read from this source."),
    note("foreign-layer-absent", "a non-distributable layer is elsewhere",
        "It has urls of its own, which are never fetched. Windows base layers are such."),
    note("layer-encrypted", "the layers of an image are encrypted",
        "They are carried as they are. Their diff IDs are of the decrypted layers and cannot be checked."),
    note("name-shared", "two images have one containerd name and ref names of their own",
        "umoci leaves the old name on a new image. docker and containerd know only one of them; a docker archive needs --image and --tag."),
    note("ref-name-shared", "one ref name is that of several images",
        "skopeo and podman find the first, oras the last, umoci refuses. A conversion writes the full names."),
    note("gzip-padding", "zero bytes follow the gzip data of a layer",
        "podman and skopeo refuse such a layer; docker and containerd take it. Recompress it with -c gzip -l 6."),
    note("zstd-padding", "zero bytes follow the zstd data of a layer",
        "zstd, skopeo and umoci refuse it; recompress it with -c zstd -l 3."),
    note("rootfs-type", "rootfs of a config has no type",
        "crane refuses the image; docker, podman and skopeo take it."),
    note("config-string", "a config has a string where the specification has a list",
        "docker takes it; skopeo, podman and crane refuse it. Build the image with a list."),
    note("parent-lost", "manifest.json has a Parent, which no destination keeps",
        "It only helped docker before 1.10 to show which image this one was built on."),
    note("zstd-skippable-frame", "the zstd data of a layer begins with a skippable frame",
        "skopeo 1.9 cannot read it; newer ones can. Recompress it with -c zstd -l 3."),
    note("codec-mismatch", "the media type of a layer names another codec than its bytes show",
        "Readers go by the bytes, most of them. containers/image writes such types for archives."),
    note("platform-mismatch", "an index gives an image another platform than its config",
        "The index decides which image a host takes, so a host may take one that it cannot run."),
    note("history-mismatch", "the history of a config makes more or fewer layers than there are",
        "Only what is shown of the history depends on it."),
    note("config-key-repeated", "a config has a key twice that decides nothing",
        "The config keeps its bytes, so its ID stays."),
    note("config-undecodable", "docker cannot decode the config, so it has no V1 layer IDs",
        "docker load refuses it; registries take it."),
    note("config-name", "a config is named by a hash that is not its own",
        "Names are not trusted: the ID is the hash of the bytes."),
    note("layer-name", "a layer is named by a hash that is not its own",
        "Names are not trusted: the digest is the hash of the bytes."),
    note("name-invalid", "a name is none by the grammar of references",
        "The image is converted without that name. Give it one with --tag."),
    note("name-lost", "repositories has a name that manifest.json does not have",
        "Where manifest.json is there, docker does not read repositories. Give the name with --tag."),
    note("trailing-bytes", "there are bytes after the JSON value",
        "docker and containerd read only the first value."),
    note("v1-archive", "written before docker 1.10",
        "docker 29 no longer loads it, and docker with the containerd store never did. save2oci makes a layout with the config and the ID that docker 1.10 to 28 give it."),
    note("v1-id", "a V1 json does not have its ID as `id`",
        "docker since 1.10 does not read it where manifest.json is there."),
    note("v1-parent", "the parent of a V1 json is not in the archive, which has a manifest.json",
        "docker since 1.10 does not read it where manifest.json is there."),
    note("index-empty", "index.json lists no image, manifest.json does",
        "docker 25.0.0 to 25.0.2 wrote it so for images without a tag. manifest.json counts."),
    note("index-layers", "index.json lists layers not as manifest.json does",
        "docker 25.0 wrote its layers in another order. The config decides."),
    note("index-name", "index.json does not have a name that manifest.json has",
        "docker 25 writes some names in manifest.json alone. All are kept."),
    note("index-image", "index.json leaves out an image that manifest.json has",
        "Found in archives of docker 25. All images are kept."),
    note("signature-unchecked", "a signature is of a kind that is not checked here",
        "Checked are ES256, ES384 and RS256 with the key inside."),
];

/// The row of a code; what is in no row is a problem.
#[must_use]
pub(super) fn check(code: &str) -> Check {
    let known = CHECKS.iter().find(|check| check.code == code).copied();
    known.unwrap_or_else(|| problem("limit", "something that has no row of its own", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_code_of_its_own_and_a_sentence() {
        let mut seen = std::collections::BTreeSet::new();
        for row in CHECKS {
            assert!(seen.insert(row.code), "{} twice", row.code);
            assert!(row.sentence.len() > 10 && row.advice.len() > 10, "{}", row.code);
        }
    }
}
