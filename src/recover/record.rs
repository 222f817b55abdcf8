//! How each compressed layer of an image is made again, as recovery files state it.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::codec::{Pipeline, WriterRow};
use crate::digest::{DiffId, Digest};
use crate::error::ErrorKind;
use crate::json::go;

/// The media type of the list of records.
pub(super) const RECORDS: &str = "application/vnd.imgconv.recovery.layers.v1+json";

/// One layer. Nothing in it is believed: what it gives must have the digest.
#[derive(Debug, Clone)]
pub(super) struct LayerRecord {
    pub(super) diff_id: DiffId,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) how: RecordedAs,
}

/// How its bytes are made again.
#[derive(Debug, Clone)]
pub(super) enum RecordedAs {
    /// By a known writer of gzip, with this header.
    Written(&'static WriterRow, Vec<u8>),
    /// By this program.
    Own(Pipeline),
    /// From their corrections, which are a blob of the recovery file.
    Corrected(Digest),
    /// They are a blob of the recovery file.
    Stored,
}

#[derive(Deserialize)]
struct RecordList {
    layers: Vec<RecordText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordText {
    diff_id: String,
    digest: String,
    size: u64,
    #[serde(default)]
    writer: String,
    #[serde(default)]
    header: String,
    #[serde(default)]
    corrections: String,
}

/// The start of a name, and the codec for the level behind it.
type OwnCodec = (&'static str, fn(i32) -> Pipeline);

/// The codecs of this program in records.
const OWN: [OwnCodec; 2] = [("imgconv-zstd-", Pipeline::Zstd), ("imgconv-", Pipeline::GzipMany)];

/// The name of one of this program's own codecs.
pub(super) fn own_name(pipeline: Pipeline) -> Option<String> {
    match pipeline {
        Pipeline::GzipMany(level) => Some(format!("imgconv-{level}")),
        Pipeline::Zstd(level) => Some(format!("imgconv-zstd-{level}")),
        Pipeline::GzipOne(_) | Pipeline::GzipLike(_) => None,
    }
}

/// The JSON of a list of records.
pub(super) fn to_json(records: &[LayerRecord]) -> String {
    let layers = records.iter().map(|it| {
        let mut object = go::Object::new();
        object.string("diffId", &it.diff_id.to_string());
        object.string("digest", &it.digest.to_string()).number("size", it.size);
        match &it.how {
            RecordedAs::Written(row, header) => {
                object.string("writer", row.name).string("header", &STANDARD.encode(header));
            }
            RecordedAs::Own(pipeline) => {
                object.nonempty("writer", &own_name(*pipeline).unwrap_or_default());
            }
            RecordedAs::Corrected(digest) => {
                object.string("corrections", &digest.to_string());
            }
            RecordedAs::Stored => (),
        }
        object.finish()
    });
    go::Object::new().number("version", 1).json("layers", &go::list(layers)).finish()
}

/// Reads a list of records; one of a writer that is not known here is left out.
pub(super) fn parse(raw: &[u8]) -> Result<Vec<LayerRecord>, ErrorKind> {
    let field = |expected| {
        let (field, found) = ("layers".to_owned(), "something else".to_owned());
        ErrorKind::Field { field, expected, found }
    };
    let list: RecordList =
        serde_json::from_slice(raw).map_err(|_| field("a list of recovery records"))?;
    let mut records = Vec::new();
    for it in list.layers {
        let ids = it.diff_id.parse().ok().zip(it.digest.parse().ok());
        let (diff_id, digest) = ids.ok_or_else(|| field("digests"))?;
        let own = OWN.iter().find_map(|(prefix, pipeline)| {
            let level = it.writer.strip_prefix(prefix)?.parse().ok()?;
            Some(RecordedAs::Own(pipeline(level)))
        });
        let written = || {
            let header = STANDARD.decode(&it.header).ok()?;
            Some(RecordedAs::Written(WriterRow::named(&it.writer)?, header))
        };
        let corrected = || it.corrections.parse().ok().map(RecordedAs::Corrected);
        let stored = || it.writer.is_empty().then_some(RecordedAs::Stored);
        if let Some(how) = own.or_else(written).or_else(corrected).or_else(stored) {
            records.push(LayerRecord { diff_id, digest, size: it.size, how });
        }
    }
    Ok(records)
}
