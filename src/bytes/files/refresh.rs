//! Files of file systems that are not the kernel's own, where it may remember another file of the
//! same name: what a second mount of a folder did a moment ago is not seen otherwise.

use std::fs::File;

/// Has the kernel forget what it remembers of an open file, on FUSE, NFS, SMB and 9p.
#[cfg(target_os = "linux")]
pub(super) fn refresh(file: &File) {
    use rustix::fs::{Advice, AtFlags, StatxFlags, fadvise, fstatfs, statx};
    // statfs(2).
    const REMOTE: [u64; 5] = [0x6573_5546, 0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997];
    let kind = fstatfs(file).map(|it| u64::try_from(it.f_type).unwrap_or_default());
    if kind.is_ok_and(|kind| REMOTE.contains(&kind)) {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
        let _ = statx(file, "", flags, StatxFlags::BASIC_STATS);
        let _ = fadvise(file, 0, None, Advice::DontNeed);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn refresh(_: &File) {}
