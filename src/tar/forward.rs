//! A tape that is read forward, once: the bytes of a pipe or of a decoder.

use std::io::{self, Read};

use super::{BLOCK, Tape};
use crate::error::{ErrorKind, kind_of};

/// The data of a regular member that comes by.
pub(crate) struct PassingMember<'a> {
    /// The cleaned name, as in the index.
    pub(crate) path: Option<&'a str>,
    pub(crate) header: &'a ::tar::Header,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// Takes the data of members while they come by.
pub(crate) trait Taker: Send {
    /// Reads the data of a member as far as it is wanted; it ends early where the tape does.
    fn take(
        &mut self,
        member: &PassingMember<'_>,
        from: &mut (dyn Read + Send),
    ) -> Result<(), ErrorKind>;
}

/// A stream of bytes, for a walk that never goes back.
pub(crate) struct Forward<'a> {
    reader: &'a mut (dyn Read + Send),
    taker: Option<&'a mut dyn Taker>,
    /// The first block, by which a file that is not a tar is named.
    head: Vec<u8>,
    /// The range of the bytes that are in memory.
    start: u64,
    ahead: Vec<u8>,
    pub(crate) has_failed: bool,
    /// Why the data of a member could not be read, which is not the fault of that member.
    failed: Option<ErrorKind>,
}

impl<'a> Forward<'a> {
    pub(crate) fn new(reader: &'a mut (dyn Read + Send), taker: Option<&'a mut dyn Taker>) -> Self {
        let (head, ahead) = (Vec::new(), Vec::new());
        Self { reader, taker, head, start: 0, ahead, has_failed: false, failed: None }
    }

    /// Where the bytes end that were read.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.ahead.len() as u64)
    }

    /// Reads more bytes; returns whether there were any.
    fn more(&mut self) -> Result<bool, ErrorKind> {
        let mut buffer = [0; 16 * BLOCK];
        let count = self.read(&mut buffer)?;
        self.ahead.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count > 0)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        loop {
            match self.reader.read(buffer) {
                Ok(count) => {
                    let missing = BLOCK.saturating_sub(self.head.len()).min(count);
                    self.head.extend(buffer.get(..missing).unwrap_or_default());
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => {
                    self.has_failed = true;
                    return Err(kind_of(error, ErrorKind::Read));
                }
            }
        }
    }

    /// Drops the bytes before an offset.
    fn forget(&mut self, before: u64) {
        let count = usize::try_from(before.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let count = count.min(self.ahead.len());
        self.ahead.drain(..count);
        self.start = self.start.saturating_add(count as u64);
    }

    /// The next bytes, from an offset on; none at the end.
    pub(crate) fn next(&mut self, at: u64, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        if !self.reaches(at)? {
            return Ok(0);
        }
        let count = buffer.len().min(self.ahead.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), self.ahead.get(..count)) {
            to.copy_from_slice(from);
        }
        if count > 0 {
            self.forget(at.saturating_add(count as u64));
            return Ok(count);
        }
        let count = self.read(buffer)?;
        self.start = self.start.saturating_add(count as u64);
        Ok(count)
    }
}

impl Tape for Forward<'_> {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ErrorKind> {
        if offset == 0 && self.start > 0 {
            let count = buffer.len().min(self.head.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..count), self.head.get(..count)) {
                to.copy_from_slice(from);
            }
            return Ok(count);
        }
        if self.reaches(offset)? {
            let end = offset.saturating_add(buffer.len() as u64);
            while self.end() < end && self.more()? {}
        }
        let count = buffer.len().min(self.ahead.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), self.ahead.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    /// Reads up to an offset and drops the bytes before it.
    fn reaches(&mut self, end: u64) -> Result<bool, ErrorKind> {
        loop {
            self.forget(end);
            if self.end() >= end {
                return Ok(true);
            }
            if !self.more()? {
                return Ok(false);
            }
        }
    }

    fn pass(&mut self, member: &PassingMember<'_>) -> Result<(), ErrorKind> {
        let Some(taker) = self.taker.take() else { return Ok(()) };
        let mut data = MemberData { tape: self, at: member.offset, left: member.size };
        let done = taker.take(member, &mut data);
        self.taker = Some(taker);
        self.failed.take().map_or(done, Err)
    }
}

/// The data of one member.
struct MemberData<'t, 'a> {
    tape: &'t mut Forward<'a>,
    at: u64,
    left: u64,
}

impl Read for MemberData<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(free) = buffer.get_mut(..most).filter(|free| !free.is_empty()) else {
            return Ok(0);
        };
        let count = match self.tape.next(self.at, free) {
            Ok(count) => count,
            Err(kind) => {
                self.tape.failed = Some(kind);
                return Err(ErrorKind::Interrupted.into());
            }
        };
        self.at = self.at.saturating_add(count as u64);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
