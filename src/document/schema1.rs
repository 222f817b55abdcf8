//! Schema 1 manifests: payload, layers and signatures.
//!
//! Rules: distribution `manifest-v2-1.md`; libtrust `jsonsign.go` for the signatures; the checks of
//! IDs are those of containers/image `fixManifestLayers`. The digest of a signed manifest is that
//! of its payload: the bytes that were signed, which are recovered, not written again.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::check_layers;
use crate::digest::{Digest, Measured, V1LayerId};
use crate::document::descriptor::{optional, strings};
use crate::error::ErrorKind;
use crate::json::{self, Trailing, Value};
use crate::limits;

/// A schema 1 manifest.
#[derive(Debug, Clone)]
pub struct Schema1 {
    /// Repository, without a host.
    pub name: String,
    /// Tag.
    pub tag: String,
    /// Architecture.
    pub architecture: String,
    /// In the order of the document: newest first, including empty ones.
    pub layers: Vec<Layer1>,
    /// Signatures; none for an unsigned manifest.
    pub signatures: Vec<Jws>,
    payload: Vec<u8>,
}

/// One entry of `fsLayers` and `history`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Layer1 {
    /// Digest of the stored layer.
    pub blob_sum: Digest,
    /// Its ID.
    pub id: V1LayerId,
    /// The ID of the layer below.
    pub parent: Option<V1LayerId>,
    /// The creation time, as written.
    pub created: String,
    /// `container_config.Cmd`, joined with spaces.
    pub created_by: String,
    /// Whether it is empty.
    pub throwaway: bool,
    /// The V1 JSON, as in the string.
    pub v1: String,
}

/// One signature in libtrust's form.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Jws {
    /// `ES256`, `ES384`, `RS256`.
    pub algorithm: String,
    /// The embedded key, if there is one.
    pub key: Jwk,
    /// Number of certificates, if there is a chain instead of a key.
    pub certificates: usize,
    /// The protected header, base64url.
    pub protected: String,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

/// A public key (RFC 7517), numbers in base64url.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Jwk {
    /// `EC` or `RSA`.
    pub kind: String,
    /// Its fingerprint in the form of libtrust.
    pub id: String,
    /// Curve.
    pub curve: String,
    /// Point.
    pub x: String,
    /// Point.
    pub y: String,
    /// Modulus.
    pub n: String,
    /// Exponent.
    pub e: String,
}

/// The signatures that the digest of a document leaves out, as registries find them
/// (containers/image `manifest.Digest`): only if its version is schema 1 and its media type is not
/// another kind.
pub(crate) fn schema1_signatures(value: Value<'_>) -> Option<Value<'_>> {
    let [version, signatures, media_type] =
        value.fields("the document", ["schemaVersion", "signatures", "mediaType"]).ok()?;
    let said = optional(media_type, "mediaType").ok()?;
    let other = crate::document::media_type::MediaKind::of(&said)
        .is_some_and(|(thing, _)| thing != crate::document::media_type::MediaKind::Schema1);
    signatures.filter(|_| version.is_some_and(|it| it.raw() == "1") && !other)
}

impl Schema1 {
    /// Parses a signed or unsigned manifest. Signatures are parsed, not verified.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, ErrorKind> {
        if raw.len() as u64 > limits::MANIFEST {
            let what = "the size of the manifest, in bytes,";
            return Err(ErrorKind::limit(what, limits::MANIFEST, raw.len()));
        }
        let checked = json::check(raw, Trailing::Refused)?;
        if let Some(repeated) = checked.duplicates.first() {
            return Err(ErrorKind::DuplicateKey { key: repeated.key.clone() });
        }
        let value = checked.value;
        super::unambiguous(
            value,
            "a schema 1 manifest (fsLayers, history)",
            &["fsLayers", "history"],
        )?;
        let [signatures] = value.fields("the manifest", ["signatures"])?;
        let signatures = signatures.map(read_signatures).transpose()?.unwrap_or_default();
        let payload = match signed_part(&signatures)? {
            None => raw.to_vec(),
            Some(part) => payload(raw, value, &part)?,
        };
        let mut schema1 = Self::view(&payload)?;
        schema1.signatures = signatures;
        schema1.payload = payload;
        Ok(schema1)
    }

    /// The signed bytes, which the digest covers.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Digest and size of the payload.
    #[must_use]
    pub fn measured(&self) -> Measured {
        Measured::of(&self.payload)
    }

    /// The layers that make up the image, oldest first: an entry that repeats the ID below it is
    /// the same layer again.
    #[must_use]
    pub fn oldest_first(&self) -> Vec<&Layer1> {
        let mut layers: Vec<&Layer1> = Vec::with_capacity(self.layers.len());
        for layer in self.layers.iter().rev() {
            if layers.last().is_none_or(|below| below.id != layer.id) {
                layers.push(layer);
            }
        }
        layers
    }

    fn view(payload: &[u8]) -> Result<Self, ErrorKind> {
        let checked = json::check(payload, Trailing::Refused)?;
        let [version, name, tag, architecture, layers, history, signatures] =
            checked.value.fields(
                "the signed payload",
                [
                    "schemaVersion",
                    "name",
                    "tag",
                    "architecture",
                    "fsLayers",
                    "history",
                    "signatures",
                ],
            )?;
        if signatures.is_some() {
            let found = "signatures inside it";
            return Err(ErrorKind::field("the signed payload", "a manifest", found));
        }
        match version {
            Some(version) if version.raw() == "1" => (),
            Some(version) => {
                return Err(
                    version.unexpected("schemaVersion", "1, as in every document with fsLayers")
                );
            }
            // Registries would compute the digest of the whole document with its signatures.
            None => {
                return Err(ErrorKind::field(
                    "schemaVersion",
                    "1, as in every document with fsLayers",
                    "nothing",
                ));
            }
        }
        let sums = list(layers, "fsLayers")?;
        let history = list(history, "history")?;
        if sums.len() != history.len() || sums.is_empty() {
            return Err(ErrorKind::field(
                "history",
                "as many entries as fsLayers, at least one",
                &format!("{} in history and {} in fsLayers", history.len(), sums.len()),
            ));
        }
        let layers = sums.into_iter().zip(history).enumerate();
        let layers = layers.map(|(at, (sum, entry))| layer(at, sum, entry));
        let schema1 = Self {
            name: optional(name, "name")?,
            tag: optional(tag, "tag")?,
            architecture: optional(architecture, "architecture")?,
            layers: layers.collect::<Result<_, _>>()?,
            signatures: Vec::new(),
            payload: Vec::new(),
        };
        schema1.check_ids()?;
        Ok(schema1)
    }

    /// The parent of each layer is the next one, the last has none, and each ID is unique.
    fn check_ids(&self) -> Result<(), ErrorKind> {
        let bad = |what, at: usize, found: String| ErrorKind::Parents {
            what,
            found: format!("{found} in history[{at}]"),
        };
        let mut seen = BTreeSet::new();
        let last = self.layers.len().saturating_sub(1);
        let nobody = || "no parent".to_owned();
        for (at, pair) in self.layers.windows(2).enumerate() {
            let [layer, below] = pair else { continue };
            if layer.id != below.id && layer.parent != Some(below.id) {
                let found = layer.parent.map_or_else(nobody, |it| it.to_string());
                return Err(bad("expected the ID of the next entry as parent", at, found));
            }
        }
        for (at, layer) in self.layers.iter().enumerate() {
            let repeats = at
                .checked_sub(1)
                .and_then(|at| self.layers.get(at))
                .is_some_and(|above| above.id == layer.id);
            if !seen.insert(layer.id) && !repeats {
                return Err(bad("expected each ID once in history", at, layer.id.to_string()));
            }
            if let (true, Some(parent)) = (at == last, layer.parent) {
                return Err(bad(
                    "expected no parent below the oldest layer",
                    at,
                    parent.to_string(),
                ));
            }
        }
        Ok(())
    }
}

fn list<'a>(value: Option<Value<'a>>, name: &str) -> Result<Vec<Value<'a>>, ErrorKind> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for item in value.list(name)? {
        found.push(item);
        check_layers(found.len())?;
    }
    Ok(found)
}

fn layer(at: usize, sum: Value<'_>, entry: Value<'_>) -> Result<Layer1, ErrorKind> {
    let field = format!("fsLayers[{at}].blobSum");
    let [sum] = sum.fields(&field, ["blobSum"])?;
    let sum = optional(sum, &field)?;
    let blob_sum = sum.parse().map_err(|_| ErrorKind::field(&field, "a digest", &sum))?;
    let field = format!("history[{at}].v1Compatibility");
    let [v1] = entry.fields(&field, ["v1Compatibility"])?;
    let v1 = optional(v1, &field)?;
    // The string contains another document, with the same limits.
    let checked = json::check(v1.as_bytes(), Trailing::Refused).map_err(|fault| {
        ErrorKind::field(&field, "a JSON object", &ErrorKind::from(fault).to_string())
    })?;
    let [id, parent, created, config, throwaway] = checked
        .value
        .fields(&field, ["id", "parent", "created", "container_config", "throwaway"])?;
    let parse = |text: String, name: &str| {
        let field = format!("{field}.{name}");
        text.parse().map_err(|_| ErrorKind::field(&field, "64 lower-case hex digits", &text))
    };
    let id = parse(optional(id, &field)?, "id")?;
    let parent = optional(parent, &field)?;
    let parent = if parent.is_empty() { None } else { Some(parse(parent, "parent")?) };
    let command = match config {
        Some(config) => config.fields(&field, ["Cmd"])?[0],
        None => None,
    };
    let created = optional(created, &field)?;
    let created_by = strings(command, &field)?.join(" ");
    let throwaway = throwaway.map(|it| it.bool(&field)).transpose()?.unwrap_or_default();
    Ok(Layer1 { blob_sum, id, parent, created, created_by, throwaway, v1 })
}

fn read_signatures(value: Value<'_>) -> Result<Vec<Jws>, ErrorKind> {
    let mut found = Vec::new();
    for (at, signature) in value.list("signatures")?.enumerate() {
        if at == limits::SIGNATURES {
            let limit = limits::SIGNATURES as u64;
            return Err(ErrorKind::limit("the number of signatures", limit, "more"));
        }
        found.push(read_signature(signature, &format!("signatures[{at}]"))?);
    }
    if found.is_empty() {
        return Err(ErrorKind::field("signatures", "at least one signature", "an empty list"));
    }
    Ok(found)
}

fn read_signature(value: Value<'_>, field: &str) -> Result<Jws, ErrorKind> {
    let [header, protected, signature] =
        value.fields(field, ["header", "protected", "signature"])?;
    let protected = optional(protected, field)?;
    let text = optional(signature, field)?;
    let signature = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| ErrorKind::field(field, "a signature in base64url", &text))?;
    let mut jws = Jws { protected, signature, ..Jws::default() };
    let Some(header) = header else { return Ok(jws) };
    let [algorithm, key, chain] = header.fields(field, ["alg", "jwk", "x5c"])?;
    jws.algorithm = optional(algorithm, field)?;
    jws.certificates = strings(chain, field)?.len();
    if let Some(key) = key {
        let [kind, id, curve, x, y, n, e] =
            key.fields(field, ["kty", "kid", "crv", "x", "y", "n", "e"])?;
        jws.key = Jwk {
            kind: optional(kind, field)?,
            id: optional(id, field)?,
            curve: optional(curve, field)?,
            x: optional(x, field)?,
            y: optional(y, field)?,
            n: optional(n, field)?,
            e: optional(e, field)?,
        };
    }
    Ok(jws)
}

/// The signed part of a document: a number of bytes, and the end that followed them.
struct Part {
    length: usize,
    tail: Vec<u8>,
}

/// Reads the protected headers, which must all describe the same bytes.
fn signed_part(signatures: &[Jws]) -> Result<Option<Part>, ErrorKind> {
    let mut part: Option<Part> = None;
    for (at, jws) in signatures.iter().enumerate() {
        let field = format!("signatures[{at}].protected");
        let bad = |found: &str| {
            ErrorKind::field(&field, "base64url of JSON with formatLength and formatTail", found)
        };
        let header = URL_SAFE_NO_PAD
            .decode(jws.protected.trim_end_matches('='))
            .map_err(|_| bad("not base64url"))?;
        let checked = json::check(&header, Trailing::Refused).map_err(|_| bad("not JSON"))?;
        let [length, tail] = checked
            .value
            .fields(&field, ["formatLength", "formatTail"])
            .map_err(|_| bad("not an object"))?;
        let length = length
            .and_then(|it| it.size("formatLength").ok())
            .and_then(|it| usize::try_from(it).ok())
            .ok_or_else(|| bad("a formatLength that is missing or not a size"))?;
        let tail = optional(tail, "formatTail")?;
        let tail = URL_SAFE_NO_PAD
            .decode(tail.trim_end_matches('='))
            .map_err(|_| bad("a formatTail that is not base64url"))?;
        match &part {
            Some(known) if known.length != length || known.tail != tail => {
                return Err(ErrorKind::field(
                    "signatures",
                    "signatures of one payload",
                    "signatures that disagree on formatLength or formatTail",
                ));
            }
            _ => part = Some(Part { length, tail }),
        }
    }
    Ok(part)
}

/// Recovers the signed bytes. Everything except the signatures must be inside them.
fn payload(raw: &[u8], document: Value<'_>, part: &Part) -> Result<Vec<u8>, ErrorKind> {
    let bad = |found: &str| {
        ErrorKind::field("formatLength", "the length of the payload before the signatures", found)
    };
    let start = raw.get(..part.length).ok_or_else(|| bad("more than the document has"))?;
    for (key, value) in document.members("the manifest")? {
        let Range { start, end } = value.span_in(raw);
        if key == "signatures" {
            if start < part.length {
                return Err(bad("a payload that overlaps the signatures"));
            }
        } else if end > part.length {
            let found = format!("{key} outside the signed payload");
            return Err(bad(&found));
        }
    }
    Ok([start, &part.tail].concat())
}

/// The payload of a signed manifest, without checking anything else: registries compute the digest
/// from it.
pub(crate) fn digest_payload(raw: &[u8], signatures: Value<'_>) -> Result<Vec<u8>, ErrorKind> {
    let signatures = read_signatures(signatures)?;
    let part = signed_part(&signatures)?;
    let Some(part) = part else { return Ok(raw.to_vec()) };
    let start = raw.get(..part.length).ok_or_else(|| {
        let found = "more than the document has";
        ErrorKind::field("formatLength", "the length of the payload", found)
    })?;
    Ok([start, &part.tail].concat())
}
