//! What `docker pull` asks for in which order, and where it checks sha256.
//!
//! Rules: moby `distribution/pull.go`, `pull_v2.go`, `xfer/download.go`, `layer/layer_store.go`
//! for the graph driver store; `daemon/containerd/image_pull.go` and containerd `client/pull.go`,
//! `core/remotes/handlers.go`, `core/content/helpers.go` for the containerd store.

use super::image::ExplainedImage;
use super::transfer::{Requests, Transfer, TransferStep, note, sides, step};
use crate::document::kind::DocumentKind;

/// Layers that docker gets at once, unless `max-concurrent-downloads` says otherwise.
const AT_ONCE: usize = 3;

/// Tells it for this image.
pub(super) fn pull(subject: &ExplainedImage) -> Transfer {
    let requests = Requests::new(subject);
    let answer = "From the top down: tag, manifest, then config and layers side by side. sha256 \
                  is checked at the config, at each compressed layer before it is unpacked, and \
                  at each uncompressed layer against the config; at the manifest only where it was asked \
                  for by digest.";
    let sides = sides(graph_driver(subject, &requests), containerd(subject, &requests));
    Transfer { answer, note: note(subject), sides }
}

/// Up to the digest of the tag.
fn resolved(requests: &Requests<'_>) -> Vec<TransferStep> {
    vec![
        TransferStep {
            requests: vec![requests.base()],
            ..step("Greets the registry. A 401 names the place that gives out tokens.")
        },
        TransferStep {
            requests: vec![requests.by_tag("HEAD")],
            unchecked: Some("the digest in the answer's header is believed"),
            ..step("Asks which digest the tag has.")
        },
    ]
}

fn layers(requests: &Requests<'_>) -> TransferStep {
    TransferStep {
        requests: requests.layers("GET"),
        at_once: AT_ONCE,
        checked: Some("sha256 of the compressed bytes, against the digest in the manifest"),
        error: Some("filesystem layer verification failed for digest"),
        unchecked: Some("the size in the manifest"),
        ..step("Gets the layers, three at a time, each into a file; leaves out what is here.")
    }
}

fn is_schema1(subject: &ExplainedImage) -> bool {
    subject.own.as_ref().is_some_and(|own| own.kind == DocumentKind::Schema1)
}

/// Of the old form, which has no config.
fn of_schema1(requests: &Requests<'_>) -> Vec<TransferStep> {
    let mut steps = resolved(requests);
    steps.push(TransferStep {
        requests: vec![requests.manifest("GET")],
        checked: Some("sha256 of the payload, if the pull was by digest, against that digest"),
        error: Some("image verification failed for digest"),
        unchecked: Some("the signature; of a pull by tag, the digest"),
        ..step(
            "Gets the manifest by that digest. docker 26 takes schema 1 only where told to, 28.2 \
             not at all.",
        )
    });
    steps.push(layers(requests));
    steps.push(step(
        "Unpacks them from base to top, hashing the uncompressed tar: diff ID, then chain ID.",
    ));
    steps.push(TransferStep {
        unchecked: Some("the diff IDs, as there is nothing to compare them with"),
        ..step("Makes a config of the manifest's V1 JSON and the diff IDs: its sha256 is the image ID.")
    });
    steps
}

fn graph_driver(subject: &ExplainedImage, requests: &Requests<'_>) -> Vec<TransferStep> {
    if is_schema1(subject) {
        return of_schema1(requests);
    }
    let mut steps = resolved(requests);
    let unchecked = "of a pull by tag: a body with another hash is taken as it is";
    let by_digest = "sha256 of the body, if the pull was by digest, against that digest";
    let by_digest_error = "manifest verification failed for digest";
    let top = |what: &str, request| TransferStep {
        requests: vec![request],
        checked: Some(by_digest),
        error: Some(by_digest_error),
        unchecked: Some(unchecked),
        ..step(format!("Gets {what} by that digest."))
    };
    match requests.index("GET") {
        Some(index) => {
            steps.push(top("the index", index));
            steps.push(TransferStep {
                requests: vec![requests.manifest("GET")],
                checked: Some("sha256 of the body, against the digest in the index"),
                error: Some(by_digest_error),
                ..step(format!("Chooses {} and gets its manifest.", platform(subject)))
            });
        }
        None => steps.push(top("the manifest", requests.manifest("GET"))),
    }
    steps.push(TransferStep {
        requests: vec![requests.config("GET")],
        checked: Some("sha256 of the body, against config.digest of the manifest"),
        error: Some("image config verification failed"),
        ..step("Gets the config, beside the layers. Is this image ID here already, it ends here.")
    });
    steps.push(layers(requests));
    steps.push(TransferStep {
        unchecked: Some("the diff ID that comes out, for now"),
        ..step(
            "Unpacks them from base to top, hashing the uncompressed tar: diff ID, then chain ID.",
        )
    });
    steps.push(TransferStep {
        checked: Some("number and values of the diff IDs, against rootfs.diff_ids of the config"),
        error: Some("layers from manifest don't match image configuration"),
        ..step("Compares when all are unpacked.")
    });
    steps.push(step(
        "Keeps the config as it is: its sha256 is the image ID. Compressed layers are thrown away.",
    ));
    steps
}

fn platform(subject: &ExplainedImage) -> String {
    subject.platform().unwrap_or_else(|| "the host's platform".to_owned())
}

fn containerd(subject: &ExplainedImage, requests: &Requests<'_>) -> Vec<TransferStep> {
    let checked = "sha256 and size, before it gets a name in the store";
    let error = "unexpected commit digest";
    let mut steps = vec![TransferStep {
        requests: vec![requests.by_tag("HEAD")],
        unchecked: Some("digest and size in the answer's header are believed, until the next step"),
        ..step("Asks which digest the tag has.")
    }];
    if is_schema1(subject) {
        steps.push(step("Refuses schema 1, which containerd 2.0 no longer converts."));
        return steps;
    }
    let get = |title: String, request| TransferStep {
        requests: vec![request],
        checked: Some(checked),
        error: Some(error),
        ..step(title)
    };
    match requests.index("GET") {
        Some(index) => {
            steps.push(get("Gets the index by that digest.".to_owned(), index));
            let title = format!("Chooses {} and gets its manifest.", platform(subject));
            steps.push(get(title, requests.manifest("GET")));
        }
        None => {
            steps.push(get(
                "Gets the manifest by that digest.".to_owned(),
                requests.manifest("GET"),
            ));
        }
    }
    let mut blobs = vec![requests.config("GET")];
    blobs.extend(requests.layers("GET"));
    steps.push(TransferStep {
        requests: blobs,
        at_once: AT_ONCE,
        checked: Some(checked),
        error: Some(error),
        ..step("Gets config and layers, three at a time.")
    });
    steps.push(TransferStep {
        checked: Some("each diff ID, against rootfs.diff_ids of the config"),
        error: Some("wrong diff id calculated on extraction"),
        ..step("Unpacks each layer once the ones below are there, while others still arrive.")
    });
    steps.push(step(
        "Keeps everything as it came, compressed layers too. The image is named by the digest of \
         what the tag points at.",
    ));
    steps
}
