//! The catalogue of checks: everything that `verify` can find, one row each, with a stable code.

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

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A stable word for programs.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it means.
    pub sentence: &'static str,
}

const fn problem(code: &'static str, sentence: &'static str) -> Check {
    Check { code, severity: Severity::Problem, sentence }
}

const fn note(code: &'static str, sentence: &'static str) -> Check {
    Check { code, severity: Severity::Note, sentence }
}

/// Every check, problems first.
#[rustfmt::skip]
pub static CHECKS: &[Check] = &[
    // Bytes against claims.
    problem("digest-mismatch", "the stored bytes do not hash to the digest that a descriptor or a file name says"),
    problem("size-mismatch", "the stored bytes are more or fewer than a descriptor says"),
    problem("diff-id-mismatch", "the plain layer does not hash to the diff ID in the config"),
    problem("layer-count-mismatch", "there are more or fewer layers than diff IDs"),
    problem("data-mismatch", "embedded data is not what its descriptor says"),
    problem("blob-missing", "a blob that is needed is not here"),
    problem("member-missing", "a member that a document names is not in the archive"),
    problem("compression", "compressed data is damaged"),
    problem("compressed-twice", "the archive is compressed twice"),
    problem("no-codec", "this build cannot read the codec"),
    // The archive itself.
    problem("truncated", "the archive ends too early"),
    problem("tar-header", "a tar header is not valid or means two things"),
    problem("pax-header", "an extended header is not valid or means two things"),
    problem("duplicate-member", "two members of one name differ, and a document names them"),
    problem("path-outside", "a path leads out of the archive"),
    problem("link-loop", "a link has no end"),
    problem("not-a-file", "a blob or document is no regular file"),
    problem("limit", "something is larger or deeper than any real image"),
    problem("unrecognised", "it is no save archive, no layout and no document of an image"),
    problem("no-image", "there is no image in it"),
    problem("source-changed", "the source changed while it was read"),
    // Documents.
    problem("json", "a document is not valid JSON"),
    problem("duplicate-key", "a key is there twice, and readers take different ones"),
    problem("field", "a field is missing or of a wrong kind"),
    problem("ambiguous-document", "a document can be read as two kinds (CVE-2021-41190)"),
    problem("media-type-mismatch", "a document calls itself something else than its descriptor does"),
    problem("layout-version", "the layout has another version than 1.0.0"),
    problem("readings-disagree", "manifest.json and index.json of one archive name different images"),
    problem("ambiguous-name", "one name means two images"),
    problem("parent-chain", "the parents of a V1 image loop, or one is not here"),
    problem("signature-broken", "a signature of a schema 1 manifest is not of its bytes"),
    problem("history-count", "a schema 1 manifest has more or fewer history entries than layers"),
    // Oddities.
    note("blob-unreferenced", "nothing refers to a blob"),
    note("file-stray", "a file has no meaning here"),
    note("member-repeated", "a member is there twice with the same bytes"),
    note("member-differs", "a member is there twice with other bytes, and nothing names it"),
    note("member-outside", "the name of a member climbs out of the archive, and nothing names it"),
    note("child-absent", "an index names platforms that are not here"),
    note("blob-absent", "a blob of an artifact is not here"),
    note("foreign-layer-absent", "a foreign layer is elsewhere"),
    note("codec-mismatch", "the media type of a layer names another codec than its bytes show"),
    note("platform-mismatch", "an index gives an image another platform than its config"),
    note("history-mismatch", "the history of a config makes more or fewer layers than there are"),
    note("config-key-repeated", "a config has a key twice that decides nothing"),
    note("config-undecodable", "docker cannot decode the config, so it has no legacy IDs"),
    note("config-name", "a config is named by a hash that is not its own"),
    note("layer-name", "a layer is named by a hash that is not its own"),
    note("name-invalid", "a name is none by the grammar of references"),
    note("name-lost", "repositories has a name that manifest.json does not have"),
    note("trailing-bytes", "there are bytes after the JSON value"),
    note("v1-archive", "written before docker 1.10"),
    note("v1-id", "a V1 json does not have its ID as `id`"),
    note("v1-parent", "the parent of a V1 json is not in the archive, which has a manifest.json"),
    note("index-empty", "index.json lists no image, manifest.json does"),
    note("index-layers", "index.json lists layers not as manifest.json does"),
    note("index-name", "index.json does not have a name that manifest.json has"),
    note("index-image", "index.json leaves out an image that manifest.json has"),
    note("signature-unchecked", "a signature is of a kind that is not checked here"),
];

/// The row of a code; what is in no row is a problem.
#[must_use]
pub(super) fn check(code: &str) -> Check {
    let known = CHECKS.iter().find(|check| check.code == code).copied();
    known.unwrap_or_else(|| problem("limit", "something that has no row of its own"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_code_of_its_own_and_a_sentence() {
        let mut seen = std::collections::BTreeSet::new();
        for row in CHECKS {
            assert!(seen.insert(row.code), "{} twice", row.code);
            assert!(row.sentence.len() > 10, "{}", row.code);
        }
    }
}
