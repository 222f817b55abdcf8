//! Signatures of schema 1 manifests (libtrust `jsonsign.go`; RFC 7515, RFC 7518).
//!
//! The key is inside the document, so a valid signature proves integrity, not origin. Signing is
//! deterministic (RFC 6979): the same key and payload give the same bytes.

/// Whether a signature is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validity {
    /// It matches these bytes and the key in it.
    Holds,
    /// It does not match.
    Broken,
    /// An algorithm, a kind of key or a certificate chain that imgconv does not check.
    Unchecked,
}

impl Validity {
    /// The name for output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::Unchecked => "unchecked",
        }
    }
}

#[cfg(feature = "signatures")]
pub(crate) use checked::sign;
#[cfg(feature = "signatures")]
pub use checked::{Key, verify};
#[cfg(not(feature = "signatures"))]
pub(crate) use unchecked::sign;
#[cfg(not(feature = "signatures"))]
pub use unchecked::{Key, verify};

#[cfg(not(feature = "signatures"))]
mod unchecked {
    use super::Validity;
    use crate::document::Jws;
    use crate::error::ErrorKind;

    /// A private key; this build has none.
    #[derive(Debug)]
    pub enum Key {}

    impl Key {
        /// Always fails in this build.
        ///
        /// # Errors
        /// Always.
        pub fn parse(_: &[u8]) -> Result<Self, ErrorKind> {
            Err(ErrorKind::NoCodec { codec: "ES256 signatures" })
        }
    }

    /// Whether a signature of a payload is valid; this build checks none.
    #[must_use]
    pub fn verify(_: &Jws, _: &[u8]) -> Validity {
        Validity::Unchecked
    }

    pub(crate) fn sign(_: &str, key: &Key, _: &str) -> String {
        match *key {}
    }
}

#[cfg(feature = "signatures")]
mod checked {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use p256::ecdsa::signature::Signer as _;
    use p256::ecdsa::{Signature, SigningKey};
    use p256::pkcs8::DecodePrivateKey as _;
    use ring::signature as ring;

    use super::Validity;
    use crate::document::Jws;
    use crate::error::ErrorKind;
    use crate::json::{self, Trailing, go};

    /// Whether a signature of a payload is valid.
    #[must_use]
    pub fn verify(jws: &Jws, payload: &[u8]) -> Validity {
        let signed = format!("{}.{}", jws.protected, URL_SAFE_NO_PAD.encode(payload));
        let number = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let point = |width: usize| {
            let (x, y) = (number(&jws.key.x)?, number(&jws.key.y)?);
            if x.len() > width || y.len() > width {
                return None;
            }
            // Leading zeros may be missing.
            let pad = |bytes: &[u8]| vec![0; width.saturating_sub(bytes.len())];
            Some([&[4][..], &pad(&x), &x, &pad(&y), &y].concat())
        };
        let holds = match (jws.algorithm.as_str(), jws.key.curve.as_str()) {
            ("ES256", "P-256") => ec(&ring::ECDSA_P256_SHA256_FIXED, point(32), &signed, jws),
            ("ES384", "P-384") => ec(&ring::ECDSA_P384_SHA384_FIXED, point(48), &signed, jws),
            ("RS256", _) if jws.key.kind == "RSA" => rsa(number, &signed, jws),
            _ => return Validity::Unchecked,
        };
        if holds { Validity::Holds } else { Validity::Broken }
    }

    fn ec(
        algorithm: &'static ring::EcdsaVerificationAlgorithm,
        point: Option<Vec<u8>>,
        signed: &str,
        jws: &Jws,
    ) -> bool {
        let Some(point) = point else { return false };
        let key = ring::UnparsedPublicKey::new(algorithm, point);
        key.verify(signed.as_bytes(), &jws.signature).is_ok()
    }

    fn rsa(number: impl Fn(&str) -> Option<Vec<u8>>, signed: &str, jws: &Jws) -> bool {
        let (Some(n), Some(e)) = (number(&jws.key.n), number(&jws.key.e)) else { return false };
        let key = ring::RsaPublicKeyComponents { n, e };
        let algorithm = &ring::RSA_PKCS1_2048_8192_SHA256;
        key.verify(algorithm, signed.as_bytes(), &jws.signature).is_ok()
    }

    /// A private key for ES256.
    pub struct Key(SigningKey);

    impl std::fmt::Debug for Key {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Key(…)") // It is secret.
        }
    }

    impl Key {
        /// Reads a key: docker's own form (JWK), or PEM (SEC 1 or PKCS #8).
        ///
        /// # Errors
        /// Something else, or another curve.
        pub fn parse(text: &[u8]) -> Result<Self, ErrorKind> {
            const EXPECTED: &str = "a private P-256 key as JWK or PEM";
            let bad = |found: &str| ErrorKind::field("the key", EXPECTED, found);
            let text = std::str::from_utf8(text).map_err(|_| bad("bytes that are not text"))?;
            if text.trim_start().starts_with('{') {
                let checked = json::check(text.as_bytes(), Trailing::Refused)?;
                let [curve, d] = checked.value.fields("the key", ["crv", "d"])?;
                let curve = curve.map_or("", crate::json::Value::raw);
                let d = d.ok_or_else(|| bad("a key without d"))?.string("the key")?;
                let d = URL_SAFE_NO_PAD
                    .decode(d.trim_end_matches('='))
                    .map_err(|_| bad("not base64url"))?;
                if curve != "\"P-256\"" {
                    return Err(bad("another curve"));
                }
                return SigningKey::from_slice(&d)
                    .map(Self)
                    .map_err(|_| bad("a number that is not a valid key"));
            }
            let sec1 = p256::SecretKey::from_sec1_pem(text).map(SigningKey::from);
            let key = sec1.ok().or_else(|| SigningKey::from_pkcs8_pem(text).ok());
            key.map(Self).ok_or_else(|| bad("something else"))
        }

        /// The public key as JWK, members sorted.
        fn jwk(&self) -> String {
            let point = self.0.verifying_key().to_sec1_point(false);
            let number = |bytes: Option<&[u8]>| URL_SAFE_NO_PAD.encode(bytes.unwrap_or_default());
            let (x, y) = (point.x().map(|it| &it[..]), point.y().map(|it| &it[..]));
            let mut jwk = go::Object::new();
            jwk.string("crv", "P-256").string("kid", &fingerprint(point.as_bytes()));
            jwk.string("kty", "EC").string("x", &number(x)).string("y", &number(y)).finish()
        }
    }

    /// Libtrust's name for a key: base32 of the first 30 bytes of the SHA-256 of its DER form, in
    /// groups of four.
    fn fingerprint(point: &[u8]) -> String {
        // SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480).
        const PREFIX: [u8; 26] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let digest = crate::digest::Digest::of(&[&PREFIX[..], point].concat());
        let crate::digest::Digest::Sha256(bytes) = digest else { return String::new() };
        let mut bits =
            bytes.iter().take(30).flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let mut text = String::new();
        for at in 0..48 {
            let index =
                bits.by_ref().take(5).fold(0_usize, |index, bit| index << 1 | usize::from(bit));
            if at > 0 && at % 4 == 0 {
                text.push(':');
            }
            text.push(ALPHABET.get(index).copied().map_or('A', char::from));
        }
        text
    }

    /// Signs a payload and adds the signature, with the indentation of the payload.
    ///
    /// `time` is written to the signed header, as libtrust does.
    pub(crate) fn sign(payload: &str, key: &Key, time: &str) -> String {
        let body = payload.trim_end().strip_suffix('}').unwrap_or_default().trim_end();
        let tail = payload.get(body.len()..).unwrap_or_default();
        let mut protected = go::Object::new();
        protected.number("formatLength", body.len() as u64);
        protected.string("formatTail", &URL_SAFE_NO_PAD.encode(tail)).string("time", time);
        let protected = URL_SAFE_NO_PAD.encode(protected.finish());
        let signed = format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature: Signature = key.0.sign(signed.as_bytes());
        let mut header = go::Object::new();
        header.json("jwk", &key.jwk()).string("alg", "ES256");
        let mut entry = go::Object::new();
        entry.json("header", &header.finish());
        entry.string("signature", &URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        entry.string("protected", &protected);
        let list = go::list([entry.finish()]);
        if tail.starts_with('\n') {
            let list = go::indent(&list, "   ", 1);
            format!("{body},\n   \"signatures\": {list}\n}}")
        } else {
            format!("{body},\"signatures\":{list}}}")
        }
    }
}
