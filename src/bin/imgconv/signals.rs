//! SIGINT, SIGTERM and SIGHUP end a run and remove all temporary files.

use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::ui::Ui;

/// The time for the run to end by itself: it checks after every read.
const GRACE: Duration = Duration::from_millis(600);

/// Watches in a separate thread. A run that waits for a pipe cannot check, so this thread removes
/// its temporary files.
pub(crate) fn watch(ui: &Ui) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    let ui = ui.clone();
    std::thread::spawn(move || {
        let number = signals.forever().next().map_or(1, |it| u8::try_from(it).unwrap_or(1));
        ui.set_signal(number);
        std::thread::sleep(GRACE);
        for path in ui.staged() {
            let _ = std::fs::remove_dir_all(path);
        }
        end(i32::from(number) + 128);
    });
}

#[expect(clippy::exit, reason = "the main thread waits for a pipe that may never speak")]
fn end(status: i32) -> ! {
    std::process::exit(status)
}
