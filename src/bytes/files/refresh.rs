//! Refreshes files of network and FUSE file systems, where the kernel may cache an older file of
//! the same name, for example after a change through another mount.

use std::fs::File;

/// Drops the cache of the kernel for an open file, on FUSE, NFS, SMB and 9p.
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
