//! Builds the config from V1 JSON, for archives from before docker 1.10 and for schema 1.
//!
//! Rules: moby `image/v1/imagev1.go` `MakeConfigFromV1Config` and `HistoryFromConfig`;
//! containers/image `ToSchema2Config`, which differs for images without a `docker_version`.

use std::collections::BTreeMap;

use super::image::V1Image;
use crate::error::ErrorKind;
use crate::json::{self, Trailing, go};

/// Which program decides the image ID if two programs disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigRules {
    /// Docker: a missing `docker_version` is an old version, and the JSON is re-encoded.
    Moby,
    /// skopeo and podman: a missing `docker_version` is a new version.
    Containers,
}

/// Whether a history step has a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has a layer.
    Layer,
    /// It does not.
    Empty,
}

/// One entry of the history, in the field order of docker up to 24.
pub(crate) fn step(v1: &[u8], kind: Step) -> Result<String, ErrorKind> {
    let image = V1Image::decode(json::check(v1, Trailing::Refused)?.value)?;
    let mut step = go::Object::new();
    step.string("created", image.text("created"))
        .nonempty("author", image.text("author"))
        .nonempty("created_by", &image.created_by())
        .nonempty("comment", image.text("comment"));
    if kind == Step::Empty {
        step.json("empty_layer", "true");
    }
    Ok(step.finish())
}

/// Builds the config from the newest V1 JSON.
pub(crate) fn config(
    v1: &[u8],
    diff_ids: &[String],
    history: &[String],
    like: ConfigRules,
) -> Result<String, ErrorKind> {
    const DROPPED: [&str; 8] =
        ["id", "parent", "Size", "parent_id", "layer_id", "throwaway", "rootfs", "history"];
    let value = json::check(v1, Trailing::Refused)?.value;
    let image = V1Image::decode(value)?;
    let mut members: BTreeMap<String, String> = BTreeMap::new();
    // Before 1.8.3 the ID did not depend on the json, so docker re-encodes it.
    let version = image.text("docker_version");
    let known = !version.is_empty() || like == ConfigRules::Moby;
    if known && is_before_1_8_3(version) {
        members.extend(image.members().into_iter().map(|(name, it)| (name.to_owned(), it)));
    } else {
        for (key, value) in value.members("json")? {
            let mut text = String::new();
            go::compact(&mut text, value.raw());
            members.insert(key.into_owned(), text);
        }
    }
    members.retain(|name, _| !DROPPED.contains(&name.as_str()));
    let mut rootfs = go::Object::new();
    rootfs.string("type", "layers").json("diff_ids", &go::strings(diff_ids));
    members.insert("rootfs".to_owned(), rootfs.finish());
    members.insert("history".to_owned(), go::list(history));
    let mut config = go::Object::new();
    for (name, value) in &members {
        config.json(name, value);
    }
    Ok(config.finish())
}

/// moby `api/types/versions` `LessThan`: part by part; a part that is not a number is 0.
fn is_before_1_8_3(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    for expected in [1, 8, 3] {
        match parts.next().unwrap_or(0).cmp(&expected) {
            std::cmp::Ordering::Less => return true,
            std::cmp::Ordering::Greater => return false,
            std::cmp::Ordering::Equal => (),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_before_1_8_3;

    #[test]
    fn versions_are_compared_as_moby_does() {
        for (version, before) in [
            ("1.8.2", true),
            ("1.8.3", false),
            ("1.10.0", false),
            ("", true),
            ("1.9.1-dev", false),
            ("1.8.3-rc1", true),
            ("20.10.24+dfsg1", false),
            ("1.8", true),
        ] {
            assert_eq!(is_before_1_8_3(version), before, "{version}");
        }
    }
}
