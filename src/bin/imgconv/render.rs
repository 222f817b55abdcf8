//! Prints facts as text and as JSON.

mod batch;
mod catalogue;
mod compare;
mod explain;
mod history;
mod inspect;
mod junit;
mod roundtrip;
mod verify;

pub(crate) use batch::batch;
pub(crate) use catalogue::{catalogue, codes_json};
pub(crate) use compare::{comparison, comparison_junit};
pub(crate) use explain::explanation;
pub(crate) use history::histories;
pub(crate) use inspect::inspection;
pub(crate) use junit::{TestCase, TestResult, TestSuite, junit, junit_of_failure};
pub(crate) use roundtrip::{steps, steps_json, steps_junit};
pub(crate) use verify::{FindingCount, checks, problems, verifications};

use std::fmt::Write as _;

use imgconv::convert::{
    Outcome, Plan, PlannedImage, PlannedManifest, PushForecast, Written, WrittenEntry,
};
use imgconv::digest::Digest;
use imgconv::error::Shown;
use imgconv::image::reading::Note;
use imgconv::image::reason::Loss;
use imgconv::recover::RecoveredImage;
use indicatif::HumanBytes;
use serde::Serialize;

use crate::args::OutputFormat;

/// The version of every JSON answer. A key that is removed or renamed, or that gets another meaning,
/// raises it; a new key does not.
const VERSION: u32 = 1;

/// An answer as JSON, with its version.
#[derive(Serialize)]
struct Answer<'a, T: Serialize> {
    version: u32,
    #[serde(flatten)]
    answer: &'a T,
}

/// The JSON of an answer.
pub(crate) fn json(answer: &impl Serialize) -> String {
    pretty(&Answer { version: VERSION, answer })
}

/// Pretty JSON with a final newline. Control characters are escaped, so that they are not lost when
/// output is filtered.
fn pretty(value: &impl Serialize) -> String {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut text = String::with_capacity(pretty.len() + 1);
    for char in pretty.chars() {
        if char.is_control() && char != '\n' {
            let _ = write!(text, "\\u{:04x}", u32::from(char));
        } else {
            text.push(char);
        }
    }
    text.push('\n');
    text
}

/// The output of a conversion. `docs/schema/conversion.json` describes the JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConversionJson<'a> {
    source: &'a str,
    destination: &'a str,
    dry_run: bool,
    entries: Vec<&'a WrittenEntry>,
    images: Vec<ConvertedImage>,
    losses: &'a [Loss],
    findings: &'a [Note],
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<PushForecast>,
    #[serde(skip_serializing_if = "<[RecoveredImage]>::is_empty")]
    recovered: &'a [RecoveredImage],
}

impl<'a> ConversionJson<'a> {
    /// A conversion without entries of the destination.
    fn new(
        [source, destination]: [&'a str; 2],
        images: Vec<ConvertedImage>,
        (losses, findings): (&'a [Loss], &'a [Note]),
    ) -> Self {
        Self {
            source,
            destination,
            dry_run: false,
            entries: Vec::new(),
            images,
            losses,
            findings,
            push: None,
            recovered: &[],
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConvertedImage {
    names: Vec<String>,
    platform: String,
    manifest_digest: Option<String>,
    image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    planned: Option<PlannedLayers>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlannedLayers {
    layer_count: usize,
    kept: usize,
    size: u64,
}

/// One line per name: name, digest, image ID; `-` for a missing value. The images of an index
/// follow on lines without a name, with their platform.
pub(crate) fn written(
    (outcome, recovered): (&Outcome, &[RecoveredImage]),
    places: [&str; 2],
    format: OutputFormat,
) -> String {
    let written = &outcome.written;
    if format == OutputFormat::Json {
        let images = written.iter().map(|image| ConvertedImage {
            names: image.names.clone(),
            platform: image.platform.to_string(),
            manifest_digest: image.manifest.map(|digest| digest.to_string()),
            image_id: image.image_id.to_string(),
            planned: None,
        });
        let said = (outcome.losses.as_slice(), outcome.notes.as_slice());
        let conversion = ConversionJson::new(places, images.collect(), said);
        let entries = outcome.entries.iter().collect();
        return json(&ConversionJson { entries, recovered, ..conversion });
    }
    let mut text = String::new();
    let shown = |digest: Option<Digest>| digest.map_or_else(|| "-".to_owned(), |it| it.to_string());
    for entry in &outcome.entries {
        let images: Vec<&Written> = entry.images.iter().filter_map(|at| written.get(*at)).collect();
        let id = match images.as_slice() {
            [image] if !entry.is_index() => image.image_id.to_string(),
            _ => String::new(),
        };
        let unnamed = ["-".to_owned()];
        let names = if entry.names.is_empty() { &unnamed[..] } else { &entry.names };
        for name in names {
            let _ = writeln!(text, "{}\t{}\t{id}", Shown(name), shown(entry.digest));
        }
        for image in images.iter().filter(|_| entry.is_index()) {
            let (manifest, platform) = (shown(image.manifest), image.platform.to_string());
            let _ = writeln!(text, "\t{manifest}\t{}\t{}", image.image_id, Shown(&platform));
        }
    }
    text
}

/// What would be done.
pub(crate) fn plan(
    plan: &Plan,
    push: Option<PushForecast>,
    places: [&str; 2],
    format: OutputFormat,
) -> String {
    let images = plan.images();
    if format == OutputFormat::Json {
        let images = images.into_iter().map(|image| ConvertedImage {
            names: image.names,
            platform: image.platform.to_string(),
            manifest_digest: match image.manifest {
                PlannedManifest::Kept(digest) => Some(digest.to_string()),
                _ => None,
            },
            image_id: image.image_id.to_string(),
            planned: Some(PlannedLayers {
                layer_count: image.kept.1,
                kept: image.kept.0,
                size: image.size,
            }),
        });
        let said = (plan.losses.as_slice(), plan.notes.as_slice());
        let conversion = ConversionJson::new(places, images.collect(), said);
        return json(&ConversionJson { dry_run: true, push, ..conversion });
    }
    let mut lines: Vec<String> = images.iter().map(planned).collect();
    lines.extend(push.map(pushed));
    lines.join("\n")
}

/// What a push would send.
fn pushed(push: PushForecast) -> String {
    let all = push.present + push.missing;
    let blobs = if all == 1 { "1 blob".to_owned() } else { format!("{all} blobs") };
    let mut text = format!(
        "registry: has {} of {blobs}; {} to send, {}",
        push.present,
        push.missing,
        human(push.size)
    );
    if push.unknown > 0 {
        let layers =
            if push.unknown == 1 { "1 layer" } else { &format!("{} layers", push.unknown) };
        let _ = write!(text, "; {layers} to compress first");
    }
    text.push('\n');
    text
}

fn planned(image: &PlannedImage) -> String {
    let manifest = match image.manifest {
        PlannedManifest::Kept(digest) => format!("{digest} (kept)"),
        PlannedManifest::New => "new (the digest is known after the layers are stored)".to_owned(),
        _ => "none in this dialect".to_owned(),
    };
    let (kept, total) = image.kept;
    let layers = match total - kept {
        0 => format!("{total}, all kept byte for byte"),
        changed => format!("{total}: {kept} kept byte for byte, {changed} changed"),
    };
    format!(
        "{}\n  platform  {}\n  image ID  {} (kept)\n  manifest  {manifest}\n  layers    {layers}, {} to read\n",
        names(&image.names),
        image.platform,
        image.image_id,
        human(image.size),
    )
}

fn names(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().map(|name| Shown(name).to_string()).collect();
    if shown.is_empty() { "without a name".to_owned() } else { shown.join(", ") }
}

/// The full text; only control characters and characters that reorder lines are escaped.
pub(crate) fn whole(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let pieces = chars.chunks(imgconv::limits::SHOWN);
    pieces.map(|piece| Shown(&piece.iter().collect::<String>()).to_string()).collect()
}

/// The beginning of a text, and its length; escaped when it is printed.
fn brief(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most).collect();
    format!("{head}… ({length} characters)")
}

/// A number of bytes in KiB, MiB or GiB.
pub(crate) fn human(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// How much of a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// Short digests, for 80 columns.
    Narrow,
    /// Everything in full.
    Wide,
}
