//! Threads that code blocks, shared by all layers of a run, and their results in order.

use std::any::Any;
use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// Threads that code the blocks of all layers that are read or written.
#[derive(Debug)]
pub(crate) struct Pool {
    tasks: SyncSender<Task>,
    /// Blocks in memory, and how many may be: one budget for the whole run.
    under_way: AtomicUsize,
    most: usize,
    pub(super) spare: Spare,
    /// Who works where no thread is to be had: whoever gives the work.
    alone: Option<Mutex<Worker>>,
}

/// Memory of blocks that are done with, for the next ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Spare {
    /// Of uncompressed bytes.
    pub(super) plain: Blocks,
    /// Of what they became.
    pub(super) coded: Blocks,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Blocks(Arc<Mutex<Vec<Vec<u8>>>>);

impl Blocks {
    /// Memory that was given back, if any was.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    pub(super) fn give_back(&self, block: Vec<u8>) {
        if let Ok(mut spare) = self.0.lock() {
            spare.push(block);
        }
    }
}

/// Work on one block.
type Task = Box<dyn FnOnce(&mut Worker) + Send>;

/// What a thread keeps from one block to the next.
#[derive(Debug)]
pub(super) struct Worker {
    /// Encoders and decoders, each of a type of its own, of which the pool knows nothing.
    kept: Vec<Box<dyn Any + Send>>,
    pub(super) spare: Spare,
}

impl Worker {
    /// The one value of a type that this thread has, made when it is asked for first.
    pub(super) fn kept<T: Default + Send + 'static>(&mut self) -> Option<&mut T> {
        let at = self.kept.iter().position(|it| it.is::<T>()).unwrap_or_else(|| {
            self.kept.push(Box::<T>::default());
            self.kept.len().saturating_sub(1)
        });
        self.kept.get_mut(at)?.downcast_mut()
    }
}

/// Blocks in memory for each thread: one that is coded, and one that waits for it or its layer.
const PER_THREAD: usize = 2;

impl Pool {
    /// Runs `work` with so many coding threads, which end with it; with fewer where the system gives
    /// no more, down to none beside the caller's.
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

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.most / PER_THREAD
    }

    /// Gives work to the next thread that is free, and the place where its result will be.
    pub(super) fn give<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Receiver<T> {
        let (reply, answer) = sync_channel(1);
        if let Some(Ok(mut worker)) = self.alone.as_ref().map(Mutex::lock) {
            let _ = reply.send(work(&mut worker));
            return answer;
        }
        // Whether anybody still waits, or is there to work, shows when the answer is fetched.
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

/// The blocks of one layer: coded side by side with those of all others, given back in order.
pub(super) struct InOrder<'a, T> {
    pool: &'a Pool,
    waiting: VecDeque<Receiver<T>>,
    /// Whether there is room for a block that was not pushed yet.
    claimed: bool,
}

impl<'a, T> InOrder<'a, T> {
    pub(super) fn new(pool: &'a Pool) -> Self {
        Self { pool, waiting: VecDeque::new(), claimed: false }
    }

    /// Claims room for the next block within the budget, before it is read; a layer that has none
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

    /// Leaves to others what was claimed, as no block comes.
    pub(super) fn release(&mut self) {
        if mem::take(&mut self.claimed) {
            self.pool.under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Gives the block that room was claimed for to the next thread that is free.
    pub(super) fn push(&mut self, work: impl FnOnce(&mut Worker) -> T + Send + 'static)
    where
        T: Send + 'static,
    {
        if !mem::take(&mut self.claimed) {
            self.pool.under_way.fetch_add(1, Ordering::Relaxed);
        }
        self.waiting.push_back(self.pool.give(work));
    }

    /// The oldest block, once it is done: nothing when there is none, an error when its thread
    /// has died.
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
