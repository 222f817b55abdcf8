//! What `docker push` sends, in which order.
//!
//! Rules: moby `distribution/push_v2.go`, `xfer/upload.go` for the graph driver store; containerd
//! `core/remotes/handlers.go` `PushContent` and `core/remotes/docker/pusher.go`.

use super::image::ExplainedImage;
use super::transfer::{HttpRequest, Requests, Transfer, TransferStep, sides, step};

/// Layers that docker sends at once, unless `max-concurrent-uploads` says otherwise.
const AT_ONCE: usize = 5;

/// Tells it for this image.
pub(super) fn push(subject: &ExplainedImage) -> Transfer {
    let requests = Requests::new(subject);
    let answer = "From the bottom up: layers, then the config, then the manifest, as a registry \
                  takes no manifest whose blobs it lacks. The graph driver store has uncompressed layers \
                  only and compresses them anew, so layer and manifest digests may be new ones; the \
                  image ID stays.";
    let sides = sides(graph_driver(subject, &requests), containerd(subject, &requests));
    Transfer { answer, note: None, sides }
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
        let of = format!("layer {}", layer.number);
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
            ..step("Greets the registry, as pull does.")
        },
        TransferStep {
            requests: layers,
            at_once: AT_ONCE,
            checked: Some(STORED),
            error: Some("digest invalid"),
            ..step(
                "Sends the layers, from top to base, five at a time, gzipped as they go. What the \
                 registry is known to have is asked for by HEAD or mounted from another \
                 repository instead.",
            )
        },
        TransferStep {
            requests: config,
            checked: Some(STORED),
            error: Some("digest invalid"),
            ..step("Sends the config, unless it is there.")
        },
        TransferStep {
            requests: vec![requests.by_tag("PUT")],
            checked: Some("that all blobs are there, by the registry"),
            error: Some("blob unknown"),
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
        at_once: AT_ONCE,
        checked: Some(STORED),
        error: Some("digest invalid"),
        ..step(
            "Asks for each layer and the config, five at a time, and sends what is missing, byte for \
             byte as it is stored; what another repository there has is mounted instead.",
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
        error: Some("blob unknown"),
        ..step("Sends what the tag points at. No digest has changed on the way.")
    });
    steps
}
