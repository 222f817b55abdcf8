//! What `docker push` sends, in which order.
//!
//! Rules: moby v28 `distribution/push_v2.go`, `xfer/upload.go` for the graph driver store;
//! `daemon/containerd/image_push.go` and containerd v2.1 `core/remotes/handlers.go` `PushContent`
//! and `core/remotes/docker/pusher.go` for the containerd store.

use super::asked;
use super::image::ExplainedImage;
use super::transfer::{HttpRequest, Requests, Transfer, TransferStep, step, transfer};
use super::versions::{CONTAINERD_PUSHES, GRAPH_DRIVER_PUSHES, PUSH};

const ANSWER: &str = "From the bottom up: layers, then the config, then the manifest, as most registries refuse a \
     manifest whose blobs they lack. The graph driver store has uncompressed layers only and \
     compresses them anew, so layer and manifest digests may be new ones; the image ID stays. The \
     containerd store sends the bytes that it has, so their digests stay.";

/// Tells it for this image.
pub(super) fn push(subject: &ExplainedImage) -> Transfer {
    let requests = Requests::new(subject);
    let sides = [graph_driver(subject, &requests), containerd(subject, &requests)];
    Transfer { asked: asked::looks(subject), ..transfer(subject, ANSWER, sides, &[PUSH]) }
}

const STORED: &str = "sha256 of what arrived, by the registry, against ?digest=";

fn graph_driver(subject: &ExplainedImage, requests: &Requests<'_>) -> Vec<TransferStep> {
    let mut layers: Vec<HttpRequest> = Vec::new();
    for (at, layer) in subject.layers.iter().enumerate().rev() {
        // Equal layers are sent once.
        let above = subject.layers.iter().skip(at.saturating_add(1));
        if layer.diff_id.is_some() && above.into_iter().any(|it| it.diff_id == layer.diff_id) {
            continue;
        }
        let of = format!("layer {}", layer.layer);
        layers.extend(requests.upload(&of, None, None));
        layers.push(requests.blob("HEAD", &of, None, None));
    }
    let id = subject.image_id().map(|id| id.to_string());
    let mut config = vec![requests.config("HEAD")];
    config.extend(requests.upload("the config", id.as_deref(), subject.config_size()));
    config.push(requests.config("HEAD"));
    vec![
        TransferStep {
            requests: vec![requests.base()],
            note: requests.hub_token("pull,push"),
            ..step("Asks whether this is a registry, and gets a token, as docker pull does.")
        },
        TransferStep {
            requests: layers,
            at_once: GRAPH_DRIVER_PUSHES,
            checked: Some(STORED),
            errors: &["digest invalid"],
            ..step(
                "Sends the layers, from top to base, five at a time, gzipped as they go. What the \
                 registry is known to have is asked for by HEAD or mounted from another \
                 repository instead.",
            )
        },
        TransferStep {
            requests: config,
            checked: Some(STORED),
            errors: &["digest invalid"],
            ..step("Sends the config, unless it is there.")
        },
        TransferStep {
            requests: vec![requests.by_tag("PUT")],
            checked: Some("that all blobs are there, by the registry"),
            errors: &["blob unknown"],
            ..step(
                "Sends the manifest under the tag: schema 2, also where the image came as OCI. \
                 Its sha256 is the digest that docker prints.",
            )
        },
    ]
}

fn containerd(subject: &ExplainedImage, requests: &Requests<'_>) -> Vec<TransferStep> {
    let mut blobs = requests.layers("HEAD");
    blobs.push(requests.config("HEAD"));
    let sent = |head: HttpRequest| {
        let [post, _, put] = requests.upload(&head.of, head.digest.as_deref(), head.size);
        let put = HttpRequest { size: head.size, ..put };
        [head, post, put]
    };
    let mut steps = vec![TransferStep {
        requests: blobs.into_iter().flat_map(sent).collect(),
        at_once: CONTAINERD_PUSHES,
        checked: Some(STORED),
        errors: &["provided digest did not match uploaded content"],
        note: requests.hub_token("pull,push"),
        ..step(
            "Asks for each layer and the config, and sends what is missing byte for byte as it is \
             stored: five at a time since docker 29.7, all at once before. What another repository \
             of the registry has is mounted instead. It gets a token as docker pull does.",
        )
    }];
    if subject.index.is_some() {
        steps.push(TransferStep {
            requests: vec![requests.manifest("HEAD"), requests.manifest("PUT")],
            ..step(
                "Sends the manifests, children before the index that names them; those of other \
                 platforms likewise, after their blobs.",
            )
        });
    }
    steps.push(TransferStep {
        requests: vec![requests.by_tag("HEAD"), requests.by_tag("PUT")],
        checked: Some("that all it names is there, by the registry"),
        errors: &["blob unknown"],
        note: Some(
            "If the tag points at an index and docker lacks other platforms of it, docker sends the \
             manifest of this platform alone: the tag then has another digest in the registry."
                .to_owned(),
        ),
        ..step("Sends what the tag points at. Bytes and digests stay.")
    });
    steps
}
