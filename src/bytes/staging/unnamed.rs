//! Files without a name: nothing is left of a run that was killed. One gets a name with a hard link,
//! when its digest is known.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::folder::{Folder, Published, Sync};
use super::synced::SyncedFile;
use crate::digest::Measured;
use crate::error::ErrorKind;

/// A file without a name, on the file system of a destination.
#[derive(Debug)]
pub(crate) struct UnnamedFile {
    file: Arc<File>,
    synced: Mutex<SyncedFile>,
}

impl UnnamedFile {
    /// Makes one; `None` if the file system cannot give it a name later.
    pub(crate) fn make(folder: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let Ok(handle) = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o644)) else {
            return Ok(None);
        };
        let synced = SyncedFile::new(File::from(handle));
        Ok(Some(Self { file: synced.shared(), synced: Mutex::new(synced) }))
    }

    /// The file, to read it.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).write_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).sync()
    }
}

impl Folder {
    /// Names a file by its measured digest. An existing blob with that name is hashed before it is
    /// used. `None` if the file cannot get a name here, as without `/proc`.
    pub(crate) fn name(
        &self,
        file: &UnnamedFile,
        there: &Measured,
        sync: Sync,
    ) -> Result<Option<Published>, ErrorKind> {
        use std::os::fd::AsRawFd as _;
        if sync == Sync::Now {
            file.sync().map_err(ErrorKind::Write)?;
        }
        let path = format!("/proc/self/fd/{}", file.file.as_raw_fd());
        let to = there.digest().hex();
        match rustix::fs::linkat(CWD, path, self.handle(), to, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(Some(Published::New)),
            Err(rustix::io::Errno::EXIST) => {
                self.holds(&there.digest()).map(|_| Some(Published::WasThere))
            }
            Err(_) => Ok(None),
        }
    }
}

/// Gives the room of a part of a file back, which is read no more, where the file system can.
pub(crate) fn give_back(file: &File, offset: u64, size: u64) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = fallocate(file, flags, offset, size);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, offset, size);
}
