//! `imgconv roundtrip`: converts to every format and back, and compares the results.

mod programs;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use imgconv::bytes::files::Input;
use imgconv::compare::{ComparedSource, Comparison, Level, compare};
use imgconv::convert::{Destination, Dialect, Format, Platforms, Target, plan, run};
use imgconv::error::{Error, ErrorKind, Location, Shown};
use imgconv::image::Name;
use imgconv::source::{Arrival, Options, Selection, open};

use self::programs::Program;
use indicatif::HumanBytes;

use crate::args::{CheckFormat, CheckSpeaking, Choosing, ReadingArgs, Threads, temporary};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render;
use crate::ui::Ui;

/// Convert to every format and back, and show what changes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv roundtrip nginx.tar
  imgconv roundtrip --with docker,podman,skopeo,umoci nginx.tar

The option --with also converts the first image with those programs, if they are installed: docker
uses its daemon, under a temporary name; podman uses a separate store.

Exit status: 0 the image is the same everywhere, 1 it is not, 2 could not run. Changes by other
programs are shown, but do not affect the exit status.")]
pub(crate) struct Args {
    /// Docker archive or layout: a path, - for a pipe, or docker://NAME
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    source: OsString,
    /// Also convert with these programs
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PROGRAM")]
    with: Vec<Program>,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    threads: Threads,
    #[command(flatten)]
    speaking: CheckSpeaking,
}

/// One conversion, or one round trip.
#[derive(Debug)]
pub(crate) struct RoundtripStep {
    pub(crate) through: String,
    /// The comparison with the source, or the reason why it failed.
    pub(crate) found: Result<Comparison, String>,
    pub(crate) by: By,
}

/// Who converts; changes by other programs do not affect the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Us,
    Others,
}

fn kept(error: std::io::Error) -> Failure {
    Error::new(&Location::of(&temporary()), ErrorKind::Spool(error)).into()
}

impl RoundtripStep {
    /// The highest level that is the same for all resulting images. If a format holds only one
    /// platform, the lost ones are reported separately.
    pub(crate) fn level(&self) -> Option<Level> {
        let found = self.found.as_ref().ok()?;
        let least = found.pairs.iter().map(|pair| pair.level).min();
        match least {
            Some(least) if found.only_b.is_empty() && !found.only_a.is_empty() => Some(least),
            _ => Some(found.level),
        }
    }

    /// Whether it affects the exit status, and the image is not the same.
    pub(crate) fn is_failed(&self) -> bool {
        self.by == By::Us && self.level().is_none_or(|level| level < Level::Image)
    }
}

/// The working directory and options of a run.
pub(crate) struct Workshop<'a> {
    folder: PathBuf,
    source: PathBuf,
    /// How to open the source, and the selection.
    options: Options,
    selection: Selection,
    threads: usize,
    ui: &'a Ui,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.speaking.apply(ui);
        let place = PlaceArg::parse(&self.source)?;
        let folder = tempfile::tempdir_in(temporary()).map_err(kept)?;
        self.reading.access.needed(&[&place])?;
        self.reading.access.connect(self.threads.count());
        let source = if place.is_registry() {
            let path = folder.path().join("source");
            let source =
                self.reading.open(ui, &place, (folder.path().to_owned(), Arrival::anything()))?;
            let target = Target::new(Destination::Path(path.clone()), Format::Layout);
            run(&plan(source, target)?, ui)?;
            path
        } else if place.is_pipe() {
            let path = folder.path().join("source.tar");
            let mut file = File::create(&path).map_err(kept)?;
            let size = std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(kept)?;
            ui.step(&format!("spooled -, {}", HumanBytes(size)));
            path
        } else {
            place.path.clone()
        };
        let workshop = Workshop {
            folder: folder.path().to_owned(),
            source,
            options: self.reading.options(&place, folder.path().to_owned()),
            selection: self.choosing.selection(&place)?,
            threads: self.threads.count(),
            ui,
        };
        let mut steps = workshop.own()?;
        for program in &self.with {
            steps.extend(programs::through(&workshop, *program));
        }
        let source = self.source.to_string_lossy();
        ui.answer(&match self.speaking.format {
            CheckFormat::Text => render::steps(&steps),
            CheckFormat::Json => render::steps_json(&source, &steps),
            CheckFormat::Junit => render::steps_junit(&source, &steps),
        })?;
        match steps.iter().find(|it| it.is_failed()) {
            None => Ok(()),
            Some(step) => {
                let through = &step.through;
                let text =
                    format!("{}: the image is not the same through {through}", Shown(&source));
                Err(Failure::No(text))
            }
        }
    }
}

impl Workshop<'_> {
    /// Converts to a layout and every dialect, and back from each.
    fn own(&self) -> Result<Vec<RoundtripStep>, Failure> {
        let layout = self.path("layout");
        self.convert(&self.source, &layout, Format::Layout, None)?;
        let first = self.step("layout".to_owned(), Ok(layout.clone()), "", By::Us);
        if let Err(error) = first.found {
            return Err(Failure::No(error));
        }
        let mut steps = vec![first];
        for dialect in Dialect::ALL {
            let name = dialect.name();
            let archive = self.path(&format!("{name}.tar"));
            let there = self.convert(&layout, &archive, Format::DockerArchive(dialect), None);
            let there = there.map(|()| archive.clone()).map_err(|failure| failure.to_string());
            let gone = there.is_ok();
            steps.push(self.step(name.to_owned(), there, "", By::Us));
            if gone {
                let back = self.path(&format!("{name}-back"));
                let done = self.convert(&archive, &back, Format::Layout, None);
                let done = done.map(|()| back).map_err(|failure| failure.to_string());
                steps.push(self.step(format!("{name}, and back"), done, "", By::Us));
            }
        }
        Ok(steps)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Compares a result with the source; `image` selects one image of the result.
    fn step(
        &self,
        through: String,
        out: Result<PathBuf, String>,
        image: &str,
        by: By,
    ) -> RoundtripStep {
        let found = out.and_then(|out| {
            let mut source = ComparedSource::new(Input::from(&*self.source), self.options.clone());
            source.selection = self.selection.clone();
            if by == By::Others {
                source.selection.images = vec![self.first()];
            }
            let mut other = ComparedSource::new(Input::from(out), Options::new(&self.folder));
            other.selection.images.extend(Some(image.to_owned()).filter(|it| !it.is_empty()));
            compare(source, other).map_err(|error| error.to_string())
        });
        RoundtripStep { through, found, by }
    }

    /// The image to convert with other programs.
    fn first(&self) -> String {
        self.selection.images.first().cloned().unwrap_or_else(|| "@0".to_owned())
    }

    /// Converts all selected images, or only the first under a new name.
    fn convert(
        &self,
        from: &Path,
        to: &Path,
        form: Format,
        one: Option<&str>,
    ) -> Result<(), Failure> {
        let mut target = Target::new(Destination::Path(to.to_owned()), form);
        let options = if from == self.source {
            target.images.clone_from(&self.selection.images);
            if !self.selection.platforms.is_empty() {
                target.platforms = Platforms::Only(self.selection.platforms.clone());
            }
            self.options.clone()
        } else {
            Options::new(&self.folder)
        };
        let source = open(Input::from(from), &options, self.ui)?;
        if one.is_some() {
            target.images = vec![self.first()];
        }
        target.tags = one.and_then(|name| name.parse().ok()).map(Name::of).into_iter().collect();
        target.threads = self.threads;
        run(&plan(source, target)?, self.ui)?;
        Ok(())
    }
}
