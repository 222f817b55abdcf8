//! Independent items on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// What has become of the items so far.
struct Done<R> {
    results: Vec<Option<R>>,
    /// The first error, and the place of its item.
    failed: Option<(usize, Error)>,
}

/// Runs one function over all items on so many threads; the first error in the order of the items
/// counts, and no new item is begun after one.
pub(crate) fn parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    run: &(dyn Fn(&T) -> Result<R> + Sync),
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results = items.iter().map(|_| None).collect();
    let done = Mutex::new(Done { results, failed: None });
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1).min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = run(item);
                    if result.is_err() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    if let Ok(mut done) = done.lock() {
                        done.take(at, result);
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match done.failed {
        Some((_, error)) => Err(error),
        None => Ok(done.results.into_iter().flatten().collect()),
    }
}

impl<R> Done<R> {
    fn take(&mut self, at: usize, result: Result<R>) {
        match result {
            Ok(result) => {
                if let Some(place) = self.results.get_mut(at) {
                    *place = Some(result);
                }
            }
            Err(error) => {
                if self.failed.as_ref().is_none_or(|(first, _)| at < *first) {
                    self.failed = Some((at, error));
                }
            }
        }
    }
}
