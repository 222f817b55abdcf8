//! Legacy layer IDs, and the `json` of each layer, as docker 1.10 to 24 writes them.
//!
//! Rules: moby `image/v1/imagev1.go` `CreateID`, called from `image/tarexport/save.go` `saveImage`;
//! a layer that is not on top has the time of docker 17.04 and later in UTC (a daemon in another
//! time zone hashes its local time, so a different ID is never an error).

use super::image::V1Image;
use crate::digest::{ChainId, V1LayerId};
use crate::document::{Config, Document};
use crate::error::ErrorKind;
use crate::json::{self, Trailing, go};

/// The creation time that docker writes for layers below the top.
const BELOW: &str = "1970-01-01T00:00:00Z";

/// A layer's V1 layer ID and its `json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct V1Layer {
    pub(crate) id: V1LayerId,
    pub(crate) json: String,
}

/// The legacy layers of an image, base first.
///
/// # Errors
/// The config has a field that docker cannot read, such as a number for a string.
pub(crate) fn layers(config: &Document<Config>) -> Result<Vec<V1Layer>, ErrorKind> {
    let checked = json::check(config.raw(), Trailing::Refused)?;
    let chain = config.view().chain_ids();
    let mut layers: Vec<V1Layer> = Vec::with_capacity(chain.len());
    for (at, chain_id) in chain.iter().enumerate() {
        let top = at + 1 == chain.len();
        let image = if top { V1Image::decode(checked.value)? } else { V1Image::below(BELOW) };
        let parent = layers.last().map(|layer| layer.id);
        let id = create_id(&image, chain_id, parent.as_ref());
        // `os` is added after the ID is hashed; the top layer has it from its config.
        let os = (!top).then(|| config.view().platform.os.as_str());
        layers
            .push(V1Layer { id, json: print(&image, id, parent.as_ref(), os.unwrap_or_default()) });
    }
    Ok(layers)
}

/// The digest of the image's fields, `layer_id` and `parent`, sorted by name.
fn create_id(image: &V1Image, chain_id: &ChainId, parent: Option<&V1LayerId>) -> V1LayerId {
    let mut members = image.members();
    members.push(("layer_id", format!("\"{chain_id}\"")));
    if let Some(parent) = parent {
        members.push(("parent", format!("\"sha256:{parent}\"")));
    }
    members.sort_by_key(|(name, _)| *name);
    let mut object = go::Object::new();
    for (name, value) in members {
        object.json(name, &value);
    }
    V1LayerId::of(object.finish().as_bytes())
}

fn print(image: &V1Image, id: V1LayerId, parent: Option<&V1LayerId>, os: &str) -> String {
    let mut object = go::Object::new();
    object.string("id", &id.to_string());
    if let Some(parent) = parent {
        object.string("parent", &parent.to_string());
    }
    for (name, value) in image.members() {
        object.json(name, &value);
    }
    object.nonempty("os", os).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:9e9060b18b47edca8f3346851d5c698aeaac2dc08ebbd92cec60253abd4d8521";
    const B: &str = "sha256:ed9ea11a72564d7252bcaee489b58d7d24110352f3bdda7cb84aa48086416372";

    fn ids(config: &str) -> Vec<String> {
        let config = Document::<Config>::parse(config.as_bytes().to_vec()).unwrap();
        layers(&config).unwrap().iter().map(|layer| layer.id.to_string()).collect()
    }

    /// Printed by dockerd 20.10.24 for a config with everything odd in it.
    #[test]
    fn legacy_ids_are_those_of_a_real_dockerd() {
        let config = format!(
            r#"{{"architecture":"arm64","variant":"v8","os":"linux","created":"2020-01-02T03:04:05+00:00","author":"a","config":{{"ExposedPorts":{{"80/tcp":{{}},"443/tcp":{{}},"8080/udp":{{}}}},"Healthcheck":{{"Test":["CMD","x"],"Interval":1000000000,"StartInterval":5,"Retries":3}},"Entrypoint":"single","Cmd":[],"Env":["X=\u2028\u2029","B=\b\f\u007f\u0001"],"Labels":{{"b":"2","a":"\u00e9<","Z":"1"}},"Volumes":{{"/v":{{}},"/a":{{}}}},"Shell":["/bin/sh"],"StopSignal":"9","StopTimeout":0,"NetworkDisabled":false,"MacAddress":"","Unknown":1,"ArgsEscaped":false,"Memory":5}},"weird":1,"id":"zzz","parent":"sha256:1111111111111111111111111111111111111111111111111111111111111111","Size":42,"rootfs":{{"type":"layers","diff_ids":["{A}","{B}"]}}}}"#
        );
        let id = crate::digest::ImageId::of(config.as_bytes());
        assert_eq!(id.hex(), "d1ff56e3892ec545fdfa6a6e06ab3942ad9b346697e64a66caf5064245c9d46a");
        assert_eq!(
            ids(&config),
            [
                "dad0848df1b5e206ed549f26682e926b3455f023eb78f5436a06b7374a196462",
                "dfd9bad166dfca3c72a0fa625526e227a73b53f4daf391e23c6b58d6a10228da"
            ]
        );
    }

    #[test]
    fn the_second_of_three_layers_has_the_id_that_dockerd_printed() {
        let config = format!(r#"{{"os":"linux","rootfs":{{"diff_ids":["{A}","{B}","{A}"]}}}}"#);
        let second = "d72be807530b98ffe453dd868a1d823cf69f7d317c9629faff80422a3ac84d3b";
        assert_eq!(ids(&config)[1], second);
    }

    /// docker 18.06 named the folders of nginx 1.17.1 so.
    #[test]
    fn the_legacy_ids_of_nginx_1_17_1_come_out_of_its_config() {
        let config = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/testdata/article/",
            "f68d6e55e06520f152403e6d96d0de5c9790a89b4cfc99f4626f68146fa1dbdc.json"
        ));
        assert_eq!(
            ids(config),
            [
                "a4e2f1136e50ce782b4712f7f31628a9d8d973035072f6d7a2c5728c87270dc0",
                "d5990701c3a040b2eb442c195e9d62a3936bb91d7ee918c66751b6f164ec490a",
                "9de6aebfff35261996e4315105c546a002a8e42be30bc9189851384adc3abf6b"
            ]
        );
    }

    #[test]
    fn times_are_printed_again_as_go_does() {
        for (created, printed) in [
            ("2020-01-02T03:04:05.6700Z", "2020-01-02T03:04:05.67Z"),
            ("2020-01-02T03:04:05+00:00", "2020-01-02T03:04:05Z"),
            ("2020-01-02T03:04:05.000+05:30", "2020-01-02T03:04:05+05:30"),
        ] {
            let text = format!(r#"{{"created":"{created}"}}"#);
            let value = json::check(text.as_bytes(), Trailing::Refused).unwrap().value;
            assert_eq!(V1Image::decode(value).unwrap().text("created"), printed);
        }
        for created in ["yesterday", "2020-01-02", "2020-13-02T03:04:05Z", "2020-01-02T03:04:05"] {
            let text = format!(r#"{{"created":"{created}"}}"#);
            let value = json::check(text.as_bytes(), Trailing::Refused).unwrap().value;
            assert!(V1Image::decode(value).is_err(), "{created}");
        }
    }
}
