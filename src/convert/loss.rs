//! What a destination cannot hold: one row per reason.

use crate::error::Shown;

/// Why something is lost or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// A registry's manifest gets a new digest or has no place at all.
    Manifest,
    /// An index gets a new digest or has no place at all.
    Index,
    /// Platforms beyond one.
    Platforms,
    /// A statement about an image.
    Attestation,
    /// A manifest that is no image.
    Artifact,
    /// Annotations, subject or artifact type.
    Annotations,
    /// A layer that is elsewhere.
    ForeignLayer,
    /// zstd layers, which docker before 23 cannot read.
    Zstd,
    /// A tag without a repository.
    RefName,
    /// Something odd about the source (with `--strict` only).
    Oddity,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Manifest,
        Self::Index,
        Self::Platforms,
        Self::Attestation,
        Self::Artifact,
        Self::Annotations,
        Self::ForeignLayer,
        Self::Zstd,
        Self::RefName,
        Self::Oddity,
    ];

    /// A stable word for programs, and a sentence for people.
    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Manifest => ("manifest", "the manifest digest is not kept"),
            Self::Index => ("index", "the index digest is not kept"),
            Self::Platforms => ("platforms", "only one platform fits"),
            Self::Attestation => ("attestation", "the attestation is left out"),
            Self::Artifact => ("artifact", "what is no image is left out"),
            Self::Annotations => {
                ("annotations", "annotations, subject and types of artifacts are left out")
            }
            Self::ForeignLayer => ("foreign-layer", "a foreign layer is not here and stays away"),
            Self::Zstd => ("zstd", "docker before 23.0 cannot load zstd layers"),
            Self::RefName => {
                ("ref-name", "a tag without a repository is no name in a save archive")
            }
            Self::Oddity => ("oddity", "the source is odd"),
        }
    }

    /// A stable word for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// A sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.row().1
    }
}

/// One thing that the destination will not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// Why.
    pub reason: Reason,
    /// What: a name, a digest, a platform.
    pub what: String,
}

impl Loss {
    pub(super) fn new(reason: Reason, what: impl ToString) -> Self {
        Self { reason, what: what.to_string() }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", Shown(&self.what), self.reason.sentence())
    }
}
