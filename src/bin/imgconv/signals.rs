//! SIGINT, SIGTERM and SIGHUP end a run with everything temporary removed.

use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::ui::Ui;

/// How long the run has to end by itself: it looks at every piece that it reads.
const GRACE: Duration = Duration::from_millis(600);

/// Watches from a thread of its own. A run that waits for a pipe cannot look, so what it has
/// staged is removed for it.
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
