//! What a writer calls itself in names of folders and in locks: this boot of the kernel and this
//! namespace of process IDs, the ID, and when it started.

use std::fs;
use std::process::Command;

/// The word of a process that has this ID and started then.
pub(crate) fn word(pid: u32, start: &str) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let space = fs::read_link("/proc/self/ns/pid").unwrap();
    let kernel = crate::judges::digest(format!("{}{}", boot.trim(), space.display()).as_bytes());
    let kernel = kernel.strip_prefix("sha256:").unwrap();
    format!("{}-{pid}-{start}", &kernel[..16])
}

/// When a process started, as proc(5) says it.
fn started(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned()
}

/// This process, which lives.
pub(crate) fn this() -> String {
    let pid = std::process::id();
    word(pid, &started(pid))
}

/// A process that has ended.
pub(crate) fn dead() -> String {
    let mut child = Command::new("true").spawn().unwrap();
    let word = word(child.id(), &started(child.id()));
    child.wait().unwrap();
    word
}
