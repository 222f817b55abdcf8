//! View of an image config (image-spec `config.md`; Docker's is the same document).

use super::{Keys, View, check_layers};
use crate::digest::{ChainId, DiffId};
use crate::document::descriptor::{optional, parse_platform};
use crate::error::ErrorKind;
use crate::json::{JsonKind, Value};
use crate::limits;
use crate::platform::Platform;

/// The fields of a config that imgconv reads; the others stay in its bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Operating system and architecture.
    pub platform: Platform,
    /// The creation time, as written.
    pub created: String,
    /// Digests of the uncompressed layers, base first.
    pub diff_ids: Vec<DiffId>,
    /// The history, oldest step first.
    pub history: Vec<History>,
}

/// One step of the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// The time, as written.
    pub created: String,
    /// The instruction.
    pub created_by: String,
    /// A comment.
    pub comment: String,
    /// Whether the step has no layer.
    pub empty_layer: bool,
}

impl Config {
    /// The chain ID of each layer, base first.
    #[must_use]
    pub fn chain_ids(&self) -> Vec<ChainId> {
        let mut chain: Vec<ChainId> = Vec::with_capacity(self.diff_ids.len());
        for diff_id in &self.diff_ids {
            chain.push(ChainId::extend(chain.last(), diff_id));
        }
        chain
    }
}

impl View for Config {
    const LIMIT: u64 = limits::CONFIG;
    const WHAT: &'static str = "the size of the config, in bytes,";
    const KEYS: Keys =
        Keys::Top(&["rootfs", "history", "architecture", "os", "variant", "created"]);

    fn view(value: Value<'_>) -> Result<Self, ErrorKind> {
        let platform = parse_platform(value, "config")?;
        let [created, rootfs, history] =
            value.fields("config", ["created", "rootfs", "history"])?;
        let rootfs = rootfs
            .ok_or_else(|| ErrorKind::field("rootfs", "an object with diff_ids", "nothing"))?;
        let [ids] = rootfs.fields("rootfs", ["diff_ids"])?;
        let mut diff_ids = Vec::new();
        for id in ids
            .into_iter()
            .map(|ids| ids.list("rootfs.diff_ids"))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
        {
            diff_ids.push(diff_id(id)?);
            check_layers(diff_ids.len())?;
        }
        let created = created.filter(|created| created.kind() == JsonKind::String);
        Ok(Self {
            platform,
            created: optional(created, "created")?,
            diff_ids,
            history: history.map(steps).transpose()?.unwrap_or_default(),
        })
    }
}

fn diff_id(value: Value<'_>) -> Result<DiffId, ErrorKind> {
    const EXPECTED: &str = "sha256: and 64 lower-case hex digits";
    let text = value.string("rootfs.diff_ids")?;
    text.parse().map_err(|_| ErrorKind::field("rootfs.diff_ids", EXPECTED, &text))
}

fn steps(history: Value<'_>) -> Result<Vec<History>, ErrorKind> {
    history
        .list("history")?
        .map(|step| {
            let [created, created_by, comment, empty] =
                step.fields("history", ["created", "created_by", "comment", "empty_layer"])?;
            Ok(History {
                created: optional(created, "history.created")?,
                created_by: optional(created_by, "history.created_by")?,
                comment: optional(comment, "history.comment")?,
                empty_layer: empty
                    .map(|empty| empty.bool("history.empty_layer"))
                    .transpose()?
                    .unwrap_or_default(),
            })
        })
        .collect()
}
