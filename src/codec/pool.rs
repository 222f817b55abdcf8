//! Threads that encode and decode blocks, shared by all layers of a run; results come in order.

use std::any::Any;
use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// Threads that encode and decode the blocks of all layers.
#[derive(Debug)]
pub(crate) struct Pool {
    tasks: SyncSender<Task>,
    /// The number of blocks in memory and its limit: one budget for the whole run.
    under_way: AtomicUsize,
    most: usize,
    pub(super) spare: Spare,
    /// Who works where no thread is to be had: whoever gives the work.
    alone: Option<Mutex<Worker>>,
}

/// Memory of finished blocks, for reuse.
#[derive(Debug, Clone, Default)]
pub(super) struct Spare {
    /// For uncompressed bytes.
    pub(super) plain: Blocks,
    /// For results.
    pub(super) coded: Blocks,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Blocks(Arc<Mutex<Vec<Vec<u8>>>>);

impl Blocks {
    /// Memory for reuse, if there is any.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    pub(super) fn give_back(&self, block: Vec<u8>) {
        if let Ok(mut spare) = self.0.lock() {
            spare.push(block);
        }
    }
}

/// Gives a block of memory a length; what it held does not matter. Fresh memory is zeroed already.
pub(super) fn set_len(block: &mut Vec<u8>, size: usize) {
    if block.capacity() < size {
        *block = vec![0; size];
    }
    block.resize(size, 0);
}

/// Work on one block.
type Task = Box<dyn FnOnce(&mut Worker) + Send>;

/// The state that a thread keeps between blocks.
#[derive(Debug)]
pub(super) struct Worker {
    /// Encoders and decoders, by type; the pool does not know the types.
    kept: Vec<Box<dyn Any + Send>>,
    pub(super) spare: Spare,
}

impl Worker {
    /// The value of a type for this thread, created on first use.
    pub(super) fn kept<T: Default + Send + 'static>(&mut self) -> Option<&mut T> {
        let at = self.kept.iter().position(|it| it.is::<T>()).unwrap_or_else(|| {
            self.kept.push(Box::<T>::default());
            self.kept.len().saturating_sub(1)
        });
        self.kept.get_mut(at)?.downcast_mut()
    }
}

/// Blocks in memory per thread: one in work, and one that waits for the thread or for its layer.
const PER_THREAD: usize = 2;

impl Pool {
    /// Runs `work` with this number of threads (at least one), which end with it.
    pub(crate) fn with<R>(threads: usize, work: impl FnOnce(&Self) -> R) -> R {
        let threads = threads.max(1);
        let (tasks, taken) = sync_channel::<Task>(threads);
        let taken = Mutex::new(taken);
        let spare = Spare::default();
        thread::scope(|scope| {
            let mut begun = 0_usize;
            for _ in 0..threads {
                let work = || serve(&taken, spare.clone());
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
                begun = begun.saturating_add(1);
            }
            let alone = Worker { kept: Vec::new(), spare: spare.clone() };
            let alone = (begun == 0).then(|| Mutex::new(alone));
            let most = begun.max(1).saturating_mul(PER_THREAD);
            let under_way = AtomicUsize::new(0);
            let pool = Self { tasks, under_way, most, spare: spare.clone(), alone };
            let result = work(&pool);
            drop(pool);
            result
        })
    }

    /// The number of threads.
    pub(super) fn threads(&self) -> usize {
        self.most / PER_THREAD
    }

    /// Sends work to the next free thread; returns the receiver of the result.
    pub(super) fn give<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Receiver<T> {
        let (reply, answer) = sync_channel(1);
        if let Some(Ok(mut worker)) = self.alone.as_ref().map(Mutex::lock) {
            let _ = reply.send(work(&mut worker));
            return answer;
        }
        // A missing receiver or thread is detected when the result is fetched.
        let _ = self.tasks.send(Box::new(move |worker| drop(reply.send(work(worker)))));
        answer
    }
}

fn serve(tasks: &Mutex<Receiver<Task>>, spare: Spare) {
    let mut worker = Worker { kept: Vec::new(), spare };
    loop {
        let task = match tasks.lock() {
            Ok(tasks) => tasks.recv(),
            Err(_) => return,
        };
        let Ok(task) = task else { return };
        task(&mut worker);
    }
}

/// The blocks of one layer: processed in parallel with all others, returned in order.
pub(super) struct InOrder<'a, T> {
    pool: &'a Pool,
    waiting: VecDeque<Receiver<T>>,
    /// Whether room is reserved for a block that was not pushed yet.
    claimed: bool,
}

impl<'a, T> InOrder<'a, T> {
    pub(super) fn new(pool: &'a Pool) -> Self {
        Self { pool, waiting: VecDeque::new(), claimed: false }
    }

    /// Reserves room for the next block in the budget, before it is read; a layer without blocks
    /// always gets it.
    pub(super) fn claim(&mut self) -> bool {
        if !self.claimed {
            let others = self.pool.under_way.fetch_add(1, Ordering::Relaxed);
            self.claimed = others < self.pool.most || self.waiting.is_empty();
            if !self.claimed {
                self.pool.under_way.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.claimed
    }

    /// Releases the reserved room, because there is no block.
    pub(super) fn release(&mut self) {
        if mem::take(&mut self.claimed) {
            self.pool.under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Sends the block with reserved room to the next free thread.
    pub(super) fn push(&mut self, work: impl FnOnce(&mut Worker) -> T + Send + 'static)
    where
        T: Send + 'static,
    {
        if !mem::take(&mut self.claimed) {
            self.pool.under_way.fetch_add(1, Ordering::Relaxed);
        }
        self.waiting.push_back(self.pool.give(work));
    }

    /// Waits for the oldest block: `None` if there is none, an error if its thread has died.
    pub(super) fn pop(&mut self) -> Option<Result<T, std::sync::mpsc::RecvError>> {
        let answer = self.waiting.pop_front()?;
        let done = answer.recv();
        self.pool.under_way.fetch_sub(1, Ordering::Relaxed);
        Some(done)
    }
}

impl<T> Drop for InOrder<'_, T> {
    fn drop(&mut self) {
        self.release();
        self.pool.under_way.fetch_sub(self.waiting.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_gets_a_block_and_all_together_no_more_than_the_budget() {
        Pool::with(2, |pool| {
            let count = || pool.under_way.load(Ordering::Relaxed);
            let (mut a, mut b) = (InOrder::new(pool), InOrder::new(pool));
            let mut pushed = 0;
            while a.claim() {
                a.push(|_| 1);
                pushed += 1;
            }
            assert_eq!((pushed, count()), (2 * PER_THREAD, 2 * PER_THREAD));
            assert!(b.claim() && b.claim(), "a layer without any gets one, and claims it once");
            assert_eq!(count(), pushed + 1);
            b.push(|_| 2);
            assert!(!b.claim(), "but no other one");
            assert_eq!((a.pop(), b.pop(), b.pop()), (Some(Ok(1)), Some(Ok(2)), None));
            assert!(a.claim());
            a.release();
            assert!(b.claim());
            drop(a);
            assert_eq!(count(), 1);
            drop(b);
            assert_eq!(count(), 0);
        });
    }
}
