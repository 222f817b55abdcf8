//! What is known not to be so yet.
//!
//! The findings are those of the review of the first edition: B1 and B2 names of sha512 blobs that
//! are cut, B3 names that an append to an archive takes away, B4 a second descriptor of one digest
//! that nobody checks, B5 attestations of changed images, B7 limits that do not fit each other,
//! A2 layers that cannot be judged, A6 names that mean two images, T1 and T8 the empty config,
//! T3 several manifests of one config, T4 manifests that `index.json` lists and that are absent.
//! Found by these tests: N1 an index whose `manifests` is `null` is called no index by `verify`,
//! N2 `verify` has the same problem in other words, N3 an append of a bare tag takes the name of an
//! image that has the same tag.

use crate::build::promise::Known;

const ITSELF: &[&str] = &["itself", "itself of its tar"];
const EITHER: &[&str] = &["oci", "oci of its tar", "universal", "universal of its tar"];
const OCI: &[&str] = &["oci", "oci of its tar"];
const UNIVERSAL: &[&str] = &["universal", "universal of its tar"];
const TAR: &[&str] = &["oci-archive", "universal", "universal of its tar"];
const APPENDED_TO_TAR: &[&str] = &["append oci-archive", "append universal"];
const CHANGED: &[&str] = &["oci zstd", "universal zstd"];
const CHANGED_BY_ALL: &[&str] = &["oci zstd", "oci-archive none", "universal zstd"];
const AGREED: &[&str] = &["oci", "universal"];

/// Input, destinations, code, finding. A row whose failure is gone has to be taken out.
pub(super) const KNOWN: &[Known] = &[
    ("layout sha512", TAR, "blob-missing", "B1"),
    ("layout sha512", TAR, "file-stray", "B1"),
    ("layout sha512 +", APPENDED_TO_TAR, "blob-missing", "B1"),
    ("layout sha512 +", APPENDED_TO_TAR, "file-stray", "B1"),
    ("layout sha512-config", TAR, "blob-missing", "B1"),
    ("layout sha512-config", TAR, "file-stray", "B1"),
    ("layout sha512-config +", APPENDED_TO_TAR, "blob-missing", "B1"),
    ("layout sha512-config +", APPENDED_TO_TAR, "file-stray", "B1"),
    ("layout sha512-layers", TAR, "blob-missing", "B1"),
    ("layout sha512-layers", TAR, "file-stray", "B1"),
    ("layout sha512-layers", UNIVERSAL, "member-missing", "B1"),
    ("layout sha512-layers +", APPENDED_TO_TAR, "blob-missing", "B1"),
    ("layout sha512-layers +", APPENDED_TO_TAR, "file-stray", "B1"),
    ("layout sha512-layers +", &["append universal"], "member-missing", "B1"),
    ("layout sha512-manifest", TAR, "blob-missing", "B1"),
    ("layout sha512-manifest", &["oci-archive"], "blob-unreferenced", "B1"),
    ("layout sha512-manifest", TAR, "file-stray", "B1"),
    ("layout sha512-manifest", UNIVERSAL, "index-image", "B1"),
    ("layout sha512-manifest +", APPENDED_TO_TAR, "blob-missing", "B1"),
    ("layout sha512-manifest +", &["append oci-archive"], "blob-unreferenced", "B1"),
    ("layout sha512-manifest +", APPENDED_TO_TAR, "file-stray", "B1"),
    ("layout sha512-manifest +", &["append universal"], "index-image", "B1"),
    ("layout sha512", UNIVERSAL, "member-missing", "B2"),
    ("layout sha512 +", &["append universal"], "member-missing", "B2"),
    ("layout sha512-config", UNIVERSAL, "member-missing", "B2"),
    ("layout sha512-config +", &["append universal"], "member-missing", "B2"),
    ("layout artifact +", APPENDED_TO_TAR, "gone", "B3"),
    ("layout bare-tag +", APPENDED_TO_TAR, "gone", "B3"),
    ("layout name-by-digest +", APPENDED_TO_TAR, "gone", "B3"),
    ("layout name-with-capitals +", APPENDED_TO_TAR, "gone", "B3"),
    ("layout name-with-spaces +", APPENDED_TO_TAR, "gone", "B3"),
    ("layout ref-name-twice +", APPENDED_TO_TAR, "gone", "B3"),
    ("layout child-of-other-size", EITHER, "size-mismatch", "B4"),
    ("layout entry-called-index", ITSELF, "-media-type-mismatch", "B4"),
    ("layout entry-of-other-size", EITHER, "size-mismatch", "B4"),
    ("layout entry-of-other-type", ITSELF, "-media-type-mismatch", "B4"),
    ("layout entry-of-unknown-type", ITSELF, "-media-type-mismatch", "B4"),
    ("layout entry-of-unknown-type-first", ITSELF, "-media-type-mismatch", "B4"),
    ("layout entry-of-unknown-type-first", ITSELF, "blob-unreferenced", "B4"),
    ("layout attestation", CHANGED_BY_ALL, "blob-unreferenced", "B5"),
    ("layout attestation-of-uncompressed", CHANGED, "blob-unreferenced", "B5"),
    ("layout attestation-shared", CHANGED, "blob-unreferenced", "B5"),
    ("layout attestation-shared", CHANGED, "child-absent", "B5"),
    ("layout attestation-shared-by-unchanged", CHANGED_BY_ALL, "blob-unreferenced", "B5"),
    ("layout attestation-shared-by-unchanged", CHANGED_BY_ALL, "child-absent", "B5"),
    ("archive many", &["universal"], "unreadable", "B7"),
    ("layout encrypted", ITSELF, "diff-id-mismatch", "A2"),
    ("layout encrypted-tar", ITSELF, "diff-id-mismatch", "A2"),
    ("layout unknown-layer-type", ITSELF, "diff-id-mismatch", "A2"),
    ("archive name-twice", &["itself"], "-ambiguous-name", "A6"),
    ("archive name-twice", AGREED, "unreported", "A6"),
    ("archive name-twice-in-two-spellings", &["itself"], "-ambiguous-name", "A6"),
    ("archive name-twice-in-two-spellings", AGREED, "unreported", "A6"),
    ("layout name-twice", OCI, "ambiguous-name", "A6"),
    ("layout name-twice", UNIVERSAL, "unreported", "A6"),
    ("layout ref-name-twice", EITHER, "ambiguous-name", "A6"),
    ("layout attestation-artifact", ITSELF, "blob-unreferenced", "T1"),
    ("archive docker-28-two-manifests", &["itself"], "index-name", "T3"),
    ("archive docker-28-two-manifests", AGREED, "unreported", "T3"),
    (
        "layout config-in-both-families",
        &["universal", "universal of its tar", "universal zstd"],
        "index-name",
        "T3",
    ),
    ("layout config-in-both-families +", &["append universal"], "index-name", "T3"),
    ("layout config-of-other-type", UNIVERSAL, "index-name", "T3"),
    ("layout config-of-other-type +", &["append universal"], "index-name", "T3"),
    ("layout layer-of-other-type", UNIVERSAL, "index-name", "T3"),
    ("layout layer-of-other-type +", &["append universal"], "index-name", "T3"),
    ("layout sparse-top", ITSELF, "blob-missing", "T4"),
    ("layout sparse-top-index", ITSELF, "blob-missing", "T4"),
    ("layout sparse-top-named", ITSELF, "blob-missing", "T4"),
    ("layout artifact-inline", ITSELF, "blob-unreferenced", "T8"),
    ("layout artifact-manifest", ITSELF, "blob-unreferenced", "T8"),
    ("layout artifact-without-layers", ITSELF, "blob-unreferenced", "T8"),
    (
        "layout index-null",
        &[
            "itself",
            "itself of its tar",
            "oci",
            "oci of its tar",
            "universal",
            "universal of its tar",
        ],
        "media-type-mismatch",
        "N1",
    ),
    ("attack oci-entry-type-disagrees", AGREED, "unreported", "N2"),
    ("attack oci-index-array", AGREED, "unreported", "N2"),
    ("layout entry-called-index-first", EITHER, "unreported", "N2"),
    ("layout ref-name-twice +", &["append oci"], "gone", "N3"),
];
