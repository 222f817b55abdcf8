//! Processes independent items on several threads.

use std::cmp::Reverse;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

use crate::error::{Error, Result};

/// The results so far.
struct Done<R> {
    results: Vec<Option<R>>,
    /// The error of the earliest item, and the position of that item.
    failed: Option<(usize, Error)>,
}

/// Runs a function over all items on this number of threads; returns the results in the order of
/// the items.
///
/// It starts with the largest item, so that all threads are busy until the end, and starts no item
/// after an error. It returns the error of the item that started first, for any number of threads.
pub(crate) fn parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    size: &dyn Fn(&T) -> u64,
    run: &(dyn Fn(&T) -> Result<R> + Sync),
) -> Result<Vec<R>> {
    let mut order: Vec<(usize, &T)> = items.iter().enumerate().collect();
    order.sort_by_cached_key(|(_, item)| Reverse(size(item)));
    let next = AtomicUsize::new(0);
    let results = items.iter().map(|_| None).collect();
    let done = Mutex::new(Done { results, failed: None });
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let Some((at, item)) = order.get(turn) else { return };
                let result = run(item);
                if result.is_err() {
                    next.store(items.len(), Ordering::Relaxed);
                }
                if let Ok(mut done) = done.lock() {
                    done.take((turn, *at), result);
                }
            }
        };
        // This thread is one of them, and the only one where no other is to be had.
        for _ in 1..threads.min(items.len()) {
            if Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match done.failed {
        Some((_, error)) => Err(error),
        None => Ok(done.results.into_iter().flatten().collect()),
    }
}

impl<R> Done<R> {
    fn take(&mut self, (turn, at): (usize, usize), result: Result<R>) {
        match result {
            Ok(result) => {
                if let Some(place) = self.results.get_mut(at) {
                    *place = Some(result);
                }
            }
            Err(error) => {
                if self.failed.as_ref().is_none_or(|(first, _)| turn < *first) {
                    self.failed = Some((turn, error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Location};

    #[test]
    fn the_largest_is_begun_first_and_results_keep_the_order_of_the_items() {
        let begun = Mutex::default();
        let run = |item: &u64| {
            let mut begun: std::sync::MutexGuard<'_, Vec<u64>> = begun.lock().unwrap();
            begun.push(*item);
            Ok(item * 2)
        };
        let found = parallel(&[3, 9, 1, 9, 5], 1, &|item| *item, &run).unwrap();
        assert_eq!(found, [6, 18, 2, 18, 10]);
        assert_eq!(begun.into_inner().unwrap(), [9, 9, 5, 3, 1]);
    }

    #[test]
    fn the_same_error_counts_for_any_number_of_threads() {
        let items: Vec<u64> = (0..40).collect();
        for threads in 1..9 {
            let error = parallel(&items, threads, &|item| *item, &|item| match item {
                7 | 23 | 31 => {
                    Err(Error::new(&Location::named(&item.to_string()), ErrorKind::Twice))
                }
                _ => Ok(()),
            })
            .unwrap_err();
            assert_eq!(error.at, Location::named("31"), "{threads}");
        }
    }
}
