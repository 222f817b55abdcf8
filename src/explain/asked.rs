//! The requests of imgconv itself for an image of a registry, with the answers.
//!
//! Those that run at once are in the order of the image, so that the page is the same each time.

use serde::Serialize;

use super::image::ExplainedImage;
use super::transfer::Requests;
use crate::bytes::files::{LoggedRequest, RequestLog};
use crate::bytes::parallel::parallel;
use crate::error::{At as _, Result};
use crate::image::Image;
use crate::progress::{Event, Progress, tell};
use crate::store::connections;

/// A request that was sent, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AnsweredRequest {
    /// `GET`, `HEAD`.
    pub method: &'static str,
    /// Its URL without the query.
    pub url: String,
    /// What it is about.
    pub of: String,
    /// The status of the answer.
    pub status: u16,
}

/// What was asked: to read the image, and to see what a push would send.
#[derive(Debug, Default)]
pub(super) struct AskedRegistry {
    reads: Vec<LoggedRequest>,
    looks: Vec<LoggedRequest>,
}

impl AskedRegistry {
    /// What was asked to read an image.
    pub(super) fn reads(log: &RequestLog) -> Self {
        Self { reads: log.take(), looks: Vec::new() }
    }

    /// Looks for the layers of an image, as a push does first.
    pub(super) fn look(
        &mut self,
        (image, threads): (&Image, usize),
        log: &RequestLog,
        progress: &dyn Progress,
    ) -> Result<()> {
        let blobs = image.layers.iter().filter_map(|it| it.blob.as_ref());
        let blobs: Vec<_> = blobs.filter(|it| it.as_remote().is_some()).collect();
        log.turn();
        parallel(&blobs, connections(threads), &|_| 0, &|blob| {
            tell(progress, Event::Read(0)).at(&blob.at)?;
            // A registry that does not answer is a line of the page, or none.
            let _ = blob.as_remote().map(|it| it.presence());
            Ok(())
        })?;
        self.looks = log.take();
        Ok(())
    }
}

/// The requests that read the image; `None` if it is not in a registry.
pub(super) fn reads(subject: &ExplainedImage) -> Option<Vec<AnsweredRequest>> {
    subject.asked.as_ref().map(|it| told(&it.reads, subject))
}

/// The requests that look for its layers.
pub(super) fn looks(subject: &ExplainedImage) -> Option<Vec<AnsweredRequest>> {
    subject.asked.as_ref().map(|it| told(&it.looks, subject))
}

fn told(all: &[LoggedRequest], subject: &ExplainedImage) -> Vec<AnsweredRequest> {
    let known = known(subject);
    let place = |it: &LoggedRequest| known.iter().position(|(path, _)| it.url.ends_with(path));
    let mut ordered: Vec<&LoggedRequest> = all.iter().collect();
    ordered.sort_by_cached_key(|it| match it.turn {
        // One after the other: the tag, and what it takes to be let in.
        0 => (0, None, String::new()),
        turn => (turn, Some(place(it).unwrap_or(usize::MAX)), it.url.clone()),
    });
    let tell = |it: &LoggedRequest| {
        let of =
            place(it).and_then(|at| known.get(at)).map_or_else(|| other(it), |it| it.1.clone());
        AnsweredRequest { method: it.method, url: it.url.clone(), of, status: it.status }
    };
    ordered.into_iter().map(tell).collect()
}

/// The paths of the image, and what they are.
fn known(subject: &ExplainedImage) -> Vec<(String, String)> {
    let requests = Requests::new(subject);
    // A mirror may have another name for the repository.
    let ending = |path: String| {
        let mut parts = path.rsplitn(3, '/');
        match (parts.next(), parts.next()) {
            (Some(what), Some(kind)) => format!("/{kind}/{what}"),
            _ => path,
        }
    };
    let mut all = vec![requests.by_tag("GET")];
    all.extend(requests.index("GET"));
    all.extend([requests.manifest("GET"), requests.config("GET")]);
    all.extend(requests.layers("GET"));
    all.into_iter().map(|it| (ending(it.path), it.of)).collect()
}

/// What a request is about that is not one of the image.
fn other(it: &LoggedRequest) -> String {
    let is = |part: &str| it.url.contains(part);
    let of = match (is("/v2/"), is("/manifests/"), is("/blobs/")) {
        (true, true, _) => "another manifest",
        (true, _, true) => "another config",
        (true, ..) => "the registry",
        (false, ..) => "another server",
    };
    of.to_owned()
}
