//! All terminal output: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use imgconv::error::{Location, Shown};
use imgconv::progress::{Activity, Event, Progress};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::OutputFormat;
use crate::failure::{Failure, FailureJson};
use crate::{patient, render};

/// The verbosity on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// How a failure is printed on standard output, if no other output was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureForm {
    /// Not at all.
    None,
    Json,
    Junit,
}

impl From<OutputFormat> for FailureForm {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Text => Self::None,
            OutputFormat::Json => Self::Json,
        }
    }
}

/// The user interface.
#[derive(Clone)]
pub(crate) struct Ui(Arc<UiState>);

struct UiState {
    verbosity: Mutex<Verbosity>,
    /// The number of the signal that ended the run; 0 for none.
    signal: AtomicU8,
    total: AtomicU64,
    /// The bytes of a source that is being opened.
    opened: AtomicU64,
    bar: Mutex<Option<ProgressBar>>,
    staged: Mutex<Vec<PathBuf>>,
    /// What is done when a signal ends the run.
    ends: Mutex<Vec<Box<dyn Fn() + Send>>>,
    failures: Mutex<FailureForm>,
    /// Whether standard error is one JSON document, because standard output is an archive.
    json_aside: AtomicBool,
}

impl Ui {
    pub(crate) fn new() -> Self {
        Self(Arc::new(UiState {
            verbosity: Mutex::new(Verbosity::Normal),
            signal: AtomicU8::new(0),
            total: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            bar: Mutex::new(None),
            staged: Mutex::default(),
            ends: Mutex::default(),
            failures: Mutex::new(FailureForm::None),
            json_aside: AtomicBool::new(false),
        }))
    }

    pub(crate) fn set_verbosity(&self, verbosity: Verbosity) {
        if let Ok(mut place) = self.0.verbosity.lock() {
            *place = verbosity;
        }
    }

    /// Prints a failure in this form too, until other output is printed.
    pub(crate) fn answer_failures(&self, form: impl Into<FailureForm>) {
        if let Ok(mut place) = self.0.failures.lock() {
            *place = form.into();
        }
    }

    /// Moves the answer to standard error, because standard output is an archive. JSON is alone there.
    pub(crate) fn answer_aside(&self, format: OutputFormat) {
        self.answer_failures(FailureForm::None);
        self.0.json_aside.store(format == OutputFormat::Json, Ordering::Relaxed);
    }

    fn is_json_aside(&self) -> bool {
        self.0.json_aside.load(Ordering::Relaxed)
    }

    fn verbosity(&self) -> Verbosity {
        if self.is_json_aside() {
            return Verbosity::Quiet;
        }
        self.0.verbosity.lock().map_or(Verbosity::Normal, |verbosity| *verbosity)
    }

    /// The signal that ended the run.
    pub(crate) fn signal(&self) -> Option<u8> {
        Some(self.0.signal.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    pub(crate) fn set_signal(&self, signal: u8) {
        self.0.signal.store(signal, Ordering::Relaxed);
    }

    /// Does this when a signal ends the run.
    pub(crate) fn at_signal(&self, end: impl Fn() + Send + 'static) {
        if let Ok(mut ends) = self.0.ends.lock() {
            ends.push(Box::new(end));
        }
    }

    /// Ends what a signal interrupts.
    pub(crate) fn end(&self) {
        if let Ok(ends) = self.0.ends.lock() {
            ends.iter().for_each(|end| end());
        }
    }

    /// Existing temporary files and folders.
    pub(crate) fn staged(&self) -> Vec<PathBuf> {
        self.0.staged.lock().map(|staged| staged.clone()).unwrap_or_default()
    }

    /// Prints the result to standard output.
    pub(crate) fn answer(&self, text: &str) -> Result<(), Failure> {
        self.finish();
        self.answer_failures(FailureForm::None);
        let mut out = anstream::stdout().lock();
        patient::write_all(&mut out, io::stdout().as_fd(), text.as_bytes()).map_err(Failure::Output)
    }

    /// Prints a part of the result to standard output; the run goes on.
    pub(crate) fn answer_part(&self, text: &str) -> Result<(), Failure> {
        let print = || {
            let mut out = anstream::stdout().lock();
            patient::write_all(&mut out, io::stdout().as_fd(), text.as_bytes())
        };
        let bar = self.0.bar.lock().ok().and_then(|bar| bar.clone());
        bar.map_or_else(print, |bar| bar.suspend(print)).map_err(Failure::Output)
    }

    /// Prints the result to standard error, also if quiet when it is JSON.
    pub(crate) fn print_aside(&self, text: &str) {
        self.finish();
        if self.is_json_aside() {
            return self.write(text);
        }
        self.line(text.trim_end());
    }

    /// Writes bytes to standard output.
    pub(crate) fn answer_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.finish();
        let mut out = io::stdout().lock();
        patient::write_all(&mut out, io::stdout().as_fd(), bytes).map_err(Failure::Output)
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        self.finish();
        if failure.is_silent() {
            return;
        }
        if self.is_json_aside() {
            return self.print_aside(&render::json(&FailureJson { error: failure }));
        }
        self.answer_failure(failure);
        self.complain(failure);
    }

    /// Prints an error of one item; the run goes on.
    pub(crate) fn complain(&self, failure: &Failure) {
        let code = failure.code().map(|code| format!(" [{code}]")).unwrap_or_default();
        self.labelled("error", AnsiColor::Red, &format!("{failure}{code}"));
        if let Some(hint) = failure.hint() {
            self.labelled("hint", AnsiColor::Cyan, &hint);
        }
    }

    /// Prints the failure in the requested form; standard error has the message in any case.
    pub(crate) fn answer_failure(&self, failure: &Failure) {
        let form = self.0.failures.lock().map_or(FailureForm::None, |form| *form);
        let _ = match form {
            FailureForm::None => return,
            FailureForm::Json => self.answer(&render::json(&FailureJson { error: failure })),
            FailureForm::Junit => self.answer(&render::junit_of_failure(failure)),
        };
    }

    pub(crate) fn warning(&self, text: &str) {
        if self.verbosity() > Verbosity::Quiet {
            self.labelled("warning", AnsiColor::Yellow, text);
        }
    }

    pub(crate) fn note(&self, text: &str) {
        if self.verbosity() > Verbosity::Quiet {
            self.labelled("note", AnsiColor::Cyan, text);
        }
    }

    /// Prints a line without a label to standard error.
    pub(crate) fn line(&self, text: &str) {
        if self.verbosity() > Verbosity::Quiet {
            self.write(&format!("{text}\n"));
        }
    }

    fn labelled(&self, label: &str, color: AnsiColor, text: &str) {
        let style = Style::new().fg_color(Some(color.into())).bold();
        self.write(&format!("{style}{label}:{style:#} {text}\n"));
    }

    /// Errors are ignored, because they cannot be reported.
    fn write(&self, text: &str) {
        let print = || {
            let _ = anstream::stderr().write_all(text.as_bytes());
        };
        match self.0.bar.lock() {
            Ok(bar) if bar.is_some() => bar.iter().for_each(|bar| bar.suspend(print)),
            _ => print(),
        }
    }

    /// Removes the progress bar.
    pub(crate) fn finish(&self) {
        if let Ok(mut bar) = self.0.bar.lock()
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    /// Starts a progress bar, only on a terminal and after one second.
    fn start(&self, total: u64) {
        self.finish();
        self.0.total.store(total, Ordering::Relaxed);
        if self.verbosity() != Verbosity::Normal || !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        // A line that wraps is not redrawn in its place.
        let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |it| it.ws_col);
        let template = match columns {
            0..70 => "{percent}% of {total_bytes}, {eta} left, {wide_msg}",
            _ => "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left, {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if let Ok(mut place) = self.0.bar.lock() {
            *place = Some(bar.clone());
        }
        // Without a thread there is no bar.
        let _ = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            if !bar.is_finished() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
        });
    }

    /// The current step: a line in verbose mode, otherwise the text of the bar.
    pub(crate) fn step(&self, text: &str) {
        let text = Shown(text);
        if self.verbosity() == Verbosity::Verbose {
            self.write(&format!("{text}\n"));
        } else {
            self.set_message(&text.to_string());
        }
    }

    /// Whether each step has a line.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbosity() == Verbosity::Verbose
    }

    /// The text of the bar.
    pub(crate) fn set_message(&self, text: &str) {
        if let Ok(bar) = self.0.bar.lock() {
            bar.iter().for_each(|bar| bar.set_message(text.to_owned()));
        }
    }

    fn with_staged(&self, change: impl FnOnce(&mut Vec<PathBuf>)) {
        if let Ok(mut staged) = self.0.staged.lock() {
            change(&mut staged);
        }
    }
}

impl Progress for Ui {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Total(total) => self.start(total),
            Event::Started { activity, at, .. } => {
                self.0.opened.store(0, Ordering::Relaxed);
                self.step(&words(activity, at));
            }
            Event::Finished { activity: Activity::Spool, at } => {
                let size = HumanBytes(self.0.opened.load(Ordering::Relaxed));
                self.step(&format!("spooled {at}, {size}"));
            }
            Event::Waiting { at } => {
                self.step(&format!("wait for another process that writes to {at}"))
            }
            Event::Read(count) => {
                self.0.opened.fetch_add(count, Ordering::Relaxed);
                if let Ok(bar) = self.0.bar.lock() {
                    bar.iter().for_each(|bar| bar.inc(count));
                }
            }
            Event::Staged(path) => self.with_staged(|all| all.push(path.to_owned())),
            Event::Settled(path) => self.with_staged(|all| all.retain(|known| known != path)),
            _ => (),
        }
        if self.signal().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The text of an activity.
fn words(activity: Activity, at: &Location) -> String {
    let verb = match activity {
        Activity::Spool => "spool",
        Activity::Receive => "receive",
        Activity::Read => "read",
        Activity::Verify => "verify",
        Activity::Copy => "check and copy",
        Activity::Decompress => "check and decompress",
        Activity::Compress => "check and compress",
        Activity::Recover => "recover",
        Activity::Reuse { digest } => return format!("reuse {digest}"),
        _ => "process",
    };
    format!("{verb} {at}")
}
