//! Why one image carries different digests in each form, told with the image's own numbers.
//!
//! Each topic is a value of its own, made of what the source says, of what was measured when its
//! layers were read, and of what the converters of this crate make of it. Wording that is true of
//! every image is here as well, so that each way of printing says the same.

mod asked;
mod codes;
mod conversions;
mod digests;
mod documents;
mod history;
mod ids;
mod image;
mod manifest_json;
mod manifests;
mod measured;
mod outline;
mod pull;
mod push;
mod recovery;
mod shared;
mod transfer;
mod versions;

use std::str::FromStr;

use serde::Serialize;

pub use asked::AnsweredRequest;
pub use codes::{Code, code, codes};
pub use conversions::{Conversions, ExplainedConversion, Fate, FieldChange};
pub use digests::{DigestFacts, Digests, Status};
pub use documents::{DocumentFacts, DocumentRow, ExplainedDocuments};
pub use history::{ExplainedHistory, ExplainedStep};
pub use ids::{Changes, ExplainedIds, Sight};
pub use manifest_json::{ExplainedManifestJson, Point};
pub use manifests::{ExplainedLoss, Origin};
pub use measured::ExplainedLayer;
pub use recovery::{ExplainedRecovery, MadeByProgram, RecoverableLayer};
pub use shared::{SharedLayer, SharedLayers, SharingImage};
pub use transfer::{HttpRequest, Transfer, TransferSide, TransferStep};
pub use versions::{AtOnce, VERSIONS, VersionRow};

use crate::bytes::files::Input;
use crate::convert::Format;
use crate::error::{Finding, Result};
use crate::platform::Platform;
use crate::producer::Producer;
use crate::progress::Progress;
use crate::reference::Reference;
use crate::source::{Arrival, Kind, Options};

/// One question that a page answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// What hashes what.
    Digests,
    /// The same image in five documents.
    Documents,
    /// Why `manifest.json` is neither schema 1 nor schema 2.
    ManifestJson,
    /// What `docker pull` asks for, and where it checks.
    Pull,
    /// What `docker push` sends.
    Push,
    /// What each conversion changes.
    Conversions,
    /// Why IDs differ.
    Ids,
    /// Which instruction made which layer.
    History,
    /// What brings the layers of a registry back.
    Recovery,
}

impl Topic {
    /// Every topic, in the order of the page.
    pub const ALL: [Self; 9] = [
        Self::Digests,
        Self::Documents,
        Self::ManifestJson,
        Self::Pull,
        Self::Push,
        Self::Conversions,
        Self::Ids,
        Self::History,
        Self::Recovery,
    ];

    /// Whether a page has it only if it is asked for: it compresses each layer, which takes long.
    #[must_use]
    pub fn is_slow(self) -> bool {
        self == Self::Recovery
    }

    /// The word for it, as people type it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Digests => "digests",
            Self::Documents => "documents",
            Self::ManifestJson => "manifest-json",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Conversions => "conversions",
            Self::Ids => "ids",
            Self::History => "history",
            Self::Recovery => "recovery",
        }
    }

    /// The question that it answers.
    #[must_use]
    pub fn question(self) -> &'static str {
        match self {
            Self::Digests => "What hashes what?",
            Self::Documents => "How does each format describe this image?",
            Self::ManifestJson => "Why is manifest.json neither schema 1 nor schema 2?",
            Self::Pull => "What does docker pull do, and where is sha256 checked?",
            Self::Push => "What does docker push do?",
            Self::Conversions => "What does each conversion change?",
            Self::Ids => "Why does one image have several IDs?",
            Self::History => "Which instruction made which layer?",
            Self::Recovery => "Can the layer digests of a registry come back?",
        }
    }
}

/// No topic has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no topic of this name")]
pub struct NoSuchTopic;

impl FromStr for Topic {
    type Err = NoSuchTopic;

    fn from_str(text: &str) -> Result<Self, NoSuchTopic> {
        Self::ALL.into_iter().find(|topic| topic.name() == text).ok_or(NoSuchTopic)
    }
}

/// Which image of a source, and what of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Question {
    /// A name, a digest or `@N`; none where the source has one image.
    pub images: Vec<String>,
    /// Which child of an index; nothing for the host's, or else the first.
    pub platform: Option<Platform>,
    /// The name to speak of, in place of the source's.
    pub name: Option<Reference>,
    /// Topics; none means all but slow ones.
    pub topics: Vec<Topic>,
    /// Number of threads; at least one.
    pub threads: usize,
}

impl Default for Question {
    /// All topics, of the one image or the host's, on all cores.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (images, topics) = (Vec::new(), Vec::new());
        Self { images, platform: None, name: None, topics, threads }
    }
}

impl Question {
    fn has(&self, topic: Topic) -> bool {
        (self.topics.is_empty() && !topic.is_slow()) || self.topics.contains(&topic)
    }
}

/// A page about one image. `docs/schema/explanation.json` describes its JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Explanation {
    /// The path of the source.
    pub source: String,
    /// What it is, in words.
    #[serde(skip)]
    pub kind: &'static str,
    /// What it is.
    pub formats: Kind,
    /// Who seems to have written it.
    pub producer: Option<Producer>,
    /// The names of the image, as people know them.
    pub names: Vec<String>,
    /// `os/arch[/variant]`, where the config is here.
    pub platform: Option<String>,
    /// Platforms that the source has beside this one.
    pub other_platforms: Vec<String>,
    /// Digest of the config.
    pub image_id: Option<String>,
    /// Bytes of the config, where it is here.
    pub config_size: Option<u64>,
    /// What should be known of the page as a whole.
    pub remarks: Vec<String>,
    /// Notes about the source.
    pub findings: Vec<Finding>,
    /// Base first.
    pub layers: Vec<ExplainedLayer>,
    /// [`Topic::Digests`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<Digests>,
    /// [`Topic::Documents`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<ExplainedDocuments>,
    /// [`Topic::ManifestJson`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_json: Option<ExplainedManifestJson>,
    /// [`Topic::Pull`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<Transfer>,
    /// [`Topic::Push`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<Transfer>,
    /// [`Topic::Conversions`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversions: Option<Conversions>,
    /// [`Topic::Ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<ExplainedIds>,
    /// [`Topic::History`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<ExplainedHistory>,
    /// [`Topic::Recovery`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<ExplainedRecovery>,
    /// Which layers the images share, where the source has several and all topics are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_layers: Option<SharedLayers>,
}

/// What an explanation will want of a pipe.
#[must_use]
pub fn arrival(wanted: &Question) -> Arrival {
    match wanted.has(Topic::Recovery) {
        // Layers are compressed in ways that are not known before.
        true => Arrival::anything(),
        false => image::target(Format::Layout, wanted.threads).digests(),
    }
}

/// Explains one image of a docker archive or a layout, or a config or manifest alone. Each of its
/// layers that is here is read once and checked.
///
/// # Errors
/// The source cannot be read or has a problem, there is no such image, or there are several.
pub fn explain(
    input: Input,
    options: &Options,
    wanted: &Question,
    progress: &dyn Progress,
) -> Result<Explanation> {
    let subject = image::open(input, options, wanted, progress)?;
    let part = |topic| wanted.has(topic);
    Ok(Explanation {
        source: subject.at.to_string(),
        kind: subject.kind,
        formats: subject.formats,
        producer: subject.producer.clone(),
        names: subject.names.clone(),
        platform: subject.platform(),
        other_platforms: subject.other_platforms.clone(),
        image_id: subject.image_id().map(|id| id.to_string()),
        config_size: subject.config.as_ref().map(|config| config.measured().size()),
        remarks: subject.remarks.clone(),
        findings: subject.findings.clone(),
        digests: part(Topic::Digests).then(|| digests::digests(&subject)),
        documents: part(Topic::Documents).then(|| documents::documents(&subject)),
        manifest_json: part(Topic::ManifestJson).then(|| manifest_json::manifest_json(&subject)),
        pull: part(Topic::Pull).then(|| pull::pull(&subject)),
        push: part(Topic::Push).then(|| push::push(&subject)),
        conversions: match part(Topic::Conversions) {
            true => Some(conversions::conversions(&subject, wanted)?),
            false => None,
        },
        ids: part(Topic::Ids).then(|| ids::ids(&subject)),
        history: part(Topic::History).then(|| history::history(&subject)),
        recovery: match part(Topic::Recovery) {
            true => Some(recovery::recovery(&subject, wanted.threads, progress)?),
            false => None,
        },
        shared_layers: subject.shared.filter(|_| wanted.topics.is_empty()),
        layers: subject.layers,
    })
}
