//! Threads that code blocks, shared by all layers of a run, and their results in order.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::blocks::Encoders;

/// Threads that code the blocks of all layers that are read or written.
#[derive(Debug)]
pub(crate) struct Pool {
    tasks: SyncSender<Task>,
    /// Blocks in memory, and how many may be: one budget for the whole run.
    under_way: AtomicUsize,
    most: usize,
}

/// Work on one block.
type Task = Box<dyn FnOnce(&mut Worker) + Send>;

/// What a thread keeps from one block to the next.
pub(super) struct Worker {
    pub(super) encoders: Encoders,
    /// Of bare deflate streams.
    pub(super) inflate: flate2::Decompress,
}

/// Blocks in memory for each thread: one that is coded, and one that waits for it or its layer.
const PER_THREAD: usize = 2;

impl Pool {
    /// Runs `work` with so many coding threads, at least one, which end with it.
    pub(crate) fn with<R>(threads: usize, work: impl FnOnce(&Self) -> R) -> R {
        let threads = threads.max(1);
        let (tasks, taken) = sync_channel::<Task>(threads);
        let taken = Mutex::new(taken);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| serve(&taken));
            }
            let most = threads.saturating_mul(PER_THREAD);
            let pool = Self { tasks, under_way: AtomicUsize::new(0), most };
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
        // Whether anybody still waits, or is there to work, shows when the answer is fetched.
        let _ = self.tasks.send(Box::new(move |worker| drop(reply.send(work(worker)))));
        answer
    }
}

fn serve(tasks: &Mutex<Receiver<Task>>) {
    let mut worker =
        Worker { encoders: Encoders::default(), inflate: flate2::Decompress::new(false) };
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
}

impl<'a, T: Send + 'static> InOrder<'a, T> {
    pub(super) fn new(pool: &'a Pool) -> Self {
        Self { pool, waiting: VecDeque::new() }
    }

    /// Whether one more block is within the budget; a layer without any may always have one.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty() || self.pool.under_way.load(Ordering::Relaxed) < self.pool.most
    }

    /// Gives a block to the next thread that is free.
    pub(super) fn push(&mut self, work: impl FnOnce(&mut Worker) -> T + Send + 'static) {
        self.pool.under_way.fetch_add(1, Ordering::Relaxed);
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
        self.pool.under_way.fetch_sub(self.waiting.len(), Ordering::Relaxed);
    }
}
