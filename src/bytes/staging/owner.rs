//! Identifies the process that owns a temporary folder or a lock, to distinguish leftovers of a
//! killed writer from the files of a running one.
//!
//! Kernel locks are not enough: two mounts of one folder, NFS and virtiofs do not see each other's
//! locks. So the name of a folder and the target of a lock identify the process: kernel boot,
//! process ID namespace, process ID and start time. Only a process of the same boot and namespace
//! can be checked; all others may be alive.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A running process, as one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner(String);

impl Owner {
    /// This process.
    pub(super) fn this() -> Self {
        let pid = std::process::id();
        let start = started(&pid.to_string()).unwrap_or_else(|| "0".to_owned());
        Self(format!("{}-{pid}-{start}", kernel()))
    }

    pub(super) fn word(&self) -> &str {
        &self.0
    }

    /// Whether the process has certainly ended.
    pub(super) fn is_dead(word: &str) -> bool {
        fate(word) == OwnerState::Dead
    }

    /// Whether it certainly runs.
    pub(super) fn is_alive(word: &str) -> bool {
        fate(word) == OwnerState::Alive
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnerState {
    Dead,
    Alive,
    Unknown,
}

fn fate(word: &str) -> OwnerState {
    let mut parts = word.split('-');
    let (Some(boot), Some(pid), Some(start)) = (parts.next(), parts.next(), parts.next()) else {
        return OwnerState::Unknown;
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !number(pid) || !number(start) || start == "0" || boot != kernel() {
        return OwnerState::Unknown;
    }
    match started(pid) {
        Some(now) if now == start => OwnerState::Alive,
        Some(_) => OwnerState::Dead,
        None if is_hidden(pid) => OwnerState::Unknown,
        None => OwnerState::Dead,
    }
}

/// Whether a process exists that this user cannot see (proc(5), `hidepid`).
fn is_hidden(pid: &str) -> bool {
    let pid = pid.parse().ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::PERM))
}

/// A short name of this boot of the kernel and of this namespace of process IDs.
fn kernel() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if boot.is_empty() || space.as_os_str().is_empty() {
        return "0".to_owned();
    }
    let name = format!("{}{}", boot.trim(), space.display());
    let hex = crate::digest::Digest::of(name.as_bytes()).hex();
    hex.get(..16).unwrap_or("0").to_owned()
}

/// The start time of a process, in ticks since boot; `None` if there is no such process (proc(5),
/// field 22 of `stat`).
fn started(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace();
    // A zombie has ended.
    fields.next().filter(|state| !matches!(*state, "Z" | "X"))?;
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_boot_that_has_ended_is_dead() {
        let this = Owner::this();
        assert!(!Owner::is_dead(this.word()), "{}", this.word());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = format!("{}-{}-1", kernel(), child.id());
        child.wait().unwrap();
        assert!(Owner::is_dead(&dead), "{dead}");
        let other_boot = dead.replacen(&kernel(), "0123456789abcdef", 1);
        for word in [other_boot.as_str(), "", "0-0-0", "a", "1-2"] {
            assert!(!Owner::is_dead(word), "{word}");
        }
    }
}
