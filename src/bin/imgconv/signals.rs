//! SIGINT, SIGTERM and SIGHUP end a run and remove all temporary files.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::ui::Ui;

/// The time for the run to end by itself: it checks after every read.
const GRACE: Duration = Duration::from_millis(600);

/// Watches in a separate thread. A run that waits for a pipe cannot check, so this thread removes
/// its temporary files. If no thread can be started, signals keep their default effect, and the next
/// run removes the files.
pub(crate) fn watch(ui: &Ui) {
    // A write beyond `ulimit -f` is an error like any other.
    let _ = signal_hook::flag::register(Signal::XFSZ.as_raw(), Arc::new(AtomicBool::new(false)));
    let ignored = ignored();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|it| !is_in(ignored, *it));
    let wanted: Vec<i32> = wanted.collect();
    let ui = ui.clone();
    let (ready, watches) = sync_channel::<()>(1);
    let thread = Builder::new().spawn(move || {
        let Ok(mut signals) = Signals::new(wanted) else { return };
        drop(ready);
        let number = signals.forever().next().map_or(1, |it| u8::try_from(it).unwrap_or(1));
        ui.set_signal(number);
        std::thread::sleep(GRACE);
        for path in ui.staged() {
            let _ = std::fs::remove_dir_all(path);
        }
        ui.end();
        end(i32::from(number) + 128);
    });
    if thread.is_ok() {
        let _ = watches.recv();
    }
}

/// The signals that came ignored, as `nohup` and a shell's `&` leave them: they stay so.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn is_in(mask: u64, signal: i32) -> bool {
    let bit = u32::try_from(signal).ok().and_then(|it| it.checked_sub(1));
    bit.is_some_and(|bit| mask.checked_shr(bit).is_some_and(|it| it & 1 == 1))
}

#[expect(clippy::exit, reason = "the main thread waits for a pipe that may never speak")]
fn end(status: i32) -> ! {
    std::process::exit(status)
}
