//! Standard input and output that somebody made non-blocking, as ssh, node and CI runners leave
//! them: waits where they have nothing, or no room, right now.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};

/// An open file that is waited for.
pub(crate) struct Patient(pub(crate) File);

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        patiently(self.0.as_fd(), PollFlags::IN, || (&self.0).read(buffer))
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        patiently(self.0.as_fd(), PollFlags::OUT, || (&self.0).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes everything, through whatever buffers.
pub(crate) fn write_all(out: &mut impl Write, fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match patiently(fd, PollFlags::OUT, || out.write(rest)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    patiently(fd, PollFlags::OUT, || out.flush())
}

fn patiently<T>(
    fd: BorrowedFd<'_>,
    wanted: PollFlags,
    mut run: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match run() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match poll(&mut [PollFd::new(&fd, wanted)], None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => (),
                    Err(errno) => return Err(errno.into()),
                }
            }
            done => return done,
        }
    }
}
