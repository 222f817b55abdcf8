//! Digests, and the identifiers that are based on them.
//!
//! One type per meaning: a [`Digest`] identifies stored bytes, a [`DiffId`] an uncompressed layer
//! tar, a [`ChainId`] a layer with all layers below it, an [`ImageId`] a config; a [`V1LayerId`] is
//! a directory name of docker up to 24. Only named functions convert one type to another.
//!
//! Rules: image-spec `descriptor.md` "Digests", `config.md` "Layer DiffID" and "Layer ChainID".

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha2::Digest as _;

/// Text that is not a digest that imgconv can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sha256: with 64 or sha512: with 128 lower-case hex digits")]
pub struct InvalidDigest;

/// Algorithms whose digests can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256, used by docker and every registry.
    Sha256,
    /// SHA-512, optional in the image-spec.
    Sha512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name before the colon.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Digest of stored bytes, as descriptors carry it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Digest {
    /// 32 bytes.
    Sha256([u8; 32]),
    /// 64 bytes.
    Sha512([u8; 64]),
}

impl Digest {
    /// The SHA-256 digest of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::Sha256(sha2::Sha256::digest(bytes).into())
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The digits after the colon.
    #[must_use]
    pub fn hex(&self) -> String {
        match self {
            Self::Sha256(bytes) => hex(bytes),
            Self::Sha512(bytes) => hex(bytes),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm().name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        match text.split_once(':') {
            Some(("sha256", digits)) => Ok(Self::Sha256(unhex(digits)?)),
            Some(("sha512", digits)) => Ok(Self::Sha512(unhex(digits)?)),
            _ => Err(InvalidDigest),
        }
    }
}

/// Digest of a layer's uncompressed tar (image-spec `config.md`, "Layer DiffID"). Always SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiffId([u8; 32]);

impl DiffId {
    /// The digest of the uncompressed tar, which is this ID.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::Sha256(self.0)
    }
}

/// Digest of a layer and all below it (image-spec `config.md`, "Layer ChainID").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId([u8; 32]);

impl ChainId {
    /// Chain ID of `layer` on top of `parent`; the chain ID of the lowest layer is its diff ID.
    #[must_use]
    pub fn extend(parent: Option<&Self>, layer: &DiffId) -> Self {
        match parent {
            None => Self(layer.0),
            Some(parent) => {
                Self(sha2::Sha256::digest(format!("{parent} {layer}").as_bytes()).into())
            }
        }
    }
}

/// Digest of the config: the image ID that docker shows with the graph driver store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId([u8; 32]);

impl ImageId {
    /// The ID of the image whose config has these bytes.
    #[must_use]
    pub fn of(config: &[u8]) -> Self {
        Self(sha2::Sha256::digest(config).into())
    }

    /// The digest of the config, which is this ID.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::Sha256(self.0)
    }
}

/// Directory name of a layer in archives of docker 1.10 to 24 (moby `image/v1/imagev1.go`,
/// `CreateID`), or the random ID of a layer before 1.10. Written without algorithm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V1LayerId([u8; 32]);

impl V1LayerId {
    /// The ID that hashes `text`.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(sha2::Sha256::digest(text).into())
    }
}

impl fmt::Display for V1LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for V1LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for V1LayerId {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        unhex(text).map(Self)
    }
}

/// Common code of the identifiers that are written `sha256:…`.
macro_rules! sha256_id {
    ($($id:ident),*) => {$(
        impl $id {
            /// The digits after the colon.
            #[must_use]
            pub fn hex(&self) -> String {
                hex(&self.0)
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "sha256:{}", hex(&self.0))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $id {
            type Err = InvalidDigest;

            fn from_str(text: &str) -> Result<Self, InvalidDigest> {
                unhex(text.strip_prefix("sha256:").ok_or(InvalidDigest)?).map(Self)
            }
        }
    )*};
}
sha256_id!(DiffId, ChainId, ImageId);

/// Serialized as text.
macro_rules! as_text {
    ($($id:ident),*) => {$(
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
as_text!(Digest, DiffId, ChainId, ImageId, V1LayerId);

/// Hashes and counts bytes; the only way to create a [`Measured`].
#[derive(Clone)]
pub struct Hasher {
    state: HashState,
    size: u64,
}

#[derive(Clone)]
enum HashState {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// A new hasher.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => HashState::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => HashState::Sha512(sha2::Sha512::new()),
        };
        Self { state, size: 0 }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            HashState::Sha256(state) => state.update(bytes),
            HashState::Sha512(state) => state.update(bytes),
        }
        self.size = self.size.saturating_add(bytes.len() as u64);
    }

    /// The digest and size of all bytes so far.
    #[must_use]
    pub fn finish(self) -> Measured {
        let digest = match self.state {
            HashState::Sha256(state) => Digest::Sha256(state.finalize().into()),
            HashState::Sha512(state) => Digest::Sha512(state.finalize().into()),
        };
        Measured { digest, size: self.size }
    }
}

/// Digest and size of bytes that were really read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Measured {
    digest: Digest,
    size: u64,
}

impl Measured {
    /// Measures bytes in memory with SHA-256.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::with(Algorithm::Sha256, bytes)
    }

    /// Measures bytes in memory.
    #[must_use]
    pub fn with(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Measures all bytes of a reader.
    ///
    /// # Errors
    /// Errors of the reader; an interrupted read is retried.
    pub fn read(algorithm: Algorithm, reader: &mut dyn io::Read) -> io::Result<Self> {
        let mut hasher = Hasher::new(algorithm);
        let mut buffer = vec![0; 128 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The number of bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The diff ID of an uncompressed tar with this digest; `None` for other algorithms.
    #[must_use]
    pub fn diff_id(&self) -> Option<DiffId> {
        match self.digest {
            Digest::Sha256(bytes) => Some(DiffId(bytes)),
            Digest::Sha512(_) => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Writing to a String does not fail.
        text
    })
}

fn unhex<const N: usize>(digits: &str) -> Result<[u8; N], InvalidDigest> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return Err(InvalidDigest) };
    let pairs: &[[u8; 2]; N] = pairs.try_into().map_err(|_| InvalidDigest)?;
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(bytes)
}

fn digit(ascii: u8) -> Result<u8, InvalidDigest> {
    match ascii {
        b'0'..=b'9' => Ok(ascii - b'0'),
        b'a'..=b'f' => Ok(ascii - b'a' + 10),
        _ => Err(InvalidDigest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_strict_text_of_two_algorithms() {
        let hex64 = "a".repeat(64);
        for (text, ok) in [
            (format!("sha256:{hex64}"), true),
            (format!("sha512:{hex64}{hex64}"), true),
            (format!("sha256:{}", "A".repeat(64)), false),
            (format!("sha256:{}", "a".repeat(63)), false),
            (format!("sha512:{hex64}"), false),
            (format!("md5:{}", "a".repeat(32)), false),
            (format!("sha256:../{}", "a".repeat(61)), false),
            (hex64.clone(), false),
            (String::new(), false),
        ] {
            let parsed = text.parse::<Digest>();
            assert_eq!(parsed.is_ok(), ok, "{text}");
            assert!(parsed.is_err() || parsed.unwrap().to_string() == text, "{text}");
        }
    }

    #[test]
    fn chain_ids_are_those_of_the_specification() {
        // formats: two layers whose chain ID was printed by a real dockerd.
        let a = "sha256:9e9060b18b47edca8f3346851d5c698aeaac2dc08ebbd92cec60253abd4d8521";
        let b = "sha256:ed9ea11a72564d7252bcaee489b58d7d24110352f3bdda7cb84aa48086416372";
        let lowest = ChainId::extend(None, &a.parse().unwrap());
        assert_eq!(lowest.to_string(), a);
        assert_eq!(
            ChainId::extend(Some(&lowest), &b.parse().unwrap()).hex(),
            "0b4d7f755896401f8d2b6a4db738df2daefb03344e4668bf5bc8027f8c3f67f8"
        );
    }

    #[test]
    fn hashing_in_pieces_measures_the_whole() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut pieces = Hasher::new(algorithm);
            pieces.update(b"ab");
            pieces.update(b"c");
            let mut whole = Hasher::new(algorithm);
            whole.update(b"abc");
            assert_eq!(pieces.finish(), whole.finish());
        }
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Measured::of(b"abc").digest().to_string(), abc);
        assert_eq!(Measured::of(b"abc").size(), 3);
    }

    #[test]
    fn identifiers_are_keys_of_maps_and_text_in_documents() {
        let hex = "a".repeat(64);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        fn json(it: &(impl Serialize + std::hash::Hash)) -> String {
            serde_json::json!(it).to_string()
        }
        let named = format!("\"sha256:{hex}\"");
        assert_eq!(json(&digest), named);
        assert_eq!(json(&named.trim_matches('"').parse::<DiffId>().unwrap()), named);
        assert_eq!(json(&named.trim_matches('"').parse::<ImageId>().unwrap()), named);
        assert_eq!(json(&hex.parse::<V1LayerId>().unwrap()), format!("\"{hex}\""));
    }
}
