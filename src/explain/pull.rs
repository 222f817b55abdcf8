//! What `docker pull` asks for in which order, and where it checks sha256.
//!
//! Rules: moby v28 `distribution/pull.go`, `pull_v2.go`, `xfer/download.go`, `layer/layer_store.go`
//! for the graph driver store; `daemon/containerd/image_pull.go` and containerd v2.1
//! `client/pull.go`, `core/remotes/handlers.go`, `core/content/helpers.go`,
//! `core/unpack/unpacker.go` for the containerd store.

use super::asked;
use super::image::ExplainedImage;
use super::transfer::{HttpRequest, Requests, Transfer, TransferStep, step, transfer};
use super::versions::{CONTAINERD_PULLS, GRAPH_DRIVER_PULLS, PULL, SCHEMA1};
use crate::document::kind::DocumentKind;

const ANSWER: &str = "From the top down: token, tag, index, platform, manifest, config, layers. sha256 is checked at \
     the config, at each compressed layer before it is unpacked, and at each unpacked layer against \
     the config. The containerd store (the default of new installs since docker 29) always checks \
     the manifest too. The graph driver store (docker 18, and the default before 29) checks it only \
     when you pull by digest: when you pull by tag, HTTPS alone protects it.";

/// Tells it for this image.
pub(super) fn pull(subject: &ExplainedImage) -> Transfer {
    let requests = Requests::new(subject);
    let sides = [graph_driver(subject, &requests), containerd(subject, &requests)];
    let actions: &[&str] = if is_schema1(subject) { &[PULL, SCHEMA1] } else { &[PULL] };
    Transfer { asked: asked::reads(subject), ..transfer(subject, ANSWER, sides, actions) }
}

fn token(requests: &Requests<'_>) -> TransferStep {
    TransferStep {
        note: requests.hub_token("pull"),
        ..step(
            "Gets a token, if the registry answered 401: its header WWW-Authenticate says where. \
             All requests that follow carry the token.",
        )
    }
}

/// Up to the digest of the tag.
fn resolved(requests: &Requests<'_>) -> Vec<TransferStep> {
    vec![
        TransferStep {
            requests: vec![requests.base()],
            ..step("Asks whether this is a registry.")
        },
        token(requests),
        TransferStep {
            requests: vec![requests.by_tag("HEAD")],
            unchecked: Some(
                "the answer's header Docker-Content-Digest: docker asks for the digest that it \
                 names. A wrong one gives a 404, not a wrong image",
            ),
            note: Some(
                "The header Accept lists the media types that docker knows (schema 1, schema 2, \
                 OCI manifest, and the lists of both), and the registry chooses among them; \
                 without it, one that has an OCI index answers 404. Without Docker-Content-Digest in the answer, docker gets the manifest by tag and \
                 then by digest. A pull by digest leaves this step out."
                    .to_owned(),
            ),
            ..step("Asks which digest the tag has.")
        },
    ]
}

fn layers(requests: &Requests<'_>) -> TransferStep {
    TransferStep {
        requests: requests.layers("GET"),
        at_once: GRAPH_DRIVER_PULLS,
        checked: Some("sha256 of the compressed bytes, against the digest in the manifest"),
        errors: &["filesystem layer verification failed for digest"],
        unchecked: Some("the size: a wrong size in the manifest is not noticed"),
        note: Some(
            "A layer that broke off is asked for again from where it stopped (Range). Docker Hub \
             redirects to another host."
                .to_owned(),
        ),
        ..step(
            "Gets the layers, three at a time, each into a file; leaves out those that are here.",
        )
    }
}

const UNPACKS: &str = "Unpacks from base to top, each layer as soon as it and those below it are \
                       here, while others still arrive; hashes the uncompressed tar: diff ID, then \
                       chain ID.";

fn is_schema1(subject: &ExplainedImage) -> bool {
    subject.own.as_ref().is_some_and(|own| own.kind == DocumentKind::Schema1)
}

/// Of the old form, which has no config.
fn of_schema1(requests: &Requests<'_>) -> Vec<TransferStep> {
    let mut steps = resolved(requests);
    steps.push(TransferStep {
        requests: vec![requests.manifest("GET")],
        checked: Some("sha256 of the payload, if the pull was by digest, against that digest"),
        errors: &["image verification failed for digest"],
        unchecked: Some("the signature; of a pull by tag, the digest"),
        ..step(
            "Gets the manifest by that digest. docker 26 takes schema 1 only where told to, 28.2 \
             not at all.",
        )
    });
    steps.push(layers(requests));
    steps.push(step(UNPACKS));
    steps.push(TransferStep {
        unchecked: Some("the diff IDs, as there is nothing to compare them with"),
        ..step("Makes a config of the manifest's V1 JSON and the diff IDs: its sha256 is the image ID.")
    });
    steps
}

/// What happens where the tag points at an index, and the source has none.
fn perhaps_an_index() -> TransferStep {
    step(
        "If the tag points at an index, as that of every official image does: gets the index by \
         that digest, chooses the platform, and takes the digest of its manifest from the index.",
    )
}

fn graph_driver(subject: &ExplainedImage, requests: &Requests<'_>) -> Vec<TransferStep> {
    if is_schema1(subject) {
        return of_schema1(requests);
    }
    let mut steps = resolved(requests);
    let unchecked = "the body of a pull by tag: docker takes whatever the registry sends, so HTTPS \
                     alone protects it";
    let by_digest = "sha256 of the body, if the pull was by digest, against that digest";
    let by_digest_errors = &["manifest verification failed for digest"];
    let top = |what: &str, request| TransferStep {
        requests: vec![request],
        checked: Some(by_digest),
        errors: by_digest_errors,
        unchecked: Some(unchecked),
        ..step(format!("Gets {what} by that digest."))
    };
    match requests.index("GET") {
        Some(index) => {
            steps.push(top("the index", index));
            steps.push(TransferStep {
                requests: vec![requests.manifest("GET")],
                checked: Some("sha256 of the body, against the digest in the index"),
                errors: by_digest_errors,
                ..step(format!("Chooses {} and gets its manifest.", platform(subject)))
            });
        }
        None => {
            steps.push(perhaps_an_index());
            steps.push(top("the manifest", requests.manifest("GET")));
        }
    }
    steps.push(TransferStep {
        requests: vec![requests.config("GET")],
        checked: Some("sha256 of the body, against config.digest of the manifest"),
        errors: &["image config verification failed"],
        ..step("Stops if this image ID is here already. Else gets the config, and beside it:")
    });
    steps.push(layers(requests));
    steps.push(TransferStep {
        unchecked: Some("the diff ID: it is not yet compared, see the next step"),
        ..step(UNPACKS)
    });
    steps.push(TransferStep {
        checked: Some("number and values of the diff IDs, against rootfs.diff_ids of the config"),
        errors: &["layers from manifest don't match image configuration"],
        ..step("Compares when all are unpacked.")
    });
    steps.push(step(
        "Keeps the config as it is: its sha256 is the image ID. Does not keep compressed layers.",
    ));
    steps
}

fn platform(subject: &ExplainedImage) -> String {
    subject.platform().unwrap_or_else(|| "the host's platform".to_owned())
}

/// Checked by the containerd store of every body.
fn get(title: impl Into<String>, requests: Vec<HttpRequest>) -> TransferStep {
    TransferStep {
        requests,
        checked: Some("sha256 and size, before it gets a name in the store"),
        errors: &["unexpected commit digest", "failed size validation", "short read"],
        ..step(title)
    }
}

fn containerd(subject: &ExplainedImage, requests: &Requests<'_>) -> Vec<TransferStep> {
    let mut steps = vec![
        TransferStep {
            requests: vec![requests.by_tag("HEAD")],
            unchecked: Some(
                "digest and size in the answer's headers, until the next step: a wrong digest \
                 gives a 404, not a wrong image",
            ),
            note: Some(
                "It sends no GET /v2/ first. The header Accept lists schema 2, OCI manifest, the \
                 lists of both, and */*. Without Docker-Content-Digest in the answer, docker gets \
                 the manifest by tag and then by digest. A pull by digest asks for the digest in \
                 place of the tag."
                    .to_owned(),
            ),
            ..step("Asks which digest the tag has.")
        },
        token(requests),
    ];
    if is_schema1(subject) {
        steps.push(step("Refuses schema 1: containerd 2.0 turned it off, 2.1 removed it."));
        return steps;
    }
    match requests.index("GET") {
        Some(index) => {
            steps.push(get("Gets the index by that digest.", vec![index]));
            let title = format!("Chooses {} and gets its manifest.", platform(subject));
            steps.push(get(title, vec![requests.manifest("GET")]));
        }
        None => {
            steps.push(perhaps_an_index());
            steps.push(get("Gets the manifest by that digest.", vec![requests.manifest("GET")]));
        }
    }
    steps.push(TransferStep {
        note: Some("ctr before 2.0 gets it beside the layers.".to_owned()),
        ..get(
            "Gets the config, alone: it says which layers are to come out.",
            vec![requests.config("GET")],
        )
    });
    steps.push(TransferStep {
        at_once: CONTAINERD_PULLS,
        ..get(
            "Gets the layers: three at a time since docker 29.7, all at once before.",
            requests.layers("GET"),
        )
    });
    steps.push(TransferStep {
        checked: Some("number and values of the diff IDs, against rootfs.diff_ids of the config"),
        errors: &[
            "wrong diff id calculated on extraction",
            "number of layers and diffIDs don't match",
        ],
        ..step("Unpacks each layer once the ones below are here, while others still arrive.")
    });
    steps.push(step(
        "Keeps everything as it came, compressed layers too. The image is named by the digest of \
         what the tag points at.",
    ));
    steps
}
