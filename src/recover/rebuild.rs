//! Makes the compressed bytes of one layer again: several writers side by side, in one pass over
//! the uncompressed bytes.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use super::attempt::{Attempt, Guess, Hope, RebuildGoal, Remade};
use crate::digest::{Algorithm, DiffId, Hasher, Measured};
use crate::error::{ErrorKind, kind_of};

/// Uncompressed bytes that go to the writers at once.
const PIECE: usize = 256 << 10;
/// Pieces that wait for a slow writer.
const WAITING: usize = 4;

/// What one pass found.
pub(super) struct Pass {
    /// The first guess, in their order, that gives the goal; otherwise the first that gives it with
    /// another header.
    pub(super) found: Option<(Guess, Remade)>,
    /// The digest of the uncompressed bytes.
    pub(super) diff_id: Option<DiffId>,
}

/// Tries all guesses in one pass.
pub(super) fn try_all<'a>(
    from: impl Read,
    guesses: &[Guess],
    goal: &dyn Fn() -> Result<RebuildGoal<'a>, ErrorKind>,
) -> Result<Pass, ErrorKind> {
    let (made, diff_id) = each(from, guesses, goal)?;
    let mut found = None;
    for (guess, made) in guesses.iter().zip(made) {
        match (&found, made) {
            (None, Some(made))
            | (Some((_, Remade::OtherHeader { .. })), Some(made @ Remade::Whole { .. })) => {
                found = Some((guess.clone(), made));
            }
            _ => (),
        }
    }
    Ok(Pass { found, diff_id })
}

/// What each guess gives, in one pass.
pub(super) fn measure_all(
    from: impl Read,
    guesses: &[Guess],
) -> Result<Vec<Option<Measured>>, ErrorKind> {
    let (made, _) = each(from, guesses, &|| Ok(RebuildGoal::Unknown))?;
    let measured = |made| match made {
        Some(Remade::Measured(measured)) => Some(measured),
        _ => None,
    };
    Ok(made.into_iter().map(measured).collect())
}

/// What was made of each guess, and the digest of the uncompressed bytes.
type MadeOfEach = (Vec<Option<Remade>>, Option<DiffId>);

fn each<'a>(
    mut from: impl Read,
    guesses: &[Guess],
    goal: &dyn Fn() -> Result<RebuildGoal<'a>, ErrorKind>,
) -> Result<MadeOfEach, ErrorKind> {
    let mut attempts = Vec::with_capacity(guesses.len());
    for guess in guesses {
        attempts.push(Attempt::new(guess, goal()?)?);
    }
    std::thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for attempt in attempts {
            let (send, receive) = sync_channel(WAITING);
            let work = move || attempt.map_or(Ok(None), |attempt| follow(attempt, &receive));
            threads.push(Builder::new().spawn_scoped(scope, work).map_err(ErrorKind::Spool)?);
            senders.push(Some(send));
        }
        let diff_id = feed(&mut from, senders)?;
        let made = threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(None)));
        Ok((made.collect::<Result<_, _>>()?, diff_id))
    })
}

/// Reads to the end, or until no writer is left; then none knows the digest.
fn feed(
    from: &mut impl Read,
    mut to: Vec<Option<SyncSender<Arc<[u8]>>>>,
) -> Result<Option<DiffId>, ErrorKind> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut piece = vec![0; PIECE];
    while to.iter().any(Option::is_some) {
        let count = match from.read(&mut piece) {
            Ok(0) => return Ok(hasher.finish().diff_id()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(kind_of(error, ErrorKind::Read)),
        };
        let bytes: Arc<[u8]> = piece.get(..count).unwrap_or_default().into();
        hasher.update(&bytes);
        for sender in &mut to {
            // One that has given up no longer receives.
            sender.take_if(|it| it.send(Arc::clone(&bytes)).is_err());
        }
    }
    Ok(None)
}

/// Compresses what is received.
fn follow(
    mut attempt: Attempt<'_>,
    from: &Receiver<Arc<[u8]>>,
) -> Result<Option<Remade>, ErrorKind> {
    while let Ok(bytes) = from.recv() {
        if attempt.write(&bytes)? == Hope::Lost {
            return Ok(None);
        }
    }
    attempt.finish()
}
