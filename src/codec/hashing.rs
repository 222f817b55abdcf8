//! Hashes bytes in the pool, while the next ones are read and decoded.

use std::io;
use std::mem;
use std::sync::mpsc::Receiver;

use super::pool::Pool;
use crate::digest::{Algorithm, Hasher, Measured};
use crate::error::ErrorKind;

/// Number of bytes to hash at once; fewer are not worth another thread.
const PIECE: usize = 128 << 10;

/// A hasher that runs in parallel with reading.
pub(crate) struct PoolHasher<'a> {
    hasher: Hasher,
    /// `None` if bytes are hashed immediately.
    aside: Option<Aside<'a>>,
}

/// The state of hashing in another thread.
struct Aside<'a> {
    pool: &'a Pool,
    /// Receives the hasher and the buffer back from the pool.
    away: Option<Receiver<(Hasher, Vec<u8>)>>,
    /// Bytes that were not sent to the pool yet.
    bytes: Vec<u8>,
}

impl<'a> PoolHasher<'a> {
    /// A hasher that uses the pool, if it has several threads.
    pub(crate) fn new(algorithm: Algorithm, pool: Option<&'a Pool>) -> Self {
        let pool = pool.filter(|pool| pool.threads() > 1);
        let aside = pool.map(|pool| Aside { pool, away: None, bytes: Vec::new() });
        Self { hasher: Hasher::new(algorithm), aside }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The thread that hashes has died.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        let Some(aside) = &mut self.aside else {
            self.hasher.update(bytes);
            return Ok(());
        };
        aside.bytes.extend_from_slice(bytes);
        if aside.bytes.len() >= PIECE {
            let room = aside.back(&mut self.hasher)?;
            let bytes = mem::replace(&mut aside.bytes, room);
            let mut hasher = self.hasher.clone();
            aside.away = Some(aside.pool.give(move |_| {
                hasher.update(&bytes);
                (hasher, bytes)
            }));
        }
        Ok(())
    }

    /// The digest and size of all bytes so far.
    ///
    /// # Errors
    /// The thread that hashes has died.
    pub(crate) fn finish(mut self) -> Result<Measured, ErrorKind> {
        if let Some(mut aside) = self.aside {
            aside.back(&mut self.hasher)?;
            self.hasher.update(&aside.bytes);
        }
        Ok(self.hasher.finish())
    }
}

impl Aside<'_> {
    /// Waits for the hasher if the pool has it, and returns an empty buffer.
    fn back(&mut self, hasher: &mut Hasher) -> Result<Vec<u8>, ErrorKind> {
        let Some(away) = self.away.take() else { return Ok(Vec::with_capacity(PIECE)) };
        let (seen, mut room) = away.recv().map_err(io::Error::other).map_err(ErrorKind::Read)?;
        *hasher = seen;
        room.clear();
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_hashes_the_digest_is_that_of_the_whole() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3 * PIECE + 77).collect();
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, bytes.len()] {
            let bytes = &bytes[..size];
            for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
                let whole = Measured::with(algorithm, bytes);
                for (threads, piece) in [(1, 1000), (2, 1000), (2, PIECE), (3, 2 * PIECE + 1)] {
                    let found = Pool::with(threads, |pool| {
                        let mut hasher = PoolHasher::new(algorithm, Some(pool));
                        bytes.chunks(piece).for_each(|piece| hasher.update(piece).unwrap());
                        hasher.finish().unwrap()
                    });
                    assert_eq!(found, whole, "{size} bytes, {threads} threads, by {piece}");
                }
            }
        }
    }
}
