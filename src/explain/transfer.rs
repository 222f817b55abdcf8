//! Requests between docker and a registry, step by step, with what is checked at each.

use serde::Serialize;

use super::asked::AnsweredRequest;
use super::image::{ExplainedImage, SAVED};
use super::versions::{AtOnce, CONTAINERD, GRAPH_DRIVER, VersionRow, WHICH_STORE, versions_of};
use crate::reference::Reference;

/// A pull or a push.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Transfer {
    /// In a few sentences.
    pub answer: &'static str,
    /// What should be known of the numbers.
    pub note: Option<&'static str>,
    /// How to see which store a docker uses.
    pub which_store: &'static str,
    /// One per store of docker.
    pub sides: Vec<TransferSide>,
    /// What differs between versions.
    pub versions: Vec<VersionRow>,
    /// What imgconv itself asked the registry for, where the image is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Vec<AnsweredRequest>>,
}

/// What docker does with one of its stores.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TransferSide {
    /// `graph-driver` or `containerd`.
    pub store: &'static str,
    /// In words.
    pub title: &'static str,
    /// In order.
    pub steps: Vec<TransferStep>,
}

/// One step.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TransferStep {
    /// Its place, from one.
    pub number: usize,
    /// What happens.
    pub title: String,
    /// Requests, in the order in which they start.
    pub requests: Vec<HttpRequest>,
    /// How many of them run at once; empty where they follow each other.
    pub at_once: &'static [AtOnce],
    /// What is checked, and against what.
    pub checked: Option<&'static str>,
    /// What the error says when that fails, word for word: one text per way to fail.
    pub errors: &'static [&'static str],
    /// What is not checked here, though one may think so.
    pub unchecked: Option<&'static str>,
    /// What else happens here, or in which case it does not.
    pub note: Option<String>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HttpRequest {
    /// `GET`, `HEAD`, `POST`, `PATCH`, `PUT`.
    pub method: &'static str,
    /// Path and query at the registry; what is not known is written in angle brackets.
    pub path: String,
    /// What it is about.
    pub of: String,
    /// Digest of the body, where it is known.
    pub digest: Option<String>,
    /// Bytes of the body, where they are known.
    pub size: Option<u64>,
}

/// What docker does with each of its stores, and what of that differs between versions.
pub(super) fn transfer(
    subject: &ExplainedImage,
    answer: &'static str,
    [graph_driver, containerd]: [Vec<TransferStep>; 2],
    actions: &[&str],
) -> Transfer {
    let side = |store, title, steps| TransferSide { store, title, steps: numbered(steps) };
    let sides = vec![
        side("graph-driver", GRAPH_DRIVER, graph_driver),
        side("containerd", CONTAINERD, containerd),
    ];
    let versions = versions_of(actions);
    let (note, which_store) = (note(subject), WHICH_STORE);
    Transfer { answer, note, which_store, sides, versions, asked: None }
}

/// Numbers the steps.
fn numbered(steps: Vec<TransferStep>) -> Vec<TransferStep> {
    let steps = steps.into_iter().enumerate();
    steps.map(|(at, step)| TransferStep { number: at.saturating_add(1), ..step }).collect()
}

/// A step of no requests and no checks, to be filled.
pub(super) fn step(title: impl Into<String>) -> TransferStep {
    TransferStep {
        number: 0,
        title: title.into(),
        requests: Vec::new(),
        at_once: &[],
        checked: None,
        errors: &[],
        unchecked: None,
        note: None,
    }
}

/// Makes the requests for one image.
pub(super) struct Requests<'a> {
    subject: &'a ExplainedImage,
    name: &'a str,
    tag: &'a str,
}

impl<'a> Requests<'a> {
    pub(super) fn new(subject: &'a ExplainedImage) -> Self {
        let reference = subject.reference.as_ref();
        Self {
            subject,
            name: reference.map_or("<name>", Reference::path),
            tag: reference.map_or("<tag>", Reference::tag),
        }
    }

    /// The request for a token at Docker Hub; nothing for an image of another registry.
    pub(super) fn hub_token(&self, action: &str) -> Option<String> {
        let reference = self.subject.reference.as_ref()?;
        let path = reference.repository();
        let path = path.strip_prefix("docker.io/")?;
        Some(format!(
            "Docker Hub is the host registry-1.docker.io; its tokens come from \
             GET https://auth.docker.io/token?service=registry.docker.io&scope=repository:{path}:{action}"
        ))
    }

    pub(super) fn base(&self) -> HttpRequest {
        HttpRequest {
            method: "GET",
            path: "/v2/".to_owned(),
            of: "the registry".to_owned(),
            digest: None,
            size: None,
        }
    }

    /// Of the manifest or index that the tag points at, by its tag.
    pub(super) fn by_tag(&self, method: &'static str) -> HttpRequest {
        let path = format!("/v2/{}/manifests/{}", self.name, self.tag);
        HttpRequest { method, path, of: "the tag".to_owned(), digest: None, size: None }
    }

    /// Of the index, by its digest, where there is one.
    pub(super) fn index(&self, method: &'static str) -> Option<HttpRequest> {
        let index = self.subject.index.as_ref()?;
        let (digest, size) = (Some(index.digest.to_string()), Some(index.size));
        Some(self.by_digest(method, "manifests", "the index", (digest, size)))
    }

    /// Of the manifest, by its digest.
    pub(super) fn manifest(&self, method: &'static str) -> HttpRequest {
        let known =
            self.subject.manifest().map(|(digest, size)| (digest.to_string(), size)).unzip();
        self.by_digest(method, "manifests", "the manifest", known)
    }

    pub(super) fn config(&self, method: &'static str) -> HttpRequest {
        let digest = self.subject.image_id().map(|id| id.to_string());
        self.blob(method, "the config", digest, self.subject.config_size())
    }

    /// Of every layer once, base first.
    pub(super) fn layers(&self, method: &'static str) -> Vec<HttpRequest> {
        let mut requests: Vec<HttpRequest> = Vec::new();
        for layer in &self.subject.layers {
            let of = format!("layer {}", layer.layer);
            let digest = layer.stored_digest().map(str::to_owned);
            let request = self.blob(method, &of, digest, layer.stored_size());
            let known = requests.iter().any(|it| it.path == request.path);
            if !known {
                requests.push(request);
            }
        }
        requests
    }

    pub(super) fn blob(
        &self,
        method: &'static str,
        of: &str,
        digest: Option<String>,
        size: Option<u64>,
    ) -> HttpRequest {
        self.by_digest(method, "blobs", of, (digest, size))
    }

    fn by_digest(
        &self,
        method: &'static str,
        kind: &str,
        of: &str,
        (digest, size): (Option<String>, Option<u64>),
    ) -> HttpRequest {
        let path = format!("/v2/{}/{kind}/{}", self.name, shown(digest.as_deref(), of));
        HttpRequest { method, path, of: of.to_owned(), digest, size }
    }

    /// The three requests of an upload.
    pub(super) fn upload(
        &self,
        of: &str,
        digest: Option<&str>,
        size: Option<u64>,
    ) -> [HttpRequest; 3] {
        let uploads = format!("/v2/{}/blobs/uploads/", self.name);
        let shown = shown(digest, of);
        let request = |method, path: String, digest: Option<&str>, size| HttpRequest {
            method,
            path,
            of: of.to_owned(),
            digest: digest.map(str::to_owned),
            size,
        };
        [
            request("POST", uploads.clone(), None, None),
            request("PATCH", format!("{uploads}<id>"), None, size),
            request("PUT", format!("{uploads}<id>?digest={shown}"), digest, None),
        ]
    }
}

/// A digest, or what stands for one that is not known.
fn shown(digest: Option<&str>, of: &str) -> String {
    digest.map_or_else(|| format!("<digest of {of}>"), str::to_owned)
}

/// Where the numbers come from, where they are not those of a registry.
fn note(subject: &ExplainedImage) -> Option<&'static str> {
    match (&subject.own, &subject.made) {
        (Some(_), _) if subject.saved => Some(SAVED),
        (Some(_), _) => None,
        (None, Some(_)) => Some(
            "This source has no manifest with compressed layers. The digests and sizes of manifest \
             and layers are those that save2oci makes of it; a registry that has this image \
             already has others.",
        ),
        (None, None) => Some(
            "This source has neither a manifest nor layers, so what is written in angle brackets \
             cannot be known from it.",
        ),
    }
}
