//! One item of a docker archive's `manifest.json` (moby `image/tarexport`, `manifestItem`).

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use crate::document::descriptor::{optional, strings};
use crate::error::ErrorKind;
use crate::json::Value;

/// What it says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Item {
    /// The path of the config; empty where there is none.
    pub(crate) config: String,
    /// `RepoTags`, as they stand.
    pub(crate) names: Vec<String>,
    /// The paths of the layers, base first.
    pub(crate) layers: Vec<String>,
}

impl Item {
    /// Reads one.
    pub(crate) fn read(value: Value<'_>) -> Result<Self, ErrorKind> {
        let fields = ["Config", "RepoTags", "Layers"];
        let [config, names, layers] = value.fields("an item of manifest.json", fields)?;
        Ok(Self {
            config: optional(config, "Config")?,
            names: strings(names, "RepoTags")?,
            layers: strings(layers, "Layers")?,
        })
    }

    /// The path of the config, which loaders cannot do without.
    pub(crate) fn config(&self) -> Result<&str, ErrorKind> {
        match self.config.as_str() {
            "" => Err(ErrorKind::field("Config", "the path of a config", "nothing")),
            path => Ok(path),
        }
    }
}
