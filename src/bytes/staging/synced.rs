//! Syncs files while they are written, so that the final sync is short.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

/// The number of bytes after which a sync starts.
const PORTION: u64 = 16 << 20;

/// A file that is written and synced.
#[derive(Debug)]
pub(crate) struct SyncedFile {
    file: Arc<File>,
    written: AtomicU64,
    /// For files larger than a portion; `None` if no thread is available.
    helper: OnceLock<Option<Helper>>,
}

/// A thread that waits for the disk, so that writers do not have to.
#[derive(Debug)]
struct Helper {
    wake: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl SyncedFile {
    pub(super) fn new(file: File) -> Self {
        Self { file: Arc::new(file), written: AtomicU64::new(0), helper: OnceLock::new() }
    }

    /// Writes at an offset, in parallel with other writers.
    pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.file.write_at(bytes, at).inspect(|count| self.wrote(*count))
    }

    /// Shares all bytes of another file without copying them; returns whether the file system
    /// supports it.
    pub(super) fn share(&self, from: &File, size: u64) -> bool {
        #[cfg(target_os = "linux")]
        let shared = rustix::fs::ioctl_ficlone(&*self.file, from).is_ok();
        #[cfg(not(target_os = "linux"))]
        let shared = false;
        // It may have grown since its size was read.
        let whole = shared && self.file.metadata().is_ok_and(|there| there.len() == size);
        if shared && !whole {
            let _ = self.clear();
        }
        whole
    }

    /// The file, to read what was written.
    pub(super) fn shared(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Another handle, to read what was written.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Removes all written bytes.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Syncs everything to disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if let Some(Helper { wake, thread }) = self.helper.take().flatten() {
            drop(wake);
            // The system reports a disk error only once, to the first caller.
            thread.join().map_err(|_| io::Error::other("a thread has died"))??;
        }
        self.file.sync_all()
    }

    fn wrote(&self, count: usize) {
        let before = self.written.fetch_add(count as u64, Ordering::Relaxed);
        if before / PORTION == before.saturating_add(count as u64) / PORTION {
            return;
        }
        if let Some(helper) = self.helper.get_or_init(|| Helper::of(self.file.clone())) {
            // A busy thread is woken by the next portion.
            let _ = helper.wake.try_send(());
        }
    }
}

impl Helper {
    fn of(file: Arc<File>) -> Option<Self> {
        let (wake, woken) = sync_channel(1);
        let thread = Builder::new().spawn(move || keep_syncing(&file, &woken)).ok()?;
        Some(Self { wake, thread })
    }
}

fn keep_syncing(file: &File, woken: &Receiver<()>) -> io::Result<()> {
    woken.iter().try_for_each(|()| file.sync_data())
}

impl Write for SyncedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.file).write(bytes).inspect(|count| self.wrote(*count))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
