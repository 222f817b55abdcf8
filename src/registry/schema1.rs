//! Images that a registry has only as a schema 1 manifest: all of their layers are fetched, because
//! the config and the manifest that stand for it state diff IDs and sizes, and schema 1 does not.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::name::RegistryName;
use super::remote::RemoteBlob;
use super::requests::Fetched;
use super::session::{Registries, RegistryEvent};
use crate::archive::v1::config::ConfigRules;
use crate::archive::v1::schema1::{EMPTY, KnownLayer, image_of, real_layers};
use crate::bytes::files::{ByteSource, RemotePresence, Replaced, temporary};
use crate::bytes::parallel::parallel;
use crate::codec::Compression;
use crate::digest::{Digest, Measured};
use crate::document::Schema1;
use crate::document::descriptor::blob_path;
use crate::document::media_type::MediaFamily;
use crate::error::{At as _, Error, ErrorKind, Location, Result, kind_of};
use crate::image::layer::measure_alone;
use crate::progress::{Event, Progress, tell};

/// What stands for a schema 1 manifest.
pub(super) struct Schema1Image {
    /// The new manifest.
    pub(super) manifest: Fetched,
    /// The config and the layers.
    pub(super) blobs: Vec<(Digest, ByteSource)>,
    pub(super) replaced: Replaced,
}

/// Makes the image; layers go into unnamed files in the folder `spool`.
pub(super) fn schema1_image(
    session: &Arc<Registries>,
    (name, found): (&RegistryName, &Fetched),
    (spool, progress): (&Path, &dyn Progress),
) -> Result<Schema1Image> {
    let at = Location::named(&name.to_string());
    let schema1 = Schema1::parse(&found.raw).at(&at)?;
    let (shown, digest) = (name.to_string(), found.digest);
    session.tell(&RegistryEvent::Schema1 { name: shown.clone(), digest }).at(&at)?;
    let real: Vec<Digest> = real_layers(&schema1).iter().map(|it| it.blob_sum).collect();
    let mut distinct = real.clone();
    distinct.sort();
    distinct.dedup();
    let fetch = |digest: &Digest| {
        let at = at.member(&blob_path(digest));
        fetched(session, (name, *digest), (spool, progress), &at)
    };
    let layers = parallel(&distinct, session.access.connections, &|_| 0, &fetch)?;
    let known = real.iter().filter_map(|digest| {
        let layer = layers.iter().find(|(layer, _)| layer.digest == *digest)?;
        Some(layer.0.clone())
    });
    let known: Vec<KnownLayer> = known.collect();
    let (manifest, config) =
        image_of(&schema1, &known, MediaFamily::Docker, ConfigRules::Moby).at(&at)?;
    let raw = manifest.spelled();
    let manifest = Fetched {
        digest: Measured::of(&raw).digest(),
        raw,
        media_type: manifest.media_type.clone(),
        is_schema1: false,
    };
    let config_digest = Digest::of(&config);
    let config = ByteSource::bytes(at.member(&blob_path(&config_digest)), config);
    let mut blobs = vec![(config_digest, config)];
    blobs.extend(layers.into_iter().map(|(layer, bytes)| (layer.digest, bytes)));
    let signatures = schema1.signatures.len();
    Ok(Schema1Image { manifest, blobs, replaced: Replaced { name: shown, digest, signatures } })
}

/// Fetches one layer and measures it.
fn fetched(
    session: &Arc<Registries>,
    (name, digest): (&RegistryName, Digest),
    (spool, progress): (&Path, &dyn Progress),
    at: &Location,
) -> Result<(KnownLayer, ByteSource)> {
    let size = match session.presence(name, digest).at(at)? {
        RemotePresence::There { size: Some(size) } => size,
        RemotePresence::There { size: None } => {
            let (what, found) = ("expected the size of a blob", "none".to_owned());
            return Err(Error::new(at, ErrorKind::RegistryAnswer { what, found }));
        }
        RemotePresence::Missing => {
            // Old registries do not store it.
            let empty = KnownLayer::empty(&digest);
            let missing = || ErrorKind::NotInRegistry { what: "blob", said: String::new() };
            return Ok((empty.ok_or_else(missing).at(at)?, ByteSource::bytes(at.clone(), EMPTY)));
        }
    };
    let blob = RemoteBlob::new(session, name, (digest, size));
    let mut from = ByteSource::remote(at.clone(), size, Arc::new(blob)).reader()?;
    let mut file = temporary(spool).at(at)?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = from.read(&mut buffer).map_err(|it| kind_of(it, ErrorKind::Read)).at(at)?;
        if count == 0 {
            break;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        file.write_all(bytes).map_err(ErrorKind::Spool).at(at)?;
        tell(progress, Event::Read(count as u64)).at(at)?;
    }
    let bytes = ByteSource::open_file(file, size, at.clone());
    let codec = Compression::sniff(&bytes.head()?);
    let there = measure_alone(&bytes, (codec, digest.algorithm())).at(at)?;
    let found = there.source.digest();
    if found != digest {
        return Err(Error::new(at, ErrorKind::Digest { expected: digest, found }));
    }
    let diff_id = there.uncompressed.digest().to_string();
    Ok((KnownLayer { digest, size, diff_id, codec }, bytes))
}
